"""Katib experiments with a known optimum, and the rules of parameter mapping that Katib itself checks too late."""

from __future__ import annotations

import re
from typing import Any, cast

import yaml

from workloads.jobs import images
from workloads.jobs.surroundings import SCRIPTS, Amounts, Surroundings, outside_mesh

Json = dict[str, Any]

AMOUNTS = Amounts(cpu="100m", memory="128Mi")
TRIALS, PARALLEL = 12, 3
BEST = {"learningRate": 0.1, "depth": 4}  # where the objective of `trial.py` is 1
_PLACEHOLDER = re.compile(r"\$\{trialParameters\.([^}]*)\}")
_SPACE = {
    "random": [
        {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.001", "max": "0.5"}},
        {"name": "max_depth", "parameterType": "int", "feasibleSpace": {"min": "2", "max": "8"}},
    ],
    "grid": [
        {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "0.4", "step": "0.1"}},
        {"name": "max_depth", "parameterType": "int", "feasibleSpace": {"min": "2", "max": "6", "step": "2"}},
    ],
}


def experiment(here: Surroundings, algorithm: str, name: str) -> Json:
    """A search over two parameters; each trial is a Job that ends."""
    container = here.container(
        "trial",
        images.PYTHON,
        AMOUNTS,
        command=[
            "python",
            f"{SCRIPTS}/trial.py",
            "--learning-rate=${trialParameters.learningRate}",
            "--depth=${trialParameters.depth}",
        ],
    )
    pod = {**here.pod(container, AMOUNTS, name), "restartPolicy": "Never"}
    trial = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"backoffLimit": 0, "template": {"metadata": outside_mesh(), "spec": pod}},
    }
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {
            "objective": {"type": "maximize", "objectiveMetricName": "objective"},
            "algorithm": _algorithm(algorithm),
            "parallelTrialCount": PARALLEL,
            "maxTrialCount": TRIALS,
            "maxFailedTrialCount": 1,
            "parameters": _SPACE[algorithm],
            "metricsCollectorSpec": {"collector": {"kind": "StdOut"}},
            "trialTemplate": {
                "primaryContainerName": "trial",
                "trialParameters": [
                    {"name": "learningRate", "reference": "lr", "description": "step of the descent"},
                    {"name": "depth", "reference": "max_depth", "description": "depth of the tree"},
                ],
                "trialSpec": trial,
            },
        },
    }


def _algorithm(name: str) -> Json:
    settings = [{"name": "random_state", "value": "1"}] if name == "random" else []
    return {"algorithmName": name, **({"algorithmSettings": settings} if settings else {})}


def unmapped(made: Json) -> list[str]:
    """What is wrong between the parameters that are searched and those that trials are given."""
    spec = made["spec"]
    template = spec["trialTemplate"]
    searched = {one["name"] for one in spec["parameters"]}
    given: dict[str, str] = {one["name"]: one["reference"] for one in template["trialParameters"]}
    used = set(cast("list[str]", _PLACEHOLDER.findall(yaml.safe_dump(template["trialSpec"], width=10_000))))
    referenced = set(given.values())
    return [
        *(f"the trial uses {name}, which no trialParameter gives" for name in sorted(used - set(given))),
        *(f"trialParameter {name} is used nowhere" for name in sorted(set(given) - used)),
        *(
            f"trialParameter {name} refers to {to}, which is not searched"
            for name, to in given.items()
            if to not in searched
        ),
        *(f"{name} is searched, and no trial learns its value" for name in sorted(searched - referenced)),
    ]
