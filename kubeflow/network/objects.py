"""The generated policies of one cluster, as objects to install. Names and number never depend on an Output.

Two networks are known only when the cluster exists: the API server's and the object store's. A policy that names either
has a `spec` that flows; every other one is plain, so that a preview shows it whole.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pulumi

from infra.contract import METADATA_ADDRESSES
from infra.contract import Network as ClusterNetwork
from kubeflow.distribution.documents import Body
from kubeflow.install.planned import Planned, own
from kubeflow.install.waves import Wave
from kubeflow.spec.network import NetworkSpec

from .flows import Addresses, Outside
from .policies import Document, platform, tenant

PART = "network"
_LATE = (Outside.API_SERVER, Outside.OBJECT_STORE)
_SOMEWHERE = ("192.0.2.0/24",)  # stands for a late network: it tells which policies name one, and is never installed
_ANY_TENANT = "tenant"  # the policies of all tenants are the same

_Make = Callable[[Addresses], Sequence[Document]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fences:
    """What is installed in a cluster, the addresses that are known beforehand, and the policies made from both."""

    installed: frozenset[str]
    addresses: Addresses  # without the networks that only flow
    platform: tuple[Document, ...] = field(repr=False)
    every_tenant: tuple[Document, ...] = field(repr=False)

    def tenant(self, namespace: str) -> Iterator[Document]:
        """What Kubeflow's own traffic needs in a tenant's namespace; nothing where nothing of it is installed."""
        for policy in self.every_tenant:
            yield {**policy, "metadata": {**policy["metadata"], "namespace": namespace}}


def fences(installed: Iterable[str], network: ClusterNetwork, spec: NetworkSpec) -> Fences:
    """The policies of a cluster where these components (or families of them) are installed."""
    chosen, known = frozenset(installed), addresses(network, spec)
    if not chosen:
        return Fences(installed=chosen, addresses=known, platform=(), every_tenant=())
    late = pulumi.Output.all(network.api_server_cidrs, network.object_store_cidrs)
    return Fences(
        installed=chosen,
        addresses=known,
        platform=_made(lambda where: platform(chosen, where), known, late),
        every_tenant=_made(lambda where: tenant(_ANY_TENANT, chosen, where), known, late),
    )


def policies(fences: Fences) -> Iterator[Planned]:
    """The policies of the platform's namespaces, in force before the first pod."""
    for policy in fences.platform:
        yield own(PART, Wave.BASE, policy)


def addresses(network: ClusterNetwork, spec: NetworkSpec) -> Addresses:
    """What is known beforehand. The usual metadata addresses are carved out even where a cluster names none."""
    resolver = () if network.resolver is None else (str(ipaddress.ip_network(network.resolver)),)
    return Addresses(
        metadata=tuple(dict.fromkeys((*METADATA_ADDRESSES, *network.metadata_addresses))),
        inside=(network.pod_cidr, network.service_cidr),
        networks={
            Outside.NODES: network.node_cidrs,
            Outside.RESOLVER: resolver,
            Outside.ISSUER: spec.issuer,
            Outside.CERTIFICATE_AUTHORITY: spec.certificate_authority,
            Outside.DATABASE: spec.database,
            Outside.REGISTRY: spec.registry,
        },
    )


def without_upstreams(body: Body, _context: object) -> Body | None:
    """A transform: upstream's own policies are left out, for policies add up and theirs are wider."""
    return None if body["kind"] == "NetworkPolicy" else body


def _made(make: _Make, known: Addresses, late: pulumi.Output[list[list[str]]]) -> tuple[Document, ...]:
    """The policies, plain wherever the late networks make no difference."""
    plain, somewhere = make(known), make(_with(known, [_SOMEWHERE for _ in _LATE]))
    specs = late.apply(lambda found: [one["spec"] for one in make(_with(known, found))])
    return tuple(
        one if one == other else {**one, "spec": specs[index]}
        for index, (one, other) in enumerate(zip(plain, somewhere, strict=True))
    )


def _with(known: Addresses, found: Sequence[Sequence[str]]) -> Addresses:
    late = {end: tuple(cidrs) for end, cidrs in zip(_LATE, found, strict=True)}
    return replace(known, networks={**known.networks, **late})
