"""Priority classes: who yields to whom when the cluster is full. No class is the global default."""

from __future__ import annotations

import pulumi

from infra.objects import KubernetesObject, document

PLATFORM = "kubeflow-platform"
_PURPOSES = "kubeflow-"  # before each purpose of a tenant's pods

# Platform over serving over training over batch: a prediction waits for nobody's experiment. Gaps leave room for more.
CLASSES = {
    PLATFORM: (1_000_000, "Parts of the platform itself; tenants cannot use it."),
    "kubeflow-serving": (100_000, "Predictions that somebody is waiting for."),
    "kubeflow-training": (10_000, "Training and tuning that should finish."),
    "kubeflow-batch": (1_000, "Work that may be interrupted at any time."),
}

# Classes that tenants may use, by purpose: what their shares, and the order of their queues, go by.
PURPOSES = {name.removeprefix(_PURPOSES): name for name in CLASSES if name != PLATFORM}

# With these a tenant could push out the platform, or the cluster itself.
RESERVED = (PLATFORM, "system-cluster-critical", "system-node-critical")


class PriorityClasses(pulumi.ComponentResource):
    """The platform's priority classes."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:kubeflow:PriorityClasses", name, {}, opts)
        self.ready = tuple(
            KubernetesObject(
                class_name,
                document(
                    "scheduling.k8s.io/v1",
                    "PriorityClass",
                    class_name,
                    value=value,
                    description=description,
                    globalDefault=False,
                    preemptionPolicy="PreemptLowerPriority",
                ),
                pulumi.ResourceOptions(parent=self),
            )
            for class_name, (value, description) in CLASSES.items()
        )
        self.register_outputs({"classes": {class_name: value for class_name, (value, _) in CLASSES.items()}})
