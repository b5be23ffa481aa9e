"""Drift is found when it is there and not when it is not; predictions and their errors are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy import stats as scipy_stats

from workloads.api import UnexpectedAnswerError
from workloads.backends.cluster.forward import Forward, Pods, Spot
from workloads.backends.process import web
from workloads.backends.process.bench import Bench
from workloads.backends.process.drift import MODEL, drift_service, rows
from workloads.backends.process.processes import SoftwareError, wait_until
from workloads.checks import jobs
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import drift
from workloads.outcome import Better, Kind, Measurement, NotMeasurableError, Probes, Series
from workloads.terms import Terms

SHIFT = 0.5  # standard deviations
SHIFTED_NUMBERS = 2  # of eight features: a quarter
FALSE_ALARMS = 0.1  # share of windows without drift that may be called drifted
ERROR_RATE = 0.1  # of the labelled predictions that are sent back
CONFIDENCE = 0.95
IMAGE = "drift"  # of `validation.images`
_READY_SECONDS = 600  # its image included
_NAME = "proof-drift"

stats: Any = scipy_stats  # has no types

Connect = Callable[[Target, Visit], Pods]


class Service(Protocol):
    """A drift service, wherever it runs."""

    def ask(self, path: str, *, body: object = None, headers: Mapping[str, str] | None = None) -> bytes:
        """What it answers, GET without a body; an exception if it refuses."""
        ...

    def log(self) -> str:
        """Its log of predictions."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Local:
    """A process of this machine."""

    url: str
    folder: Path

    def ask(self, path: str, *, body: object = None, headers: Mapping[str, str] | None = None) -> bytes:
        """What it answers, GET without a body; SoftwareError if it refuses."""
        data = None if body is None else json.dumps(body).encode()
        reply = web.call(
            f"{self.url}{path}", body=data, headers={"Content-Type": "application/json", **(headers or {})}
        )
        if not reply.ok:
            raise SoftwareError(f"the drift service answered {reply}")
        return reply.body

    def log(self) -> str:
        """Its log of predictions."""
        return (self.folder / f"{MODEL}.jsonl").read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True, slots=True)
class InPod:
    """A pod of the cluster."""

    pods: Pods
    namespace: str

    def ask(self, path: str, *, body: object = None, headers: Mapping[str, str] | None = None) -> bytes:
        """What it answers, GET without a body; UnexpectedAnswerError if it refuses."""
        return self._call(drift.PORT, path, body=body, headers=headers)

    def log(self) -> str:
        """Its log of predictions, as the container beside it serves it."""
        return self._call(drift.LOG_PORT, f"/{MODEL}.jsonl").decode()

    def _call(self, port: int, path: str, **content: Any) -> bytes:  # noqa: ANN401 - what a request takes
        spot = Spot(namespace=self.namespace, selector=f"app={_NAME}", port=port)
        method = "GET" if content.get("body") is None else "POST"
        reply = self.pods.call(spot, path, method=method, **content)
        if not reply.ok:
            raise UnexpectedAnswerError(f"the drift service answered {reply}")
        return reply.body


def _through(target: Target, visit: Visit) -> Pods:
    return Forward(visit.api, target.kubeconfig)


def in_cluster(judge: Callable[[Service, Terms], Probes], *, connect: Connect = _through) -> Callable[..., Probes]:
    """The same claims about a service that runs in a tenant's namespace as long as it is asked."""

    def check(target: Target, visit: Visit) -> Probes:
        jobs.need_containers(target, "the drift service runs")
        image, here = target.rules.images[IMAGE], jobs.home(target)
        service = InPod(pods=connect(target, visit), namespace=here.namespace)
        visit.submit(here.namespace, drift.reference(_NAME, visit.terms.seed))
        visit.submit(here.namespace, drift.pod(here, _NAME, image, visit.terms.profile.drift_rows))
        said: list[str] = []

        def healthy() -> bool:
            try:
                return bool(service.ask("/healthz"))
            except UnexpectedAnswerError as error:
                said[:] = [str(error)]
                return False

        if not wait_until(healthy, _READY_SECONDS, 1):
            raise NotMeasurableError(f"the drift service is not there after {_READY_SECONDS} s: {''.join(said)}")
        return judge(service, visit.terms)

    return check


def detected(bench: Bench) -> Probes:
    """The windows that drift is found in, by a service on this machine."""
    return found_in(_local(bench), bench)


def errors_stored(bench: Bench) -> Probes:
    """The predictions and errors that a service on this machine keeps."""
    return kept_by(_local(bench), bench)


def _local(bench: Bench) -> Service:
    made = bench.use(drift_service)
    return Local(url=made.url, folder=made.log)


