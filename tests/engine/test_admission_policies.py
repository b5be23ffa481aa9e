"""The API server keeps the rules of the policy pack in tenants' namespaces: asked on a real one, object by object."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from kubeflow import admission
from kubeflow.admission import Exempted, Guarded
from kubeflow.distribution.kinds import table
from kubeflow.install import open_crds
from kubeflow.spec.admission import AdmissionSpec
from policies.guardrails import RULES
from policies.guardrails.admission import message
from policies.guardrails.judge import Court, Outcome
from policies.guardrails.rule import Level
from tests.policy.cases import DEPLOYMENT, Case, Object, changed, pod, resource
from tests.policy.cases_admission import CASES
from tests.policy.test_evasions import ATTEMPTS, filled
from tests.support.cluster import Api, eventually, standing
from tests.support.engine import ROOT

pytestmark = pytest.mark.engine

FILE = ROOT / "out" / "admission-attempts.md"
ASKED = {rule.name: rule for rule in RULES if rule.cluster}
TEAM, PLAIN = "team", "not-a-team"
LABELS = {"app.kubernetes.io/part-of": "kubeflow-profile", "pod-security.kubernetes.io/enforce": "privileged"}
EXEMPT = Exempted(rule="host-path", resource="Deployment/team/exempt-*")
GUARDED = Guarded(
    spec=AdmissionSpec(registries=("registry.example.com",)),
    people={TEAM: ("ada@example.com",)},
    mirrors=("mirror.example.com/upstream",),
    exempted=(EXEMPT,),
)
BUILT_IN = {
    "PodTemplate": "/api/v1/namespaces/{}/podtemplates",
    "ReplicationController": "/api/v1/namespaces/{}/replicationcontrollers",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "Pod": "/api/v1/namespaces/{}/pods", "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services", "Namespace": "/api/v1/namespaces",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments", "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "Job": "/apis/batch/v1/namespaces/{}/jobs", "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the API server says to an object."""

    code: int
    text: str
    warnings: Sequence[str]

    @property
    def admitted(self) -> bool:
        return self.code < 400

    @property
    def said(self) -> str:
        return "\n".join([self.text, *self.warnings])


class Asked(Api):
    """A client that never changes anything but by `call`."""

    def create(self, body: Object, namespace: str = TEAM, user: str = "") -> Answer:
        return self.ask("POST", path_of(body).format(namespace), body, user)

    def ask(self, method: str, path: str, body: Object, user: str = "") -> Answer:
        content = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": content, **({"Impersonate-User": user} if user else {})}
        url = f"{self.server}{path}?dryRun=All"
        answer = self._http.request(method, url, body=json.dumps(body), headers=headers)
        document = json.loads(answer.data)
        warnings = [item.partition('"')[2].replace('\\"', '"') for item in _warned(answer.headers)]
        return Answer(code=answer.status, text=str(document.get("message", "")), warnings=warnings)


def _warned(headers: Any) -> list[str]:  # noqa: ANN401 - urllib3's headers
    return headers.getlist("Warning")


def built_in(body: Object) -> bool:
    return body["kind"] in BUILT_IN and not body["apiVersion"].startswith("serving.knative.dev")


def path_of(body: Object) -> str:
    if built_in(body):
        return BUILT_IN[body["kind"]]
    group, _, version = body["apiVersion"].partition("/")
    plural = next(one.plural for one in table().values() if (one.group, one.kind) == (group, body["kind"]))
    return f"/apis/{group}/{version}/namespaces/{{}}/{plural}"


def definitions() -> Iterator[str]:
    """Of the kinds of other groups that the policies are about, as far as the platform knows them."""
    asked = {resource for rule in ASKED.values() for ask in rule.cluster for resource in ask.of}
    return (name for name, one in table().items() if f"{one.group}/{one.plural}" in asked)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """An API server of its own with the policies in force: in another one they would be in the way of other tests."""
    with standing(tmp_path_factory.mktemp("guarded")) as plane:
        yield guarded(Asked(plane.kubeconfig))


