"""Each target is read once, through one door, and its monitor finds its pods and no others."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from kubeflow.install.waves import Wave
from kubeflow.network import Workload
from kubeflow.network.workloads import DNS, WORKLOADS
from kubeflow.observability import monitors
from kubeflow.observability.scrape import MERGED_PORT, PROMETHEUS, TARGETS, How

Json = dict[str, Any]

EVERYTHING = frozenset(workload.component for workload in WORKLOADS if workload.component)


def made(*installed: str, tenants: tuple[str, ...] = ()) -> dict[str, Json]:
    present = frozenset({*installed, "prometheus"})
    return {planned.body["metadata"]["name"]: planned.body for planned in monitors(present, tenants)}


def endpoint(body: Json) -> Json:
    (found,) = body["spec"]["podMetricsEndpoints"]
    return found


def test_no_port_is_read_twice() -> None:
    doors = Counter((target.of, port) for target in TARGETS for port in target.ports)
    assert [f"{end} {port}" for (end, port), times in doors.items() if times > 1] == []


def test_every_member_of_the_mesh_is_read_through_its_sidecar() -> None:
    through = {target.of for target in TARGETS if target.how is How.PROXY}
    assert [str(workload) for workload in WORKLOADS if workload.mesh and workload not in through] == []


def test_nothing_plain_is_asked_of_a_member_of_the_mesh() -> None:
    plain = [target for target in TARGETS if isinstance(target.of, Workload) and target.of.mesh]
    assert [str(target) for target in plain if target.how not in (How.PROXY, How.TOKEN)] == []


def test_each_target_says_why_and_where_upstream_says_so() -> None:
    assert [str(target) for target in TARGETS if not target.why.strip() or not target.evidence.strip()] == []


def test_a_target_is_a_workload_of_the_network_table_or_outside_of_pods() -> None:
    known = {*WORKLOADS, DNS}
    assert [str(target) for target in TARGETS if isinstance(target.of, Workload) and target.of not in known] == []


def test_only_installed_components_have_monitors() -> None:
    assert sorted(made("katib")) == ["kubeflow-katib-controller", "kubeflow-katib-ui"]
    assert made() == {}


def test_where_prometheus_is_not_installed_there_is_no_monitor() -> None:
    assert list(monitors(EVERYTHING - {"prometheus"}, ("team-a",))) == []


def test_monitors_come_last_and_live_with_prometheus() -> None:
    planned = list(monitors(EVERYTHING, ("team-a",)))
    assert {one.wave for one in planned} == {Wave.MONITORS}
    assert {one.body["metadata"]["namespace"] for one in planned} == {PROMETHEUS.partition("/")[0]}
    assert len({one.name for one in planned}) == len(planned)
    assert all(re.fullmatch(r"[a-z0-9-]{1,63}", one.body["metadata"]["name"]) for one in planned)


def test_a_job_is_called_as_its_workload() -> None:
    job = endpoint(made("katib")["kubeflow-katib-controller"])["relabelings"][-1]
    assert (job["targetLabel"], job["replacement"]) == ("job", "kubeflow/katib-controller")


def test_a_sidecar_is_found_by_the_port_it_declares_and_read_on_the_merged_one() -> None:
    found = endpoint(made("pipelines")["kubeflow-ml-pipeline"])
    merged = found["relabelings"][0]
    assert (found["port"], found["path"]) == ("http-envoy-prom", "/stats/prometheus")
    for address, expected in (("10.0.0.7:15090", "10.0.0.7:15020"), ("[fd00::7]:15090", "[fd00::7]:15020")):
        replacement = merged["replacement"].replace("$1", r"\1")
        assert re.fullmatch(merged["regex"], address)
        assert re.sub(rf"\A{merged['regex']}\Z", replacement, address) == expected


def test_a_token_is_shown_over_https_and_nowhere_else() -> None:
    for name, body in made(*EVERYTHING).items():
        assert ("scrapeClass" in body["spec"]) == (endpoint(body).get("scheme") == "https"), name
    assert made("kueue")["kueue-system-kueue-controller-manager"]["spec"]["scrapeClass"]


def test_one_monitor_serves_all_tenants_and_only_their_pods_with_a_sidecar() -> None:
    few, many = made(tenants=("team-b", "team-a")), made(tenants=tuple(f"team-{number}" for number in range(50)))
    assert list(few) == list(many) == ["tenant-pods"]
    spec = few["tenant-pods"]["spec"]
    assert spec["namespaceSelector"] == {"matchNames": ["team-a", "team-b"]}
    assert spec["selector"] == {"matchLabels": {"security.istio.io/tlsMode": "istio"}}
    assert "serving.kserve.io/inferenceservice" in spec["podTargetLabels"]


def test_only_the_platforms_own_may_say_whom_they_count() -> None:
    """A controller's `namespace` is the tenant's; a tenant's own could be anybody's."""
    assert endpoint(made("katib")["kubeflow-katib-controller"])["honorLabels"] is True
    assert endpoint(made(tenants=("team-a",))["tenant-pods"])["honorLabels"] is False


def test_without_tenants_nobody_looks_for_their_pods() -> None:
    assert "tenant-pods" not in made(*EVERYTHING)


def test_a_member_that_insists_on_tls_has_two_monitors() -> None:
    names = [name for name in made("trainer") if "kubeflow-trainer-controller-manager" in name]
    ports = [endpoint(made("trainer")[name]).get("portNumber", MERGED_PORT) for name in names]
    assert sorted(ports) == [8443, MERGED_PORT]
