"""Real model servers on this machine: each model is trained, stored, fetched from the store again, and then served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from workloads.backends.process import processes, python, storage, web
from workloads.backends.process.bench import Bench

NAME = "iris"  # what the servers call their model, whichever it is
_TRAIN_SECONDS = 240.0
_READY_SECONDS = 240.0  # importing PyTorch on a busy machine takes a while
_PACKAGES = {"svc": ("kserve",), "forest": ("kserve",), "xgboost": ("kserve", "xgboost"), "torch": ("kserve", "torch")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Golden:
    """Inputs, and the answers that the library itself gave when the model was trained."""

    rows: tuple[tuple[float, ...], ...]
    classes: tuple[int, ...]
    probabilities: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """One model in the store."""

    model: str
    kind: str
    key: str
    stored_version: str
    sha256: str
    accuracy: float
    seconds: float  # from the start of the program to the model in the store
    golden: Golden
    about: Path
    folder: Path  # what training wrote: the curve for TensorBoard too


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """One server that is ready."""

    url: str
    version: str
    trained: Trained
    port: int
    program: processes.Program

    @property
    def v1(self) -> str:
        """Where V1 requests go."""
        return f"{self.url}/v1/models/{NAME}:predict"

    @property
    def v2(self) -> str:
        """Where V2 requests go."""
        return f"{self.url}/v2/models/{NAME}/infer"

    @property
    def metadata(self) -> str:
        """Where V2 tells about the model."""
        return f"{self.url}/v2/models/{NAME}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """A transformer or explainer, and what stands behind it."""

    url: str
    predictor: Endpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """A gateway before the two REVISIONS. `shift` sets the share of requests that the second one gets, 0 to 1."""

    url: str  # of V1 requests
    shift: Callable[[float], None]
    ca: str = ""
    host: str = ""


Served = Callable[[Bench], AbstractContextManager[Endpoint]]
Training = Callable[[Bench], AbstractContextManager[Trained]]


def train(bench: Bench, model: str, folder: Path, *, seed: int = 42) -> Trained:
    """Train one model in a program of its own and put it into the store."""
    python.require(*_PACKAGES[model])
    bucket = bench.use(storage.artifacts)
    golden = str(bench.profile.golden_rows)
    took = python.finish(
        bench, f"train-{folder.name}",
        [python.PROGRAMS / "train.py", "--model", model, "--out", folder, "--seed", str(seed), "--golden", golden],
        seconds=_TRAIN_SECONDS,
    )  # fmt: skip
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    key = f"models/{folder.name}/{about['file']}"
    known = about["golden"]
    return Trained(
        model=model,
        kind=about["kind"],
        key=key,
        stored_version=bucket.put(key, (folder / about["file"]).read_bytes()),
        sha256=about["sha256"],
        accuracy=about["accuracy"],
        seconds=took,
        golden=Golden(
            rows=tuple(tuple(row) for row in known["rows"]),
            classes=tuple(known["classes"]),
            probabilities=tuple(tuple(row) for row in known["probabilities"]),
        ),
        about=folder / "about.json",
        folder=folder,
    )


def trained(model: str) -> Training:
    """A model that is trained once in a run."""

    @contextmanager
    def software(bench: Bench) -> Generator[Trained]:
        yield train(bench, model, bench.folder / "models" / model)

    return software


def served(training: Training, version: str = "1", program: Path = python.PROGRAMS / "server.py") -> Served:
    """A server of a trained model, which it gets from the store in exactly the version that training left there."""

    @contextmanager
    def software(bench: Bench) -> Generator[Endpoint]:
        model, bucket = bench.use(training), bench.use(storage.artifacts)
        content = bucket.get(model.key, model.stored_version)
        if (found := hashlib.sha256(content).hexdigest()) != model.sha256:
            raise processes.SoftwareError(f"{model.key} came back from the store with hash {found}, not {model.sha256}")
        file = bench.folder / "served" / f"{model.model}-{version}{Path(model.key).suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        words = ["--kind", model.kind, "--artifact", file, "--version", version]
        row = model.golden.rows[0]
        with _listening(bench, f"model-{model.model}-{version}", program, words, {"instances": [row]}) as (port, one):
            url = f"http://{processes.HOST}:{port}"
            yield Endpoint(url=url, version=version, trained=model, port=port, program=one)

    return software


TRAINED_SVC, TRAINED_FOREST = trained("svc"), trained("forest")
TRAINED_XGBOOST, TRAINED_TORCH = trained("xgboost"), trained("torch")
SVC, FOREST, XGBOOST, TORCH = map(served, (TRAINED_SVC, TRAINED_FOREST, TRAINED_XGBOOST, TRAINED_TORCH))
SECOND = served(TRAINED_XGBOOST, version="2")  # what a canary or an A/B test puts beside the first

REVISIONS: tuple[Served, Served] = (SVC, SECOND)


@contextmanager
def transformer(bench: Bench) -> Generator[Front]:
    """Flowers with names and in millimetres, before the forest."""
    predictor = bench.use(FOREST)
    fields = ("sepal_length_mm", "sepal_width_mm", "petal_length_mm", "petal_width_mm")
    flower = {name: value * 10 for name, value in zip(fields, predictor.trained.golden.rows[0], strict=True)}
    words = ["--predictor_host", f"{processes.HOST}:{predictor.port}"]
    program = python.PROGRAMS / "transformer.py"
    with _listening(bench, "transformer", program, words, {"instances": [flower]}) as (port, _):
        yield Front(url=f"http://{processes.HOST}:{port}", predictor=predictor)


@contextmanager
def explainer(bench: Bench) -> Generator[Front]:
    """Shapley values of what the forest says."""
    predictor = bench.use(FOREST)
    words = ["--predictor_host", f"{processes.HOST}:{predictor.port}", "--about", predictor.trained.about]
    program = python.PROGRAMS / "explainer.py"
    asked = {"instances": [predictor.trained.golden.rows[0]]}
    with _listening(bench, "explainer", program, words, asked, verb="explain") as (port, _):
        yield Front(url=f"http://{processes.HOST}:{port}", predictor=predictor)


@contextmanager
def _listening(
    bench: Bench, name: str, program: Path, words: Sequence[str | Path], first: object, *, verb: str = "predict"
) -> Generator[tuple[int, processes.Program]]:
    """A server on a free port: ready when it knows its model and has answered once."""
    port = processes.free_port()
    url = f"http://{processes.HOST}:{port}"

    def ready() -> bool:
        known = web.call(f"{url}/v2/models/{NAME}")
        return known.ok and web.post(f"{url}/v1/models/{NAME}:{verb}", first, seconds=120).ok

    command = [python.PYTHON, program, "--host", processes.HOST, "--http_port", str(port), "--model_name", NAME, *words]
    with processes.running(
        name, command, folder=bench.folder / "logs", ready=ready, env=python.ENVIRONMENT, within=_READY_SECONDS
    ) as server:
        yield port, server
