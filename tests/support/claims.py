"""A provisioner of volumes for the node that runs containers as processes: each claim is a folder of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.cluster import Api, Object
from tests.support.podfiles import NotYetError

PROVISIONER = "proof.kubeflow/folders"
_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
_CLAIMS, _VOLUMES = "/api/v1/persistentvolumeclaims", "/api/v1/persistentvolumes"
_NODE = "volume.kubernetes.io/selected-node"


class Claims:
    """Makes a volume for each claim of its storage class that the scheduler gives to its node; none without a class."""

    def __init__(self, api: Api, *, node: str, folder: Path, storage_class: str) -> None:
        self._api, self._node, self._folder, self._class = api, node, folder, storage_class
        if storage_class:
            body: Object = {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": storage_class},
                "provisioner": PROVISIONER,
                "volumeBindingMode": "WaitForFirstConsumer",
            }
            if api.get(f"{_CLASSES}/{storage_class}") is None:
                api.call("POST", _CLASSES, body)

    def folder(self, namespace: str, name: str) -> Path:
        """Where the files of a claim lie."""
        claim = self._api.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
        if claim is None or claim.get("status", {}).get("phase") != "Bound":
            raise NotYetError(f'persistentvolumeclaim "{name}" is not bound')
        place = self._folder / claim["metadata"]["uid"]
        if not place.is_dir():
            raise NotYetError(f'persistentvolumeclaim "{name}" is bound to a volume of another node')
        return place

    def step(self) -> None:
        """Make what is wanted now, and remove what nobody claims any more."""
        if not self._class:
            return
        claims: Any = self._api.get(_CLAIMS)
        for claim in claims["items"]:
            mine = claim["spec"].get("storageClassName") == self._class and not claim["spec"].get("volumeName")
            if mine and claim["metadata"].get("annotations", {}).get(_NODE) == self._node:
                self._make(claim)
        volumes: Any = self._api.get(f"{_VOLUMES}?labelSelector={quote(f'{PROVISIONER}={self._node}')}")
        for volume in volumes["items"]:
            if volume["status"]["phase"] == "Released":
                shutil.rmtree(volume["spec"]["local"]["path"], ignore_errors=True)
                self._api.call("DELETE", f"{_VOLUMES}/{volume['metadata']['name']}")

    def _make(self, claim: Object) -> None:
        metadata = claim["metadata"]
        name = f"pvc-{metadata['uid']}"
        if self._api.get(f"{_VOLUMES}/{name}") is not None:
            return
        place = self._folder / metadata["uid"]
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o777)
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [self._node]}
        reference = {key: metadata[key] for key in ("name", "namespace", "uid")}
        body: Object = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": {PROVISIONER: self._node}},
            "spec": {
                "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
                "accessModes": claim["spec"]["accessModes"],
                "storageClassName": self._class,
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **reference},
                "local": {"path": str(place)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            },
        }
        self._api.call("POST", _VOLUMES, body)
