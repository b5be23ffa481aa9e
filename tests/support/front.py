"""A cluster's door in tests: real Envoy as its gateway, and an API server at the client's boundary that stands for
KServe, Knative and the kubelet too: what is created is Ready at once, and its pods are `tests.support.pretended`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from tests.support import edge, pretended
from tests.support.stack_outputs import outputs
from workloads.api import Api, Json
from workloads.backends.cluster import door
from workloads.backends.process import envoy
from workloads.backends.process.bench import Bench
from workloads.backends.process.certificates import Authority
from workloads.backends.process.gateway import Options
from workloads.backends.process.processes import HOST, free_ports
from workloads.backends.process.tokens import ISSUER, Issuer
from workloads.cluster import Visit
from workloads.contract import Target, parse

DOMAIN, TENANT, OTHER = "platform.test", "check-vision", "check-nlp"
GATEWAY = {
    "domain": DOMAIN, "outside": True, "minimumTls": "1.2", "issuer": "local",
    "models": f"https://MODEL.TENANT.{DOMAIN}", "tokens": True,
}  # fmt: skip
_HSTS = {"header": {"key": "strict-transport-security", "value": "max-age=31536000; includeSubDomains"}}
_LABELS = {"inferenceservices": "serving.kserve.io/inferenceservice", "jobs": "batch.kubernetes.io/job-name"}
_JWT = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"


def described(**changes: Any) -> Target:  # noqa: ANN401 - any JSON
    """A stack with a door, whose nodes run containers."""
    usual = {"platform__gateway": dict(GATEWAY), "platform__components": ["dex"]}
    given = {"cluster__capabilities": ["containers", "webhooks"], **usual, **changes}
    return parse(outputs(**given), source="test")


@dataclass(kw_only=True)
class Cluster:
    """The API server. What it says beyond the objects that were created is a setting."""

    pods: pretended.Pods
    issuers: Mapping[str, Issuer]
    objects: dict[str, Json] = field(default_factory=dict[str, Json])
    fixed: dict[str, Json] = field(default_factory=dict[str, Json])  # what is there anyway, by path
    ready: bool = True  # what is created becomes Ready
    why: str = ""  # it does not
    replicas: Callable[[], int] = lambda: 1
    restarts: Callable[[], int] = lambda: 0
    said: Callable[[int], str] = lambda rows: json.dumps(pretended.known(rows))  # by the maker of a model
    configuration: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(host="https://cluster.test"))

    def param_serialize(self, *, method: str, resource_path: str, **others: Any) -> tuple[Any, ...]:  # noqa: ANN401
        return method, resource_path, others["body"]

    def call_api(self, method: str, path: str, body: Json | None, *, _request_timeout: float) -> SimpleNamespace:
        parts = urlsplit(path)
        status, answer = self._answer(method, parts.path, parse_qs(parts.query), body)
        return SimpleNamespace(status=status, read=lambda: json.dumps(answer).encode())

    def close(self) -> None: ...

    def _answer(self, method: str, path: str, query: dict[str, list[str]], body: Json | None) -> tuple[int, Json]:
        if found := re.fullmatch("/api/v1/namespaces/(.+)/serviceaccounts/.+/token", path):
            return 201, {"status": {"token": self.issuers[found[1]].token()}}
        if method in {"POST", "PUT"} and body is not None:
            return self._kept(method, path, body)
        if method == "DELETE":
            return (200, {}) if self.objects.pop(path, None) else (404, {"message": "not found"})
        return self._read(path, query.get("labelSelector", [""])[0])

    def _read(self, path: str, selector: str) -> tuple[int, Json]:
        if path in self.objects:
            return 200, self._seen(path, self.objects[path])
        if path in self.fixed:
            return 200, self.fixed[path]
        if path.endswith(f"/namespaces/{TENANT}/pods"):
            return 200, {"items": self._pods(selector)}
        if selector or path.endswith("/events"):
            return 200, {"items": self._listed(path)}
        return 404, {"message": f"{path} not found"}

    def _kept(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        metadata, where = dict(body["metadata"]), path
        if method == "POST":
            where = f"{path}/{metadata['name']}"
            metadata |= {
                "namespace": path.split("/namespaces/")[1].split("/", maxsplit=1)[0],
                "uid": where,
                "generation": 1,
            }
            metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
        else:
            metadata["generation"] += 1
            if (percent := body["spec"].get("predictor", {}).get("canaryTrafficPercent")) is not None:
                self.pods.share = percent / 100
        self.objects[where] = {**body, "metadata": metadata}
        return 201, self.objects[where]

    def _listed(self, path: str) -> list[Json]:
        plural = path.rpartition("/")[2]
        return [one for where, one in self.objects.items() if f"/{plural}/" in where]

    def _seen(self, path: str, body: Json) -> Json:
        """An object with the status that its controllers would give it."""
        mark = {"type": "Complete" if "/jobs/" in path else "Ready", "status": "True" if self.ready else "False"}
        percent = body.get("spec", {}).get("predictor", {}).get("canaryTrafficPercent", 100)
        traffic = [{"percent": one} for one in (percent, 100 - percent)]
        status = {
            "conditions": [mark | {"message": self.why}], "observedGeneration": body["metadata"].get("generation"),
            "components": {"predictor": {"traffic": traffic}},
        }  # fmt: skip
        return {**body, "status": status}

    def _pods(self, selector: str) -> list[Json]:
        key, _, name = selector.partition("=")
        made = next((where for where in self.objects if where.endswith(f"/{name}") and key == _label(where)), None)
        if made is None:
            return []
        if key == _LABELS["jobs"]:
            rows = next(one["value"] for one in _environment(self.objects[made]) if one["name"] == "ROWS")
            ended = {"exitCode": 0, "message": self.said(int(rows))}
            return [_pod(name, 0, containerStatuses=[{"name": "main", "state": {"terminated": ended}}])]
        running = [{"name": "kserve-container", "restartCount": self.restarts()}]
        return [_pod(name, number, containerStatuses=running) for number in range(self.replicas())]


def _label(path: str) -> str:
    return _LABELS.get(path.split("/")[-2], "")


def _environment(job: Json) -> list[Json]:
    return job["spec"]["template"]["spec"]["containers"][0]["env"]


def _pod(name: str, number: int, **status: Any) -> Json:  # noqa: ANN401 - any JSON
    ready = {"type": "Ready", "status": "True"}
    metadata = {"name": f"{name}-{number}", "uid": f"{name}-{number}"}
    return {"metadata": metadata, "spec": {}, "status": {"phase": "Running", "conditions": [ready], **status}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stood:
    """Everything that stands, to be changed by a test."""

    visit: Visit
    cluster: Cluster
    pods: pretended.Pods


@contextmanager
def standing(bench: Bench, options: Options | None = None, *, asks: bool = True) -> Generator[Stood]:
    """A gateway with pods behind it, and the API server that tells of them. `asks`: for tokens."""
    given = options or Options()
    secure, plain, admin = free_ports(3)
    authority = Authority.make("door", bench.folder / "certificates")
    names = (DOMAIN, f"*.{DOMAIN}", f"*.{TENANT}.{DOMAIN}")
    certificate = authority.issue("gateway", dns=names, days=given.days)
    issuers = {TENANT: Issuer(), OTHER: Issuer()}
    tls = envoy.serving(certificate, oldest=given.oldest_tls, ciphers=given.ciphers, alpn_protocols=["http/1.1"])
    filters = [_tokens(issuers[TENANT])] if asks else []
    with pretended.running(pretended.Pods(domain=DOMAIN, delay=given.delay)) as pods:
        sent = {"match": {"prefix": "/"}, "redirect": {"https_redirect": True, "port_redirect": secure}}
        headers = [_HSTS] if given.hsts else []
        listeners = [
            envoy.listener("https", secure, [envoy.to("pods")], transport=tls, filters=filters, headers=headers),
            envoy.listener("http", plain, [sent if given.redirects else envoy.to("pods")]),
        ]
        with envoy.envoy(bench, "door", admin, listeners, [envoy.cluster("pods", pods.port)]):
            cluster = Cluster(pods=pods, issuers=issuers)
            cluster.fixed = _there(secure, plain, authority.root)
            api = Api(cast("Any", cluster))
            with Visit(api, run="test", timeout_seconds=5, terms=bench) as visit:
                yield Stood(visit=visit, cluster=cluster, pods=pods)


def _there(secure: int, plain: int, root: Path) -> dict[str, Json]:
    ports = [{"name": "http2", "port": plain}, {"name": "https", "port": secure}]
    ca = base64.b64encode(root.read_bytes()).decode("ascii")
    return {
        door.SERVICE: {"spec": {"ports": ports}, "status": {"loadBalancer": {"ingress": [{"ip": HOST}]}}},
        door.CERTIFICATE: {"data": {"ca.crt": ca}},
        "/apis/serving.knative.dev/v1": {},
    }


def _tokens(issuer: Issuer) -> Json:
    """Everything but the login is for the tenant's tokens."""
    provider = {"issuer": ISSUER, "forward": True, "local_jwks": {"inline_string": issuer.keys}}
    rules = [{"match": {"prefix": "/dex/"}}, {"match": {"prefix": "/"}, "requires": {"provider_name": "tenant"}}]
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": envoy.typed(_JWT, providers={"tenant": provider}, rules=rules),
    }


def broken(check: Callable[[Target, Visit], Any], stood: Stood, **changes: Any) -> list[str]:  # noqa: ANN401 - JSON
    """The claims of a check that did not hold."""
    return edge.broken(check(described(**changes), stood.visit))
