"""Open-loop load over HTTP(S): requests leave when the plan says, whatever the server does. Gives numbers, no verdict.

    from workloads import load

    plan = load.Plan(
        arrivals=load.poisson(rate=1_000, seconds=60),
        endpoints=(
            load.Endpoint(
                name="iris",
                url="https://127.0.0.1:8443/v1/models/iris:predict",
                host="iris.team-a.example.com",  # Host header, SNI and the name that the certificate must carry
                token=token,
                payloads=(load.v1("iris", [[5.1, 3.5, 1.4, 0.2]], golden=[0]),),
            ),
        ),
        seed=1,
        ca=ca_pem,
        limit_seconds=0.2,
    )
    result = load.run(plan)
    if result.diagnosis:  # the generator, not the server, spoiled the run: INVALID, never FAIL and never PASS
        ...
    result.latency.percentile(95), result.offered, result.over, result.errors

Times are seconds. `latency` starts at the planned moment, so a server that stalls cannot slow the generator down and
hide its stall. Every planned request enters `latency` exactly once; one that never got its right answer enters with
the timeout. `over` counts the requests without a right answer within `limit_seconds`. Nothing is retried.
"""

from workloads.load.arrivals import Arrivals, Piece, bursts, constant, day, gamma, poisson, steps
from workloads.load.diagnosis import Rules, Worker
from workloads.load.expect import Check, Expect
from workloads.load.histogram import Histogram
from workloads.load.plan import Endpoint, Payload, Plan, PlanError, v1, v2
from workloads.load.result import Block, LoadResult, Series
from workloads.load.run import LoadError, NotReadyError, Progress, run

__all__ = [
    "Arrivals",
    "Block",
    "Check",
    "Endpoint",
    "Expect",
    "Histogram",
    "LoadError",
    "LoadResult",
    "NotReadyError",
    "Payload",
    "Piece",
    "Plan",
    "PlanError",
    "Progress",
    "Rules",
    "Series",
    "Worker",
    "bursts",
    "constant",
    "day",
    "gamma",
    "poisson",
    "run",
    "steps",
    "v1",
    "v2",
]
