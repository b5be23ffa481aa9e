"""The HTTP face: takes KServe's payload events and labels, exports Prometheus metrics from its first second on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from .core import Drift, Limits, Reference, compare
from .window import PayloadError, PredictionLog, Row, Window, predictions, rows

_REQUEST, _RESPONSE = "inference.request", "inference.response"
_WAITING = 10_000  # requests whose answer has not come


class Metrics:
    """What Prometheus reads. Labels: model, and for scores feature and method."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        gauge, count = self._gauge, self._count
        self.score = gauge("drift_score", "Distance of a feature from the reference, 0 to 1", "feature", "method")
        self.detected = gauge("drift_detected", "1 where a feature has drifted", "feature")
        self.share = gauge("drift_share", "Share of a model's features that have drifted")
        self.threshold = gauge("drift_threshold", "Share of features above which a model's input has drifted")
        self.rows = gauge("drift_window_rows", "Rows of the window that was judged last")
        self.evaluated = gauge("drift_last_evaluation_timestamp_seconds", "When a window was judged last")
        self.windows = count("drift_windows", "Windows judged")
        self.predicted = count("predictions", "Rows predicted")
        self.labels = count("prediction_labels", "Predictions whose right answer came")
        self.errors = count("prediction_errors", "Predictions that were wrong")
        self.refused = count("drift_payloads_refused", "Payloads that could not be read, or are of an unknown model")

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, ["model", *labels], registry=self.registry)

    def _count(self, name: str, about: str) -> Counter:
        return Counter(name, about, ["model"], registry=self.registry)


@dataclass(kw_only=True)
class Service:
    """One service for the models of one namespace."""

    references: Mapping[str, Reference]
    limits: Limits
    window: int  # rows
    log: PredictionLog
    metrics: Metrics = field(default_factory=Metrics)
    last: dict[str, Drift] = field(default_factory=dict[str, Drift])
    _windows: dict[str, Window] = field(default_factory=dict[str, Window], init=False)
    _asked: OrderedDict[str, list[Row]] = field(default_factory=OrderedDict[str, list[Row]], init=False)

    def __post_init__(self) -> None:
        """Let every model's series exist before its first window."""
        for model, reference in self.references.items():
            self._windows[model] = Window(features=tuple(reference.kinds), size=self.window)
            self.metrics.share.labels(model).set(0)
            self.metrics.threshold.labels(model).set(self.limits.share)
            self.metrics.rows.labels(model).set(0)
            for counter in (self.metrics.windows, self.metrics.predicted, self.metrics.labels, self.metrics.errors):
                counter.labels(model)

    def app(self) -> web.Application:
        """Routes: / takes CloudEvents, /feedback labels; /metrics, /healthz and /drift are read."""
        made = web.Application()
        made.add_routes(
            [
                web.post("/", self._event),
                web.post("/feedback", self._feedback),
                web.get("/metrics", self._read),
                web.get("/healthz", self._health),
                web.get("/drift/{model}", self._drift),
            ]
        )
        return made

    async def _event(self, request: web.Request) -> web.Response:
        kind, model = request.headers.get("ce-type", ""), request.headers.get("ce-inferenceservicename", "")
        key = request.headers.get("ce-id", "")
        if model not in self.references:
            self.metrics.refused.labels("unknown").inc()
            return web.json_response({"error": f"no reference for the model {model!r}"}, status=404)
        try:
            self.take(model, kind, key, await request.json())
        except (PayloadError, ValueError, KeyError, TypeError, IndexError) as error:
            self.metrics.refused.labels(model).inc()
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response({}, status=202)

    def take(self, model: str, kind: str, key: str, payload: object) -> None:
        """One event: requests fill the window, responses join their request in the log."""
        if kind.endswith(_REQUEST):
            found = rows(payload, tuple(self.references[model].kinds))
            self._asked[f"{model}/{key}"] = found
            while len(self._asked) > _WAITING:
                self._asked.popitem(last=False)
            for columns in self._windows[model].add(found):
                self._judge(model, columns)
        elif kind.endswith(_RESPONSE):
            answers = predictions(payload)
            asked = self._asked.pop(f"{model}/{key}", [])
            self.metrics.predicted.labels(model).inc(len(answers))
            for number, (row, answer) in enumerate(zip(asked, answers, strict=False)):
                self.log.predicted(model, f"{key}/{number}", row, answer)
        else:
            raise PayloadError(f"unknown type of event {kind!r}")

    def _judge(self, model: str, columns: Any) -> None:
        drift = compare(self.references[model], columns, self.limits)
        self.last[model] = drift
        for one in drift.features:
            self.metrics.score.labels(model, one.feature, one.method).set(one.score)
            self.metrics.detected.labels(model, one.feature).set(one.drifted)
        self.metrics.share.labels(model).set(drift.share)
        self.metrics.rows.labels(model).set(drift.rows)
        self.metrics.evaluated.labels(model).set_to_current_time()
        self.metrics.windows.labels(model).inc()

    async def _feedback(self, request: web.Request) -> web.Response:
        body: Any = await request.json()
        try:
            model, labels = str(body["model"]), list(body["labels"])
            wrong = [self.log.labelled(model, str(one["id"]), one["label"]) for one in labels]
        except (KeyError, TypeError) as error:
            return web.json_response(
                {"error": f'expected {{"model", "labels": [{{"id", "label"}}]}}: {error}'}, status=400
            )
        known = [one for one in wrong if one is not None]
        self.metrics.labels.labels(model).inc(len(known))
        self.metrics.errors.labels(model).inc(sum(known))
        return web.json_response({"stored": len(known), "unknown": len(wrong) - len(known), "errors": sum(known)})

    async def _read(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self.metrics.registry), content_type="text/plain")

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"models": sorted(self.references)})

    async def _drift(self, request: web.Request) -> web.Response:
        model = request.match_info["model"]
        if (drift := self.last.get(model)) is None:
            return web.json_response({"error": f"no window of {model!r} is full yet"}, status=404)
        features = [
            {
                "feature": one.feature,
                "method": one.method,
                "score": one.score,
                "p_value": one.p_value,
                "stability": one.stability,
                "divergence": one.divergence,
                "drifted": one.drifted,
            }
            for one in drift.features
        ]
        return web.json_response(
            {"rows": drift.rows, "share": drift.share, "detected": drift.detected, "features": features}
        )