def guarded(api: Asked) -> Asked:
    """Definitions, namespaces, policies."""
    for name in definitions():
        api.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}", open_crds.definition(name), "test")
    for name, labels in ((TEAM, LABELS), (PLAIN, {})):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        api.apply(f"/api/v1/namespaces/{name}", body, "test")
    for planned in admission.objects(GUARDED):
        install(api, planned.body)
    in_force(api)
    return api


def install(api: Api, body: Object) -> None:
    plural = "validatingadmissionpolicies" if body["kind"].endswith("Policy") else "validatingadmissionpolicybindings"
    api.apply(f"/apis/admissionregistration.k8s.io/v1/{plural}/{body['metadata']['name']}", body, "test")


def in_force(api: Asked) -> None:
    """Policies are compiled and spread within a second or so; each is asked until it refuses."""
    waiting = {name: next(iter(bodies(name)))[1] for name in ASKED}
    end = time.monotonic() + 60
    while waiting:
        waiting = {
            name: body for name, body in waiting.items() if f"{admission.PREFIX}{name}'" not in api.create(body).said
        }
        assert time.monotonic() < end, f"not in force: {', '.join(waiting)}"
        time.sleep(0.2)


def completed(case: Case, inputs: Object) -> Object:
    """An object that the API server takes, but for what is wrong with it."""
    group_version, _, kind = case.type.removeprefix("kubernetes:").rpartition(":")
    namespaced = kind not in {"Namespace", "ClusterRole", "ClusterRoleBinding"}
    metadata = {**inputs.get("metadata", {}), **({"namespace": TEAM} if namespaced else {})}
    version = group_version.removeprefix("core/")
    return {**inputs, "apiVersion": version, "kind": kind, "metadata": metadata}


def cases(rule: str) -> list[Case]:
    return [case for case in CASES if case.rule == rule]


def bodies(rule: str) -> Iterator[tuple[Case, Object]]:
    for case in cases(rule):
        for path, value in case.bad:
            yield case, completed(case, changed(case.good, path, value))


def judged(body: Object) -> dict[str, set[str]]:
    """By rule, the messages without a path of everything that the pack refuses about an object."""
    group, _, version = body["apiVersion"].rpartition("/")
    kind = f"kubernetes:{group or 'core'}/{version}:{body['kind']}"
    found: dict[str, set[str]] = {}
    for item in Court(rules=list(ASKED.values())).all([resource(kind, body)]):
        if item.outcome is Outcome.REFUSED and item.rule.name in ASKED:
            found.setdefault(item.rule.name, set()).add(message(item.rule, item.text))
    return found


@pytest.mark.parametrize("name", ASKED)
def test_a_rule_refuses_in_the_cluster_what_it_refuses_in_a_preview_in_the_same_words(name: str, server: Asked) -> None:
    assert cases(name)
    for case in cases(name):
        good = server.create(completed(case, case.good))
        assert good.admitted, good.text
        assert f"{admission.PREFIX}{name}'" not in good.said
    for _, body in bodies(name):
        denied = {rule for rule in judged(body) if ASKED[rule].level is Level.MANDATORY}
        assert denied <= {name}, "of several refusals the API server tells any one"
        answer = server.create(body)
        assert answer.admitted is (ASKED[name].level is Level.ADVISORY), answer
        assert any(f"{admission.PREFIX}{name}': {text}" in answer.said.replace(" denied request", "")
                   for text in judged(body)[name]), (judged(body), answer)  # fmt: skip


def deployment(name: str = "sample", **changes: Any) -> Object:  # noqa: ANN401 - any JSON value
    """A good Deployment, but for changes of its pod."""
    made = completed(CASES[0], pod())
    made["metadata"]["name"] = name
    made["spec"]["template"]["spec"].update(changes)
    return made


