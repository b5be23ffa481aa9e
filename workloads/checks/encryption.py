"""Encryption: what the way in speaks, and that nothing but its own client reaches a server inside the mesh."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from workloads import load, stats
from workloads.backends.cluster import door
from workloads.backends.process import gateway, mesh, web
from workloads.backends.process.bench import Bench
from workloads.backends.process.certificates import Authority, Certificate
from workloads.backends.process.echo import CLIENT
from workloads.backends.process.processes import HOST
from workloads.checks import handshake, offered
from workloads.checks.handshake import Shown, ask, closed
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.outcome import Probes

DAYS, LATENCY = "encryption.certificate-days", "mesh.latency"  # criteria: days, milliseconds
QUANTILE = 0.99
_READY_SECONDS = 20.0  # the sidecars run already
_OK = 200
_FIELD = "client"  # of the echo: what the sidecar told it


def tls(bench: Bench) -> Probes:
    """New versions of TLS are spoken and old ones are not, by the gateway on this machine."""
    probes = Probes()
    handshake.tls(probes, _here(bench))
    return probes


def tls_at_the_door(target: Target, visit: Visit) -> Probes:
    """The same, by the cluster's gateway."""
    probes = Probes()
    handshake.tls(probes, _there(target, visit))
    return probes


def certificate_days(bench: Bench) -> Probes:
    """How long the certificate of the gateway on this machine is still good."""
    probes = Probes()
    handshake.certificate_days(probes, _here(bench), bench.limit(DAYS))
    return probes


def days_at_the_door(target: Target, visit: Visit) -> Probes:
    """The same, of the cluster's gateway."""
    probes = Probes()
    handshake.certificate_days(probes, _there(target, visit), visit.terms.limit(DAYS))
    return probes


def _here(bench: Bench) -> Shown:
    front = bench.use(gateway.gateway)
    return Shown(host=HOST, port=front.port, plain_port=front.plain_port, name=gateway.NAME, ca=front.ca)


def _there(target: Target, visit: Visit) -> Shown:
    gate = door.gate(target, visit)
    return Shown(
        host=gate.host, port=gate.port, plain_port=gate.plain_port, name=gate.domain, ca=gate.ca,
        oldest=gate.minimum_tls, page=gate.public or "/",
    )  # fmt: skip


def mutual(bench: Bench) -> Probes:
    """The client reaches the server under its own name, and nobody else does."""
    pair, probes = bench.use(mesh.mesh), Probes()
    reply = web.call(f"{pair.url}/identity")
    seen = re.search(r"URI=([^;]+)", reply.json[_FIELD]) if reply.ok else None
    probes.positive(
        "through its sidecar the client reaches the server, which sees who it is",
        held=seen is not None and seen[1] == mesh.CLIENT,
        saw=f"{CLIENT}: {seen[1]}" if seen else str(reply),
    )
    folder = bench.folder / "certificates"
    known = pair.authority.issue("direct", spiffe=mesh.CLIENT)
    answer = ask(pair.server_port, _anonymous(pair.authority.root, known), "")
    opened = answer.status == _OK
    probes.positive("the same certificate opens the port without the sidecar", held=opened, saw=str(answer))
    foreign = Authority.make("foreign", folder).issue("foreign-client", spiffe=mesh.CLIENT)
    stranger = pair.authority.issue("other-client", spiffe=mesh.STRANGER)
    for claim, certificate in (
        ("TLS without a certificate is refused", None),
        ("the right name from another authority is refused", foreign),
        ("another name from the right authority is refused", stranger),
    ):
        answer = ask(pair.server_port, _anonymous(pair.authority.root, certificate), "")
        probes.negative(claim, held=closed(answer), saw=str(answer))
    answer = ask(pair.server_port, None, "")
    probes.negative("plain HTTP to the strict port is refused", held=closed(answer), saw=str(answer))
    return probes


def latency(bench: Bench) -> Probes:
    """From one side of the mesh to the other and back, through both sidecars."""
    pair, size, limit, probes = bench.use(mesh.mesh), bench.profile.internal, bench.limit(LATENCY), Probes()
    expect = load.Expect(status=(200,), checks=(load.Check(path=("served_by",), equals="server"),))
    plan = load.Plan(
        arrivals=load.poisson(rate=size.rate, seconds=size.seconds),
        endpoints=(
            load.Endpoint(
                name="mesh", url=f"{pair.url}/latency", payloads=(load.Payload(body=b"x" * 1024, expect=expect),)
            ),
        ),
        seed=bench.seed, limit_seconds=limit / 1e3, warm_up_seconds=size.warm_up_seconds,
        ready_seconds=_READY_SECONDS,
    )  # fmt: skip
    results = [offered.measure(bench, plan)]
    if _percentile(Probes(), results, limit) is stats.Verdict.MARGINAL:
        results.append(offered.measure(bench, plan))  # extended once; what is marginal still fails
    _percentile(probes, results, limit)
    for result in results:
        offered.failures(probes, "no request fails", result)
    offered.keep(probes, "mesh", plan, results[-1])
    return probes


def _percentile(probes: Probes, results: list[load.LoadResult], limit: float) -> stats.Verdict:
    claim = f"{QUANTILE:.0%} of the requests of 1 KiB are answered within {limit:g} ms, both sidecars included"
    return offered.percentile(probes, claim, "p99 latency", results, limit_ms=limit, quantile=QUANTILE)


def _anonymous(root: Path, certificate: Certificate | None) -> ssl.SSLContext:
    """A client that verifies the authority and no name: the identity is a SPIFFE one, which has none."""
    context = ssl.create_default_context(cafile=str(root))
    context.check_hostname = False
    if certificate is not None:
        context.load_cert_chain(certificate.chain, certificate.key)
    return context
