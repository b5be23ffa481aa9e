"""Create, read, update and delete one object, as the engine asks for it. Plans nothing: see planning.py."""

from __future__ import annotations

import functools
import os
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2 as rpc

from rehearsal.kubernetes_provider.diff import parse_path
from rehearsal.kubernetes_provider.errors import (
    ALREADY_EXISTS,
    CONFLICT,
    FORBIDDEN,
    NO_MATCH,
    NOT_FOUND,
    ApiError,
    KeptError,
    WaitFailedError,
)
from rehearsal.kubernetes_provider.managers import CREATOR, adopted, earlier_manager
from rehearsal.kubernetes_provider.readiness import pending
from rehearsal.kubernetes_provider.session import Session
from rehearsal.kubernetes_provider.values import CRD, header, id_of, is_typed, kind_of, normalize, note, prune
from rehearsal.kubernetes_provider.wire import (
    MISSING,
    UNDERSCORED,
    Object,
    contains,
    decode,
    encode,
    is_list,
    is_map,
    is_unknown,
    item,
    keep_secret,
    plain,
    secret_texts,
)

NO_DELETE_WAIT = frozenset(
    {"v1/Namespace", "v1/Pod", "apps/v1/DaemonSet", "apps/v1/Deployment", "apps/v1/StatefulSet", "batch/v1/Job"}
)
PAUSES = (1, 2, 4, 8, 16)  # seconds between attempts: the namespace or the CRD of an object may come later


def state_of(inputs: Object, live: Object, secrets: Object, manager: str) -> Object:
    """The outputs of an object: what the server returned, the inputs and the field manager."""
    outputs, kept = plain(live, UNDERSCORED), plain(inputs, UNDERSCORED)
    keep_secret(outputs, secrets)
    keep_secret(kept, secrets)
    return outputs | {"__inputs": kept, "__initialApiVersion": inputs["apiVersion"], "__fieldManager": manager}


def manager_of(inputs: Object, state: Object) -> str:
    """The field manager of updates."""
    return note(inputs, "patchFieldManager") or state.get("__fieldManager") or f"{CREATOR}-{os.urandom(4).hex()}"