HOST = [{"name": "v", "hostPath": {"path": "/"}}]
ROOT_SHELL = {"name": "x", "image": "docker.io/a/b:1", "securityContext": {"privileged": True}}


# What only the pack sees, or nobody: attempts of tests/data/evasions that the API server admits.
GET_THROUGH = {
    "env-value-with-a-zero-width-space": "CEL takes no invisible characters out of a text",
    "published-password-in-capitals": "CEL opens no base64: words are compared as they are usually written",
    "impersonation": "the role is made by somebody who is no tenant",
    "empty-resource-names": "the role is made by somebody who is no tenant",
    "star-slash-star": "the role is made by somebody who is no tenant",
    "admin-by-four-narrow-roles": "nobody sees it",
    "install-by-a-variable": "nobody sees it",
    "password-without-a-shape-or-name": "nobody sees it",
}


def attempted(attempt: Object) -> Object | None:
    """An attempt as a whole object; None where it is not about something that the policies are asked about."""
    kind = str(attempt.get("type", DEPLOYMENT))
    if attempt["wants"] not in ASKED or not kind.startswith("kubernetes:") or "UNKNOWN" in json.dumps(attempt):
        return None
    body: Object = dict(filled(attempt.get("object")) or {})
    if "pod" in attempt:
        one = {"containers": [{"name": "z", "image": "docker.io/a/b:1"}], **filled(attempt["pod"])}
        body = {"spec": {"template": {"metadata": {}, "spec": one}}}
    group_version, _, name = kind.removeprefix("kubernetes:").rpartition(":")
    body |= {"apiVersion": group_version.removeprefix("core/"), "kind": name}
    body["metadata"] = {**body.get("metadata", {}), "name": "a", "namespace": TEAM}
    if name in {"Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"}:
        labels = {"a": "b"}
        body["spec"]["selector"] = labels if name == "ReplicationController" else {"matchLabels": labels}
        body["spec"]["template"]["metadata"] = {"labels": labels}
    group, version = body["apiVersion"].rpartition("/")[::2]
    served = {(one.group, one.kind, at) for one in map(table().__getitem__, definitions()) for at in one.versions}
    return body if built_in(body) or (group, name, version) in served else None


def test_attempts_to_slip_something_past_the_server_end_as_they_are_listed(server: Asked) -> None:
    ends: dict[str, str] = {}
    for attempt in ATTEMPTS:
        body = attempted(attempt)
        if body is None:
            continue
        answer = server.create(body)
        by_us = "denied request" in answer.text or attempt["wants"] in answer.said
        ends[attempt["id"]] = "caught" if by_us else "through" if answer.admitted else "invalid"
    assert {name for name, end in ends.items() if end == "through"} == GET_THROUGH.keys()
    assert len([end for end in ends.values() if end == "caught"]) >= 30
    lines = [f"- {name}: {end} {GET_THROUGH.get(name, '')}".rstrip() for name, end in sorted(ends.items())]
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_namespaces_that_are_no_tenants_are_left_alone(server: Asked) -> None:
    bad = deployment(volumes=HOST)
    bad["metadata"]["namespace"] = PLAIN
    assert server.create(bad, PLAIN).admitted
    assert not server.create(deployment(volumes=HOST)).admitted


def test_an_exemption_of_the_stack_holds_for_its_object_and_what_is_made_of_it_and_for_one_rule(server: Asked) -> None:
    assert server.create(deployment("exempt-one", volumes=HOST)).admitted
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "exempt-one-5f6-x", "namespace": TEAM},
            "spec": deployment(volumes=HOST)["spec"]["template"]["spec"]}  # fmt: skip
    assert server.create(made).admitted
    assert not server.create({**made, "metadata": {"name": "other-5f6-x", "namespace": TEAM}}).admitted
    assert not server.create(deployment("not-exempt-one", volumes=HOST)).admitted
    assert "host-namespace" in server.create(deployment("exempt-one", volumes=HOST, hostPID=True)).text


