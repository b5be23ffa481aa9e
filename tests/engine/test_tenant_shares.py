"""Shares of a tenant's quota, kept by a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from kubeflow import priorities
from kubeflow.quantity import Quantity
from kubeflow.spec.tenants import Quota, Share, Shares, TenantSpec
from kubeflow.tenancy import TenantArgs, contents
from tests.support.cluster import Api, eventually

Json = dict[str, Any]

SPACE = "shares"
GPU = "nvidia.com/gpu"
SPEC = TenantSpec(
    owner="ada",
    quota=Quota(gpus=4),
    shares=Shares(training=Share(cpu=Quantity("2"), memory=Quantity("4Gi"), gpus=2, pods=5)),
)


@pytest.fixture(scope="module")
def tenant(api: Api) -> Api:
    api.namespace(SPACE)
    for name in priorities.PURPOSES.values():
        value, _ = priorities.CLASSES[name]
        body = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
        }
        api.apply(f"/apis/scheduling.k8s.io/v1/priorityclasses/{name}", body, "test")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    api.apply(f"/api/v1/namespaces/{SPACE}/serviceaccounts/default", account, "test")
    plurals = {"ResourceQuota": "resourcequotas", "LimitRange": "limitranges"}
    for item in contents(SPACE, TenantArgs(spec=SPEC, gpu_resources=(GPU,))):
        if item["kind"] in plurals:
            api.apply(f"/api/v1/namespaces/{SPACE}/{plurals[item['kind']]}/{item['metadata']['name']}", item, "test")
    eventually(lambda: all("hard" in quota.get("status", {}) for quota in quotas(api)), "quotas are counted")
    return api


def quotas(api: Api) -> list[Json]:
    found = api.get(f"/api/v1/namespaces/{SPACE}/resourcequotas")
    assert found is not None
    return found["items"]


def start(api: Api, name: str, gpus: int, purpose: str | None = None) -> None:
    chosen = {} if purpose is None else {"priorityClassName": priorities.PURPOSES[purpose]}
    container = {"name": "main", "image": "image", "resources": {"limits": {GPU: str(gpus)}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **chosen}}
    api.call("POST", f"/api/v1/namespaces/{SPACE}/pods", pod)


def test_training_stops_at_its_share_of_gpus_and_others_go_on(tenant: Api) -> None:
    start(tenant, "training-1", 2, "training")
    with pytest.raises(AssertionError, match=r"exceeded quota: training, requested: requests\.nvidia\.com/gpu=1"):
        start(tenant, "training-2", 1, "training")
    start(tenant, "serving-1", 1, "serving")
    start(tenant, "notebook-1", 1)
    with pytest.raises(AssertionError, match=r"exceeded quota: tenant, requested: requests\.nvidia\.com/gpu=1"):
        start(tenant, "notebook-2", 1)
