"""Storage classes by name. Nothing provisions volumes on simulated nodes: a claim stays pending."""

from __future__ import annotations

import pulumi

from infra.objects import KubernetesObject, document

BLOCK = "standard"
SHARED = "shared"
_PROVISIONER = "proof.kubeflow/simulated"


def storage_classes(opts: pulumi.ResourceOptions) -> tuple[pulumi.Resource, ...]:
    """The default block class and a shared class."""
    return tuple(
        KubernetesObject(
            f"storage-{name}",
            document(
                "storage.k8s.io/v1",
                "StorageClass",
                name,
                metadata={
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true" if name == BLOCK else "false"}
                },
                provisioner=_PROVISIONER,
                reclaimPolicy="Delete",
                volumeBindingMode="WaitForFirstConsumer",
            ),
            opts,
        )
        for name in (BLOCK, SHARED)
    )
