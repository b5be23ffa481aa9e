"""In which wave each object is installed, as tables with reasons. Nothing is registered here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from kubeflow.distribution.documents import Body


class Wave(IntEnum):
    """Steps of the installation, in order. CustomResourceDefinitions come before the first."""

    NAMESPACES = 1
    BASE = 2
    CERTIFICATES = 3
    MESH = 4
    AUTHENTICATION = 5
    SERVERLESS = 6
    DATA = 7
    CONTROLLERS = 8
    RUNTIMES = 9
    PROFILES = 10
    MONITORS = 11


REASONS: Mapping[Wave, str] = MappingProxyType(
    {
        Wave.NAMESPACES: "everything else is inside one of them",
        Wave.BASE: "policies and roles are in force before the first pod runs; GPU drivers depend on nothing else",
        Wave.CERTIFICATES: "webhooks of later waves get their certificates from cert-manager",
        Wave.MESH: "no pod starts in a meshed namespace before istiod injects its sidecar",
        Wave.AUTHENTICATION: "the gateway must refuse strangers before anything is behind it",
        Wave.SERVERLESS: "needs the mesh's gateways and a certificate",
        Wave.DATA: "databases, volumes and the configuration that the controllers' pods mount",
        Wave.CONTROLLERS: "mutually independent; each needs only what came before",
        Wave.RUNTIMES: "objects which the controllers' webhooks have to accept",
        Wave.PROFILES: "the profile controller makes their namespaces",
        Wave.MONITORS: "rules about everything that runs by now",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The waves of a component: of its ordinary objects, and of those that wait for its own controller."""

    core: Wave
    late: Wave = Wave.RUNTIMES


_CONTROLLERS = Place(core=Wave.CONTROLLERS)

PLACES: Mapping[str, Place] = MappingProxyType(
    {
        "kubeflow-namespace": Place(core=Wave.BASE),
        "kubeflow-roles": Place(core=Wave.BASE),
        "gpu-operator-onprem": Place(core=Wave.BASE),
        "gpu-operator-cloud": Place(core=Wave.BASE),
        "cert-manager": Place(core=Wave.CERTIFICATES, late=Wave.MESH),
        "istio-crds": Place(core=Wave.MESH),
        "istio-namespace": Place(core=Wave.BASE),
        "istio": Place(core=Wave.MESH, late=Wave.AUTHENTICATION),
        "oauth2-proxy": Place(core=Wave.AUTHENTICATION),
        "dex": Place(core=Wave.AUTHENTICATION),
        "knative-serving": Place(core=Wave.SERVERLESS),
        "cluster-local-gateway": Place(core=Wave.SERVERLESS),
        "kubeflow-istio-resources": Place(core=Wave.SERVERLESS),
        "pipelines": _CONTROLLERS,
        "katib": _CONTROLLERS,
        "centraldashboard": _CONTROLLERS,
        "admission-webhook": _CONTROLLERS,
        "jupyter-web-app": _CONTROLLERS,
        "notebook-controller": _CONTROLLERS,
        "profiles": _CONTROLLERS,
        "pvcviewer-controller": _CONTROLLERS,
        "volumes-web-app": _CONTROLLERS,
        "tensorboard-controller": _CONTROLLERS,
        "tensorboards-web-app": _CONTROLLERS,
        "training-operator": _CONTROLLERS,
        "trainer": _CONTROLLERS,
        "kserve": _CONTROLLERS,
        "kserve-models-web-app": _CONTROLLERS,
        "spark-operator": _CONTROLLERS,
        "kueue": _CONTROLLERS,
        "kueue-chart": _CONTROLLERS,
        "mlflow": _CONTROLLERS,
        "feast-operator": _CONTROLLERS,
        "feast-feature-server": _CONTROLLERS,
        "opentelemetry-collector": _CONTROLLERS,
        "loki": _CONTROLLERS,
        "tempo": _CONTROLLERS,
        "kube-prometheus-stack": Place(core=Wave.CONTROLLERS, late=Wave.MONITORS),
        "kube-prometheus-stack-crds": Place(core=Wave.MONITORS),
        "user-namespace": Place(core=Wave.PROFILES, late=Wave.PROFILES),
        "model-registry": Place(core=Wave.PROFILES, late=Wave.PROFILES),
    }
)

# What the pods of a controller mount or connect to; a Service goes with its database, for it waits for a ready pod.
_MOUNTED = frozenset({"ConfigMap", "PersistentVolumeClaim", "Secret", "ServiceAccount"})
_DATABASES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "pipelines": frozenset({"mysql", "seaweedfs"}),
        "katib": frozenset({"katib-mysql"}),
    }
)


def wave_of(component: str, body: Body, *, late: bool) -> Wave:
    """The wave of one object of a component."""
    kind, place = body["kind"], PLACES[component]
    if kind == "Namespace":
        return Wave.NAMESPACES
    if late:
        return place.late
    database = kind in ("Deployment", "Service") and body["metadata"]["name"] in _DATABASES.get(component, ())
    if place.core is Wave.CONTROLLERS and (kind in _MOUNTED or database):
        return Wave.DATA
    return place.core
