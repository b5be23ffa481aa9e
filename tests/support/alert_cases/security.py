"""Cases of the alerts about certificates, the mesh and its exemptions."""

from __future__ import annotations

from tests.support.rules import Case, always, steady

_CERTIFICATE = 'namespace="kubeflow",name="gateway"'
_NAMED = {"namespace": "kubeflow", "name": "gateway"}
_ENDS = f"certmanager_certificate_expiration_timestamp_seconds{{{_CERTIFICATE}}}"
_STATE = ("certmanager_certificate_ready_status{{" + _CERTIFICATE + ',condition="{}"}}').format
_ROOT, _REJECTS = "citadel_server_root_cert_expiry_seconds", "pilot_total_xds_rejects"
_DAY = 86400


def called(policy: str, source: str) -> dict[str, str]:
    who = 'reporter="destination",destination_workload_namespace="team-a",destination_workload="p"'
    call = f'{who},connection_security_policy="{policy}",source_workload="{source}"'
    return {f"istio_requests_total{{{call}}}": steady(1)}


def entered(failed: float) -> dict[str, str]:
    who = 'istio_requests_total{reporter="source",source_workload="istio-ingressgateway",response_code='
    return {f'{who}"200"}}': steady(1000 - failed), f'{who}"503"}}': steady(failed)}


def inside(slow: float, rate: float) -> dict[str, str]:
    """Per cent of slow requests, and requests a minute."""
    who = (
        'reporter="destination",source_workload="a",destination_service_namespace="team-a",'
        'destination_service_name="iris"'
    )
    name = "istio_request_duration_milliseconds"
    return {
        f'{name}_bucket{{{who},le="100.0"}}': steady(rate * (100 - slow) / 100),
        f"{name}_count{{{who}}}": steady(rate),
        f'istio_requests_total{{{who},response_code="200"}}': steady(rate),
    }


def peer(metric: str, namespace: str, **labels: str) -> dict[str, str]:
    given = {"namespace": namespace, "name": "default", **labels}
    text = ",".join(f'{key}="{value}"' for key, value in given.items())
    return {f"kubeflow_peerauthentication_{metric}_info{{{text}}}": always(1)}


_TENANT = 'kube_namespace_created{namespace="team-a"}'
_ENFORCED = 'kube_namespace_labels{{namespace="team-a",label_pod_security_kubernetes_io_enforce="{}"}}'.format
_SERVICE = {"destination_service_namespace": "team-a", "destination_service_name": "iris"}
_WORKLOAD = {"destination_workload_namespace": "team-a", "destination_workload": "p"}
_OPEN = {"namespace": "team-a", "name": "default", "mode": "PERMISSIVE"}

CASES: tuple[Case, ...] = (
    Case(alert="CertificateNotRenewed", name="six days", past={_ENDS: always(6 * _DAY)}, fires=(_NAMED,), since=0),
    Case(alert="CertificateNotRenewed", name="eight days", past={_ENDS: always(8.2 * _DAY)}, since=60),
    Case(alert="CertificateNotReady", name="not ready", past={_STATE("False"): always(1), _STATE("True"): always(0)},
         fires=(_NAMED,), since=0),
    Case(alert="CertificateNotReady", name="ready", past={_STATE("False"): always(0), _STATE("True"): always(1)},
         since=30),
    Case(alert="MeshRootExpiring", name="four weeks", past={_ROOT: always(28 * _DAY)}, fires=({},), since=0),
    Case(alert="MeshRootExpiring", name="five weeks", past={_ROOT: always(35 * _DAY)}, since=90),
    Case(alert="MeshConfigRejected", name="rejected", past={_REJECTS: steady(1)}, fires=({},), since=1),
    Case(alert="MeshConfigRejected", name="rejected once", past={_REJECTS: always(5)}, since=30),
    Case(alert="MeshPlaintext", name="plain", past=called("none", "intruder"), fires=(_WORKLOAD,), since=1),
    Case(alert="MeshPlaintext", name="safe", past=called("mutual_tls", "friend"), since=30),
    Case(alert="MeshPlaintext", name="outside of the mesh", past=called("none", "unknown"), since=30),
    Case(alert="MeshPlaintext", name="long ago", since=60,
         past={key: always(7) for key in called("none", "intruder")}),
    Case(alert="IngressErrors", name="more than one of a hundred", past=entered(11), fires=({},), since=1),
    Case(alert="IngressErrors", name="fewer", past=entered(9), since=60),
    Case(alert="InClusterSlow", name="more than one of a hundred", past=inside(1.1, 120), fires=(_SERVICE,), since=1),
    Case(alert="InClusterSlow", name="fewer", past=inside(0.9, 120), since=60),
    Case(alert="InClusterSlow", name="hardly anybody asks", past=inside(50, 55), since=60),
    Case(alert="InClusterSlow", name="few ask", past=inside(50, 65), fires=(_SERVICE,), since=1),
    Case(alert="MeshExemptionUndeclared", name="permissive", past=peer("mode", "team-a", mode="PERMISSIVE"),
         fires=(_OPEN,), since=0),
    Case(alert="MeshExemptionUndeclared", name="strict", past=peer("mode", "team-a", mode="STRICT"), since=30),
    Case(alert="MeshPortUndeclared", name="a tenant's port", since=0,
         past=peer("port", "team-a", port="8080", mode="PERMISSIVE"), fires=({**_OPEN, "port": "8080"},)),
    Case(alert="MeshPortUndeclared", name="a declared one", since=30,
         past=peer("port", "kubeflow", port="8888", mode="PERMISSIVE")),
    Case(alert="MeshPortUndeclared", name="another declared one", since=30,
         past=peer("port", "knative-serving", port="8443", mode="PERMISSIVE")),
    Case(alert="MeshPortUndeclared", name="strict", past=peer("port", "team-a", port="8080", mode="STRICT"), since=30),
    Case(alert="TenantNotFenced", name="nothing is enforced", past={_TENANT: always(1)}, since=0,
         fires=({"namespace": "team-a"},)),
    Case(alert="TenantNotFenced", name="anything goes", since=0, fires=({"namespace": "team-a"},),
         past={_TENANT: always(1), _ENFORCED("privileged"): always(1)}),
    Case(alert="TenantNotFenced", name="fenced", past={_TENANT: always(1), _ENFORCED("baseline"): always(1)}, since=30),
)  # fmt: skip
