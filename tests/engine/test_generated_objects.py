"""What tenancy, queues, quotas and the network generate, as a real API server reads it with upstream's definitions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, cast

import pytest

from infra.contract import Capacity, Gpu, Owner, Pool, Role, Taint
from infra.naming import accelerator_of, complete_pool
from kubeflow import profiles, queues, quotas
from kubeflow.distribution import load, table
from kubeflow.install.definitions import prepared
from kubeflow.quantity import Quantity
from kubeflow.spec.queues import QueueSpec
from kubeflow.spec.tenants import Quota, TenantSpec
from tests.support.cluster import Api, eventually, standing
from tests.support.upstream import case, missing, planned

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

Json = dict[str, Any]

COMPONENTS = ("kueue", "profiles", "admission-webhook", "istio-crds")
INSTALLED = frozenset({*COMPONENTS, "istio"})
TENANT = "generated"
SPEC = TenantSpec(
    owner="ada@example.com",
    contributors=("grace@example.com",),
    quota=Quota(cpu=Quantity("33"), memory=Quantity("1.5Ti"), gpus=9, pods=2048),
)
POOLS = {
    name: complete_pool(name, Pool(role=Role.GPU, machine="m", min=0, max=2, gpu=gpu, capacity=capacity, taints=taints))
    for name, gpu, capacity, taints in (
        ("l4", Gpu(product="NVIDIA-L4", count=4, memory_mib=23034), Capacity.SPOT, (Taint(key="team", value="a"),)),
        ("h100", Gpu(product="NVIDIA-H100-80GB-HBM3", count=8, memory_mib=81559), Capacity.ON_DEMAND, ()),
    )
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One of its own, with upstream's definitions; whatever would ask a pod is left out of them."""
    with standing(tmp_path_factory.mktemp("defined")) as plane:
        yield defined(Api(plane.kubeconfig))


def defined(api: Api) -> Api:
    api.namespace(TENANT)
    for rendered in load(table.CURRENT, COMPONENTS).components.values():
        for crd in rendered.crds:
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
            api.apply(path, dict(prepared(crd, webhooks=False)), "test")
            eventually(lambda path=path: established(api, path), f"{path} is established")
    return api


def established(api: Api, path: str) -> bool:
    status: Json = (api.get(path) or {}).get("status") or {}
    return any(one["type"] == "Established" and one["status"] == "True" for one in status.get("conditions") or ())


def generated() -> Iterator[Json]:
    yield from profiles.objects(TENANT, SPEC, INSTALLED, {"identity/use": "true"})
    yield from queues.local(TENANT, INSTALLED)
    for one in queues.objects(QueueSpec(), {TENANT: SPEC}, POOLS, accelerator_of(POOLS, Owner.CLOUD), INSTALLED):
        yield one.body
    yield from (one.body for one in quotas.objects(planned(), 5, critical=True))
    yield from case().policies


def plural(kind: str) -> str:
    return f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}{'es' if kind.endswith('s') else 's'}"


def test_the_api_server_keeps_every_generated_object_as_it_is_written(server: Api) -> None:
    seen: set[str] = set()
    for body in generated():
        group, metadata = body["apiVersion"], body["metadata"]
        space = metadata.get("namespace")
        if space is not None and server.get(f"/api/v1/namespaces/{space}") is None:
            server.namespace(space)
        place = "" if space is None else f"namespaces/{space}/"
        root = "/api/v1" if group == "v1" else f"/apis/{group}"
        url = f"{root}/{place}{plural(body['kind'])}/{metadata['name']}"
        kept = server.call(
            "PATCH", f"{url}?fieldManager=test&fieldValidation=Strict", body, "application/apply-patch+yaml"
        )
        assert kept is not None, url
        assert differences(body, kept, metadata["name"]) == []
        seen.add(body["kind"])
    assert seen >= {
        "Profile",
        "ClusterQueue",
        "LocalQueue",
        "ResourceFlavor",
        "NetworkPolicy",
        "LimitRange",
        "PodDefault",
    }


def differences(written: Any, kept: Any, at: str) -> list[str]:  # noqa: ANN401 - any JSON value
    """Where the server holds another value than what was written; what it adds is its own."""
    if isinstance(written, dict) and isinstance(kept, dict):
        ours, theirs = cast("Json", written), cast("Json", kept)
        return [line for key in ours for line in differences(ours[key], theirs.get(key), f"{at}.{key}")]
    if isinstance(written, list) and isinstance(kept, list):
        pairs = zip_longest(cast("list[Any]", written), cast("list[Any]", kept))
        return [line for index, (one, other) in enumerate(pairs) for line in differences(one, other, f"{at}[{index}]")]
    return [] if written == kept else [f"{at}: {written!r} became {kept!r}"]
