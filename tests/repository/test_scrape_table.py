"""The table of scrapes against the table of flows, and every monitor against upstream's rendered objects."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from kubeflow.distribution import CacheMissingError, load
from kubeflow.distribution import table as distribution
from kubeflow.install import kinds
from kubeflow.install.transforms import Context, Step
from kubeflow.mesh import EXEMPTIONS
from kubeflow.network import Outside, Workload
from kubeflow.network.flows import Peer
from kubeflow.network.table import FLOWS
from kubeflow.observability import Stack, monitors, steps
from kubeflow.observability.agent import Telemetry
from kubeflow.observability.metrics import DECLARED
from kubeflow.observability.monitors import INJECTED, PROXY_PORT
from kubeflow.observability.scrape import GPU_MONITOR, PROMETHEUS, TARGETS, How
from kubeflow.observability.stack import DROPPED
from kubeflow.observability.states import STATES
from kubeflow.spec.monitoring import MonitoringSpec

Json = dict[str, Any]

CHOSEN = tuple(one for one in distribution.components(distribution.CURRENT) if one.default) + distribution.components(
    distribution.CURRENT, ("training-operator",)
)
INSTALLED = frozenset(one.family or one.name for one in CHOSEN)
STACK = Stack(spec=MonitoringSpec(), storage_class="fast", installed=INSTALLED, traced_percent=1)
CONTEXT = Context(namespace=None, webhooks=True, containers=True, cluster_scoped=frozenset())


def missing() -> str:
    try:
        load(distribution.CURRENT, [one.name for one in CHOSEN])
    except CacheMissingError as error:
        return str(error)
    return ""


with_upstream = pytest.mark.skipif(bool(missing()), reason="compares with upstream's objects, which are not cached")


@cache
def upstream() -> tuple[Json, ...]:
    """Upstream's objects, in the namespaces that they will be in."""
    rendered = load(distribution.CURRENT, [one.name for one in CHOSEN]).components.values()
    return tuple(
        {**body, "metadata": {**({"namespace": one.namespace} if one.namespace else {}), **body["metadata"]}}
        for one in rendered
        for body in (*one.core, *one.late)
    )


@cache
def definitions() -> tuple[Json, ...]:
    rendered = load(distribution.CURRENT, [one.name for one in CHOSEN]).components.values()
    return tuple(body for one in rendered for body in one.crds)


def applied(body: Json, given: Iterable[Step]) -> Json | None:
    result: Json | None = copy.deepcopy(body)
    for step in given:
        if result is not None:
            result = step.apply(result, CONTEXT)
    return result


@cache
def installed() -> tuple[Json, ...]:
    """Upstream's objects after the transforms of monitoring."""
    return tuple(body for given in upstream() if (body := applied(given, steps(STACK))) is not None)


def pods() -> Iterator[tuple[str, str, Json]]:
    """Namespace, controller's name and template of every pod that upstream's controllers make."""
    for body in installed():
        if kinds.pod_spec(body) is not None and body["kind"] != "CronJob":
            yield body["metadata"].get("namespace", ""), body["metadata"]["name"], body["spec"]["template"]


def of_kind(kind: str, among: Iterable[Json]) -> dict[str, Json]:
    return {body["metadata"]["name"]: body for body in among if body["kind"] == kind}


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """The rules of a label selector: all of its labels and all of its expressions."""
    for expression in selector.get("matchExpressions", ()):
        value, values = labels.get(expression["key"]), expression.get("values", ())
        holds = {"Exists": value is not None, "DoesNotExist": value is None, "NotIn": value not in values,
                 "In": value in values}  # fmt: skip
        if not holds[expression["operator"]]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def ports(pod: Json) -> dict[int, str]:
    return {port["containerPort"]: port.get("name", "") for box in pod["containers"] for port in box.get("ports") or ()}


def reached(flows: Iterable[tuple[Peer, int | None]]) -> set[str]:
    return {f"{end.value if isinstance(end, Outside) else end} {port}" for end, port in flows}


def test_prometheus_may_reach_every_target_and_nothing_else_but_names() -> None:
    targets = reached((target.of, port) for target in TARGETS for port in target.ports)
    ours = [flow for flow in FLOWS if str(flow.source) == PROMETHEUS and flow.port != 53]
    flows = reached((flow.target, flow.port) for flow in ours)
    assert {"without a flow": targets - flows, "without a target": flows - targets} == {
        "without a flow": set(),
        "without a target": set(),
    }


def test_what_is_read_past_a_sidecar_is_an_exemption_of_the_mesh() -> None:
    excluded = {f"{one.workload} {one.port}" for one in EXEMPTIONS if one.mode == "EXCLUDED"}
    assert [
        name for target in TARGETS if target.bypasses_sidecar if (name := f"{target} {target.ports[0]}") not in excluded
    ] == []


