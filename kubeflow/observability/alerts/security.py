"""Alerts about what keeps the platform closed: certificates, mutual TLS, exemptions that nobody declared."""

from __future__ import annotations

from collections.abc import Iterator

from kubeflow.mesh import EXEMPTIONS
from kubeflow.observability.facts import Facts
from kubeflow.spec.monitoring import Severity

from .model import Alert

_BOARD = "proof-mesh"
_DAY = 86400
_CERTIFICATE = "Certificate {{ $labels.name }} of {{ $labels.namespace }}"


def alerts(facts: Facts) -> Iterator[Alert]:
    """The alerts of one stack's security."""
    days = facts.limits.certificate_days
    yield Alert(
        name="CertificateNotRenewed",
        expr=f"certmanager_certificate_expiration_timestamp_seconds - time() < {days * _DAY}",
        hold="1h", severity=Severity.CRITICAL, component="certificates", board=_BOARD,
        summary=f"{_CERTIFICATE} ends within {days} days",
    )  # fmt: skip
    yield Alert(
        name="CertificateNotReady",
        expr='max by (namespace, name) (certmanager_certificate_ready_status{condition!="True"}) == 1',
        hold="15m", severity=Severity.WARNING, component="certificates", board=_BOARD,
        summary=f"{_CERTIFICATE} is not ready",
    )  # fmt: skip
    yield from _mesh()
    yield from _exemptions(facts)


def _mesh() -> Iterator[Alert]:
    yield Alert(
        name="MeshRootExpiring", expr=f"min(citadel_server_root_cert_expiry_seconds) < {30 * _DAY}",
        hold="1h", severity=Severity.CRITICAL, component="mesh", board=_BOARD, namespace="istio-system",
        summary="The root of all certificates of the mesh ends within 30 days",
    )  # fmt: skip
    yield Alert(
        name="MeshConfigRejected", expr="sum(increase(pilot_total_xds_rejects[10m])) > 0",
        hold="10m", severity=Severity.WARNING, component="mesh", board=_BOARD, namespace="istio-system",
        summary="Proxies refuse configuration and go on with an older one",
    )  # fmt: skip
    yield Alert(
        name="MeshPlaintext",
        expr="sum by (destination_workload_namespace, destination_workload) (rate(istio_requests_total"
        '{reporter="destination",connection_security_policy!="mutual_tls",source_workload!="unknown"}[5m])) > 0',
        hold="5m", severity=Severity.CRITICAL, component="mesh", board=_BOARD,
        namespace="{{ $labels.destination_workload_namespace }}",
        summary="{{ $labels.destination_workload }} answers callers without mutual TLS",
    )  # fmt: skip
    yield Alert(
        name="IngressErrors",
        expr='sum(rate(istio_requests_total{reporter="source",source_workload="istio-ingressgateway",'
        'response_code=~"5.."}[5m])) / sum(rate(istio_requests_total{reporter="source",'
        'source_workload="istio-ingressgateway"}[5m])) > 0.01',
        hold="10m", severity=Severity.CRITICAL, component="mesh", board=_BOARD, namespace="istio-system",
        summary="More than one of a hundred requests from outside fails",
    )  # fmt: skip
    yield Alert(
        name="InClusterSlow", expr="service:slow_inside:ratio_rate5m > 0.01 and service:requests:rate5m > 1",
        hold="15m", severity=Severity.INFO, component="mesh", board=_BOARD,
        namespace="{{ $labels.destination_service_namespace }}",
        summary="More than one of a hundred requests to {{ $labels.destination_service_name }} is slow",
    )  # fmt: skip


def _exemptions(facts: Facts) -> Iterator[Alert]:
    """What is weaker than it was declared to be. Declared exemptions have their reasons in `kubeflow.mesh`."""
    weak = 'mode=~"PERMISSIVE|DISABLE"'
    ports: dict[str, set[int]] = {}
    for one in EXEMPTIONS:
        if one.mode == "PERMISSIVE" and one.workload.component in facts.installed:
            ports.setdefault(str(one.workload.namespace), set()).add(one.port)
    known = "".join(
        f' unless kubeflow_peerauthentication_port_info{{namespace="{namespace}",port=~"{_either(numbers)}"}}'
        for namespace, numbers in sorted(ports.items())
    )
    yield Alert(
        name="MeshExemptionUndeclared", expr=f"kubeflow_peerauthentication_mode_info{{{weak}}} == 1",
        hold="5m", severity=Severity.CRITICAL, component="mesh", board=_BOARD,
        summary="{{ $labels.name }} of {{ $labels.namespace }} lets callers in without mutual TLS",
    )  # fmt: skip
    yield Alert(
        name="MeshPortUndeclared", expr=f"kubeflow_peerauthentication_port_info{{{weak}}} == 1{known}",
        hold="5m", severity=Severity.CRITICAL, component="mesh", board=_BOARD,
        summary="{{ $labels.name }} of {{ $labels.namespace }} opens port {{ $labels.port }} without mutual TLS",
    )  # fmt: skip
    if facts.tenants:
        yield Alert(
            name="TenantNotFenced",
            expr=f'max by (namespace) (kube_namespace_created{{namespace=~"{facts.tenant_regex}"}}) '
            "unless on (namespace) kube_namespace_labels{"
            'label_pod_security_kubernetes_io_enforce=~"baseline|restricted"}',
            hold="5m", severity=Severity.CRITICAL, component="tenants", board=_BOARD,
            summary="No Pod Security Standard is enforced in {{ $labels.namespace }}",
        )  # fmt: skip


def _either(numbers: set[int]) -> str:
    return "|".join(str(number) for number in sorted(numbers))