def found_in(service: Service, terms: Terms) -> Probes:
    """Windows with a shift, windows with a flipped category, windows with neither."""
    probes, random = Probes(), np.random.default_rng(terms.seed + 1)
    least = terms.limit("drift.detected")
    kinds = {
        f"{SHIFTED_NUMBERS} of 8 features shifted by {SHIFT:g} standard deviations": {
            "shift": SHIFT, "shifted": SHIFTED_NUMBERS,
        },
        "one category flipped": {"flipped": True},
    }  # fmt: skip
    for said, change in kinds.items():
        scores = [_window(service, terms, random, change) for _ in range(terms.profile.drift_windows)]
        found = sum(is_drift for is_drift, _ in scores)
        share = _share("windows found drifted", found, len(scores), limit=least, better=Better.HIGHER)
        probes.measured(f"windows with {said} are found", share, held=share.value >= least)
        probes.series.append(_scores(f"drift score/{said}", scores))
    control = [_window(service, terms, random, {}) for _ in range(terms.profile.drift_windows)]
    alarms = _share(
        "false alarms",
        sum(is_drift for is_drift, _ in control),
        len(control),
        limit=100 * FALSE_ALARMS,
        better=Better.LOWER,
    )
    held = alarms.value <= 100 * FALSE_ALARMS
    probes.measured("windows without drift raise no alarm", alarms, held=held, kind=Kind.NEGATIVE)
    probes.series.append(_scores("drift score/no drift", control))
    return probes


def kept_by(service: Service, terms: Terms) -> Probes:
    """Labelled predictions with a known share of errors come back as that share, and stand in the log."""
    probes = Probes()
    count, random = terms.profile.feedback_rows, np.random.default_rng(terms.seed + 2)
    wrong = set(random.choice(count, round(ERROR_RATE * count), replace=False).tolist())
    before = _counters(service)
    _event(service, "feedback", "request", {"instances": rows(count, random)})
    _event(service, "feedback", "response", {"predictions": [0] * count})
    labels = [{"id": f"feedback/{number}", "label": int(number in wrong)} for number in range(count)]
    answer = json.loads(service.ask("/feedback", body={"model": MODEL, "labels": labels}))
    counted = {name: value - before[name] for name, value in _counters(service).items()}
    stored = [json.loads(line) for line in service.log().splitlines()]
    kept = [one for one in stored if str(one["id"]).startswith("feedback/") and "label" in one]
    rate = _share("errors", sum(bool(one["error"]) for one in kept), max(len(kept), 1), limit=None, better=Better.LOWER)
    probes.positive(
        f"all {count:,} labels are stored with their predictions",
        held=len(kept) == count == answer["stored"],
        saw=f"{len(kept):,} in the log, {answer['stored']:,} confirmed",
    )
    probes.measured(
        f"{len(wrong):,} of them are counted as errors",
        rate,
        held=sum(bool(one["error"]) for one in kept) == len(wrong),
    )
    probes.positive(
        "Prometheus is told the same",
        held=counted == {"prediction_labels_total": count, "prediction_errors_total": len(wrong)},
        saw=", ".join(f"{name} +{value:g}" for name, value in counted.items()),
    )
    nobody = {"model": MODEL, "labels": [{"id": "nobody/0", "label": 1}]}
    unknown = json.loads(service.ask("/feedback", body=nobody))
    probes.negative(
        "a label of no prediction counts as no error",
        held=unknown == {"stored": 0, "unknown": 1, "errors": 0},
        saw=json.dumps(unknown),
    )
    return probes


def _window(service: Service, terms: Terms, random: np.random.Generator, change: dict[str, Any]) -> tuple[bool, float]:
    """One full window: whether it was called drifted, and the largest score of its features."""
    key = f"window-{random.integers(2**62)}"
    _event(service, key, "request", {"instances": rows(terms.profile.drift_rows, random, **change)})
    judged = json.loads(service.ask(f"/drift/{MODEL}"))
    return bool(judged["detected"]), max(float(one["score"]) for one in judged["features"])


def _share(metric: str, count: int, of: int, *, limit: float | None, better: Better) -> Measurement:
    interval = stats.binomtest(count, of).proportion_ci(confidence_level=CONFIDENCE, method="exact")
    return Measurement(
        metric=metric, value=100 * count / of, unit="% of windows" if "window" in metric or "alarm" in metric else "%",
        n=of, method="share with its exact binomial interval (Clopper-Pearson)", limit=limit, better=better,
        low=100 * float(interval.low), high=100 * float(interval.high), confidence=CONFIDENCE,
    )  # fmt: skip


def _scores(name: str, scores: list[tuple[bool, float]]) -> Series:
    points = tuple((float(number), score) for number, (_, score) in enumerate(scores, 1))
    return Series(name=name, x_unit="window", y_unit="largest distance of a feature", points=points)


def _counters(service: Service) -> dict[str, float]:
    wanted = ("prediction_labels_total", "prediction_errors_total")
    lines = service.ask("/metrics").decode().splitlines()
    values = {name: [line for line in lines if line.startswith(f"{name}{{")] for name in wanted}
    return {name: sum(float(line.rsplit(" ", 1)[1]) for line in found) for name, found in values.items()}


def _event(service: Service, key: str, kind: str, body: object) -> None:
    headers = {"ce-id": key, "ce-inferenceservicename": MODEL, "ce-type": f"org.kubeflow.serving.inference.{kind}"}
    service.ask("/", body=body, headers=headers)
