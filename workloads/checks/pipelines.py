"""Pipelines run to their end with the results that they must have; their models are tracked, registered and stored."""

from __future__ import annotations

from pathlib import Path

from workloads.backends.process import mlflow, pipelines, processes, python
from workloads.backends.process.bench import Bench
from workloads.outcome import Attachment, Better, Measurement, Probes

PERSON = "Tagore"
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
    probes.positive("the output is the greeting", held=done.output == f"Hello, {PERSON}!", saw=repr(done.output))
    try:
        pipelines.run(bench, "hello", {"nobody": PERSON}, name="hello-wrong", folder=folder)
        probes.negative("an unknown parameter is refused", held=False, saw="the pipeline ran")
    except processes.SoftwareError as error:
        probes.negative("an unknown parameter is refused", held="no parameter nobody" in str(error), saw=str(error))
    _needs_nothing(probes, bench, "hello")
    return probes


def iris(bench: Bench, folder: Path = python.PIPELINES) -> Probes:
    """Preprocessing, training and evaluation give a model as good as it must be; MLflow has the run and the model."""
    tracking, probes = bench.use(mlflow.tracking), Probes()
    given = {"tracking": tracking.url, "folds": FOLDS, "repeats": REPEATS, "least": ACCURACY}
    done = pipelines.run(bench, "iris", given, folder=folder)
    _figure(probes, done, "accuracy", ACCURACY, n=30, method="one fixed split, stratified, seed 42")
    rounds = int(done.metrics.get("cross_validation_rounds", 0))
    method = f"mean of {FOLDS}-fold cross-validation, {REPEATS} times"
    _figure(probes, done, "cross_validation_mean", CROSS_VALIDATION, n=rounds, method=method)
    probes.positive(
        "every round of the cross-validation was made", held=rounds == FOLDS * REPEATS, saw=f"{rounds} rounds"
    )
    empty = [one.name for one in done.artifacts if not one.exists() or (one.is_file() and not one.stat().st_size)]
    kept = [one.name for one in done.artifacts if one.name not in empty]
    missing = {"seen", "unseen", "model"} - set(kept)
    probes.positive("data and model are kept as artifacts", held=not missing, saw=f"{kept}, without {sorted(missing)}")
    _tracked(probes, tracking, done)
    worse = given | {"least": UNREACHABLE, "folds": 2, "repeats": 1, "name": f"{MODEL}-too-bad"}
    bad = pipelines.run(bench, "iris", worse, name="iris-too-bad", folder=folder)
    probes.negative(
        "a model that is not good enough is not registered",
        held=bad.output == "" and not tracking.versions(f"{MODEL}-too-bad"),
        saw=f"version {bad.output!r}",
    )
    _needs_nothing(probes, bench, "iris")
    seconds = Measurement(
        metric="pipeline", value=done.seconds, unit="s", n=1, method="from the command to its end, on this machine"
    )
    probes.measured("how long the pipeline takes is recorded", seconds, held=True)
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
    stored = tracking.bucket.keys("mlflow/")
    probes.positive(
        "its files lie in the object store",
        held=any("model.pkl" in one for one in stored),
        saw=f"{len(stored)} objects",
    )


def _figure(probes: Probes, done: pipelines.Finished, name: str, least: float, *, n: int, method: str) -> None:
    value = float(done.metrics.get(name, 0.0))
    figure = Measurement(
        metric=name.replace("_", " "), value=value, unit="of 1", n=n, method=method, limit=least, better=Better.HIGHER
    )
    probes.measured(f"{figure.metric} is at least {least:g}", figure, held=value >= least)


def _needs_nothing(probes: Probes, bench: Bench, pipeline: str) -> None:
    """In a cluster that reaches no package index, a step that installs something could only fail."""
    text = pipelines.compiled(bench, pipeline)
    found = [word for word in _INSTALLING if word in text]
    probes.negative("no step installs anything when it starts", held=not found, saw=f"found {found}")
    probes.attachments.append(Attachment(name=f"{pipeline}.yaml", text=text))
