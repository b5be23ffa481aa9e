"""Training in its four forms: PyTorchJob, TFJob, MPIJob (Horovod) and TrainJob, each in three sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workloads.jobs import images
from workloads.jobs.surroundings import SCRIPTS, Amounts, Surroundings, outside_mesh

Json = dict[str, Any]

INPUTS, CLASSES = 64, 10  # of the invented data that every size learns


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A dense network of `layers` layers of `width`, trained by `nodes` equal workers."""

    name: str
    nodes: int
    width: int
    layers: int
    steps: int
    batch: int  # rows of one step of one worker
    amounts: Amounts

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        inner = (self.layers - 1) * (self.width + 1) * self.width
        return (INPUTS + 1) * self.width + inner + (self.width + 1) * CLASSES

    @property
    def environment(self) -> dict[str, str]:
        """As the scripts read it."""
        return {
            "WIDTH": str(self.width),
            "LAYERS": str(self.layers),
            "STEPS": str(self.steps),
            "BATCH": str(self.batch),
        }


SMALL = Size(
    name="small", nodes=2, width=256, layers=2, steps=300, batch=256, amounts=Amounts(cpu="500m", memory="1Gi")
)
MEDIUM = Size(
    name="medium", nodes=2, width=2048, layers=7, steps=300, batch=512, amounts=Amounts(cpu="2", memory="8Gi", gpus=1)
)
LARGE = Size(
    name="large", nodes=4, width=6144, layers=9, steps=200, batch=1024, amounts=Amounts(cpu="4", memory="32Gi", gpus=1)
)
SIZES = {one.name: one for one in (SMALL, MEDIUM, LARGE)}


def pytorch_job(here: Surroundings, size: Size, name: str) -> list[Json]:
    """The operator sets addresses and ranks itself: nothing of that is said here."""
    command = ["python", f"{SCRIPTS}/train_torch.py"]
    container = here.container("pytorch", images.PYTORCH, size.amounts, command=command, environment=size.environment)

    def replicas(count: int) -> Json:
        return _replicas(here, size, name, container, count)

    specs = {"Master": replicas(1), **({"Worker": replicas(size.nodes - 1)} if size.nodes > 1 else {})}
    return [_job(here, "PyTorchJob", name, {"pytorchReplicaSpecs": specs})]


def tf_job(here: Surroundings, size: Size, name: str) -> list[Json]:
    """One chief, which stores the model, and workers that are equal to it."""
    image = images.TENSORFLOW_GPU if size.amounts.gpus else images.TENSORFLOW
    command = ["python", f"{SCRIPTS}/train_tensorflow.py"]
    container = here.container("tensorflow", image, size.amounts, command=command, environment=size.environment)

    def replicas(count: int) -> Json:
        return _replicas(here, size, name, container, count)

    specs = {"Chief": replicas(1), **({"Worker": replicas(size.nodes - 1)} if size.nodes > 1 else {})}
    return [_job(here, "TFJob", name, {"tfReplicaSpecs": specs})]


def mpi_job(here: Surroundings, size: Size, name: str) -> list[Json]:
    """Horovod: the launcher starts the script on the workers. Version 1 of MPIJob is unknown to Kueue."""
    waiting = here.container(
        "mpi", images.HOROVOD, size.amounts, command=["sleep", "infinity"], environment=size.environment
    )
    worker = _replicas(here, size, name, waiting, size.nodes)
    amounts = Amounts(cpu="250m", memory="512Mi")
    passed = " ".join(f"-x {key}" for key in size.environment)
    run = f"mpirun -np {size.nodes} -bind-to none -map-by slot {passed} python {SCRIPTS}/train_horovod.py"
    command = ["bash", "-c", f"set -o pipefail; {run} | tee /dev/termination-log"]
    container = here.container("mpi", images.HOROVOD, amounts, command=command, environment=size.environment)
    pod = here.pod(container, amounts, name)
    del pod["automountServiceAccountToken"]  # the launcher reaches the workers through the API server
    launcher = {"replicas": 1, "restartPolicy": "Never", "template": {"metadata": outside_mesh(), "spec": pod}}
    specs = {"Launcher": launcher, "Worker": worker}
    made = _job(here, "MPIJob", name, {"slotsPerWorker": 1, "mpiReplicaSpecs": specs})
    made["metadata"]["labels"] = {}
    return [made]


def train_job(here: Surroundings, size: Size, name: str) -> list[Json]:
    """A runtime of our own first: upstream's `torch-distributed` says nothing that Pod Security would accept."""
    group = "trainer.kubeflow.org/v1alpha1"
    container = here.container(
        "node",
        images.PYTORCH,
        size.amounts,
        command=["torchrun", f"{SCRIPTS}/train_torch.py"],
        environment=size.environment,
    )
    pod = here.pod(container, size.amounts, name)
    template = {
        "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
        "spec": {"template": {"metadata": outside_mesh(), "spec": {**pod, "restartPolicy": "Never"}}},
    }
    runtime = {
        "apiVersion": group,
        "kind": "TrainingRuntime",
        "metadata": {"name": name, "labels": {"trainer.kubeflow.org/framework": "torch"}},
        "spec": {
            "mlPolicy": {"numNodes": size.nodes, "torch": {"numProcPerNode": "auto"}},
            "template": {"spec": {"replicatedJobs": [{"name": "node", "template": template}]}},
        },
    }
    job = {
        "apiVersion": group,
        "kind": "TrainJob",
        "metadata": {"name": name, "labels": here.queue()},
        "spec": {
            "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": name},
            "trainer": {"numNodes": size.nodes, "resourcesPerNode": here.resources(size.amounts)},
        },
    }
    return [runtime, job]


FORMS = {"PyTorchJob": pytorch_job, "TFJob": tf_job, "MPIJob": mpi_job, "TrainJob": train_job}
SCRIPT = {
    "PyTorchJob": "train_torch.py",
    "TFJob": "train_tensorflow.py",
    "MPIJob": "train_horovod.py",
    "TrainJob": "train_torch.py",
}


def pods(form: str, size: Size) -> int:
    """How many pods train."""
    return size.nodes + (1 if form == "MPIJob" else 0)


def _job(here: Surroundings, kind: str, name: str, spec: Json) -> Json:
    # Without a limit of retries: at the limit the operator deletes the pods, and their last words with them.
    policy = {"cleanPodPolicy": "None", "ttlSecondsAfterFinished": 3600}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": here.queue()},
        "spec": {"runPolicy": policy, **spec},
    }


def _replicas(here: Surroundings, size: Size, scripts: str, container: Json, count: int) -> Json:
    template = {"metadata": outside_mesh(), "spec": here.pod(container, size.amounts, scripts)}
    return {"replicas": count, "restartPolicy": "Never", "template": template}
