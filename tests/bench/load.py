"""The load generator: what 1,000 requests a second over TLS cost it, and what others miss when a server stalls.

The peer is a closed loop: ten connections that each wait for an answer before they send again, as many tools do.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.slow_servers import MIXTURE, STALL, Behaviour, serving
from tests.support.webhook import certificate
from workloads import load

Measure = dict[str, Any]
RUNS = 3
HOST = "load.example.com"
TRUTH = {"mixture": (MIXTURE, 0.150, None), "stall": (STALL, 0.755, 0.955)}
CLOSED = 10


def measure() -> dict[str, list[Measure]]:
    """All measures, and what the diagnosis said of each run."""
    return {"measures": [*_cost(), *_truth()]}


def _plan(url: str, arrivals: load.Arrivals, **others: Any) -> load.Plan:  # noqa: ANN401 - fields of a plan
    body = b'{"instances":[[5.1,3.5,1.4,0.2]]}'
    payload = load.Payload(body=body, expect=load.Expect(body=body))
    endpoint = load.Endpoint(name="m", url=url, host=HOST, payloads=(payload,))
    return load.Plan(arrivals=arrivals, endpoints=(endpoint,), seed=1, warm_up_seconds=2, **others)


def _cost() -> list[Measure]:
    """Runs on TLS, kept connections; the best one is the one that the machine disturbed least."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "server.pem"
        file.write_bytes(certificate(HOST)[1])
        text = file.read_text("utf-8")
        with serving(Behaviour(), file) as server:
            arrivals = load.poisson(rate=1_000, seconds=10)
            plan = _plan(server.https, arrivals, ca=text[text.index("-----BEGIN CERTIFICATE") :], limit_seconds=0.2)
            results = [load.run(plan) for _ in range(RUNS)]
    best = min(results, key=lambda one: one.own_lag.percentile(99))
    valid = sum(not one.diagnosis for one in results)
    return [
        _single("load: 1,000 RPS over TLS, generator CPU", best.workers[0].cpu, "cores"),
        _single("load: 1,000 RPS over TLS, own lag p99", best.own_lag.percentile(99) * 1e3, "ms"),
        _single("load: 1,000 RPS over TLS, latency p95", best.latency.percentile(95) * 1e3, "ms"),
        _single("load: 1,000 RPS over TLS, answered right", best.ok / best.offered, "share"),
        {**_single("load: 1,000 RPS over TLS, valid runs", valid, "runs"), "runs": RUNS},
    ]


def _truth() -> list[Measure]:
    """Percentiles of both loops against the analytic ones."""
    measures: list[Measure] = []
    for name, (behaviour, p95, p99) in TRUTH.items():
        with serving(behaviour) as server:
            ours = load.run(_plan(server.http, load.constant(rate=200, seconds=10))).latency
            theirs = asyncio.run(_closed(server.http, 10))
        for percent, truth in ((95, p95), (99, p99)):
            if truth is not None:
                measures += [
                    _against(f"load: {name}, p{percent}", ours.percentile(percent), truth),
                    _against(f"closed loop: {name}, p{percent}", theirs.percentile(percent), truth),
                ]
    return measures


def _against(name: str, value: float, truth: float) -> Measure:
    told = {"peer": "the analytic truth", "peer_value": truth, "ratio": round(value / truth, 3)}
    return {**_single(name, value, "s"), **told}


async def _closed(url: str, seconds: float) -> load.Histogram:
    found, end = load.Histogram(), time.monotonic() + seconds

    async def user(session: aiohttp.ClientSession) -> None:
        while (sent := time.monotonic()) < end:
            async with session.post(url, data=b"{}") as response:
                await response.read()
            found.record(time.monotonic() - sent)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(user(session) for _ in range(CLOSED)))
    return found


def _single(name: str, value: float, unit: str) -> Measure:
    return {"name": name, "value": round(value, 3), "unit": unit, "runs": 1}
