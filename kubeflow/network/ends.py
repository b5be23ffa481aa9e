"""The ends that the proof compares: pods that exist, pods that will, pods that nobody declared.

They are the pods of the rendered controllers, pods that a controller makes later, tenants' pods, and undeclared ones:
one in each namespace of the platform, and an impostor with each workload's labels in a namespace that nobody fences.
Pods on the node's network are left out: a policy cannot fence them. A rendered pod is known by its controller's name,
never by the labels that the table expects, so that a wrong label shows up as an edge.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .flows import Addresses, Flow, Peer, Workload
from .policies import NAMESPACE, SHARED_NAMESPACES, TENANT_LABEL
from .semantics import Endpoint, Pod
from .workloads import DNS, OURS, TENANT, WORKLOADS

_CONTROLLERS = ("DaemonSet", "Deployment", "Job", "StatefulSet")
_ELSEWHERE = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """One side of an edge: what policies see of it, and what the table calls it."""

    name: str
    endpoint: Endpoint
    roles: frozenset[Peer]
    fenced: bool  # the platform or a tenant answers for it; policies leave every other pod alone


def rendered(
    objects: Iterable[Mapping[str, Any]], installed: Collection[str], addresses: Addresses
) -> tuple[tuple[End, ...], tuple[str, ...], tuple[str, ...]]:
    """The pods of rendered controllers; controllers that the table lacks; workloads that nothing renders."""
    expected = [workload for workload in _platform(installed) if workload.made_by in ("", OURS)]
    named = {(workload.namespace, workload.name): workload for workload in expected}
    found: list[End] = []
    unknown: list[str] = []
    for item in _controllers(objects):
        namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
        workload = named.pop((namespace, name), None)
        if workload is None:
            unknown.append(f"{namespace}/{name}")
        else:
            roles: frozenset[Peer] = frozenset({workload})
            found.append(End(name=f"{namespace}/{name}", endpoint=_template(item, addresses), roles=roles, fenced=True))
    # A server of the platform's own is rendered only where nobody else runs one.
    absent = tuple(f"{space}/{name}" for (space, name), workload in named.items() if not workload.made_by)
    return tuple(found), tuple(unknown), absent


def others(installed: Collection[str], tenants: Mapping[str, Sequence[Flow]], addresses: Addresses) -> Iterator[End]:
    """Every end that is no rendered pod."""
    ours = _platform(installed)
    theirs = [workload for workload in WORKLOADS if workload.namespace is None]
    yield from (_made(workload, addresses) for workload in ours if workload.made_by)
    for namespace in sorted({str(workload.namespace) for workload in ours}):
        yield _stranger(namespace, addresses)
    yield from _tenants(tenants, theirs, addresses)
    yield from _outsiders((*ours, *theirs), addresses)


def _platform(installed: Collection[str]) -> tuple[Workload, ...]:
    return tuple(workload for workload in WORKLOADS if workload.component in installed)


def _controllers(objects: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for item in objects:
        if item["kind"] in _CONTROLLERS and not item["spec"]["template"]["spec"].get("hostNetwork"):
            yield item


def _template(item: Mapping[str, Any], addresses: Addresses) -> Pod:
    template = item["spec"]["template"]
    named = {
        port["name"]: (port.get("protocol") or "TCP", port["containerPort"])
        for container in template["spec"]["containers"]
        for port in container.get("ports") or ()
        if "name" in port
    }
    return _pod(item["metadata"]["namespace"], template["metadata"].get("labels") or {}, addresses, named)


def _pod(
    namespace: str,
    labels: Mapping[str, str],
    addresses: Addresses,
    named: Mapping[str, Any] | None = None,
    namespace_labels: Mapping[str, str] | None = None,
) -> Pod:
    return Pod(
        namespace=namespace,
        labels=labels,
        namespace_labels={NAMESPACE: namespace, **(namespace_labels or {})},
        named_ports=named or {},
        address=str(ipaddress.ip_network(addresses.inside[0])[1]) if addresses.inside else None,
    )


def _made(workload: Workload, addresses: Addresses) -> End:
    pod = _pod(str(workload.namespace), _labels(workload), addresses)
    return End(name=str(workload), endpoint=pod, roles=frozenset({workload}), fenced=True)


def _labels(workload: Workload) -> dict[str, str]:
    return {**workload.labels, **dict.fromkeys(workload.having, "any")}


def _stranger(namespace: str, addresses: Addresses) -> End:
    """A pod that nobody declared: closed in a namespace of the platform, left alone in a shared one."""
    name, pod = f"{namespace}/(undeclared pod)", _pod(namespace, {}, addresses)
    return End(name=name, endpoint=pod, roles=frozenset(), fenced=namespace not in SHARED_NAMESPACES)


def _tenants(
    tenants: Mapping[str, Sequence[Flow]], workloads: Sequence[Workload], addresses: Addresses
) -> Iterator[End]:
    """One pod of each kind in each tenant's namespace; every one is also simply a tenant's pod."""
    for namespace, flows in tenants.items():
        own = {flow.source for flow in flows}
        for workload in workloads:
            pod = _pod(namespace, _labels(workload), addresses, namespace_labels=TENANT_LABEL)
            roles = frozenset({TENANT, workload, *own})
            yield End(name=f"{namespace}/{workload.name}", endpoint=pod, roles=roles, fenced=True)


def _outsiders(workloads: Iterable[Workload], addresses: Addresses) -> Iterator[End]:
    """The cluster's resolver, and pods of a namespace that nobody fences: plain, and with each workload's labels."""
    dns = _pod(str(DNS.namespace), DNS.labels, addresses)
    yield End(name=str(DNS), endpoint=dns, roles=frozenset({DNS}), fenced=False)
    for workload in (DNS, *workloads):
        pod = _pod(_ELSEWHERE, _labels(workload), addresses)
        name = f"{_ELSEWHERE}/(labels of {workload})"
        yield End(name=name, endpoint=pod, roles=frozenset(), fenced=False)
