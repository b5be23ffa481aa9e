"""The smallest objects that a webhook has to answer for, derived from its own rules. Creates nothing.

Mutating webhooks are called before a custom resource is validated, so that any object of their kind will do. Validating
ones are called after it: their canary is filled in from the kind's schema, as far as a schema can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from .apiserver import Json, Reader
from .kinds import part, parts

_NAME = "kubeflow-proof-canary-"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_POD: Json = {  # passes every Pod Security Standard, so that nothing refuses it before the webhook is asked
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "canary",
                "image": "canary",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "resources": {
                    "requests": {"cpu": "1m", "memory": "1Mi"},
                    "limits": {"cpu": "1m", "memory": "1Mi"},
                },
            }
        ],
    }
}
_BUILT_IN: Mapping[str, Json] = {"pods": _POD, "configmaps": {}, "secrets": {}, "namespaces": {}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Canary:
    """An object to ask about, and where it would be created."""

    path: str
    body: Json = field(repr=False)


def canaries(reader: Reader, webhook: Json) -> Iterator[Canary]:
    """Objects that this webhook is asked about when they are created; none where there is no such object."""
    if parts(webhook, "matchConditions"):
        return  # an expression decides; what would satisfy it cannot be derived
    labels = _labels_for(part(webhook, "objectSelector"))
    for rule in parts(webhook, "rules"):
        if {"CREATE", "*"} & set(rule["operations"]):
            for group in rule["apiGroups"]:
                for version, resource in _resources(reader, group, rule):
                    content = _content(reader, group, version, resource)
                    collection = _collection(reader, webhook, resource)
                    if content is not None and collection is not None:
                        root = _root(group, version)
                        api = f"{group}/{version}".lstrip("/")
                        yield _canary(f"{root}/{collection}", api, resource, labels, content)


def selects(selector: Json, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects; an empty one selects everything."""
    return all(labels.get(key) == value for key, value in part(selector, "matchLabels").items()) and all(
        _holds(expression, labels) for expression in parts(selector, "matchExpressions")
    )


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None


def _labels_for(selector: Json) -> dict[str, str]:
    """Labels that a selector selects; what must not be there is left out."""
    found = dict(part(selector, "matchLabels"))
    for expression in parts(selector, "matchExpressions"):
        if expression["operator"] in ("In", "Exists"):
            found.setdefault(expression["key"], (expression.get("values") or ["canary"])[0])
    return found


def _resources(reader: Reader, group: str, rule: Json) -> Iterator[tuple[str, Json]]:
    """The creatable resources of a group that a rule names and the server knows, with their version."""
    names = {name.partition("/")[0] for name in rule["resources"] if name.partition("/")[2] in ("", "*")}
    for version in rule["apiVersions"]:
        chosen = _preferred(reader, group) if version == "*" else version
        found = reader.get(_root(group, chosen)) or {}
        for resource in parts(found, "resources"):
            scope = "Namespaced" if resource["namespaced"] else "Cluster"
            if (
                "create" in resource["verbs"]
                and "/" not in resource["name"]
                and ("*" in names or resource["name"] in names)
                and rule.get("scope") in (None, "*", scope)
            ):
                yield chosen, resource


def _preferred(reader: Reader, group: str) -> str:
    """The version of a group that the server prefers."""
    found = reader.get(f"/apis/{group}") if group else None
    return part(found or {}, "preferredVersion").get("version", "v1")


def _content(reader: Reader, group: str, version: str, resource: Json) -> Json | None:
    """What the object has besides its header; None where nothing sensible is known."""
    if not group:
        return _BUILT_IN.get(resource["name"])
    crd = reader.get(f"{_CRDS}/{resource['name']}.{group}")
    if crd is None:
        return None
    for known in crd["spec"]["versions"]:
        if known["name"] == version:
            schema = part(part(known, "schema"), "openAPIV3Schema")
            return {
                name: value
                for name, value in cast("Json", sample({**schema, "type": "object"})).items()
                if name not in ("apiVersion", "kind", "metadata", "status")
            }
    return None


def _root(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _collection(reader: Reader, webhook: Json, resource: Json) -> str | None:
    """Where to create: in a namespace that the webhook looks into, its own first. None if there is none."""
    if not resource["namespaced"]:
        return resource["name"]
    selector = part(webhook, "namespaceSelector")
    own = part(part(webhook, "clientConfig"), "service").get("namespace")
    lasting = [item["metadata"] for item in reader.items("/api/v1/namespaces") if item["status"]["phase"] == "Active"]
    fitting = [found["name"] for found in lasting if selects(selector, part(found, "labels"))]
    place = min(fitting, key=lambda name: (name != own, name != "default", name), default=None)
    return None if place is None else f"namespaces/{place}/{resource['name']}"


def _canary(path: str, version: str, resource: Json, labels: Mapping[str, str], content: Json) -> Canary:
    metadata: Json = {"generateName": _NAME} | ({"labels": labels} if labels else {})
    header = {"apiVersion": version, "kind": resource["kind"], "metadata": metadata}
    return Canary(path=path, body={**header, **content})


def sample(schema: Json) -> Any:  # noqa: ANN401 - any JSON value
    """The smallest value that a structural schema asks for: what is required, and of that the least."""
    fixed = [schema["default"]] if "default" in schema else parts(schema, "enum")
    value: Any = None
    match "fixed" if fixed else "integer" if schema.get("x-kubernetes-int-or-string") else schema.get("type"):
        case "fixed":
            value = fixed[0]
        case "object":
            known = part(schema, "properties")
            value = {name: sample(known[name]) for name in parts(schema, "required") if name in known}
        case "array":
            value = [sample(part(schema, "items")) for _ in range(schema.get("minItems", 0))]
        case "integer" | "number":
            value = schema.get("minimum", 1)
        case "boolean":
            value = False
        case _:
            value = "canary".ljust(schema.get("minLength", 0), "y")[: schema.get("maxLength")]
    return value
