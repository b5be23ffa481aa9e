"""The portal: one small page from the outputs, without a script or a server, that says where its health comes from."""

from __future__ import annotations

import argparse
import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support import described, results
from tests.support.pages import Outline
from workloads import report
from workloads.portal import portal
from workloads.report import stack
from workloads.report.command import register
from workloads.report.model import Run

Json = dict[str, Any]
KIB = 1024
NOW = datetime(2026, 1, 2, 4, 0, 0, tzinfo=UTC)


def outputs() -> Json:
    return copy.deepcopy(described.usual())


def page(body: Json | None = None, run: Run | None = None, **links: Any) -> str:  # noqa: ANN401 - any of its links
    return portal(stack.of(body or outputs(), name="local"), run, now=NOW, **links)


def run() -> Run:
    return report.from_json(report.document(results.record()), source="test")


def test_the_portal_links_what_the_gateway_serves_and_nothing_else() -> None:
    links = {str(link["href"]) for link in Outline(page()).all("a")}
    outside = {link for link in links if not link.startswith("#")}
    assert outside == {one["url"] for one in described.usual()["platform"]["endpoints"]}


def test_the_portal_is_small_and_needs_no_script() -> None:
    text = page(run=run(), dashboards=(("Overview", "https://example.test/grafana/"),))
    found = Outline(text)
    assert len(text.encode()) < 60 * KIB
    assert not {"script", "link", "img", "iframe", "form"} & {name for name, _ in found.elements}
    assert len(found.all("h1")) == len(found.all("main")) == 1
    assert found.wrong == found.open == []
    assert "SECRET" not in text


def test_health_is_that_of_the_run_and_says_when() -> None:
    text = page(run=run())
    assert "As of 2026-01-02T03:08:09+00:00" in text
    assert "refused" in text
    assert "503 Service Unavailable" in text
    assert "Not known: this page was made without a run" in page()


def test_a_new_tenant_and_a_new_pool_are_on_the_portal() -> None:
    body = outputs()
    assert "team-z" not in page(body)
    body["platform"]["tenants"]["team-z"] = {**body["platform"]["tenants"]["team-a"], "namespace": "team-z"}
    body["cluster"]["pools"]["huge"] = body["cluster"]["pools"]["accelerated"]
    assert "https://MODEL.team-z.example.test" in page(body)
    assert ">huge</th>" in page(body)


def test_a_tenants_ways_out_are_on_the_portal() -> None:
    assert "10.20.0.0/24 TCP 6379: feature store" in page()


def commands(*words: str) -> int:

    parser = argparse.ArgumentParser()
    register(parser.add_subparsers(required=True))
    options = parser.parse_args(words)
    return options.handler(options)


def test_the_commands_write_portal_topology_and_report(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(outputs()), encoding="utf-8")
    usual = ("--stack", "local", "--outputs", str(file), "--out", str(tmp_path / "out"))
    assert commands("portal", *usual, "--reports", "Report=./report.html") == 0
    assert commands("topology", *usual, "--tenant", "team-a") == 0
    assert commands("report", *usual) == 0
    out = tmp_path / "out"
    assert 'href="./report.html"' in (out / "portal/local.html").read_text(encoding="utf-8")
    assert (out / "topology/local/network-team-a.mmd").is_file()
    assert (out / "report/local/report.html").is_file()


def monitored(**told: Any) -> Json:  # noqa: ANN401 - any of the outputs
    return {**outputs(), "monitoring": {"grafana": None, "dashboards": {"proof-gpu": "GPUs"}, **told}}


def test_dashboards_are_linked_at_the_address_that_the_stack_tells() -> None:
    links = {str(link["href"]) for link in Outline(page(monitored(grafana="https://grafana.example.com"))).all("a")}
    assert "https://grafana.example.com/d/proof-gpu" in links


def test_without_an_address_the_portal_says_how_to_get_one() -> None:
    text = page(monitored())
    assert "http://localhost:3000/d/proof-gpu" in {str(link["href"]) for link in Outline(text).all("a")}
    assert "port-forward service/kube-prometheus-stack-grafana 3000:80" in text
    assert "port-forward" not in page(monitored(grafana="https://grafana.example.com"))
    assert "localhost" not in page(monitored(dashboards={}))
