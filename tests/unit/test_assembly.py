"""What is put together for one cluster: refusals come before the first resource, and all of them at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from kubeflow import platform
from kubeflow.assembly import Assembly, Site, assemble
from kubeflow.contract import PlatformSpec
from kubeflow.distribution import Distribution
from kubeflow.distribution.cache import ROOT, Rendered
from kubeflow.install import Source
from kubeflow.install import source as cached
from kubeflow.spec.data import Artifacts, DataSpec, PipelinesData, RegistrySpec
from kubeflow.spec.gpu import GpuSpec, PoolSharing, Sharing
from kubeflow.spec.tenants import TenantSpec
from tests.support import assembled, graph, samples

Json = dict[str, Any]

NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "auth"}}
TENANTS = {"team-a": TenantSpec(owner="ada@example.com")}


def of(kind: str, name: str, version: str = "v1", **fields: Any) -> Json:  # noqa: ANN401 - any field
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "auth"}, **fields}


def _answering(answer: object) -> Callable[..., object]:
    return lambda *_arguments: answer  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType]


def put_together(*core: Json, component: str = "dex") -> Assembly:
    """The platform where upstream is one component of these objects."""
    made: list[Assembly] = []
    rendered = Rendered(crds=(), core=(NAMESPACE, *core), late=(), namespace=None, sha256="abc")
    distribution = Distribution(release="26.03", components={component: rendered})

    def program() -> None:
        site = Site(
            spec=PlatformSpec(tenants=TENANTS, components=(component,)),
            cluster=assembled.cluster(assembled.REAL, accelerator=None),
            exempted=(),
            source=Source(names=(), distribution=distribution, folder="cache"),
            config=samples.secrets({}),
            values={},
            hashes={},
        )
        made.append(assemble(site, {}))

    graph.run(program)
    return made[0]


def test_passwords_that_upstream_publishes_are_refused_by_name() -> None:
    with pytest.raises(pulumi.RunError, match=r"passwords that upstream publishes:\n  dex/Secret/passwords/user$"):
        put_together(of("Secret", "passwords", stringData={"user": "published"}))


def test_upstreams_policies_are_gone() -> None:
    wide = of("NetworkPolicy", "wide", "networking.k8s.io/v1", spec={"podSelector": {}, "ingress": [{}]})
    names = {item.name for item in put_together(wide, of("ConfigMap", "kept")).plan.objects}
    assert "dex/ConfigMap/auth/kept" in names
    assert "dex/NetworkPolicy/auth/wide" not in names


def test_families_without_a_mesh_get_no_objects_of_one() -> None:
    groups = {item.body["apiVersion"].split("/")[0] for item in put_together().plan.objects}
    assert not {group for group in groups if group.endswith("istio.io")}


def test_what_lives_in_a_tenants_namespace_is_the_tenants() -> None:
    theirs = of("ConfigMap", "settings")
    theirs["metadata"]["namespace"] = "team-a"
    made = put_together(theirs)
    assert [item.name for item in made.tenants["team-a"]] == ["dex/ConfigMap/team-a/settings"]
    assert "team-a" not in {item.body["metadata"].get("namespace") for item in made.plan.objects}


def problems(spec: PlatformSpec, **changes: Any) -> Sequence[str]:  # noqa: ANN401 - any field of the cluster
    """Why a configuration is refused, line by line; nothing may have been registered by then but the provider."""
    with pytest.raises(pulumi.RunError) as refused:
        assembled.build(spec, assembled.REAL, **changes)
    return str(refused.value).splitlines()


def test_problems_of_gpus_data_and_login_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Source(
        names=("dex", "pipelines", "model-registry"),
        distribution=Distribution(release="26.03", components={}),
        folder="cache",
    )
    monkeypatch.setattr(platform, "source", _answering((nothing, ())))
    spec = PlatformSpec(
        tenants={},
        gpu=GpuSpec(sharing={"l5": PoolSharing(mode=Sharing.TIME_SLICING, replicas=4)}),
        data=DataSpec(pipelines=PipelinesData(artifacts=Artifacts.BUCKET), registry=RegistrySpec(tenants=("nobody",))),
    )
    first, *rest = problems(spec)
    assert first == "the platform does not fit the cluster; nothing of it was installed:"
    told = "\n".join(rest)
    for key in (
        "platform.gpu.sharing.l5",
        "platform.data.registry.tenants",
        "platform.data.pipelines.artifacts",
        "platform.login",
    ):
        assert key in told, told


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A checkout in which nothing of upstream was ever cached."""
    monkeypatch.setattr(sys.modules[cached.__module__], "directory", _answering(ROOT / "nothing" / "is" / "here"))
    cached.cache_clear()
    yield
    cached.cache_clear()


@pytest.mark.usefixtures("no_cache")
def test_a_missing_cache_is_refused_before_the_first_resource() -> None:
    lines = problems(assembled.SPEC)
    assert lines[0].startswith("platform.components: ")
    assert "python -m kubeflow.distribution sync" in "\n".join(lines)


@pytest.mark.usefixtures("no_cache")
def test_without_a_cache_our_own_objects_come_with_open_definitions_and_their_namespaces() -> None:
    built = assembled.build(replace(assembled.SPEC, allow_absent=True))
    (crds,) = built.graph.of_type("CrdSet")
    assert {"authorizationpolicies.security.istio.io", "localqueues.kueue.x-k8s.io", "profiles.kubeflow.org"} <= set(
        crds.inputs["open"]
    )
    spaces = {body["metadata"]["name"] for body in built.bodies if body["kind"] == "Namespace"}
    assert {body["metadata"]["namespace"] for body in built.bodies if "namespace" in body["metadata"]} <= {
        *spaces, "default", "kube-system",
    }  # fmt: skip
    assert built.platform.components == ()
    assert {"team-a", "team-b"} <= spaces


def test_no_components_at_all_gives_only_tenants() -> None:
    built = assembled.build(replace(assembled.SPEC, components=()))
    assert not built.graph.of_type("Installation")
    assert {body["metadata"].get("namespace", body["metadata"]["name"]) for body in built.bodies} <= {
        "team-a", "team-b", *built.platform.priority_classes,
    }  # fmt: skip