@with_upstream
def test_each_monitor_finds_its_workload_and_no_other() -> None:
    wrong: dict[str, list[str]] = {}
    by_name = {str(target.of).replace("/", "-"): target.of for target in TARGETS if isinstance(target.of, Workload)}
    for planned in monitors(INSTALLED, ()):
        spec, name = planned.body["spec"], planned.body["metadata"]["name"].removesuffix("-direct")
        workload = by_name[name]
        (namespace,) = spec["namespaceSelector"]["matchNames"]
        found = [
            f"{space}/{controller}"
            for space, controller, template in pods()
            if space == namespace and selects(spec["selector"], template["metadata"].get("labels") or {})
        ]
        if found != ([] if workload.made_by else [str(workload)]):
            wrong[name] = found
    assert wrong == {}


@with_upstream
def test_each_monitored_port_is_declared_by_the_pod_or_its_sidecar() -> None:
    templates = {f"{namespace}/{name}": template for namespace, name, template in pods()}
    wrong: list[str] = []
    for target in TARGETS:
        template = templates.get(str(target))
        if template is None or target.how is How.UPSTREAM or not isinstance(target.of, Workload):
            continue
        declared = ports(template["spec"])
        if target.how is How.PROXY:
            if not target.of.mesh and PROXY_PORT not in declared.values():
                wrong.append(f"{target}: {PROXY_PORT}")
        elif target.ports[0] not in declared:
            wrong.append(f"{target}: {target.ports[0]}")
    assert wrong == []


@with_upstream
def test_the_sidecar_declares_the_port_and_carries_the_label_that_monitors_look_for() -> None:
    injector = of_kind("ConfigMap", upstream())["istio-sidecar-injector"]["data"]["config"]
    assert f"name: {PROXY_PORT}" in injector
    assert "containerPort: 15090" in injector
    (label,) = INJECTED
    assert f'{label}: {{{{ index .ObjectMeta.Labels `{label}` | default "istio"' in injector


@with_upstream
def test_each_application_that_a_sidecar_reads_is_marked_for_it() -> None:
    templates = {f"{namespace}/{name}": template for namespace, name, template in pods()}
    marked = {
        name: template["metadata"].get("annotations", {}).get("prometheus.io/port")
        for name, template in templates.items()
    }
    wrong = {
        str(target): marked[str(target)]
        for target in TARGETS
        if target.application is not None and marked[str(target)] != str(target.application)
    }
    assert wrong == {}


@with_upstream
def test_no_application_serves_its_merged_metrics_on_a_port_of_another_purpose() -> None:
    """A port that the pod declares under a webhook's or database's name would be the wrong one."""
    templates = {f"{namespace}/{name}": template for namespace, name, template in pods()}
    names = {
        str(target): ports(templates[str(target)]["spec"]).get(target.application, "")
        for target in TARGETS
        if target.application is not None
    }
    assert {name: port for name, port in names.items() if port not in ("", "http", "metrics")} == {}


@with_upstream
def test_monitors_that_components_ship_are_in_the_table_or_left_out_with_a_reason() -> None:
    kept = {target.monitor for target in TARGETS if target.monitor}
    assert set(of_kind("ServiceMonitor", installed())) == kept - {GPU_MONITOR}
    assert of_kind("PodMonitor", installed()) == {}


@with_upstream
def test_everything_that_is_left_out_is_there_upstream() -> None:
    there = {(body["kind"], body["metadata"]["name"]) for body in upstream()}
    assert [key for key in DROPPED if key not in there] == []


@with_upstream
def test_no_rule_asks_for_what_is_not_read() -> None:
    rules = json.dumps([body["spec"] for body in installed() if body["kind"] == "PrometheusRule"])
    jobs = ("etcd", "kube-controller-manager", "kube-proxy", "kube-scheduler")
    assert [job for job in jobs if re.search(rf'job=~?\\"[^"]*{job}', rules)] == []


def answers(monitor: Json) -> bool:
    """Whether a Service that the monitor selects has one of its ports, or a pod behind it where a pod's is named."""
    namespaces = monitor["spec"].get("namespaceSelector", {}).get("matchNames", [monitor["metadata"]["namespace"]])
    for service in (body for body in upstream() if body["kind"] == "Service"):
        metadata = service["metadata"]
        if metadata.get("namespace") not in namespaces:
            continue
        if not selects(monitor["spec"]["selector"], metadata.get("labels") or {}):
            continue
        offered = {port.get("name") for port in service["spec"]["ports"]}
        behind = {
            name
            for namespace, _, template in pods()
            if namespace == metadata["namespace"]
            and selects(
                {"matchLabels": service["spec"].get("selector") or {}}, template["metadata"].get("labels") or {}
            )
            for name in ports(template["spec"]).values()
        }
        for endpoint in monitor["spec"]["endpoints"]:
            if endpoint.get("port") in offered or endpoint.get("targetPort") in behind:
                return True
    return False


