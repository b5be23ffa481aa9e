"""Drawings of the topology: readable, harmless, and changed in few lines by a small change."""

from __future__ import annotations

import copy
import difflib
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.support import described, results
from tests.support.engine import ROOT
from workloads.topology import Layer, TopologyError, chart, layers, tenant_view
from workloads.topology.svg import drawing

Json = dict[str, Any]


def usual() -> Json:
    return copy.deepcopy(described.usual()["platform"]["topology"])


def network(topology: Json) -> Layer:
    return next(layer for layer in layers(topology) if layer.id == "network")


def changed(before: str, after: str) -> int:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))
    return sum(line.startswith(("+", "-")) and not line.startswith(("+++", "---")) for line in lines)


def with_service() -> Json:
    more = usual()
    more["network"]["nodes"].append({"id": "kubeflow/aaa-new", "group": "kubeflow"})
    edge = {"from": ["istio-system/istio-ingressgateway"], "to": "kubeflow/aaa-new", "label": "TCP 1", "why": "new"}
    more["network"]["edges"].append(edge)
    return more


def test_a_new_service_changes_few_lines() -> None:
    before, after = network(usual()), network(with_service())
    assert 0 < changed(chart(before), chart(after)) <= 5
    assert 0 < changed(drawing(before), drawing(after)) <= 20
    assert len(drawing(before).splitlines()) > 150


def test_every_drawing_is_well_formed_and_tells_its_meaning() -> None:
    for layer in layers(usual()):
        root = ET.fromstring(drawing(layer))  # noqa: S314 - made here
        svg = root.find("svg")
        assert svg is not None
        assert svg.attrib["role"] == "img"
        assert [child.tag for child in svg][:2] == ["title", "desc"]


def test_openings_are_drawn_with_their_reasons() -> None:
    text = drawing(network(usual()))
    assert "10.20.0.0/24 TCP 6379: feature store" in text
    assert "people and machines enter here, and only here" in text
    assert 'class="opening"' in text


def test_mermaid_names_every_connection_and_its_reason() -> None:
    layer, text = network(usual()), chart(network(usual()))
    assert sum(line.startswith("  %%") for line in text.splitlines()) == sum(len(edge.sources) for edge in layer.edges)
    assert "%% istio-system/istio-ingressgateway -> kubeflow/centraldashboard (TCP 8082): user interface" in text


def test_a_tenant_sees_its_own_openings_and_nobody_elses() -> None:
    for name, ways in (("team-a", ["10.20.0.0/24"]), ("team-b", [])):
        view = tenant_view(network(usual()), name)
        assert [edge.target for edge in view.openings if edge.tenant] == ways
        assert "tenant/pods" in view.nodes
        assert "kubeflow/mysql" not in view.nodes
        assert all(end in view.nodes for edge in view.edges for end in (*edge.sources, edge.target))
        assert drawing(view).count("<rect") == len(view.groups)


def test_no_name_and_no_reason_becomes_markup() -> None:
    bad = usual()
    bad["network"]["nodes"].append({"id": results.HOSTILE, "group": "outside"})
    bad["network"]["edges"].append(
        {"from": ["tenant/pods"], "to": results.HOSTILE, "label": results.HOSTILE, "why": results.HOSTILE + "\n}%%{x}",
         "opening": True, "tenant": "team-a"}
    )  # fmt: skip
    layer = network(bad)
    text = drawing(layer)
    assert "<script" not in text
    assert ET.fromstring(text).tag == "div"  # noqa: S314 - made here
    assert all(line.startswith("  ") or line == "flowchart LR" for line in chart(layer).splitlines())
    assert "<script" not in "".join(line for line in chart(layer).splitlines() if "%%" not in line)
    assert "{" not in chart(layer)


@pytest.mark.parametrize("found", [None, [], {"network": {}}, {"network": {"title": "x"}}])
def test_what_is_no_topology_is_refused(found: object) -> None:
    with pytest.raises(TopologyError):
        layers(found)


def test_an_edge_of_an_unknown_end_is_refused_by_name() -> None:
    broken = usual()
    broken["network"]["edges"][0]["to"] = "nowhere/nothing"
    with pytest.raises(TopologyError, match="nowhere/nothing"):
        layers(broken)


def test_the_chart_of_a_change_needs_the_standard_library_only() -> None:
    program = "import sys, workloads.topology; print(sorted({'rich', 'pulumi', 'aiohttp'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
