"""Checks of a cluster that somebody else runs: whether it is what the stack file says, and what is in the way."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping

from infra.contract import Capability, Pool, options_of
from infra.existing.options import ExistingOptions
from infra.naming import GPU_RESOURCE, POOL_LABEL

from . import checks
from .checks import Check, Finding, Live, NoCredentialsError, Plan, look, static
from .documents import Json, part, parts, texts

_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
_NODES = "/api/v1/nodes"
_REMEDY = "correct cluster.options, or the cluster"


def make(plan: Plan) -> tuple[Check, ...]:
    """The checks of one cluster. Reading is enough for all but the last, which asks by dry run."""
    options, live = options_of(plan.spec, ExistingOptions), checks.once(plan.live)
    pools = plan.spec.pools
    return (
        static("existing.networks", checks.networks({"pods": options.pod_cidr, "services": options.service_cidr}, {})),
        look("existing.credentials", "GET /version", lambda: _version(plan.spec.version, live)),
        look("existing.nodes", "list nodes", lambda: _pools(pools, _nodes(live()))),
        look("existing.addresses", "list nodes", lambda: _addresses(options, _nodes(live()))),
        look("existing.storage", "list storageclasses", lambda: _classes(options, live())),
        look("existing.conflicts", "list deployments, webhook configurations, CRDs", lambda: _conflicts(live())),
        look(
            "existing.webhooks",
            "list webhook configurations; create, as a dry run, what they guard",
            lambda: _webhooks(options, live()),
        ),
    )


def _version(wanted: str, live: Callable[[], Live]) -> Finding:
    try:
        found = live().get("/version") or {}
    except NoCredentialsError as error:
        return checks.failed(str(error), error.remedy)
    told = f"{found.get('major', '?')}.{re.sub('[^0-9].*', '', found.get('minor', '?'))}"
    if told == wanted:
        return checks.passed(f"the API server answers; Kubernetes {found.get('gitVersion', told)}")
    return checks.failed(f"the cluster runs Kubernetes {told}; cluster.version is {wanted}", "correct cluster.version")


def _nodes(live: Live) -> list[Json]:
    return parts(live.get(_NODES) or {}, "items")


def _pools(pools: Mapping[str, Pool], nodes: list[Json]) -> Finding:
    """Every pool that must have nodes has them, with their GPUs."""
    problems = [text for name, pool in pools.items() for text in _lacking(name, pool, nodes)]
    if problems:
        return checks.failed(problems, f"label the nodes with {POOL_LABEL}=NAME, or correct cluster.pools")
    ready = sum(_is_ready(node) for node in nodes)
    return checks.passed(f"{ready} of {len(nodes)} nodes are ready, and every pool has those that it must have")


def _lacking(name: str, pool: Pool, nodes: list[Json]) -> Iterator[str]:
    own = [node for node in nodes if part(node["metadata"], "labels").get(POOL_LABEL) == name and _is_ready(node)]
    if len(own) < pool.min:
        yield f"pools.{name}: {len(own)} ready nodes carry its label; min is {pool.min}"
    if pool.gpu is not None:
        for node in own:
            found = int(part(part(node, "status"), "allocatable").get(GPU_RESOURCE, "0"))
            if found < pool.gpu.count:
                yield f"pools.{name}: {node['metadata']['name']} offers {found} GPUs; gpu.count is {pool.gpu.count}"


def _is_ready(node: Json) -> bool:
    conditions = parts(part(node, "status"), "conditions")
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _addresses(options: ExistingOptions, nodes: list[Json]) -> Finding:
    """Network policies are made from these: a wrong one closes what must be open, or opens what must not be."""
    pods = ipaddress.ip_network(options.pod_cidr)
    inside = [ipaddress.ip_network(cidr) for cidr in options.node_cidrs]
    problems: list[str] = []
    for node in nodes:
        name = node["metadata"]["name"]
        problems += [
            f"node {name} has pods in {cidr}, outside podCidr ({pods})"
            for cidr in texts(part(node, "spec"), "podCIDRs")
            if _outside(cidr, pods)
        ]
        own = [item["address"] for item in parts(part(node, "status"), "addresses") if item["type"] == "InternalIP"]
        problems += [
            f"node {name} has address {address}, outside nodeCidrs"
            for address in own
            if inside and not any(ipaddress.ip_address(address) in network for network in inside)
        ]
    if problems:
        return checks.failed(problems, _REMEDY)
    return checks.passed(f"{len(nodes)} nodes lie in the networks that are named")


def _outside(cidr: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    found = ipaddress.ip_network(cidr)
    return found.version == network.version and not found.overlaps(network)


def _classes(options: ExistingOptions, live: Live) -> Finding:
    there = {item["metadata"]["name"] for item in parts(live.get(_CLASSES) or {}, "items")}
    wanted = (options.block_storage_class, options.shared_storage_class, options.scratch_storage_class)
    named = [name for name in wanted if name is not None]
    if missing := [name for name in named if name not in there]:
        return checks.failed(
            f"no storage class {', '.join(missing)}; there are {', '.join(sorted(there)) or 'none'}", _REMEDY
        )
    return checks.passed(f"storage classes {', '.join(named)} are there")


def _conflicts(live: Live) -> Finding:
    found = live.conflicts()
    if found:
        return checks.failed(found, "the ways out are named with each")
    return checks.passed("nobody else's Istio, cert-manager, Prometheus operator or Knative is in the way")


def _webhooks(options: ExistingOptions, live: Live) -> Finding:
    """Whether the API server reaches pods: the webhooks that are there answer, or tell why not."""
    found = live.silent_webhooks()
    silent = [line for lines in found.values() for line in lines]
    declared = Capability.WEBHOOKS in options.capabilities
    if silent and declared:
        return checks.failed(silent, "open the way from the API server to the pods, or drop the capability webhooks")
    if silent:
        return checks.warned("; ".join(silent), "the stack file does not count on webhooks; others may")
    if not found:
        return checks.warned("no webhook is there to try it with", "the first gate of the installation will tell")
    return checks.passed(f"the API server reaches the pods of {len(found)} webhook configurations")
