"""Stands in for Argo's workflow controller: the templates of a small DAG become pods, one after the other.

Enough for workflows whose tasks each depend on the one before and hand on a file of a shared claim as a parameter; the
scripts themselves run. Everything else of Argo is missing.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Generator

from tests.support.cluster import Api, Object
from tests.support.containers import STAND_IN, Runtime

_WORKFLOWS = "/apis/argoproj.io/v1alpha1"
_POLL_SECONDS = 0.2


class Controller:
    """Looks after the workflows of one namespace."""

    def __init__(self, api: Api, node: Runtime, namespace: str, storage_class: str) -> None:
        self._api, self._node, self._namespace, self._class = api, node, namespace, storage_class
        self._core = f"/api/v1/namespaces/{namespace}"
        self._stopped = threading.Event()
        self.errors: list[str] = []

    def run(self) -> None:
        """Look after them until told to stop."""
        while not self._stopped.wait(_POLL_SECONDS):
            try:
                found = self._api.get(f"{_WORKFLOWS}/namespaces/{self._namespace}/workflows") or {"items": []}
                for workflow in found["items"]:
                    self._look(workflow)
            except Exception as error:  # noqa: BLE001 - told at the end, where a test can see it
                self.errors.append(repr(error))

    def stop(self) -> None:
        """No more."""
        self._stopped.set()

    def _look(self, workflow: Object) -> None:
        status: Object = copy.deepcopy(workflow.get("status") or {"phase": "Running", "nodes": {}})
        if status["phase"] != "Running" or "deletionTimestamp" in workflow["metadata"]:
            return
        name, templates = workflow["metadata"]["name"], workflow["spec"]["templates"]
        entry = next(one for one in templates if one["name"] == workflow["spec"]["entrypoint"])
        self._claims(workflow)
        status["phase"] = "Succeeded"
        for task in entry["dag"]["tasks"]:
            template = next(one for one in templates if one["name"] == task["template"])
            if "outputs" in status["nodes"].get(f"{name}-{task['name']}", {}):
                continue  # read when it ended: the next step may write the same file
            phase = self._step(workflow, template)
            status["nodes"][f"{name}-{task['name']}"] = {"displayName": task["name"], "phase": phase}
            if phase != "Succeeded":
                status["phase"] = "Failed" if phase == "Failed" else "Running"
                break
            outputs = self._outputs(workflow, template)
            status["nodes"][f"{name}-{task['name']}"]["outputs"] = {"parameters": outputs}
        if status != workflow.get("status"):
            path = f"{_WORKFLOWS}/namespaces/{self._namespace}/workflows/{name}"
            self._api.merge(path, {"status": status}, "workflow-controller")

    def _step(self, workflow: Object, template: Object) -> str:
        name = f"{workflow['metadata']['name']}-{template['name']}"
        pod = self._api.get(f"{self._core}/pods/{name}")
        if pod is not None:
            return pod["status"].get("phase", "Pending")
        spec, owner = workflow["spec"], workflow["metadata"]
        claims = [
            {"name": one["metadata"]["name"], "persistentVolumeClaim": {"claimName": self._claim(owner["name"], one)}}
            for one in spec.get("volumeClaimTemplates", [])
        ]
        body: Object = {
            "metadata": {
                "name": name,
                "labels": {"workflows.argoproj.io/workflow": owner["name"], **spec["podMetadata"]["labels"]},
                "annotations": spec["podMetadata"].get("annotations", {}),
                "ownerReferences": [_owned(workflow)],
            },
            "spec": {
                "restartPolicy": "Never",
                "nodeSelector": dict(STAND_IN),
                "volumes": [*spec["volumes"], *claims],
                "containers": [template["container"]],
            },
        }
        self._api.call("POST", f"{self._core}/pods", body)
        return "Pending"

    def _claims(self, workflow: Object) -> None:
        for template in workflow["spec"].get("volumeClaimTemplates", []):
            name = self._claim(workflow["metadata"]["name"], template)
            if self._api.get(f"{self._core}/persistentvolumeclaims/{name}") is None:
                metadata = {"name": name, "ownerReferences": [_owned(workflow)]}
                spec = {**template["spec"], "storageClassName": self._class}
                self._api.call("POST", f"{self._core}/persistentvolumeclaims", {"metadata": metadata, "spec": spec})

    def _outputs(self, workflow: Object, template: Object) -> list[Object]:
        (claim,) = workflow["spec"]["volumeClaimTemplates"]
        folder = self._node.claims.folder(self._namespace, self._claim(workflow["metadata"]["name"], claim))
        mounts = {one["name"]: one["mountPath"] for one in template["container"]["volumeMounts"]}
        return [
            {**one, "value": (folder / one["valueFrom"]["path"].removeprefix(f"{mounts['work']}/")).read_text("utf-8")}
            for one in template["outputs"]["parameters"]
        ]

    @staticmethod
    def _claim(workflow: str, template: Object) -> str:
        return f"{workflow}-{template['metadata']['name']}"


def _owned(workflow: Object) -> Object:
    metadata = workflow["metadata"]
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "controller": True}
    return {**kind, "name": metadata["name"], "uid": metadata["uid"]}


@contextlib.contextmanager
def controlling(api: Api, node: Runtime, namespace: str, storage_class: str) -> Generator[None]:
    """Workflows of one namespace are carried out on the node."""
    made = Controller(api, node, namespace, storage_class)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        made.stop()
        thread.join()
    assert not made.errors, "\n".join(dict.fromkeys(made.errors))
