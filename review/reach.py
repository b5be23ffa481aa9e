"""Run by path inside of one tree: what its table of flows declares, and whether the planned policies say the same.

Reads JSON from standard input (`objects`, `components`, `platform`, `inside`) and writes JSON. It knows only `kubeflow`
and `infra.contract` of the tree that it runs in, so that each side is judged by its own table.

The networks behind the ends outside are learnt from the planned policies themselves, all of which have to agree. Two
are known only when a cluster exists; policies that name one are planned without a content, and are made anew here, as
the program makes them, with an example network in its place.
"""

from __future__ import annotations

import ipaddress
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))  # the tree that is looked at

from infra.contract import METADATA_ADDRESSES
from kubeflow.distribution.source import CrdsOf
from kubeflow.distribution.table import CURRENT, components
from kubeflow.install.source import expanded
from kubeflow.network import authorization, policies, proof
from kubeflow.network.flows import Addresses, Flow, Outside, Peer, Workload
from kubeflow.network.semantics import parse, ranges
from kubeflow.network.workloads import WORKLOADS

Object = dict[str, Any]
_EXAMPLE = "192.0.2.0/24"  # RFC 5737
_INSIDE = ("10.244.0.0/16", "10.96.0.0/12")  # where a stack file names no networks of its own
_LATE = (Outside.API_SERVER, Outside.OBJECT_STORE)
_DECIDING = ("NetworkPolicy", "AuthorizationPolicy")
_HOST_BITS = {4: 32, 6: 128}


def looked_at(question: Mapping[str, Any]) -> Object:
    """The answer about one side."""
    objects = cast("list[Object]", question["objects"])
    platform = cast("Object", question["platform"])
    named = cast("dict[str, Object]", platform.get("tenants") or {})
    tenants = {name: named[name] for name in sorted(named)}  # as the engine hands a program its configuration
    names = expanded(cast("list[str]", question["components"]))
    chosen = components(CURRENT, names) if names else ()
    installed = frozenset(one.family or one.name for one in chosen if not isinstance(one.source, CrdsOf))
    planned = {_key(one): one for one in objects if one["kind"] == "NetworkPolicy"}
    where = _addresses(installed, planned, cast("list[str]", question["inside"]))
    whole, remade = _whole(planned, installed, where, tenants)
    openings = {name: [*_openings(name, tenant)] for name, tenant in tenants.items()}
    model = proof.model((one for one in objects if one["kind"] not in _DECIDING), installed, openings, where)
    found = [str(one) for one in model.findings([parse(one) for one in whole])]
    return {
        "edges": sorted({*_edges(model)}),
        "networks": {end.value: list(cidrs) for end, cidrs in where.networks.items()},
        "findings": [*found, *_unlisted(model.unknown)],
        "policies": len(whole),
        "remade": remade,
        "authorizations": _authorizations(objects, installed, tenants),
    }


def _unlisted(names: Iterable[str]) -> Iterator[str]:
    """Controllers that the table lacks, in namespaces that are the platform's alone."""
    ours = {one.namespace for one in WORKLOADS} - policies.SHARED_NAMESPACES
    yield from (f"{name} is in no row of the table of flows" for name in names if name.partition("/")[0] in ours)


def _key(body: Mapping[str, Any]) -> tuple[str, str]:
    return str(body["metadata"].get("namespace", "")), str(body["metadata"]["name"])


def _addresses(
    installed: frozenset[str], planned: Mapping[tuple[str, str], Object], inside: Sequence[str]
) -> Addresses:
    """What the planned policies say of the ends outside, each found by the place that the table gives it."""
    marks = {end: str(ipaddress.ip_network((0xC6120000 + (number << 8), 24)))  # in 198.18.0.0/15, RFC 2544
             for number, end in enumerate(Outside) if end is not Outside.ANYWHERE}  # fmt: skip
    blank = Addresses(metadata=(), inside=(), networks={end: (mark,) for end, mark in marks.items()})
    learnt: dict[Outside, tuple[str, ...]] = {}
    marked = [(one, planned.get(_key(one))) for one in policies.platform(installed, blank)]
    carved: dict[str, None] = {}
    for _ in range(2):  # then what shares its rule with ends that are known by now
        for form, real in marked:
            if real is None or not _is_plain(real):
                continue
            for key, blocks in _blocks(form["spec"]).items():
                found = _blocks(real["spec"]).get(key, {})
                carved.update(dict.fromkeys(hole for holes in found.values() for hole in holes))
                ends = [end for end, mark in marks.items() if mark in blocks]
                unknown = [end for end in ends if end not in learnt]
                known = {cidr for end in ends if end in learnt for cidr in learnt[end]}
                if len(unknown) == 1:
                    learnt[unknown[0]] = tuple(cidr for cidr in found if cidr not in known)
    hosts = [hole for hole in carved if _is_host(hole)]
    example = (_EXAMPLE,) if not all(map(_is_plain, planned.values())) else ()
    networks = {end: learnt.get(end, example if end in _LATE else ()) for end in marks}
    within = [hole for hole in carved if not _is_host(hole)]
    return Addresses(
        metadata=tuple(dict.fromkeys((*METADATA_ADDRESSES, *(hole.partition("/")[0] for hole in hosts)))),
        inside=tuple(dict.fromkeys((*(inside or (() if within else _INSIDE)), *within))),
        networks=networks,
    )


