"""Criteria of ingress, egress and communication inside of the cluster: requirement documents, section 7."""

from __future__ import annotations

from workloads.backends.cluster import door
from workloads.backends.process import gateway, mesh
from workloads.checks import egress, encryption, ingress, inside, meshed, volumes
from workloads.criterion import DOOR, RUNNING_CONTAINERS, TENANT, Criterion, component
from workloads.outcome import Better

_INGRESS, _SECURITY, _INTERNAL = "7 Networking, Ingress", "7 Networking, Security", "7 Networking, Internal"
_AT_THE_DOOR = (RUNNING_CONTAINERS, DOOR)
_NODES = (TENANT, RUNNING_CONTAINERS)

NETWORK: tuple[Criterion, ...] = (
    Criterion(
        id=ingress.RATE,
        title="The HTTPS ingress takes 1,000 requests a second",
        clause=_INGRESS,
        cluster=ingress.rate_at_the_door,
        process=ingress.rate,
        place=door.PLACE,
        bench_place=gateway.PLACE,
        needs=(*_AT_THE_DOOR, TENANT),
        unit="requests/s",
        threshold=1_000.0,
    ),
    Criterion(
        id=ingress.LATENCY,
        title="Under that load, 95 % of the requests are answered within 200 ms",
        clause=_INGRESS,
        cluster=ingress.latency_at_the_door,
        process=ingress.latency,
        place=door.PLACE,
        bench_place=gateway.PLACE,
        needs=(*_AT_THE_DOOR, TENANT),
        unit="ms",
        threshold=200.0,
        better=Better.LOWER,
    ),
    Criterion(
        id="ingress.tokens",
        title="Who has no token, or a wrong one, is not let in",
        clause=_SECURITY,
        cluster=ingress.tokens_at_the_door,
        process=ingress.tokens,
        place=door.PLACE,
        bench_place=gateway.PLACE,
        needs=(*_AT_THE_DOOR, TENANT),
    ),
    Criterion(
        id="encryption.tls",
        title="New versions of TLS are spoken and old ones are not; plain HTTP is sent on",
        clause=_SECURITY,
        cluster=encryption.tls_at_the_door,
        process=encryption.tls,
        place=door.PLACE,
        bench_place=gateway.PLACE,
        needs=_AT_THE_DOOR,
    ),
    Criterion(
        id=encryption.DAYS,
        title="The certificate is good for two weeks at least, and only because its authority is trusted",
        clause=_SECURITY,
        cluster=encryption.days_at_the_door,
        process=encryption.certificate_days,
        place=door.PLACE,
        bench_place=gateway.PLACE,
        needs=_AT_THE_DOOR,
        unit="days",
        threshold=14.0,
    ),
    Criterion(
        id="mesh.plaintext-is-refused",
        title="A service is reached over mutual TLS under the caller's own name, and not otherwise",
        clause=_SECURITY,
        cluster=meshed.plaintext_is_refused,
        process=encryption.mutual,
        place="pods of one tenant with and without sidecars",
        bench_place=mesh.PLACE,
        needs=(*_NODES, component("istio")),
    ),
    Criterion(
        id=encryption.LATENCY,
        title="A request and its answer take less than 100 ms inside of the mesh",
        clause="7 Networking, Latency",
        cluster=meshed.latency,
        process=encryption.latency,
        place="pods of one tenant on the cluster's nodes, sidecars included",
        bench_place=mesh.PLACE,
        needs=_NODES,
        unit="ms",
        threshold=100.0,
        better=Better.LOWER,
    ),
    Criterion(
        id="network.pods-reach-each-other",
        title="Pods of one training reach each other between all nodes, and nobody else reaches them",
        clause=_INTERNAL,
        cluster=inside.pods_reach_each_other,
        place="pods on the cluster's nodes, of a tenant and outside of it",
        needs=_NODES,
    ),
    Criterion(
        id="network.dns",
        title="Names of services are resolved from every node, rightly and soon",
        clause=_INTERNAL,
        cluster=inside.dns,
        place="the resolver of pods on the cluster's nodes",
        needs=_NODES,
    ),
    Criterion(
        id="network.egress",
        title="Object storage is reached, everything else outside is refused",
        clause="7 Networking, Egress",
        cluster=egress.egress,
        place="connections of a tenant's pods on the cluster's nodes, beside those of a pod that nobody fences",
        needs=_NODES,
    ),
    Criterion(
        id=volumes.THROUGHPUT,
        title="Volumes give back what was written, and as fast as is asked for",
        clause="1 Platform Setup and Resource Management",
        cluster=volumes.throughput,
        place="volumes of every class, used by a tenant's pods",
        needs=_NODES,
        unit="MB/s",
        threshold=100.0,
    ),
)
