"""Criteria of ingress, egress and communication inside of the cluster: requirement documents, section 7."""

from __future__ import annotations

from workloads.backends.process import gateway, mesh
from workloads.checks import encryption, ingress
from workloads.criterion import RUNNING_CONTAINERS, TENANT, Criterion
from workloads.outcome import Better

_INGRESS, _SECURITY, _INTERNAL = "7 Networking, Ingress", "7 Networking, Security", "7 Networking, Internal"
_IN_PODS = "needs pods that run and are asked; no cluster with containers was there to build it against"
_NO_GATEWAY = "is measured on this machine only: no load generator has run before a cluster's gateway yet"


def _pods(name: str, title: str, clause: str) -> Criterion:
    return Criterion(id=name, title=title, clause=clause, needs=(TENANT, RUNNING_CONTAINERS), unmeasured=_IN_PODS)


NETWORK: tuple[Criterion, ...] = (
    Criterion(
        id=ingress.RATE,
        title="The HTTPS ingress takes 1,000 requests a second",
        clause=_INGRESS,
        process=ingress.rate,
        bench_place=gateway.PLACE,
        unmeasured=_NO_GATEWAY,
        unit="requests/s",
        threshold=1_000.0,
    ),
    Criterion(
        id=ingress.LATENCY,
        title="Under that load, 95 % of the requests are answered within 200 ms",
        clause=_INGRESS,
        process=ingress.latency,
        bench_place=gateway.PLACE,
        unmeasured=_NO_GATEWAY,
        unit="ms",
        threshold=200.0,
        better=Better.LOWER,
    ),
    Criterion(
        id="ingress.tokens",
        title="Who has no token, or a wrong one, is not let in",
        clause=_SECURITY,
        process=ingress.tokens,
        bench_place=gateway.PLACE,
        unmeasured=_NO_GATEWAY,
    ),
    Criterion(
        id="encryption.tls",
        title="New versions of TLS are spoken and old ones are not; plain HTTP is sent on",
        clause=_SECURITY,
        process=encryption.tls,
        bench_place=gateway.PLACE,
        unmeasured=_NO_GATEWAY,
    ),
    Criterion(
        id=encryption.DAYS,
        title="The certificate is good for two weeks at least, and only because its authority is trusted",
        clause=_SECURITY,
        process=encryption.certificate_days,
        bench_place=gateway.PLACE,
        unmeasured=_NO_GATEWAY,
        unit="days",
        threshold=14.0,
    ),
    Criterion(
        id="mesh.plaintext-is-refused",
        title="A service is reached over mutual TLS under the caller's own name, and not otherwise",
        clause=_SECURITY,
        process=encryption.mutual,
        bench_place=mesh.PLACE,
        unmeasured=_IN_PODS,
    ),
    Criterion(
        id=encryption.LATENCY,
        title="A request and its answer take less than 100 ms inside of the mesh",
        clause="7 Networking, Latency",
        process=encryption.latency,
        bench_place=mesh.PLACE,
        unmeasured=_IN_PODS,
        unit="ms",
        threshold=100.0,
        better=Better.LOWER,
    ),
    _pods("network.pods-reach-each-other", "Pods of one training reach each other between all nodes", _INTERNAL),
    _pods("network.dns", "Names of services are resolved from every node, rightly and soon", _INTERNAL),
    _pods("network.egress", "Object storage is reached, everything else outside is refused", "7 Networking, Egress"),
    _pods("storage.throughput", "Volumes give back what was written, as fast as their class promises",
          "1 Platform Setup and Resource Management"),
)  # fmt: skip
