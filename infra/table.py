"""The table of environments: what each gives back for its example, asked of its own program. Makes nothing.

`provision` runs under mocks, as a preview that knows no output. By rule C7 whatever the table shows is plain, so it is
there all the same; what a cloud would have answered is never needed.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.stack import run_pulumi_func

from .contract import Binding, Capability, Capacity, Cluster, ClusterSpec, Gpu, Grant, Pool, Role, Store, Tpu
from .provision import provision

_HEAD = """\
# Environments

<!-- Made by `python -m infra table --write` from the code; a test compares. Change the code, then run it again. -->

One contract ([infra/CONTRACT.md](../../infra/CONTRACT.md)), several ways to keep it. Each row is what the program says
of the environment's example stack file. What the platform needs and an environment lacks is told at plan time, with
the configuration key to change.
"""
_NOTES = """\
- **pools**: roles and capacities that the options accept. **GPU driver**, toolkit and device plugin: who installs them.
- **storage**: the classes for one writer (block) and for many (shared); the scheme of the buckets.
- **identity**: what is written on a workload so that it is a principal of its own, without any key.

`python -m infra preflight --stack NAME` checks, before any money is spent, whether an environment can give what a stack
file plans: credentials, quota, machines in their zones, versions, addresses, names.
"""
_NONE = "none"
_T = TypeVar("_T")
_PROBE = Pool(role=Role.CPU, machine="example", min=0, max=0)
_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: example
clusters: [{name: example, cluster: {server: "https://192.0.2.1"}}]
contexts: [{name: example, context: {cluster: example, user: example}}]
users: [{name: example, user: {}}]
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One environment."""

    spec: ClusterSpec
    cluster: Cluster
    binding: Binding


def document(specs: Mapping[str, ClusterSpec]) -> str:
    """The page of all environments, from the cluster of each example stack file, by name."""
    rows = {name: row(spec) for name, spec in specs.items()}
    facts = (
        ("pools", _pools),
        ("GPU driver", _owners),
        ("storage", _storage),
        ("identity", _identity),
        ("gateway", _gateway),
    )
    lines = [
        "## What they give",
        "",
        *_lines(("environment", *(title for title, _ in facts))),
        *("| " + " | ".join((_link(name), *(told(item) for _, told in facts))) + " |" for name, item in rows.items()),
        "",
        "## Capabilities",
        "",
        *_lines(("capability", *rows)),
        *(
            f"| `{capability.value}` | "
            + " | ".join("yes" if capability in item.cluster.capabilities else "-" for item in rows.values())
            + " |"
            for capability in Capability
        ),
    ]
    return "\n".join([_HEAD, *lines, "", _NOTES])


def row(spec: ClusterSpec) -> Row:
    """What an environment gives back for a cluster, without making it."""
    found: list[Row] = []

    def program(example: ClusterSpec) -> None:
        cluster = provision(example, lambda _: _unknown())
        opts = pulumi.ResourceOptions(parent=cluster.provider, provider=cluster.provider)
        binding = cluster.identity.bind("team", "trainer", [Grant(store=Store.ARTIFACTS, prefix="team/")], opts)
        found.append(Row(spec=spec, cluster=cluster, binding=binding))

    with TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(_KUBECONFIG, encoding="utf-8")
        _preview(lambda: program(_openable(spec, kubeconfig)), done=lambda: bool(found))
    return found[0]


def _preview(program: Callable[[], None], *, done: Callable[[], bool]) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with warnings.catch_warnings():
        # SDKs warn of their own old names while they are imported.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        try:
            mocks.set_mocks(_Unknown(), project="kubeflow-proof", stack="table", preview=True)
            loop.run_until_complete(run_pulumi_func(program))
        except Exception:
            if not done():  # what flows from an empty answer may fail: nothing in the table does
                raise
        finally:
            rest = asyncio.all_tasks(loop)
            for task in rest:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
            asyncio.set_event_loop(None)
            loop.close()


