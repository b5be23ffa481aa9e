"""Work that ends by itself: batch inference over an endpoint, preprocessing as a workflow, and what people sit at."""

from __future__ import annotations

from typing import Any

from workloads.jobs import images
from workloads.jobs.surroundings import BATCH, SCRIPTS, Amounts, Surroundings, outside_mesh

Json = dict[str, Any]

AMOUNTS = Amounts(cpu="250m", memory="256Mi")


def inference(here: Surroundings, name: str, *, endpoint: str, rows: int, deadline_seconds: int) -> Json:
    """Rows with distinct ids through a model's endpoint, each answered once; the termination message counts them."""
    container = here.container(
        "batch",
        images.PYTHON,
        AMOUNTS,
        command=["python", f"{SCRIPTS}/batch.py"],
        environment={"ENDPOINT": endpoint, "ROWS": str(rows)},
    )
    return job(here, name, container, deadline_seconds=deadline_seconds)


def job(here: Surroundings, name: str, container: Json, *, deadline_seconds: int, priority: str = BATCH) -> Json:
    """One pod that runs once."""
    pod = {**here.pod(container, AMOUNTS, name, priority=priority), "restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": here.queue()},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": deadline_seconds,
            "template": {"metadata": outside_mesh(), "spec": pod},
        },
    }


def preprocessing(here: Surroundings, name: str) -> Json:
    """An Argo workflow: rows are made, then cleaned, and counts are handed on as parameters."""
    steps = ("make", "clean")
    templates: list[Json] = []
    for step in steps:
        container = here.container(
            "main",
            images.PYTHON,
            AMOUNTS,
            command=["python", f"{SCRIPTS}/preprocess.py", step],
            mounts={"work": "/work"},
        )
        del container["terminationMessagePolicy"]
        counted = {"parameters": [{"name": "rows", "valueFrom": {"path": "/work/rows"}}]}
        templates.append({"name": step, "container": container, "outputs": counted})
    tasks = [
        {"name": step, "template": step, "depends": before} for step, before in zip(steps, ("", *steps), strict=False)
    ]
    pod = here.pod({}, AMOUNTS, name)
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {
            "entrypoint": "all",
            "activeDeadlineSeconds": 600,
            "serviceAccountName": here.tenant.contributor,
            "podMetadata": outside_mesh(),
            "securityContext": pod["securityContext"],
            "volumes": pod["volumes"],
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "work"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                }
            ],
            "templates": [{"name": "all", "dag": {"tasks": tasks}}, *templates],
            **{key: pod[key] for key in ("affinity", "tolerations") if key in pod},
        },
    }


def notebook(here: Surroundings, name: str) -> Json:
    """A notebook server as the web application would make it, without a volume."""
    container = here.container(name, images.PYTHON, AMOUNTS, command=["python", "-m", "http.server", "8888"])
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "Notebook",
        "metadata": {"name": name},
        "spec": {"template": {"spec": here.pod(container, AMOUNTS, name, priority="")}},
    }


def tensorboard(here: Surroundings, name: str) -> Json:
    """TensorBoard over the event files of a claim in the same namespace."""
    return {
        "apiVersion": "tensorboard.kubeflow.org/v1alpha1",
        "kind": "Tensorboard",
        "metadata": {"name": name, "namespace": here.namespace},
        "spec": {"logspath": f"pvc://{name}/logs"},
    }
