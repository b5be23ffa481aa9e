"""The parts of a check that read something: what the engine heard, where flows go, what the base is, what CI may do."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.guardrails.rule import Level, Resource, Severity
from review import findings, reach, trees
from review.doors import doors
from review.markdown import marker
from review.trees import TreeError

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
Json = dict[str, Any]
SECRET = "Zx9-unmistakable-71"


def heard(name: str, body: str, urn: str = "u", level: str = "mandatory") -> Json:
    rule = findings.rule(name)
    assert rule is not None
    said = {"resourceUrn": urn, "message": f"{rule.refuses}\n{body}\n", "policyName": name, "enforcementLevel": level,
            "severity": rule.severity.value}  # fmt: skip
    return {"policyEvent": said}


def test_what_the_engine_heard_comes_apart_into_what_why_and_how() -> None:
    rule = findings.rule("api-endpoint-open")
    assert rule is not None
    event = heard(rule.name, f"vpcConfig.publicAccessCidrs: open to all. {rule.why} Fix: {rule.fix}")
    (found,), doubts = findings.from_events([event, event, {"summaryEvent": {}}], {"u": "the cluster"})
    assert (found.path, found.what, found.why, found.fix) == (
        "vpcConfig.publicAccessCidrs", "open to all", rule.why, rule.fix,
    )  # fmt: skip
    assert (found.address, found.source, found.stops, doubts) == ("the cluster", rule.source, True, [])


def test_what_could_not_be_judged_is_no_finding() -> None:
    said = "could-not-judge"
    event = heard(said, "policy: iam-wildcard could not judge: policy is unknown", level="advisory")
    found, (doubt,) = findings.from_events([event], {"u": "role x"})
    assert found == []
    assert (doubt.rule, doubt.address, doubt.path) == ("iam-wildcard", "role x", "policy")


def test_the_worst_finding_comes_first() -> None:
    events = [
        heard("probe-missing", "x: y", level="advisory"),
        heard("host-path", "x: y"),
        heard("api-endpoint-open", "x: y"),
    ]
    found, _ = findings.from_events(events, {})
    assert [one.rule for one in found] == ["api-endpoint-open", "host-path", "probe-missing"]


def test_a_rule_that_this_tree_does_not_know_is_told_all_the_same() -> None:
    said = {"policyName": "new", "message": "New.\nthe text\n", "enforcementLevel": "mandatory", "resourceUrn": "u"}
    (found,), _ = findings.from_events([{"policyEvent": said}], {})
    assert (found.rule, found.what, found.severity, found.level) == (
        "new",
        "the text",
        Severity.MEDIUM,
        Level.MANDATORY,
    )


def test_a_secret_in_clear_in_a_stack_file_is_found_and_not_told() -> None:
    (found,) = findings.of_stack_file("Pulumi.x.yaml", {"p:adminPassword": SECRET}, dt.date(2026, 1, 1))
    assert found.rule == "secret-in-stack-file"
    assert found.stops
    assert SECRET not in str(found)


def test_exemptions_in_force_are_listed_and_expired_ones_are_not() -> None:
    rows = [
        {"rule": "host-path", "resource": f"DaemonSet/a/{day}", "reason": "r", "expires": day}
        for day in ("2026-01-01", "2027-01-01")
    ]
    found = findings.exempted({"p:policies": {"exemptions": rows}}, dt.date(2026, 6, 1))
    assert [(one.rule, one.expires) for one in found] == [("host-path", "2027-01-01")]


def policy(name: str, **spec: Any) -> Json:  # noqa: ANN401 - any value
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": {"podSelector": {}, **spec},
    }


DENY = policy("default-deny", policyTypes=["Ingress", "Egress"])
NAMES = policy(
    "allow-dns",
    policyTypes=["Egress"],
    egress=[{
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }],
)  # fmt: skip
SAME = policy(
    "allow-same-namespace",
    policyTypes=["Ingress", "Egress"],
    ingress=[{"from": [{"podSelector": {}}]}],
    egress=[{"to": [{"podSelector": {}}]}],
)


def looked_at(*objects: Json, egress: list[Json] | None = None) -> Json:
    tenants = {"team-a": {"owner": "ada", **({"egress": egress} if egress else {})}}
    question: Json = {"objects": objects, "components": [], "platform": {"tenants": tenants}, "inside": []}
    return reach.looked_at(json.loads(json.dumps(question)))


def test_a_closed_tenant_is_as_the_table_says() -> None:
    found = looked_at(DENY, NAMES, SAME)
    assert (found["findings"], found["policies"], found["remade"]) == ([], 3, 0)
    assert ("tenant/pods", "tenant/pods", "every port") in found["edges"]


def test_a_policy_that_opens_more_than_declared_is_found() -> None:
    wide = policy("oops", policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}])
    found = looked_at(DENY, NAMES, SAME, wide)["findings"]
    assert any("extra: team-a/pods -> address 203.0.113.0" in one for one in found)


def test_a_declared_way_out_is_an_edge_of_its_own() -> None:
    opening = {"cidr": "203.0.113.0/24", "port": 443, "reason": "models"}
    allowed = policy("allow-declared", policyTypes=["Egress"], egress=[
        {"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"protocol": "TCP", "port": 443}]},
    ])  # fmt: skip
    found = looked_at(DENY, NAMES, SAME, allowed, egress=[opening])
    assert found["findings"] == []
    assert ("team-a/declared", "203.0.113.0/24", "TCP 443") in found["edges"]


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        ("aws:eks/cluster:Cluster", {"vpcConfig": {"publicAccessCidrs": ["10.0.0.0/8"]}}, ("10.0.0.0/8", "API server")),
        ("aws:eks/cluster:Cluster", {"vpcConfig": {}}, ("0.0.0.0/0", "API server")),
        ("azure-native:containerservice:ManagedCluster",
         {"apiServerAccessProfile": {"authorizedIPRanges": ["10.0.0.0/8"]}}, ("10.0.0.0/8", "API server")),
        ("gcp:container/cluster:Cluster",
         {"masterAuthorizedNetworksConfig": {"cidrBlocks": [{"cidrBlock": "10.0.0.0/8"}]}},
         ("10.0.0.0/8", "API server")),
        ("alicloud:ecs/securityGroupRule:SecurityGroupRule", {"type": "ingress", "cidrIp": "10.0.0.0/8"},
         ("10.0.0.0/8", "security group x")),
        ("gcp:compute/firewall:Firewall", {"direction": "INGRESS", "sourceRanges": ["10.0.0.0/8"]},
         ("10.0.0.0/8", "firewall x")),
        ("kubernetes:core/v1:Service", {"metadata": {"name": "x"}, "spec": {"type": "LoadBalancer"}},
         ("0.0.0.0/0", "Service/x")),
    ],
)  # fmt: skip
def test_the_doors_of_every_cloud_are_seen(kind: str, inputs: Json, expected: tuple[str, str]) -> None:
    assert doors([Resource(type=kind, name="x", urn="u", inputs=inputs)]) == [expected]


@pytest.mark.parametrize(
    "inputs", [{"vpcConfig": {"endpointPublicAccess": False}}, {"vpcConfig": {"endpointPublicAccess": False, "x": 1}}]
)
def test_a_private_endpoint_is_no_door(inputs: Json) -> None:
    assert doors([Resource(type="aws:eks/cluster:Cluster", name="x", urn="u", inputs=inputs)]) == []


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    ran = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A branch that left `main`, which went on since."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for number, name in enumerate(("start", "theirs")):
        (folder / "file").write_text(name, encoding="utf-8")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", name)
        if number == 0:
            git(folder, "branch", "feature")
    git(folder, "checkout", "-q", "feature")
    (folder / "file").write_text("ours", encoding="utf-8")
    git(folder, "commit", "-qam", "ours")
    return folder


def test_the_base_is_where_the_branch_began_and_nothing_of_the_user_changes(repository: Path, tmp_path: Path) -> None:
    (repository / ".tools").mkdir()
    (repository / "file").write_text("not committed", encoding="utf-8")
    with trees.base(repository, "main", tmp_path / "base") as tree:
        assert (tree.root / "file").read_text(encoding="utf-8") == "start"
        assert (tree.root / ".tools").resolve() == repository / ".tools"
        assert trees.head(repository).changed
    assert not (tmp_path / "base").exists()
    assert git(repository, "worktree", "list").count("\n") == 0
    assert (repository / "file").read_text(encoding="utf-8") == "not committed"
    assert git(repository, "branch", "--show-current") == "feature"


def test_a_base_that_does_not_exist_is_told_with_what_to_do(repository: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(TreeError, match="no such branch, tag or commit here"),
        trees.base(repository, "--upload-pack=x", tmp_path / "base"),
    ):
        pass


def test_changed_rules_are_seen(repository: Path) -> None:
    assert trees.differs(repository, "main", "file")
    assert not trees.differs(repository, "main", "policies")


@pytest.mark.parametrize("name", ["pr-check", "pr-comment"])
def test_every_action_is_pinned_by_its_commit(name: str) -> None:
    text = (WORKFLOWS / f"{name}.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one)] == []


def test_code_of_a_pull_request_runs_without_secrets_and_with_a_token_that_reads() -> None:
    document: Json = yaml.safe_load((WORKFLOWS / "pr-check.yml").read_text(encoding="utf-8"))
    text = json.dumps(document)
    assert document["permissions"] == {}
    assert document["jobs"]["check"]["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in text
    assert "secrets." not in text
    assert '"persist-credentials": false' in text


def test_the_token_that_writes_never_meets_code_of_a_pull_request() -> None:
    text = (WORKFLOWS / "pr-comment.yml").read_text(encoding="utf-8")
    assert "actions/checkout" not in text
    assert marker("${stack}") in text
    assert [line for line in text.splitlines() if "run:" in line and "${{" in line] == []


def test_every_stack_file_is_checked() -> None:
    document: Json = yaml.safe_load((WORKFLOWS / "pr-check.yml").read_text(encoding="utf-8"))
    stacks = {file.name.split(".")[1] for file in (ROOT / "stacks").glob("Pulumi.*.yaml")}
    assert set(document["jobs"]["check"]["strategy"]["matrix"]["stack"]) == stacks
