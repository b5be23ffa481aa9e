"""What every pod of a job has in common: no rights on its node, bounded resources, and where it may be placed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workloads.contract import POOL_LABEL, Target, Tenant
from workloads.jobs.images import Image

Json = dict[str, Any]

SCRIPTS = "/scripts"  # where the ConfigMap is mounted
USER = 1000
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
QUEUE = "default"  # the LocalQueue of every tenant
TRAINING, SERVING, BATCH = "kubeflow-training", "kubeflow-serving", "kubeflow-batch"  # priority classes

_FOLDER = Path(__file__).parent / "scripts"
_CONTAINER: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Amounts:
    """What one container asks for and is limited to."""

    cpu: str
    memory: str
    gpus: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """One tenant of one stack, as a job sees it."""

    target: Target
    tenant: Tenant

    @property
    def namespace(self) -> str:
        """Where the job runs."""
        return self.tenant.namespace

    def queue(self) -> dict[str, str]:
        """The label of jobs that wait for their turn, where Kueue is installed."""
        return {QUEUE_LABEL: QUEUE} if any(one.startswith("kueue") for one in self.target.components) else {}

    def resources(self, amounts: Amounts) -> Json:
        """Requests and limits alike."""
        wanted = {"cpu": amounts.cpu, "memory": amounts.memory}
        if amounts.gpus and self.target.accelerator is not None:
            wanted[self.target.accelerator.resource] = str(amounts.gpus)
        return {"requests": wanted, "limits": wanted}

    def placement(self, amounts: Amounts) -> Json:
        """Onto nodes with GPUs for those that ask for some, off them for all others."""
        pools = self.target.gpu_pools
        if not amounts.gpus:
            return {"affinity": _pools("NotIn", sorted(pools))} if pools else {}
        keys = {taint.key for name in pools for taint in self.target.pools[name].taints}
        keys |= {self.target.accelerator.toleration_key} if self.target.accelerator else set()
        return {
            "tolerations": [{"key": key, "operator": "Exists"} for key in sorted(keys)],
            "affinity": _pools("In", sorted(pools)),
        }

    def priority(self, name: str) -> Json:
        """The priority class of a purpose, where the stack has it."""
        return {"priorityClassName": name} if name in self.target.usable_priorities else {}

    def container(
        self,
        name: str,
        image: Image,
        amounts: Amounts,
        *,
        command: Iterable[str],
        environment: Mapping[str, str] | None = None,
        mounts: Mapping[str, str] | None = None,
    ) -> Json:
        """A container without rights that has the scripts, and a place to write beside its own file system."""
        every = {"scripts": SCRIPTS, "scratch": "/tmp", **(mounts or {})}  # noqa: S108 - a volume of the pod
        return {
            "name": name,
            "image": str(image),
            "command": list(command),
            "env": [
                {"name": key, "value": value}
                for key, value in {"HOME": "/tmp", **(environment or {})}.items()  # noqa: S108
            ],
            "resources": self.resources(amounts),
            "securityContext": {**_CONTAINER, "runAsUser": USER},
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in every.items()],
        }

    def pod(self, container: Json, amounts: Amounts, scripts: str, *, priority: str = TRAINING) -> Json:
        """The specification of a pod that holds one container and the scripts of a ConfigMap."""
        return {
            "containers": [container],
            "automountServiceAccountToken": False,
            "securityContext": {**secure(), "fsGroup": USER},
            "volumes": volumes(scripts),
            **self.placement(amounts),
            **self.priority(priority),
        }


def secure() -> Json:
    """What Pod Security's strictest standard wants of a pod."""
    return {"runAsNonRoot": True, "runAsUser": USER, "seccompProfile": {"type": "RuntimeDefault"}}


def volumes(scripts: str) -> list[Json]:
    """The scripts, and an empty folder."""
    return [
        {"name": "scripts", "configMap": {"name": scripts}},
        {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
    ]


def outside_mesh() -> Json:
    """Metadata of pods that end: a sidecar would outlive their container, so that the job never completes."""
    off = {"sidecar.istio.io/inject": "false"}
    return {"labels": off, "annotations": off}


def config_map(name: str, *scripts: str) -> Json:
    """The ConfigMap that delivers some scripts."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {script: (_FOLDER / script).read_text(encoding="utf-8") for script in scripts},
    }


def claim(name: str, storage_class: str, *, shared: bool, size: str) -> Json:
    """A volume of a class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteMany" if shared else "ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": size}},
        },
    }


def _pools(operator: str, names: list[str]) -> Json:
    terms = [{"matchExpressions": [{"key": POOL_LABEL, "operator": operator, "values": names}]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
