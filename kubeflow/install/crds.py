"""All CustomResourceDefinitions as one resource. As single ones they would cost the engine most of its time.

The state holds one line for each definition, never its body: the provider reads the bodies from the cache, in its own
process, and proves them against the digests that the program registered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from kubeflow.distribution.cache import ROOT
from kubeflow.distribution.documents import Body

from . import definitions, open_crds
from .apiserver import ApiServer, RefusedError
from .definitions import MANAGER, CrdError
from .kinds import part, parts

Props = dict[str, Any]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_COLLECTION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_THREADS = 8
_ESTABLISHED_SECONDS = 60.0
_DELETED_SECONDS = 180.0  # the API server itself waits up to a minute for the objects of a kind, and then tries again
_AGAIN_SECONDS = 5.0  # after failures it tries again ever later, by minutes, but at once when the definition changes
_AGAIN = "kubeflow-proof/delete-again"  # annotation whose value means nothing
_SHOWN = ("components", "crds", "delete", "webhooks")  # inputs whose change is a change of the resource


@dataclass(frozen=True, kw_only=True, slots=True)
class CrdSetArgs:
    """Which definitions, from where, into which cluster."""

    kubeconfig: pulumi.Input[str] = field(repr=False)
    folder: str  # of the cache; relative to the repository
    components: Mapping[str, str]  # name -> SHA-256 of its cached objects
    crds: Mapping[str, Body] = field(repr=False)  # by name, as `definitions.read` returns them; no open ones
    open: Sequence[str] = ()  # names from the table of kinds whose real definitions cannot be had
    webhooks: bool  # the API server can reach conversion webhooks
    delete: bool = False  # on destroy; with a definition go all objects of its kind, in every namespace


class CrdSet(Resource, module="kubeflow", name="CrdSet"):
    """The definitions of several components."""

    drift: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, args: CrdSetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {
            "kubeconfig": pulumi.Output.secret(args.kubeconfig),
            "folder": args.folder,
            "components": dict(args.components),
            "crds": {crd: definitions.summary(body) for crd, body in (_opened(args.open) | dict(args.crds)).items()},
            "open": sorted(args.open),
            "webhooks": args.webhooks,
            "delete": args.delete,
            "live": None,
            "drift": None,
        }
        super().__init__(_CrdProvider(), name, props, opts)


class _CrdProvider(ResourceProvider):
    """Runs in the plugin's process; keeps nothing between calls."""

    serialize_as_secret_always = False  # it captures nothing

    def create(self, props: Props) -> CreateResult:
        return CreateResult("crds", _apply(props, known={}))

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        changed = [name for name in _SHOWN if olds.get(name) != news.get(name)]
        before, after = olds["crds"], news["crds"]
        narrowed = [
            name
            for name in before.keys() & after.keys()
            if set(definitions.versions_in(before[name])) - set(definitions.versions_in(after[name]))
        ]
        if narrowed and isinstance(news["kubeconfig"], str):
            _refuse_lost_versions(_server(news), {name: _bodies(news)[name] for name in narrowed})
        return DiffResult(changes=bool(changed or olds.get("drift")))

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        drifted = part(olds, "drift")
        unchanged = {
            name: olds["live"][name]
            for name, line in news["crds"].items()
            if olds["crds"].get(name) == line and name not in drifted and name in olds["live"]
        }
        outs = _apply(news, known=unchanged)
        if news["delete"]:
            remove(_server(news), olds["crds"].keys() - news["crds"].keys())
        return UpdateResult(outs)

    def read(self, id_: str, props: Props) -> ReadResult:
        server = _server(props)
        found = _parallel(lambda name: server.get(f"{_COLLECTION}/{name}"), props["crds"])
        drift = {
            name: text
            for name, live in zip(props["crds"], found, strict=True)
            if (text := definitions.drift(live, props["live"].get(name, "")))
        }
        return ReadResult(id_, props | {"drift": drift})

    def delete(self, _id: str, props: Props) -> None:
        if props["delete"]:
            remove(_server(props), props["crds"])


def _server(props: Props) -> ApiServer:
    return ApiServer(props["kubeconfig"], connections=_THREADS)


def _bodies(props: Props) -> dict[str, Body]:
    """The bodies that the program meant, to the byte."""
    bodies = _opened(parts(props, "open"))  # the states of earlier releases have none
    bodies |= definitions.read(ROOT / props["folder"], props["components"], webhooks=props["webhooks"])
    if {name: definitions.summary(body) for name, body in bodies.items()} != props["crds"]:
        raise CrdError("the cached definitions are not those that the program registered: run again")
    return bodies


