"""Dashboards follow the stack's data, and every one of them passes the rules that a good dashboard keeps."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kubeflow.observability import dashboards
from kubeflow.observability.__main__ import main
from kubeflow.observability.boards import Board, boards
from kubeflow.observability.facts import Facts, Pool
from kubeflow.spec.monitoring import CostSpec, EndpointSpec, LimitsSpec, MonitoringSpec
from tests.support.rules import FACTS
from tests.support.stack_outputs import outputs

Json = dict[str, Any]
T = TypeVar("T")
BOARDS = boards(FACTS)
FILES = dashboards.files(FACTS)
NAMES = [board.slug for board in BOARDS]
# Names of units: grafana packages/grafana-data/src/valueFormats/categories.ts
UNITS = {
    "short", "s", "ms", "percentunit", "reqps", "ops", "cps", "bytes", "Bps", "celsius", "watt", "hertz", "kwatth",
    "h", "currencyUSD", "currencyEUR",
}  # fmt: skip


def made(name: str) -> Json:
    return json.loads(FILES[f"{name}.json"])


def panels(name: str) -> list[Json]:
    return [panel for panel in made(name)["panels"] if panel["type"] != "row"]


def text(facts: Facts) -> dict[str, str]:
    return {name.removesuffix(".json"): body for name, body in dashboards.files(facts).items()}


def test_there_is_a_dashboard_for_everything_that_was_asked_for() -> None:
    assert NAMES == [
        "proof-overview", "proof-training", "proof-serving", "proof-pipelines", "proof-gpu", "proof-capacity",
        "proof-mesh", "proof-drift", "proof-cost", "proof-validation",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
class TestLinter:
    """The rules of Grafana's dashboard-linter, and those of a dashboard that is generated."""

    def test_its_address_never_changes_and_it_cannot_be_edited(self, name: str) -> None:
        board = made(name)
        assert (board["uid"], board["editable"]) == (name, False)
        assert re.fullmatch(r"[a-z0-9-]{1,40}", name)
        assert board["title"]
        assert board["description"]
        assert "id" not in board

    def test_it_is_small_enough_for_an_object(self, name: str) -> None:
        assert len(FILES[f"{name}.json"]) < 60_000

    def test_each_panel_has_a_number_of_its_own(self, name: str) -> None:
        numbers = [panel["id"] for panel in made(name)["panels"]]
        assert numbers == list(range(1, len(numbers) + 1))

    def test_each_panel_says_what_it_shows_in_which_unit_and_what_nothing_means(self, name: str) -> None:
        for panel in panels(name):
            defaults = panel["fieldConfig"]["defaults"]
            assert panel["title"]
            assert len(panel["description"]) > 10, panel["title"]
            assert defaults["unit"] in UNITS, panel["title"]
            assert defaults["noValue"], panel["title"]
        titles = [panel["title"] for panel in panels(name)]
        assert sorted(titles) == sorted(set(titles))

    def test_each_query_asks_the_chosen_source(self, name: str) -> None:
        for panel in panels(name):
            assert panel["targets"], panel["title"]
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
            assert all(target["expr"].strip() for target in panel["targets"])
            letters = [target["refId"] for target in panel["targets"]]
            assert sorted(letters) == sorted(set(letters))

    def test_its_variables_are_defined_and_used(self, name: str) -> None:
        board = made(name)
        defined = {variable["name"] for variable in board["templating"]["list"]}
        used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(board["panels"])))
        assert used == defined

    def test_no_two_panels_cover_each_other(self, name: str) -> None:
        places: set[tuple[int, int]] = set()
        for panel in made(name)["panels"]:
            at = panel["gridPos"]
            mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not mine & places, panel["title"]
            assert at["x"] + at["w"] <= 24
            places |= mine

    def test_series_are_told_apart_by_their_legend(self, name: str) -> None:
        silent = [
            f"{panel['title']}: {target['expr']}"
            for panel in panels(name)
            for target in panel["targets"]
            if panel["type"] != "table" and not target.get("legendFormat")
        ]
        assert silent == []

    def test_rates_take_the_interval_that_grafana_knows_to_be_long_enough(self, name: str) -> None:
        for panel in panels(name):
            for target in panel["targets"]:
                plain = re.sub(r'"[^"]*"', "", target["expr"])
                spans = re.findall(r"\brate\([^\[]*\[([^\]]*)\]", plain)
                assert set(spans) <= {"$__rate_interval", "1h"}  # an hour is long enough for every interval

    def test_it_leads_to_all_the_others(self, name: str) -> None:
        board = made(name)
        (link,) = board["links"]
        assert (link["type"], link["tags"]) == ("dashboards", board["tags"])
        assert link["includeVars"]
        assert link["keepTime"]


def test_titles_and_addresses_are_each_used_once() -> None:
    assert len({made(name)["title"] for name in NAMES}) == len(NAMES) == len({made(name)["uid"] for name in NAMES})


def backwards(given: Mapping[str, T]) -> dict[str, T]:
    return dict(reversed(list(given.items())))


def test_the_same_stack_has_the_same_dashboards_to_the_byte() -> None:
    shuffled = replace(
        FACTS, pools=backwards(FACTS.pools), tenants=backwards(FACTS.tenants)
    )  # fmt: skip
    code = "import tests.unit.test_boards as t; print(*t.FILES.values(), sep='')"
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", code]
    other = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert dashboards.files(shuffled) == FILES
    assert other.stdout.strip() == "".join(FILES.values()).strip()


