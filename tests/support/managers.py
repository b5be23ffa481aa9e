"""Upstream's controllers as programs: where their webhooks are, whose rights they have, how they are started. Data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Where one manager listens."""

    webhook: int
    probe: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Manager:
    """One of upstream's programs and how it is started outside a pod."""

    program: str
    component: str
    namespace: str
    account: str
    service: str
    arguments: Callable[[Ports, Path], Iterable[str]]
    mints: str = ""  # the Secret into which it puts a certificate of its own making
    configuration: str = ""  # the ConfigMap whose file it reads
    of_another: frozenset[str] = frozenset()  # Services whose webhooks some other program answers


def _configured(file: str, **sections: Object) -> Callable[[Ports, Path], Iterable[str]]:
    """Upstream's configuration file with the sections changed that name ports and certificates."""

    def arguments(ports: Ports, folder: Path) -> Iterable[str]:
        path = folder / file
        settings: Object = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings |= {"leaderElection": {"leaderElect": False}, "metrics": {"bindAddress": "0"}, **sections}
        settings["health"] = {"healthProbeBindAddress": f"127.0.0.1:{ports.probe}"}
        settings["webhook"] = {"port": ports.webhook, "host": "127.0.0.1"}
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return (f"--config={path}",)

    return arguments


_FILE = "controller_manager_config.yaml"

TRAINING_OPERATOR = Manager(
    program="training-operator",
    component="training-operator",
    namespace="kubeflow",
    account="training-operator",
    service="training-operator",
    mints="training-operator-webhook-cert",
    arguments=lambda ports, _: (
        f"--webhook-server-port={ports.webhook}",
        f"--health-probe-bind-address=127.0.0.1:{ports.probe}",
        "--metrics-bind-address=0",
    ),
)
KSERVE = Manager(
    program="kserve-controller-manager",
    component="kserve",
    namespace="kubeflow",
    account="kserve-controller-manager",
    service="kserve-webhook-server-service",
    arguments=lambda ports, _: (
        f"--webhook-port={ports.webhook}",
        f"--health-probe-addr=127.0.0.1:{ports.probe}",
        "--metrics-addr=0",
    ),
    of_another=frozenset({"llmisvc-webhook-server-service"}),
)
JOBSET = Manager(
    program="jobset-controller-manager",
    component="trainer",
    namespace="kubeflow-system",
    account="jobset-controller-manager",
    service="jobset-webhook-service",
    configuration="jobset-manager-config",
    arguments=_configured(_FILE, internalCertManagement={"enable": False}),
    of_another=frozenset({"kubeflow-trainer-controller-manager"}),
)
TRAINER = Manager(
    program="trainer-controller-manager",
    component="trainer",
    namespace="kubeflow-system",
    account="kubeflow-trainer-controller-manager",
    service="kubeflow-trainer-controller-manager",
    configuration="kubeflow-trainer-config",
    arguments=_configured(_FILE, certManagement={"enable": False}),
    of_another=frozenset({"jobset-webhook-service"}),
)
MANAGERS = (TRAINING_OPERATOR, KSERVE, JOBSET, TRAINER)  # the trainer's runtimes need JobSet's webhooks
