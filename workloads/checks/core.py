"""Whether the platform is up: its workloads, definitions, webhooks, certificates and pods, as controllers report them.

On simulated nodes a pod says that it is ready as soon as it has a node: there this proves that what was installed is
complete, admitted and placed, and nothing of what its programs do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from workloads.api import Json
from workloads.backends.cluster.diagnosis import obstacles, pod_states
from workloads.cluster import Visit
from workloads.contract import CONTAINERS, RESERVED_PRIORITY_CLASSES, Target
from workloads.outcome import Kind, Probe, Probes, SkippedError

# Component -> what it is nothing without, as upstream names it. A component that is not here has no pods of its own.
HEARTS: Mapping[str, tuple[str, ...]] = {
    "cert-manager": ("cert-manager/cert-manager", "cert-manager/cert-manager-webhook"),
    "istio": ("istio-system/istiod", "istio-system/istio-ingressgateway", "kube-system/istio-cni-node"),
    "oauth2-proxy": ("oauth2-proxy/oauth2-proxy",),
    "dex": ("auth/dex",),
    "knative-serving": ("knative-serving/controller", "knative-serving/activator", "knative-serving/autoscaler"),
    "cluster-local-gateway": ("istio-system/cluster-local-gateway",),
    "pipelines": ("kubeflow/ml-pipeline", "kubeflow/workflow-controller", "kubeflow/ml-pipeline-ui"),
    "katib": ("kubeflow/katib-controller", "kubeflow/katib-db-manager", "kubeflow/katib-ui"),
    "centraldashboard": ("kubeflow/centraldashboard",),
    "admission-webhook": ("kubeflow/admission-webhook-deployment",),
    "jupyter-web-app": ("kubeflow/jupyter-web-app-deployment",),
    "notebook-controller": ("kubeflow/notebook-controller-deployment",),
    "profiles": ("kubeflow/profiles-deployment",),
    "pvcviewer-controller": ("kubeflow/pvcviewer-controller-manager",),
    "volumes-web-app": ("kubeflow/volumes-web-app-deployment",),
    "tensorboard-controller": ("kubeflow/tensorboard-controller-deployment",),
    "tensorboards-web-app": ("kubeflow/tensorboards-web-app-deployment",),
    "training-operator": ("kubeflow/training-operator",),
    "trainer": (
        "kubeflow-system/kubeflow-trainer-controller-manager",
        "kubeflow-system/jobset-controller-manager",
    ),
    "kserve": ("kubeflow/kserve-controller-manager",),
    "kserve-models-web-app": ("kubeflow/kserve-models-web-app",),
    "spark-operator": ("kubeflow/spark-operator-controller", "kubeflow/spark-operator-webhook"),
    "kube-prometheus-stack": ("monitoring/kube-prometheus-stack-operator",),
    "gpu-operator-onprem": ("gpu-operator/gpu-operator",),
    "gpu-operator-cloud": ("gpu-operator/gpu-operator",),
    "kueue": ("kueue-system/kueue-controller-manager",),
    "kueue-chart": ("kueue-system/kueue-controller-manager",),
    "feast-operator": ("feast-operator-system/feast-operator-controller-manager",),
    "opentelemetry-collector": ("observability/opentelemetry-collector",),
    "loki": ("observability/loki", "observability/loki-gateway"),
    "tempo": ("observability/tempo",),
}
NOBODYS = "kubeflow/proof-nobody"  # what no component has
SYSTEM = "kube-system"  # the platform is a guest there: only its own workloads are looked at
PLATFORM = RESERVED_PRIORITY_CLASSES[0]  # the priority of whatever the platform installs, and of nobody else's pods
_APPS = "/apis/apps/v1"
_WORKLOADS = ("daemonsets", "statefulsets", "deployments")
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_HOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
_CERTIFICATES = "/apis/cert-manager.io/v1/certificates"
_ENDED = ("Succeeded", "Failed")
_MOST = 5  # things that are said to be wrong in one claim

Look = Callable[["_Live"], Iterable[Probe]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Live:
    """What the cluster has at one moment."""

    workloads: Mapping[str, Json]  # by namespace/name, of all namespaces
    homes: frozenset[str]  # namespaces of the platform
    installed: Mapping[str, tuple[str, ...]]  # component -> its hearts
    visit: Visit

    def ours(self, body: Json) -> bool:
        """Whether an object stands in a namespace of the platform."""
        return body["metadata"].get("namespace") in self.homes


def components_are_up(target: Target, visit: Visit) -> Probes:
    """Everything that was installed is up; what nobody installed does not count as up."""
    installed = {name: HEARTS[name] for name in sorted(target.components) if name in HEARTS}
    if not installed:
        raise SkippedError("this stack installs no component that has pods")
    looks: list[Look] = [_components, _workloads, _pods, _definitions]
    probes = Probes()
    if CONTAINERS in target.capabilities:
        looks.extend((_webhooks, _certificates))
    else:
        probes.note(
            "nodes are simulated: pods are placed, and no program runs in them; "
            "webhooks and certificates, which programs answer for and issue, were not looked at"
        )

    def seen() -> list[Probe]:
        live = _live(target, visit, installed)
        return [probe for look in looks for probe in look(live)]

    probes.all.extend(visit.watch(seen, lambda found: all(one.held for one in found)))
    return probes


def _live(target: Target, visit: Visit, installed: Mapping[str, tuple[str, ...]]) -> _Live:
    found = {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}": one
        for kind in _WORKLOADS
        for one in visit.api.items(f"{_APPS}/{kind}")
    }
    homes = {heart.partition("/")[0] for hearts in installed.values() for heart in hearts}
    homes.update(one["metadata"]["namespace"] for one in found.values() if _has_our_priority(one))
    others = {SYSTEM, *(tenant.namespace for tenant in target.tenants.values())}
    return _Live(workloads=found, homes=frozenset(homes - others), installed=installed, visit=visit)


def _has_our_priority(workload: Json) -> bool:
    return workload["spec"]["template"]["spec"].get("priorityClassName") == PLATFORM


def _components(live: _Live) -> Iterator[Probe]:
    for name, hearts in live.installed.items():
        wrong = [f"{one} {why}" for one in hearts if (why := _down(live.workloads.get(one)))]
        yield _claim(f"{name} is up", wrong, f"{', '.join(hearts)}: all replicas available")
    why = _down(live.workloads.get(NOBODYS))
    claim = "what nobody installed does not count as up"
    yield Probe(kind=Kind.NEGATIVE, claim=claim, held=bool(why), saw=f"{NOBODYS} {why or 'is up'}")


def _workloads(live: _Live) -> Iterator[Probe]:
    ours = {name: one for name, one in live.workloads.items() if live.ours(one)}
    wrong = [f"{name} {why}" for name, one in ours.items() if (why := _down(one))]
    yield _claim(
        "every Deployment, StatefulSet and DaemonSet of the platform has all its pods", wrong, f"{len(ours)} workloads"
    )


def _down(workload: Json | None) -> str:
    """Why a workload does not do its work; empty if it does."""
    if workload is None:
        return "is not there"
    wanted, status = workload["spec"].get("replicas", 1), workload.get("status", {})
    ready = status.get("availableReplicas", 0)
    if "desiredNumberScheduled" in status:  # a DaemonSet's wish is the nodes'; it may have none
        wanted, ready = status["desiredNumberScheduled"], status.get("numberAvailable", 0)
    elif wanted == 0:
        return "is scaled to nothing"
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return "has changed, and its controller has not seen that yet"
    return f"has {ready} of {wanted} pods available" if ready < wanted else ""


def _pods(live: _Live) -> Iterator[Probe]:
    pods = [one for one in live.visit.api.items("/api/v1/pods") if live.ours(one)]
    waiting = [one for one in pod_states(pods) if not one.ready and one.phase not in _ENDED]
    claim, wrong = "no pod of the platform is stuck or crashes again and again", obstacles(waiting)
    yield _claim(claim, wrong, f"{len(pods)} pods", kind=Kind.NEGATIVE)


def _definitions(live: _Live) -> Iterator[Probe]:
    every = live.visit.api.items(_DEFINITIONS)
    wrong = [f"{one['metadata']['name']} {why}" for one in every if (why := _unmet(one, "Established"))]
    yield _claim("every definition is established", wrong, f"{len(every)} definitions")


def _webhooks(live: _Live) -> Iterator[Probe]:
    called = {
        (service["namespace"], service["name"]): one["metadata"]["name"]
        for plural in _HOOKS
        for one in live.visit.api.items(f"{_ADMISSION}/{plural}")
        for hook in one.get("webhooks", [])
        if (service := hook["clientConfig"].get("service")) and service["namespace"] in live.homes
    }
    wrong = [
        f"{configuration}: no ready pod behind Service {space}/{name}"
        for (space, name), configuration in called.items()
        if not _answered(live.visit, space, name)
    ]
    yield _claim("every webhook of the platform has a ready pod behind it", wrong, f"{len(called)} Services")


def _answered(visit: Visit, namespace: str, service: str) -> bool:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    slices = visit.api.items(path, labelSelector=f"kubernetes.io/service-name={service}")
    ends: list[Json] = [end for one in slices for end in one.get("endpoints") or ()]
    return any(end.get("conditions", {}).get("ready") for end in ends)


def _certificates(live: _Live) -> Iterator[Probe]:
    answer = live.visit.api.get(_CERTIFICATES)
    if answer.status == HTTPStatus.NOT_FOUND:  # the kind is unknown
        return
    every = [one for one in answer.expect("list certificates")["items"] if live.ours(one)]
    wrong = [f"{one['metadata']['name']} {why}" for one in every if (why := _unmet(one, "Ready"))]
    yield _claim("every certificate of the platform is issued", wrong, f"{len(every)} certificates")


def _unmet(body: Json, condition: str) -> str:
    """Why a condition of an object does not hold; empty if it does."""
    marks: list[Json] = body.get("status", {}).get("conditions") or []
    nothing: Json = {}
    mark = next((one for one in marks if one["type"] == condition), nothing)
    if mark.get("status") == "True":
        return ""
    return f"is not {condition}: {mark.get('message') or 'nobody says why'}"


def _claim(claim: str, wrong: list[str], saw: str, kind: Kind = Kind.POSITIVE) -> Probe:
    more = f" and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
    return Probe(kind=kind, claim=claim, held=not wrong, saw="; ".join(wrong[:_MOST]) + more if wrong else saw)
