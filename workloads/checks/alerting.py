"""Monitoring: what is promised is there and fresh; alerts fire when they should, end when they should, and not else."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from workloads.backends.process import gateway, monitoring, web
from workloads.backends.process.bench import Bench
from workloads.backends.process.echo import echo, memory_is_measured
from workloads.backends.process.monitoring import FIRING, RESOLVED, Monitoring, Rule, Target
from workloads.backends.process.processes import HOST, Program, free_port, wait_until
from workloads.outcome import Measurement, NotMeasurableError, Probes, SkippedError

RECEIVED = "alerting.received"  # criterion: seconds from a fault to the message about it
WATCHED, GATEWAY = "watched", "gateway"
INTERVAL = 1.0  # between two scrapes: nobody waits for the usual half minute here
FRESH = 2  # scrapes: what is older is stale
DOWN, MEMORY = "TargetDown", "MemoryHigh"
MOST_MEBIBYTES = 200
_HELD_MEBIBYTES = 300
RULES = (
    Rule(alert=DOWN, expression=f'up{{job="{WATCHED}"}} == 0', seconds=INTERVAL),
    Rule(
        alert=MEMORY,
        expression=f'process_resident_memory_bytes{{job="{WATCHED}"}} > {MOST_MEBIBYTES << 20}',
        seconds=INTERVAL,
    ),
)
PROMISED = (
    f'up{{job="{WATCHED}"}}',
    f'http_requests_total{{job="{WATCHED}",code="200"}}',
    f'process_resident_memory_bytes{{job="{WATCHED}"}}',
    f'envoy_http_downstream_rq_completed{{job="{GATEWAY}",envoy_http_conn_manager_prefix="https"}}',
    f'envoy_http_downstream_rq_time_bucket{{job="{GATEWAY}",envoy_http_conn_manager_prefix="https",le="+Inf"}}',
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Monitoring, and the port of a server that a check starts and stops itself."""

    monitoring: Monitoring
    port: int

    def server(self, bench: Bench) -> AbstractContextManager[Program]:
        """The server that is watched."""
        return echo(bench, WATCHED, self.port)

    def hold(self, mebibytes: int) -> None:
        """Make the server hold so much memory."""
        web.call(f"http://{HOST}:{self.port}/hold/{mebibytes}", method="PUT")


@contextmanager
def watch(bench: Bench, rules: Sequence[Rule] = RULES) -> Generator[Watch]:
    """Prometheus and Alertmanager over the gateway and a server, with these rules."""
    if not memory_is_measured():
        raise SkippedError("the watched server cannot tell its memory on this system")
    port, front = free_port(), bench.use(gateway.gateway)
    targets = (Target(job=WATCHED, port=port), Target(job=GATEWAY, port=front.admin_port, path="/stats/prometheus"))
    with monitoring.monitor(bench, targets, rules, interval=INTERVAL) as one:
        yield Watch(monitoring=one, port=port)


def metrics(bench: Bench) -> Probes:
    """Each promised series is there and fresh as long as its source runs, and ends with it."""
    one, probes = bench.use(watch), Probes()
    limit = FRESH * INTERVAL
    front = bench.use(gateway.gateway)
    with one.server(bench):
        web.call(f"http://{HOST}:{one.port}/once")
        front.status("/once")
        for series in PROMISED:
            wait_until(lambda series=series: bool(one.monitoring.query(series)), bench.limit(RECEIVED), INTERVAL / 4)
            fresh(probes, series, one.monitoring.value(f"max(time() - timestamp({series}))"), limit)
    lost = f'http_requests_total{{job="{WATCHED}"}}'
    ended = wait_until(lambda: not one.monitoring.query(lost), bench.limit(RECEIVED), INTERVAL / 4)
    probes.negative("a server that is gone has no fresh series", held=ended, saw="ended" if ended else "still there")
    up = one.monitoring.value(f'up{{job="{WATCHED}"}}')
    probes.negative("a server that is gone does not count as up", held=up == 0, saw=f"up is {up}")
    return probes


def received(bench: Bench) -> Probes:
    """Two faults, one after the other: each is told in time, and its end too; nothing else is told."""
    one, probes = bench.use(watch), Probes()
    limit = bench.limit(RECEIVED)
    with one.server(bench):
        if not wait_until(lambda: _quiet(one), limit, INTERVAL / 4):
            raise NotMeasurableError(f"an alert was under way before any fault: {one.monitoring.query('ALERTS')}")
        began = time.monotonic()
        time.sleep(bench.profile.probe_tries * INTERVAL)
        _nothing(probes, one, began, "while all is well, no alert comes")
        began = time.monotonic()
        one.hold(_HELD_MEBIBYTES)
        _told(
            probes,
            one,
            MEMORY,
            FIRING,
            fault=f"{_HELD_MEBIBYTES} MiB held, {MOST_MEBIBYTES} allowed",
            since=began,
            limit=limit,
        )
        ended = time.monotonic()
        one.hold(0)
        _told(probes, one, MEMORY, RESOLVED, fault="the memory is free again", since=ended, limit=limit)
        _nothing(probes, one, began, f"this fault does not raise {DOWN}", DOWN)
    began = time.monotonic()
    _told(probes, one, DOWN, FIRING, fault="the server is stopped", since=began, limit=limit)
    with one.server(bench):
        ended = time.monotonic()
        _told(probes, one, DOWN, RESOLVED, fault="the server is back", since=ended, limit=limit)
        _nothing(probes, one, began, f"this fault does not raise {MEMORY}", MEMORY)
    return probes


def fresh(probes: Probes, series: str, age: float | None, limit: float) -> None:
    """Whether a promised series has a sample that is not stale."""
    saw = "no such series" if age is None else f"{age:.1f} s old, where two scrapes are {limit:g} s"
    probes.positive(f"{series} is there and fresh", held=age is not None and age <= limit, saw=saw)


def told(probes: Probes, claim: str, metric: str, took: float | None, *, limit: float, method: str) -> None:
    """Whether a message came in time; None where it never came."""
    if took is None:
        probes.positive(claim, held=False, saw=f"nothing came in {limit:g} s")
        return
    measurement = Measurement(metric=metric, value=took, unit="s", n=1, limit=limit, method=method)
    probes.measured(claim, measurement, held=took <= limit)


def _told(probes: Probes, one: Watch, alert: str, status: str, *, fault: str, since: float, limit: float) -> None:
    notice = one.monitoring.receiver.wait(alert, status, limit, since=since)
    told(
        probes,
        f"{fault}: {alert} is received as {status}",
        f"{alert} {status}",
        None if notice is None else notice.at - since,
        limit=limit,
        method=f"from the fault to the webhook; scraped and evaluated every {INTERVAL:g} s",
    )


def _nothing(probes: Probes, one: Watch, since: float, claim: str, alert: str | None = None) -> None:
    came = [notice.alert for notice in one.monitoring.receiver.seen(alert, FIRING) if notice.at >= since]
    probes.negative(claim, held=not came, saw=", ".join(came) or "none came")


def _quiet(one: Watch) -> bool:
    """Whether the server is scraped and no alert is on its way."""
    return one.monitoring.value(f'up{{job="{WATCHED}"}}') == 1 and not one.monitoring.query("ALERTS")
