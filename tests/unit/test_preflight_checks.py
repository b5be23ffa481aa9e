"""Pre-flight judgements that are the same everywhere: pure, so each is tried with what it must accept and refuse."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import pytest

from infra.clouds import groups_at_most
from infra.contract import Capacity, Environment, Gpu, Pool, Role
from infra.naming import Kind
from infra.preflight import checks, report, runner, versions
from infra.preflight.checks import Amount, CannotLookError, Finding, NoCredentialsError, Outcome, Reservation
from infra.preflight.sdk import PACKAGES, load

TODAY = dt.date(2026, 11, 21)
L4 = Gpu(product="NVIDIA-L4", count=4, memory_mib=23034)
POOLS = {
    "cpu": Pool(role=Role.CPU, machine="c", min=1, max=5),
    "both": Pool(role=Role.GPU, machine="g", min=0, max=3, gpu=L4, capacity=Capacity.SPOT_OR_ON_DEMAND),
    "spot": Pool(role=Role.GPU, machine="g", min=0, max=2, gpu=L4, capacity=Capacity.SPOT, zones=("z1",)),
    "own": Pool(
        role=Role.GPU, machine="h", min=0, max=4, gpu=L4, capacity=Capacity.RESERVED, reservation="r-1", zones=("z2",)
    ),
    "none": Pool(role=Role.CPU, machine="x", min=0, max=0),
}


def raising(error: Exception) -> Callable[[], Finding]:
    def look() -> Finding:
        raise error

    return look


def test_a_pool_that_falls_back_is_counted_on_both_sides() -> None:
    assert checks.machines(POOLS) == {"c": 5, "g": 3}
    assert checks.spot_machines(POOLS) == {"g": 5}
    assert groups_at_most(POOLS) == 5 + 2 * 3 + 2 + 4


def test_nodes_are_spread_evenly_over_the_zones_of_their_pool() -> None:
    zones = ("z1", "z2")
    assert [checks.nodes_in(zone, POOLS, zones) for zone in zones] == [3 + 3 + 2, 3 + 3 + 4]


def test_what_is_reserved_is_paid_and_counts_against_no_quota() -> None:
    assert "h" not in {**checks.machines(POOLS), **checks.spot_machines(POOLS)}


def test_machines_are_wanted_where_their_pools_may_be() -> None:
    assert checks.wanted_zones(POOLS, ("z1", "z3")) == {"c": {"z1", "z3"}, "g": {"z1", "z3"}, "h": {"z2"}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nodes": "10.0.0.0/16", "pods": "10.0.128.0/17"}, "nodes (10.0.0.0/16) and pods (10.0.128.0/17) overlap"),
        ({"services": "172.20.0.0/16"}, "services (172.20.0.0/16) lies in 172.20.0.0/15: somebody's"),
    ],
)
def test_networks_that_overlap_fail_with_both_names(given: dict[str, str], words: str) -> None:
    found = checks.networks(given, {"172.20.0.0/15": "somebody's"})
    assert (found.outcome, found.reason) == (Outcome.FAIL, words)
    assert found.remedy


def test_networks_apart_pass() -> None:
    given = {"nodes": "10.0.0.0/16", "pods": "10.1.0.0/16", "services": "172.30.0.0/16"}
    assert checks.networks(given, {"172.20.0.0/15": "somebody's"}).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (Amount(what="v", wanted=8, limit=8), Outcome.PASS),
        (Amount(what="v", wanted=8, limit=7), Outcome.FAIL),
        (Amount(what="v", wanted=8, limit=8, used=0), Outcome.PASS),
        (Amount(what="v", wanted=8, limit=8, used=1), Outcome.FAIL),
        (Amount(what="v", wanted=0, limit=0), Outcome.PASS),
    ],
)
def test_an_amount_is_enough_with_what_is_in_use_already(row: Amount, outcome: Outcome) -> None:
    assert checks.amounts([row], remedy="ask").outcome is outcome


def test_an_amount_that_nobody_could_look_up_is_no_pass() -> None:
    found = checks.amounts([Amount(what="v", wanted=1, limit=2)], remedy="ask", unknown=["g: no quota is known"])
    assert found.outcome is Outcome.WARN
    assert "g: no quota is known" in found.reason


def test_a_machine_is_offered_only_if_it_is_in_every_zone_where_it_is_wanted() -> None:
    found = {"c": frozenset({"z1", "z2"})}
    assert checks.offered({"c": {"z1"}}, found).outcome is Outcome.PASS
    assert checks.offered({"c": ()}, found).outcome is Outcome.PASS
    assert checks.offered({"c": {"z1", "z3"}}, found).reason == "c is not offered in z3; it is in z1, z2"
    assert checks.offered({"g": ()}, found).reason == "g is not offered in any zone"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "pools.own: r-1 does not exist"),
        (Reservation("expired", "h", "z2", 4), "pools.own: r-1 is expired"),
        (Reservation("active", "g", "z2", 4), "pools.own: r-1 is for g in z2"),
        (Reservation("active", "h", "z1", 4), "pools.own: r-1 is for h in z1"),
        (Reservation("active", "h", "z2", 3), "pools.own: r-1 has 3 free; max is 4"),
    ],
)
def test_a_reservation_that_does_not_fit_its_pool_fails(found: Reservation | None, words: str) -> None:
    judged = checks.reserved(POOLS, lambda _: found, good=("active",))
    assert (judged.outcome, judged.reason) == (Outcome.FAIL, words)


def test_a_reservation_that_fits_passes() -> None:
    judged = checks.reserved(POOLS, lambda _: Reservation("active", "h", "z2", 4), good=("active",))
    assert judged.outcome is Outcome.PASS


def test_names_tell_which_one_is_too_long() -> None:
    assert checks.names({Kind.GKE_CLUSTER: ["ml"]}).outcome is Outcome.PASS
    assert f"'{'m' * 41}' has 41 characters" in checks.names({Kind.GKE_CLUSTER: ["m" * 41]}).reason


def test_what_is_not_switched_on_is_named() -> None:
    states = {"compute": "ENABLED", "dns": "DISABLED"}
    assert checks.enabled(["compute"], states, good="ENABLED", remedy="do").outcome is Outcome.PASS
    judged = checks.enabled(["compute", "dns", "file"], states, good="ENABLED", remedy="do")
    assert (judged.outcome, judged.reason) == (Outcome.FAIL, "dns: DISABLED; file: not there")


def test_many_reasons_that_are_alike_are_cut_but_counted() -> None:
    assert checks.failed([f"node {index}" for index in range(10)], "do").reason.endswith("node 7; and 2 more")
    assert "more" not in checks.failed([f"node {index}" for index in range(8)], "do").reason


def test_missing_credentials_fail_because_up_would_stop_there() -> None:
    found = checks.signed_in(lambda: raising(NoCredentialsError("nobody", "sign in"))().reason)
    assert (found.outcome, found.reason, found.remedy) == (Outcome.FAIL, "nobody", "sign in")


class TestVersions:
    @pytest.mark.parametrize("environment", versions.SUPPORT)
    def test_the_example_version_is_in_the_table_of_every_cloud(self, environment: Environment) -> None:
        assert versions.judge(environment, "1.35", TODAY).outcome is Outcome.PASS

    def test_a_version_whose_support_ends_soon_is_a_warning_and_one_that_ended_a_failure(self) -> None:
        assert versions.judge(Environment.EKS, "1.34", TODAY).outcome is Outcome.WARN
        ended = versions.judge(Environment.EKS, "1.33", TODAY)
        assert ended.outcome is Outcome.FAIL
        assert ended.remedy == "set cluster.version: 1.35"

    def test_a_version_that_nobody_wrote_down_is_no_pass(self) -> None:
        assert versions.judge(Environment.EKS, "1.99", TODAY).outcome is Outcome.WARN

    def test_what_the_cloud_itself_says_counts(self) -> None:
        offered = {"1.34": TODAY - dt.timedelta(days=1), "1.35": None}
        assert versions.confirmed("1.35", offered, TODAY).outcome is Outcome.PASS
        assert versions.confirmed("1.34", offered, TODAY).outcome is Outcome.FAIL
        assert versions.confirmed("1.36", offered, TODAY).outcome is Outcome.FAIL


class TestRun:
    def test_a_look_that_is_not_possible_is_a_skip_with_what_it_needs(self) -> None:
        check = checks.look("x.quota", "quota:Get", raising(CannotLookError("refused", "ask for it")))
        (result,) = runner.run([check])
        assert result.finding.outcome is Outcome.SKIP
        text = "\n".join(report.lines(result, 100))
        assert "SKIP  x.quota" in text
        assert "-> ask for it" in text
        assert "-> needs quota:Get" in text

    def test_a_check_that_breaks_is_a_failure_and_the_others_still_run(self) -> None:
        broken = checks.look("x.a", "nothing", raising(KeyError("zone")))
        results = runner.run([broken, checks.static("x.b", checks.passed("fine"))])
        assert [result.finding.outcome for result in results] == [Outcome.FAIL, Outcome.PASS]
        assert "KeyError" in results[0].finding.reason

    def test_offline_looks_at_nothing_but_judges_the_stack_file(self) -> None:
        online = checks.look("x.a", "sts", raising(AssertionError("it looked")))
        results = runner.run([online, checks.static("x.b", checks.failed("bad", "change it"))], offline=True)
        assert [result.finding.outcome for result in results] == [Outcome.SKIP, Outcome.FAIL]

    def test_each_result_is_told_when_it_is_there(self) -> None:
        told: list[str] = []
        order = [checks.look(name, "-", lambda: checks.passed("ok")) for name in ("a", "b")]
        runner.run(order, lambda result: told.append(result.check.id))
        assert told == ["a", "b"]

    def test_only_a_failure_stands_against_it(self) -> None:
        def of(finding: Finding) -> bool:
            return runner.fine(runner.run([checks.static("x", finding)]))

        assert of(checks.passed("a"))
        assert of(checks.warned("a", "b"))
        assert of(Finding(outcome=Outcome.SKIP, reason="a"))
        assert not of(checks.failed("a", "b"))

    def test_the_json_holds_every_check_with_its_outcome(self) -> None:
        found = [checks.static("x.a", checks.passed("fine")), checks.static("x.b", checks.failed(["p", "q"], "do"))]
        body = json.loads(report.document("prod", "eks", runner.run(found)))
        assert (body["schema"], body["stack"], body["environment"], body["passed"]) == (1, "prod", "eks", False)
        assert [(item["id"], item["outcome"]) for item in body["checks"]] == [("x.a", "pass"), ("x.b", "fail")]
        assert body["checks"][1]["reason"] == "p; q"

    def test_a_shared_look_is_taken_once(self) -> None:
        looks: list[int] = []
        shared = checks.once(lambda: looks.append(1))
        shared()
        shared()
        assert looks == [1]


@pytest.mark.parametrize("environment", PACKAGES)
def test_an_sdk_that_is_not_installed_is_a_skip_with_the_command(environment: str) -> None:
    with pytest.raises(CannotLookError) as error:
        load(environment, "no_such_sdk.client")
    assert "no_such_sdk" in str(error.value)
    assert error.value.remedy == f"pip install {' '.join(PACKAGES[environment])}"
