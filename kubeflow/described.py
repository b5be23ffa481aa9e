"""What a finished platform tells its readers, taken from the plan: addresses, mesh, images, drawings.

Wholly plain: an Output in the plan is passed over. Reads objects, makes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from kubeflow import mesh
from kubeflow.assembly import GATEWAY, Assembly, Site
from kubeflow.distribution import table
from kubeflow.distribution.documents import Body
from kubeflow.install import kinds
from kubeflow.network.flows import Outside
from kubeflow.network.topology import Facts, topology
from kubeflow.network.workloads import WORKLOADS
from kubeflow.services import object_store

Document = dict[str, Any]

_EDITOR = "default-editor"


def described(site: Site, assembly: Assembly) -> Document:
    """Everything, as the stack outputs hold it below `platform`."""
    bodies = [item.body for item in chain(assembly.plan.objects, *assembly.tenants.values())]
    return {
        "gateway": _gateway(site),
        "endpoints": list(_endpoints(site, bodies)),
        "mesh": _mesh(site),
        "versions": {"release": table.CURRENT, "components": _versions(site), "images": list(_images(bodies))},
        "policies": {
            kind: sum(body["kind"] == kind for body in bodies)
            for kind in ("NetworkPolicy", "AuthorizationPolicy", "PeerAuthentication", "ResourceQuota")
        },
        "topology": topology(_facts(site, assembly, bodies)),
    }


def _gateway(site: Site) -> Document | None:
    """The one door; None where no mesh is installed."""
    if "istio" not in site.families:
        return None
    door = site.door
    return {
        "domain": door.domain,
        "outside": door.ingress is not None,
        "minimumTls": door.spec.minimum_tls.value,
        "issuer": door.spec.issuer.value,
        "models": f"https://MODEL.TENANT.{door.domain}" if door.wildcards else None,
        "tokens": bool(site.tokens),
    }


def _endpoints(site: Site, bodies: Sequence[Body]) -> Iterator[Document]:
    """The paths that the gateway routes, by the VirtualServices bound to it."""
    found = {
        (prefix, f"{body['metadata'].get('namespace', '')}/{body['metadata']['name']}")
        for body in bodies
        if body["kind"] == "VirtualService" and _at_the_door(body)
        for prefix in _prefixes(body)
    }
    if not found:
        return
    for prefix, service in sorted(found):
        yield {"url": f"https://{site.door.domain}{prefix}", "path": prefix, "service": service}


def _at_the_door(body: Body) -> bool:
    own = f"{body['metadata'].get('namespace', '')}/"
    names = {
        str(name) if "/" in str(name) else f"{own}{name}" for name in kinds.parts(kinds.part(body, "spec"), "gateways")
    }
    return GATEWAY in names


def _prefixes(body: Body) -> Iterator[str]:
    for route in kinds.parts(kinds.part(body, "spec"), "http"):
        for match in kinds.parts(route, "match"):
            place = kinds.part(match, "uri")
            prefix = place.get("prefix") or place.get("exact")
            if isinstance(prefix, str):
                yield prefix


def _mesh(site: Site) -> Document | None:
    """Where each workload stands towards the mesh, and the ports that take callers without an identity."""
    if "istio" not in site.families:
        return None
    present = [one for one in WORKLOADS if one.component is None or one.component in site.families]
    outside = {str(one): mesh.OUTSIDE.get(str(one)) or mesh.OUTSIDE.get(str(one.namespace), "") for one in present}
    return {
        "mutualTls": "STRICT",
        "minimumTls": site.spec.mesh.minimum_tls.value,
        "workloads": [
            {"name": str(one), "place": mesh.place(one).value, "reason": outside[str(one)]}
            for one in sorted(present, key=str)
        ],
        "exemptions": [
            {"workload": str(one.workload), "port": one.port, "mode": one.mode, "reason": one.reason}
            for one in mesh.EXEMPTIONS
            if one.workload in present
        ],
    }


def _versions(site: Site) -> dict[str, str]:
    chosen = table.components(table.CURRENT, site.source.names) if site.source.names else ()
    return {one.name: one.version for one in chosen}


def _images(bodies: Sequence[Body]) -> Iterator[str]:
    """Every image that a workload of the plan names."""
    found: set[str] = set()
    for body in bodies:
        pod = kinds.pod_spec(body)
        for container in (*kinds.parts(pod, "initContainers"), *kinds.parts(pod, "containers")) if pod else ():
            if isinstance(container.get("image"), str):
                found.add(container["image"])
    yield from sorted(found)


def _facts(site: Site, assembly: Assembly, bodies: Sequence[Body]) -> Facts:
    """What the drawings are made from. The API server is always somewhere; a bucket only where it is used."""
    networks = assembly.fences.addresses.networks
    used = {end for end, cidrs in networks.items() if cidrs} | {Outside.API_SERVER}
    store = site.data.store
    return Facts(
        installed=site.families,
        tenants=site.spec.tenants,
        outside=frozenset(used | ({Outside.OBJECT_STORE} if site.data.in_bucket else set())),
        objects=bodies,
        rights={
            **{
                account: tuple(f"{'write' if grant.write else 'read'} {grant.prefix}" for grant in grants)
                for account, grants in site.data.accounts.items()
            },
            **({} if store is None or store.keyed else {
                (name, _EDITOR): tuple(f"write {grant.prefix}" for grant in object_store.tenant_grants(name))
                for name in site.spec.tenants
            }),
        },
        store="" if site.cluster.artifacts is None or not site.data.in_bucket else site.cluster.artifacts.scheme,
    )  # fmt: skip
