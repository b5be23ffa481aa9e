"""A stand-in for every exporter of a platform on a bad day: one of each kind is well, another is in trouble.

Nothing here is measured. Names, types and labels are the registry's (`kubeflow.observability.metrics`); values move in
plausible ranges, and trouble is such that every alert has something to find. A value is a function of the moment, so
that a past that is written down and a present that is read over HTTP are one and the same series.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from kubeflow.observability.metrics import DECLARED, EVERY_PROXY, PROMETHEUS, TENANT_LABELS, Metric, Type
from tests.support.bad_day_rows import DEFAULTS, ROWS
from tests.support.bad_day_values import MEANS, RATES, VALUES, Labels, Moment, found, seed
from tests.support.rules import FACTS

HOST = "127.0.0.1"
OFFERED: tuple[Metric, ...] = tuple(metric for metric in DECLARED if metric.of != PROMETHEUS)  # Prometheus is real
_BOUNDS: tuple[tuple[str, Sequence[float]], ...] = (
    (r"istio_request_duration_milliseconds", FACTS.bounds),
    (r".*_bytes", tuple(10.0**power for power in range(1, 8))),
    (r"kueue_.*", tuple(2.5 * 2**power for power in range(13))),
    (r".*", (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)),
)


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything at any moment between `now` and so many seconds before."""

    now: float
    past: float  # seconds of history

    @property
    def start(self) -> float:
        """The moment at which counters were 0."""
        return self.now - self.past

    @cached_property
    def rows(self) -> tuple[tuple[Metric, tuple[Labels, ...]], ...]:
        """Every metric and the labels of its series."""
        return tuple((metric, tuple(rows(metric))) for metric in OFFERED)

    def samples(self, at: float, *, stored: bool = False) -> Iterator[tuple[Metric, str, float]]:
        """Every series and its value at one moment, as exporters write them or as Prometheus stores them."""
        for metric, several in self.rows:
            for labels in several:
                yield from self._of(metric, labels, at, _stored if stored else _exported)

    def exposition(self, at: float) -> str:
        """What a scrape of the stand-in answers."""
        lines: list[str] = []
        last = None
        for metric, series, value in self.samples(at):
            if metric is not last:
                lines.append(f"# TYPE {metric.name} {metric.type.value}")
                last = metric
            lines.append(f"{series} {value:.6g}" if value < 1e6 else f"{series} {value:.3f}")
        return "\n".join([*lines, ""])

    def history(self, every: float) -> Iterator[str]:
        """The past in OpenMetrics, as `promtool tsdb create-blocks-from openmetrics` takes it."""
        at = self.start
        while at <= self.now:
            stamp = f"{at:.3f}"
            for _, series, value in self.samples(at, stored=True):
                yield f"{series} {value:.6f} {stamp}\n"
            at += every
        yield "# EOF\n"

    def _of(
        self, metric: Metric, labels: Labels, at: float, bounded: Callable[[float], str]
    ) -> Iterator[tuple[Metric, str, float]]:
        if metric.type is not Type.HISTOGRAM:
            yield metric, _written(metric.name, labels), self._value(metric, labels, at)
            return
        total = self._grown(found(RATES, metric.name)(labels), labels, at)
        mean = found(MEANS, metric.name)(labels)
        for bound in next(bounds for pattern, bounds in _BOUNDS if re.fullmatch(pattern, metric.name)):
            inside = total * (1 - math.exp(-bound / mean))
            yield metric, _written(f"{metric.name}_bucket", {**labels, "le": bounded(bound)}), inside
        yield metric, _written(f"{metric.name}_bucket", {**labels, "le": "+Inf"}), total
        yield metric, _written(f"{metric.name}_sum", labels), total * mean
        yield metric, _written(f"{metric.name}_count", labels), total

    def _value(self, metric: Metric, labels: Labels, at: float) -> float:
        if metric.type is Type.COUNTER:
            return self._grown(found(RATES, metric.name)(labels), labels, at)
        return found(VALUES, metric.name)(labels, Moment(at=at, before=self.now - at))

    def _grown(self, rate: float, labels: Labels, at: float) -> float:
        """A counter that grows by a rate which rises and falls by a third."""
        passed, turn = at - self.start, 300 + seed(labels) % 300
        return rate * (passed + turn / (6 * math.pi) * (1 + math.sin(2 * math.pi * passed / turn)))


def rows(metric: Metric) -> Iterator[Labels]:
    """The labels of a metric's series: from the table of rows, or one of each usual value."""
    listed = next((these for pattern, these in ROWS if re.fullmatch(pattern, metric.name)), None)
    namespace, _, pod = metric.of.partition("/")
    target = {"job": metric.of, "instance": f"{pod or namespace}:9090"}
    if pod and metric.of != "tenant/pods":
        target |= {"namespace": namespace, "pod": f"{pod}-0"}
    if listed is None:
        listed = tuple(
            dict(zip(metric.labels, values, strict=True))
            for values in product(*(DEFAULTS[label] for label in metric.labels))
        )
    for one in listed:
        extra = set(one) - set(metric.labels) - {"namespace", "pod", "container", "instance"}
        if metric.of in (EVERY_PROXY, "tenant/pods"):
            extra -= set(TENANT_LABELS)
        assert not extra, f"{metric.name} has no label {extra}"
        yield {key: value for key, value in {**target, **one}.items() if value}


def _exported(bound: float) -> str:
    return f"{bound:g}"


def _stored(bound: float) -> str:
    """Prometheus 3 writes every bound as a number with a fraction (its migration guide: `le` is normalized)."""
    text = f"{bound:g}"
    return text if "." in text or "e" in text else f"{text}.0"


def _written(name: str, labels: Labels) -> str:
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"
