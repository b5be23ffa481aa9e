"""The first resource of an installation: nothing else is made where somebody else's components are in the way.

A preview tells it, too, where the cluster can be read by then. Once it holds, it is not asked again until the choice
changes: from then on the components that are found are the platform's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from . import conflicts
from .apiserver import ApiServer, UnreachableError

Props = dict[str, Any]


class ConflictError(Exception):
    """What is in the way of the installation; the message names all of it with the ways out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreconditionsArgs:
    """What is looked for, in which cluster."""

    kubeconfig: pulumi.Input[str] = field(repr=False)
    choices: Mapping[str, str]  # as `conflicts.choices` returns them


class Preconditions(Resource, module="kubeflow", name="Preconditions"):
    """Made once nothing is in the way."""

    def __init__(self, name: str, args: PreconditionsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {"kubeconfig": pulumi.Output.secret(args.kubeconfig), "choices": dict(args.choices)}
        super().__init__(_PreconditionsProvider(), name, props, opts)


class _PreconditionsProvider(ResourceProvider):
    """Runs in the plugin's process; keeps nothing between calls."""

    serialize_as_secret_always = False  # it captures nothing

    def check(self, _olds: Props, news: Props) -> CheckResult:
        failures: list[CheckFailure] = []
        if _olds.get("choices") != news["choices"] and isinstance(news["kubeconfig"], str):
            try:
                _judge(news)
            except ConflictError as error:
                failures.append(CheckFailure("choices", str(error)))
            except UnreachableError:
                pass  # a preview may come before its cluster; whoever creates will tell
        return CheckResult(news, failures)

    def create(self, props: Props) -> CreateResult:
        _judge(props)
        return CreateResult("preconditions", props)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        return DiffResult(changes=olds.get("choices") != news["choices"])

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        _judge(news)
        return UpdateResult(news)


def _judge(props: Props) -> None:
    found = conflicts.problems(ApiServer(props["kubeconfig"]), props["choices"])
    if found:
        raise ConflictError("\n".join(found))
