"""Kubernetes objects as plain documents that become Pulumi resources. Nothing here knows what a document means."""

from __future__ import annotations

from typing import Any

import pulumi

Document = dict[str, Any]


class KubernetesObject(pulumi.CustomResource):
    """One document, registered under the type that the Kubernetes provider gives its kind."""

    def __init__(self, name: str, document: Document, opts: pulumi.ResourceOptions | None = None) -> None:
        version, kind = document["apiVersion"], document["kind"]
        group_version = version if "/" in version else f"core/{version}"
        super().__init__(f"kubernetes:{group_version}:{kind}", name, document, opts)


def document(version: str, kind: str, name: str, namespace: str | None = None, **body: Any) -> Document:  # noqa: ANN401
    """A document with its header; `body` is whatever the kind has (any JSON value)."""
    metadata: Document = body.pop("metadata", {})
    place = {} if namespace is None else {"namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place, **metadata}, **body}


def storage_class(
    name: str,
    provisioner: str,
    *,
    default: bool,
    binding: str = "WaitForFirstConsumer",
    **body: Any,  # noqa: ANN401
) -> Document:
    """A StorageClass whose volumes go with their claims. Of several defaults, the newest counts."""
    return document(
        "storage.k8s.io/v1",
        "StorageClass",
        name,
        metadata={"annotations": {"storageclass.kubernetes.io/is-default-class": str(default).lower()}},
        provisioner=provisioner,
        volumeBindingMode=binding,
        reclaimPolicy="Delete",
        **body,
    )


def install_classes(opts: pulumi.ResourceOptions, *classes: Document) -> tuple[KubernetesObject, ...]:
    """StorageClasses as resources."""
    return tuple(KubernetesObject(f"storage-{body['metadata']['name']}", body, opts) for body in classes)
