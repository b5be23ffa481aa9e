"""What a gate understands of the API server's answers, whom it asks, and what it says of pods that do not run."""

from __future__ import annotations

from typing import Any

import pytest

from kubeflow.install import canaries, gates, troubles
from kubeflow.install.apiserver import Json, RefusedError
from kubeflow.install.planned import own
from kubeflow.install.waves import Wave

POST = 'failed calling webhook "it.test": failed to call webhook: Post "https://it.home.svc:443/?timeout=10s": '


class Cluster:
    """A cluster as a table of what its paths hold."""

    def __init__(self, **objects: Json) -> None:
        self.objects: dict[str, Json] = {
            "/api/v1": {"resources": [resource("pods"), resource("configmaps"), resource("endpoints")]},
            "/apis/example.test": {"preferredVersion": {"version": "v2"}},
            "/apis/example.test/v2": {"resources": [resource("riddles", "Riddle"), resource("riddles/status")]},
            "/api/v1/namespaces": {"items": [namespace("default"), namespace("home", team="a")]},
            **objects,
        }

    def get(self, path: str) -> Json | None:
        return self.objects.get(path)

    def items(self, path: str, *, labels: str = "") -> list[Json]:
        return (self.objects.get(f"{path}?{labels}" if labels else path) or {}).get("items") or []


def resource(name: str, kind: str = "Any", **changes: Any) -> Json:  # noqa: ANN401 - any JSON value
    return {"name": name, "kind": kind, "namespaced": True, "verbs": ["create", "get"], **changes}


def namespace(name: str, **labels: str) -> Json:
    return {"metadata": {"name": name, "labels": labels}, "status": {"phase": "Active"}}


def webhook(*resources: str, group: str = "", version: str = "v1", **changes: Any) -> Json:  # noqa: ANN401 - JSON
    rule = {"apiGroups": [group], "apiVersions": [version], "operations": ["CREATE"], "resources": list(resources)}
    service = {"namespace": "home", "name": "it"}
    return {
        "name": "it.test",
        "failurePolicy": "Fail",
        "rules": [rule],
        "clientConfig": {"service": service},
        **changes,
    }


def asked(hook: Json, cluster: Cluster | None = None) -> list[str]:
    return [canary.path for canary in canaries.canaries(cluster or Cluster(), hook)]


def refusal(message: str, code: int = 500) -> RefusedError:
    return RefusedError(code, {"message": message})


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ("dial tcp 10.0.0.1:443: connect: connection refused", "nothing listens"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "not trusted"),
        ("context deadline exceeded", "network policy or firewall"),
        ('service "it" not found', "does not exist"),
        ("EOF", "the call fails"),
    ],
)
def test_a_failed_call_is_told_in_plain_words_and_in_the_servers(message: str, meaning: str) -> None:
    heard = gates.understood(webhook("pods"), refusal(POST + message), mutates=True)
    assert isinstance(heard, str)
    assert meaning in heard
    assert message in heard


def test_a_refusal_by_the_webhook_itself_is_an_answer() -> None:
    denied = refusal('admission webhook "it.test" denied the request: no canaries here', 403)
    assert gates.understood(webhook("pods"), denied, mutates=False) is gates.Answer.GIVEN


def test_silence_that_the_server_ignores_proves_nothing() -> None:
    lenient = webhook("pods", failurePolicy="Ignore")
    assert gates.understood(lenient, None, mutates=True) is gates.Answer.UNKNOWN
    assert gates.understood(webhook("pods"), None, mutates=True) is gates.Answer.GIVEN


def test_the_failure_of_another_webhook_proves_nothing_about_this_one() -> None:
    other = refusal(POST.replace("it.test", "other.test") + "connection refused")
    assert gates.understood(webhook("pods"), other, mutates=True) is gates.Answer.UNKNOWN


def test_an_invalid_object_has_passed_the_mutating_webhooks_only() -> None:
    invalid = refusal("Riddle is invalid: spec.value", 422)
    assert gates.understood(webhook("riddles"), invalid, mutates=True) is gates.Answer.GIVEN
    assert gates.understood(webhook("riddles"), invalid, mutates=False) is gates.Answer.UNKNOWN


def test_only_webhook_configurations_are_guarded() -> None:
    names = {"ValidatingWebhookConfiguration": "b", "MutatingWebhookConfiguration": "a", "ConfigMap": "c"}
    made = [
        own("it", Wave.CONTROLLERS, {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}})
        for kind, name in names.items()
    ]
    assert gates.guarded(made) == ["MutatingWebhookConfiguration/a", "ValidatingWebhookConfiguration/b"]
    assert gates.guarded(made[2:]) == []


