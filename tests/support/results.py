"""An invented run with every outcome and every kind of plot. Its figures are drawn from a seed; none was measured."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, datetime

from workloads.outcome import Attachment, Better, Kind, Measurement, Outcome, Probe, Result, Series
from workloads.report import Record
from workloads.snapshot import SIMULATED_NODES, NodeState, Snapshot

HOSTILE = "</title><script>alert('x')</script>\"' onload=alert(1) & <b>|`"

_FIRST = Result(
    id="limits.defaults-are-applied",
    title="A container that asks for nothing gets bounded requests and limits",
    clause="1 Platform Setup and Resource Management",
    required=True,
    outcome=Outcome.PASS,
    reason="all 2 probes behaved",
    backend="cluster",
    place="the cluster's API server",
    value=100.0,
    unit="% of probes",
    threshold=100.0,
    better=Better.HIGHER,
    evidence=(
        Probe(kind=Kind.POSITIVE, claim="a bare container gets limits", held=True, saw="cpu 1, memory 1Gi"),
        Probe(kind=Kind.NEGATIVE, claim="defaults do not replace what is asked for", held=True, saw="cpu 2 stays"),
    ),
    notes=(),
    series=(),
    attachments=(),
    started=1767323045.0,
    seconds=0.4,
)


def passed() -> Result:
    """The smallest result that passed."""
    return _FIRST


def skipped() -> Result:
    """A criterion that was not tried."""
    return replace(_FIRST, outcome=Outcome.SKIP, reason="needs two tenants, which this stack does not have",
                   backend=None, place="", value=None, evidence=())  # fmt: skip


def latency(seed: int = 1, *, middle_ms: float = 60.0) -> Result:
    """A figure with an interval, and the distribution behind it."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    times = sorted(chance.lognormvariate(math.log(middle_ms), 0.45) for _ in range(3_000))
    p95 = times[2_850]
    curve = tuple(
        (round(time, 2), round(100 * (index + 1) / 3_000, 2)) for index, time in enumerate(times) if index % 10 == 9
    )
    figure = Measurement(
        metric="p95 of the latency", value=round(p95, 1), unit="ms", n=3_000, limit=200, low=round(times[2_826], 1),
        high=round(times[2_873], 1), confidence=0.95, method="order statistics; requests over the limit counted",
    )  # fmt: skip
    held = p95 < 200
    return replace(
        _FIRST,
        id="serving.p95-of-sklearn",
        title="Latency for real-time inference remains under 200 ms for 95% of requests",
        clause="3 Model Serving",
        outcome=Outcome.PASS if held else Outcome.FAIL,
        reason=str(figure) if held else f"not so: 95 % are answered in time ({figure})",
        backend="process",
        place="a KServe model server on this machine, plain HTTP",
        value=figure.value,
        unit="ms",
        threshold=200.0,
        better=Better.LOWER,
        evidence=(
            Probe(
                kind=Kind.POSITIVE, claim="95 % are answered in time", held=held, saw=str(figure), measurement=figure
            ),
            Probe(kind=Kind.NEGATIVE, claim="a malformed request is refused", held=True, saw="HTTP 400"),
        ),
        series=(Series(name="latency/of the model", x_unit="ms", y_unit="% of requests", points=curve, limit=200.0),),
        attachments=(Attachment(name="histogram.csv", text="ms,count\n1,2\n"),),
        seconds=12.5,
    )


def ingress() -> Result:
    """Rates in each second; the gateway fell behind."""
    chance = random.Random(2)  # noqa: S311 - no secret
    offered = tuple((float(second), 1000.0 + chance.randint(-40, 40)) for second in range(60))
    answered = tuple((x, y - (0 if x < 40 else chance.randint(40, 400))) for x, y in offered)
    figure = Measurement(
        metric="answered of the offered requests", value=93.1, unit="%", n=60_000, limit=99.0, better=Better.HIGHER,
        low=92.8, high=93.4, confidence=0.95, method="blocks of 10 s",
    )  # fmt: skip
    return replace(
        latency(),
        id="ingress.https-at-1000-rps",
        title="Validate performance under a 1,000 RPS load with HTTPS enabled",
        clause="7 Networking, Ingress",
        outcome=Outcome.FAIL,
        reason=f"not so: the gateway answers what is offered ({figure})",
        place="Envoy on this machine, TLS 1.3",
        value=93.1,
        unit="%",
        threshold=99.0,
        better=Better.HIGHER,
        evidence=(
            Probe(kind=Kind.POSITIVE, claim="the gateway answers what is offered", held=False, saw=str(figure),
                  measurement=figure),
            Probe(kind=Kind.NEGATIVE, claim="plain HTTP is not answered", held=True, saw="301 to HTTPS"),
        ),
        series=(
            Series(name="requests/offered", x_unit="s", y_unit="requests/s", points=offered),
            Series(name="requests/answered", x_unit="s", y_unit="requests/s", points=answered),
        ),
        notes=("the load generator was never late by more than 4 ms",),
        seconds=64.0,
    )  # fmt: skip


