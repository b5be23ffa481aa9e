"""The final report: everything in one folder, nothing secret, nothing that the stack does not have."""

from __future__ import annotations

import copy
import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from review.document import document as review_document
from tests.support import described, results
from tests.support.pages import Outline
from tests.unit.test_review_outputs import report as a_review
from tests.unit.test_review_outputs import row as review_row
from workloads import report
from workloads.report import evidence, stack
from workloads.report.final import Given, build
from workloads.report.model import ReportError

Json = dict[str, Any]
KIB = 1024
NOW = datetime(2026, 1, 2, 4, 0, 0, tzinfo=UTC)


def outputs() -> Json:
    return copy.deepcopy(described.usual())


def run_in(folder: Path, stack_name: str = "local") -> Path:
    record = results.record(stack=stack_name)
    content = report.document(record)
    return report.write(folder, content, name=stack_name, attachments=report.attachments(record.results))


def made(tmp_path: Path, body: Json | None = None, **given: Any) -> Path:  # noqa: ANN401 - any of its fields
    root = tmp_path / "repository"
    (root / "stacks").mkdir(parents=True, exist_ok=True)
    (root / "stacks/Pulumi.local.yaml").write_text("config: {}\n", encoding="utf-8")
    return build(stack.of(body or outputs(), name="local"), Given(root=root, now=NOW, **given), tmp_path / "out")


def test_the_report_has_every_part_in_one_page_and_in_markdown(tmp_path: Path) -> None:
    cost = tmp_path / "cost.json"
    cost.write_text('{"currency": "EUR", "items": [{"what": "GPU node", "an hour": 3.5}]}', encoding="utf-8")
    folder = made(tmp_path, run=run_in(tmp_path), others=(run_in(tmp_path, "other"),), costs=(cost,))
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Outline(text)
    assert [attributes["id"] for attributes in page.all("section")] == [
        "summary", "attention", "criteria", "details", "environment", "deployed", "topology", "security", "cost",
        "versions", "limits", "guide", "comparison", "provenance",
    ]  # fmt: skip
    assert page.wrong == page.open == []
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    for heading in ("What was deployed", "Topology", "Security posture", "Cost", "Known limits", "Provenance"):
        assert f"## {heading}" in markdown
    assert "GPU node" in text
    assert "GPU node" in markdown
    assert len(text.encode()) < KIB * KIB


def test_no_secret_of_the_outputs_is_in_any_file(tmp_path: Path) -> None:
    folder = made(tmp_path, run=run_in(tmp_path))
    wrong = [path for path in folder.rglob("*") if path.is_file() and b"SECRET" in path.read_bytes()]
    assert wrong == []
    assert "SECRET-KUBECONFIG" in str(outputs())


def test_every_evidence_is_in_the_manifest_and_every_link_to_it_leads_somewhere(tmp_path: Path) -> None:
    folder = made(tmp_path, run=run_in(tmp_path))
    check = ["sha256sum", "--check", "--strict", "--quiet", evidence.MANIFEST]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    links = [str(link["href"]) for link in Outline((folder / "report.html").read_text(encoding="utf-8")).all("a")]
    files = [link for link in links if not link.startswith(("#", "https://"))]
    assert files
    assert [link for link in files if not (folder / link).is_file()] == []


def test_without_a_run_the_report_promises_nothing(tmp_path: Path) -> None:
    text = (made(tmp_path) / "report.html").read_text(encoding="utf-8")
    assert "not validated" in text
    assert "No run was given" in text
    assert "PASS" not in text


def test_a_stack_that_changed_since_its_run_is_told(tmp_path: Path) -> None:
    text = (made(tmp_path, run=run_in(tmp_path)) / "report.md").read_text(encoding="utf-8")
    assert "The stack has changed since this run: its outputs differ." in text


def test_the_guide_names_only_what_is_installed(tmp_path: Path) -> None:
    body = outputs()
    body["platform"]["components"] = ["kserve"]
    text = (made(tmp_path, body) / "report.html").read_text(encoding="utf-8")
    assert "https://MODEL.team-a.example.test/v2/models/MODEL/infer" in text
    assert "kubectl create token default-editor --namespace team-a" in text
    assert "kfp.Client" not in text
    assert "set_tracking_uri" not in text