def test_a_canary_lives_where_the_webhook_looks_and_has_the_labels_that_it_wants() -> None:
    selector = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}
    wanted = {"matchExpressions": [{"key": "inject", "operator": "NotIn", "values": ["false"]},
                                   {"key": "rev", "operator": "Exists"}]}  # fmt: skip
    hook = webhook("pods", namespaceSelector=selector, objectSelector=wanted)
    (canary,) = canaries.canaries(Cluster(), hook)
    assert canary.path == "/api/v1/namespaces/home/pods"
    assert canary.body["metadata"] == {"generateName": "kubeflow-proof-canary-", "labels": {"rev": "canary"}}


def test_nothing_is_asked_where_no_namespace_fits_or_an_expression_decides() -> None:
    nowhere = {"matchLabels": {"team": "b"}}
    assert asked(webhook("pods", namespaceSelector=nowhere)) == []
    assert asked(webhook("pods", matchConditions=[{"name": "it", "expression": "false"}])) == []
    assert asked(webhook("endpoints")) == [], "of some kinds no sensible object is known"
    assert asked(webhook("riddles", group="absent.test")) == []


def test_wildcards_of_rules_mean_what_the_server_serves() -> None:
    crd: Json = {"spec": {"versions": [{"name": "v2", "schema": {"openAPIV3Schema": {}}}]}}
    cluster = Cluster()
    cluster.objects["/apis/apiextensions.k8s.io/v1/customresourcedefinitions/riddles.example.test"] = crd
    expected = ["/apis/example.test/v2/namespaces/home/riddles"]
    assert asked(webhook("*/*", group="example.test", version="*"), cluster) == expected
    assert asked(webhook("riddles/status", group="example.test", version="v2"), cluster) == []


def test_a_sample_has_what_is_required_and_no_more() -> None:
    schema: Json = {
        "type": "object",
        "required": ["name", "count", "mode", "parts", "port", "on", "kept"],
        "properties": {
            "name": {"type": "string", "maxLength": 3},
            "count": {"type": "integer", "minimum": 2},
            "mode": {"type": "string", "enum": ["fast", "slow"]},
            "parts": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            "port": {"x-kubernetes-int-or-string": True},
            "on": {"type": "boolean"},
            "kept": {"type": "string", "default": "as told"},
            "unasked": {"type": "string"},
        },
    }
    assert canaries.sample(schema) == {
        "name": "can", "count": 2, "mode": "fast", "parts": [{}], "port": 1, "on": False, "kept": "as told",
    }  # fmt: skip


def pod(*statuses: Json, unplaced: str = "", ready: str = "False") -> Json:
    placed = {"type": "PodScheduled", "status": "False" if unplaced else "True", "message": unplaced}
    conditions = [{"type": "Ready", "status": ready}, placed]
    metadata = {
        "name": "it-5d4-x", "namespace": "home", "labels": {"pod-template-hash": "5d4"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "it-5d4"}],
    }  # fmt: skip
    status = {"phase": "Pending", "conditions": conditions, "containerStatuses": list(statuses)}
    return {"metadata": metadata, "status": status}


def container(state: Json, **changes: Json) -> Json:
    return {"name": "main", "image": "registry.test/it:1", "state": state, **changes}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (pod(unplaced="0/3 nodes: insufficient memory"), ["no node takes the pod: 0/3 nodes: insufficient memory"]),
        (
            pod(container({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})),
            ["container main: its image registry.test/it:1 cannot be pulled: ImagePullBackOff: not found"],
        ),
        (
            pod(container({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                          lastState={"terminated": {"exitCode": 3, "reason": "Error"}})),
            ["container main ended with exit code 3: Error"],
        ),
        (
            pod(container({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "s" not found'}})),
            ['container main does not start: CreateContainerConfigError: secret "s" not found'],
        ),
        (pod(container({"waiting": {"reason": "ContainerCreating"}})), ["the pod is Pending and not ready"]),
        (pod(container({"running": {}}), ready="True"), []),
    ],
)  # fmt: skip
def test_why_a_pod_does_not_run_is_told_in_the_words_of_scheduler_and_kubelet(made: Json, said: list[str]) -> None:
    assert list(troubles.of_pod(made)) == said


def test_what_is_wrong_behind_a_service_names_the_deployment() -> None:
    pods = "/api/v1/namespaces/home/pods?app=it"
    service = {"spec": {"selector": {"app": "it"}}}
    cluster = Cluster(**{"/api/v1/namespaces/home/services/it": service})
    assert troubles.behind(cluster, "home", "other") == ["Service home/other does not exist"]
    assert troubles.behind(cluster, "home", "it") == ["no pod in namespace home has the labels that Service it selects"]
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    template = {"metadata": {"labels": {"app": "it"}}}
    made = {"metadata": {"name": "it"}, "spec": {"template": template}, "status": {"conditions": [refused]}}
    cluster.objects["/apis/apps/v1/namespaces/home/deployments"] = {"items": [made]}
    assert troubles.behind(cluster, "home", "it") == ["Deployment home/it: exceeded quota"]
    cluster.objects[pods] = {"items": [pod(unplaced="no room"), pod(unplaced="no room")]}
    assert troubles.behind(cluster, "home", "it") == ["Deployment home/it: no node takes the pod: no room"]
