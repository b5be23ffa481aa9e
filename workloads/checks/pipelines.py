"""Pipelines run to their end with the results that they must have; their models are tracked, registered and stored.

What is claimed is written once, whichever way a pipeline was run: here in processes, or by a cluster's pipeline server
(checks/pipeline_runs.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workloads.backends.process import mlflow, pipelines, processes, python
from workloads.backends.process.bench import Bench
from workloads.outcome import Attachment, Better, Measurement, Probes

PERSON = "Tagore"
STRANGE = "nobody"  # a parameter that no pipeline has
MODEL = "iris"
ACCURACY = 0.90  # on the fixed split: 27 of 30, the same each time
CROSS_VALIDATION = 0.93  # mean of 5 folds, 10 times
FOLDS, REPEATS = 5, 10
UNREACHABLE = 1.01
_INSTALLING = ("pip install", "ensurepip")


def hello(bench: Bench, folder: Path = python.PIPELINES) -> Probes:
    """The first pipeline greets, and refuses a parameter that it does not have."""
    probes = Probes()
    done = pipelines.run(bench, "hello", {"name": PERSON}, folder=folder)
    greeted(probes, [done.output], saw=repr(done.output))
    try:
        pipelines.run(bench, "hello", {STRANGE: PERSON}, name="hello-wrong", folder=folder)
        strange_is_refused(probes, held=False, saw="the pipeline ran")
    except processes.SoftwareError as error:
        strange_is_refused(probes, held=f"no parameter {STRANGE}" in str(error), saw=str(error))
    needs_nothing(probes, "hello", pipelines.compiled(bench, "hello"))
    return probes


def iris(bench: Bench, folder: Path = python.PIPELINES) -> Probes:
    """Preprocessing, training and evaluation give a model as good as it must be; MLflow has the run and the model."""
    tracking, probes = bench.use(mlflow.tracking), Probes()
    given = {"tracking": tracking.url, "folds": FOLDS, "repeats": REPEATS, "least": ACCURACY}
    done = pipelines.run(bench, "iris", given, folder=folder)
    good_enough(probes, done.metrics)
    empty = [one.name for one in done.artifacts if not one.exists() or (one.is_file() and not one.stat().st_size)]
    kept = [one.name for one in done.artifacts if one.name not in empty]
    missing = {"seen", "unseen", "model"} - set(kept)
    probes.positive("data and model are kept as artifacts", held=not missing, saw=f"{kept}, without {sorted(missing)}")
    _tracked(probes, tracking, done)
    bad = pipelines.run(bench, "iris", given | worse(f"{MODEL}-too-bad"), name="iris-too-bad", folder=folder)
    versions = [one["version"] for one in tracking.versions(f"{MODEL}-too-bad")]
    not_registered(probes, versions, held=bad.output == "")
    needs_nothing(probes, "iris", pipelines.compiled(bench, "iris"))
    took(probes, done.seconds, "from the command to its end, on this machine")
    return probes


def _tracked(probes: Probes, tracking: mlflow.Tracking, done: pipelines.Finished) -> None:
    runs = tracking.runs(MODEL)
    logged = {one["key"]: one["value"] for one in runs[0]["data"].get("metrics", [])} if runs else {}
    probes.positive(
        "MLflow has the figures of the run",
        held=logged.get("accuracy") == done.metrics.get("accuracy") is not None,
        saw=f"{len(runs)} run(s), {logged}",
    )
    versions = [one["version"] for one in tracking.versions(MODEL)]
    probes.positive("the model is registered", held=done.output in versions, saw=f"{done.output!r} of {versions}")
    stored(probes, tracking.bucket.keys("mlflow/"))


def greeted(probes: Probes, said: Sequence[object], *, saw: str) -> None:
    """The greeting is among what the pipeline said."""
    probes.positive("the output is the greeting", held=f"Hello, {PERSON}!" in said, saw=saw)


def strange_is_refused(probes: Probes, *, held: bool, saw: str) -> None:
    """A parameter that no pipeline has is not passed over."""
    probes.negative("an unknown parameter is refused", held=held, saw=saw)


def good_enough(probes: Probes, metrics: Mapping[str, object]) -> None:
    """The model that a pipeline has evaluated is as good as it must be."""
    _figure(probes, metrics, "accuracy", ACCURACY, n=30, method="one fixed split, stratified, seed 42")
    rounds = int(_number(metrics, "cross_validation_rounds"))
    method = f"mean of {FOLDS}-fold cross-validation, {REPEATS} times"
    _figure(probes, metrics, "cross_validation_mean", CROSS_VALIDATION, n=rounds, method=method)
    claim = "every round of the cross-validation was made"
    probes.positive(claim, held=rounds == FOLDS * REPEATS, saw=f"{rounds} rounds")


def worse(name: str) -> dict[str, object]:
    """Parameters under which no model is good enough."""
    return {"least": UNREACHABLE, "folds": 2, "repeats": 1, "name": name}


def not_registered(probes: Probes, versions: Sequence[str], *, held: bool) -> None:
    """A model that was not good enough has no version."""
    claim = "a model that is not good enough is not registered"
    probes.negative(claim, held=held and not versions, saw=f"versions {list(versions)}")


def stored(probes: Probes, files: Sequence[str]) -> None:
    """The registered model is not only a name."""
    held = any("model.pkl" in one for one in files)
    probes.positive("its files lie in the object store", held=held, saw=f"{len(files)} objects")


def needs_nothing(probes: Probes, pipeline: str, text: str) -> None:
    """In a cluster that reaches no package index, a step that installs something could only fail."""
    found = [word for word in _INSTALLING if word in text]
    probes.negative("no step installs anything when it starts", held=not found, saw=f"found {found}")
    probes.attachments.append(Attachment(name=f"{pipeline}.yaml", text=text))


def took(probes: Probes, seconds: float, method: str) -> None:
    """Record the time; nothing is promised about it."""
    figure = Measurement(metric="pipeline", value=seconds, unit="s", n=1, method=method)
    probes.measured("how long the pipeline takes is recorded", figure, held=True)


def _number(metrics: Mapping[str, object], name: str) -> float:
    value = metrics.get(name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _figure(probes: Probes, metrics: Mapping[str, object], name: str, least: float, *, n: int, method: str) -> None:
    value = _number(metrics, name)
    figure = Measurement(
        metric=name.replace("_", " "), value=value, unit="of 1", n=n, method=method, limit=least, better=Better.HIGHER
    )
    probes.measured(f"{figure.metric} is at least {least:g}", figure, held=value >= least)
