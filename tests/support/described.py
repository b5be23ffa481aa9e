"""The outputs of a whole platform on an invented cluster, put together from upstream's real objects; made once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pulumi

from kubeflow import install
from kubeflow.assembly import Site, assemble
from kubeflow.contract import PlatformSpec
from kubeflow.described import described
from kubeflow.spec.tenants import TenantSpec
from tests.support import assembled, graph, samples, stack_outputs
from workloads.contract import SCHEMA

Json = dict[str, Any]


def platform(tenants: Mapping[str, TenantSpec] | None = None) -> Json:
    """What the platform of these tenants says of itself."""
    spec = PlatformSpec(
        tenants=samples.platform_spec().tenants if tenants is None else tenants,
        components=("default",),
        allow_absent=True,
    )
    return _made(spec)


def _made(spec: PlatformSpec) -> Json:
    made: list[Json] = []

    def program() -> None:
        cluster = assembled.cluster(assembled.REAL)
        chosen = install.source(install.expanded(spec.components), needed=False)
        site = Site(
            spec=spec,
            cluster=cluster,
            source=chosen,
            exempted=(),
            config=samples.secrets({}),
            values=_Any(),
            hashes=_Any(),
        )
        made.append(described(site, assemble(site, {})))

    graph.run(program)
    return json.loads(json.dumps(made[0]))


class _Any(dict[str, pulumi.Output[str]]):
    """A value for every generated secret."""

    def __missing__(self, key: str) -> pulumi.Output[str]:
        return pulumi.Output.secret(f"secret of {key}")


@cache
def usual() -> Json:
    """The outputs of a stack with two tenants, whole."""
    outputs = stack_outputs.outputs(schema=SCHEMA, kubeconfig="apiVersion: v1  # SECRET-KUBECONFIG")
    outputs["logins"] = {"ada@example.com": "SECRET-PASSWORD"}
    outputs["platform"] = {**outputs["platform"], "components": ["pipelines", "kserve"], "leftOut": [], **platform()}
    outputs["platform"]["tenants"] = {
        name: {
            "namespace": name,
            "gpus": 8,
            "serviceAccounts": {"contributor": "default-editor", "viewer": "default-viewer"},
        }
        for name in samples.platform_spec().tenants
    }
    return outputs
