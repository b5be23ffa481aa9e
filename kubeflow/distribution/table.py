"""Every component of every release, with its origin, as data. A new release is a new entry; nothing is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from .source import Chart, Component, CrdsOf, ImageEdit, Overlay, Pin, Shipped, Subchart

CURRENT = "26.03"

_DISTRIBUTION = Pin(
    repository="https://github.com/kubeflow/community-distribution",
    tag="26.03",
    commit="d68ebc7fab366ab40ddd1541d2ec22febb31bc83",
    licence="Apache-2.0",
)
_PROMETHEUS = Pin(
    repository="https://github.com/prometheus-community/helm-charts",
    tag="kube-prometheus-stack-88.5.3",
    commit="ea930baeebeba39f56d6b44e351f23b2a072a600",
    licence="Apache-2.0",
)
_GRAFANA = Pin(
    repository="https://github.com/grafana-community/helm-charts",
    tag="grafana-12.11.1",
    commit="864f7794683680e5100a38670e103c4fa6e37e29",
    licence="Apache-2.0",
)
_GPU_OPERATOR = Pin(
    repository="https://github.com/NVIDIA/gpu-operator",
    tag="v26.7.0",
    commit="10ee5b3638b89e11e949412aafa5ba99279c3721",
    licence="Apache-2.0",
)
_KUEUE = Pin(
    repository="https://github.com/kubernetes-sigs/kueue",
    tag="v0.19.2",
    commit="8eab68778fc1b52affe165fdf5af29d1e9b4f3cb",
    licence="Apache-2.0",
)
_FEAST = Pin(
    repository="https://github.com/feast-dev/feast",
    tag="v0.66.0",
    commit="1d5be950cf718a674cb01eaf0fd0ad6f0a4c6335",
    licence="Apache-2.0",
)
_MLFLOW = Pin(
    repository="https://github.com/community-charts/helm-charts",
    tag="mlflow-1.11.5",
    commit="9d23d003453a3d863d2086691a26250921fd1169",
    licence="MIT",
)
_COLLECTOR = Pin(
    repository="https://github.com/open-telemetry/opentelemetry-helm-charts",
    tag="opentelemetry-collector-0.170.0",
    commit="f5178cb97987004b474867a99e081be59b7f9bab",
    licence="Apache-2.0",
)
# The licence is the chart's: Loki and Tempo themselves are under their own.
_LOKI = replace(_GRAFANA, tag="loki-18.11.0", commit="3386a1156177c6bcd7fdb1ad4c6b1dda094296e0")
_TEMPO = replace(_GRAFANA, tag="tempo-2.2.4", commit="7d2a00b35a277517aca7f815f7c84220e5dacf1e")

_ARGO = "https://github.com/argoproj/argo-workflows (git, v3.7.3)"
_JOBSET = "https://github.com/kubernetes-sigs/jobset/releases/download/v0.10.1/manifests.yaml (HTTPS download)"


def _overlay(name: str, version: str, path: str, *, default: bool = True, downloads: tuple[str, ...] = ()) -> Component:
    """A component that upstream's distribution repository builds."""
    source = Overlay(pin=_DISTRIBUTION, path=path, downloads=downloads)
    return Component(name=name, version=version, source=source, default=default)


_KUBEFLOW = (
    _overlay("cert-manager", "1.19.4", "common/cert-manager/overlays/kubeflow"),
    _overlay("istio-crds", "1.29.0", "common/istio/istio-crds/base"),
    _overlay("istio-namespace", "1.29.0", "common/istio/istio-namespace/base"),
    _overlay("istio", "1.29.0", "common/istio/istio-install/overlays/oauth2-proxy"),
    _overlay("oauth2-proxy", "7.14.3", "common/oauth2-proxy/overlays/m2m-dex-only"),
    _overlay("dex", "2.45.0", "common/dex/overlays/oauth2-proxy"),
    _overlay("knative-serving", "1.21.1", "common/knative/knative-serving/overlays/gateways"),
    _overlay("cluster-local-gateway", "1.29.0", "common/istio/cluster-local-gateway/base"),
    _overlay("kubeflow-namespace", "26.03", "common/kubeflow-namespace/base"),
    _overlay("kubeflow-roles", "26.03", "common/kubeflow-roles/base"),
    _overlay("kubeflow-istio-resources", "26.03", "common/istio/kubeflow-istio-resources/base"),
    _overlay("pipelines", "2.16.0", "applications/pipeline/overlays", downloads=(_ARGO,)),
    _overlay("katib", "0.19.0", "applications/katib/upstream/installs/katib-with-kubeflow"),
    _overlay("centraldashboard", "1.10.0", "applications/centraldashboard/overlays/oauth2-proxy"),
    _overlay("admission-webhook", "1.10.0", "applications/admission-webhook/upstream/overlays/cert-manager"),
    _overlay("jupyter-web-app", "1.10.0", "applications/jupyter/jupyter-web-app/upstream/overlays/istio"),
    _overlay("notebook-controller", "1.10.0", "applications/jupyter/notebook-controller/upstream/overlays/kubeflow"),
    _overlay("profiles", "1.10.0", "applications/profiles/pss"),
    _overlay("pvcviewer-controller", "1.10.0", "applications/pvcviewer-controller/upstream/base"),
    _overlay("volumes-web-app", "1.10.0", "applications/volumes-web-app/upstream/overlays/istio"),
    _overlay(
        "tensorboard-controller", "1.10.0", "applications/tensorboard/tensorboard-controller/upstream/overlays/kubeflow"
    ),
    _overlay("tensorboards-web-app", "1.10.0", "applications/tensorboard/tensorboards-web-app/upstream/overlays/istio"),
    _overlay("training-operator", "1.9.2", "applications/training-operator/upstream/overlays/kubeflow", default=False),
    _overlay("trainer", "2.1.0", "applications/trainer/overlays", downloads=(_JOBSET,)),
    # An example tenant of a published user, whose address anybody may get at a provider.
    _overlay("user-namespace", "26.03", "common/user-namespace/base", default=False),
    _overlay("kserve", "0.16.0", "applications/kserve/kserve"),
    _overlay("kserve-models-web-app", "0.16.1", "applications/kserve/models-web-app/overlays/kubeflow"),
    _overlay("spark-operator", "2.5.0", "applications/spark/spark-operator/overlays/kubeflow"),
    # Its objects name no namespace: upstream means them for the namespace of a profile.
    _overlay("model-registry", "0.3.7", "applications/model-registry/upstream/overlays/db", default=False),
)

