"""The check as a reviewer runs it: a branch adds a GPU pool and opens a network. The real engine, no cloud."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.support.engine import ROOT, tools

pytestmark = pytest.mark.engine

Json = dict[str, Any]
PARTS = ("infra", "kubeflow", "policies", "rehearsal", "review", "stacks", "tools", "workloads")
SECRET, CIPHER = "Zx9-unmistakable-71", "v1:Zx9unmistakablecipher:71"
CLUSTER = "kubeflow-proof:cluster"
POOL = {"role": "gpu", "machine": "g6e.xlarge", "min": 1, "max": 8,
        "gpu": {"product": "NVIDIA-L40S", "count": 1, "memoryMib": 46068}}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What the command left."""

    root: Path
    code: int
    said: str
    out: Path

    @property
    def comment(self) -> str:
        return (self.out / "comment.md").read_text(encoding="utf-8")

    @property
    def report(self) -> Json:
        return json.loads((self.out / "report.json").read_text(encoding="utf-8"))


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    ran = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout


def stack_file(root: Path) -> Path:
    return root / "stacks" / "Pulumi.eks.yaml"


def edited(root: Path, **changes: Any) -> None:  # noqa: ANN401 - values of the configuration
    """Change the stack file: `pool` is added, `access` replaces who may reach the API server, `config` is merged."""
    document: Json = yaml.safe_load(stack_file(root).read_text(encoding="utf-8"))
    cluster = document["config"][CLUSTER]
    cluster["pools"].update(changes.get("pool", {}))
    if "access" in changes:
        cluster["options"]["network"]["apiAccess"] = changes["access"]
    document["config"].update(changes.get("config", {}))
    stack_file(root).write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of its own with this project on `main`, and a branch that is checked out."""
    root = tmp_path_factory.mktemp("project")
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Pulumi.yaml", "__main__.py", ".gitignore"):
        shutil.copy2(ROOT / name, root / name)
    (root / ".venv").symlink_to(ROOT / ".venv")
    (root / ".tools").mkdir()
    (root / ".tools" / "bin").symlink_to(tools())
    git(root, "init", "-q", "-b", "main")
    edited(root)  # in the spelling that later edits have
    (root / ".git" / "info" / "exclude").write_text("/.venv\n", encoding="utf-8")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "main")
    git(root, "checkout", "-qb", "feature")
    return root


def checked(root: Path, out: Path) -> Checked:
    command = [sys.executable, "-m", "review", "--stack", "eks", "--base", "main", "--without-components"]
    ran = subprocess.run(
        [*command, "--out", str(out)], cwd=root, capture_output=True, text=True, check=False, timeout=280
    )
    assert (out / "comment.md").exists(), ran.stdout + ran.stderr
    return Checked(root=root, code=ran.returncode, said=ran.stdout + ran.stderr, out=out)


@pytest.fixture(scope="module")
def opened(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """The branch of the scenario, with a secret in clear and an encrypted one in its stack file."""
    config = {"aws:secretKey": SECRET, "kubeflow-proof:vcenter": {"secure": CIPHER}}
    edited(project, pool={"l40s": POOL}, access=["0.0.0.0/1", "128.0.0.0/1"], config=config)
    return checked(project, tmp_path_factory.mktemp("opened"))


def test_a_branch_that_adds_a_gpu_pool_and_opens_a_network_is_refused_and_says_both(opened: Checked) -> None:
    assert opened.code == 1
    text = opened.comment
    assert "⛔ **Refused.**" in text
    assert "**api-endpoint-open** (critical, new in this pull request)" in text
    assert "🚪 **opened:** `0.0.0.0/1` → API server" in text
    assert "| `cluster.pools.l40s.machine` | `(none)` | `g6e.xlarge` |" in text
    assert "| create | `aws:eks/nodeGroup:NodeGroup::l40s` |" in text
    assert "vpcConfig.publicAccessCidrs[0]`: `198.51.100.0/24` → `0.0.0.0/1`" in text


def test_nothing_else_changes_and_nothing_is_replaced(opened: Checked) -> None:
    assert opened.report["operations"] == {"update": 1, "create": 3}


def test_the_cost_of_the_pool_is_counted_at_its_bounds(opened: Checked) -> None:
    """g6e.xlarge: 1.861 an hour, see review/prices.json."""
    before, after = (opened.report[side]["cost"]["hourly"] for side in ("base", "head"))
    assert after["least"] - before["least"] == pytest.approx(1.861)
    assert after["most"] - before["most"] == pytest.approx(8 * 1.861)


def test_no_secret_is_in_any_of_the_reports(opened: Checked) -> None:
    assert "secret-in-stack-file" in opened.comment
    assert sorted(file.name for file in opened.out.iterdir()) == [
        "comment.md", "junit.xml", "report.json", "results.sarif",
    ]  # fmt: skip
    for text in (opened.said, *(file.read_text(encoding="utf-8") for file in opened.out.iterdir())):
        assert SECRET not in text
        assert CIPHER not in text


def test_the_findings_point_into_the_stack_file(opened: Checked) -> None:
    document: Json = json.loads((opened.out / "results.sarif").read_text(encoding="utf-8"))
    (found,) = [one for one in document["runs"][0]["results"] if one["ruleId"] == "api-endpoint-open"]
    place = found["locations"][0]["physicalLocation"]
    lines: list[str] = stack_file(opened.root).read_text(encoding="utf-8").splitlines()
    line = lines[int(place["region"]["startLine"]) - 1]
    assert (place["artifactLocation"]["uri"], line.strip()) == ("stacks/Pulumi.eks.yaml", "apiAccess:")


def test_the_rules_and_the_flows_were_judged_on_both_sides(opened: Checked) -> None:
    report = opened.report
    assert report["head"]["judged"]
    assert report["base"]["judged"]
    assert report["topology"]["head"]["holds"]
    assert report["head"]["standIns"], "an official plugin would ask for credentials"
    suite = ET.parse(opened.out / "junit.xml").getroot()[0]  # noqa: S314 - our own text
    assert int(suite.get("failures", "")) == 2


def test_the_users_repository_is_as_it_was(opened: Checked) -> None:
    assert git(opened.root, "worktree", "list").count("\n") == 1
    assert git(opened.root, "branch", "--show-current").strip() == "feature"
    assert git(opened.root, "status", "--porcelain").split() == ["M", "stacks/Pulumi.eks.yaml"]


def test_a_branch_that_loosens_a_rule_to_pass_is_refused_by_the_bases_rules(project: Path, tmp_path: Path) -> None:
    """The last test here: it leaves the branch with other rules."""
    git(project, "checkout", "-q", "--", "stacks")
    edited(project, access=["0.0.0.0/1"])
    file = project / "policies" / "guardrails" / "__init__.py"
    text = file.read_text(encoding="utf-8")
    assert "    *cluster.RULES,\n" in text
    file.write_text(
        text.replace("*cluster.RULES,", '*(one for one in cluster.RULES if one.name != "api-endpoint-open"),'),
        encoding="utf-8",
    )
    found = checked(project, tmp_path / "out")
    assert found.code == 1
    assert found.report["rulesChanged"]
    assert [one.partition(":")[0] for one in found.report["lifted"]] == ["api-endpoint-open"]
    assert "lifted by this change" in found.comment