def test_grafanas_sdk_is_imported_only_where_dashboards_are_made() -> None:
    code = "import sys, kubeflow.assembly; print(any(name.startswith('grafana') for name in sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_each_object_is_found_by_grafanas_sidecar_and_put_into_its_folder() -> None:
    for body in dashboards.objects(FACTS):
        assert body["metadata"]["labels"] == {"grafana_dashboard": "1"}
        assert body["metadata"]["annotations"] == {"grafana_folder": "Kubeflow"}
        ((name, content),) = body["data"].items()
        assert json.loads(content)["uid"] == name.removesuffix(".json") == body["metadata"]["name"]


def lines(board: Board) -> Iterator[tuple[str, float]]:
    for panel in board.panels:
        if panel.line is not None:
            yield panel.title, panel.line.value


def test_limits_of_the_stack_file_are_the_lines_of_dashboards() -> None:
    limits = LimitsSpec(serving_milliseconds=150, slow_percent=2, gpu_busy_percent=70, gpu_celsius=77)
    ours = {board.slug: dict(lines(board)) for board in boards(replace(FACTS, spec=MonitoringSpec(limits=limits)))}
    assert ours["proof-serving"]["95th percentile of latency"] == 150
    assert ours["proof-serving"]["Predictions slower than their limit"] == 0.02
    assert ours["proof-gpu"]["Load"] == 0.7
    assert ours["proof-gpu"]["Temperature"] == 77


def test_a_limit_is_drawn_as_a_line_and_beyond_it_is_red() -> None:
    (panel,) = (one for one in panels("proof-serving") if one["title"] == "95th percentile of latency")
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["custom"]["thresholdsStyle"] == {"mode": "line"}
    assert defaults["thresholds"]["steps"] == [{"color": "green", "value": None}, {"color": "red", "value": 200}]
    (load,) = (one for one in panels("proof-gpu") if one["title"] == "Load")
    assert [step["color"] for step in load["fieldConfig"]["defaults"]["thresholds"]["steps"]] == ["red", "green"]


def test_a_new_tenant_can_be_chosen_and_has_its_share_drawn() -> None:
    ours = text(replace(FACTS, tenants={**FACTS.tenants, "team-new": 3}))
    assert '"query":"team-a,team-b,team-new"' in ours["proof-serving"]
    assert "GPUs of team-new" in ours["proof-capacity"]
    changed = {name for name, body in ours.items() if body != text(FACTS)[name]}
    assert "proof-validation" not in changed


def test_a_new_pool_and_its_product_are_counted() -> None:
    ours = text(replace(FACTS, pools={**FACTS.pools, "large": Pool(nodes=1, gpus=4, product="NVIDIA-H100")}))
    assert "Pool large" in ours["proof-capacity"]
    assert "NVIDIA-H100" in ours["proof-gpu"]
    assert "NVIDIA-H100" not in "".join(text(FACTS).values())


def test_a_promised_endpoint_has_a_number_of_its_own() -> None:
    ours = text(replace(FACTS, spec=MonitoringSpec(endpoints={"team-b/wine": EndpointSpec(milliseconds=40)})))
    assert "team-b/wine: slower than 40 ms" in ours["proof-serving"]


def test_prices_and_budget_are_those_of_the_stack_file() -> None:
    spec = MonitoringSpec(cost=CostSpec(prices={"general": 2.5}, currency="EUR", monthly=777))
    ours = text(replace(FACTS, spec=spec))["proof-cost"]
    assert '"unit":"currencyEUR"' in ours
    assert '"value":777' in ours


def test_dashboards_of_many_tenants_and_endpoints_are_still_small() -> None:
    endpoints = {f"team-{number % 50}/model-{number}": EndpointSpec() for number in range(200)}
    tenants = {f"team-{number}": 8 for number in range(50)}
    ours = text(replace(FACTS, tenants=tenants, spec=MonitoringSpec(endpoints=endpoints)))
    assert {name: len(body) for name, body in ours.items() if len(body) >= 60_000} == {}
    assert "GPUs by tenant" in ours["proof-capacity"]


def test_nothing_is_shown_of_what_is_not_installed() -> None:
    few = boards(replace(FACTS, installed=frozenset({"prometheus"}), pools={}))
    queries = " ".join(query.expr for board in few for panel in board.panels for query in panel.queries)
    assert "istio_" not in queries
    assert "kueue_" not in queries
    assert "proof-mesh" not in [board.slug for board in few]
    assert "proof-capacity" in [board.slug for board in few]


def test_outputs_of_a_stack_are_enough_for_a_grafana_elsewhere(tmp_path: Path) -> None:
    given = outputs(platform__components=["istio", "kserve", "kube-prometheus-stack", "gpu-operator-onprem"])
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(given), encoding="utf-8")
    assert main(["export", str(tmp_path / "made"), "--outputs", str(path)]) == 0
    files = {str(one.relative_to(tmp_path / "made")) for one in (tmp_path / "made").rglob("*.*")}
    assert "dashboards/proof-gpu.json" in files
    assert "rules/proof-gpus.rules.yaml" in files
    capacity = (tmp_path / "made/dashboards/proof-capacity.json").read_text(encoding="utf-8")
    assert "GPUs of check-vision" in capacity
    assert "NVIDIA-L4" in (tmp_path / "made/dashboards/proof-gpu.json").read_text(encoding="utf-8")


def test_outputs_that_tell_nothing_are_refused_with_all_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "outputs.json"
    path.write_text('{"cluster": {"pools": {"a": {"max": "many"}}}}', encoding="utf-8")
    assert main(["export", str(tmp_path), "--outputs", str(path)]) == 2
    said = capsys.readouterr().err
    assert "cluster.pools.a.max: expected a whole number, found 'many'" in said
    assert "platform.tenants: expected a mapping" in said
