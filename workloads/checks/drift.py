"""Drift is found when it is there and not when it is not; predictions and their errors are kept."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import urllib3
from scipy import stats as scipy_stats

from workloads.backends.process.bench import Bench
from workloads.backends.process.drift import MODEL, DriftService, drift_service, rows
from workloads.backends.process.processes import SoftwareError
from workloads.outcome import Better, Kind, Measurement, Probes, Series

SHIFT = 0.5  # standard deviations
SHIFTED_NUMBERS = 2  # of eight features: a quarter
FALSE_ALARMS = 0.1  # share of windows without drift that may be called drifted
ERROR_RATE = 0.1  # of the labelled predictions that are sent back
CONFIDENCE = 0.95
_SECONDS = 30
_REFUSED = 400  # and above, of HTTP status codes
_HTTP = urllib3.PoolManager()

stats: Any = scipy_stats  # has no types


def detected(bench: Bench) -> Probes:
    """Windows with a shift, windows with a flipped category, windows with neither."""
    service, probes = bench.use(drift_service), Probes()
    random = np.random.default_rng(bench.seed + 1)
    least = bench.limit("drift.detected")
    kinds = {
        f"{SHIFTED_NUMBERS} of 8 features shifted by {SHIFT:g} standard deviations": {
            "shift": SHIFT, "shifted": SHIFTED_NUMBERS,
        },
        "one category flipped": {"flipped": True},
    }  # fmt: skip
    for said, change in kinds.items():
        scores = [_window(service, bench, random, change) for _ in range(bench.profile.drift_windows)]
        found = sum(is_drift for is_drift, _ in scores)
        share = _share("windows found drifted", found, len(scores), limit=least, better=Better.HIGHER)
        probes.measured(f"windows with {said} are found", share, held=share.value >= least)
        probes.series.append(_scores(f"drift score/{said}", scores))
    control = [_window(service, bench, random, {}) for _ in range(bench.profile.drift_windows)]
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


def errors_stored(bench: Bench) -> Probes:
    """Labelled predictions with a known share of errors come back as that share, and stand in the log."""
    service, probes = bench.use(drift_service), Probes()
    count, random = bench.profile.feedback_rows, np.random.default_rng(bench.seed + 2)
    wrong = set(random.choice(count, round(ERROR_RATE * count), replace=False).tolist())
    before = _counters(service)
    _event(service, "feedback", "request", {"instances": rows(count, random)})
    _event(service, "feedback", "response", {"predictions": [0] * count})
    labels = [{"id": f"feedback/{number}", "label": int(number in wrong)} for number in range(count)]
    answer = _ask("POST", f"{service.url}/feedback", json={"model": MODEL, "labels": labels}).json()
    counted = {name: value - before[name] for name, value in _counters(service).items()}
    stored = [json.loads(line) for line in (service.log / f"{MODEL}.jsonl").read_text(encoding="utf-8").splitlines()]
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
    unknown = _ask(
        "POST", f"{service.url}/feedback", json={"model": MODEL, "labels": [{"id": "nobody/0", "label": 1}]}
    ).json()
    probes.negative(
        "a label of no prediction counts as no error",
        held=unknown == {"stored": 0, "unknown": 1, "errors": 0},
        saw=json.dumps(unknown),
    )
    return probes


def _window(
    service: DriftService, bench: Bench, random: np.random.Generator, change: dict[str, Any]
) -> tuple[bool, float]:
    """One full window: whether it was called drifted, and the largest score of its features."""
    _event(
        service,
        f"window-{random.integers(2**62)}",
        "request",
        {"instances": rows(bench.profile.drift_rows, random, **change)},
    )
    judged = _ask("GET", f"{service.url}/drift/{MODEL}").json()
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


def _counters(service: DriftService) -> dict[str, float]:
    wanted = ("prediction_labels_total", "prediction_errors_total")
    lines = _ask("GET", f"{service.url}/metrics").data.decode().splitlines()
    values = {name: [line for line in lines if line.startswith(f"{name}{{")] for name in wanted}
    return {name: sum(float(line.rsplit(" ", 1)[1]) for line in found) for name, found in values.items()}


def _event(service: DriftService, key: str, kind: str, body: object) -> None:
    headers = {"ce-id": key, "ce-inferenceservicename": MODEL, "ce-type": f"org.kubeflow.serving.inference.{kind}"}
    _ask("POST", service.url, json=body, headers=headers)


def _ask(method: str, url: str, **content: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401 - what urllib3 takes
    answer = _HTTP.request(method, url, timeout=_SECONDS, retries=False, **content)
    if answer.status >= _REFUSED:
        raise SoftwareError(f"the drift service answered {answer.status}: {answer.data.decode()[:200]}")
    return answer
