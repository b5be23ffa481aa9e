"""Small loads for tests, and which of their results are good enough to be compared with the truth."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.slow_servers import Behaviour, Server, serving
from workloads import load

ASKED = load.Payload(body=b'{"instances":[[1]]}', expect=load.Expect(body=b'{"instances":[[1]]}'))
# Rates are low and lags of single requests harmless here: what is compared are percentiles with hundreds of samples.
PATIENT = load.Rules(most_lag_seconds=0.05, most_lag_share=1.0)


def offered(url: str, arrivals: load.Arrivals, payload: load.Payload = ASKED, **others: Any) -> load.Plan:  # noqa: ANN401 - fields of a plan
    endpoint = load.Endpoint(name="m", url=url, payloads=(payload,))
    calm = load.Plan(
        arrivals=arrivals, endpoints=(endpoint,), seed=1, warm_up_seconds=0, ready_seconds=0, rules=PATIENT
    )
    return dataclasses.replace(calm, **others)


def few(url: str, payload: load.Payload = ASKED, *, count: int = 100, **others: Any) -> load.Plan:  # noqa: ANN401 - fields of a plan
    return offered(url, load.constant(rate=200, seconds=count / 200), payload, **others)


def trusted(
    behaviour: Behaviour,
    measure: Callable[[Server], load.LoadResult],
    *,
    percent: float = 90,
    late_at_most: float = math.inf,
) -> load.LoadResult:
    """A result that the generator itself vouches for; a machine that is too busy for one proves nothing.

    `late_at_most` is what server and generator may lose together, less than 3 % of the truth that is looked for.
    """
    reasons: tuple[str, ...] = ()
    for _ in range(3):
        with serving(behaviour) as server:
            result = measure(server)
            late = server.counts()["late_p90"] + result.own_lag.percentile(percent)
        reasons = result.diagnosis
        if late > late_at_most:
            reasons = (*reasons, f"server and generator together were {late * 1e3:.1f} ms late")
        if not reasons:
            return result
    pytest.skip(f"this machine is too busy to measure: {'; '.join(reasons)}")


def all_counted(result: load.LoadResult) -> None:
    assert result.offered == result.ok + result.failed == result.latency.count == result.own_lag.count
    assert sum(result.errors.values()) == result.failed
    assert sum(result.series.offered) == result.offered
    assert sum(result.series.ok) == result.ok
