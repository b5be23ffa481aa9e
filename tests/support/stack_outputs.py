"""Outputs of an invented stack, as `pulumi stack output --json --show-secrets` prints them."""

from __future__ import annotations

import copy
from typing import Any

GPU_TAINT = "nvidia.com/gpu"

_OUTPUTS: dict[str, Any] = {
    "schema": 2,
    "environment": "local",
    "standins": [],
    "cluster": {
        "name": "local",
        "region": "local",
        "version": "1.35",
        "pools": {
            "general": {
                "role": "cpu", "machine": "cpu", "min": 1, "max": 1, "zones": [],
                "gpu": None, "labels": {}, "taints": [],
            },
            "accelerated": {
                "role": "gpu", "machine": "gpu", "min": 1, "max": 1, "zones": ["a"],
                "gpu": {"product": "NVIDIA-L4", "count": 2, "memoryMib": 23034},
                "labels": {}, "taints": [{"key": GPU_TAINT, "value": "present", "effect": "NoSchedule"}],
            },
        },
        "accelerator": {"resource": "nvidia.com/gpu", "tolerationKey": GPU_TAINT, "owner": "platform"},
        "storage": {"block": "standard", "shared": None, "scratch": None},
        "capabilities": [],
    },
    "platform": {
        "tenants": {
            name: {
                "namespace": name, "gpus": gpus,
                "serviceAccounts": {"contributor": "default-editor", "viewer": "default-viewer"},
            }
            for name, gpus in (("check-vision", 4), ("check-nlp", 0))
        },
        "components": [],
        "priorityClasses": {
            "kubeflow-platform": 1_000_000, "kubeflow-serving": 100_000,
            "kubeflow-training": 10_000, "kubeflow-batch": 1_000,
        },
    },
    "validation": {"disruptive": False, "required": {}, "thresholds": {}, "images": {}, "timeoutSeconds": 20},
    "kubeconfig": "",
}  # fmt: skip


def outputs(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON may stand where another is expected
    """Build a copy with some values replaced; a key is a path such as `cluster__pools__general__min`."""
    made = copy.deepcopy(_OUTPUTS)
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = made
        for parent in parents:
            node = node[parent]
        node[last] = value
    return made
