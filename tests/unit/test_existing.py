"""A given cluster is what its options say: buckets with their key, and whoever owns each part of the GPU software."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from infra.contract import Cluster, Environment, Owner
from infra.existing.options import ExistingOptions, GivenStore
from infra.provision import provision
from tests.support import graph, samples

KEY = json.dumps({"accessKey": "id", "secretKey": "hush"})
STORE = GivenStore(endpoint="https://s3.example.com", artifacts="kept", scratch="gone")


def given(key: str = KEY, **options: Any) -> tuple[Cluster, dict[str, Any]]:  # noqa: ANN401 - fields of the options
    """The cluster, and what its Outputs come to."""
    clusters: list[Cluster] = []
    seen: dict[str, Any] = {}

    async def program() -> None:
        chosen: ExistingOptions = replace(samples.existing_options(), **options)
        spec = samples.cluster_spec(Environment.EXISTING, chosen)
        secrets = samples.secrets({"kubeconfig": samples.KUBECONFIG, "objectStore": key})
        clusters.append(provision(spec, secrets))
        for name, bucket in (("artifacts", clusters[0].artifacts), ("scratch", clusters[0].scratch)):
            if bucket is not None and bucket.credential is not None:
                secret = await bucket.credential.is_secret()
                seen[name] = (await bucket.uri.future(), await bucket.credential.future(), secret)

    graph.run(program)
    return clusters[0], seen


def test_given_buckets_are_used_with_their_key_which_stays_secret() -> None:
    _, seen = given(object_store=STORE)
    assert seen == {"artifacts": ("s3://kept", KEY, True), "scratch": ("s3://gone", KEY, True)}


def test_without_a_store_there_is_no_bucket() -> None:
    cluster, _ = given()
    assert (cluster.artifacts, cluster.scratch) == (None, None)
    assert given(object_store=replace(STORE, scratch=None))[0].scratch is None


@pytest.mark.parametrize("key", ["hush", "[]", '{"accessKey": "hush"}', '{"accessKey": "hush", "secretKey": 1}'])
def test_a_key_of_another_shape_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(Exception, match="kubeflow-proof:objectStore: allowed: JSON") as caught:
        given(key, object_store=STORE)
    assert "hush" not in str(caught.value)


def test_driver_and_device_plugin_can_have_different_owners() -> None:
    accelerator = given(gpu_owner=Owner.CLOUD, device_plugin_owner=Owner.PLATFORM)[0].accelerator
    assert accelerator is not None
    assert (accelerator.driver, accelerator.toolkit, accelerator.device_plugin) == (
        Owner.CLOUD, Owner.CLOUD, Owner.PLATFORM,
    )  # fmt: skip
    both = given(gpu_owner=Owner.CLOUD)[0].accelerator
    assert both is not None
    assert both.device_plugin is Owner.CLOUD
