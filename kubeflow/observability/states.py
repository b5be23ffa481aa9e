"""Custom resources whose conditions kube-state-metrics exports, as data: nobody else counts jobs that fail or wait."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


def configuration(states: Iterable[State]) -> str:
    """The configuration of kube-state-metrics, in the form that its argument takes."""
    spec = {"resources": [_resource(state) for state in states]}
    return yaml.safe_dump({"kind": "CustomResourceStateMetrics", "spec": spec}, sort_keys=True)


def rules(states: Iterable[State]) -> list[Document]:
    """What kube-state-metrics must be allowed to read for it: definitions, to find the kinds, and their objects."""
    groups: dict[str, list[str]] = {}
    for state in states:
        groups.setdefault(state.group, []).append(state.plural)
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
