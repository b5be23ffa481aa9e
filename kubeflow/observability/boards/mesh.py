"""Dashboard of the mesh: the way in, mutual TLS, exemptions, certificates, and who answers slowly inside."""

from __future__ import annotations

from kubeflow.observability.facts import Facts
from kubeflow.observability.recording import BY_SERVICE

from .model import Board, Kind, Line, Section, lines

SLUG = "proof-mesh"
_RATE = "$__rate_interval"
_IN = 'reporter="source",source_workload="istio-ingressgateway"'
_NONE = "No request has come through the gateway yet"
_SEEN = 'reporter="destination"'


def board(facts: Facts) -> Board:
    """The dashboard of this stack's mesh."""
    return Board(
        slug=SLUG, title="Mesh and ingress", about="Who calls whom, how safely, and how fast.",
        sections=(_ingress(), _inside(facts), _safety(facts), _control()),
    )  # fmt: skip


def _ingress() -> Section:
    panels = (
        lines("Requests from outside", "reqps", "By service behind the gateway.", _NONE,
              (f"sum by (destination_service_name) (rate(istio_requests_total{{{_IN}}}[{_RATE}]))",
               "{{destination_service_name}}")),
        lines("Answers by code", "reqps", "302 and 401 are the login, 403 is authorization.", _NONE,
              (f"sum by (response_code) (rate(istio_requests_total{{{_IN}}}[{_RATE}]))", "{{response_code}}")),
        lines("Failed requests from outside", "percentunit", "Share of 5xx; one of a hundred is an alert.", _NONE,
              ((f'sum(rate(istio_requests_total{{{_IN},response_code=~"5.."}}[{_RATE}])) '
               f"/ sum(rate(istio_requests_total{{{_IN}}}[{_RATE}]))"), "failed"), line=Line(value=0.01)),
        lines("Latency of the gateway", "ms", "Percentiles, interpolated between bounds of the histogram.", _NONE,
              *(((f"histogram_quantile({quantile}, sum by (le) "
                 f"(rate(istio_request_duration_milliseconds_bucket{{{_IN}}}[{_RATE}])))"), name)
                for quantile, name in ((0.5, "median"), (0.95, "p95"), (0.99, "p99")))),
    )  # fmt: skip
    return Section(title="Ingress", panels=panels)


def _inside(facts: Facts) -> Section:
    limit, none = facts.limits.in_cluster_milliseconds, "No request inside of the mesh yet"
    panels = (
        lines(f"Slower than {limit} ms inside of the cluster", "percentunit",
              "Includes the time of the service itself: it corroborates the criterion, which is measured with an echo.",
              none, ("topk(10, service:slow_inside:ratio_rate5m)", "{{destination_service_name}}"),
              line=Line(value=0.01)),
        lines("Failed requests by service", "percentunit", "Share of 5xx, the ten worst.", none,
              ("topk(10, service:errors:ratio_rate5m)",
               "{{destination_service_name}} ({{destination_service_namespace}})"), line=Line(value=0.01)),
        lines("Requests by service", "reqps", "The ten that are asked most.", none,
              ("topk(10, service:requests:rate5m)", "{{destination_service_name}}")),
        lines("TCP connections", "cps", "Opened per second: databases and whatever is not HTTP.", none,
              (f"sum by ({BY_SERVICE}) (rate(istio_tcp_connections_opened_total{{{_SEEN}}}[{_RATE}]))",
               "{{destination_service_name}}")),
    )  # fmt: skip
    return Section(title="Inside", panels=panels)


def _safety(facts: Facts) -> Section:
    policy = f"sum by (connection_security_policy) (rate(istio_requests_total{{{_SEEN}}}[{_RATE}]))"
    weak = 'mode=~"PERMISSIVE|DISABLE"'
    panels = (
        lines("Requests by protection", "reqps", "mutual_tls is a proven caller. none comes only to ports with an "
              "exemption.", "No request yet", (policy, "{{connection_security_policy}}")),
        lines("Exemptions in force", "short", "Ports and workloads that callers may reach without mutual TLS.",
              "No exemption is in force",
              (f"max by (namespace, name, port, mode) (kubeflow_peerauthentication_port_info{{{weak}}})", ""),
              (f"max by (namespace, name, mode) (kubeflow_peerauthentication_mode_info{{{weak}}})", ""),
              kind=Kind.TABLE),
        lines("Life of certificates", "s", f"Time that is left; {facts.limits.certificate_days} days are short.",
              "cert-manager has no certificate",
              ("min by (namespace, name) (certmanager_certificate_expiration_timestamp_seconds) - time()",
               "{{name}} of {{namespace}}"), kind=Kind.BARS,
              line=Line(value=facts.limits.certificate_days * 86400, above_is_bad=False)),
        lines("Life of the mesh's root", "s", "30 days before its end is an alert.", "istiod is not read",
              ("min(citadel_server_root_cert_expiry_seconds)", "root"), kind=Kind.NUMBER,
              line=Line(value=30 * 86400, above_is_bad=False)),
    )  # fmt: skip
    return Section(title="Safety", panels=panels)


def _control() -> Section:
    none = "istiod is not read"
    panels = (
        lines("Configuration that proxies refuse", "short", "Refusals in ten minutes.", none,
              ("sum(increase(pilot_total_xds_rejects[10m]))", "refused"), line=Line(value=1)),
        lines("Time until proxies know", "s", "99th percentile from a change to the last proxy.", none,
              (f"histogram_quantile(0.99, sum by (le) (rate(pilot_proxy_convergence_time_bucket[{_RATE}])))", "p99")),
    )  # fmt: skip
    return Section(title="Control plane", panels=panels)
