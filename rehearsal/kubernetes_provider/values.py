"""Kubernetes objects as inputs and live: what the official plugin would keep of them. Decides no difference."""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import Any

from rehearsal.kubernetes_provider.wire import Object, contains, is_list, is_map, is_unknown, item

CRD = "CustomResourceDefinition"
BUILTIN = re.compile(
    r"(v1|(apps|batch|autoscaling|policy|(rbac\.authorization|networking|storage|scheduling|node|coordination|"
    r"discovery|admissionregistration|apiextensions|apiregistration|certificates|events)\.k8s\.io)/.*)"
)
_DECIMAL = {end: Decimal(1000) ** power for power, end in enumerate(("n", "u", "m", "", *"kMGTPE"), -3)}
SCALE = _DECIMAL | {end + "i": Decimal(1024) ** power for power, end in enumerate("KMGTPE", 1)}
QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)([numkMGTPE]?|[KMGTPE]i)")
READ_ONLY = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)


def header(urn: str) -> Object:
    """The apiVersion and kind of a resource."""
    _, version, kind = urn.split("::")[2].rsplit("$", maxsplit=1)[-1].split(":")
    return {"apiVersion": version.removeprefix("core/"), "kind": kind}


def kind_of(obj: Object) -> str:
    """The apiVersion and kind as one word, `apps/v1/Deployment`."""
    return f"{obj['apiVersion']}/{obj['kind']}"


def id_of(obj: Object) -> str:
    """Pulumi's id: `namespace/name` or `name`."""
    return "/".join(obj["metadata"][part] for part in ("namespace", "name") if obj["metadata"].get(part))


def note(obj: Object, name: str) -> str:
    """Value of a `pulumi.com/` annotation."""
    return str(item(item(item(obj, "metadata"), "annotations"), "pulumi.com/" + name) or "")


def is_typed(obj: Object) -> bool:
    """Whether the official plugin passes the object through a Go type, which drops what the type does not keep."""
    return bool(BUILTIN.fullmatch(str(obj.get("apiVersion")))) and obj.get("kind") not in ("Secret", CRD)


def normalize(obj: Object) -> Object:
    """Drop or convert, in place, what the server would not keep as an input."""
    if not contains(obj, is_unknown):
        if obj.get("kind") == "Secret" and obj.get("stringData"):
            texts = {
                name: base64.b64encode(str(text).encode()).decode() for name, text in obj.pop("stringData").items()
            }
            obj["data"] = (obj.get("data") or {}) | texts
        elif obj.get("kind") == CRD:
            obj.pop("status", None)
        elif is_typed(obj):
            drop_nulls(obj)
    metadata = obj.get("metadata")
    if is_map(metadata):
        for name in READ_ONLY:
            metadata.pop(name, None)
    return obj


def drop_nulls(value: Any) -> None:
    """Remove null members of nested dictionaries, in place."""
    if is_map(value):
        for name in [name for name, part in value.items() if part is None]:
            del value[name]
        for part in value.values():
            drop_nulls(part)
    elif is_list(value):
        for part in value:
            drop_nulls(part)


def prune(live: Any, shape: Any, *, typed: bool = False) -> Any:
    """The part of `live` that `shape` also has; of a typed object also the empty values, which a server leaves out."""
    if is_map(live) and is_map(shape):
        kept = {name: prune(part, shape[name], typed=typed) for name, part in live.items() if name in shape}
        empty = {name: part for name, part in shape.items() if typed and not part and name not in live}
        return kept | empty
    if is_list(live) and is_list(shape):
        return [prune(part, shaped, typed=typed) for part, shaped in zip(live, shape, strict=False)]
    return live


def quantity(value: Any) -> Decimal | None:
    """The number a Kubernetes quantity such as `1500m` or `2Gi` stands for."""
    match = QUANTITY.fullmatch(str(value))
    return Decimal(match[1]) * SCALE[match[2]] if match else None
