"""One run's visit to a cluster: everything it creates carries the run's label and is gone afterwards, whatever happens.

One run at a time per cluster: a visit begins by removing whatever an earlier one left behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeVar

from workloads.api import Answer, Api, Json, UnexpectedAnswerError
from workloads.contract import RUN_LABEL
from workloads.outcome import NotMeasurableError

POLL_SECONDS = 0.2
QUOTA_SECONDS = 10  # the quota controller counts deleted pods out with a delay
TOKEN_SECONDS = 600

_CREATED = ("pods", "secrets")  # the kinds that checks create, all in the core group

T = TypeVar("T")


class LeftoversError(Exception):
    """Objects of a run that could not be removed."""


class Visit:
    """The only way for checks to change the cluster."""

    def __init__(self, api: Api, *, run: str, timeout_seconds: float) -> None:
        self.api = api
        self.run = run
        self.timeout_seconds = timeout_seconds

    def __enter__(self) -> Self:
        """Remove what a dead run left behind."""
        self._remove_all(RUN_LABEL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove what this run created."""
        self.clear()

    @contextmanager
    def scope(self) -> Generator[None]:
        """Whatever is created inside is gone at the end."""
        try:
            yield
        finally:
            self.clear()

    def clear(self) -> None:
        """Remove everything this run created."""
        self._remove_all(f"{RUN_LABEL}={self.run}")

    def dry(self, namespace: str, kind: str, body: Json) -> Answer:
        """What the API server would say to an object, through its whole admission chain, without keeping it."""
        return self._post(namespace, kind, body, dryRun="All")

    def make(self, namespace: str, kind: str, body: Json) -> Json:
        """Create an object that a measurement needs."""
        answer = self.watch(
            lambda: self._post(namespace, kind, body), lambda said: "exceeded quota" not in said.message, QUOTA_SECONDS
        )
        if "exceeded quota" in answer.message:
            raise NotMeasurableError(f"{namespace} has no room for the probe: {answer.message}")
        return answer.expect(f"create {kind} in {namespace}")

    def read(self, made: Json) -> Json | None:
        """An object as it is now; None once it is gone or another one took its name."""
        answer = self.api.get(_path(made))
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        now = answer.expect(f"read {_path(made)}")
        return now if now["metadata"]["uid"] == made["metadata"]["uid"] else None

    def remove(self, made: Json) -> None:
        """Delete one object and wait until it is gone."""
        self._delete(_path(made))
        if self.watch(lambda: self.read(made), lambda seen: seen is None) is not None:
            raise LeftoversError(f"{_path(made)} is still there {self.timeout_seconds:g} s after its deletion")

    def watch(self, read: Callable[[], T], done: Callable[[T], bool], seconds: float | None = None) -> T:
        """Read until it is done or the time is over; give back what was read last."""
        deadline = time.monotonic() + (self.timeout_seconds if seconds is None else seconds)
        while not done(value := read()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return value

    def token(self, namespace: str, account: str) -> Answer:
        """A short-lived token of a service account, in `status.token`."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body: Json = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        }
        return self.api.request("POST", path, body=body)

    def _post(self, namespace: str, kind: str, body: Json, **query: str) -> Answer:
        metadata = {**body.get("metadata", {})}
        metadata["labels"] = {**metadata.get("labels", {}), RUN_LABEL: self.run}
        return self.api.request(
            "POST", f"/api/v1/namespaces/{namespace}/{kind}", body={**body, "metadata": metadata}, query=query
        )

    def _delete(self, path: str) -> None:
        answer = self.api.request("DELETE", path)
        if not answer.ok and answer.status != HTTPStatus.NOT_FOUND:
            raise UnexpectedAnswerError(f"delete {path}: the API server answered {answer}")

    def _remove_all(self, selector: str) -> None:
        for made in self._found(selector):
            self._delete(_path(made))
        left = self.watch(lambda: self._found(selector), lambda found: not found)
        if left:
            raise LeftoversError("still there after deletion: " + ", ".join(map(_path, left)))

    def _found(self, selector: str) -> list[Json]:
        return [
            {"kind": kind, "metadata": item["metadata"]}
            for kind in _CREATED
            for item in self.api.items(f"/api/v1/{kind}", labelSelector=selector)
        ]


def _path(made: Json) -> str:
    kind = made["kind"]
    plural = kind if kind in _CREATED else f"{kind.lower()}s"
    return f"/api/v1/namespaces/{made['metadata']['namespace']}/{plural}/{made['metadata']['name']}"
