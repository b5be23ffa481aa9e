"""PodMonitors made from the table of targets: one for each workload, one for all tenants. Pure; asks no cluster.

They select pods, never Services: a workload's own labels pick exactly its pods, while several of upstream's Services
share labels and would have the same port read twice, and one names a port that nothing listens on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from infra.objects import Document, document
from kubeflow.install.planned import Planned, own
from kubeflow.install.waves import Wave
from kubeflow.network import Workload
from kubeflow.network.policies import selector

from .scrape import MERGED_PORT, TARGETS, How, Target

NAMESPACE = "monitoring"
PART = "monitoring"
TOKEN_CLASS = "service-account-token"  # noqa: S105 - the name of a scrape class, defined in `stack`
INJECTED = {"security.istio.io/tlsMode": "istio"}  # the sidecar injector's mark
PROXY_PORT = "http-envoy-prom"  # the one port that proxies declare
# A proxy declares only the port of its own metrics; those with the application's are on another.
_MERGED: Document = {
    "action": "replace",
    "sourceLabels": ["__address__"],
    "regex": "(.+):15090",
    "replacement": f"$1:{MERGED_PORT}",
    "targetLabel": "__address__",
}
# Labels of pods that dashboards group by, where a pod has them.
_TENANT_LABELS = ("serving.kserve.io/inferenceservice", "serving.knative.dev/revision", "notebook-name")


def monitors(installed: Collection[str], tenants: Sequence[str]) -> Iterator[Planned]:
    """The monitors of what is installed, where Prometheus is; components are named as in the table of workloads."""
    if "prometheus" not in installed:
        return
    for target in TARGETS:
        workload = target.of
        if target.how is How.UPSTREAM or not isinstance(workload, Workload):
            continue
        if workload.namespace is None:
            if tenants:
                yield own(PART, Wave.MONITORS, _of_tenants(target, tenants))
        elif {workload.component, target.also or workload.component} <= set(installed):
            yield own(PART, Wave.MONITORS, _of_workload(target, workload, workload.namespace))


def name_of(target: Target) -> str:
    """The name of a target's monitor."""
    end, suffix = str(target).replace("/", "-"), "-direct" if target.bypasses_sidecar else ""
    return f"{end}{suffix}"


def _of_workload(target: Target, workload: Workload, namespace: str) -> Document:
    return _monitor(target, selector=selector(workload), namespaceSelector={"matchNames": [namespace]})


def _of_tenants(target: Target, tenants: Sequence[str]) -> Document:
    """Only pods with a sidecar: the others (training, pipeline steps) have nothing on that port."""
    return _monitor(
        target,
        selector={"matchLabels": dict(INJECTED)},
        namespaceSelector={"matchNames": sorted(tenants)},
        podTargetLabels=list(_TENANT_LABELS),
    )


def _monitor(target: Target, **spec: Any) -> Document:  # noqa: ANN401 - any JSON value
    token = {"scrapeClass": TOKEN_CLASS} if target.how is How.TOKEN else {}
    spec = {**spec, **token, "podMetricsEndpoints": [_endpoint(target)]}
    return document("monitoring.coreos.com/v1", "PodMonitor", name_of(target), NAMESPACE, spec=spec)


def _endpoint(target: Target) -> Document:
    job = {"action": "replace", "targetLabel": "job", "replacement": str(target)}
    through_proxy = target.how is How.PROXY
    tenants = isinstance(target.of, Workload) and target.of.namespace is None
    return {
        # Controllers name the namespace of what they count; a tenant could name another tenant's.
        "honorLabels": not tenants,
        "path": target.path,
        **({"scheme": "https"} if target.how is How.TOKEN else {}),
        **({"port": PROXY_PORT} if through_proxy else {"portNumber": target.ports[0]}),
        "relabelings": [_MERGED, job] if through_proxy else [job],
    }
