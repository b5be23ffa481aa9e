"""Custom resources whose state kube-state-metrics exports, as data: nobody else counts jobs that fail or wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import yaml

from infra.objects import Document

PREFIX = "kubeflow"


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """One kind and the component that defines it."""

    component: str
    group: str
    version: str
    kind: str
    plural: str

    @property
    def metric(self) -> str:
        """The metric of its conditions; the labels are namespace, name and type, the value is 1 where one holds."""
        return f"{PREFIX}_{self.kind.lower()}_condition_status"


def _states(component: str, group: str, version: str, *kinds: str) -> Iterable[State]:
    for kind in kinds:
        yield State(component=component, group=group, version=version, kind=kind, plural=f"{kind.lower()}s")


STATES: tuple[State, ...] = (
    *_states("trainer", "trainer.kubeflow.org", "v1alpha1", "TrainJob"),
    *_states("training-operator", "kubeflow.org", "v1", "MPIJob", "PyTorchJob", "TFJob", "XGBoostJob"),
    *_states("kserve", "serving.kserve.io", "v1beta1", "InferenceService"),
    *_states("kueue", "kueue.x-k8s.io", "v1beta2", "Workload"),
    *_states("katib", "kubeflow.org", "v1beta1", "Experiment"),
)


MESH = "istio"  # the component whose exemptions are read
_MODE_INFO = "peerauthentication_mode_info"
_PORT_INFO = "peerauthentication_port_info"
MODE_METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        f"{PREFIX}_{_MODE_INFO}": ("namespace", "name", "mode"),
        f"{PREFIX}_{_PORT_INFO}": ("namespace", "name", "port", "mode"),
    }
)


def configuration(states: Iterable[State], *, mesh: bool) -> str:
    """The configuration of kube-state-metrics, in the form that its argument takes."""
    spec = {"resources": [*(_resource(state) for state in states), *([_modes()] if mesh else [])]}
    return yaml.safe_dump({"kind": "CustomResourceStateMetrics", "spec": spec}, sort_keys=True)


def rules(states: Iterable[State], *, mesh: bool) -> list[Document]:
    """What kube-state-metrics must be allowed to read for it: definitions, to find the kinds, and their objects."""
    groups: dict[str, list[str]] = {}
    for state in states:
        groups.setdefault(state.group, []).append(state.plural)
    if mesh:
        groups["security.istio.io"] = ["peerauthentications"]
    if not groups:
        return []
    groups["apiextensions.k8s.io"] = ["customresourcedefinitions"]
    return [
        {"apiGroups": [group], "resources": sorted(plurals), "verbs": ["list", "watch"]}
        for group, plurals in sorted(groups.items())
    ]


def _resource(state: State) -> dict[str, Any]:
    return {
        "groupVersionKind": {"group": state.group, "version": state.version, "kind": state.kind},
        "metricNamePrefix": PREFIX,
        "labelsFromPath": {"namespace": ["metadata", "namespace"], "name": ["metadata", "name"]},
        "metrics": [
            {
                "name": f"{state.kind.lower()}_condition_status",
                "help": f"Conditions of {state.kind} objects.",
                "each": {
                    "type": "Gauge",
                    "gauge": {
                        "path": ["status", "conditions"],
                        "labelsFromPath": {"type": ["type"]},
                        "valueFrom": ["status"],
                    },
                },
            }
        ],
    }


def _modes() -> dict[str, Any]:
    """How strictly mutual TLS is asked for, of whole workloads and of single ports."""
    labels = {"namespace": ["metadata", "namespace"], "name": ["metadata", "name"]}
    return {
        "groupVersionKind": {"group": "security.istio.io", "version": "v1", "kind": "PeerAuthentication"},
        "metricNamePrefix": PREFIX,
        "labelsFromPath": labels,
        "metrics": [
            {
                "name": _MODE_INFO,
                "help": "Mutual TLS of workloads.",
                "each": {"type": "Info", "info": {"path": ["spec", "mtls"], "labelsFromPath": {"mode": ["mode"]}}},
            },
            {
                "name": _PORT_INFO,
                "help": "Mutual TLS of ports.",
                "each": {
                    "type": "Info",
                    "info": {
                        "path": ["spec", "portLevelMtls"],
                        "labelFromKey": "port",
                        "labelsFromPath": {"mode": ["mode"]},
                    },
                },
            },
        ],
    }
