"""Builds the sample cluster of a cloud under mocks and records inputs and options of every resource.

Each cloud that exists has a module `tests/support/cloud_NAME.py` with the same names; nothing here knows which.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.stack import run_pulumi_func

from infra.contract import Cluster, ClusterSpec, Environment, EnvironmentOptions, Pool
from infra.provision import provision
from tests.support import graph, samples
from tests.support.cloud_samples import Outputs


class Cloud(Protocol):
    """What a cloud's module holds."""

    ENVIRONMENT: Environment
    REGION: str
    SDK: str  # the only cloud package that its program may import
    PREFIX: str  # of its resources' types
    POOLS: Mapping[str, Pool]
    OPTIONS: EnvironmentOptions
    OUTPUTS: Mapping[str, Outputs]

    def common(self, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What every resource of the cloud has."""
        ...


def _clouds() -> dict[Environment, Cloud]:
    names = {item: f"tests.support.cloud_{item.value}" for item in Environment}
    found = {item: name for item, name in names.items() if importlib.util.find_spec(name) is not None}
    return {item: cast("Cloud", importlib.import_module(name)) for item, name in found.items()}


CLOUDS: Mapping[Environment, Cloud] = _clouds()


@dataclass(frozen=True, slots=True)
class Options:
    """Resource options as the engine gets them."""

    protect: bool
    ignore_changes: tuple[str, ...]
    depends_on: frozenset[str]  # URNs
    deleted_with: str


@dataclass(slots=True)
class Made:
    """A sample cluster and everything that it is made of."""

    cluster: Cluster
    graph: graph.Graph
    options: Mapping[tuple[str, str], Options] = field(repr=False)  # by type and name

    def inputs(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Inputs of the resources whose type ends with `kind`, by name."""
        return {item.name: item.inputs for item in self.graph.of_type(kind)}

    def option(self, kind: str) -> dict[str, Options]:
        """Options of the resources whose type ends with `kind`, by name."""
        return {name: options for (token, name), options in self.options.items() if token.endswith(f":{kind}")}


def spec(environment: Environment, **changes: Any) -> ClusterSpec:  # noqa: ANN401 - fields of a spec
    """The sample cluster of a cloud."""
    cloud = CLOUDS[environment]
    sample = ClusterSpec(
        environment=environment,
        name="sample",
        region=cloud.REGION,
        version="1.35",
        pools=cloud.POOLS,
        options=cloud.OPTIONS,
    )
    return replace(sample, **changes)


def two_pools(environment: Environment) -> ClusterSpec:
    """The sample cluster with the pools `cpu` and `l4` only, as `samples.spec_for` promises them."""
    given = CLOUDS[environment].POOLS
    return spec(environment, pools={"cpu": replace(given["cpu"], min=2), "l4": given["l4"]})


def outputs_of(kind: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """What its cloud adds to a resource; nothing to resources of no cloud."""
    cloud = next((item for item in CLOUDS.values() if kind.startswith(f"{item.PREFIX}:") or kind in item.OUTPUTS), None)
    if cloud is None:
        return {}
    more = cloud.OUTPUTS.get(kind)
    return {**cloud.common(name, inputs), **({} if more is None else more(name, inputs))}


def answer_of(args: mocks.MockCallArgs) -> dict[str, Any]:
    """What a cloud says when it is asked for something that exists already; only expected questions have an answer."""
    known: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
        token: answer for item in CLOUDS.values() for token, answer in getattr(item, "ANSWERS", {}).items()
    }
    if args.token not in known:
        raise AssertionError(f"unexpected call of {args.token}")
    asked = cast("Mapping[str, Any]", args.args)  # pyright: ignore[reportUnknownMemberType] the SDK leaves it untyped
    return dict(known[args.token](asked))


def secrets_of(environment: Environment) -> Mapping[str, str]:
    """The secret configuration that a cloud's program reads; most read none."""
    return getattr(CLOUDS.get(environment), "SECRETS", {})


def build(given: ClusterSpec, then: Callable[[Cluster], None] = lambda _: None) -> Made:
    """Provision a cluster under mocks; `then` runs in the same program."""
    clusters: list[Cluster] = []
    recorder = _Recorder()

    def program() -> None:
        clusters.append(provision(given, samples.secrets(secrets_of(given.environment))))
        then(clusters[0])

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    graph.forget_outputs()
    with warnings.catch_warnings():
        # SDKs warn of their own old names while they are imported. That we use none of them stays an error.
        old = ".* has been deprecated (in favou?r of|and replaced by)"
        warnings.filterwarnings("ignore", message=old, category=DeprecationWarning)
        try:
            monitor = _Monitor(recorder)
            mocks.set_mocks(recorder, project="kubeflow-proof", stack="clouds", preview=False, monitor=monitor)
            loop.run_until_complete(run_pulumi_func(program))
        finally:
            loop.close()
    return Made(clusters[0], recorder.graph, monitor.options)


def below(cluster: Cluster) -> pulumi.ResourceOptions:
    """Options as the platform gives them: it knows the cluster's Kubernetes provider, and no cloud."""
    return pulumi.ResourceOptions(parent=cluster.provider, provider=cluster.provider)


class _Recorder(mocks.Mocks):
    """Answers as the cloud would; refuses two resources of one name, and questions that nobody expects."""

    def __init__(self) -> None:
        self.graph = graph.Graph()
        self._seen = set[tuple[str, str]]()

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        key = (args.typ, args.name)
        if key in self._seen:
            raise AssertionError(f"two resources are called {args.name} ({args.typ})")
        self._seen.add(key)
        inputs = cast("dict[str, Any]", args.inputs)  # pyright: ignore[reportUnknownMemberType] the SDK leaves it untyped
        self.graph.resources.append(graph.Recorded(args.typ, args.name, inputs, args.provider or ""))
        return f"{args.name}-id", {**inputs, **outputs_of(args.typ, args.name, inputs)}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        return answer_of(args), []


class _Monitor(mocks.MockMonitor):
    """Mocks see a resource's inputs only; its options are in the request."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__(recorder)
        self.options: dict[tuple[str, str], Options] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: ANN401, N802 - the engine's protocol
        self.options[request.type, request.name] = Options(
            protect=request.protect,
            ignore_changes=tuple(request.ignoreChanges),
            depends_on=frozenset(request.dependencies),
            deleted_with=request.deletedWith,
        )
        return super().RegisterResource(request)  # pyright: ignore[reportUnknownMemberType] the SDK leaves it untyped
