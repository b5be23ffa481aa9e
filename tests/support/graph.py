"""Runs a program under mocks and records what it registers. Refuses duplicate names, which mocks would hide."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.settings import SETTINGS
from pulumi.runtime.stack import run_pulumi_func


@dataclass(frozen=True, slots=True)
class Recorded:
    """One registered resource."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    provider: str


@dataclass(slots=True)
class Graph:
    """Everything a program registered and exported."""

    resources: list[Recorded] = field(default_factory=list[Recorded])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])

    def of_type(self, kind: str) -> list[Recorded]:
        """Resources whose type token ends with `kind`."""
        return [resource for resource in self.resources if resource.type.endswith(f":{kind}")]

    def objects(self, kind: str) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Kubernetes objects of a kind by (namespace, name)."""
        found = self.of_type(kind)
        return {
            (item.inputs["metadata"].get("namespace", ""), item.inputs["metadata"]["name"]): item.inputs
            for item in found
        }


# Type, name and inputs of a resource -> what the provider adds to them.
Outputs = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]
Answers = Callable[[mocks.MockCallArgs], dict[str, Any]]  # what a provider answers to a question


def _generated(kind: str, name: str, _inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Only generated passwords have outputs that programs read."""
    made = {"result": f"generated-{name}", "bcryptHash": f"hash-of-{name}"}
    return made if kind == "random:index/randomPassword:RandomPassword" else {}


class _Recorder(mocks.Mocks):
    def __init__(self, graph: Graph, outputs: Outputs, answers: Answers | None) -> None:
        self._graph, self._outputs, self._answers, self._seen = graph, outputs, answers, set[tuple[str, str]]()

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        key = (args.typ, args.name)
        if key in self._seen:
            raise AssertionError(f"two resources are called {args.name} ({args.typ})")
        self._seen.add(key)
        inputs = cast("dict[str, Any]", args.inputs)  # pyright: ignore[reportUnknownMemberType] the SDK leaves it untyped
        self._graph.resources.append(Recorded(args.typ, args.name, inputs, args.provider or ""))
        added = {**_generated(args.typ, args.name, inputs), **self._outputs(args.typ, args.name, inputs)}
        return f"{args.name}-id", {**inputs, **added}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        if self._answers is None:
            raise AssertionError(f"unexpected call of {args.token}")
        return self._answers(args), []


def _nothing(_kind: str, _name: str, _inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


def _current() -> asyncio.AbstractEventLoop | None:
    """The loop of the test; fixtures of whole modules come before it."""
    try:
        return asyncio.get_event_loop()
    except RuntimeError:
        return None


def forget_outputs() -> None:
    """Let go of what was made outside of a program: it waits on a loop that does not run now."""
    SETTINGS.outputs.clear()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] it is per context


def run(
    program: Callable[[], Awaitable[None] | None],
    config: Mapping[str, str] | None = None,
    outputs: Outputs = _nothing,
    answers: Answers | None = None,
) -> Graph:
    """Run a program to its end and give back what it registered."""
    graph = Graph()
    before, loop = _current(), asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    forget_outputs()
    try:
        pulumi.runtime.set_mocks(
            _Recorder(graph, outputs, answers), project="kubeflow-proof", stack="graph", preview=False
        )
        pulumi.runtime.set_all_config(dict(config or {}), [key for key in config or {} if key.endswith(":kubeconfig")])
        loop.run_until_complete(run_pulumi_func(program))
    finally:
        asyncio.set_event_loop(before)
        loop.close()
    return graph
