"""The mesh on upstream's real objects: who is in it, what is exempt and fenced instead, and what gives way to ours."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import jsonschema
import pytest
import yaml

from infra.contract import METADATA_ADDRESSES, Ingress
from kubeflow import gateway, mesh, network
from kubeflow.distribution import CacheMissingError, load, table
from kubeflow.gateway import Door, TokenIssuer
from kubeflow.install import kinds
from kubeflow.install.mesh_transforms import EXCLUDED, INJECT, MeshChanges
from kubeflow.mesh import Exemption, External, Place
from kubeflow.network import Addresses, Outside, authorization, proof
from kubeflow.network.authorization import Callers
from kubeflow.network.semantics import Direction, Pod, admitted, isolating, parse, ports
from kubeflow.network.table import FLOWS
from kubeflow.network.workloads import WORKLOADS
from kubeflow.spec.gateway import Acme, Challenge, Corporate, GatewaySpec, Issuer
from kubeflow.spec.mesh import MeshSpec, OutsideHost
from tests.support.upstream import plan

Json = dict[str, Any]

CHOSEN = tuple(one for one in table.components(table.CURRENT) if one.default or one.name == "training-operator")
INSTALLED = frozenset(one.family or one.name for one in CHOSEN)
PEOPLE = {"team-a": ("ada@example.test",)}
DOOR = Door(domain="ml.test", spec=GatewaySpec(), ingress=Ingress(annotations={"of": "the cluster"}))
ADDRESSES = Addresses(
    metadata=METADATA_ADDRESSES,
    inside=("10.244.0.0/16", "10.96.0.0/12"),
    networks={Outside.API_SERVER: ("10.0.0.10/32",), Outside.NODES: ("10.0.1.0/24",)},
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    upstream: tuple[Json, ...]
    made: tuple[Json, ...]
    crds: tuple[Json, ...]

    def one(self, kind: str, namespace: str | None, name: str) -> Json:
        (found,) = (
            body
            for body in self.made
            if (body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]) == (kind, namespace, name)
        )
        return found


@cache
def case() -> Case:
    try:
        distribution = load(table.CURRENT, [one.name for one in CHOSEN])
    except CacheMissingError as error:
        pytest.skip(f"judges the mesh on upstream's objects: {error}")
    upstream = tuple(item.body for item in plan(distribution, webhooks=True, containers=True).objects)
    changes = MeshChanges(mesh=MeshSpec(), door=DOOR, installed=INSTALLED)
    made = [changes.apply(copy.deepcopy(body)) for body in upstream]
    crds = tuple(crd for rendered in distribution.components.values() for crd in rendered.crds)
    return Case(upstream=upstream, made=tuple(body for body in made if body is not None), crds=crds)


def named(body: Json) -> str:
    return f"{body['metadata'].get('namespace')}/{body['metadata']['name']}"


def pods() -> Mapping[str, Json]:
    """Workload -> template of its pods, after the changes."""
    known = {f"{one.namespace}/{one.name}": str(one) for one in WORKLOADS}
    return {
        known[named(body)]: body["spec"]["template"]
        for body in case().made
        if kinds.pod_spec(body) is not None and named(body) in known
    }


def injected(template: Json, namespace: str) -> bool:
    """Istio: the pod's label decides, then the namespace's; without either no sidecar comes."""
    spaces = {body["metadata"]["name"]: body for body in case().made if body["kind"] == "Namespace"}
    by_space = kinds.part(kinds.part(spaces.get(namespace, {}), "metadata"), "labels").get("istio-injection")
    return template["metadata"].get("labels", {}).get(INJECT, "true" if by_space == "enabled" else "false") == "true"


def test_a_pod_gets_a_sidecar_exactly_where_the_table_of_workloads_says_so() -> None:
    by_name = {str(one): one for one in WORKLOADS}
    wrong = [
        name
        for name, template in pods().items()
        if injected(template, name.partition("/")[0]) is not (mesh.place(by_name[name]) is Place.SIDECAR)
    ]
    assert wrong == []
    assert len(pods()) > 50


def test_no_pod_outside_of_the_table_gets_a_sidecar_unseen() -> None:
    known = {f"{one.namespace}/{one.name}" for one in WORKLOADS}
    unseen = [
        named(body)
        for body in case().made
        if kinds.pod_spec(body) is not None
        and named(body) not in known
        and injected(body["spec"]["template"], body["metadata"]["namespace"])
    ]
    assert unseen == []


def test_training_pods_get_no_sidecar() -> None:
    runtimes = [body for body in case().made if body["kind"] == "ClusterTrainingRuntime"]
    labels = [
        job["template"]["spec"]["template"]["metadata"]["labels"][INJECT]
        for runtime in runtimes
        for job in runtime["spec"]["template"]["spec"]["replicatedJobs"]
    ]
    assert labels
    assert set(labels) == {"false"}


@pytest.mark.parametrize("exemption", mesh.EXEMPTIONS, ids=lambda one: f"{one.workload} {one.port}")
def test_an_exempt_port_admits_only_the_declared_callers(exemption: Exemption) -> None:
    objects = case().upstream
    model = proof.model(objects, INSTALLED, {"team-a": ()}, ADDRESSES)
    extra = network.tenant("team-a", INSTALLED, ADDRESSES)
    documents = (*network.platform(INSTALLED, ADDRESSES), *extra)
    policies = [parse(document) for document in documents]
    assert exemption.fence in {(policy.namespace, policy.name) for policy in policies}
    (end,) = (end for end in model.ends if end.name == str(exemption.workload))
    assert isinstance(end.endpoint, Pod)
    mine = isolating(policies, end.endpoint, Direction.INGRESS)
    declared = {flow.source for flow in FLOWS if flow.target == exemption.workload and flow.port == exemption.port}
    assert declared, "an exemption that nobody needs"
    for other in model.ends:
        opened = admitted(mine, Direction.INGRESS, end.endpoint, other.endpoint) & ports(
            "TCP", exemption.port, exemption.port
        )
        wanted = Outside.ANYWHERE in declared or bool(other.roles & declared)
        assert bool(opened) is wanted, f"{other.name} -> {exemption.workload} {exemption.port}"


def test_an_exemption_is_for_pods_with_the_labels_that_its_object_selects() -> None:
    made = [item.body for item in mesh.objects(MeshSpec(), INSTALLED) if item.body["kind"] == "PeerAuthentication"]
    for body in made[1:]:
        (template,) = (
            template for name, template in pods().items() if name == named(body)
        )  # fmt: skip
        assert body["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_what_upstream_exempts_is_in_the_table() -> None:
    theirs = {
        (named(body), int(port))
        for body in case().upstream
        if body["kind"] == "PeerAuthentication"
        for port in body["spec"]["portLevelMtls"]
    }
    shipped = [one for one in mesh.EXEMPTIONS if one.shipped]
    assert theirs == {(str(one.workload), one.port) for one in shipped if one.mode == "PERMISSIVE"}
    excluded = {
        (named(body), int(port))
        for body in case().upstream
        if kinds.pod_spec(body) is not None
        for port in (kinds.part(body["spec"]["template"]["metadata"], "annotations").get(EXCLUDED) or "").split(",")
        if port
    }
    assert excluded == {(str(one.workload), one.port) for one in shipped if one.mode == "EXCLUDED"}


def test_every_webhook_of_a_meshed_pod_is_exempt() -> None:
    services = {named(body): body for body in case().made if body["kind"] == "Service"}
    by_name = {str(one): one for one in WORKLOADS}
    for body in case().made:
        for webhook in kinds.parts(body, "webhooks") if body["kind"] in kinds.WEBHOOKS else ():
            where = webhook["clientConfig"]["service"]
            service = services[f"{where['namespace']}/{where['name']}"]["spec"]
            called = {
                name
                for name, template in pods().items()
                if name.startswith(f"{where['namespace']}/")
                and service["selector"].items() <= template["metadata"]["labels"].items()
            }
            for name in called:
                exempt = any(str(one.workload) == name for one in mesh.EXEMPTIONS)
                assert exempt or mesh.place(by_name[name]) is Place.OUTSIDE, f"{body['metadata']['name']}: {name}"


def test_every_authorization_policy_of_upstream_is_kept_or_gives_way() -> None:
    theirs = {named(body) for body in case().upstream if body["kind"] == "AuthorizationPolicy"}
    assert theirs == {*authorization.KEPT, *authorization.DROPPED}
    left = {named(body) for body in case().made if body["kind"] == "AuthorizationPolicy"}
    assert left == set(authorization.KEPT)


def test_every_proxy_of_the_platform_has_an_account_to_be_known_by() -> None:
    found = authorization.accounts(case().made)
    proxies = {
        str(one)
        for one in WORKLOADS
        if one.component in INSTALLED and one.namespace and mesh.place(one) in (Place.SIDECAR, Place.GATEWAY)
    }
    assert proxies <= found.keys()
    assert found["kubeflow/ml-pipeline"] == "ml-pipeline"
    assert found["istio-system/istio-ingressgateway"] == "istio-ingressgateway-service-account"


def test_the_mesh_lets_nothing_out_that_it_does_not_know() -> None:
    settings = yaml.safe_load(case().one("ConfigMap", "istio-system", "istio")["data"]["mesh"])
    assert settings["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    assert settings["meshMTLS"] == {"minProtocolVersion": "TLSV1_3"}
    assert settings["accessLogEncoding"] == "JSON"
    assert [one["name"] for one in settings["extensionProviders"]] == ["oauth2-proxy", mesh.TRACES]
    before = next(one for one in case().upstream if named(one) == "istio-system/istio" and one["kind"] == "ConfigMap")
    kept = yaml.safe_load(before["data"]["mesh"]).keys()
    assert kept <= settings.keys()


def test_native_sidecars_stay_on() -> None:
    istiod = case().one("Deployment", "istio-system", "istiod")["spec"]["template"]["spec"]
    assert {"name": "ENABLE_NATIVE_SIDECARS", "value": "true"} in istiod["containers"][0]["env"]


def test_a_proxy_keeps_upstreams_view_and_sees_every_declared_target() -> None:
    (hosts,) = (part["hosts"] for part in case().one("Sidecar", "istio-system", "default")["spec"]["egress"])
    (before,) = (one for one in case().upstream if one["kind"] == "Sidecar" and named(one) == "istio-system/default")
    assert set(before["spec"]["egress"][0]["hosts"]) < set(hosts)
    assert {"mlflow/*", "feast/*", "observability/*", "default/kubernetes.default.svc.cluster.local"} <= set(hosts)


def test_people_enter_by_https_only() -> None:
    entrances = [
        body
        for body in case().made
        if body["kind"] == "Gateway" and body["spec"]["selector"].get("istio") == "ingressgateway"
    ]
    assert [named(body) for body in entrances] == ["kubeflow/kubeflow-gateway"]
    https, http = entrances[0]["spec"]["servers"]
    assert https["tls"] == {"mode": "SIMPLE", "credentialName": "kubeflow-gateway", "minProtocolVersion": "TLSV1_2"}
    assert http["tls"] == {"httpsRedirect": True}


def test_the_gateways_service_is_a_load_balancer_as_the_cluster_wants_it() -> None:
    service = case().one("Service", "istio-system", "istio-ingressgateway")
    assert service["metadata"]["annotations"]["of"] == "the cluster"
    assert service["spec"]["type"] == "LoadBalancer"
    assert [port["port"] for port in service["spec"]["ports"]] == [80, 443]


def test_models_have_names_below_their_tenant_by_https() -> None:
    ingress = yaml.safe_load(case().one("ConfigMap", "kubeflow", "inferenceservice-config")["data"]["ingress"])
    assert (ingress["ingressDomain"], ingress["urlScheme"]) == ("ml.test", "https")
    assert ingress["domainTemplate"] == "{{ .Name }}.{{ .Namespace }}.{{ .IngressDomain }}"
    assert ingress["pathTemplate"] == "/serving/{{ .Namespace }}/{{ .Name }}", "the gateway's rules name this path"
    domains = case().one("ConfigMap", "knative-serving", "config-domain")["data"]
    assert set(domains) - {"_example"} == {"ml.test"}
    knative = case().one("ConfigMap", "knative-serving", "config-network")["data"]
    assert (knative["default-external-scheme"], knative["mesh-compatibility-mode"]) == ("https", "enabled")


def ours() -> list[Json]:
    """Every object of the three areas, with each issuer."""
    callers = Callers(
        installed=INSTALLED, accounts=authorization.accounts(case().made), people=PEOPLE, tokens_inside=True
    )
    outside = (OutsideHost(host="*.example.test", reason="test"),)
    database = External(
        name="database", hosts=("db.example.test",), port=5432, protocol="TCP", addresses=["10.9.0.0/24"], why="x"
    )
    tokens = (TokenIssuer(issuer="https://issuer.test", jwks_uri="https://issuer.test/keys", audiences=("ml",)),)
    acme = Acme(email="a@example.test", dns_provider="webhook", dns_settings={"groupName": "g", "solverName": "s"})
    by_page = Acme(email="a@example.test", challenge=Challenge.HTTP)
    specs = (
        GatewaySpec(),
        GatewaySpec(issuer=Issuer.ACME, acme=acme),
        GatewaySpec(issuer=Issuer.ACME, acme=by_page),
        GatewaySpec(issuer=Issuer.CORPORATE, corporate=Corporate(cluster_issuer="theirs")),
    )
    doors = [Door(domain="ml.test", spec=spec, ingress=None) for spec in specs]
    made = [item.body for item in mesh.objects(MeshSpec(outside=outside), INSTALLED, (database,))]
    for door in doors:
        made += [item.body for item in gateway.objects(door, PEOPLE, cast("Any", str), tokens)]
    made += [*authorization.platform(callers), *authorization.tenant("team-a", callers)]
    return [*made, *authorization.doors("ml.test", PEOPLE)]


def closed(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """The schema as the API server prunes by it: a field that it does not know is an error here."""
    if isinstance(schema, list):
        return [closed(part) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    known = {name: closed(part) for name, part in cast("Json", schema).items()}
    if known.get("type") == "object" and "properties" in known and "x-kubernetes-preserve-unknown-fields" not in known:
        known.setdefault("additionalProperties", False)
    return known


def test_our_objects_and_the_changed_ones_are_as_their_definitions_want_them() -> None:
    schemas = {
        (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): version["schema"][
            "openAPIV3Schema"
        ]
        for crd in case().crds
        for version in crd["spec"]["versions"]
    }
    changed = [body for body in case().made if kinds.group_kind(body)[0].endswith("istio.io")]
    judged = 0
    for body in (*ours(), *changed):
        schema = schemas.get((body["apiVersion"], body["kind"]))
        if schema is not None:
            judged += 1
            validator: Any = jsonschema.Draft202012Validator(closed(schema["properties"]["spec"]))
            told = [error.message for error in validator.iter_errors(body["spec"])]
            assert told == [], f"{body['kind']} {named(body)}"
    assert judged > 80


def test_none_of_our_objects_has_the_name_of_one_that_upstream_ships() -> None:
    def identity(body: Json) -> tuple[str, str, str]:
        return *kinds.group_kind(body), named(body)

    theirs = {identity(body) for body in case().upstream}
    assert [identity(body) for body in ours() if identity(body) in theirs] == []
