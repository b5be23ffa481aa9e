"""The rules over files that the engine wrote, and over what it asks a pack: the same findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi_policy
import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policies.guardrails import RULES
from policies.guardrails.check import main
from policies.guardrails.judge import Court
from policies.guardrails.pack import Memory, policies, stack_settings
from policies.guardrails.sources import from_preview, from_state
from policies.guardrails.values import UNKNOWN, plain
from tests.policy.cases import DEPLOYMENT, MAIN, Object, changed, pod, privileged

URN = f"urn:pulumi:dev::tiny::proof:kubeflow:Tenant${DEPLOYMENT}::bad"
SECRET = "Zx9-unmistakable-71"
BAD = changed(
    changed(privileged(), f"{MAIN}.image", UNKNOWN_STRING_VALUE),
    f"{MAIN}.env",
    [{"name": "DB_PASSWORD", "value": SECRET}],
)


def preview(inputs: Object, operation: str = "create", **more: object) -> Object:
    return {"steps": [{"op": operation, "newState": {"urn": URN, "type": DEPLOYMENT, "inputs": inputs}}], **more}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Object]:
    code = main(RULES, ["check", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def write(folder: Path, name: str, document: Object | str) -> str:
    file = folder / name
    file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return str(file)


def test_a_preview_is_judged_and_no_value_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = run(capsys, "--preview", write(tmp_path, "p.json", preview(BAD)))
    assert code == 1
    stops = {(item["rule"], item["path"]) for item in found["judgements"] if item["level"] == "mandatory"}
    assert ("privileged-container", f"{MAIN}.securityContext.privileged") in stops
    undecided = [item for item in found["judgements"] if item["outcome"] == "undecided"]
    assert {item["path"] for item in undecided} == {f"{MAIN}.image"}
    assert SECRET not in json.dumps(found)
    main(RULES, ["check", "--preview", str(tmp_path / "p.json")])
    assert SECRET not in capsys.readouterr().out


def test_what_goes_is_not_judged() -> None:
    for operation in ("delete", "delete-replaced", "discard"):
        assert from_preview(preview(BAD, operation)) == []
    assert from_state({"deployment": {"resources": [{"urn": URN, "type": DEPLOYMENT, "delete": True}]}}) == []


def test_a_preview_without_its_steps_or_with_masks_never_passes_for_judged() -> None:
    (masked,) = from_preview(preview(changed(pod(), "spec.template.spec.containers", "[secret]")))
    rules = {item.rule.name for item in Court(rules=RULES).all([masked]) if item.outcome.value == "undecided"}
    assert "privileged-container" in rules


def test_a_state_is_judged_like_a_preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = changed(BAD, f"{MAIN}.image", "evil.test/x")
    state = {"deployment": {"resources": [{"urn": URN, "type": DEPLOYMENT, "inputs": inputs}]}}
    of_state = run(capsys, "--state", write(tmp_path, "s.json", state))
    of_preview = run(capsys, "--preview", write(tmp_path, "p.json", preview(inputs)))
    assert of_state == of_preview
    assert of_state[0] == 1


def test_secrets_of_an_open_export_are_read_and_others_are_unknown() -> None:
    signature = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    assert plain({"a": {**signature, "plaintext": '{"b": "c"}'}, "d": {**signature, "ciphertext": "x"}}) == {
        "a": {"b": "c"},
        "d": UNKNOWN,
    }


def test_exemptions_come_from_the_preview_or_from_the_stack_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"rule": "privileged-container", "resource": "Deployment/team/*", "reason": "x", "expires": "2999-01-01"}
    value = {"exemptions": [row]}
    inside = preview(BAD, config={"tiny:policies": json.dumps(value)})
    _, of_preview = run(capsys, "--preview", write(tmp_path, "p.json", inside))
    file = write(tmp_path, "Pulumi.dev.yaml", {"config": {"tiny:policies": value}})
    _, of_file = run(capsys, "--preview", write(tmp_path, "q.json", preview(BAD)), "--stack-file", file)
    assert of_preview == of_file
    exempted = [item["rule"] for item in of_file["judgements"] if item["outcome"] == "exempted"]
    assert exempted == ["privileged-container"]


def test_a_secret_in_clear_in_the_stack_file_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, "Pulumi.dev.yaml", "config:\n  tiny:adminPassword: correct horse\n  tiny:day: 2027-01-01\n")
    code, found = run(capsys, "--preview", write(tmp_path, "p.json", {"steps": []}), "--stack-file", file)
    assert code == 1
    assert [item["rule"] for item in found["judgements"]] == ["secret-in-stack-file"]
    assert "correct horse" not in json.dumps(found)


@pytest.mark.parametrize(("config", "said"), [
    ({"no-such-rule": "disabled"}, "there is no rule no-such-rule"),
    ({"image-registry": {"alowed": []}}, "image-registry has no setting alowed"),
])  # fmt: skip
def test_a_misspelled_configuration_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: Object, said: str
) -> None:
    given = ["--preview", write(tmp_path, "p.json", {"steps": []}), "--config", write(tmp_path, "c.json", config)]
    with pytest.raises(SystemExit) as ended:
        main(RULES, ["check", *given])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_rule_is_configured_as_for_the_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write(tmp_path, "c.json", {"image-registry": {"allowed": ["evil.test"]}})
    inputs = changed(pod(), f"{MAIN}.image", f"evil.test/x:1@sha256:{'a' * 64}")
    file = write(tmp_path, "p.json", preview(inputs))
    assert "image-registry" in {item["rule"] for item in run(capsys, "--preview", file)[1]["judgements"]}
    found = run(capsys, "--preview", file, "--config", config)[1]["judgements"]
    assert "image-registry" not in {item["rule"] for item in found}


def answers(policy: Any, args: Any) -> list[str]:  # noqa: ANN401 - the SDK leaves its types open
    texts: list[str] = []

    def note(text: str, _urn: str | None = None) -> None:
        texts.append(text)

    policy.validate(args, note)
    return texts


def asked(inputs: Object) -> set[tuple[str, str]]:
    """What the pack's policies report when they are asked as the engine's SDK does it."""
    found: set[tuple[str, str]] = set()
    timeouts = pulumi_policy.PolicyCustomTimeouts(0, 0, 0)
    options = pulumi_policy.PolicyResourceOptions(
        protect=False,
        ignore_changes=[],
        delete_before_replace=None,
        aliases=[],
        custom_timeouts=timeouts,
        additional_secret_outputs=[],
    )
    place = (DEPLOYMENT, unknown_checking_proxy(inputs), URN, "bad", options, None)
    one = pulumi_policy.ResourceValidationArgs(*place)
    stack = pulumi_policy.StackValidationArgs([pulumi_policy.PolicyResource(*place, None, [], {})])
    made: list[Any] = [*policies(RULES, Court(rules=RULES), Memory())]
    questions: tuple[tuple[Any, Any], ...] = (
        (pulumi_policy.ResourceValidationPolicy, one),
        (pulumi_policy.StackValidationPolicy, stack),
    )
    for kind, args in questions:
        for policy in made:
            if isinstance(policy, kind):
                texts = answers(policy, args)
                found |= {(policy.name, text) for text in texts}
    return found


def test_pack_and_file_give_the_same_findings() -> None:
    (resource,) = from_preview(preview(BAD))
    judged = Court(rules=RULES).all([resource])
    expected = {
        ("could-not-judge" if item.outcome.value == "undecided" else item.rule.name, item.message) for item in judged
    }
    assert asked(BAD) == expected
    assert len(expected) > 5


def test_unknown_parts_survive_the_proxies_of_the_sdk() -> None:
    proxy = unknown_checking_proxy({"a": UNKNOWN_STRING_VALUE, "b": [UNKNOWN_STRING_VALUE, {"c": 1.0}], "d": None})
    assert plain(proxy) == {"a": UNKNOWN, "b": [UNKNOWN, {"c": 1.0}], "d": None}


def test_a_pack_reads_its_exemptions_from_the_stacks_configuration() -> None:
    row = {"rule": "host-path", "resource": "DaemonSet/team/*", "reason": "x", "expires": "2999-01-01"}
    config = json.dumps({"tiny:other": "1", "tiny:policies": json.dumps({"production": True, "exemptions": [row]})})
    settings = stack_settings(RULES, {"PULUMI_CONFIG": config})
    assert settings.production
    assert [item.rule for item in settings.exemptions.rows] == ["host-path"]
    broken = stack_settings(RULES, {"PULUMI_CONFIG": json.dumps({"tiny:policies": "{"})})
    assert broken.exemptions.complaints() == ["policies: must be a mapping"]
    assert stack_settings(RULES, {}).exemptions.complaints() == []
