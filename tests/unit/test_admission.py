"""What the platform makes of the rules' data: for whom they hold, what happens, what is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kubeflow import admission
from kubeflow.admission import Exempted, Guarded
from kubeflow.install.loader import InstallError
from kubeflow.spec.admission import Action, AdmissionSpec

PEOPLE = {"team-a": ("ada@example.com",)}
EXEMPT = (
    Exempted(rule="host-path", resource="DaemonSet/team-a/probe-*"),
    Exempted(rule="host-path", resource="DaemonSet/kube-system/istio-cni-node"),
    Exempted(rule="storage-defaults", resource="aws:s3/bucket:Bucket::files"),
)


def made(**changes: Any) -> dict[tuple[str, str], dict[str, Any]]:  # noqa: ANN401 - fields of Guarded
    usual: dict[str, Any] = {"spec": AdmissionSpec(), "people": PEOPLE}
    guarded = Guarded(**{**usual, **changes})
    bodies: Iterator[dict[str, Any]] = (item.body for item in admission.objects(guarded))
    return {(body["kind"].removeprefix("ValidatingAdmission"), body["metadata"]["name"]): body for body in bodies}


def policy(rule: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of Guarded
    return made(**changes)["Policy", f"{admission.PREFIX}{rule}"]["spec"]


def actions(rule: str, **changes: Any) -> list[str]:  # noqa: ANN401 - fields of Guarded
    return made(**changes)["PolicyBinding", f"{admission.PREFIX}{rule}"]["spec"]["validationActions"]


def test_what_is_mandatory_is_denied_and_what_is_advisory_is_warned_about_unless_the_stack_says_otherwise() -> None:
    assert actions("host-path") == ["Deny", "Audit"]
    assert actions("image-without-digest") == ["Warn", "Audit"]
    chosen = AdmissionSpec(actions={"image-without-digest": Action.DENY, "host-path": Action.OFF})
    assert actions("image-without-digest", spec=chosen) == ["Deny", "Audit"]
    assert ("Policy", f"{admission.PREFIX}host-path") not in made(spec=chosen)


def test_every_policy_is_bound_and_fails_closed_for_tenants_namespaces_only() -> None:
    bodies = made()
    policies = {name: body["spec"] for (kind, name), body in bodies.items() if kind == "Policy"}
    assert policies.keys() == {body["spec"]["policyName"] for (kind, _), body in bodies.items() if kind != "Policy"}
    for spec in policies.values():
        assert spec["failurePolicy"] == "Fail"
        (selector,) = (part for name, part in spec["matchConstraints"].items() if name.endswith("Selector"))
        assert selector == {"matchLabels": {"app.kubernetes.io/part-of": "kubeflow-profile"}}


def test_without_tenants_nothing_is_kept() -> None:
    assert made(people={}) == {}


def test_only_exemptions_about_tenants_become_exceptions_of_their_rule() -> None:
    names = [one["name"] for one in policy("host-path", exempted=EXEMPT)["matchConditions"]]
    assert names == ["alive", "changed", "exemption-0"]
    assert [one["name"] for one in policy("host-port", exempted=EXEMPT)["matchConditions"]] == ["alive", "changed"]


def test_images_may_come_from_where_the_stack_says() -> None:
    variables = policy("image-registry", mirrors=("mirror.test/x",), spec=AdmissionSpec(registries=("own.test",)))
    (allowed,) = (one["expression"] for one in variables["variables"] if one["name"] == "allowed")
    assert '"mirror.test/x", "own.test"' in allowed
    assert '"quay.io/"' in allowed


def test_a_rule_that_nobody_keeps_is_refused_by_name() -> None:
    with pytest.raises(
        InstallError, match=r"admission.actions: the API server keeps no rule host-pth; it keeps .*host-path"
    ):
        made(spec=AdmissionSpec(actions={"host-pth": Action.OFF}))