class Operation:
    """One request for one object."""

    def __init__(self, session: Session, request: Any) -> None:
        self.session = session
        self.request = request

    def apply(self, inputs: Object, manager: str, *, force: bool, dry: str) -> Object:
        """Server-side apply."""
        force = force or note(inputs, "patchForce") == "true" or self.session.flag("enablePatchForce")
        cluster = self.session.cluster()
        query = {"fieldManager": manager, "dryRun": dry, "force": str(force).lower()}
        try:
            return cluster.request("PATCH", cluster.path(inputs), inputs, "apply-patch+yaml", query=query)
        except ApiError as error:
            if error.code != CONFLICT:
                raise
            raise ApiError(
                CONFLICT,
                error.reason,
                "server-side apply field conflict detected. The resource managed by field manager "
                f'"{manager}" had an apply conflict: {error}',
            ) from error

    def adopt(self, live: Object, manager: str) -> Object:
        """Give this manager the fields of the create and those of kubectl: an apply must not conflict with them."""
        entries = adopted(live, manager)
        if entries is None:
            return live
        patch = [{"op": "replace", "path": "/metadata/managedFields", "value": entries}]
        cluster = self.session.cluster()
        return cluster.request("PATCH", cluster.path(live), patch, "json-patch+json")

    def wait(self, inputs: Object, live: Object, secrets: Object, manager: str) -> Object:
        """Wait until an object is ready; returns its last live state."""
        cluster = self.session.cluster()

        def reasons() -> list[str]:
            nonlocal live
            live = cluster.get(live)
            return pending(cluster, live, inputs)

        try:
            if note(inputs, "skipAwait") != "true" and pending(cluster, live, inputs):
                self.session.until(self.request, inputs, reasons)
        except (WaitFailedError, ApiError, OSError) as error:  # it was made: the state must know it
            causes = "; ".join(map(str, error.args))
            raise KeptError(
                f'resource "{self.request.urn}" was applied, but failed to fully initialize or become live: {causes}',
                error.args,
                name=id_of(live),
                state=state_of(inputs, live, secrets, manager),
            ) from error
        return live

    def create(self) -> rpc.CreateResponse:
        """Create by POST, as the official plugin does: an object that exists is an error unless upserts are on."""
        request, secrets = self.request, decode(self.request.properties)
        inputs = plain(secrets)
        if request.preview and (contains(inputs, is_unknown) or not self.session.resource(inputs)):
            return rpc.CreateResponse(properties=request.properties)
        existing = self._existing(inputs)
        manager = manager_of(inputs, {"__fieldManager": earlier_manager(existing)})
        if not request.preview and existing:
            self.adopt(existing, manager)
        live = self._created(inputs, manager, secret_texts(secrets))
        if live is None:
            return rpc.CreateResponse(properties=request.properties)
        if request.preview:
            live.pop("status", None)
            return rpc.CreateResponse(properties=encode(state_of(inputs, live, secrets, manager)))
        live = self.wait(inputs, live, secrets, manager)
        return rpc.CreateResponse(id=id_of(live), properties=encode(state_of(inputs, live, secrets, manager)))

    def _existing(self, inputs: Object) -> Object:
        """What an earlier run left behind, if upserts are on: it is ours, whatever the state says."""
        if not self.session.flag("upsertExistingObjects"):
            return {}
        try:
            return self.session.cluster().get(inputs)
        except ApiError as error:
            if error.code in (FORBIDDEN, NOT_FOUND):
                return {}
            raise

    def _created(self, inputs: Object, manager: str, secrets: set[str]) -> Object | None:
        """The created object; None where a preview cannot know it."""
        for pause in (*PAUSES, None):
            try:
                return self._put_there(inputs, manager)
            except ApiError as error:
                hidden = error.code in (FORBIDDEN, NOT_FOUND) or error.reason == ALREADY_EXISTS
                if self.request.preview and hidden:
                    return None
                if error.code != NOT_FOUND or pause is None:
                    raise self._refused(error) from error
                self.session.say(self.request.urn, f"creation will be tried again: {error}", secrets=secrets)
            if self.session.cancelled.wait(pause):
                break
        raise WaitFailedError("cancelled while waiting for the namespace or the kind of this object")

    def _refused(self, error: ApiError) -> ApiError:
        """The server's refusal of a create, with what may help."""
        text, hint = "did not create it", ""
        if error.reason == NO_MATCH:
            text = (
                "reported that the apiVersion for this resource does not exist. "
                "Verify that any required CRDs have been created"
            )
        elif error.reason == ALREADY_EXISTS:
            hint = "\nImport it, use an alias, or set upsertExistingObjects."
        return ApiError(
            error.code,
            "",
            f'creation of resource "{self.request.urn}" failed because the Kubernetes API server {text}: {error}{hint}',
        )

    def _put_there(self, inputs: Object, manager: str) -> Object:
        cluster, dry = self.session.cluster(), "All" if self.request.preview else ""
        if not self.session.flag("upsertExistingObjects"):
            path = cluster.path(inputs, collection=True)
            return cluster.request("POST", path, inputs, query={"fieldManager": CREATOR, "dryRun": dry})
        return self.apply(inputs, manager, force=bool(dry), dry=dry)

    def update(self) -> rpc.UpdateResponse:
        """Server-side apply; a CRD is put whole."""
        request, secrets, olds = self.request, decode(self.request.news), plain(decode(self.request.olds))
        inputs = normalize(plain(secrets))
        if request.preview and (contains(inputs, is_unknown) or not self.session.resource(inputs)):
            return rpc.UpdateResponse(properties=request.news)
        before, manager = manager_of({}, olds), manager_of(inputs, olds)
        live = self.session.cluster().get(inputs)
        try:
            live = self._replace(inputs, live, manager) if inputs["kind"] == CRD else self._merge(inputs, live, manager)
        except ApiError as error:
            if request.preview and error.code == FORBIDDEN:
                return rpc.UpdateResponse(properties=request.news)
            raise KeptError(
                f'update of resource "{request.urn}" failed: {error}',
                error.args,
                name=id_of(live),
                state=state_of(inputs, live, secrets, before),
            ) from error
        if not request.preview:
            live = self.wait(inputs, live, secrets, manager)
            if before != manager:  # applying nothing gives up the fields of the former manager
                name = {part: live["metadata"][part] for part in ("name", "namespace") if part in live["metadata"]}
                self.apply(header(request.urn) | {"metadata": name}, before, force=True, dry="")
        return rpc.UpdateResponse(properties=encode(state_of(inputs, live, secrets, manager)))

    def _replace(self, inputs: Object, live: Object, manager: str) -> Object:
        cluster, dry = self.session.cluster(), "All" if self.request.preview else ""
        version = {"resourceVersion": live["metadata"]["resourceVersion"]}
        body = inputs | {"metadata": inputs["metadata"] | version}
        return cluster.request("PUT", cluster.path(inputs), body, query={"fieldManager": manager, "dryRun": dry})

    def _merge(self, inputs: Object, live: Object, manager: str) -> Object:
        desired, dry = plain(inputs), "All" if self.request.preview else ""
        entries: list[Object] = live["metadata"].get("managedFields") or []
        created = any(entry["manager"] == CREATOR for entry in entries)
        for text in self.request.ignoreChanges:  # applying the live value changes nothing and conflicts with nobody
            *parents, last = parse_path(text)
            source, target = (functools.reduce(item, parents, obj) for obj in (live, desired))
            if item(source, last) is not MISSING and (is_map(target) or is_list(target)):
                target[last] = source[last]  # type: ignore[index] - a name in a map, a number in a list
        live = live if dry else self.adopt(live, manager)
        force = bool(dry and created) or not live["metadata"].get("managedFields")
        return self.apply(desired, manager, force=force, dry=dry)

    def read(self) -> rpc.ReadResponse:
        """Refresh, or import when there are no inputs yet."""
        request, secrets = self.request, decode(self.request.inputs)
        namespace, _, name = request.id.rpartition("/")
        known = normalize(plain(secrets))
        inputs = header(request.urn) | (known or {"metadata": {}})
        inputs["metadata"] |= {"name": name} | ({"namespace": namespace} if namespace else {})
        cluster = self.session.cluster()
        try:
            live = cluster.get(inputs)
        except ApiError as error:
            if error.code == NOT_FOUND:
                return rpc.ReadResponse()
            raise
        if known:
            kept = prune(live, known, typed=is_typed(inputs))
        else:
            kept = normalize({part: value for part, value in live.items() if part != "status"})
        manager = manager_of(inputs, plain(decode(request.properties)))
        outputs = state_of(kept, live, secrets, manager)
        kept = outputs["__inputs"]
        try:
            awaited = known and note(inputs, "skipAwait") != "true"
            reasons: tuple[str, ...] = tuple(pending(cluster, live, inputs)) if awaited else ()
        except WaitFailedError as error:
            reasons = error.args
        if reasons:
            raise KeptError("; ".join(reasons), reasons, name=request.id, state=outputs, inputs=kept)
        return rpc.ReadResponse(id=request.id, properties=encode(outputs), inputs=encode(kept))

    def delete(self) -> empty_pb2.Empty:
        """Delete, in the foreground by default, and wait until the object is gone."""
        live = plain(decode(self.request.properties))
        inputs = live.pop("__inputs", {})
        if self.session.unreachable and self.session.flag("deleteUnreachable"):
            return empty_pb2.Empty()
        wish = note(inputs, "deletionPropagationPolicy").lower()
        policy = {"orphan": "Orphan", "background": "Background"}.get(wish, "Foreground")
        cluster = self.session.cluster()

        def reasons() -> list[str]:
            found = cluster.get(live)["metadata"]
            blockers = ", ".join(found.get("finalizers") or ()) or "none"
            here = found["uid"] == live["metadata"]["uid"]
            return [f"waiting for deletion; finalizers: {blockers}"] if here else []

        try:
            cluster.request("DELETE", cluster.path(live), {"propagationPolicy": policy})
            if note(inputs, "skipAwait") != "true" or kind_of(live) not in NO_DELETE_WAIT:
                self.session.until(self.request, inputs, reasons)
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
        return empty_pb2.Empty()
