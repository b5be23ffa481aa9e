"""Everything that a run may create: accepted by the API server as it stands, refused when something is missing."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from workloads.api import Json
from workloads.checks.jobs import SECONDS_AN_HOUR, home
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import batch, probing, serving, training, tuning
from workloads.jobs.surroundings import Surroundings, config_map
from workloads.outcome import Probes


def are_accepted(target: Target, visit: Visit) -> Probes:
    """The API server takes every object that the validation may create, and refuses its broken twin."""
    probes, here, absent = Probes(), home(target), set[str]()
    for body in every(here):
        kind = body["kind"]
        answer = visit.ask(here.namespace, body)
        if answer.ok and kind == "TrainingRuntime":  # without it no TrainJob is accepted
            visit.submit(here.namespace, body)
        if answer.status == HTTPStatus.NOT_FOUND and "namespaces" not in answer.message:  # the kind is unknown
            absent.add(kind)
            continue
        said = "accepted" if answer.ok else str(answer)
        probes.positive(f"{kind} {body['metadata']['name']} is accepted in {here.namespace}", held=answer.ok, saw=said)
    broken: dict[str, Json] = {}
    for body in every(here):
        if body["kind"] in _SPOILT and body["kind"] not in absent:
            broken[body["kind"]] = spoilt(body)
    for kind, body in broken.items():
        answer = visit.ask(here.namespace, body)
        told = _SPOILT[kind][-1].lower() in answer.message.lower()
        held = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and told
        said = "accepted" if answer.ok else str(answer)
        probes.negative(f"a {kind} without {'.'.join(_SPOILT[kind])} is refused", held=held, saw=said)
    if absent:
        probes.note(f"not installed here: {', '.join(sorted(absent))}")
    return probes


_SPOILT: Mapping[str, tuple[str, ...]] = {
    "PyTorchJob": ("spec", "pytorchReplicaSpecs"),
    "TFJob": ("spec", "tfReplicaSpecs"),
    "MPIJob": ("spec", "mpiReplicaSpecs"),
    "TrainJob": ("spec", "runtimeRef"),
    "InferenceService": ("spec", "predictor"),
    "InferenceGraph": ("spec", "nodes"),
    "Tensorboard": ("spec", "logspath"),
    "Job": ("spec", "template"),
}


def spoilt(body: Json) -> Json:
    """The same object without something that its definition asks for."""
    made = copy.deepcopy(body)
    *way, last = _SPOILT[body["kind"]]
    node: Any = made
    for key in way:
        node = node[key]
    del node[last]
    return made


def every(here: Surroundings) -> list[Json]:
    """Every object that a check may create, under the name that it has there or one like it."""
    made = [
        body
        for form, build in training.FORMS.items()
        for size in training.SIZES.values()
        for body in build(here, size, f"proof-{form.lower()}-{size.name}")
    ]
    endpoint = f"http://proof-sklearn-predictor.{here.namespace}.svc.cluster.local/v1/models/proof-sklearn:predict"
    return [
        *made,
        *(serving.service(here, kind, f"proof-{kind}") for kind in serving.SERVED),
        *(serving.stored(here, kind, f"proof-{kind}-stored", "pvc://proof-models/one") for kind in serving.SERVED),
        serving.explained(here, "proof-explained"),
        serving.store(here, "proof-store"),
        *(serving.maker(here, kind, f"proof-{kind}-maker", rows=1) for kind in serving.SERVED),
        *(
            serving.stored(here, kind, f"proof-{kind}-knative", serving.place("proof-store"), mode="Knative")
            for kind in serving.SERVED
        ),
        *(serving.around(here, f"proof-{part}", part) for part in ("transformer", "explainer")),
        serving.echo(here, "proof-echo", replicas=(0, 3), each=20),
        *(serving.versioned(here, f"proof-{mode.lower()}", "1", mode=mode) for mode in ("Standard", "Knative")),
        serving.split(here, "proof-split", {"proof-a": 80, "proof-b": 20}),
        *(tuning.experiment(here, algorithm, f"proof-{algorithm}") for algorithm in ("random", "grid")),
        batch.inference(here, "proof-batch", endpoint=endpoint, rows=10_000, deadline_seconds=SECONDS_AN_HOUR),
        batch.preprocessing(here, "proof-preprocessing"),
        batch.notebook(here, "proof-notebook"),
        batch.tensorboard(here, "proof-board"),
        *probing.manifests(here),
        config_map("proof-scripts", "trial.py"),
    ]
