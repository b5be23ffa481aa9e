"""Pre-flight of a cluster on AWS: what the account tells is faked only at its border; moto plays the account itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from moto import mock_aws

from infra.contract import Capacity, ClusterSpec, Environment, Pool
from infra.eks.network import blocks, plan
from infra.eks.options import EksOptions
from infra.preflight import Plan, checks_of, eks
from infra.preflight.aws import Aws, Caller
from infra.preflight.checks import CannotLookError, Live, NoCredentialsError, Outcome, Reservation
from infra.preflight.runner import run
from tests.support import clouds

TODAY = dt.date(2026, 11, 21)
ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")
ADMIN = "arn:aws:sts::111122223333:assumed-role/platform-admins/ada"


def nothing() -> Live:
    raise CannotLookError("no cluster is there")


class Account:
    """An account that can hold the sample cluster; a test takes away one thing."""

    def __init__(self) -> None:
        self.who = Caller("111122223333", ADMIN)
        self.zones = frozenset(ZONES)
        self.limits: dict[str, float] = {"L-417A185B": 1536, "L-DB2E81BA": 192, "L-3819A6DF": 192, "L-1216C47A": 512}
        self.taken = 0

    def caller(self) -> Caller:
        return self.who

    def zones_of(self, machines: Iterable[str]) -> Mapping[str, frozenset[str]]:
        return dict.fromkeys(machines, self.zones)

    def vcpus(self, machines: Iterable[str]) -> Mapping[str, int]:
        known = {"p5.48xlarge": 192, "g6.12xlarge": 48, "m7i.2xlarge": 8, "m7i.4xlarge": 16}
        return {name: known[name] for name in machines if name in known}

    def quota(self, service: str, code: str) -> float:
        assert service == "ec2"
        return {"L-0263D0A3": 5.0, **self.limits}[code]

    def addresses(self) -> int:
        return self.taken

    def versions(self) -> Mapping[str, dt.date | None]:
        return {"1.34": dt.date(2026, 12, 2), "1.35": dt.date(2027, 3, 27)}

    def reservation(self, name: str) -> Reservation | None:
        return {"cr-1": Reservation("active", "p5.48xlarge", "eu-west-1b", 8)}.get(name)


def sample(**changes: object) -> ClusterSpec:
    given = clouds.spec(Environment.EKS)
    assert isinstance(given.options, EksOptions)
    admins = ("arn:aws:iam::111122223333:role/teams/platform-admins",)
    options = replace(given.options, account="111122223333", zones=ZONES, admins=admins)
    pools = {name: replace(pool, machine="m7i.2xlarge") for name, pool in given.pools.items() if pool.gpu is None}
    gpus = {name: pool for name, pool in given.pools.items() if pool.gpu is not None}
    return replace(given, region="eu-west-1", options=options, pools={**pools, **_in_zone(gpus)}, **changes)


def _in_zone(pools: Mapping[str, Pool]) -> dict[str, Pool]:
    return {name: replace(pool, zones=("eu-west-1b",) if pool.zones else ()) for name, pool in pools.items()}


def outcomes(account: Account, spec: ClusterSpec | None = None) -> dict[str, tuple[Outcome, str]]:
    given = Plan(spec=spec or sample(), today=TODAY, live=nothing)
    results = run(eks.make(given, account))
    return {result.check.id: (result.finding.outcome, result.finding.reason) for result in results}


def test_a_plan_that_the_account_can_hold_passes_all_checks() -> None:
    found = outcomes(Account())
    assert [name for name, (outcome, _) in found.items() if outcome is Outcome.FAIL] == []
    assert found["eks.quota"][0] is Outcome.PASS


def test_gpu_quota_is_judged_against_the_sum_of_the_maxima() -> None:
    account = Account()
    account.limits["L-417A185B"] = 1535  # 8 nodes with 192 vCPUs
    outcome, reason = outcomes(account)["eks.quota"]
    assert outcome is Outcome.FAIL
    assert reason == "vCPUs of P, on demand (L-417A185B): 1536 wanted, 1535 there"


def test_a_spot_pool_with_fallback_needs_both_quotas() -> None:
    for code in ("L-DB2E81BA", "L-3819A6DF"):
        account = Account()
        account.limits[code] = 0
        assert outcomes(account)["eks.quota"][0] is Outcome.FAIL, code


def test_credentials_of_another_account_fail() -> None:
    account = Account()
    account.who = Caller("999988887777", ADMIN.replace("111122223333", "999988887777"))
    found = outcomes(account)
    assert found["eks.credentials"][0] is Outcome.PASS
    assert found["eks.account"] == (Outcome.FAIL, "account 999988887777; cluster.options.account is 111122223333")


@pytest.mark.parametrize(
    ("arn", "outcome"),
    [
        (ADMIN, Outcome.PASS),
        ("arn:aws:iam::111122223333:role/platform-admins", Outcome.PASS),
        ("arn:aws:sts::111122223333:assumed-role/other-platform-admins/ada", Outcome.FAIL),
        ("arn:aws:iam::111122223333:user/ada", Outcome.FAIL),
    ],
)
def test_who_creates_the_cluster_must_be_named_as_its_admin(arn: str, outcome: Outcome) -> None:
    account = Account()
    account.who = Caller("111122223333", arn)
    assert outcomes(account)["eks.admin"][0] is outcome


def test_a_machine_that_a_zone_lacks_fails_with_the_zones_that_have_it() -> None:
    account = Account()
    account.zones = frozenset(("eu-west-1a",))
    outcome, reason = outcomes(account)["eks.machines"]
    assert outcome is Outcome.FAIL
    assert "is not offered in eu-west-1b" in reason


def test_gateways_need_addresses_that_are_free() -> None:
    account = Account()
    account.taken = 3
    assert outcomes(account)["eks.elastic-ips"][0] is Outcome.FAIL


@pytest.mark.parametrize(("name", "outcome"), [("cr-1", Outcome.PASS), ("cr-2", Outcome.FAIL)])
def test_a_reserved_pool_needs_its_reservation(name: str, outcome: Outcome) -> None:
    given = sample()
    own = replace(given.pools["h100"], capacity=Capacity.RESERVED, reservation=name)
    assert outcomes(Account(), replace(given, pools={**given.pools, "h100": own}))["eks.reservations"][0] is outcome


def test_addresses_are_counted_in_the_subnets_that_the_program_makes() -> None:
    given = sample()
    assert isinstance(given.options, EksOptions)
    network = replace(given.options.network, nodes="10.40.0.0/18", pods="100.64.0.0/20")
    spec = replace(given, options=replace(given.options, network=network))
    outcome, reason = outcomes(Account(), spec)["eks.addresses"]
    assert outcome is Outcome.FAIL
    (zone, *_) = plan(network, ZONES).values()
    assert blocks(zone.pods) == ("100.64.0.0/22",)
    assert zone.nodes == "10.40.0.0/21"
    assert "in eu-west-1b: 136 wanted, 63 there" in reason  # blocks of 16 in a /22, less what AWS keeps


def test_without_credentials_every_look_says_so_and_only_one_fails() -> None:
    class SignedOut(Account):
        def caller(self) -> Caller:
            raise NoCredentialsError("no AWS credentials", "sign in")

    found = outcomes(SignedOut())
    assert found["eks.credentials"] == (Outcome.FAIL, "no AWS credentials")
    assert found["eks.account"] == (Outcome.SKIP, "no AWS credentials")


def test_a_zone_of_another_region_is_told_as_a_problem_of_the_stack_file() -> None:
    given = sample()
    assert isinstance(given.options, EksOptions)
    options = replace(given.options, zones=("us-east-1a", "us-east-1b"))
    pools = {"cpu": given.pools["cpu"]}
    spec = replace(given, options=options, pools=pools)
    (only,) = run(checks_of(Plan(spec=spec, today=TODAY, live=nothing)))
    assert only.finding.outcome is Outcome.FAIL
    assert only.finding.reason.startswith("cluster.options.zones: found us-east-1a")


class TestAccountThroughBoto3:
    @pytest.fixture(autouse=True)
    def account(self, monkeypatch: pytest.MonkeyPatch) -> Aws:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        return Aws("us-east-1")

    @mock_aws
    def test_the_caller_and_the_machines_are_told(self, account: Aws) -> None:
        assert account.caller().account == "123456789012"
        assert account.vcpus(["p5.48xlarge", "m5.large"]) == {"p5.48xlarge": 192, "m5.large": 2}
        assert "us-east-1a" in account.zones_of(["m5.large"])["m5.large"]
        assert account.zones_of(["p9.huge"]) == {}
        assert account.addresses() == 0

    @mock_aws
    def test_a_quota_that_cannot_be_read_cannot_be_judged(self, account: Aws) -> None:
        with pytest.raises(CannotLookError, match="AWS refuses"):
            account.quota("ec2", "L-417A185B")

    def test_nobody_is_signed_in_without_credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, "/nonexistent")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with pytest.raises(NoCredentialsError, match="no AWS credentials"):
            Aws("us-east-1").caller()