def _is_plain(policy: Object) -> bool:
    """Whether the plan holds its content."""
    return isinstance(policy["spec"], dict)


def _is_host(cidr: str) -> bool:
    network = ipaddress.ip_network(cidr)
    return network.prefixlen == _HOST_BITS[network.version]


def _blocks(spec: Mapping[str, Any]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Direction and ports of each rule -> its networks with what is carved out of them."""
    found: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for section, word in (("ingress", "from"), ("egress", "to")):
        for rule in cast("list[Object]", spec.get(section) or []):
            listed = sorted(f"{one.get('protocol')}/{_number(one.get('port'))}" for one in rule.get("ports") or ())
            for peer in cast("list[Object]", rule.get(word) or []):
                if block := peer.get("ipBlock"):
                    found[f"{section} {listed}"][block["cidr"]] = tuple(block.get("except") or ())
    return found


def _number(port: object) -> object:
    return int(port) if isinstance(port, float) else port


def _whole(
    planned: Mapping[tuple[str, str], Object],
    installed: frozenset[str],
    where: Addresses,
    tenants: Iterable[str],
) -> tuple[list[Object], int]:
    """Every planned policy with its content; those without one are made anew."""
    made = {_key(one): one for one in policies.platform(installed, where)}
    made |= {_key(one): one for name in tenants for one in policies.tenant(name, installed, where)}
    empty = [key for key, one in planned.items() if not _is_plain(one)]
    whole = [made[key] if key in empty else one for key, one in planned.items() if key not in empty or key in made]
    return whole, len(empty)


def _openings(name: str, tenant: Mapping[str, Any]) -> Iterator[Flow]:
    for one in cast("list[Object]", tenant.get("egress") or []):
        why = str(one.get("reason") or "none")
        yield proof.opening(name, one["cidr"], int(one["port"]), one.get("protocol") or "TCP", why)


def _edges(model: proof.Model) -> Iterator[tuple[str, str, str]]:
    """The declared flows between ends that are there."""
    there: set[Peer] = {role for end in model.ends for role in end.roles}
    there |= {end for end, cidrs in model.addresses.networks.items() if cidrs} | {Outside.ANYWHERE}
    for (source, target), ports in model.flows.items():
        if _exists(source, there) and _exists(target, there):
            yield _named(source), _named(target), ", ".join(ranges(ports))


def _exists(peer: Peer, there: set[Peer]) -> bool:
    return (
        peer in there
        or not isinstance(peer, Workload | Outside)
        or (isinstance(peer, Workload) and peer not in WORKLOADS)
    )


def _named(peer: Peer) -> str:
    return f"outside/{peer.value}" if isinstance(peer, Outside) else str(peer)


def _authorizations(objects: Sequence[Object], installed: frozenset[str], tenants: Mapping[str, Object]) -> Object:
    """Whether the planned AuthorizationPolicies are those that the table makes; others are named."""
    planned = {_key(one): one for one in objects if one["kind"] == "AuthorizationPolicy"}
    people = {
        name: (str(tenant.get("owner")), *cast("list[str]", tenant.get("contributors") or []))
        for name, tenant in tenants.items()
    }
    callers = authorization.Callers(
        installed=installed,
        accounts=authorization.accounts(one for one in objects if one["kind"] not in _DECIDING),
        people=people,
        tokens_inside=False,
    )
    made: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for one in (callers, replace(callers, tokens_inside=True)):
        bodies = [*authorization.platform(one), *(body for name in tenants for body in authorization.tenant(name, one))]
        bodies += [*authorization.doors(_domain(planned), people)] if planned else []
        for body in bodies:
            made[_key(body)].append(cast("Object", json.loads(json.dumps(body["spec"]))))
    same = [key for key, body in planned.items() if body.get("spec") in made.get(key, ())]
    other = [key for key in made if key in planned and key not in same and isinstance(planned[key].get("spec"), dict)]
    kept = {tuple(name.split("/")) for name in authorization.KEPT}
    beside = [key for key in planned if key not in made and key not in kept]
    return {
        "same": len(same),
        "other": sorted("/".join(key) for key in other),
        "beside": sorted("/".join(key) for key in beside),
        "missing": sorted("/".join(key) for key in made if planned and key not in planned),
    }


def _domain(planned: Mapping[tuple[str, str], Object]) -> str:
    """The domain of the gateway, as the policies at its doors have it first."""
    for (_, name), body in planned.items():
        if name.startswith("models-") and isinstance(body.get("spec"), dict):
            hosts = [host for to in body["spec"]["rules"][0]["to"] for host in to["operation"].get("hosts") or ()]
            return str(hosts[0]).removeprefix(f"*.{name.removeprefix('models-')}.") if hosts else ""
    return ""


if __name__ == "__main__":
    json.dump(looked_at(json.load(sys.stdin)), sys.stdout)