def test_older_outputs_without_a_topology_are_reported_as_far_as_they_go(tmp_path: Path) -> None:
    body = outputs()
    for name in ("topology", "mesh", "gateway", "endpoints", "versions", "policies"):
        del body["platform"][name]
    text = (made(tmp_path, body) / "report.html").read_text(encoding="utf-8")
    assert "The outputs of this stack do not say" in text


def test_no_text_of_the_outputs_becomes_markup(tmp_path: Path) -> None:
    body = json.loads(json.dumps(outputs()).replace("team-a", "TEAM").replace("example.test", "HOST"))
    body = json.loads(json.dumps(body).replace("TEAM", json.dumps(results.HOSTILE)[1:-1]).replace("HOST", "x<script>"))
    folder = made(tmp_path, body)
    for name in ("report.html", "portal.html"):
        page = Outline((folder / name).read_text(encoding="utf-8"))
        assert page.all("script") == page.all("b") == []
        assert page.wrong == page.open == []


@pytest.mark.parametrize("content", ["[]", "{}", '{"a": 1}', "[1, 2]", '[{"a": {"b": 1}}, {"c": null}]', "plain <b>"])
def test_files_of_any_shape_are_shown(tmp_path: Path, content: str) -> None:
    given = tmp_path / "policy.json"
    given.write_text(content, encoding="utf-8")
    folder = made(tmp_path, proofs=(("Results of the policies", given),))
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "Results of the policies, from policy.json" in text
    assert Outline(text).all("b") == []
    assert (folder / "evidence/given/policy.json").read_text(encoding="utf-8") == content


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / name / "cost.json" for name in ("a", "b")]
    for path in files:
        path.parent.mkdir()
        path.write_text("{}", encoding="utf-8")
    with pytest.raises(ReportError, match="another file of that name"):
        made(tmp_path, costs=tuple(files))


def test_the_provenance_names_the_configuration_by_its_hash(tmp_path: Path) -> None:
    folder = made(tmp_path)
    origin = json.loads((folder / "evidence/provenance.json").read_text(encoding="utf-8"))
    wanted = evidence.digest(tmp_path / "repository/stacks/Pulumi.local.yaml")
    assert origin["configuration"] == {"stacks/Pulumi.local.yaml": f"sha256:{wanted}"}
    assert origin["outputs"] == report.digest(outputs())


def test_what_is_no_stack_is_refused() -> None:
    bodies: tuple[object, ...] = ([], {}, {"platform": 1})
    for body in bodies:
        with pytest.raises(ReportError, match="stack local"):
            stack.of(body, name="local")


def reviewed(tmp_path: Path, **more: Any) -> Path:  # noqa: ANN401 - any of a review's parts
    """A report beside a review that really wrote its numbers."""
    path = tmp_path / "out/review/local/report.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(review_document(a_review(**more)), default=str), encoding="utf-8")
    return made(tmp_path)


def test_the_newest_review_of_the_stack_tells_costs_and_findings_by_itself(tmp_path: Path) -> None:
    folder = reviewed(tmp_path)
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Outline(text)
    assert page.wrong == page.open == []
    assert "cost" in {attributes["id"] for attributes in page.all("section")}
    for told in ("Estimated by the review of def", "l40s.large", "api-endpoint-open", "DaemonSet/kube-system/cni"):
        assert told in text
        assert told in (folder / "report.md").read_text(encoding="utf-8")
    assert (folder / "evidence/review.json").is_file()
    assert "evidence/review.json" in (folder / evidence.MANIFEST).read_text(encoding="utf-8")


def test_a_price_that_nobody_knows_is_said_to_be_unknown(tmp_path: Path) -> None:
    head = a_review().head
    assert head is not None
    unknown = replace(head, cost=replace(head.cost, pools=(*head.cost.pools, review_row("odd", None, 3))))
    text = (reviewed(tmp_path, head=unknown) / "report.md").read_text(encoding="utf-8")
    assert "price unknown: odd" in text


def test_without_a_review_there_is_nothing_about_it(tmp_path: Path) -> None:
    folder = made(tmp_path)
    assert "by the review of" not in (folder / "report.html").read_text(encoding="utf-8")
    assert not (folder / "evidence/review.json").exists()


def test_a_review_that_is_none_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "out/review/local/report.json"
    path.parent.mkdir(parents=True)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(ReportError, match=r"out/review/local/report.json: no review"):
        made(tmp_path)
