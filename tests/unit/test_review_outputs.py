"""One report in four forms: readable on its own, valid, never too long, never with a secret, never anybody's markup."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from policies.guardrails.rule import Level, Resource, Severity
from review.changes import Change, Difference, Operation
from review.cost import Estimate, Row
from review.document import document
from review.findings import Doubt, Exempted, Finding
from review.junit import junit
from review.markdown import LIMIT, markdown
from review.places import places
from review.previews import Preview
from review.report import Report, Side, Verdict
from review.sarif import sarif
from review.topology import Reach, Topology, mermaid

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "review" / "comment.md"
STACK_FILE = """\
config:
  kubeflow-proof:cluster:
    pools:
      system: {role: system}
      l40s:
        role: gpu
    options:
      network:
        apiAccess: [0.0.0.0/1]
  kubeflow-proof:platform:
    tenants:
      team-a: {owner: ada}
"""
POOL = Resource(
    type="aws:eks/nodeGroup:NodeGroup", name="l40s", urn="pool", inputs={"labels": {"proof.kubeflow/pool": "l40s"}}
)
OPEN = Finding(
    rule="api-endpoint-open", severity=Severity.CRITICAL, level=Level.MANDATORY, address="aws:eks/cluster:Cluster::ml",
    urn="cluster", path="vpcConfig.publicAccessCidrs", what="the endpoint may be called by the world",
    why="One leaked kubeconfig is enough.", fix="Name the networks.", source="CIS EKS 5.4.1",
)  # fmt: skip
UNTAGGED = replace(
    OPEN, rule="gpu-pool-untagged", severity=Severity.LOW, level=Level.ADVISORY, address="pool l40s", urn="pool",
    path="", what="no expiry", why="Nobody knows whose it is.", fix="Tag it.",
)  # fmt: skip


def preview(*findings: Finding, **more: Any) -> Preview:  # noqa: ANN401 - any field
    usual: dict[str, Any] = {
        "label": "abc", "config": {}, "resources": (POOL,), "outputs": {}, "findings": findings, "doubts": (),
        "exempted": (), "judged": True, "errors": (), "stand_ins": ("aws plugin",), "closed": (), "seconds": 1.0,
    }  # fmt: skip
    return Preview(**{**usual, **more})


def row(name: str, price: float | None, most: float, gpus: int = 0) -> Row:
    return Row(name=name, unit=f"{name}.large", gpus=gpus, least=1, most=most, price=price)


def report(**more: Any) -> Report:  # noqa: ANN401 - any field
    """A branch that adds a pool and opens the API server."""
    before = Estimate(cloud="aws", region="r", pools=(row("cpu", 0.5, 4),), sources=("a list, 2026-01-02",))
    after = replace(before, pools=(*before.pools, row("l40s", 2.0, 8, 1)))
    doubts = (Doubt(rule="trust-open", address="aws:iam/role:Role::x", path="assumeRolePolicy"),)
    exempt = (
        Exempted(rule="host-path", resource="DaemonSet/kube-system/cni", reason="installs", expires="2027-06-30"),
    )
    head = preview(OPEN, UNTAGGED, label="def", doubts=doubts, exempted=exempt)
    cidr = Difference(
        path="vpcConfig.publicAccessCidrs[0]", before="198.51.100.0/24", after="0.0.0.0/1", replaces=False
    )
    name = Difference(path="name", before="a", after="b", replaces=True)
    kind = "aws:eks/cluster:Cluster"
    changes = (
        Change(operation=Operation.REPLACE, type="x:y:Z", address="x:y:Z::z", urn="z", protected=False,
               differences=(name,), dependents=2),
        Change(operation=Operation.UPDATE, type=kind, address=f"{kind}::ml", urn="cluster", protected=False,
               differences=(cidr,)),
        Change(operation=Operation.CREATE, type=POOL.type, address=POOL.address, urn="pool", protected=False),
    )  # fmt: skip
    edge = ("tenant/pods", "mlflow/mlflow", "TCP 5000")
    usual: dict[str, Any] = {
        "stack": "eks", "file": "stacks/Pulumi.eks.yaml", "ref": "main",
        "head": Side(preview=head, cost=after), "base": Side(preview=preview(), cost=before), "changes": changes,
        "edits": (replace(cidr, path="cluster.options.network.apiAccess[0]"),),
        "topology": Topology(
            head=Reach(edges=frozenset({edge}), doors=frozenset({("0.0.0.0/1", "API server")}), policies=9, remade=2),
            base=Reach(doors=frozenset({("198.51.100.0/24", "API server")}), policies=8),
        ),
    }  # fmt: skip
    return Report(**{**usual, **more})


def with_head(**more: Any) -> Report:  # noqa: ANN401 - any field of a preview
    made = report()
    assert made.head is not None
    return replace(made, head=replace(made.head, preview=replace(made.head.preview, **more)))


def test_the_comment_is_as_reviewed() -> None:
    """`UPDATE_GOLDEN=1 pytest` writes it anew; review the difference."""
    text = markdown(report())
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_the_verdict_and_its_reasons_come_before_everything_else() -> None:
    lines = [line for line in markdown(report()).splitlines() if line]
    assert lines[0] == "<!-- kubeflow-proof:pr-check:eks -->"
    assert lines[2].startswith("⛔ **Refused.**")
    assert lines[3] == "- 1 new mandatory finding: api-endpoint-open"


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (with_head(findings=(UNTAGGED,)), Verdict.FINE),
        (report(), Verdict.REFUSED),
        (with_head(findings=(), judged=False), Verdict.BROKEN),
        (with_head(findings=(), errors=("program failed",)), Verdict.BROKEN),
        (replace(with_head(findings=()), problems=("the base cannot be had",)), Verdict.BROKEN),
        (replace(with_head(findings=()), head=None), Verdict.BROKEN),
        (replace(with_head(findings=()), topology=Topology(head=Reach(missing="x"))), Verdict.BROKEN),
        (replace(with_head(findings=()), topology=Topology(head=Reach(findings=("open",)))), Verdict.REFUSED),
        (replace(with_head(findings=()), lifted=("host-path: x",)), Verdict.REFUSED),
        (replace(with_head(findings=()), changes=(replace(report().changes[0], protected=True),)), Verdict.REFUSED),
        (replace(with_head(judged=False), problems=("the base cannot be had",)), Verdict.REFUSED),
    ],
)
def test_only_a_whole_judgement_without_a_finding_that_stops_is_fine(made: Report, verdict: Verdict) -> None:
    assert made.verdict == verdict
    assert markdown(made)


def test_what_was_not_judged_is_said() -> None:
    text = markdown(report())
    assert "1 question that only values of `up` answer" in text
    assert "`aws:iam/role:Role::x assumeRolePolicy`" in text
    assert "values of secrets: neither compared nor shown" in text


def test_an_exemption_that_a_branch_gives_itself_stands_at_the_top() -> None:
    head = markdown(report()).partition("###")[0]
    assert "**1 exemption new in this pull request**: `host-path` for `DaemonSet/kube-system/cni`" in head
    assert "new in this pull request**" not in markdown(replace(report(), base=report().head))


def test_a_comment_is_never_too_long_and_keeps_its_verdict() -> None:
    many = tuple(replace(OPEN, address=f"resource-{number}" * 9, what=f"w{number}" * 30) for number in range(3000))
    made = with_head(findings=(*many, *(replace(one, level=Level.ADVISORY) for one in many)))
    losses = tuple(replace(report().changes[0], address=f"a{number}" * 20) for number in range(5000))
    text = markdown(replace(made, changes=losses))
    assert len(text.encode()) < LIMIT
    assert "⛔ **Refused.**" in text
    assert "5,000" in text or "5000 replace" in text


def test_names_and_messages_are_never_markup() -> None:
    evil = "x`|<img src=y>@team-b\n## fine -->"
    text = markdown(
        with_head(findings=(replace(OPEN, address=evil, what=evil, fix=evil), replace(UNTAGGED, what=evil)))
    )
    assert "<img" not in text
    assert "@team-b" not in text
    assert not any(line.startswith("## fine") for line in text.splitlines())
    assert text.count("-->") == 1 + text.count("-->|"), "only the marker ends a comment"


def test_a_part_without_a_price_never_looks_free() -> None:
    made = report()
    assert made.head is not None
    unpriced = replace(made.head.cost, pools=(*made.head.cost.pools[:1], row("l40s", None, 8, 1)))
    text = markdown(replace(made, head=replace(made.head, cost=unpriced)))
    assert "unknown; +0.00 without what has no price" in text
    assert "**Without a price, and in no sum:** l40s." in text


SARIF = {  # what code scanning needs of SARIF 2.1.0 (OASIS; section 3)
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "minItems": 1, "maxItems": 20,
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "tool": {"required": ["driver"], "properties": {"driver": {
                        "required": ["name", "rules"],
                        "properties": {"rules": {"items": {
                            "required": ["id", "shortDescription", "help", "properties"],
                            "properties": {
                                "id": {"type": "string", "minLength": 1},
                                "shortDescription": {"required": ["text"]},
                                "help": {"required": ["text"]},
                                "properties": {"properties": {"security-severity": {"pattern": r"^\d+\.\d$"}}},
                            },
                        }}},
                    }}},
                    "results": {"maxItems": 5000, "items": {
                        "required": ["ruleId", "level", "message", "locations", "partialFingerprints"],
                        "properties": {
                            "level": {"enum": ["none", "note", "warning", "error"]},
                            "message": {"required": ["text"], "properties": {"text": {"minLength": 1}}},
                            "locations": {"minItems": 1, "items": {
                                "required": ["physicalLocation"],
                                "properties": {"physicalLocation": {
                                    "required": ["artifactLocation", "region"],
                                    "properties": {
                                        "artifactLocation": {"properties": {"uri": {"pattern": "^[^/:]+(/[^/:]+)*$"}}},
                                        "region": {"properties": {"startLine": {"type": "integer", "minimum": 1}}},
                                    },
                                }},
                            }},
                        },
                    }},
                },
            },
        },
    },
}  # fmt: skip


def test_the_sarif_document_is_valid_and_points_to_the_lines_that_decided() -> None:
    made = replace(report(), topology=Topology(head=Reach(findings=("a -> b",))))
    found = sarif(made, places(STACK_FILE))
    jsonschema.validate(found, SARIF)
    results = found["runs"][0]["results"]
    lines = {one["ruleId"]: one["locations"][0]["physicalLocation"]["region"]["startLine"] for one in results}
    assert lines == {"api-endpoint-open": 9, "gpu-pool-untagged": 5, "flows-differ": 10}
    assert {one["ruleId"]: one["level"] for one in results}["api-endpoint-open"] == "error"
    rules = {one["id"] for one in found["runs"][0]["tool"]["driver"]["rules"]}
    assert {one["ruleId"] for one in results} == rules


def test_fingerprints_tell_findings_apart_and_stay_when_a_commit_changes() -> None:
    def prints(made: Report) -> list[str]:
        results = sarif(made, places(""))["runs"][0]["results"]
        return [one["partialFingerprints"]["rulePlace/v1"] for one in results]

    assert prints(report()) == prints(with_head(label="another commit"))
    twice = with_head(findings=(OPEN, replace(OPEN, address="another cluster"), replace(OPEN, path="elsewhere")))
    assert len(set(prints(twice))) == 3


@pytest.mark.parametrize(
    ("key", "line"), [("cluster.pools.l40s", 5), ("cluster.pools.gone", 3), ("platform.tenants.team-a", 12), ("x", 1)]
)
def test_a_key_that_is_not_there_is_at_the_nearest_one_above(key: str, line: int) -> None:
    assert places(STACK_FILE).line(key) == line


def test_a_file_that_is_no_yaml_has_no_lines() -> None:
    assert places("a: [").line("a") == 1


def test_junit_counts_what_it_holds() -> None:
    root = ET.fromstring(junit(with_head(findings=(OPEN, UNTAGGED), errors=("boom \x07",))))  # noqa: S314 - our own text
    (suite,) = root
    counted = {name: int(suite.get(name, "")) for name in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": 7, "failures": 1, "errors": 1, "skipped": 1}
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["rule api-endpoint-open"]


def test_the_json_document_holds_everything_and_can_be_read() -> None:
    found = json.loads(json.dumps(document(report()), default=str))
    assert (found["verdict"], found["exit"]) == ("refused", 1)
    assert found["operations"] == {"replace": 1, "update": 1, "create": 1}
    assert found["head"]["cost"]["hourly"]["most"] == 4 * 0.5 + 8 * 2.0
    assert found["topology"]["opened"] == [["0.0.0.0/1", "API server"]]
    assert [one["rule"] for one in found["head"]["undecided"]] == ["trust-open"]


def test_a_diagram_has_groups_and_only_what_differs() -> None:
    picture = mermaid(report().topology or Topology(head=Reach()))
    assert picture.splitlines() == [
        "flowchart LR",
        '  n_tenant["tenant"] -->|"+ TCP 5000"| n_mlflow["mlflow"]',
        '  n_0_0_0_0_1["0.0.0.0/1"] -->|"+"| n_API_server["API server"]',
        '  n_198_51_100_0_24["198.51.100.0/24"] -.->|"-"| n_API_server["API server"]',
    ]
    assert mermaid(Topology(head=Reach(), base=Reach())) == ""
