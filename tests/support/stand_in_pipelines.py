"""Stands in for the pipeline server of Kubeflow Pipelines 2.16.0 in multi-user mode: its REST API v2beta1.

Who asks is looked up at the real API server, as upstream does it (TokenReview, then SubjectAccessReview), and each
step becomes a pod; but a step's program is the one that the test gives, all start at once, and there is no database.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.cluster import Api, Object
from tests.support.containers import STAND_IN
from tests.support.stand_in import Request

_ROOT = "/apis/v2beta1/"
_AUDIENCE = "pipelines.kubeflow.org"
_KINDS = {"STRING": str, "NUMBER_INTEGER": int | float, "NUMBER_DOUBLE": int | float}
_IDS = itertools.count(1)  # of all servers: names of pods come from them

Programs = Callable[[str, Mapping[str, Any]], list[str]]  # of a step, from its name and the run's parameters


class PipelineServer:
    """Experiments and runs, in memory; `programs` gives the command of each step."""

    def __init__(self, api: Api, programs: Programs) -> None:
        self.api, self._programs = api, programs
        self.experiments: dict[str, Object] = {}
        self.runs: dict[str, Object] = {}
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def answer(self, asked: Request) -> tuple[int, object]:
        """One request."""
        with self._lock:
            path = asked.path.removeprefix(_ROOT)
            self.asked.append(f"{asked.method} {path}")
            user = self._user(asked)
            if not user:
                return _error(401, 16, "User identity is empty in the request header")
            namespace = self._namespace(path, asked)
            if namespace is None:
                return _error(404, 5, f"{path} not found")
            verb = {"GET": "get", "DELETE": "delete", "POST": "create"}[asked.method]
            resource = path.partition("/")[0].partition(":")[0]
            if not self._allowed(user, namespace, verb, resource):
                return _error(403, 7, f"User '{user}' is not authorized with reason: (request: {verb} {resource})")
            return self._carried_out(path, asked, namespace)

    def _carried_out(self, path: str, asked: Request, namespace: str) -> tuple[int, object]:  # noqa: PLR0911
        if path == "experiments" and asked.method == "POST":
            made = {**asked.body, "experiment_id": f"e{next(_IDS)}"}
            self.experiments[made["experiment_id"]] = made
            return 200, made
        if path == "experiments":
            return 200, {"experiments": [one for one in self.experiments.values() if one["namespace"] == namespace]}
        if path == "runs" and asked.method == "POST":
            return self._begin(asked.body, namespace)
        if path == "runs":
            wanted = asked.query["experiment_id"]
            return 200, {"runs": [one for one in self.runs.values() if one["experiment_id"] == wanted]}
        kind, _, name = path.partition("/")
        name, _, verb = name.partition(":")
        if verb == "terminate":
            self._end(self.runs[name])
            self.runs[name]["state"] = "CANCELED"
            return 200, {}
        if asked.method == "DELETE":
            if kind == "runs":
                self._end(self.runs.pop(name))
            else:
                self.experiments.pop(name)
            return 200, {}
        return 200, self._seen(self.runs[name])

    def _begin(self, body: Object, namespace: str) -> tuple[int, object]:
        spec, given = body["pipeline_spec"], body["runtime_config"]["parameters"]
        declared: Object = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        if extra := sorted(set(given) - set(declared)):
            return _error(400, 3, f"parameter(s) provided are not required by pipeline: {', '.join(extra)}")
        for name, one in declared.items():
            if name not in given and not one.get("isOptional"):
                return _error(400, 3, f"parameter {name} is not optional, yet has neither default value")
            if name in given and not isinstance(given[name], _KINDS[one["parameterType"]]):
                return _error(400, 3, f"input parameter {name} requires type {one['parameterType']}")
        run: Object = {**body, "run_id": f"r{next(_IDS)}", "state": "PENDING", "namespace": namespace, "pods": []}
        self.runs[run["run_id"]] = run
        values = {name: given.get(name, one.get("defaultValue")) for name, one in declared.items()}
        for step, task in spec["root"]["dag"]["tasks"].items():
            image = spec["deploymentSpec"]["executors"][f"exec-{step}"]["container"]["image"]
            assert not task["cachingOptions"].get("enableCache"), "a cached step would prove nothing"
            self._step(run, step, image, self._programs(step, values))
        return 200, run

    def _step(self, run: Object, step: str, image: str, command: list[str]) -> None:
        name = f"{run['run_id']}-{step}"
        container = {"name": "main", "image": image, "command": command}
        metadata = {"name": name, "labels": {"pipeline/runid": run["run_id"]}}
        spec = {"restartPolicy": "Never", "nodeSelector": dict(STAND_IN), "containers": [container]}
        self.api.call("POST", f"/api/v1/namespaces/{run['namespace']}/pods", {"metadata": metadata, "spec": spec})
        run["pods"].append(name)

    def _seen(self, run: Object) -> Object:
        if run["state"] in {"PENDING", "RUNNING"}:
            pods = [self.api.get(f"/api/v1/namespaces/{run['namespace']}/pods/{name}") or {} for name in run["pods"]]
            phases = [one.get("status", {}).get("phase", "Failed") for one in pods]
            run["state"] = (
                "FAILED" if "Failed" in phases
                else "SUCCEEDED" if set(phases) == {"Succeeded"}
                else "RUNNING" if "Running" in phases
                else run["state"]
            )  # fmt: skip
        return run

    def _end(self, run: Object) -> None:
        for name in run["pods"]:
            self.api.call("DELETE", f"/api/v1/namespaces/{run['namespace']}/pods/{name}?gracePeriodSeconds=0")

    def _user(self, asked: Request) -> str:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            return ""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
        spec = {"token": token, "audiences": [_AUDIENCE]}
        said: Any = self.api.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {**review, "spec": spec})
        status = said["status"]
        known = status.get("authenticated") and _AUDIENCE in status.get("audiences", [])
        return status["user"]["username"] if known else ""

    def _allowed(self, user: str, namespace: str, verb: str, resource: str) -> bool:
        attributes = {"group": "pipelines.kubeflow.org", "resource": resource, "verb": verb, "namespace": namespace}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        spec = {"user": user, "resourceAttributes": attributes}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        said: Any = self.api.call("POST", path, {**review, "spec": spec})
        return said["status"]["allowed"]

    def _namespace(self, path: str, asked: Request) -> str | None:
        if one := re.fullmatch(r"runs/([^:]+)(:\w+)?", path):
            return self.runs[one[1]]["namespace"] if one[1] in self.runs else None
        name = asked.body.get("experiment_id") or asked.query.get("experiment_id")
        if one := re.fullmatch(r"experiments/(.+)", path):
            name = one[1]
        if name:
            return self.experiments[name]["namespace"]
        return asked.body.get("namespace") or asked.query.get("namespace")


def _error(status: int, code: int, message: str) -> tuple[int, object]:
    return status, {"error": message, "code": code, "message": message, "details": []}
