"""Logs and traces in the cluster: changes of upstream's collector and stores, and who reads whose. Pure.

Nobody but the collector and the agents may write, and nobody but Grafana may read: the stores ask for no password, so
the network policies are their lock. The platform's gateway has no way to them on purpose: tenants can have headers set
and hosts named on routes of their own, so that a header proves nothing there. Grafana, which no tenant reaches, shows
each tenant's data apart, and everybody's together. Tenants read their running pods' output with their own rights.
"""

from __future__ import annotations

from collections.abc import Iterator

import pulumi
import yaml

from infra.contract import Secrets
from infra.objects import Document, document
from kubeflow.distribution.documents import Body
from kubeflow.install import kinds
from kubeflow.install.planned import Planned, own
from kubeflow.install.transforms import Context, Step, Transform
from kubeflow.install.waves import Wave
from kubeflow.network.policies import selector
from kubeflow.network.workloads import WORKLOADS
from kubeflow.spec.monitoring import MonitoringSpec

from . import agent, telemetry
from .agent import COLLECTOR, Telemetry
from .exports import edited
from .telemetry import AGENT, AGENT_NAMESPACE, HEADER, PLATFORM, Signal

NAMESPACE = "observability"
_PART = "telemetry"
_ENDPOINT = f"http://{COLLECTOR}.{NAMESPACE}.svc.cluster.local:4317"
_NAMES = {str(workload): workload for workload in WORKLOADS}
_STORES = {"loki": f"http://loki-gateway.{NAMESPACE}", "tempo": f"http://tempo.{NAMESPACE}:3200"}
_LONGEST = 40  # characters of a data source's uid


def steps(one: Telemetry) -> tuple[Step, ...]:
    """What is changed about upstream's collector and stores."""
    return (
        Step(apply=_collector(one), why="upstream's collector believes what a sender says about itself"),
        Step(apply=_stores(one), why="upstream keeps everybody's logs in one place for ever, and traces for a day"),
        Step(apply=_traced(one), why="Knative's queue and activator send no spans until they know where"),
    )


def objects(one: Telemetry, config: Secrets | None = None) -> Iterator[Planned]:
    """The agent, the ways to read, and what a search engine needs; `config` holds the password."""
    if one.reads_nodes:
        yield from (own(_PART, Wave.CONTROLLERS, body) for body in agent.objects(one))
    if "prometheus" in one.installed:
        yield from (own(_PART, Wave.MONITORS, body) for body in _sources(one))
    if one.spec.search is not None and one.signals and config is not None:
        yield from (own(_PART, Wave.BASE, body) for body in _search(one, config(one.spec.search.secret)))


def _collector(one: Telemetry) -> Transform:
    text = agent.text(telemetry.collector(one.tenants, one.signals, one.spec.search)) if one.signals else ""

    def apply(body: Body, _context: Context) -> Body:
        metadata = body["metadata"]
        if not text or (metadata.get("namespace"), metadata["name"]) != (NAMESPACE, COLLECTOR):
            return body
        match body["kind"]:
            case "ConfigMap":
                body["data"]["relay"] = text
            case "Deployment":
                _annotate(body, agent.digest(text))
                container = body["spec"]["template"]["spec"]["containers"][0]
                container["ports"] = _received(container)
                if one.spec.search is not None:
                    container |= {"image": one.image, "command": [one.program]}
                    container["env"] = [*kinds.parts(container, "env"), agent.password()]
            case "Service":
                body["spec"]["ports"] = _received(body["spec"])
            case _:
                pass
        return body

    return apply


def _received(body: Body) -> list[Document]:
    """The ports that something still listens on."""
    return [port for port in kinds.parts(body, "ports") if port["name"].startswith("otlp")]


def _stores(one: Telemetry) -> Transform:
    """Each tenant's apart, and no longer than said. Pods carry it, too: they read it only at the start."""
    spec = one.spec

    def apply(body: Body, _context: Context) -> Body:
        metadata = body["metadata"]
        if metadata.get("namespace") != NAMESPACE:
            return body
        match body["kind"], metadata["name"]:
            case "ConfigMap", "loki":
                body["data"]["config.yaml"] = _loki(body["data"]["config.yaml"], spec)
            case "ConfigMap", "tempo":
                text = edited(body["data"]["tempo.yaml"], ("multitenancy_enabled",), value=True)
                text = edited(text, ("compactor", "compaction", "block_retention"), f"{spec.traces_days * 24}h")
                body["data"]["tempo.yaml"] = edited(text, ("usage_report", "reporting_enabled"), value=False)
            case "StatefulSet", "loki":
                _annotate(body, f"tenants, {spec.logs_days}d")
            case "StatefulSet", "tempo":
                _annotate(body, f"tenants, {spec.traces_days}d")
            case "DaemonSet", "loki-canary":
                container = body["spec"]["template"]["spec"]["containers"][0]
                container["args"] = [*kinds.parts(container, "args"), f"-tenant-id={PLATFORM}"]
            case _:
                pass
        return body

    return apply


