"""A change of the stack file arrives everywhere: in dashboards, rules, drawings, the portal, logs and traces."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest

from infra.contract import Gpu, Role
from kubeflow.contract import PlatformSpec
from kubeflow.observability import alerts, dashboards, facts, telemetry
from kubeflow.observability.telemetry import Signal
from kubeflow.spec.monitoring import LimitsSpec, MonitoringSpec
from tests.support import assembled, described, samples
from tests.support.rules import EVERYTHING
from workloads.portal import portal
from workloads.report import stack
from workloads.topology import chart

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TENANTS = samples.platform_spec().tenants
CLUSTER = assembled.cluster(assembled.REAL)


@cache
def whole(*tenants: str, milliseconds: int = 200, pool: str = "") -> Mapping[str, str]:
    """Everything that is generated for one stack file, as texts."""
    chosen = {name: TENANTS.get(name, next(iter(TENANTS.values()))) for name in (*TENANTS, *tenants)}
    monitoring = MonitoringSpec(limits=LimitsSpec(serving_milliseconds=milliseconds))
    gpu = Gpu(product="NVIDIA-H100", count=4, memory_mib=81_920)
    mine = next(iter(CLUSTER.pools.values()))
    more = {pool: replace(mine, role=Role.GPU, gpu=gpu, max=2)} if pool else {}
    cluster = replace(CLUSTER, pools={**CLUSTER.pools, **more})
    spec = PlatformSpec(tenants=chosen, components=("default",), monitoring=monitoring, allow_absent=True)
    known = facts.of(cluster, spec.tenants, EVERYTHING, monitoring)
    outputs = {**described.usual(), "monitoring": facts.described(monitoring, dashboards.titles(known))}
    said = described.platform(chosen) if tenants else {}
    tenants_told = {name: {**next(iter(outputs["platform"]["tenants"].values())), "namespace": name} for name in chosen}
    outputs["platform"] = {**outputs["platform"], **said, "tenants": tenants_told}
    if pool:
        told = {"role": "gpu", "min": 0, "max": 2, "gpu": {"count": 4, "product": "NVIDIA-H100"}}
        outputs["cluster"] = {**outputs["cluster"], "pools": {**outputs["cluster"]["pools"], pool: told}}
    read = stack.of(outputs, name="local")
    return {
        "dashboards": json.dumps(dict(dashboards.files(known))),
        "alerts": json.dumps(dict(alerts.files(known))),
        "topology": "\n".join(chart(layer) for layer in read.layers),
        "portal": portal(read, None, now=NOW).replace(read.digest, ""),
        "telemetry": json.dumps(telemetry.collector(known.tenants, (Signal.LOGS, Signal.TRACES), None)),
    }


@pytest.mark.parametrize(
    ("change", "arrives", "stays"),
    [
        pytest.param(
            lambda: whole("team-new"),
            dict.fromkeys(("dashboards", "alerts", "topology", "portal", "telemetry"), "team-new"), (), id="tenant",
        ),
        pytest.param(
            lambda: whole(pool="large"),
            {"dashboards": "NVIDIA-H100", "portal": "NVIDIA-H100"}, ("topology", "telemetry"), id="GPU pool",
        ),
        pytest.param(
            lambda: whole(milliseconds=130), {"dashboards": "130", "alerts": "130([.]0)?"},
            ("topology", "portal", "telemetry"), id="limit",
        ),
    ],
)  # fmt: skip
def test_a_change_of_the_stack_file_arrives_where_it_matters_and_nowhere_else(
    change: Callable[[], Mapping[str, str]], arrives: Mapping[str, str], stays: tuple[str, ...]
) -> None:
    before, after = whole(), change()
    missing = {part: word for part, word in arrives.items() if word not in after[part] or word in before[part]}
    assert missing == {}
    assert {part for part in stays if before[part] != after[part]} == set()