def scaling() -> Result:
    """Ratios with wide intervals."""
    figures = [
        Measurement(metric=f"efficiency on {n} processes", value=value, unit="ratio", n=9, limit=0.8,
                    better=Better.HIGHER, low=low, high=high, confidence=0.95, method="paired bootstrap of repeats")
        for n, value, low, high in ((1, 1.0, 0.97, 1.03), (2, 0.9, 0.84, 0.95), (4, 0.83, 0.76, 0.9))
    ]  # fmt: skip
    return replace(
        latency(),
        id="training.scaling-efficiency",
        title="Distributed training scales linearly with workload size",
        clause="2 Model Training",
        reason="; ".join(map(str, figures)),
        place="torch DDP over gloo on this machine",
        value=1.0,
        unit="ratio",
        threshold=0.8,
        better=Better.HIGHER,
        evidence=(
            *(Probe(kind=Kind.POSITIVE, claim=f"{one.metric} is kept", held=True, saw=str(one), measurement=one)
              for one in figures),
            Probe(kind=Kind.NEGATIVE, claim="ranks do not train alone", held=True, saw="checksums agree"),
        ),
        series=(),
        attachments=(),
    )  # fmt: skip


def drift() -> Result:
    """Scores of features over windows."""
    chance = random.Random(3)  # noqa: S311 - no secret
    return replace(
        latency(),
        id="drift.detected",
        title="Drift detection fires on drift and stays silent without",
        clause="5 Model Monitoring",
        reason="detected in 20 of 20 windows, 1 false alarm in 20",
        place="the drift service on this machine",
        value=100.0,
        unit="% of probes",
        threshold=95.0,
        better=Better.HIGHER,
        evidence=_FIRST.evidence,
        series=tuple(
            Series(
                name=f"drift score/feature {feature}",
                x_unit="window",
                y_unit="score",
                limit=0.2,
                points=tuple(
                    (float(window), round(chance.random() * 0.12 + (0.35 if feature < 2 and window >= 10 else 0), 3))
                    for window in range(20)
                ),
            )
            for feature in range(6)
        ),
        attachments=(),
    )


def others() -> tuple[Result, ...]:
    """The ends that say nothing about the stack."""
    return (
        replace(skipped(), id="training.gpu-utilisation", title="GPU utilization reaches at least 85%",
                clause="2 Model Training", required=False, unit="%", threshold=85.0,
                reason="needs nodes that run containers, which this stack does not have"),
        replace(latency(), id="latency.in-cluster", title="Latency remains below 100 ms within the cluster",
                outcome=Outcome.INVALID, value=None, evidence=(), series=(), attachments=(),
                reason="the generator sent 4.1 % of the requests more than 10 ms late"),
        replace(_FIRST, id="access.tenants-are-separate", title="A tenant cannot read another tenant's Secrets",
                required=False, outcome=Outcome.ERROR, value=None, evidence=(),
                reason="ApiError: 503 Service Unavailable"),
    )  # fmt: skip


def record(*results: Result, stack: str = "local") -> Record:
    """A finished run of these results; of all of them if none is given."""
    nodes = [
        NodeState(name=f"cpu-{index}", pool="cpu", ready=True, gpus=0, kubelet="v1.35.4", simulated=True)
        for index in range(3)
    ]
    nodes += [NodeState(name="h100-0", pool="h100", ready=True, gpus=8, kubelet="v1.35.4", simulated=True)]
    return Record(
        stack=stack,
        environment="local",
        profile="quick",
        run="20260102T030405.000000Z",
        outputs="sha256:" + "0" * 64,
        machine={"processors": "2", "memory": "15.6 GiB"},
        standins=(SIMULATED_NODES,),
        started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        finished=datetime(2026, 1, 2, 3, 8, 9, tzinfo=UTC),
        snapshot=Snapshot(server="v1.35.4", nodes=tuple(nodes)),
        selected=(),
        results=results or (passed(), latency(), ingress(), scaling(), drift(), *others()),
    )


def hostile() -> Record:
    """Every text that comes from elsewhere tries to be markup."""
    bad = replace(
        latency(),
        title=HOSTILE,
        clause=HOSTILE,
        reason=HOSTILE,
        place=HOSTILE,
        unit=HOSTILE,
        evidence=(Probe(kind=Kind.NEGATIVE, claim=HOSTILE, held=False, saw=HOSTILE),),
        notes=(HOSTILE,),
        series=tuple(
            Series(name=HOSTILE, x_unit=HOSTILE, y_unit=HOSTILE, points=((0.0, 1.0), (1.0, 2.0))) for _ in "ab"
        ),
        attachments=(Attachment(name=HOSTILE, text=HOSTILE),),
    )
    node = NodeState(name=HOSTILE, pool=HOSTILE, ready=False, gpus=0, kubelet=HOSTILE, simulated=False)
    made = record(bad, stack=HOSTILE)
    return replace(made, standins=(HOSTILE,), environment=HOSTILE, snapshot=Snapshot(server=HOSTILE, nodes=(node,)))
