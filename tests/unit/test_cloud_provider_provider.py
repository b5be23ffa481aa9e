"""The stand-in's service, asked directly: what it refuses, what replaces, what it invents, and what fails on demand."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2 as rpc

from rehearsal.cloud_provider.checks import Failure
from rehearsal.cloud_provider.faults import Faults
from rehearsal.cloud_provider.metadata import MetadataError, Sdk
from rehearsal.cloud_provider.package import Package
from rehearsal.cloud_provider.provider import Provider
from rehearsal.cloud_provider.wire import SECRET, SIGNATURE, UNKNOWN, decode, encode, secret

POOL = "aws:eks/nodeGroup:NodeGroup"
CLUSTER = "aws:eks/cluster:Cluster"
URN = "urn:pulumi:dev::p::{}::one"


class RefusedError(Exception):
    """A call ended with a status."""


class Context:
    """What a call gets from gRPC."""

    def abort(self, code: grpc.StatusCode, text: str) -> None:
        raise RefusedError(f"{code.name}: {text}")

    def set_trailing_metadata(self, _: object) -> None:
        """Take it."""


@pytest.fixture(scope="module")
def aws() -> Package:
    return Package("aws")


@pytest.fixture
def provider() -> Provider:
    return Provider("aws", "")


def create(provider: Provider, token: str, inputs: Mapping[str, Any], *, preview: bool = False) -> tuple[str, Any]:
    request = rpc.CreateRequest(urn=URN.format(token), properties=encode(inputs), preview=preview)
    answer = provider.Create(request, Context())
    return answer.id, decode(answer.properties)


def replaces(provider: Provider, token: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> rpc.DiffResponse:
    request = rpc.DiffRequest(urn=URN.format(token), old_inputs=encode(old), news=encode(new))
    return provider.Diff(request, Context())


def paths(failures: list[Failure]) -> list[str]:
    return [failure.path for failure in failures]


def test_every_mistake_is_told_at_once_with_its_path_and_what_was_meant(aws: Package) -> None:
    failures = aws.check(
        POOL,
        {
            "clusterName": "c",
            "nodeRoleArn": 7,
            "subnetIds": "subnet-1",
            "instanceTypes": ["p5.50xlarge", "m7i.large"],
            "scalingConfig": {"maxSize": "many", "minSize": 0, "desiredSise": 1},
            "taints": [{"key": "a", "effect": "NoSchedule"}],
        },
    )
    assert set(paths(failures)) == {
        "nodeRoleArn",
        "subnetIds",
        "instanceTypes[0]",
        "scalingConfig.maxSize",
        "scalingConfig.desiredSise",
        "scalingConfig.desiredSize",
        "taints[0].effect",
    }
    assert any("did you mean 'desiredSize'" in failure.reason for failure in failures)


def test_secrets_and_values_of_the_future_are_checked_and_never_shown(aws: Package) -> None:
    assert aws.check("aws:ec2/vpc:Vpc", {"cidrBlock": UNKNOWN, "tags": UNKNOWN}) == []
    (failure,) = aws.check("aws:ec2/vpc:Vpc", {"cidrBlock": secret({"hidden": "hunter2"})})
    assert failure.path == "cidrBlock"
    assert "hunter2" not in failure.reason


@pytest.mark.parametrize(
    ("machine", "right"),
    [("p5.48xlarge", True), ("p9.48xlarge", False), ("m7i.xlarge", True), ("m7i.xlrge", False), ("g5.large", False)],
)
def test_gpu_machines_are_known_by_name_and_others_by_their_form(aws: Package, machine: str, *, right: bool) -> None:
    failures = aws.rules.failures(POOL, {"instanceTypes": [machine]})
    assert ("instanceTypes[0]" in paths(list(failures))) is not right


def test_an_enum_of_the_sdk_may_lack_a_value_that_the_cloud_knows() -> None:
    azure = Package("azure-native")
    token = "azure-native:containerservice:AgentPool"
    inputs = {"resourceGroupName": "g", "resourceName": "c", "vmSize": "Standard_D8ds_v5", "count": 1}
    assert azure.check(token, inputs | {"osSKU": "Ubuntu2404"}) == []
    assert paths(azure.check(token, inputs | {"osSKU": "Ubuntu2405"})) == ["osSKU"]
    assert paths(azure.check(token, inputs | {"enableAutoScaling": True, "maxCount": 3})) == ["minCount"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"labels": {"a": "b"}}, {"labels": {"a": "c"}}, []),
        ({"amiType": "AL2023_x86_64_NVIDIA"}, {"amiType": "AL2023_x86_64_STANDARD"}, ["amiType"]),
        ({"launchTemplate": {"id": "a", "version": "1"}}, {"launchTemplate": {"id": "a", "version": "2"}}, []),
        (
            {"launchTemplate": {"id": "a", "version": "1"}},
            {"launchTemplate": {"id": "b", "version": "1"}},
            ["launchTemplate.id"],
        ),
        ({"instanceTypes": ["g6.xlarge"]}, {"instanceTypes": ["g5.xlarge"]}, ["instanceTypes[0]"]),
    ],
)
def test_only_what_the_cloud_cannot_change_replaces(
    provider: Provider, old: dict[str, Any], new: dict[str, Any], expected: list[str]
) -> None:
    found = replaces(provider, POOL, old, new)
    assert found.changes == rpc.DiffResponse.DIFF_SOME
    assert list(found.replaces) == expected


def test_a_chosen_name_is_free_before_it_is_used_again(provider: Provider) -> None:
    def first(name: str, **more: Any) -> bool:  # noqa: ANN401
        return replaces(
            provider, CLUSTER, {"name": name, "roleArn": "a", **more}, {"name": name, "roleArn": "b", **more}
        ).deleteBeforeReplace

    assert first("mine")
    assert not first("mine-1a2b3c4", __defaults=["name"])


def test_what_is_invented_is_the_same_every_time(provider: Provider) -> None:
    one = create(provider, CLUSTER, {"name": "c", "roleArn": "r"})
    assert create(provider, CLUSTER, {"name": "c", "roleArn": "r"}) == one
    assert create(provider, CLUSTER, {"name": "d", "roleArn": "r"}) != one


def test_a_preview_knows_inputs_and_nothing_else(provider: Provider) -> None:
    identity, outputs = create(provider, CLUSTER, {"name": "c", "vpcConfig": {"subnetIds": ["s"]}}, preview=True)
    assert identity == ""
    assert outputs["name"] == "c"
    assert outputs["vpcConfig"] == {"subnetIds": ["s"], "clusterSecurityGroupId": UNKNOWN, "vpcId": UNKNOWN}
    assert outputs["endpoint"] == outputs["arn"] == UNKNOWN


def test_an_update_keeps_what_the_cloud_added(provider: Provider) -> None:
    before = {"name": "c", "vpcConfig": {"subnetIds": ["s"]}, "version": "1.34"}
    _, olds = create(provider, CLUSTER, before)
    news = before | {"vpcConfig": {"subnetIds": ["s"], "endpointPublicAccess": True}, "version": "1.35"}
    request = rpc.UpdateRequest(
        urn=URN.format(CLUSTER), id="c", olds=encode(olds), old_inputs=encode(before), news=encode(news)
    )
    updated = decode(provider.Update(request, Context()).properties)
    assert updated["version"] == "1.35"
    assert updated["vpcConfig"]["endpointPublicAccess"] is True
    assert updated["vpcConfig"]["clusterSecurityGroupId"] == olds["vpcConfig"]["clusterSecurityGroupId"]
    assert updated["arn"] == olds["arn"]


@pytest.mark.parametrize("preview", [True, False])
def test_the_version_of_a_control_plane_follows_the_minor_version_that_is_asked_for(*, preview: bool) -> None:
    gcp = Provider("gcp", "")
    token, before = (
        "gcp:container/cluster:Cluster",
        {"name": "c", "location": "us-central1", "minMasterVersion": "1.35"},
    )
    _, olds = create(gcp, token, before)
    assert olds["masterVersion"].startswith("1.35.")

    def updated(news: Mapping[str, Any]) -> dict[str, Any]:
        request = rpc.UpdateRequest(
            urn=URN.format(token), olds=encode(olds), old_inputs=encode(before), news=encode(news), preview=preview
        )
        return decode(gcp.Update(request, Context()).properties)

    assert updated(before | {"deletionProtection": True})["masterVersion"] == olds["masterVersion"]
    later = updated(before | {"minMasterVersion": "1.36"})["masterVersion"]
    assert later == UNKNOWN if preview else later.startswith("1.36.")


def test_secret_inputs_stay_secret_and_get_into_no_identifier(provider: Provider) -> None:
    identity, outputs = create(provider, "aws:iam/role:Role", {"name": secret("hunter2"), "assumeRolePolicy": "{}"})
    assert outputs["name"] == {SIGNATURE: SECRET, "value": "hunter2"}
    assert "hunter2" not in identity + outputs["arn"]


def test_the_journal_holds_names_and_no_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEFLOW_PROOF_REHEARSAL_JOURNAL", str(tmp_path / "journal"))
    create(Provider("aws", ""), CLUSTER, {"name": "hunter2"})
    (line,) = (tmp_path / "journal").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["method"] == "Create"
    assert "hunter2" not in line


def test_the_environment_names_the_api_server_of_the_cluster(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca").write_text("the authority", encoding="utf-8")
    monkeypatch.setenv("KUBEFLOW_PROOF_REHEARSAL_ENDPOINT", "127.0.0.1:7777")
    monkeypatch.setenv("KUBEFLOW_PROOF_REHEARSAL_CA", str(tmp_path / "ca"))
    _, outputs = create(provider, CLUSTER, {"name": "c"})
    assert outputs["endpoint"] == "https://127.0.0.1:7777"
    assert base64.b64decode(outputs["certificateAuthority"]["data"]) == b"the authority"


@pytest.mark.parametrize(
    ("text", "calls", "failing"),
    [
        ("aws:ec2/vpc:Vpc@2", ["aws:ec2/vpc:Vpc"] * 3, [2]),
        ("aws:ec2/vpc:Vpc@*=quota", ["aws:ec2/vpc:Vpc"] * 2, [1, 2]),
        ("*@3=throttle", ["aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/vpc:Vpc"], [3]),
        ("aws:ec2/vpc:Vpc/delete@1", ["aws:ec2/vpc:Vpc"], []),
        ("*@1,*@2=denied", ["a", "b", "c"], [1, 2]),
    ],
)
def test_the_nth_call_fails_on_demand(text: str, calls: list[str], failing: list[int]) -> None:
    faults = Faults(text)
    assert [index for index, token in enumerate(calls, 1) if faults.due(token, "create")] == failing


def test_a_slow_call_waits_and_then_succeeds(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEFLOW_PROOF_REHEARSAL_FAULTS", f"{CLUSTER}@1=slow:0.2")
    slow = Provider("aws", "")
    inputs = {"name": "c", "vpcConfig": {"subnetIds": ["s"]}}
    assert create(slow, CLUSTER, inputs) == create(provider, CLUSTER, inputs)


@pytest.mark.parametrize("text", ["aws:ec2/vpc:Vpc", "x@1=flood", "x@one", "@1", "x@1=quota:soon"])
def test_a_fault_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="KUBEFLOW_PROOF_REHEARSAL_FAULTS"):
        Faults(text)


def test_an_unknown_type_or_function_is_told_with_what_is_near(provider: Provider) -> None:
    with pytest.raises(RefusedError, match=r"NOT_FOUND: unknown resource type.*Cluster"):
        create(provider, "aws:eks/cluster:Clustr", {})
    with pytest.raises(MetadataError, match="no Python SDK is installed"):
        Sdk("nimbus")


def test_many_threads_may_ask_at_once() -> None:
    sdk = Sdk("aws")
    tokens = [token for token in sdk.tokens if token.startswith(("aws:ec2/", "aws:iam/"))][:60]
    start = threading.Barrier(8)

    def read(_: int) -> int:
        start.wait()
        return sum(len(sdk.resource(token).takes.props) for token in tokens)

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(read, range(8)))
    assert len(set(counts)) == 1
    assert counts[0] > 300
