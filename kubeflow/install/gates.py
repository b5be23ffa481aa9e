"""A gate opens when every webhook of a wave answers. It adds only what the Kubernetes provider does not wait for.

The provider waits for Deployments. A webhook needs more: somebody has to write its CA, and the API server has to reach
and trust it. The gate sees for itself: it asks the API server, as a dry run, for an object that the webhook guards. A
gate that does not open within its deadline fails once, with the cause.

Where no object can be asked about (the webhook guards only what another wave brings, or the server ignores its
failures), the gate is content with a CA and a ready pod behind the Service.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any, NamedTuple

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from . import troubles
from .apiserver import ApiServer, Json, RefusedError
from .canaries import canaries
from .kinds import WEBHOOKS, conditions, part, parts
from .planned import Planned

Props = dict[str, Any]

SECONDS = 300  # cert-manager's injector and the controllers' own key pairs are there within one; images are pulled
_ROOT = "/apis/admissionregistration.k8s.io/v1"
_THREADS = 8  # an unreachable webhook keeps the API server waiting for up to 30 s
_PAUSE = 1.0
_QUIET = 10.0  # seconds before the first line of progress
_SHOWN = ("versions", "webhooks")  # inputs whose change is a change of the resource
_INJECTED = "cert-manager.io/inject-ca-from"
_CAUSES: Mapping[str, str] = {  # part of the API server's message -> what it means
    "connection refused": "nothing listens at its Service",
    "no endpoints available": "no ready pod is behind its Service",
    "not found": "its Service does not exist",
    "x509:": "its certificate is not trusted: it was not issued by the CA in the configuration, or for another name",
    "deadline exceeded": "the API server's calls do not arrive: a network policy or firewall may drop them",
    "i/o timeout": "the API server's calls do not arrive: a network policy or firewall may drop them",
    "no route to host": "the API server's network has no way to its Service",
}


class GateError(Exception):
    """Webhooks that do not answer; the message names all of them with the causes, one a line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateArgs:
    """Which webhook configurations of which cluster. All but the kubeconfig is plain."""

    kubeconfig: pulumi.Input[str] = field(repr=False)
    webhooks: Sequence[str]  # as kind/name
    versions: Mapping[str, str]  # of what answers; when one changes, the gate waits again
    seconds: float = SECONDS


