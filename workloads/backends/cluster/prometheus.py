"""The cluster's Prometheus and Alertmanager: what they say, read strictly. Judges nothing, changes nothing.

Whatever is not as their APIs are documented is an UnexpectedAnswerError: a check must not pass on a misread answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from workloads.api import UnexpectedAnswerError
from workloads.backends.cluster.forward import Forward, Pods, Spot
from workloads.cluster import Visit
from workloads.contract import Target

COMPONENT = "kube-prometheus-stack"
NAMESPACE = "monitoring"
# Pods as the operator labels them, so that upstream's own Services find them.
PROMETHEUS = Spot(
    namespace=NAMESPACE,
    selector=f"app.kubernetes.io/name=prometheus,operator.prometheus.io/name={COMPONENT}-prometheus",
    port=9090,
)
ALERTMANAGER = Spot(
    namespace=NAMESPACE,
    selector=f"app.kubernetes.io/name=alertmanager,alertmanager={COMPONENT}-alertmanager",
    port=9093,
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w|y)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}

Json = dict[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One series' value at one moment (seconds since 1970)."""

    labels: Labels
    value: float
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One series over time: moments and values."""

    labels: Labels
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scraped:
    """Whom Prometheus reads, and how that went last."""

    labels: Labels
    healthy: bool
    interval: float  # seconds
    error: str

    def __str__(self) -> str:
        name = " ".join(self.labels.get(key, "") for key in ("job", "instance")).strip()
        return f"{name}: {self.error}" if self.error else name


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """An alert that Alertmanager holds now, and whom it tells."""

    labels: Labels
    state: str
    receivers: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of its rule."""
        return self.labels["alertname"]


class Monitor:
    """One cluster's monitoring."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods

    def query(self, expression: str, *, at: float | None = None) -> tuple[Sample, ...]:
        """What an expression gives, now or at some moment."""
        result = self._result("query", {"query": expression, **({} if at is None else {"time": f"{at:.3f}"})}, "vector")
        return tuple(_sample(one) for one in _list(result, expression))

    def value(self, expression: str, *, at: float | None = None) -> float | None:
        """The only value of an expression; None where there is none."""
        found = self.query(expression, at=at)
        if len(found) > 1:
            raise UnexpectedAnswerError(f"expected one value of {expression}, found {len(found)}")
        return found[0].value if found else None

    def now(self) -> float:
        """The time on Prometheus's clock: the one that all samples are dated by."""
        (_, said) = _pair(self._result("query", {"query": "time()"}, "scalar"))
        return said

    def between(self, selector: str, start: float, end: float) -> tuple[Track, ...]:
        """The samples of some series as they were scraped, each with its own time: nothing is filled in."""
        span = max(round(1000 * (end - start)), 1)
        found = self._result("query", {"query": f"{selector}[{span}ms]", "time": f"{end:.3f}"}, "matrix")
        return _tracks(found, selector)

    def course(self, expression: str, start: float, end: float, step: float) -> tuple[Track, ...]:
        """What an expression gave in steps over some time."""
        asked = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return _tracks(self._result("query_range", asked, "matrix"), expression)

    def targets(self) -> tuple[Scraped, ...]:
        """Everybody who is scraped."""
        data = self._data("targets", {"state": "active"})
        return tuple(_scraped(one) for one in _list(data.get("activeTargets"), "the active targets"))

    def alerting_rules(self) -> frozenset[str]:
        """Names of all alerting rules that are loaded."""
        groups = _list(self._data("rules", {"type": "alert"}).get("groups"), "the groups of rules")
        return frozenset(str(rule["name"]) for group in groups for rule in _list(group.get("rules"), "rules"))

    def alerts(self) -> tuple[Alert, ...]:
        """What Alertmanager holds: alerts that have begun and not ended."""
        reply = self._pods.call(ALERTMANAGER, "/api/v2/alerts")
        if not reply.ok:
            raise UnexpectedAnswerError(f"Alertmanager answered {reply}")
        return tuple(_alert(one) for one in _list(reply.json, "Alertmanager's alerts"))

    def _result(self, way: str, asked: Mapping[str, str], kind: str) -> object:
        data = self._data(way, asked)
        if data.get("resultType") != kind:
            raise UnexpectedAnswerError(f"expected a {kind} of {asked['query']}, found {data.get('resultType')!r}")
        return data.get("result")

    def _data(self, way: str, asked: Mapping[str, str]) -> Json:
        reply = self._pods.call(PROMETHEUS, f"/api/v1/{way}?{urlencode(asked)}")
        said = cast("object", reply.json)
        body = cast("Json", said) if isinstance(said, dict) else {}
        if body.get("status") != "success" or not isinstance(body.get("data"), dict):
            why = f"{body['errorType']}: {body['error']}" if "error" in body else str(reply)
            raise UnexpectedAnswerError(f"Prometheus does not answer {asked.get('query', way)}: {why}")
        return cast("Json", body["data"])


