"""The forms for other programs: JUnit, CTRF, the conformance checklist, and the manifest of the evidence."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.support import results
from workloads import report
from workloads.catalog import BY_ID
from workloads.outcome import Outcome, Result
from workloads.report import conformance, ctrf, evidence, junit, openmetrics
from workloads.report.model import Run


def run_of(record: report.Record) -> Run:
    return report.from_json(report.document(record), source="test")


def parsed(record: report.Record) -> ET.Element:
    return ET.fromstring(junit.report(run_of(record)))  # noqa: S314 - made here


def test_junit_counts_what_was_not_measured_as_no_success() -> None:
    root = parsed(results.record())
    ends = {
        case.attrib["name"]: [part.tag for part in case if part.tag != "system-out"] for case in root.iter("testcase")
    }
    assert ends["limits.defaults-are-applied"] == []
    assert ends["ingress.https-at-1000-rps"] == ["failure"]
    assert ends["training.gpu-utilisation"] == ["skipped"]
    assert ends["latency.in-cluster"] == ["error"]
    assert root.attrib["tests"] == "8"
    assert root.attrib["errors"] == "2"


def test_a_required_criterion_that_was_skipped_is_an_error_in_junit() -> None:
    root = parsed(results.record(results.skipped()))
    assert root.find(".//error") is not None
    assert root.find(".//skipped") is None


def test_junit_holds_texts_that_xml_cannot_hold() -> None:
    odd = replace(results.ingress(), reason="a \x00 zero and \x1b[31m red")
    assert parsed(results.record(odd)).find(".//failure") is not None


def test_ctrf_has_what_its_schema_asks_for() -> None:
    # ctrf-io/ctrf, schema/ctrf.schema.json at 08703dfd: required keys, and the shape of `suite`
    body = json.loads(ctrf.report(run_of(replace(results.record(), finished=None, pending=("drift.more",)))))
    assert body["reportFormat"] == "CTRF"
    found = body["results"]
    assert set(found["summary"]) >= {"tests", "passed", "failed", "pending", "skipped", "other", "start", "stop"}
    assert found["summary"]["tests"] == len(found["tests"]) == 9
    assert found["summary"]["pending"] == 1
    assert all({"name", "status", "duration"} <= set(test) for test in found["tests"])
    assert all(isinstance(test.get("suite", ["-"]), list) for test in found["tests"])
    assert all(isinstance(test["duration"], int) for test in found["tests"])
    by_name = {test["name"]: test["status"] for test in found["tests"]}
    assert by_name["latency.in-cluster"] == "other"
    assert by_name["ingress.https-at-1000-rps"] == "failed"


GPUS = "scheduling.gpu-nodes-are-for-gpu-pods"


def statuses(record: report.Record) -> dict[str, str]:
    body = yaml.safe_load(conformance.report(run_of(record)))
    return {row["id"]: row["status"] for rows in body["spec"].values() for row in rows}


def real(*found: Result) -> report.Record:
    record = results.record(*found)
    nodes = tuple(replace(node, simulated=False) for node in record.snapshot.nodes)
    return replace(record, standins=(), snapshot=replace(record.snapshot, nodes=nodes))


def test_conformance_says_nothing_about_what_was_not_measured() -> None:
    assert set(statuses(real(results.passed())).values()) == {""}


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.PASS, "Partially Implemented"), (Outcome.FAIL, "Not Implemented"), (Outcome.SKIP, "")],
)
def test_conformance_says_what_was_measured_on_real_nodes(outcome: Outcome, status: str) -> None:
    found = replace(results.passed(), id=GPUS, outcome=outcome)
    assert statuses(real(found))["secure_accelerator_access"] == status
    assert statuses(real(replace(found, backend="process")))["secure_accelerator_access"] == ""
    assert statuses(results.record(found))["secure_accelerator_access"] == ""


def test_conformance_names_every_requirement_of_the_checklist() -> None:
    # cncf/k8s-ai-conformance, v1.35/kops/PRODUCT.yaml at c470a9b0
    assert set(statuses(results.record())) == {
        "dra_support", "driver_runtime_management", "gpu_sharing", "virtualized_accelerator", "ai_inference",
        "gang_scheduling", "cluster_autoscaling", "pod_autoscaling", "accelerator_metrics", "ai_service_metrics",
        "secure_accelerator_access", "robust_controller",
    }  # fmt: skip


def test_conformance_speaks_of_criteria_that_there_are() -> None:
    assert conformance.named() <= set(BY_ID)


def written(tmp_path: Path) -> Path:
    record = results.record()
    return report.write(tmp_path, report.document(record), name="run", attachments=report.attachments(record.results))


def checked(folder: Path) -> int:
    command = ["sha256sum", "--check", "--strict", "--quiet", evidence.MANIFEST]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


def test_the_evidence_is_checked_offline_and_a_changed_file_is_found(tmp_path: Path) -> None:
    folder = written(tmp_path)
    assert checked(folder) == 0
    listed = {line.split("  ", 1)[1] for line in (folder / evidence.MANIFEST).read_text(encoding="utf-8").splitlines()}
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        *listed, evidence.MANIFEST,
    }  # fmt: skip
    (folder / "result.json").write_text("{}", encoding="utf-8")
    assert checked(folder) != 0


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_the_manifest_is_signed_with_the_key_that_is_given(tmp_path: Path) -> None:
    key, folder = tmp_path / "key", written(tmp_path)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    evidence.seal(folder, key=key)
    (tmp_path / "signers").write_text(f"us {key.with_suffix('.pub').read_text(encoding='utf-8')}", encoding="utf-8")
    verify = ["ssh-keygen", "-Y", "verify", "-q", "-f", str(tmp_path / "signers"), "-I", "us", "-n", evidence.NAMESPACE]
    verify += ["-s", str(folder / evidence.SIGNATURE)]
    manifest = (folder / evidence.MANIFEST).read_bytes()
    assert subprocess.run(verify, input=manifest, check=False, capture_output=True).returncode == 0
    assert subprocess.run(verify, input=manifest + b"x", check=False, capture_output=True).returncode != 0


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_a_key_that_signs_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key", encoding="utf-8")
    with pytest.raises(report.ReportError, match="cannot be signed"):
        evidence.seal(written(tmp_path), key=tmp_path / "key")


def test_a_run_becomes_series_for_dashboards() -> None:
    failed = replace(results.passed(), id="limits.defaults-are-applied", outcome=Outcome.FAIL)
    run = run_of(results.record(results.passed(), results.skipped(), failed))
    text = openmetrics.report(run)
    assert text.endswith("# EOF\n")
    found = {line.split("{")[0] for line in text.splitlines() if "{" in line}
    assert found == {
        "validation_criterion_status", "validation_criterion_measured", "validation_criterion_limit",
        "validation_run_timestamp_seconds",
    }  # fmt: skip
    values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith("validation_criterion_status{")]
    assert sorted(set(values)) == ["-1", "0", "1"]
    assert len(values) == len(run.criteria)
