"""A curve on a claim, and TensorBoard over it: what somebody who trains leaves behind to be looked at."""

from __future__ import annotations

from typing import Any

from workloads.jobs import batch, images, surroundings
from workloads.jobs.surroundings import SCRIPTS, Surroundings, config_map

Json = dict[str, Any]

SCRIPT = "curve.py"
STEPS = 20
_CLAIM = "/claim"


def claim(here: Surroundings, name: str) -> Json:
    """One volume of the stack's usual class."""
    return surroundings.claim(name, here.target.storage.block, shared=False, size="1Gi")


def writer(here: Surroundings, name: str) -> tuple[Json, Json]:
    """The scripts, and the job that writes the curve where `batch.tensorboard` of the same name looks for it."""
    container = here.container(
        "curve",
        images.PYTHON,
        batch.AMOUNTS,
        command=["python", f"{SCRIPTS}/{SCRIPT}"],
        environment={"LOGS": f"{_CLAIM}/logs", "STEPS": str(STEPS)},
        mounts={"claim": _CLAIM},
    )
    job = batch.job(here, name, container, deadline_seconds=900)
    pod = job["spec"]["template"]["spec"]
    pod["volumes"] = [*pod["volumes"], {"name": "claim", "persistentVolumeClaim": {"claimName": name}}]
    return config_map(name, SCRIPT), job