def monitor(target: Target, visit: Visit) -> Monitor:
    """The monitoring of a stack's cluster."""
    return Monitor(Forward(visit.api, target.kubeconfig))


def seconds(text: str) -> float:
    """A duration as Prometheus writes it, such as 1m30s."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UnexpectedAnswerError(f"expected a duration such as 1m30s, found {text!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def matcher(name: str, values: Iterable[str]) -> str:
    """A label that has one of these values, which are no patterns."""
    return f'{name}=~"{"|".join(re.escape(one).replace(chr(92), chr(92) * 2) for one in sorted(values))}"'


def _list(value: object, what: str) -> list[Json]:
    listed = cast("list[object]", value) if isinstance(value, list) else [None]
    if not all(isinstance(one, dict) for one in listed):
        raise UnexpectedAnswerError(f"expected a list of objects for {what}, found {repr(listed)[:200]}")
    return cast("list[Json]", listed)


def _labels(value: object) -> Labels:
    found = cast("Json", value) if isinstance(value, dict) else {"": None}
    if not all(isinstance(one, str) for one in found.values()):
        raise UnexpectedAnswerError(f"expected labels, found {repr(found)[:200]}")
    return cast("dict[str, str]", found)


def _pair(value: object) -> tuple[float, float]:
    """A moment and the value then, which is a text."""
    match value:
        case [int() | float() as at, str() as said]:
            try:
                return float(at), float(said)
            except ValueError:
                pass
        case _:
            pass
    raise UnexpectedAnswerError(f"expected a time and a value, found {str(value)[:200]}")


def _sample(one: Json) -> Sample:
    at, value = _pair(one.get("value"))
    return Sample(labels=_labels(one.get("metric")), value=value, at=at)


def _tracks(result: object, what: str) -> tuple[Track, ...]:
    made: list[Track] = []
    for one in _list(result, what):
        if not isinstance(one.get("values"), list):
            raise UnexpectedAnswerError(f"expected values over time, found {str(one)[:200]}")
        points = tuple(_pair(pair) for pair in cast("list[object]", one["values"]))
        made.append(Track(labels=_labels(one.get("metric")), points=points))
    return tuple(made)


def _scraped(one: Json) -> Scraped:
    try:
        return Scraped(
            labels=_labels(one["labels"]),
            healthy=one["health"] == "up",
            interval=seconds(one["scrapeInterval"]),
            error=str(one["lastError"]),
        )
    except (KeyError, TypeError) as error:
        raise UnexpectedAnswerError(f"expected a target, found {str(one)[:200]}") from error


def _alert(one: Json) -> Alert:
    try:
        made = Alert(
            labels=_labels(one["labels"]),
            state=str(one["status"]["state"]),
            receivers=tuple(str(receiver["name"]) for receiver in one["receivers"]),
        )
    except (KeyError, TypeError) as error:
        raise UnexpectedAnswerError(f"expected an alert, found {str(one)[:200]}") from error
    if "alertname" not in made.labels:
        raise UnexpectedAnswerError(f"expected the name of an alert, found {dict(made.labels)}")
    return made
