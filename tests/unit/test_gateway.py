"""The door of the platform: who signs its certificate, what it listens to, whose tokens it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from infra.contract import Ingress
from kubeflow import gateway
from kubeflow.gateway import Door, TokenIssuer
from kubeflow.install.mesh_transforms import MeshChanges
from kubeflow.install.waves import Wave
from kubeflow.spec.gateway import Acme, Challenge, Corporate, GatewaySpec, Issuer
from kubeflow.spec.mesh import MeshSpec, Tls
from stacks.decode import SettingsError, decode

Json = dict[str, Any]

TOKENS = (TokenIssuer(issuer="https://issuer.test", jwks_uri="https://issuer.test/keys"),)
BY_RECORD = Acme(
    email="a@example.test", dns_provider="webhook", dns_settings={"solverName": "s", "config.ref.name": "n"}
)
BY_PAGE = Acme(email="a@example.test", challenge=Challenge.HTTP)


def secret(key: str) -> pulumi.Output[str]:
    return pulumi.Output.secret(f"value of {key}")


def made(spec: GatewaySpec | None = None, *tokens: TokenIssuer) -> Mapping[tuple[str, str], Json]:
    found = gateway.objects(door(spec), ("team-a",), secret, tokens)
    return {(item.body["kind"], item.body["metadata"]["name"]): item.body for item in found}


def door(spec: GatewaySpec | None = None, ingress: Ingress | None = None) -> Door:
    return Door(domain="ml.test", spec=spec or GatewaySpec(), ingress=ingress)


def changed(body: Json, made_door: Door) -> Json | None:
    return MeshChanges(mesh=MeshSpec(), door=made_door, installed=()).apply(body)


def test_a_local_authority_signs_where_nothing_else_is_said() -> None:
    found = made()
    root, authority = found["ClusterIssuer", "gateway-self-signed"], found["Certificate", "gateway-local"]
    assert root["spec"] == {"selfSigned": {}}
    assert authority["metadata"]["namespace"] == "cert-manager", "where a ClusterIssuer looks for its Secret"
    assert authority["spec"]["isCA"] is True
    assert authority["spec"]["issuerRef"]["name"] == "gateway-self-signed"
    assert found["ClusterIssuer", "gateway-local"]["spec"] == {"ca": {"secretName": authority["spec"]["secretName"]}}
    assert found["Certificate", "kubeflow-gateway"]["spec"]["issuerRef"]["name"] == "gateway-local"


def test_the_certificate_covers_the_platform_and_the_models_of_each_tenant() -> None:
    body = made()["Certificate", "kubeflow-gateway"]
    assert body["metadata"]["namespace"] == "istio-system", "where the gateway reads its Secret"
    assert body["spec"]["dnsNames"] == ["ml.test", "*.ml.test", "*.team-a.ml.test"]


def test_a_certificate_lives_a_month_and_is_renewed_with_a_new_key_after_two_thirds() -> None:
    spec = made()["Certificate", "kubeflow-gateway"]["spec"]
    assert (spec["duration"], spec["renewBefore"]) == ("720h0m0s", "240h0m0s")
    assert spec["privateKey"]["rotationPolicy"] == "Always"


def test_a_public_authority_sees_a_record_in_the_domain() -> None:
    body = made(GatewaySpec(issuer=Issuer.ACME, acme=BY_RECORD))["ClusterIssuer", "gateway-acme"]
    assert body["spec"]["acme"]["server"] == "https://acme-v02.api.letsencrypt.org/directory"
    assert body["spec"]["acme"]["solvers"] == [
        {"dns01": {"webhook": {"solverName": "s", "config": {"ref": {"name": "n"}}}}}
    ]


def test_a_public_authority_that_sees_a_page_signs_no_wildcard() -> None:
    found = made(GatewaySpec(issuer=Issuer.ACME, acme=BY_PAGE))
    assert found["Certificate", "kubeflow-gateway"]["spec"]["dnsNames"] == ["ml.test"]
    assert found["ClusterIssuer", "gateway-acme"]["spec"]["acme"]["solvers"] == [
        {"http01": {"ingress": {"ingressClassName": "istio"}}}
    ]
    assert ("IngressClass", "istio") in found


def test_the_page_for_the_authority_needs_no_token() -> None:
    policy: Json = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "istio-ingressgateway-require-jwt", "namespace": "istio-system"},
        "spec": {"rules": [{"to": [{"operation": {"notPaths": ["/dex/*"]}}]}]},
    }
    by_page = changed(policy, door(GatewaySpec(issuer=Issuer.ACME, acme=BY_PAGE)))
    assert by_page is not None
    assert by_page["spec"]["rules"][0]["to"][0]["operation"]["notPaths"] == ["/dex/*", "/.well-known/acme-challenge/*"]


def test_an_existing_issuer_is_used_and_not_made() -> None:
    found = made(GatewaySpec(issuer=Issuer.CORPORATE, corporate=Corporate(cluster_issuer="theirs")))
    assert not any(kind in ("ClusterIssuer", "Secret") for kind, _ in found)
    assert found["Certificate", "kubeflow-gateway"]["spec"]["issuerRef"]["name"] == "theirs"


def test_the_key_of_a_corporate_authority_stays_a_secret() -> None:
    corporate = Corporate(certificate="caCertificate", key="caKey")

    async def known() -> tuple[bool, str | None]:
        found = made(GatewaySpec(issuer=Issuer.CORPORATE, corporate=corporate))
        assert found["ClusterIssuer", "gateway-corporate"]["spec"] == {"ca": {"secretName": "gateway-corporate"}}
        value: pulumi.Output[str] = found["Secret", "gateway-corporate"]["data"]["tls.key"]
        return await value.is_secret(), await value.future()

    assert asyncio.run(known()) == (True, "dmFsdWUgb2YgY2FLZXk=")


def test_plain_http_is_answered_with_a_redirect_and_nothing_else() -> None:
    https, http = door(GatewaySpec(minimum_tls=Tls.V1_3)).servers
    assert (http["port"]["number"], http["tls"]) == (80, {"httpsRedirect": True})
    assert https["tls"]["minProtocolVersion"] == "TLSV1_3"
    assert https["tls"]["credentialName"] == made()["Certificate", "kubeflow-gateway"]["spec"]["secretName"]


def test_browsers_are_told_to_come_back_by_https() -> None:
    value = made()["EnvoyFilter", "strict-transport"]["spec"]["configPatches"][0]["patch"]["value"]
    (added,) = value["response_headers_to_add"]
    assert added["header"] == {"key": "strict-transport-security", "value": "max-age=31536000; includeSubDomains"}


def test_a_verified_token_of_a_service_account_makes_the_user_of_the_request() -> None:
    found = made(None, *TOKENS)
    for name, label in (("machine-tokens", "ingressgateway"), ("machine-tokens-inside", "cluster-local-gateway")):
        spec = found["RequestAuthentication", name]["spec"]
        assert spec["selector"] == {"matchLabels": {"istio": label}}
        (rule,) = spec["jwtRules"]
        assert (rule["issuer"], rule["jwksUri"]) == ("https://issuer.test", "https://issuer.test/keys")
        headers = {one["header"]: one["claim"] for one in rule["outputClaimToHeaders"]}
        assert headers == {"kubeflow-userid": "sub", "kubeflow-groups": "groups"}


def test_models_ask_for_tokens_inside_only_where_somebody_vouches_for_tokens() -> None:
    assert gateway.asks_for_tokens(door(), TOKENS)
    assert not gateway.asks_for_tokens(door(), ())
    open_inside = GatewaySpec(tokens_inside=False)
    assert not gateway.asks_for_tokens(door(open_inside), TOKENS)
    assert ("RequestAuthentication", "machine-tokens-inside") not in made(open_inside, *TOKENS)
    assert not any(kind == "RequestAuthentication" for kind, _ in made())


def test_keys_of_an_issuer_are_in_one_place() -> None:
    with pytest.raises(ValueError, match="two places"):
        TokenIssuer(issuer="https://issuer.test", jwks_uri="https://issuer.test/keys", jwks="{}")


def service() -> Json:
    ports = [{"name": name, "port": port} for name, port in (("status-port", 15021), ("http2", 80), ("https", 443))]
    metadata = {"name": "istio-ingressgateway", "namespace": "istio-system"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"type": "ClusterIP", "ports": ports}}


def test_a_cluster_with_load_balancers_gives_the_gateway_one() -> None:
    ingress = Ingress(annotations={"kind": "internal"}, load_balancer_class="inside")
    body = changed(service(), door(GatewaySpec(source_ranges=("203.0.113.0/24",)), ingress))
    assert body is not None
    assert body["metadata"]["annotations"] == {"kind": "internal"}
    assert body["spec"] == {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "loadBalancerClass": "inside",
        "loadBalancerSourceRanges": ["203.0.113.0/24"],
        "ports": [{"name": "http2", "port": 80}, {"name": "https", "port": 443}],
    }


def test_a_cluster_without_load_balancers_keeps_the_gateway_inside() -> None:
    assert changed(service(), door()) == service()


def test_certificates_are_ordered_before_the_gateway_opens() -> None:
    found = {item.body["kind"]: item.wave for item in gateway.objects(door(), (), secret, TOKENS)}
    assert found["Certificate"] is Wave.MESH
    assert found["RequestAuthentication"] is Wave.AUTHENTICATION


def test_settings_are_read_from_yaml() -> None:
    text: Json = {
        "domain": "ml.example.test",
        "issuer": "acme",
        "acme": {"email": "a@example.test", "dnsProvider": "webhook", "dnsSettings": {"solverName": "s"}},
        "minimumTls": "1.3",
        "sourceRanges": ["203.0.113.0/24"],
    }
    found = decode(GatewaySpec, text, at="platform.gateway")
    assert found.acme is not None
    assert (found.issuer, found.acme.challenge, found.minimum_tls) == (Issuer.ACME, Challenge.DNS, Tls.V1_3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ({"issuer": "acme"}, "`acme` belongs to exactly the issuer acme"),
        ({"corporate": {"clusterIssuer": "x"}}, "`corporate` belongs to exactly the issuer corporate"),
        ({"issuer": "corporate", "corporate": {"certificate": "c"}}, "certificate and key belong together"),
        ({"issuer": "corporate", "corporate": {}}, "name either clusterIssuer, or certificate and key"),
        ({"issuer": "acme", "acme": {"email": "a@b.test"}}, "dnsProvider belongs to exactly the challenge dns-01"),
        ({"issuer": "acme", "acme": {"email": "a@b.test", "dnsProvider": "w", "dnsSettings": {"a": "1", "a.b": "2"}}},
         "a cannot be a value and hold others"),
        ({"sourceRanges": ["10.0.0.0/8", "10.0.0.1/8"]}, "10.0.0.1/8 has host bits set"),
        ({"minimumTls": "1.0"}, "platform.gateway.minimumTls"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(text: Json, told: str) -> None:
    with pytest.raises(SettingsError) as error:
        decode(GatewaySpec, text, at="platform.gateway")
    assert told in str(error.value)