def _opened(names: Iterable[str]) -> dict[str, Body]:
    return {name: open_crds.definition(name) for name in names}


def _parallel(action: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Every result, in order; one error for all items that failed."""
    with ThreadPoolExecutor(_THREADS) as pool:
        futures = [pool.submit(action, item) for item in items]
    problems = [str(error) for future in futures if isinstance(error := future.exception(), CrdError)]
    if problems:
        raise CrdError("\n".join(problems))
    return [future.result() for future in futures]


def _apply(props: Props, *, known: Mapping[str, str]) -> Props:
    """Apply all but what is known to be there; what is remembered of the result."""
    server = _server(props)
    bodies = {name: body for name, body in _bodies(props).items() if name not in known}
    there = _refuse_lost_versions(server, bodies)
    applied = _parallel(lambda name: there.get(name) or _applied(server, bodies[name]), bodies)
    deadline = time.monotonic() + _ESTABLISHED_SECONDS
    lives = [_established(server, live, deadline) for live in applied]  # the server, too, takes one after the other
    prints = {name: definitions.live_fingerprint(live) for name, live in zip(bodies, lives, strict=True)}
    return props | {"live": {**known, **prints}, "drift": {}}


def _refuse_lost_versions(server: ApiServer, bodies: Mapping[str, Body]) -> dict[str, Body]:
    """Objects in a version that no definition knows could be neither read nor deleted.

    Returns what stays as it is on the server: real definitions, whoever brought them, where only an open one was meant.
    """
    found = _parallel(lambda name: server.get(f"{_COLLECTION}/{name}"), bodies)
    lives = {name: live for name, live in zip(bodies, found, strict=True) if live is not None}
    kept = {
        name: live for name, live in lives.items() if open_crds.is_open(bodies[name]) and not open_crds.is_open(live)
    }
    lost = [
        f"{name}: the new definition lacks {', '.join(gone)}, in which objects are stored: migrate them, then take the "
        "version out of status.storedVersions"
        for name, live in lives.items()
        if name not in kept and (gone := definitions.lost_versions(live, bodies[name]))
    ]
    if lost:
        raise CrdError("\n".join(lost))
    return kept


def _applied(server: ApiServer, body: Body) -> Body:
    """Apply one definition, unless somebody else claims it."""
    name = body["metadata"]["name"]
    path = f"{_COLLECTION}/{name}"
    try:
        return server.apply(path, body, manager=MANAGER)
    except RefusedError as error:
        if error.code != HTTPStatus.CONFLICT:
            raise CrdError(f"{name}: the API server refuses it: {error}") from error
        foreign = [cause for cause in error.causes if 'conflict with "kubectl' not in cause.get("message", "")]
        if foreign:
            owners = "; ".join(f"{cause.get('message')} {cause.get('field')}" for cause in foreign)
            raise CrdError(
                f"{name}: belongs to somebody else ({owners}): leave out the component that brings it, or let its "
                "installer give it up"
            ) from error
        return server.apply(path, body, manager=MANAGER, force=True)  # what was done by hand is undone


def _established(server: ApiServer, live: Body, deadline: float) -> Body:
    """Wait until a kind is served; returns the definition as it is then."""
    name = live["metadata"]["name"]
    while not definitions.established(live):
        if time.monotonic() > deadline:
            conditions = part(live, "status").get("conditions")
            raise CrdError(f"{name}: not established after {_ESTABLISHED_SECONDS:.0f} s: {conditions}")
        time.sleep(0.1)
        live = server.get(f"{_COLLECTION}/{name}") or live
    return live


def remove(server: ApiServer, names: Iterable[str]) -> None:
    """Delete definitions and wait until they are gone, with every object of their kinds. CrdError where one stays."""
    deadline = time.monotonic() + _DELETED_SECONDS

    def gone(name: str) -> None:
        path, asked = f"{_COLLECTION}/{name}", time.monotonic()
        server.delete(path)
        while live := server.get(path):
            now, failure = time.monotonic(), definitions.deletion_failure(live)
            if now > deadline:
                why = failure or f"finalizers: {', '.join(parts(live['metadata'], 'finalizers'))}"
                raise CrdError(f"{name}: not deleted after {_DELETED_SECONDS:.0f} s; {why}")
            if failure and now - asked > _AGAIN_SECONDS:
                server.merge(path, {"metadata": {"annotations": {_AGAIN: str(now)}}})
                asked = now
            time.sleep(0.1)

    _parallel(gone, names)
