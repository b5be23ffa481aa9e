"""Alerts beside those that upstream ships, their pages, and who is told, against real definitions and real tools."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from kubeflow.observability import alerts, dashboards
from kubeflow.observability.doubles import DOUBLES
from kubeflow.observability.routing import configuration, plain
from kubeflow.spec.monitoring import Channel, LimitsSpec, MonitoringSpec, ReceiverSpec, Severity
from stacks.forms import key_of
from tests.repository.test_scrape_table import definitions, installed, unknown, upstream, with_upstream
from tests.support.rules import FACTS, find, known

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "runbooks"
ALERTS = known()
NETWORKS = ("10.9.0.0/24",)

with_promtool = pytest.mark.skipif(find("promtool") is None, reason="promtool is neither in .tools/bin nor on PATH")
with_amtool = pytest.mark.skipif(find("amtool") is None, reason="amtool is neither in .tools/bin nor on PATH")

RECEIVERS = MonitoringSpec(
    receivers={
        "ops": ReceiverSpec(channel=Channel.PAGERDUTY, secret="pager", networks=NETWORKS, severity=Severity.CRITICAL),
        "watch": ReceiverSpec(channel=Channel.WEBHOOK, secret="hook", networks=NETWORKS, heartbeat=True),
        "vision": ReceiverSpec(channel=Channel.SLACK, secret="slack", networks=NETWORKS, severity=Severity.INFO,
                               tenants=("team-a",), room="#vision"),
        "mail": ReceiverSpec(channel=Channel.EMAIL, secret="mail", networks=NETWORKS, port=587, to="a@example.com",
                             sender="b@example.com", smarthost="mail.example.com:587", username="b"),
    }
)  # fmt: skip


def pages() -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md") if path.stem != "README"}


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    assert set(pages()) == set(ALERTS)
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[(\w+)\]\(\1\.md\)", index, flags=re.MULTILINE) == sorted(ALERTS)


def test_alerts_name_pages_that_are_there() -> None:
    wrong = [
        alert.name
        for alert in ALERTS.values()
        if not (ROOT / alert.rule(FACTS.spec.runbooks)["annotations"]["runbook_url"]).is_file()
    ]
    assert wrong == []
    elsewhere = ALERTS["NodeNotReady"].rule("https://runbooks.example.com/")["annotations"]["runbook_url"]
    assert elsewhere == "https://runbooks.example.com/NodeNotReady.md"


def test_dashboards_that_alerts_lead_to_are_there() -> None:
    slugs = {name.removesuffix(".json") for name in dashboards.files(FACTS)}
    assert [alert.name for alert in ALERTS.values() if alert.board not in slugs] == []


def test_each_page_says_what_it_means_what_to_do_first_and_what_next() -> None:
    for name, text in pages().items():
        alert = ALERTS[name]
        head, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
        assert f"# {name}\n" in head
        assert f"Severity: {alert.severity.value}. Component: {alert.component}." in head
        assert [section.splitlines()[0] for section in sections] == ["What it means", "First steps", "What next"]
        assert all(len(section) > 60 for section in sections), name
        assert name == "MonitoringSilent" or "   ```sh\n" in sections[1], name


def test_pages_lead_only_to_pages_and_settings_that_are_there() -> None:
    text = "\n".join(pages().values())
    assert {name for name in re.findall(r"\]\((\w+)\.md\)", text) if name not in ALERTS} == set()
    limits = {key_of(name) for name in LimitsSpec.__dataclass_fields__}
    assert {name for name in re.findall(r"platform\.monitoring\.limits\.(\w+)", text) if name not in limits} == set()
    for name in re.findall(r"`kubeflow/([\w/.]+)`", text):
        assert (ROOT / "kubeflow" / name).is_file()


@with_upstream
def test_commands_of_pages_name_workloads_that_are_there() -> None:
    there = {
        (body["metadata"].get("namespace"), f"deploy/{body['metadata']['name']}")
        for body in upstream()
        if body["kind"] == "Deployment"
    }
    asked = set(re.findall(r"-n ([a-z-]+) [^\n]*?(deploy/[a-z0-9-]+)", "\n".join(pages().values())))
    assert asked
    assert {f"{namespace} {name}" for namespace, name in asked if (namespace, name) not in there} == set()


def shipped() -> set[str]:
    rules = (body["spec"]["groups"] for body in upstream() if body["kind"] == "PrometheusRule")
    return {rule["alert"] for groups in rules for group in groups for rule in group["rules"] if "alert" in rule}


@with_upstream
def test_nobody_is_called_twice_for_one_matter() -> None:
    assert set(ALERTS) & shipped() == set()
    assert set(DOUBLES) <= shipped()
    assert set(DOUBLES.values()) <= set(ALERTS)
    left = json.dumps([body["spec"] for body in installed() if body["kind"] == "PrometheusRule"])
    assert [name for name in DOUBLES if f'"alert": "{name}"' in left] == []
    assert '"alert": "TargetDown"' in left


def schema(kind: str) -> Json:
    (crd,) = (one for one in definitions() if one["spec"]["names"]["kind"] == kind)
    (version,) = (one for one in crd["spec"]["versions"] if one["served"])
    return version["schema"]["openAPIV3Schema"]


@with_upstream
def test_rules_and_routes_are_as_their_definitions_say() -> None:
    rules = [(schema("PrometheusRule"), body["spec"]) for body in alerts.objects(FACTS)]
    routes = (schema("AlertmanagerConfig"), configuration(RECEIVERS))
    for definition, spec in (*rules, routes):
        assert list(unknown(definition["properties"]["spec"], spec, "spec")) == []
        validator: Any = Draft202012Validator(definition["properties"]["spec"])  # its types are partial
        assert [error.message for error in validator.iter_errors(spec)] == []


@with_promtool
def test_promtool_accepts_the_files_that_are_exported(tmp_path: Path) -> None:
    files = alerts.files(FACTS)
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [str(find("promtool")), "check", "rules", *(str(tmp_path / name) for name in files)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


@with_amtool
@pytest.mark.parametrize(
    ("alert", "told"),
    [
        ({"alertname": "QuotaNearlyUsed", "severity": "info", "namespace": "team-b"}, "nobody"),
        ({"alertname": "QuotaNearlyUsed", "severity": "info", "namespace": "team-a"}, "vision"),
        ({"alertname": "GpuTooHot", "severity": "warning", "namespace": "gpu-operator"}, "mail,watch"),
        ({"alertname": "NodeNotReady", "severity": "critical", "namespace": "kube-system"}, "mail,ops,watch"),
        ({"alertname": "DriftDetected", "severity": "warning", "namespace": "team-a"}, "mail,vision,watch"),
        ({"alertname": "MonitoringSilent", "severity": "info", "namespace": "monitoring"}, "watch"),
    ],
)
def test_everybody_hears_of_what_concerns_them(alert: dict[str, str], told: str, tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(plain(RECEIVERS)), encoding="utf-8")
    labels = [f"{key}={value}" for key, value in alert.items()]
    command = [str(find("amtool")), "config", "routes", "test", f"--config.file={path}", *labels]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sorted(said.stdout.strip().split(",")) == told.split(",")


@with_amtool
def test_amtool_accepts_the_routes(tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(plain(RECEIVERS)), encoding="utf-8")
    said = subprocess.run([str(find("amtool")), "check-config", str(path)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_both_forms_of_the_routes_say_the_same() -> None:
    """What amtool proves of one holds for the other."""
    ours, theirs = configuration(RECEIVERS)["route"], plain(RECEIVERS)["route"]
    assert [route["receiver"] for route in ours["routes"]] == [route["receiver"] for route in theirs["routes"]]
    for mine, other in zip(ours["routes"], theirs["routes"], strict=True):
        spelled = [f'{one["name"]}{one["matchType"]}"{one["value"]}"' for one in mine["matchers"]]
        assert (spelled, mine["repeatInterval"]) == (other["matchers"], other["repeat_interval"])
        assert mine["continue"]
        assert other["continue"]
