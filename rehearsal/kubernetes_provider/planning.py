"""Check and Diff: complete the inputs of an object, and decide what a change means. Changes nothing on the server."""

from __future__ import annotations

import hashlib
from typing import Any

from pulumi.runtime.proto import provider_pb2 as rpc

from rehearsal.kubernetes_provider.diff import differences, parse_path, replace_fields, show, touches
from rehearsal.kubernetes_provider.kubeconfig import active, load
from rehearsal.kubernetes_provider.session import Session
from rehearsal.kubernetes_provider.values import header, is_typed, normalize, note, prune
from rehearsal.kubernetes_provider.wire import (
    MISSING,
    Object,
    decode,
    encode,
    is_map,
    is_unknown,
    item,
    keep_secret,
    plain,
)


def diff_config(request: Any) -> rpc.DiffResponse:
    """Another cluster replaces everything; `clusterIdentifier` overrides what counts as another cluster."""
    olds, news = (plain(decode(part)) for part in (request.olds, request.news))
    changed = [name for name in sorted(olds | news) if olds.get(name) != news.get(name)]
    replaces = [name for name in ("kubeconfig", "context", "cluster") if name in changed]
    if not any(is_unknown(news.get(name)) for name in replaces):
        before, after = _server_entry(olds), _server_entry(news)
        replaces = replaces if before and after and before != after else []
    identifiers = (olds.get("clusterIdentifier"), news.get("clusterIdentifier"))
    if all(identifiers):  # adding or removing it decides nothing
        replaces = [] if identifiers[0] == identifiers[1] else ["clusterIdentifier", *replaces]
    changes = rpc.DiffResponse.DIFF_SOME if changed else rpc.DiffResponse.DIFF_NONE
    return rpc.DiffResponse(changes=changes, diffs=changed, replaces=replaces)


def _server_entry(options: Object) -> Object:
    """The cluster that options choose; empty where that cannot be known."""
    if not options.get("kubeconfig"):
        return {}
    return active(load(options.get("kubeconfig")), options.get("context", ""), options.get("cluster", "")).cluster


def check(session: Session, request: Any) -> rpc.CheckResponse:
    """Complete the inputs: apiVersion and kind, a name and the provider's namespace."""
    secrets, olds = decode(request.news), plain(decode(request.olds))
    news = normalize(header(request.urn) | plain(secrets))
    metadata = news.setdefault("metadata", {})
    if is_map(metadata):
        if not metadata.get("name"):
            _name(metadata, olds, request)
        if not metadata.get("namespace") and session.namespace and session.namespaced(news):
            metadata["namespace"] = session.namespace
    keep_secret(news, secrets)
    return rpc.CheckResponse(inputs=encode(news))


def _name(metadata: Object, olds: Object, request: Any) -> None:
    """Invent a name, and say so in an annotation."""
    if metadata.get("generateName"):
        raise ValueError("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
    naming = request.autonaming
    if request.HasField("autonaming") and naming.mode == naming.DISABLE:
        raise ValueError("autonaming is disabled, resource requires the .metadata.name field to be set")
    suffix = hashlib.sha256(request.randomSeed + request.urn.encode()).hexdigest()[:8]
    metadata["name"] = naming.proposed_name or f"{request.urn.rpartition('::')[2]}-{suffix}"
    if note(olds, "autonamed") == "true":
        metadata["name"] = olds["metadata"]["name"]
    if is_map(metadata.setdefault("annotations", {})):
        metadata["annotations"]["pulumi.com/autonamed"] = "true"


def diff(session: Session, request: Any) -> rpc.DiffResponse:
    """Compare the live object of the last operation, cut to the old inputs, with the new inputs."""
    live, new = plain(decode(request.olds)), normalize(plain(decode(request.news)))
    shape = normalize(live.pop("__inputs", {}))
    old = header(request.urn) | prune(live, shape)
    in_namespace = session.namespaced(new)
    for obj in (old, new):
        metadata = obj.setdefault("metadata", {})
        if is_map(metadata):
            namespace = metadata.pop("namespace", "") or "default"
            if in_namespace:
                metadata["namespace"] = namespace
    old["metadata"]["name"] = live["metadata"]["name"]

    ignored = [parse_path(text) for text in request.ignoreChanges]
    fields = replace_fields(new, lambda kind: session.flag(f"enable{kind}Mutable"))
    detailed: dict[str, rpc.PropertyDiff] = {}
    replaces: list[str] = []
    for path, (change, value) in differences(new, old, shape, typed=is_typed(new)).items():
        if any(touches(path, MISSING, part) for part in ignored):
            continue
        replacing = any(touches(path, value, field) for field in fields)
        if replacing:
            replaces.append(show(path))
        kind = rpc.PropertyDiff.Kind.Value(f"{change}_REPLACE" if replacing else change)
        detailed[show(path)] = rpc.PropertyDiff(kind=kind, inputDiff=change == "DELETE")
    same = all(item(new["metadata"], name) == old["metadata"].get(name, MISSING) for name in ("name", "namespace"))
    return rpc.DiffResponse(
        changes=rpc.DiffResponse.DIFF_SOME if detailed else rpc.DiffResponse.DIFF_NONE,
        replaces=replaces,
        detailedDiff=detailed,
        hasDetailedDiff=True,
        deleteBeforeReplace=bool(replaces) and same and note(new, "autonamed") != "true",
    )
