"""Storage classes by name, and a pool of volumes for the block class. Nothing provisions volumes on simulated nodes.

The scheduler and the volume controller bind claims for real, to volumes that were made beforehand and hold nothing.
Claims of the shared class, and those beyond the pool, stay pending.
"""

from __future__ import annotations

import pulumi

from infra.objects import Document, KubernetesObject, document, install_classes, storage_class

BLOCK = "standard"
SHARED = "shared"
_PROVISIONER = "proof.kubeflow/simulated"
_DRIVER = "simulated.proof.kubeflow"


def storage_classes(opts: pulumi.ResourceOptions) -> tuple[pulumi.Resource, ...]:
    """The default block class and a shared class."""
    return install_classes(
        opts,
        storage_class(BLOCK, _PROVISIONER, default=True),
        storage_class(SHARED, _PROVISIONER, default=False),
    )


def volumes(count: int, opts: pulumi.ResourceOptions) -> tuple[pulumi.Resource, ...]:
    """Simulated volumes of the block class, and the driver that has nothing to attach."""
    if count == 0:
        return ()
    driver = document("storage.k8s.io/v1", "CSIDriver", _DRIVER, spec={"attachRequired": False})
    return (
        KubernetesObject("storage-driver", driver, opts),
        *(KubernetesObject(f"volume-{number}", _volume(f"simulated-{number}"), opts) for number in range(count)),
    )


def _volume(name: str) -> Document:
    return document(
        "v1",
        "PersistentVolume",
        name,
        spec={
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "100Gi"},
            "csi": {"driver": _DRIVER, "volumeHandle": name},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": BLOCK,
        },
    )
