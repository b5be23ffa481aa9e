"""What is said to be the heart of a component is really installed with it, and no component with pods is forgotten."""

from __future__ import annotations

import pytest

from kubeflow.distribution import load, table
from kubeflow.priorities import PLATFORM
from tests.support import assembled
from tests.support.upstream import missing
from workloads.checks import core

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

# Components whose namespace a stack chooses: their workloads are found by their priority.
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
BY_PRIORITY = {"model-registry", "mlflow", "feast-feature-server"}


@pytest.mark.parametrize("capabilities", [assembled.SIMULATED, assembled.REAL], ids=["simulated", "real"])
def test_the_usual_installation_brings_every_heart(capabilities: frozenset[assembled.Capability]) -> None:
    built = assembled.usual(capabilities)
    brought = {
        f"{body['metadata']['namespace']}/{body['metadata']['name']}"
        for body in built.bodies
        if body["kind"] in WORKLOADS
    }
    hearts = {name: core.HEARTS.get(name, ()) for name in built.platform.components}
    assert sum(map(bool, hearts.values())) > 20
    assert {heart for needed in hearts.values() for heart in needed} - brought == set()


@pytest.mark.parametrize("component", [one.name for one in table.components(table.CURRENT)])
def test_every_component_with_workloads_has_a_heart_among_them(component: str) -> None:
    rendered = load(table.CURRENT, (component,)).components[component]
    names = {
        f"{body['metadata'].get('namespace')}/{body['metadata']['name']}"
        for body in (*rendered.core, *rendered.late)
        if body["kind"] in WORKLOADS
    }
    hearts = set(core.HEARTS.get(component, ()))
    assert hearts <= names
    assert bool(hearts) == bool(names) or component in BY_PRIORITY


def test_nothing_that_the_platform_installs_is_overlooked() -> None:
    """It is known by its priority, or stands beside a heart, or is one."""
    assert core.PLATFORM == PLATFORM
    hearts = {heart for needed in core.HEARTS.values() for heart in needed}
    homes = {heart.partition("/")[0] for heart in hearts} - {core.SYSTEM}
    overlooked = [
        body["metadata"]["name"]
        for body in assembled.usual(assembled.REAL).bodies
        if body["kind"] in WORKLOADS
        and body["spec"]["template"]["spec"].get("priorityClassName") != PLATFORM
        and body["metadata"]["namespace"] not in homes
        and f"{body['metadata']['namespace']}/{body['metadata']['name']}" not in hearts
    ]
    assert overlooked == []
