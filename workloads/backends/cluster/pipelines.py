"""The pipeline server of a cluster (REST API v2beta1): runs of one check, followed to their end and removed.

Asked as a service account of the tenant, by a token made for it: the server itself looks that up and decides, so that
nothing depends on a header that anybody could write. Judges nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import yaml

from workloads.api import UnexpectedAnswerError
from workloads.backends.cluster.diagnosis import PodState, logs, obstacles, pod_states
from workloads.backends.cluster.forward import Pods, Reply, Spot
from workloads.cluster import Visit
from workloads.outcome import NotMeasurableError

COMPONENT = "pipelines"
SERVER = Spot(namespace="kubeflow", selector="app=ml-pipeline,app.kubernetes.io/component=ml-pipeline", port=8888)
AUDIENCE = "pipelines.kubeflow.org"  # of tokens, unless the server's TOKEN_REVIEW_AUDIENCE says otherwise
SECONDS = 1800  # of a run: images of several GiB are pulled, nodes may be added
COMPILED = Path(__file__).parents[2] / "jobs" / "pipelines" / "compiled"
RUN_LABEL = "pipeline/runid"  # on every pod of a run
_API = "/apis/v2beta1"
_PREFIX = "proof-"  # of every experiment that a check makes
_ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
_TOKEN_SECONDS = 3600
_PAGE = "100"

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """How far a run came."""

    id: str
    state: str
    why: str
    pods: tuple[PodState, ...]

    @property
    def succeeded(self) -> bool:
        """Whether it came to a good end."""
        return self.state == "SUCCEEDED"

    def __str__(self) -> str:
        return f"{self.state}{f': {self.why}' if self.why else ''}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A run that the server did not begin, in its words."""

    status: int
    words: str

    def __str__(self) -> str:
        return f"{self.status} {self.words}".strip()


def package(pipeline: str) -> str:
    """A pipeline as it was compiled for clusters."""
    return (COMPILED / f"{pipeline}.yaml").read_text(encoding="utf-8")


def specification(pipeline: str, image: str) -> Json:
    """The same as a run takes it: nothing comes from the cache, for what ran before proves nothing now.

    All steps run in one image, which nobody has but who built it.
    """
    spec: Json = yaml.safe_load(package(pipeline))
    for executor in spec["deploymentSpec"]["executors"].values():
        executor["container"]["image"] = image
    for task in spec["root"]["dag"]["tasks"].values():
        task["cachingOptions"] = {}
    return spec


