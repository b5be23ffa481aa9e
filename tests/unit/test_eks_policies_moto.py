"""The policies that the program writes for workloads, executed: moto evaluates them as IAM would, without any account.

It evaluates actions and resources. Conditions (here: which prefix may be listed) and keys are beyond it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3  # pyright: ignore[reportMissingTypeStubs]
import pytest
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

from infra.contract import Cluster, Environment, Grant, Store
from tests.support import clouds

ARTIFACTS, SCRATCH = "sample-artifacts-1a2b3c4", "sample-scratch-1a2b3c4"
SETUP_CALLS = 7


@cache
def policy() -> str:
    """What the program gives `team-a/trainer`: write below one prefix, read below another, nothing in scratch."""

    def bind(cluster: Cluster) -> None:
        grants = [
            Grant(store=Store.ARTIFACTS, prefix="team-a/", write=True),
            Grant(store=Store.ARTIFACTS, prefix="shared/models/"),
        ]
        cluster.identity.bind("team-a", "trainer", grants, clouds.below(cluster))

    return clouds.build(clouds.spec(Environment.EKS), bind).inputs("RolePolicy")["team-a.trainer"]["policy"]


def client(service: str, **credentials: str) -> Any:  # noqa: ANN401 - clients are made at run time
    given = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", **credentials}
    return boto3.client(service, region_name="eu-west-1", **given)  # pyright: ignore[reportUnknownMemberType, reportCallIssue, reportArgumentType, reportUnknownVariableType]


def as_workload() -> Any:  # noqa: ANN401 - clients are made at run time
    """An S3 client with the rights of the workload; makes exactly SETUP_CALLS calls."""
    admin, iam = client("s3"), client("iam")
    for bucket in (ARTIFACTS, SCRATCH):
        admin.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for key in ("shared/models/a", "team-b/secret"):
        admin.put_object(Bucket=ARTIFACTS, Key=key, Body=b"x")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="trainer", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]
    iam.put_role_policy(RoleName="trainer", PolicyName="grants", PolicyDocument=policy())
    found = client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    return client(
        "s3",
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
    )


@pytest.fixture
def workload() -> Iterator[Any]:
    policy()  # made before the clock of moto's calls starts
    with mock_aws():
        yield as_workload


def refused(call: Any, **arguments: Any) -> bool:  # noqa: ANN401 - methods of clients
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"] in ("AccessDenied", "403", "Forbidden")
    return False


@set_initial_no_auth_action_count(SETUP_CALLS)
def test_a_workload_writes_reads_and_deletes_below_its_own_prefix(workload: Any) -> None:  # noqa: ANN401
    s3 = workload()
    s3.put_object(Bucket=ARTIFACTS, Key="team-a/model", Body=b"weights")
    assert s3.get_object(Bucket=ARTIFACTS, Key="team-a/model")["Body"].read() == b"weights"
    s3.delete_object(Bucket=ARTIFACTS, Key="team-a/model")


@set_initial_no_auth_action_count(SETUP_CALLS)
def test_a_workload_reads_what_is_shared_and_cannot_change_it(workload: Any) -> None:  # noqa: ANN401
    s3 = workload()
    assert s3.get_object(Bucket=ARTIFACTS, Key="shared/models/a")["Body"].read() == b"x"
    assert refused(s3.put_object, Bucket=ARTIFACTS, Key="shared/models/a", Body=b"y")
    assert refused(s3.delete_object, Bucket=ARTIFACTS, Key="shared/models/a")


@set_initial_no_auth_action_count(SETUP_CALLS)
def test_a_workload_reaches_no_other_prefix(workload: Any) -> None:  # noqa: ANN401
    s3 = workload()
    assert refused(s3.get_object, Bucket=ARTIFACTS, Key="team-b/secret")
    assert refused(s3.put_object, Bucket=ARTIFACTS, Key="team-b/secret", Body=b"y")
    assert refused(s3.put_object, Bucket=ARTIFACTS, Key="team-a-b/model", Body=b"y"), "a prefix ends where it says"


@set_initial_no_auth_action_count(SETUP_CALLS)
def test_a_workload_reaches_no_other_bucket(workload: Any) -> None:  # noqa: ANN401
    s3 = workload()
    assert refused(s3.put_object, Bucket=SCRATCH, Key="team-a/model", Body=b"y")
    assert refused(s3.list_objects_v2, Bucket=SCRATCH)
    assert refused(s3.list_buckets)


@set_initial_no_auth_action_count(SETUP_CALLS)
def test_a_workload_cannot_change_the_bucket_itself(workload: Any) -> None:  # noqa: ANN401
    s3 = workload()
    assert refused(s3.delete_bucket, Bucket=ARTIFACTS)
    assert refused(s3.delete_bucket_policy, Bucket=ARTIFACTS)
    assert refused(s3.put_bucket_versioning, Bucket=ARTIFACTS, VersioningConfiguration={"Status": "Suspended"})
