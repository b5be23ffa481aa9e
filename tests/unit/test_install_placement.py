"""On which nodes the platform's pods run, one sentence for each."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from infra.contract import Effect, Gpu, Owner, Pool, Quirks, Role, Taint, Tpu
from infra.naming import GPU_TAINT, TPU_TAINT, accelerator_of, complete_pool
from kubeflow.install import kinds, placement
from kubeflow.install.placement import Placement
from kubeflow.install.planned import own
from kubeflow.install.transforms import Context
from kubeflow.install.waves import Wave

Object = dict[str, Any]
SPOT = Taint(key="spot", value="true")
RESERVED = Taint(key="CriticalAddonsOnly", value="true")
CPU = Pool(role=Role.CPU, machine="small", min=1, max=3)
SYSTEM = Pool(role=Role.SYSTEM, machine="small", min=1, max=2, taints=(RESERVED,))
GPU = Pool(
    role=Role.GPU, machine="big", min=0, max=2, gpu=Gpu(product="NVIDIA-L4", count=4, memory_mib=23034), taints=(SPOT,)
)
TPU = Pool(role=Role.TPU, machine="tpu", min=0, max=1, tpu=Tpu(product="tpu", topology="2x2", count=4))
REQUIRED, PREFERRED = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))
NOT_ACCELERATED = {"key": placement.ROLE_LABEL, "operator": "NotIn", "values": ["gpu", "tpu"]}


def where(quirks: Quirks | None = None, **pools: Pool) -> Placement:
    complete = {name: complete_pool(name, pool) for name, pool in (pools or {"cpu": CPU, "gpu": GPU}).items()}
    return placement.placement(complete, accelerator_of(complete, Owner.CLOUD), quirks or Quirks())


def changed(body: Object, chosen: Placement, scaled: frozenset[tuple[str, str, str]] = frozenset()) -> Object:
    context = Context(
        namespace=None, webhooks=True, containers=True, cluster_scoped=kinds.cluster_scoped(()), scaled=scaled
    )
    made = copy.deepcopy(body)
    for step in placement.steps(chosen):
        result = step.apply(made, context)
        assert result is not None
        made = result
    return made


def workload(kind: str = "Deployment", name: str = "server", namespace: str = "kubeflow", **pod: Any) -> Object:  # noqa: ANN401 - fields of a pod
    spec = {"containers": [{"name": "main", "image": "image"}], **pod}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def pod(body: Object) -> Object:
    return body["spec"]["template"]["spec"]


def test_every_step_has_a_reason() -> None:
    assert all(step.why for step in placement.steps(where()))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_the_platform_never_runs_on_accelerators(kind: str) -> None:
    made = pod(changed(workload(kind), where()))
    (term,) = made["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [NOT_ACCELERATED]
    assert PREFERRED not in made["affinity"]["nodeAffinity"]
    assert "tolerations" not in made


def test_each_alternative_of_upstream_keeps_off_accelerators() -> None:
    terms: list[Object] = [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"matchFields": []}]
    affinity: Object = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}, "podAntiAffinity": {PREFERRED: []}}
    made = pod(changed(workload(affinity=affinity), where()))["affinity"]
    assert [term["matchExpressions"][-1] for term in made["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]] == [
        NOT_ACCELERATED,
        NOT_ACCELERATED,
    ]
    assert made["podAntiAffinity"] == {PREFERRED: []}


def test_where_there_are_nodes_for_the_platform_it_prefers_them_and_may_enter() -> None:
    made = pod(changed(workload(), where(cpu=CPU, system=SYSTEM)))
    (choice,) = made["affinity"]["nodeAffinity"][PREFERRED]
    assert choice["preference"]["matchExpressions"] == [
        {"key": placement.ROLE_LABEL, "operator": "In", "values": ["system"]}
    ]
    assert made["tolerations"] == [{"key": RESERVED.key, "operator": "Exists", "effect": "NoSchedule"}]


def test_a_system_pool_that_can_have_no_node_is_none() -> None:
    empty = Pool(role=Role.SYSTEM, machine="small", min=0, max=0, taints=(RESERVED,))
    made = pod(changed(workload(), where(cpu=CPU, system=empty)))
    assert PREFERRED not in made["affinity"]["nodeAffinity"]
    assert "tolerations" not in made


def test_what_an_operator_makes_keeps_off_accelerators_as_well() -> None:
    body: Object = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": "it"},
        "spec": {},
    }
    made = changed(body, where())["spec"]["affinity"]["nodeAffinity"]
    assert made[REQUIRED]["nodeSelectorTerms"] == [{"matchExpressions": [NOT_ACCELERATED]}]


def test_objects_of_the_platforms_own_are_placed_like_upstreams() -> None:
    item = placement.place(own("part", Wave.DATA, workload()), where())
    assert pod(item.body) == pod(changed(workload(), where()))


def test_what_looks_after_each_node_tolerates_every_pool() -> None:
    made = pod(changed(workload("DaemonSet"), where(cpu=CPU, gpu=GPU, tpu=TPU, system=SYSTEM)))
    assert {one["key"] for one in made["tolerations"]} == {GPU_TAINT.key, TPU_TAINT.key, SPOT.key, RESERVED.key}
    assert "affinity" not in made


@pytest.mark.parametrize(
    "there",
    [
        {"operator": "Exists"},
        {"operator": "Exists", "effect": "NoSchedule"},
        {"key": SPOT.key, "operator": "Exists"},
        {"key": SPOT.key, "value": "true", "effect": "NoSchedule"},
    ],
)
def test_a_taint_that_is_tolerated_already_is_not_named_again(there: Object) -> None:
    made = pod(changed(workload("DaemonSet", tolerations=[there]), where(cpu=CPU, gpu=GPU)))
    assert [one for one in made["tolerations"] if one.get("key") == SPOT.key and one != there] == []


def test_a_toleration_of_another_effect_covers_nothing() -> None:
    there = {"operator": "Exists", "effect": Effect.NO_EXECUTE.value}
    made = pod(changed(workload("DaemonSet", tolerations=[there]), where(cpu=CPU, gpu=GPU)))
    assert SPOT.key in {one.get("key") for one in made["tolerations"]}


def training_runtime() -> Object:
    job: Object = {"name": "node", "template": {"spec": {"template": {"spec": {"containers": []}}}}}
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": "torch"},
        "spec": {"template": {"spec": {"replicatedJobs": [job]}}},
    }


def test_training_reaches_accelerators_and_their_cheap_nodes_but_rather_stays_away() -> None:
    body = changed(training_runtime(), where())
    made = body["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    assert {one["key"] for one in made["tolerations"]} == {GPU_TAINT.key, SPOT.key}
    (choice,) = made["affinity"]["nodeAffinity"][PREFERRED]
    assert choice == {"weight": 1, "preference": {"matchExpressions": [NOT_ACCELERATED]}}
    assert REQUIRED not in made["affinity"]["nodeAffinity"]


def test_serving_reaches_accelerators_but_not_nodes_that_may_vanish() -> None:
    body: Object = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": "vllm"},
        "spec": {"containers": [], "workerSpec": {"containers": []}},
    }
    made = changed(body, where())["spec"]
    assert [{one["key"] for one in part["tolerations"]} for part in (made, made["workerSpec"])] == [
        {GPU_TAINT.key},
        {GPU_TAINT.key},
    ]


def test_runtimes_stay_as_they_are_where_there_is_no_accelerator() -> None:
    assert changed(training_runtime(), where(cpu=CPU)) == training_runtime()


def test_services_that_everybody_waits_for_have_two_pods_on_two_nodes() -> None:
    made = changed(workload(name="istiod", namespace="istio-system"), where())
    assert made["spec"]["replicas"] == 2
    (constraint,) = pod(made)["topologySpreadConstraints"]
    assert constraint["topologyKey"] == "kubernetes.io/hostname"
    assert constraint["labelSelector"] == made["spec"]["selector"]


def test_an_autoscaled_service_gets_its_second_pod_from_the_autoscaler() -> None:
    istiod = workload(name="istiod", namespace="istio-system")
    made = changed(istiod, where(), frozenset({("Deployment", "istio-system", "istiod")}))
    assert "replicas" not in made["spec"]
    scaler: Object = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "istiod", "namespace": "istio-system"},
        "spec": {"minReplicas": 1, "maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "istiod"}},
    }
    assert changed(scaler, where())["spec"]["minReplicas"] == 2


def test_on_one_node_a_second_pod_would_help_nobody() -> None:
    one = where(cpu=Pool(role=Role.CPU, machine="small", min=1, max=1), gpu=GPU)
    istiod = workload(name="istiod", namespace="istio-system")
    made = changed(istiod, one)
    assert "replicas" not in made["spec"]
    assert "topologySpreadConstraints" not in pod(made)
    assert list(placement.budgets(one, [istiod])) == []


def test_tainted_pools_do_not_count_as_room_for_the_platform() -> None:
    dedicated = Pool(role=Role.CPU, machine="small", min=1, max=5, taints=(Taint(key="team", value="a"),))
    assert not where(cpu=Pool(role=Role.CPU, machine="small", min=1, max=1), team=dedicated).spread


def test_a_drain_takes_one_pod_of_a_control_service_after_the_other() -> None:
    bodies = [workload(name="istiod", namespace="istio-system"), workload(name="other")]
    (item,) = placement.budgets(where(), bodies)
    assert (item.body["metadata"]["namespace"], item.body["metadata"]["name"]) == ("istio-system", "istiod")
    assert item.body["spec"] == {"maxUnavailable": 1, "selector": bodies[0]["spec"]["selector"]}


def test_upstreams_budgets_are_used_and_those_that_protect_nothing_are_repaired() -> None:
    activator = workload(name="activator", namespace="knative-serving")
    budget: Object = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "activator-pdb", "namespace": "knative-serving"},
        "spec": {"minAvailable": 0, "selector": {"matchLabels": {"app": "activator"}}},
    }
    assert list(placement.budgets(where(), [activator, budget])) == []
    assert changed(budget, where())["spec"] == {"maxUnavailable": 1, "selector": budget["spec"]["selector"]}
    kept: Object = {**budget, "spec": {**budget["spec"], "minAvailable": "80%"}}
    assert changed(kept, where()) == kept


@pytest.mark.parametrize("kind", sorted(kinds.WEBHOOKS))
def test_webhooks_carry_what_the_environment_asks_for(kind: str) -> None:
    body: Object = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "it"},
        "webhooks": [],
    }
    labelled = changed(body, where(Quirks(webhook_labels={"opt-out": "true"})))
    assert labelled["metadata"]["labels"] == {"opt-out": "true"}
    assert changed(body, where()) == body