@with_upstream
def test_the_agent_is_of_the_collectors_version() -> None:
    deployment = of_kind("Deployment", upstream())["opentelemetry-collector"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    mine = Telemetry(spec=MonitoringSpec(), installed=INSTALLED, tenants=(), traced_percent=0)
    assert (mine.image, [mine.program]) == (container["image"], container["command"])


# Their Services are Kubernetes' own and the operator's.
ELSEWHERE = {"kube-prometheus-stack-apiserver", "kube-prometheus-stack-kubelet"}


@with_upstream
def test_the_shipped_monitors_that_are_kept_work() -> None:
    kept = of_kind("ServiceMonitor", installed())
    assert [name for name, body in kept.items() if name not in ELSEWHERE and not answers(body)] == []


@with_upstream
@pytest.mark.parametrize("name", ["mlflow", "opentelemetry-collector"])
def test_the_shipped_monitors_that_are_replaced_could_not_work(name: str) -> None:
    assert not answers(of_kind("ServiceMonitor", upstream())[name])


@with_upstream
@pytest.mark.parametrize("step", steps(STACK), ids=lambda step: cast("Step", step).apply.__name__)
def test_each_transform_of_monitoring_finds_what_it_is_for(step: Step) -> None:
    assert any(applied(body, (step,)) != body for body in upstream())


@with_upstream
@pytest.mark.parametrize("exporter", ["node exporter", "cAdvisor"])
def test_metrics_of_nodes_and_containers_are_those_that_the_chart_asks_for(exporter: str) -> None:
    asked = json.dumps([body["spec"] for body in upstream() if body["kind"] == "PrometheusRule"])
    names = [metric.name for metric in DECLARED if metric.source.startswith(exporter)]
    assert names
    assert [name for name in names if not re.search(rf"\b{name}\b", asked)] == []


@with_upstream
def test_models_pods_are_marked_before_their_sidecar_is_injected() -> None:
    """The API server calls webhooks in order of their configurations' names."""
    names = sorted(of_kind("MutatingWebhookConfiguration", upstream()))
    assert names.index("inferenceservice.serving.kserve.io") < names.index("istio-sidecar-injector")


@with_upstream
def test_conditions_are_read_from_versions_that_are_served_and_have_them() -> None:
    served = {
        (crd["spec"]["group"], version["name"], crd["spec"]["names"]["kind"], crd["spec"]["names"]["plural"])
        for crd in definitions()
        for version in crd["spec"]["versions"]
        if version["served"] and may_have_conditions(version["schema"]["openAPIV3Schema"])
    }
    assert [s.kind for s in STATES if (s.group, s.version, s.kind, s.plural) not in served] == []


def may_have_conditions(schema: Json) -> bool:
    """Whether a definition describes conditions, or leaves the status open."""
    status = schema.get("properties", {}).get("status", schema)
    return bool(status.get("x-kubernetes-preserve-unknown-fields")) or "conditions" in status.get("properties", {})


def unknown(schema: Json, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Fields of an object that its definition lacks: the API server would drop them in silence."""
    if isinstance(value, list):
        for index, entry in enumerate(cast("list[Any]", value)):
            yield from unknown(schema.get("items", {}), entry, f"{path}[{index}]")
    elif isinstance(value, dict) and "properties" in schema:
        for key, inner in cast("Json", value).items():
            if key not in schema["properties"]:
                yield f"{path}.{key}"
            else:
                yield from unknown(schema["properties"][key], inner, f"{path}.{key}")


@with_upstream
def test_custom_resources_of_monitoring_are_as_their_definitions_say() -> None:
    schemas = {
        (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): version["schema"][
            "openAPIV3Schema"
        ]
        for crd in definitions()
        for version in crd["spec"]["versions"]
    }
    ours = [planned.body for planned in monitors(INSTALLED, ("team-a",))]
    bodies = [*ours, *(body for body in installed() if body["kind"] in ("Alertmanager", "ClusterPolicy", "Prometheus"))]
    checked = [body for body in bodies if (body["apiVersion"], body["kind"]) in schemas]
    assert {body["kind"] for body in checked} == {"Alertmanager", "ClusterPolicy", "PodMonitor", "Prometheus"}
    wrong: list[str] = []
    for body in checked:
        schema, name = schemas[body["apiVersion"], body["kind"]], body["metadata"]["name"]
        wrong += unknown(schema["properties"]["spec"], body["spec"], name)
        validator: Any = Draft202012Validator(schema)  # its types are partial
        wrong += [f"{name}: {error.message}" for error in validator.iter_errors(body)]
    assert wrong == []
