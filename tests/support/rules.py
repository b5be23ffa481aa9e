"""Rules tried by promtool: cases with a past, what must fire after it and what must not, rules changed on purpose."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from kubeflow.observability import alerts
from kubeflow.observability.alerts import Alert
from kubeflow.observability.facts import Facts, Pool
from kubeflow.observability.scrape import TARGETS
from kubeflow.spec.monitoring import CostSpec, EndpointSpec, MonitoringSpec
from tests.support.engine import tools

Json = dict[str, Any]
Labels = Mapping[str, str]

EVERYTHING = frozenset(target.component for target in TARGETS if target.component)
FACTS = Facts(
    pools={"general": Pool(nodes=3), "accelerated": Pool(nodes=2, gpus=8, product="NVIDIA-L4")},
    tenants={"team-a": 4, "team-b": 0},
    installed=EVERYTHING,
    resource="nvidia.com/gpu",
    spec=MonitoringSpec(
        endpoints={"team-a/iris": EndpointSpec(), "team-a/fast": EndpointSpec(milliseconds=50)},
        cost=CostSpec(prices={"accelerated": 3.5, "general": 0.4}, monthly=1000),
    ),
)


def find(name: str) -> str | None:
    """A program of Prometheus: that of `make tools`, or the machine's."""
    pinned = tools() / name
    return str(pinned) if pinned.is_file() else shutil.which(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A past in samples a minute apart, and the results that one alert has for it, or none."""

    alert: str
    name: str
    past: Mapping[str, str]  # series -> samples, as promtool writes them
    fires: tuple[Labels, ...] = ()  # labels of the results, without those that the rule sets
    since: int = 1  # minute in which it begins to be true; of a silent case, when it is looked at

    def test(self, alert: Alert) -> Json:
        """The case in promtool's words: silent in the middle of the time that it has to hold, firing soon after."""
        hold = _minutes(alert.hold)
        checks = [(self.since + hold * 3 // 2 + 1, self.fires)]
        if self.fires and hold:
            checks.append((self.since + hold // 2, ()))
        return {
            "name": f"{self.alert}: {self.name}",
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in self.past.items()],
            "alert_rule_test": [
                {
                    "eval_time": f"{minute}m",
                    "alertname": self.alert,
                    "exp_alerts": [expected(alert, labels) for labels in results],
                }
                for minute, results in checks
            ],
        }


def expected(alert: Alert, labels: Labels) -> Json:
    """What Alertmanager gets for one result."""
    rule = alert.rule(FACTS.spec.runbooks)
    return {
        "exp_labels": {**labels, **{key: _filled(value, labels) for key, value in rule["labels"].items()}},
        "exp_annotations": {key: _filled(value, labels) for key, value in rule["annotations"].items()},
    }


def _filled(text: str, labels: Labels) -> str:
    """A template with its labels; one that the result does not have is a mistake of the rule."""
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)


def _minutes(hold: str) -> int:
    return int(hold[:-1]) * {"m": 1, "h": 60}[hold[-1]]


def known(facts: Facts = FACTS) -> dict[str, Alert]:
    """Every alert by its name."""
    return {alert.name: alert for group in alerts.groups(facts) for alert in group.alerts}


def mutants(alert: Alert) -> Iterator[tuple[str, Alert]]:
    """The alert with one thing changed: a comparison, a limit, a connection, or how long it has to hold."""
    expr = alert.expr
    for found in re.finditer(r" (>=|<=|==|!=|>|<) (bool )?(\d+(?:\.\d+)?)?", expr):
        sign, number = found[1], found[3]
        yield _changed(alert, found.span(1), _TURNED[sign], f"'{sign}' turned")
        if number is None:
            continue
        if float(number) == 0 and sign in (">", "<"):
            yield _changed(alert, found.span(1), f"{sign}=", f"'{sign} 0' includes 0")
        elif float(number) == 0:
            yield _changed(alert, found.span(3), "1", "0 is 1")
        else:
            for factor in (0.8, 1.2):
                yield _changed(alert, found.span(3), f"{float(number) * factor:g}", f"{number} times {factor}")
    for word, other in (("and", "or"), ("unless", "and"), ("or", "and")):
        for found in re.finditer(rf" ({word}) ", expr):
            if "on (" not in expr[found.end() : found.end() + 4] or other == "and":
                yield _changed(alert, found.span(1), other, f"{word} is {other}")
    if alert.hold != "0m":
        yield "holds twice as long", replace(alert, hold=f"{2 * _minutes(alert.hold)}m")
        yield "holds at once", replace(alert, hold="0m")


_TURNED = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}


def _changed(alert: Alert, span: tuple[int, int], text: str, what: str) -> tuple[str, Alert]:
    return f"{what} at {span[0]}", replace(alert, expr=alert.expr[: span[0]] + text + alert.expr[span[1] :])


def run(folder: Path, tried: Iterable[tuple[str, Alert, Iterable[Case]]]) -> dict[str, str]:
    """Try each alert on its cases: what promtool says of it, empty where all is as expected."""
    program = find("promtool")
    assert program is not None
    files: list[str] = []
    names: list[str] = []
    for number, (name, alert, cases) in enumerate(tried):
        rules = [*_recorded(alert.expr), alert.rule(FACTS.spec.runbooks)]
        body = {"groups": [{"name": "tried", "rules": rules}]}
        (folder / f"{number}.rules").write_text(yaml.safe_dump(body), encoding="utf-8")
        original = known()[alert.name]
        tests = [case.test(original) for case in cases]
        test = {"rule_files": [f"{number}.rules"], "evaluation_interval": "1m", "tests": tests}
        path = folder / f"{number}.test"
        path.write_text(yaml.safe_dump(test, width=1000), encoding="utf-8")
        files.append(str(path))
        names.append(name)
    command = [program, "test", "rules", *files]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    parts = re.split(r"^  (SUCCESS|FAILED:)$", said, flags=re.MULTILINE)[1:]
    assert len(parts) == 2 * len(files), said
    ends = zip(names, parts[::2], parts[1::2], strict=True)
    return {name: "" if verdict == "SUCCESS" else text.strip() for name, verdict, text in ends}


def _recorded(expr: str) -> list[Json]:
    """The recording rules that a query reads; none of them reads another."""
    every = [rule for group in alerts.groups(FACTS) for rule in group.recordings]
    return [rule.rule() for rule in every if re.search(rf"(?<![\w:]){rule.record}(?![\w:])", expr)]


def steady(per_minute: float, minutes: int = 120) -> str:
    """A counter that grows evenly."""
    return f"0+{per_minute:g}x{minutes}"


def growing(*parts: tuple[float, int]) -> str:
    """A counter that grows by so much a minute, for so many minutes, one part after the other."""
    total, samples = 0.0, ["0"]
    for step, minutes in parts:
        for _ in range(minutes):
            total += step
            samples.append(f"{total:g}")
    return " ".join(samples)


def always(value: float, minutes: int = 200) -> str:
    """A gauge that does not change."""
    return f"{value:g}x{minutes}"
