"""What is really installed, object by object: the usual installation on simulated nodes and on real ones."""

from __future__ import annotations

import base64
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pulumi
import pytest

from infra.contract import Capability
from kubeflow.distribution import digests
from kubeflow.distribution.images import places
from kubeflow.distribution.references import parse
from kubeflow.install import kinds
from kubeflow.install.credentials import published_credentials
from kubeflow.install.planned import own
from kubeflow.install.waves import Wave
from kubeflow.spec.images import ImagesSpec
from tests.support import assembled
from tests.support.upstream import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

Json = assembled.Json

CLUSTERS = {"simulated": assembled.SIMULATED, "real": assembled.REAL}
both = pytest.mark.parametrize("capabilities", CLUSTERS.values(), ids=CLUSTERS)


def identity(body: Json) -> tuple[str, ...]:
    metadata = body["metadata"]
    return (*kinds.group_kind(body), metadata.get("namespace", ""), metadata["name"])


@both
def test_every_object_is_registered_once(capabilities: frozenset[Capability]) -> None:
    counted = Counter(identity(body) for body in assembled.usual(capabilities).bodies)
    assert [found for found, times in counted.items() if times > 1] == []
    assert len(counted) > 700


@both
def test_every_policy_is_ours(capabilities: frozenset[Capability]) -> None:
    names = [name for name, body in assembled.usual(capabilities).named if body["kind"] == "NetworkPolicy"]
    assert len(names) > 50
    assert [name for name in names if not name.startswith(("network/", "team-a/", "team-b/"))] == []


@both
def test_every_object_lives_in_a_namespace_that_is_made(capabilities: frozenset[Capability]) -> None:
    bodies = assembled.usual(capabilities).bodies
    made = {body["metadata"]["name"] for body in bodies if body["kind"] == "Namespace"} | {"default", "kube-system"}
    assert {body["metadata"].get("namespace", "default") for body in bodies} <= made


@both
def test_nothing_in_a_tenants_namespace_comes_before_the_platform(capabilities: frozenset[Capability]) -> None:
    order = [item.name for item in assembled.usual(capabilities).graph.resources]
    last = max(place for place, name in enumerate(order) if name.startswith("wave-"))
    assert all(order.index(name) > last for name in order if name.startswith(("team-a/", "team-b/")))


@both
def test_no_password_that_upstream_publishes_is_left(capabilities: frozenset[Capability]) -> None:
    """Generated values are Outputs where the platform looks itself; here they are texts that say so."""
    left: list[str] = []
    for name, body in assembled.usual(capabilities).named:
        component = name.partition("/")[0]
        found = published_credentials([own(component, Wave.DATA, _without_generated(body))])
        left += found
    assert left == ["mlflow/Secret/mlflow-db/username"], "the name of our own account; its password is generated"


def _without_generated(body: Json) -> Json:
    """The object without the values that were generated for this installation."""
    if body["kind"] not in ("Secret", "ConfigMap"):
        return body
    changed = dict(body)
    for part in ("data", "stringData"):
        kept = {key: text for key, text in kinds.part(body, part).items() if not _generated(text)}
        changed[part] = kept
    return changed


def _generated(text: object) -> bool:
    if not isinstance(text, str):
        return False
    readable = [text]
    with contextlib.suppress(ValueError):
        readable.append(base64.b64decode(text, validate=True).decode())
    return any(word in one for one in readable for word in ("generated-", "hash-of-"))


@both
def test_no_container_in_a_namespace_under_quota_asks_for_nothing(capabilities: frozenset[Capability]) -> None:
    bodies = assembled.usual(capabilities).bodies
    under_quota = {body["metadata"]["namespace"] for body in bodies if body["kind"] == "ResourceQuota"}
    assert {"kubeflow", "istio-system", "mlflow"} <= under_quota
    asking_for_nothing = [
        f"{'/'.join(identity(body))}: {container['name']}"
        for body in bodies
        if body["metadata"].get("namespace") in under_quota
        for container in _containers(body)
        if not {"cpu", "memory"} <= kinds.part(kinds.part(container, "resources"), "requests").keys()
    ]
    assert asking_for_nothing == []


def _containers(body: Json) -> Iterator[Json]:
    pod = kinds.pod_spec(body)
    yield from () if pod is None else kinds.containers(pod)


def test_every_workload_fits_the_quota_of_its_namespace_twice() -> None:
    bodies = assembled.usual(assembled.REAL).bodies
    pods = Counter[str]()
    for body in bodies:
        if kinds.pod_spec(body) is not None and body["kind"] != "DaemonSet":
            pods[body["metadata"]["namespace"]] += int(body["spec"].get("replicas", 1))
    quotas = {
        body["metadata"]["namespace"]: int(body["spec"]["hard"]["pods"])
        for body in bodies
        if identity(body)[1] == "ResourceQuota" and body["metadata"]["name"] == "platform"
    }
    assert {space: count for space, count in pods.items() if space not in quotas} == {}
    assert [space for space, count in pods.items() if quotas[space] < 2 * count] == []


def test_with_locked_digests_no_image_is_named_by_its_tag_only(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "sha256:" + "a" * 64
    known = {image: digest for body in assembled.usual(assembled.REAL).bodies for image, _ in places(body)}
    monkeypatch.setattr(digests, "read", _answering(known))
    built = assembled.build(replace(assembled.SPEC, images=ImagesSpec(digests=True)), assembled.REAL)
    named = [image for body in built.bodies for image, _ in places(body)]
    assert len(named) > 80
    (told,) = [image for image in named if not parse(image).digest]
    assert told == "ghcr.io/kubeflow/kfp-frontend", "its program puts name and tag together"
    (made,) = [body for body in built.bodies if body["metadata"]["name"] == "kubeflow-pipelines-profile-controller"
               and body["kind"] == "Deployment"]  # fmt: skip
    assert digest in str(
        [entry for one in _containers(made) for entry in one["env"] if entry["name"] == "FRONTEND_TAG"]
    )


def test_digests_that_are_demanded_and_not_known_are_told_all_at_once() -> None:
    with pytest.raises(pulumi.RunError, match=r"no digest of \d\d+ images") as refused:
        assembled.build(replace(assembled.SPEC, images=ImagesSpec(digests=True)), assembled.REAL)
    assert "cert-manager-controller" in str(refused.value)


def _answering(known: dict[str, str]) -> Callable[[str], dict[str, str]]:
    return lambda _release: known
