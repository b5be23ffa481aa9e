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
from workloads.backends.cluster import kinds
from workloads.contract import RUN_LABEL
from workloads.outcome import NotMeasurableError
from workloads.terms import Terms

POLL_SECONDS = 0.2
GONE_SECONDS = 120  # services drain their pods for up to 45 s
QUOTA_SECONDS = 10  # the quota controller counts deleted pods out with a delay
TOKEN_SECONDS = 600

T = TypeVar("T")


class LeftoversError(Exception):
    """Objects of a run that could not be removed."""


class Visit:
    """The only way for checks to change the cluster."""

    def __init__(self, api: Api, *, run: str, timeout_seconds: float, terms: Terms | None = None) -> None:
        self.api = api
        self.run = run
        self.timeout_seconds = timeout_seconds
        self._terms = terms
        self._absent: set[str] = set()  # kinds that this cluster does not know

    def __enter__(self) -> Self:
        """Remove what a dead run left behind."""
        self._remove_all(RUN_LABEL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove what this run created."""
        self.clear()

    @property
    def terms(self) -> Terms:
        """What measurements are held to; a visit that only looks around has none."""
        if self._terms is None:
            raise LookupError("this visit was begun without terms, so nothing can be measured on it")
        return self._terms

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

    def ask(self, namespace: str, body: Json) -> Answer:
        """The same for an object of any kind that a run may create."""
        return self._post(namespace, kinds.of(body).plural, body, dryRun="All")

    def submit(self, namespace: str, body: Json) -> Json:
        """Create an object of any kind that a run may create."""
        return self.make(namespace, kinds.of(body).plural, body)

    def change(self, made: Json, edit: Callable[[Json], None]) -> Answer:
        """Change an object of this run as it is now; once more if a controller was quicker."""

        def attempt() -> Answer:
            now = self.api.get(kinds.path(made)).expect(f"read {kinds.path(made)}")
            edit(now)
            return self.api.request("PUT", kinds.path(made), body=now)

        return self.watch(attempt, lambda answer: answer.status != HTTPStatus.CONFLICT)

    def make(self, namespace: str, kind: str, body: Json) -> Json:
        """Create an object that a measurement needs."""
        kinds.of(body)  # what a run cannot find again it must not create
        answer = self.watch(
            lambda: self._post(namespace, kind, body), lambda said: "exceeded quota" not in said.message, QUOTA_SECONDS
        )
        if "exceeded quota" in answer.message:
            raise NotMeasurableError(f"{namespace} has no room for the probe: {answer.message}")
        return answer.expect(f"create {kind} in {namespace}")

    def read(self, made: Json) -> Json | None:
        """An object as it is now; None once it is gone or another one took its name."""
        answer = self.api.get(kinds.path(made))
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        now = answer.expect(f"read {kinds.path(made)}")
        return now if now["metadata"]["uid"] == made["metadata"]["uid"] else None

    def remove(self, made: Json) -> None:
        """Delete one object and wait until it is gone."""
        self._delete(kinds.path(made))
        if self.watch(lambda: self.read(made), lambda seen: seen is None, GONE_SECONDS) is not None:
            raise LeftoversError(f"{kinds.path(made)} is still there {GONE_SECONDS} s after its deletion")

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
        version = body["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        return self.api.request(
            "POST", f"{root}/namespaces/{namespace}/{kind}", body=kinds.marked(body, self.run), query=query
        )

    def _delete(self, path: str) -> None:
        # Jobs leave their pods behind unless told otherwise.
        answer = self.api.request("DELETE", path, query={"propagationPolicy": "Background"})
        if not answer.ok and answer.status != HTTPStatus.NOT_FOUND:
            raise UnexpectedAnswerError(f"delete {path}: the API server answered {answer}")

    def _remove_all(self, selector: str) -> None:
        for made in self._found(selector):
            self._delete(kinds.path(made))
        left = self.watch(lambda: self._again(selector), lambda found: not found, GONE_SECONDS)
        if left:
            raise LeftoversError("still there after deletion: " + ", ".join(map(kinds.path, left)))

    def _again(self, selector: str) -> list[Json]:
        """What is still there; what a controller made while its owner was being removed is removed, too."""
        found = self._found(selector)
        for made in found:
            if "deletionTimestamp" not in made["metadata"]:
                self._delete(kinds.path(made))
        return found

    def _found(self, selector: str) -> list[Json]:
        return [
            {"apiVersion": kind.version, "kind": kind.kind, "metadata": item["metadata"]}
            for kind in kinds.KINDS
            for item in self._listed(kind, selector)
        ]

    def _listed(self, kind: kinds.Kind, selector: str) -> list[Json]:
        if kind.everywhere in self._absent:
            return []
        answer = self.api.get(kind.everywhere, labelSelector=selector)
        if answer.status == HTTPStatus.NOT_FOUND:
            self._absent.add(kind.everywhere)
            return []
        return answer.expect(f"list {kind.everywhere}")["items"]