@pytest.mark.parametrize("image", ["mirror.example.com/upstream/a:1", "registry.example.com/b:1"])
def test_images_of_the_stacks_mirrors_and_registries_are_admitted(server: Asked, image: str) -> None:
    assert server.create(changed(deployment(), "spec.template.spec.containers[0].image", image)).admitted
    near = image.replace(".com/", ".com.evil.test/")
    assert not server.create(changed(deployment(), "spec.template.spec.containers[0].image", near)).admitted


def test_a_container_that_is_added_to_a_running_pod_is_judged_as_well(server: Asked) -> None:
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "runs"},
            "spec": deployment()["spec"]["template"]["spec"]}  # fmt: skip
    server.call("POST", f"/api/v1/namespaces/{TEAM}/pods", body)
    path = f"/api/v1/namespaces/{TEAM}/pods/runs"
    patch = {"spec": {"ephemeralContainers": [ROOT_SHELL]}}
    refused = server.ask("PATCH", f"{path}/ephemeralcontainers", patch)
    assert "privileged-container" in refused.text
    patch["spec"]["ephemeralContainers"] = [{"name": "x", "image": "docker.io/a/b:1"}]
    assert server.ask("PATCH", f"{path}/ephemeralcontainers", patch).admitted


def test_an_older_object_may_be_labelled_and_deleted_but_not_changed_for_the_worse(server: Asked) -> None:
    space = server.namespace("older")
    old = deployment("old", volumes=HOST)
    old["metadata"] = {"name": "old", "namespace": space, "finalizers": ["example.test/wait"]}
    path = f"/apis/apps/v1/namespaces/{space}/deployments"
    server.call("POST", path, old)
    labels = {**LABELS, "pod-security.kubernetes.io/enforce": "baseline"}
    server.merge(f"/api/v1/namespaces/{space}", {"metadata": {"labels": labels}})
    eventually(lambda: not server.create(deployment(volumes=HOST), space).admitted, "the namespace to be a tenant's")
    assert server.ask("PATCH", f"{path}/old", {"metadata": {"labels": {"a": "b"}}}).admitted
    assert "host-path" in server.ask("PATCH", f"{path}/old", {"spec": {"replicas": 3}}).text
    server.call("DELETE", f"{path}/old")
    server.merge(f"{path}/old", {"metadata": {"finalizers": None}})
    assert server.get(f"{path}/old") is None


def test_tenants_get_no_rights_of_the_cluster_even_where_rbac_lets_them(server: Asked) -> None:
    group = "rbac.authorization.k8s.io"
    path = f"/apis/{group}/v1/clusterrolebindings"
    binding = {
        "apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "careless"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "ada@example.com"}],
    }  # fmt: skip
    server.call("POST", path, binding)
    try:
        another = {**binding, "metadata": {"name": "another"}}
        eventually(lambda: "cluster-admin-bound" in server.create(another, user="ada@example.com").text, "the refusal")
        assert server.create(another).admitted, "whoever installs the platform binds what its operators need"
    finally:
        server.call("DELETE", f"{path}/careless")


def test_a_tenants_namespace_keeps_its_pod_security(server: Asked) -> None:
    path = f"/api/v1/namespaces/{TEAM}"
    both = dict.fromkeys(LABELS, None)
    assert "namespace-without-pod-security" in server.ask("PATCH", path, {"metadata": {"labels": both}}).text


def test_the_server_finds_nothing_wrong_with_the_policies_themselves(server: Asked) -> None:
    listed = server.get("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies")
    assert listed is not None
    ours = [item for item in listed["items"] if item["metadata"]["name"].startswith(admission.PREFIX)]
    assert len(ours) == len(ASKED)
    assert [item["metadata"]["name"] for item in ours if item["status"].get("typeChecking")] == []
