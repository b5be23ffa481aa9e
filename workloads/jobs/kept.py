"""A PyTorchJob that keeps its model on a claim, and the job that reads it there afterwards."""

from __future__ import annotations

from typing import Any

from workloads.jobs import batch, images, surroundings, training
from workloads.jobs.surroundings import SCRIPTS, Surroundings, config_map
from workloads.jobs.training import Size

Json = dict[str, Any]

TRAIN, READ = "keep_model.py", "read_model.py"
_FOLDER = "/kept"
_TOLD = {"name": "KEPT", "value": _FOLDER}
_MOUNT = {"name": "kept", "mountPath": _FOLDER}


def claim(here: Surroundings, name: str) -> Json:
    """A volume of the stack's usual class, of one node at a time."""
    return surroundings.claim(name, here.target.storage.block, shared=False, size="5Gi")


def scripts(name: str) -> Json:
    """What both jobs run."""
    return config_map(name, training.SCRIPT["PyTorchJob"], TRAIN, READ)


def trainer(here: Surroundings, size: Size, name: str) -> Json:
    """The master alone has the volume: other nodes could not have it at the same time."""
    (job,) = training.pytorch_job(here, size, name)
    for role, replica in job["spec"]["pytorchReplicaSpecs"].items():
        pod = replica["template"]["spec"]
        (container,) = pod["containers"]
        kept = role == "Master"
        pod["containers"] = [
            {
                **container,
                "command": ["python", f"{SCRIPTS}/{TRAIN}"],
                "env": [*container["env"], _TOLD],
                "volumeMounts": [*container["volumeMounts"], *([_MOUNT] if kept else [])],
            }
        ]
        volume = {"name": "kept", "persistentVolumeClaim": {"claimName": name}}
        pod["volumes"] = [*pod["volumes"], *([volume] if kept else [])]
    return job


def reader(here: Surroundings, name: str) -> Json:
    """A pod that has nothing but the volume, after those that trained are gone."""
    command = ["python", f"{SCRIPTS}/{READ}"]
    told = {_TOLD["name"]: _FOLDER}
    container = here.container(
        "read", images.PYTHON, batch.AMOUNTS, command=command, environment=told, mounts={"kept": _FOLDER}
    )
    job = batch.job(here, name, container, deadline_seconds=900)
    pod = job["spec"]["template"]["spec"]
    pod["volumes"] = [*pod["volumes"], {"name": "kept", "persistentVolumeClaim": {"claimName": name}}]
    return job
