"""The rules that the API server keeps in tenants' namespaces, without a webhook. Knows no rule: they are data.

`policies/admission.json` is written by the policy pack from the same definitions as its own rules; the two import
nothing of each other. Namespaces of the platform are left alone: what stands there was judged before it was installed.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.objects import Document, document
from kubeflow.install.loader import InstallError
from kubeflow.install.planned import Planned, own
from kubeflow.install.waves import Wave
from kubeflow.network.policies import TENANT_LABEL
from kubeflow.spec.admission import Action, AdmissionSpec

FILE = Path(__file__).resolve().parents[1] / "policies" / "admission.json"
PREFIX = "guardrails-"
_PART = "admission"
_VERSION = "admissionregistration.k8s.io/v1"
_LEVELS = {"mandatory": Action.DENY, "advisory": Action.WARN}
_TAKEN = {Action.DENY: ["Deny", "Audit"], Action.WARN: ["Warn", "Audit"]}
_NAMESPACES = ["/namespaces"]
_CLUSTER_WIDE = frozenset({"clusterroles", "clusterrolebindings"})
_MADE = ("Job", "Pod", "ReplicaSet")  # what controllers make of a workload; their names begin with its name
# Objects that are on their way out, and those of which something else changes, are as they were.
_ALIVE = "!has(object.metadata.deletionTimestamp)"
_CHANGED = "oldObject == null || !has(object.spec) || !has(oldObject.spec) || object.spec != oldObject.spec"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exempted:
    """One rule does not hold for the objects that a pattern names: Kind/namespace/name, asterisks as in a shell."""

    rule: str
    resource: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Guarded:
    """Whom the rules are for, and what the stack says about them. Wholly plain."""

    spec: AdmissionSpec
    people: Mapping[str, Iterable[str]]  # of each tenant
    mirrors: Iterable[str] = ()  # where images are pulled from instead
    exempted: Iterable[Exempted] = ()


def objects(guarded: Guarded) -> Iterator[Planned]:
    """A policy and its binding for each rule; nothing where there is no tenant."""
    if not guarded.people:
        return
    data: Document = json.loads(FILE.read_text(encoding="utf-8"))
    _refuse_unknown(guarded.spec, [policy["rule"] for policy in data["policies"]])
    for policy in data["policies"]:
        action = guarded.spec.actions.get(policy["rule"], _LEVELS[policy["level"]])
        if action is not Action.OFF:
            yield own(_PART, Wave.BASE, _policy(policy, data["pods"], guarded))
            yield own(_PART, Wave.BASE, _binding(policy["rule"], action))


def _refuse_unknown(spec: AdmissionSpec, rules: list[str]) -> None:
    unknown = sorted(spec.actions.keys() - set(rules))
    if unknown:
        raise InstallError(
            f"admission.actions: the API server keeps no rule {', '.join(unknown)}; it keeps {', '.join(rules)}"
        )


def _policy(policy: Document, pods: str, guarded: Guarded) -> Document:
    settings = {**policy["settings"], **_settings(policy, guarded)}
    variables = [{"name": name, "expression": json.dumps(value)} for name, value in settings.items()]
    if policy["asksPods"]:
        variables.append({"name": "pods", "expression": pods})
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": _matched(policy["resources"]),
        "matchConditions": list(_conditions(policy, guarded)),
        "variables": variables,
        "validations": [{**validation, "reason": "Forbidden"} for validation in policy["validations"]],
    }
    return document(_VERSION, "ValidatingAdmissionPolicy", f"{PREFIX}{policy['rule']}", spec=spec)


def _settings(policy: Document, guarded: Guarded) -> dict[str, Any]:
    if policy["rule"] != "image-registry":
        return {}
    return {"allowed": [*policy["settings"]["allowed"], *guarded.mirrors, *guarded.spec.registries]}


def _matched(resources: list[str]) -> Document:
    """Whatever is in a tenant's namespace; of the namespaces themselves those that are or were a tenant's."""
    groups: dict[str, list[str]] = {}
    for resource in resources:
        group, _, plural = resource.partition("/")
        groups.setdefault(group, []).append(plural)
    rules = [
        {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": plurals}
        for group, plurals in groups.items()
    ]
    selector = "objectSelector" if resources == _NAMESPACES else "namespaceSelector"
    return {selector: {"matchLabels": dict(TENANT_LABEL)}, "resourceRules": rules}


def _conditions(policy: Document, guarded: Guarded) -> Iterator[Document]:
    """What the rule is not asked about."""
    yield {"name": "alive", "expression": _ALIVE}
    if policy["resources"] != _NAMESPACES:  # of which labels are judged
        yield {"name": "changed", "expression": _CHANGED}
    if _CLUSTER_WIDE & {resource.partition("/")[2] for resource in policy["resources"]}:
        yield {"name": "of-tenants", "expression": _asked_by_tenants(guarded.people)}
    for number, row in enumerate(guarded.exempted):
        parts = row.resource.split("/")
        if row.rule == policy["rule"] and len(parts) == 3 and _about_tenants(parts[1], guarded.people):  # noqa: PLR2004
            yield {"name": f"exemption-{number}", "expression": f"!({_named(*parts)})"}


def _asked_by_tenants(people: Mapping[str, Iterable[str]]) -> str:
    """Objects outside of namespaces have no label to select by: there, the rule is about who asks."""
    users = json.dumps(sorted({user for some in people.values() for user in some}))
    groups = json.dumps([f"system:serviceaccounts:{name}" for name in people])
    asks = f"request.userInfo.username in {users} || request.userInfo.groups.exists(g, g in {groups})"
    return f"has(object.metadata.namespace) || {asks}"


def _about_tenants(pattern: str, people: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in people)


def _named(kind: str, namespace: str, name: str) -> str:
    """Whether an object is meant by an exemption, or was made by a controller for one that is."""
    place = f"object.metadata.namespace.matches({_pattern(namespace)})"
    own_name = f"object.kind.matches({_pattern(kind)}) && object.metadata.name.matches({_pattern(name)})"
    made = f"object.kind in {json.dumps(_MADE)} && object.metadata.name.matches({_pattern(f'{name}-*')})"
    return f"{place} && (({own_name}) || ({made}))"


def _pattern(text: str) -> str:
    """A pattern as in a shell, as a regular expression in CEL."""
    parts = {"*": ".*", "?": "."}
    return json.dumps("^" + "".join(parts.get(sign, re.escape(sign)) for sign in text) + "$")


def _binding(rule: str, action: Action) -> Document:
    name = f"{PREFIX}{rule}"
    spec = {"policyName": name, "validationActions": _TAKEN[action]}
    return document(_VERSION, "ValidatingAdmissionPolicyBinding", name, spec=spec)