def token(visit: Visit, namespace: str, account: str) -> str:
    """A token by which the pipeline server knows a service account."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    spec = {"audiences": [AUDIENCE], "expirationSeconds": _TOKEN_SECONDS}
    body: Json = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = visit.api.request("POST", path, body=body)
    if not answer.ok:
        raise NotMeasurableError(f"no token for {account} in {namespace}: {answer}")
    return str(answer.body["status"]["token"])


class Server:
    """The pipeline server, seen by one identity; without a token by nobody."""

    def __init__(self, reach: Pods, token_: str) -> None:
        self._reach = reach
        self._headers: Mapping[str, str] = {"Authorization": f"Bearer {token_}"} if token_ else {}

    def ask(self, method: str, path: str, body: object = None, **query: str) -> Reply:
        """One request, whatever comes of it."""
        address = f"{_API}/{path}{f'?{urlencode(query)}' if query else ''}"
        return self._reach.call(SERVER, address, method=method, body=body, headers=self._headers)

    def expect(self, method: str, path: str, body: object = None, **query: str) -> Json:
        """One request that must be carried out."""
        reply = self.ask(method, path, body, **query)
        if not reply.ok:
            raise UnexpectedAnswerError(f"{method} {path}: the pipeline server answered {reply}")
        return cast("Json", reply.json)

    def listed(self, kind: str, **query: str) -> list[Json]:
        """All pages of a list."""
        found: list[Json] = []
        page = ""
        while True:
            said = self.expect("GET", kind, page_size=_PAGE, **query, **({"page_token": page} if page else {}))
            found += cast("list[Json]", said.get(kind) or [])
            page = str(said.get("next_page_token") or "")
            if not page:
                return found


class Runs:
    """Runs of one check in one namespace, all of one experiment."""

    def __init__(self, visit: Visit, server: Server, namespace: str, experiment: str, image: str) -> None:
        self._visit, self._server = visit, server
        self.namespace, self._experiment, self._image = namespace, experiment, image

    def start(self, pipeline: str, given: Mapping[str, object]) -> str | Refusal:
        """Begin one: its id, or how it was refused."""
        body = {
            "display_name": f"{_PREFIX}{pipeline}",
            "experiment_id": self._experiment,
            "pipeline_spec": specification(pipeline, self._image),
            "runtime_config": {"parameters": dict(given)},
        }
        reply = self._server.ask("POST", "runs", body)
        if not reply.ok:
            return refusal(reply)
        return str(cast("Json", reply.json)["run_id"])

    def follow(self, run: str, seconds: float = SECONDS) -> Ran:
        """Watch it to its end; what was seen last when the time is over, with what holds its pods back."""
        known: dict[str, PodState] = {}

        def look() -> Json:
            said = self._server.expect("GET", f"runs/{run}")
            known.update({one.uid: one for one in self.pods(run)})  # after it: pods of a run that ended have ended, too
            return said

        last = self._visit.watch(look, lambda said: str(said.get("state")) in _ENDED, seconds)
        state = str(last.get("state", "unknown"))
        late = [] if state in _ENDED else [f"no end within {seconds:g} s"]
        reasons = [] if state == "SUCCEEDED" else [*late, _error(last), *_failed(last), *obstacles(known.values())]
        why = "; ".join(dict.fromkeys(filter(None, reasons)))
        return Ran(id=run, state=state, why=why, pods=tuple(known.values()))

    def pods(self, run: str) -> tuple[PodState, ...]:
        """Pods of its steps."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return pod_states(self._visit.api.items(path, labelSelector=f"{RUN_LABEL}={run}"))

    def said(self, ran: Ran) -> dict[str, str]:
        """What the steps have written: pod -> its log."""
        return {one.name: logs(self._visit, one, self.namespace, "main") for one in ran.pods}


@contextlib.contextmanager
def runs(visit: Visit, reach: Pods, namespace: str, account: str, image: str) -> Generator[Runs]:
    """Room for runs, empty at first; whatever was made there is gone at the end, and what dead checks left as well."""
    server = Server(reach, token(visit, namespace, account))
    clear(server, namespace)
    body = {"display_name": f"{_PREFIX}{visit.run}", "namespace": namespace}
    experiment = str(server.expect("POST", "experiments", body)["experiment_id"])
    try:
        yield Runs(visit, server, namespace, experiment, image)
    finally:
        clear(server, namespace)


def clear(server: Server, namespace: str) -> None:
    """Remove the experiments of checks with all their runs; one check at a time is made in a cluster."""
    for experiment in server.listed("experiments", namespace=namespace):
        if not str(experiment["display_name"]).startswith(_PREFIX):
            continue
        name = str(experiment["experiment_id"])
        for run in server.listed("runs", namespace=namespace, experiment_id=name):
            if str(run.get("state")) not in _ENDED:
                server.ask("POST", f"runs/{run['run_id']}:terminate")  # it may have ended since
            server.expect("DELETE", f"runs/{run['run_id']}")
        server.expect("DELETE", f"experiments/{name}")


def refusal(reply: Reply) -> Refusal:
    """What the server says to a request that it does not carry out."""
    try:
        said: object = reply.json
    except UnexpectedAnswerError:
        said = None
    if not isinstance(said, dict):
        return Refusal(status=reply.status, words=str(reply))
    return Refusal(status=reply.status, words=str(cast("Json", said).get("message") or cast("Json", said).get("error")))


def _error(run: Json) -> str:
    error: Json = run.get("error") or {}
    return str(error.get("message", ""))


def _failed(run: Json) -> list[str]:
    details: Json = run.get("run_details") or {}
    tasks = cast("list[Json]", details.get("task_details") or [])
    return [
        f"step {one.get('display_name')} failed {_error(one)}".strip() for one in tasks if one.get("state") == "FAILED"
    ]