_ADDONS = (
    Component(
        name="kube-prometheus-stack",
        version="88.5.3",
        namespace="monitoring",
        family="prometheus",
        source=Chart(
            pin=_PROMETHEUS,
            path="charts/kube-prometheus-stack",
            release="kube-prometheus-stack",
            monitoring=False,
            dropped=("prometheus-windows-exporter",),
            subcharts=(
                Subchart(
                    name="kube-state-metrics",
                    pin=replace(
                        _PROMETHEUS, tag="kube-state-metrics-8.4.0", commit="1982f1c5828920f5d4ea5d04956169e81f8c5129"
                    ),
                    path="charts/kube-state-metrics",
                ),
                Subchart(
                    name="prometheus-node-exporter",
                    pin=replace(
                        _PROMETHEUS,
                        tag="prometheus-node-exporter-4.56.1",
                        commit="8b8e639cac80a3001412f187060068978f649a55",
                    ),
                    path="charts/prometheus-node-exporter",
                ),
                Subchart(name="grafana", pin=_GRAFANA, path="charts/grafana"),
            ),
        ),
    ),
    Component(
        name="kube-prometheus-stack-crds",
        version="88.5.3",
        family="prometheus",
        default=False,
        source=CrdsOf(component="kube-prometheus-stack"),
    ),
    *(
        Component(
            name=name,
            version="26.7.0",
            namespace="gpu-operator",
            family="gpu-operator",
            default=default,
            source=Chart(pin=_GPU_OPERATOR, path="deployments/gpu-operator", release="gpu-operator", version="v26.7.0"),
        )
        for name, default in (("gpu-operator-onprem", True), ("gpu-operator-cloud", False))
    ),
    Component(
        name="kueue",
        version="0.19.2",
        namespace="kueue-system",
        family="kueue",
        source=Overlay(
            pin=_KUEUE,
            path="config/default",
            image=ImageEdit(
                kustomization="config/components/manager/kustomization.yaml",
                name="controller",
                new_name="registry.k8s.io/kueue/kueue",
                new_tag="v0.19.2",
            ),
        ),
    ),
    Component(
        name="kueue-chart",
        version="0.19.2",
        namespace="kueue-system",
        family="kueue",
        default=False,
        source=Chart(pin=_KUEUE, path="charts/kueue", release="kueue"),
    ),
    Component(
        name="mlflow",
        version="1.11.5",
        namespace="mlflow",
        source=Chart(pin=_MLFLOW, path="charts/mlflow", release="mlflow", dropped=("postgresql", "mysql", "minio")),
    ),
    Component(
        name="feast-operator",
        version="0.66.0",
        namespace="feast-operator-system",
        source=Shipped(pin=_FEAST, path="infra/feast-operator/dist/install.yaml"),
    ),
    Component(
        name="feast-feature-server",
        version="0.66.0",
        namespace="feast",
        source=Chart(
            pin=_FEAST, path="infra/charts/feast-feature-server", release="feast-feature-server", monitoring=False
        ),
    ),
    Component(
        name="opentelemetry-collector",
        version="0.170.0",
        namespace="observability",
        source=Chart(pin=_COLLECTOR, path="charts/opentelemetry-collector", release="opentelemetry-collector"),
    ),
    Component(
        name="loki",
        version="18.11.0",
        namespace="observability",
        source=Chart(pin=_LOKI, path="charts/loki", release="loki", dropped=("minio", "rollout-operator")),
    ),
    Component(
        name="tempo",
        version="2.2.4",
        namespace="observability",
        source=Chart(pin=_TEMPO, path="charts/tempo", release="tempo"),
    ),
)

RELEASES: Mapping[str, tuple[Component, ...]] = MappingProxyType({CURRENT: (*_KUBEFLOW, *_ADDONS)})


class UnknownNameError(Exception):
    """A release or component that the table does not hold; the message lists what it holds."""


def components(release: str, names: tuple[str, ...] = ()) -> tuple[Component, ...]:
    """The named components of a release in the table's order; all of them when none is named."""
    table = RELEASES.get(release)
    if table is None:
        raise UnknownNameError(f"no release named '{release}'; known releases: {', '.join(RELEASES)}")
    unknown = [name for name in names if name not in {component.name for component in table}]
    if unknown:
        known = ", ".join(component.name for component in table)
        raise UnknownNameError(
            f"release {release} has no component named {', '.join(unknown)}; known components: {known}"
        )
    return tuple(component for component in table if not names or component.name in names)
