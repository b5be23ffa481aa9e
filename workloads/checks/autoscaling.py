"""Replicas follow the load, from zero and back: counted as pods that are Ready, while requests come from here."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from workloads import load
from workloads.api import Json
from workloads.backends.cluster.following import select
from workloads.backends.cluster.services import START_SECONDS, Served
from workloads.checks import offered
from workloads.checks.served import opened
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import serving
from workloads.outcome import Measurement, Probes, Series
from workloads.reach import NO_ANSWER

SETTINGS = "/api/v1/namespaces/knative-serving/configmaps/config-autoscaler"
MOST = 3  # replicas
GROWN_SECONDS = 120.0  # from the first request of the load to all replicas
ROUND_SECONDS = 30.0  # of load, until they are there
SLACK_SECONDS = 60.0  # that pods may take to go when they are no longer wanted
LOOK_SECONDS = 1.0
_EACH = 20  # requests a second of one replica: a fifth of what is offered, so that more are wanted than may be
_PATH = "/grow"
_NAME = "proof-scaled"
# Knative's own defaults
_PATIENCE = {"stable-window": "60s", "scale-to-zero-grace-period": "30s", "scale-to-zero-pod-retention-period": "0s"}
_UNITS: dict[str, float] = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How Knative's autoscaler is set up here."""

    to_zero: bool
    idle_seconds: float  # until the last replica is not wanted any more


def follows(target: Target, visit: Visit) -> Probes:
    """From nothing to as many replicas as may be, and back; without load there is no more than one."""
    probes = Probes()
    with opened(target, visit) as site:
        chosen = settings(visit)
        body = serving.echo(site.here, _NAME, replicas=(0, MOST), each=_EACH)
        served = site.serve(probes, body, scripts="echo")
        if served is None:
            return probes
        site.heard(lambda: served.reach.call(_PATH).status)
        counted = _Counted(visit, served)
        least = 0 if chosen.to_zero else 1
        patience = chosen.idle_seconds + SLACK_SECONDS
        visit.watch(counted.look, lambda now: now <= least and chosen.to_zero, patience)
        saw = f"at most {counted.most} within {patience:g} s"
        probes.negative("without load there is never more than one replica", held=counted.most <= 1, saw=saw)
        if chosen.to_zero:
            probes.positive("without requests none is left", held=counted.last == 0, saw=f"{counted.last} left")
            _wakes(probes, served)
        else:
            probes.note("this cluster keeps one replica of every model (enable-scale-to-zero is false)")
        _grows(probes, visit, served, counted)
        left = visit.watch(counted.look, lambda now: now <= least, patience)
        claim = f"once the load is over, {least or 'none'} is left within {patience:g} s"
        probes.positive(claim, held=left <= least, saw=f"{left} left")
        probes.series.append(Series(name="replicas", x_unit="s", y_unit="pods", points=tuple(counted.points)))
    return probes


def _wakes(probes: Probes, served: Served) -> None:
    began = time.monotonic()
    reply = served.reach.call(_PATH, seconds=START_SECONDS)
    figure = Measurement(
        metric="answer of a service that was scaled to zero", value=time.monotonic() - began, unit="s", n=1,
        method="one request, from sending to the whole answer",
    )  # fmt: skip
    held = reply.ok and reply.status != NO_ANSWER
    probes.measured("a request to nothing waits for a replica and is answered", figure, held=held)


def _grows(probes: Probes, visit: Visit, served: Served, counted: _Counted) -> None:
    terms = visit.terms
    expect = load.Expect(status=(200,), checks=(load.Check(path=("served_by",), equals="echo"),))
    plan = load.Plan(
        arrivals=load.poisson(rate=terms.profile.endpoint.rate, seconds=ROUND_SECONDS),
        endpoints=(served.reach.endpoint("grow", _PATH, (load.Payload(body=b"{}", expect=expect),)),),
        seed=terms.seed, ca=served.reach.ca, warm_up_seconds=0,
    )  # fmt: skip
    began, results = time.monotonic(), list[load.LoadResult]()
    counted.reached = None
    while counted.reached is None and time.monotonic() - began < GROWN_SECONDS:
        results.append(offered.measure(terms, plan, served.reach.running(counted.between)))
    took = (counted.reached or time.monotonic()) - began
    probes.measured(
        f"{plan.arrivals.rate:.0f} requests a second bring {MOST} replicas within {GROWN_SECONDS:g} s",
        Measurement(
            metric="time to all replicas", value=took, unit="s", n=sum(one.offered for one in results),
            method="from the first request of the load to all pods Ready", limit=GROWN_SECONDS,
        ),
        held=counted.reached is not None and took <= GROWN_SECONDS,
    )  # fmt: skip
    for result in results:
        offered.failures(probes, "no request fails while replicas come", result)


class _Counted:
    """The Ready pods of a service over time."""

    def __init__(self, visit: Visit, served: Served) -> None:
        self.points: list[tuple[float, float]] = []
        self.most, self.last = 0, 0
        self.reached: float | None = None  # when all were there, since it was last asked for
        self._visit, self._made = visit, served.made
        self._began, self._looked = time.monotonic(), 0.0

    def look(self) -> int:
        """How many there are now."""
        path = f"/api/v1/namespaces/{self._made['metadata']['namespace']}/pods"
        pods = self._visit.api.items(path, labelSelector=select(self._made))
        now = time.monotonic()
        self.last = sum(map(_is_ready, pods))
        self.most = max(self.most, self.last)
        self.points.append((now - self._began, float(self.last)))
        if self.last >= MOST and self.reached is None:
            self.reached = now
        return self.last

    def between(self, _progress: load.Progress) -> None:
        """Count while a load runs, not at every report."""
        if time.monotonic() >= self._looked + LOOK_SECONDS:
            self._looked = time.monotonic()
            self.look()


def _is_ready(pod: Json) -> bool:
    marks: list[Json] = pod["status"].get("conditions") or []
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in marks)
    return ready and "deletionTimestamp" not in pod["metadata"]


def settings(visit: Visit) -> Settings:
    """Read them from the cluster."""
    data: Json = visit.api.get(SETTINGS).expect("read the settings of Knative's autoscaler").get("data") or {}
    seconds = sum(_seconds(str(data.get(name, usual))) for name, usual in _PATIENCE.items())
    return Settings(to_zero=str(data.get("enable-scale-to-zero", "true")) == "true", idle_seconds=seconds)


def _seconds(duration: str) -> float:
    """A duration as Go writes it, such as 1m30s."""
    return sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(r"([\d.]+)(ms|h|m|s)", duration))