class Gate(Resource, module="kubeflow", name="Gate"):
    """Open once created."""

    def __init__(self, name: str, args: GateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {
            "kubeconfig": pulumi.Output.secret(args.kubeconfig),
            "webhooks": sorted(args.webhooks),
            "versions": dict(args.versions),
            "seconds": args.seconds,
        }
        super().__init__(_GateProvider(), name, props, opts)


class _GateProvider(ResourceProvider):
    """Runs in the plugin's process; keeps nothing between calls."""

    serialize_as_secret_always = False  # it captures nothing

    def create(self, props: Props) -> CreateResult:
        _wait(props)
        return CreateResult("gate", props)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        return DiffResult(changes=any(olds.get(name) != news.get(name) for name in _SHOWN))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        _wait(news)
        return UpdateResult(news)


def guarded(objects: Iterable[Planned]) -> list[str]:
    """The webhook configurations among these objects, as a gate names them; none: no gate is needed."""
    return sorted(
        f"{item.body['kind']}/{item.body['metadata']['name']}" for item in objects if item.body["kind"] in WEBHOOKS
    )


def _wait(props: Props) -> None:
    server = ApiServer(props["kubeconfig"], connections=_THREADS)
    wait(server, props["webhooks"], props["seconds"], tell=lambda line: print(line, flush=True))  # noqa: T201 - the engine shows it


def wait(server: ApiServer, names: Iterable[str], seconds: float, *, tell: Callable[[str], None]) -> None:
    """Return when all these configurations' webhooks answer; raise GateError at the deadline."""
    begin = time.monotonic()
    pending, told = list(names), ""
    while pending:
        with ThreadPoolExecutor(_THREADS) as pool:
            found = dict(zip(pending, pool.map(functools.partial(examine, server), pending), strict=True))
        pending = [name for name, problems in found.items() if problems]
        lines = [line for problems in found.values() for line in problems]
        waited = time.monotonic() - begin
        if pending and waited > seconds:
            raise GateError(f"webhooks do not answer after {seconds:.0f} s:\n" + "\n".join(lines))
        if pending and waited > _QUIET and lines[0] != told:
            told = lines[0]
            tell(f"waiting for webhooks: {told}")
        if pending:
            time.sleep(_PAUSE)


class _Endpoint(NamedTuple):
    """Where the API server calls; webhooks that share one share its fate."""

    namespace: str
    service: str
    port: int
    ca: str


def examine(server: ApiServer, name: str) -> list[str]:
    """What keeps the webhooks of a configuration from answering, one line for each cause; empty if all answer."""
    kind, _, own = name.partition("/")
    live = server.get(f"{_ROOT}/{kind.lower()}s/{own}")
    if live is None:
        return [f"{name}: it does not exist"]
    unsigned: dict[tuple[str, str], list[str]] = {}  # namespace and name of a Service -> its webhooks without a CA
    endpoints: dict[_Endpoint, list[Json]] = {}
    for webhook in parts(live, "webhooks"):
        client = part(webhook, "clientConfig")
        service = part(client, "service")
        if not service:
            continue  # a URL: its server is none of this cluster's
        if not client.get("caBundle"):
            unsigned.setdefault((service["namespace"], service["name"]), []).append(webhook["name"])
            continue
        called = _Endpoint(service["namespace"], service["name"], service.get("port", 443), client["caBundle"])
        endpoints.setdefault(called, []).append(webhook)
    problems = [
        f"{name}: no CA for {', '.join(webhooks)}: {_why_no_ca(server, live, *service)}"
        for service, webhooks in unsigned.items()
    ]
    for called, webhooks in endpoints.items():
        problems += [f"{name}: {text}" for text in _silence(server, called, webhooks, mutates=kind.startswith("Mut"))]
    return problems


def _why_no_ca(server: ApiServer, live: Json, namespace: str, service: str) -> str:
    """Who should have written the CA, and what keeps them from it."""
    certificate: str = part(live["metadata"], "annotations").get(_INJECTED, "")
    if certificate:
        place, _, name = certificate.partition("/")
        found = server.get(f"/apis/cert-manager.io/v1/namespaces/{place}/certificates/{name}")
        if found is None:
            return f"cert-manager takes it from Certificate {certificate}, which does not exist"
        ready = part(conditions(found), "Ready")
        if ready.get("status") != "True":
            message = ready.get("message") or "nobody has issued it"
            return f"cert-manager takes it from Certificate {certificate}, which is not ready: {message}"
        return f"Certificate {certificate} is ready, but cert-manager's injector has not written it"
    return "; ".join(["nobody has written it", *troubles.behind(server, namespace, service)])


class Answer(Enum):
    """What a dry run tells of one webhook."""

    GIVEN = "given"
    UNKNOWN = "unknown"  # the webhook was not asked, or its silence is ignored


def _silence(server: ApiServer, called: _Endpoint, webhooks: Iterable[Json], *, mutates: bool) -> list[str]:
    """Why nothing answers at an endpoint; empty as soon as one of its webhooks does."""
    where = called.namespace, called.service
    for webhook in webhooks:
        for canary in canaries(server, webhook):
            try:
                server.try_to_create(canary.path, canary.body)
                refusal = None
            except RefusedError as error:
                refusal = error
            heard = understood(webhook, refusal, mutates=mutates)
            if heard is Answer.GIVEN:
                return []
            if isinstance(heard, str):
                return [f"{webhook['name']} does not answer: {heard}", *troubles.behind(server, *where)]
    if troubles.ready_endpoint(server, *where):
        return []
    causes = troubles.behind(server, *where) or ["no address behind it is ready"]
    return [f"no pod behind Service {called.namespace}/{called.service}: {cause}" for cause in causes]


def understood(webhook: Json, refusal: RefusedError | None, *, mutates: bool) -> Answer | str:
    """What the outcome of a dry run tells of a webhook: whether it answered, or why it did not."""
    name, required = webhook["name"], webhook.get("failurePolicy") == "Fail"
    if refusal is None:
        return Answer.GIVEN if required else Answer.UNKNOWN
    message = str(refusal)
    if f'failed calling webhook "{name}"' in message:
        cause = next((meaning for sign, meaning in _CAUSES.items() if sign in message), "the call fails")
        return f"{cause} ({message.rpartition('failed to call webhook: ')[2]})"
    if f'admission webhook "{name}"' in message:  # it refuses the canary: an answer
        return Answer.GIVEN
    # Custom resources are validated after they were mutated: one that is invalid has been there.
    passed = mutates and required and refusal.code == HTTPStatus.UNPROCESSABLE_ENTITY
    return Answer.GIVEN if passed else Answer.UNKNOWN
