"""The policy pack on the real engine: what it stops, what it says, and that the faster way says the same."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policies.guardrails import RULES
from policies.guardrails.check import main
from tests.support.engine import ROOT, SKIP_CHECKPOINTS, Project

pytestmark = pytest.mark.engine
Projects = Callable[..., Project]
PACK = ("--policy-pack", str(ROOT / "policies"))
SECRET = "Zx9-unmistakable-71"

PROGRAM = """
    import pulumi
    import pulumi_kubernetes as k8s
    import pulumi_random as random

    own = pulumi.ResourceOptions(provider=k8s.Provider("cluster", render_yaml_to_directory="rendered"))
    word = random.RandomPassword("word", length=20, opts=pulumi.ResourceOptions(provider=random.Provider("random")))
    containers = [
        {"name": "one", "image": word.id.apply(lambda unknown: f"docker.io/a/b:{unknown}")},
        {"name": "two", "image": "docker.io/a/b:1", "securityContext": {"privileged": True},
         "env": [{"name": "DB_PASSWORD", "value": "SECRET"}]},
    ]
    template = {"metadata": {"labels": {"app": "bad"}}, "spec": {"containers": containers}}
    data = {"password": pulumi.Output.secret("minio123")}
    k8s.core.v1.Secret("published", metadata={"name": "published", "namespace": "team"}, string_data=data, opts=own)
    k8s.core.v1.Namespace("team", metadata={"name": "team"}, opts=own)
    k8s.apps.v1.Deployment("bad", metadata={"name": "bad", "namespace": "team"},
        spec={"selector": {"matchLabels": {"app": "bad"}}, "template": template}, opts=own)
    """
CLEAN = """
    import pulumi

    pulumi.export("nothing", "there")
    """


@pytest.fixture
def program(project: Projects) -> Project:
    tiny = project(**SKIP_CHECKPOINTS)
    tiny.write(PROGRAM.replace("SECRET", SECRET))
    return tiny


def said(project: Project) -> set[tuple[str, str, str]]:
    """Rule, URN and message of everything that the engine heard from the pack; the stack itself has no URN."""
    lines = (project.folder / "events.json").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line)["policyEvent"] for line in lines if "policyEvent" in json.loads(line)]
    return {(event["policyName"], _urn(event), event["message"].partition("\n")[2].strip()) for event in events}


def _urn(event: dict[str, Any]) -> str:
    urn = str(event.get("resourceUrn", ""))
    return "" if "pulumi:pulumi:Stack" in urn else urn


def exempt(project: Project, **row: str) -> None:
    for key, value in row.items():
        project.pulumi("config", "set", "--path", f"policies.exemptions[0].{key}", value, "--type", "string").ok()


def test_a_wrong_object_stops_the_change_although_something_beside_it_is_unknown(program: Project) -> None:
    result = program.preview(*PACK).failed()
    rules = {rule for rule, _, _ in said(program)}
    assert {"privileged-container", "secret-in-env", "namespace-without-quota"} <= rules
    doubts = {text for rule, _, text in said(program) if rule == "could-not-judge"}
    place = "spec.template.spec.containers[0].image"
    assert f"{place}: image-registry could not judge: {place} is unknown" in doubts
    assert "can't run policy" not in result.text
    assert SECRET not in result.text
    assert SECRET not in "".join(text for _, _, text in said(program))


def test_nothing_wrong_is_nothing_said(project: Projects) -> None:
    tiny = project()
    tiny.write(CLEAN)
    tiny.up(*PACK).ok()
    assert said(tiny) == set()


def test_exemptions_are_read_from_the_stack_file_and_only_needed_ones_hold(program: Project) -> None:
    exempt(program, rule="privileged-container", resource="Deployment/team/bad", reason="x", expires="2999-01-01")
    program.preview(*PACK).failed()
    assert not {"privileged-container", "exemptions"} & {rule for rule, _, _ in said(program)}
    exempt(program, resource="Deployment/team/other")
    program.preview(*PACK).failed()
    assert {"privileged-container", "exemptions"} <= {rule for rule, _, _ in said(program)}


def test_a_rule_is_switched_off_and_configured_by_the_packs_configuration(program: Project, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    config = {"privileged-container": "disabled", "image-registry": {"allowed": ["example.test"]}}
    file.write_text(json.dumps(config), encoding="utf-8")
    program.preview(*PACK, "--policy-pack-config", str(file)).failed()
    rules = {rule for rule, _, _ in said(program)}
    assert "privileged-container" not in rules
    assert "image-registry" in rules


SLOW = """
    import sys

    sys.path.insert(0, {root!r})
    from policies.guardrails import RULES
    from policies.guardrails.pack import run

    run(RULES, shared=False)
    """


def test_the_pack_finds_the_same_where_the_sdk_converts_every_resource_for_every_rule(
    program: Project, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    facts = (ROOT / "policies" / "PulumiPolicy.yaml").read_text(encoding="utf-8")
    (slow / "PulumiPolicy.yaml").write_text(facts.replace("../.venv", str(ROOT / ".venv")), encoding="utf-8")
    (slow / "__main__.py").write_text(textwrap.dedent(SLOW).format(root=str(ROOT)), encoding="utf-8")
    program.preview(*PACK).failed()
    fast = said(program)
    program.preview("--policy-pack", str(slow)).failed()
    assert len(fast) > 10
    assert said(program) == fast


def judged(project: Project, file: Path, capsys: pytest.CaptureFixture[str]) -> set[tuple[str, str, str]]:
    """What the file of a preview gives, in the words of the engine."""
    shown = project.pulumi("preview", "--json", "--show-sames").ok().text
    document = json.JSONDecoder().raw_decode(shown, shown.index('{\n    "'))[0]
    file.write_text(json.dumps(document), encoding="utf-8")
    assert main(RULES, ["check", "--preview", str(file), "--json"]) == 1
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)["judgements"]
    names = {"undecided": "could-not-judge"}
    return {(names.get(item["outcome"], item["rule"]), item["urn"], item["message"]) for item in found}


def test_the_engine_and_the_file_of_a_preview_give_the_same_findings_but_for_what_is_masked_there(
    program: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program.preview(*PACK).failed()
    by_engine, by_file = said(program), judged(program, tmp_path / "preview.json", capsys)
    assert {rule for rule, _, _ in by_engine - by_file} == {"default-credentials"}
    masked = {(rule, text) for rule, _, text in by_file - by_engine}
    assert masked == {
        ("could-not-judge", f"{place}: {rule} could not judge: {place} is unknown")
        for place, rule in (("data", "default-credentials"),)
    }
    assert len(by_engine & by_file) > 10