class _Unknown(mocks.Mocks):
    """Knows nothing of any resource, as a preview before the first `up`."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:  # noqa: ARG002
        return None, {}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:  # noqa: ARG002
        return {}, None


def _unknown() -> pulumi.Output[str]:
    """A secret that nobody told."""

    async def settled(value: _T) -> _T:
        return value

    loop = asyncio.get_running_loop()
    return pulumi.Output(
        resources=set(),
        future=loop.create_task(settled("")),
        is_known=loop.create_task(settled(False)),  # noqa: FBT003 - a value, no switch
        is_secret=loop.create_task(settled(True)),  # noqa: FBT003
    )


def _openable(spec: ClusterSpec, kubeconfig: Path) -> ClusterSpec:
    """The same cluster with a kubeconfig that is there wherever the options name a file."""
    options: Any = spec.options
    named = [item.name for item in fields(options) if item.name in ("kubeconfig", "kubeconfig_path")]
    given = {name: str(kubeconfig) for name in named if getattr(options, name) is not None}
    return replace(spec, options=replace(options, **given)) if given else spec


def _lines(titles: tuple[str, ...]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"


def _link(name: str) -> str:
    return f"[{name}]({name}.md)"


def _pools(item: Row) -> str:
    """Roles and capacities, found by asking the options about a pool of each."""
    probes = {
        Role.SYSTEM: _PROBE,
        Role.CPU: _PROBE,
        Role.GPU: replace(_PROBE, role=Role.GPU, gpu=Gpu(product="NVIDIA-L4", count=1, memory_mib=23034)),
        Role.TPU: replace(_PROBE, role=Role.TPU, tpu=Tpu(product="tpu-v6e-slice", topology="2x2", count=4)),
    }
    refused = {role for role, pool in probes.items() if any("role" in text for text in _problems(item, pool))}
    roles = [role.value for role in probes if role not in refused]
    capacities = [
        capacity.value
        for capacity in Capacity
        if any(not _refuses(item, pool, capacity) for pool in item.spec.pools.values() if pool.role is not Role.SYSTEM)
    ]
    return f"{', '.join(roles)}; {', '.join(capacities)}"


def _refuses(item: Row, pool: Pool, capacity: Capacity) -> bool:
    reservation = "example" if capacity is Capacity.RESERVED else None
    tried = replace(pool, capacity=capacity, reservation=reservation)
    return any("capacity" in problem.partition("reservation:")[0] for problem in _problems(item, tried))


def _problems(item: Row, pool: Pool) -> list[str]:
    """What the options say of a pool beside those of the example."""
    try:
        item.spec.options.check({**item.spec.pools, "example": pool})
    except ValueError as error:
        return [text for text in str(error).split("; pools.") if "example" in text.partition(":")[0]]
    return []


def _owners(item: Row) -> str:
    given = item.cluster.accelerator
    if given is None:
        return _NONE
    owners = (given.driver.value, given.toolkit.value, given.device_plugin.value)
    if len(set(owners)) == 1:
        return owners[0]
    return f"{owners[0]} (toolkit: {owners[1]}, plugin: {owners[2]})"


def _storage(item: Row) -> str:
    storage, artifacts = item.cluster.storage, item.cluster.artifacts
    shared = "" if storage.shared is None else f", `{storage.shared}` (shared)"
    buckets = "none: the platform brings its own" if artifacts is None else f"`{artifacts.scheme}`"
    return f"`{storage.block}` (block){shared}; buckets: {buckets}"


def _identity(item: Row) -> str:
    if Capability.WORKLOAD_IDENTITY not in item.cluster.capabilities:
        artifacts = item.cluster.artifacts
        return _NONE if artifacts is None or artifacts.credential is None else "none: a key in a Secret"
    binding = item.binding
    marks = [
        *(f"annotation `{key}`" for key in binding.annotations),
        *(f"pod label `{key}`" for key in binding.pod_labels),
        *(f"namespace label `{key}`" for key in binding.namespace_labels),
        *(["a mounted token and its configuration"] if binding.credentials is not None else []),
    ]
    return ", ".join(marks) or "the service account itself"


def _gateway(item: Row) -> str:
    if Capability.LOAD_BALANCER not in item.cluster.capabilities:
        return "no load balancer"
    return f"load balancer with {item.cluster.ingress.address.value}"
