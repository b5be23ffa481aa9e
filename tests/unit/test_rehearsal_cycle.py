"""How a rehearsal judges: planned operations, failures that are spread over the plan, and what is left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal import leftovers, report
from rehearsal.changes import (
    CHANGES,
    EVERY,
    EXTRA,
    LATE_TENANT,
    TENANT,
    Config,
    Expected,
    edited,
    like,
    problems,
    reached_at,
    starting,
    with_late_tenant,
)
from rehearsal.cycle import stacks
from rehearsal.engine import progress
from rehearsal.faults import Fault, cloud_types, next_target, of_change, of_destruction
from stacks.load import settings_from

ROOT = Path(__file__).resolve().parents[2]
GROUP, CLUSTER = "aws:eks/nodeGroup:NodeGroup", "aws:eks/cluster:Cluster"


def committed(stack: str) -> Config:
    return yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]


def resource(kind: str, name: str, parent: str = "", **facts: object) -> dict[str, Any]:
    return {"type": kind, "urn": f"urn:pulumi:s::p::{kind}::{name}", "id": name, "parent": parent, **facts}


@pytest.mark.parametrize("stack", stacks())
def test_every_changed_configuration_is_one_that_the_product_accepts(stack: str) -> None:
    file = committed(stack)
    config = starting(file, [])
    for change in CHANGES:
        config = edited(config, change.edit)
    config = with_late_tenant(config)
    settings = settings_from({name: config[f"kubeflow-proof:{name}"] for name in ("cluster", "platform")})
    assert EXTRA in settings.cluster.pools
    assert {TENANT, LATE_TENANT} <= settings.platform.tenants.keys()
    assert settings.cluster.version != file["kubeflow-proof:cluster"]["version"]
    assert EXTRA not in file["kubeflow-proof:cluster"]["pools"], "what was read stays as it is"


@pytest.mark.parametrize("stack", stacks())
def test_no_stack_names_an_address_of_an_api_server_outside_this_machine(stack: str) -> None:
    options = reached_at(committed(stack), "127.0.0.1:7777")["kubeflow-proof:cluster"]["options"]
    assert options.get("kubeadm", {"apiEndpoint": "127.0.0.1:7777"})["apiEndpoint"] == "127.0.0.1:7777"


def test_operations_that_nobody_expected_are_told() -> None:
    expected = Expected(creates={GROUP: 2}, updates={CLUSTER: EVERY})
    fine = {("create", GROUP): 2, ("update", CLUSTER): 3}
    assert problems(expected, fine, {CLUSTER: 3}) == []
    assert problems(expected, {**fine, ("create", GROUP): 3}, {CLUSTER: 3}) == [
        f"create of {GROUP}: found 3, expected 2"
    ]
    assert problems(expected, {("create", GROUP): 2}, {CLUSTER: 3}) == [f"update of {CLUSTER}: found 0, expected 3"]
    assert problems(expected, {**fine, ("update", "aws:iam/role:Role"): 1}, {CLUSTER: 3})


@pytest.mark.parametrize("operation", ["replace", "create-replacement", "delete-replaced", "delete"])
def test_nothing_is_replaced_or_deleted_unless_that_is_the_documented_way(operation: str) -> None:
    found = {("create", GROUP): 1, (operation, CLUSTER): 1}
    assert any(operation in text for text in problems(Expected(creates={GROUP: 1}), found, {}))
    assert any(operation in text for text in problems(None, found, {}))
    replaced = dict.fromkeys([(one, GROUP) for one in ("replace", "create-replacement", "delete-replaced")], 7)
    assert problems(Expected(replaces={GROUP: EVERY}), replaced, {GROUP: 7}) == []
    assert problems(Expected(replaces={GROUP: EVERY}), replaced, {GROUP: 8})


def test_without_a_table_a_change_has_to_change_something() -> None:
    assert problems(None, {("update", GROUP): 1}, {}) == []
    assert problems(None, {}, {}) == ["nothing changed"]


def test_a_new_tenant_is_compared_with_all_that_another_one_has() -> None:
    tenant = resource("proof:kubeflow:Tenant", "team-a")
    role = resource("proof:kubeflow:Role", "inner", tenant["urn"])
    found = [
        tenant,
        role,
        resource("kubernetes:core/v1:Namespace", "team-a", tenant["urn"]),
        resource("aws:iam/role:Role", "r", role["urn"]),
        resource("kubernetes:core/v1:Namespace", "team-b", "urn:other"),
    ]
    assert like(found, "team-a") == {"kubernetes:core/v1:Namespace": 1, "aws:iam/role:Role": 1}


def test_failures_hit_different_types_spread_over_the_plan() -> None:
    plan = [("create", f"aws:x/t{number}:T{number}") for number in range(30)]
    remaining, tried = cloud_types(plan, "create"), list[str]()
    for left in range(6, 0, -1):
        token = next_target(remaining, tried, left)
        assert token is not None
        tried.append(token)
        remaining = remaining[remaining.index(token) :]
    places = [int(token.rpartition("T")[2]) for token in tried]
    assert len(set(tried)) == 6
    assert places == sorted(places)
    assert places[-1] - places[0] >= 10


def test_only_resources_of_a_cloud_fail_by_the_cloud() -> None:
    steps = [("create", "random:index/x:X"), ("create", "kubernetes:core/v1:Namespace"), ("same", GROUP)]
    assert cloud_types(steps, "create") == []
    assert of_change(steps, "quota") is None
    assert next_target([], [], 3) is None
    fault = of_change([*steps, ("update", GROUP)], "quota")
    assert fault is not None
    assert fault == Fault(token=GROUP, action="update", kind="quota")
    assert fault.rule == f"{GROUP}/update@1=quota"


def test_a_destruction_fails_early_and_late() -> None:
    kinds = ["proof:x:Y", "aws:a:A", "aws:b:B", "aws:b:B", "aws:c:C", "kubernetes:core/v1:Namespace"]
    first, second = of_destruction(kinds)
    assert (first.token, second.token) == ("aws:c:C", "aws:b:B")
    assert {first.action, second.action} == {"delete"}


def note(method: str, urn: str, **facts: object) -> Mapping[str, object]:
    return {"method": method, "subject": urn, **facts}


def test_what_was_created_and_not_deleted_is_left_over_in_the_cloud() -> None:
    journal = [
        note("Create", "gone", preview=True, id="g"),
        note("Create", "gone", preview=False, id="g"),
        note("Create", "left", preview=False, id="l"),
        note("Create", "forgotten", preview=False, id="same"),
        note("Create", "forgotten", preview=False, id="same"),
        note("Delete", "forgotten", id="same"),
        note("Fault", "never", kind="quota"),
        note("Delete", "gone", id="g"),
    ]
    assert leftovers.in_cloud(journal) == {"left": 1, "forgotten": 1}


def test_what_the_engine_works_on_is_known_from_its_event_log() -> None:
    def event(name: str, urn: str, kind: str = "aws:ec2/vpc:Vpc", operation: str = "create") -> dict[str, Any]:
        return {name: {"metadata": {"urn": urn, "type": kind, "op": operation}}}

    events = [
        event("resourcePreEvent", "made"),
        event("resourcePreEvent", "component", "proof:infra:EksCluster"),
        event("resourcePreEvent", "there", operation="same"),
        event("resourcePreEvent", "failed"),
        event("resourcePreEvent", "slow"),
        {"diagnosticEvent": {"message": "hello"}},
        event("resOutputsEvent", "made"),
        event("resOpFailedEvent", "failed"),
    ]
    assert progress(events) == ({"made", "failed", "slow"}, {"slow"})


def test_a_second_deletion_of_what_is_gone_does_not_hide_what_took_its_place() -> None:
    journal = [
        note("Create", "rule", preview=False, id="old"),
        note("Delete", "rule", id="old"),
        note("Create", "rule", preview=False, id="new"),
        note("Delete", "rule", id="old"),
    ]
    assert leftovers.in_cloud(journal) == {"rule": 1}
    assert leftovers.in_cloud([*journal, note("Delete", "rule", id="new")]) == {}


def test_only_what_goes_with_the_cluster_or_with_a_namespace_may_stay_on_the_api_server() -> None:
    went = [
        resource("kubernetes:storage.k8s.io/v1:StorageClass", "gp3", deletedWith="urn:cluster"),
        resource("kubernetes:core/v1:ConfigMap", "kube-system/order", deletedWith="urn:cluster"),
        resource("kubernetes:storage.k8s.io/v1:StorageClass", "efs"),
    ]
    after = [
        "/apis/storage.k8s.io/v1/storageclasses: gp3",
        "/apis/storage.k8s.io/v1/storageclasses: efs",
        "/api/v1/configmaps: kube-system/order",
        "/api/v1/configmaps: default/kube-root-ca.crt",
        "/api/v1/serviceaccounts: default/default",
        "/api/v1/namespaces: default",
    ]
    excused = leftovers.gone_with(went)
    left = leftovers.on_server(["/api/v1/namespaces: default"], after, excused)
    assert left == ["/apis/storage.k8s.io/v1/storageclasses: efs"]


def test_what_is_retained_on_purpose_is_known_from_the_state() -> None:
    kept = resource("aws:kms/key:Key", "k", retainOnDelete=True)
    assert leftovers.kept([kept, resource("aws:s3/bucket:Bucket", "b")]) == {kept["urn"]}


def test_the_report_is_a_file_of_its_own_and_a_row_of_the_table(tmp_path: Path) -> None:
    result = {"stack": "eks", "resources": 199, "leftovers": 0, "problems": ["x"]}
    file = report.write(tmp_path / "new folder", result)
    assert json.loads(file.read_text(encoding="utf-8")) == result
    assert [one.name for one in file.parent.iterdir()] == ["eks.json"]
    head, row = report.table([result]).splitlines()
    assert head.startswith("stack  resources")
    assert row.split()[:3] == ["eks", "199", "-"]
    assert row.endswith("1 not as expected")


def test_what_is_not_as_expected_is_collected(capsys: pytest.CaptureFixture[str]) -> None:
    tell = report.Teller("eks")
    assert tell.expect(holds=True, otherwise="never said")
    assert not tell.expect(holds=False, otherwise="a replacement")
    assert tell.problems == ["a replacement"]
    assert "NOT AS EXPECTED: a replacement" in capsys.readouterr().out