def _loki(text: str, spec: MonitoringSpec) -> str:
    store = yaml.safe_load(text)["schema_config"]["configs"][-1]["object_store"]
    text = edited(text, ("auth_enabled",), value=True)
    text = edited(text, ("querier", "multi_tenant_queries_enabled"), value=True)
    text = edited(text, ("limits_config", "retention_period"), f"{spec.logs_days}d")
    text = edited(text, ("compactor", "retention_enabled"), value=True)
    return edited(text, ("compactor", "delete_request_store"), store)


def _traced(one: Telemetry) -> Transform:
    """The share that the mesh traces (knative.dev/pkg: observability/tracing)."""
    wanted = one.traced_percent > 0 and Signal.TRACES in one.signals

    def apply(body: Body, _context: Context) -> Body:
        metadata = body["metadata"]
        name = (body["kind"], metadata.get("namespace"), metadata["name"])
        if wanted and name == ("ConfigMap", "knative-serving", "config-observability"):
            traces = {
                "tracing-protocol": "grpc",
                "tracing-endpoint": _ENDPOINT,
                "tracing-sampling-rate": f"{one.traced_percent / 100:g}",
            }
            body["data"] = {**kinds.part(body, "data"), **traces}
        return body

    return apply


def _sources(one: Telemetry) -> Iterator[Document]:
    """What Grafana's sidecar collects by its label: each store once for everybody's, and once for each tenant's."""
    owners = (("", one.everybody), *((tenant, tenant) for tenant in (PLATFORM, *one.tenants)))
    for store, url in _STORES.items():
        if store not in one.installed or (store == "loki" and one.spec.search is not None):
            continue
        entries = [_source(store, url, name, header) for name, header in owners]
        yield document(
            "v1", "ConfigMap", f"grafana-datasource-{store}", AGENT_NAMESPACE,
            metadata={"labels": {"grafana_datasource": "1"}},
            data={f"{store}.yaml": yaml.safe_dump({"apiVersion": 1, "datasources": entries}, sort_keys=True)},
        )  # fmt: skip


def _source(store: str, url: str, tenant: str, header: str) -> Document:
    """One way to look at a store. A line leads to its trace, and a trace to its lines, of the same tenant."""
    shown = f" of {tenant}" if tenant else ""
    field = {"name": "trace", "matcherType": "label", "matcherRegex": "trace_id", "url": "$${__value.raw}"}
    links: Document = (
        {"derivedFields": [{**field, "datasourceUid": _uid("tempo", tenant)}]}
        if store == "loki"
        else {"tracesToLogsV2": {"datasourceUid": _uid("loki", tenant), "filterByTraceID": True}}
    )
    return {
        "name": f"{store.capitalize()}{shown}", "type": store, "uid": _uid(store, tenant), "url": url,
        "access": "proxy", "jsonData": {"httpHeaderName1": HEADER, **links},
        "secureJsonData": {"httpHeaderValue1": header},
    }  # fmt: skip


def _uid(store: str, tenant: str) -> str:
    """The address of a data source, which Grafana keeps short."""
    whole = f"{store}-{tenant}" if tenant else store
    return whole if len(whole) <= _LONGEST else f"{store}-{agent.digest(tenant)}"


def _search(one: Telemetry, password: str | pulumi.Output[str]) -> Iterator[Document]:
    """The account's password, and the way out to the engine, beside each sender."""
    search = one.spec.search
    senders = [f"{NAMESPACE}/{COLLECTOR}", *([f"{AGENT_NAMESPACE}/{AGENT}"] if one.reads_nodes else [])]
    for name in senders:
        space = name.partition("/")[0]
        yield document("v1", "Secret", agent.SECRET, space, type="Opaque", stringData={"password": password})
        if search is not None:
            openings = [{"ipBlock": {"cidr": cidr}} for cidr in sorted(search.networks)]
            spec = {
                "podSelector": selector(_NAMES[name]),
                "policyTypes": ["Egress"],
                "egress": [{"to": openings, "ports": [{"protocol": "TCP", "port": search.port}]}],
            }
            yield document("networking.k8s.io/v1", "NetworkPolicy", agent.SECRET, space, spec=spec)


def _annotate(body: Body, value: str) -> None:
    """Pods that are made anew when it changes."""
    metadata = body["spec"]["template"]["metadata"]
    metadata["annotations"] = {**kinds.part(metadata, "annotations"), agent.CONFIGURED: value}
