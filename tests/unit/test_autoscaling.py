"""When models and gateways grow and shrink, and which objects are left alone."""

from __future__ import annotations

from typing import Any

import pytest

from kubeflow import autoscaling
from kubeflow.spec.autoscaling import AutoscalingSpec

Json = dict[str, Any]


def settings(spec: AutoscalingSpec, *, shrinks: bool) -> Json:
    metadata = {"name": "config-autoscaler", "namespace": "knative-serving"}
    body: Json = {"kind": "ConfigMap", "metadata": metadata, "data": {"_example": "kept"}}
    return autoscaling.models(spec, shrinks=shrinks)(body, None)["data"]


@pytest.mark.parametrize("shrinks", [True, False])
def test_models_go_to_zero_where_nodes_can_go_with_them(*, shrinks: bool) -> None:
    assert settings(AutoscalingSpec(), shrinks=shrinks)["enable-scale-to-zero"] == str(shrinks).lower()


@pytest.mark.parametrize("chosen", [True, False])
def test_a_choice_stands_above_the_capability(*, chosen: bool) -> None:
    assert (
        settings(AutoscalingSpec(scale_to_zero=chosen), shrinks=not chosen)["enable-scale-to-zero"]
        == str(chosen).lower()
    )


def test_times_are_written_as_knative_reads_them_and_its_example_stays() -> None:
    found = settings(AutoscalingSpec(idle_seconds=90, last_pod_seconds=0), shrinks=True)
    assert (found["stable-window"], found["scale-to-zero-pod-retention-period"]) == ("90s", "0s")
    assert found["_example"] == "kept"


def scaler(namespace: str, fewest: int) -> Json:
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "istiod", "namespace": namespace},
        "spec": {"minReplicas": fewest},
    }


def test_what_every_request_passes_has_another_copy() -> None:
    copies = autoscaling.copies(AutoscalingSpec())
    assert copies(scaler("istio-system", 1), None)["spec"]["minReplicas"] == 2
    assert copies(scaler("knative-serving", 3), None)["spec"]["minReplicas"] == 3
    assert copies(scaler("kubeflow", 1), None)["spec"]["minReplicas"] == 1


def test_a_drained_node_takes_the_last_copy_only_where_one_was_chosen() -> None:
    def budget() -> Json:
        metadata = {"name": "activator-pdb", "namespace": "knative-serving"}
        return {"kind": "PodDisruptionBudget", "metadata": metadata, "spec": {"minAvailable": 0}}

    assert autoscaling.copies(AutoscalingSpec())(budget(), None)["spec"]["minAvailable"] == 1
    assert autoscaling.copies(AutoscalingSpec(replicas=1))(budget(), None)["spec"]["minAvailable"] == 0
