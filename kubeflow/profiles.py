"""Tenants as Kubeflow knows them: a Profile each, and its people in the user interface. Makes no namespace, no quota.

The profile controller (`profile_controller.go`) adopts a namespace whose annotation `owner` is the Profile's owner and
refuses every other one. Of an adopted one it adds labels that are missing, never changes any, and sets no owner
reference, so that deleting a Profile deletes no namespace. Service accounts that exist stay as they are. Therefore the
tenancy component makes all of these first, and the Profile comes after.

Neither `plugins` nor `resourceQuotaSpec` is used: each plugin belongs to one environment and only writes annotations
that tenancy writes for all of them, and a quota in two places would be two quotas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from infra.objects import Document, document
from kubeflow.distribution.documents import Body
from kubeflow.install.transforms import BINDINGS, EVERY_ACCOUNT
from kubeflow.spec.tenants import TenantSpec

_COMPONENT = "profiles"
_RBAC = "rbac.authorization.k8s.io"

# What the controller would add (ConfigMap namespace-labels-data), so that both agree from the start. Pod Security and
# membership are the tenancy component's.
LABELS: Mapping[str, str] = MappingProxyType(
    {
        "katib.kubeflow.org/metrics-collector-injection": "enabled",
        "pipelines.kubeflow.org/enabled": "true",
        "serving.kubeflow.org/inferenceservice": "enabled",
    }
)

# Through these, and as nobody else, a person's request enters a namespace (ConfigMap profiles-config).
_DOORS = (
    "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account",
    "cluster.local/ns/kubeflow/sa/ml-pipeline-ui",
)
_USER_HEADER = "request.headers[kubeflow-userid]"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def ours(installed: Collection[str]) -> bool:
    """Whether Kubeflow's profile controller is among the installed components."""
    return _COMPONENT in installed


def objects(
    name: str,
    spec: TenantSpec,
    installed: Collection[str],
    pod_labels: Mapping[str, str],
    carried: Mapping[str, Any] = _NOTHING,
) -> Iterator[Document]:
    """The Profile of a tenant, and what makes its people and its identity known to the installed components.

    `carried` is what every pod gets besides labels, by the names that PodDefaults have for it.
    """
    if ours(installed):
        owner = {"kind": "User", "name": spec.owner}
        yield document("kubeflow.org/v1", "Profile", name, spec={"owner": owner})
        yield from _members(name, spec, mesh="istio" in installed)
    if (pod_labels or carried) and "admission-webhook" in installed:
        selector: Document = {}  # every pod of the namespace
        labelled = {"desc": "makes pods a principal of the environment", "selector": selector}
        yield document(
            "kubeflow.org/v1alpha1",
            "PodDefault",
            "workload-identity",
            name,
            spec={**labelled, **({"labels": dict(pod_labels)} if pod_labels else {}), **carried},
        )


def _members(name: str, spec: TenantSpec, *, mesh: bool) -> Iterator[Document]:
    """Contributors and viewers as access management (`kfam/bindings.go`) would write and later finds them.

    The owner's come from the profile controller. A member's requests pass the mesh by the same rule as the owner's.
    """
    for role, users in (("edit", spec.contributors), ("view", spec.viewers)):
        for user in users:
            key = re.sub(r"[^a-z0-9]+", "-", f"user-{user}-clusterrole-{role}".lower())
            metadata = {"annotations": {"role": role, "user": user}}
            yield document(
                f"{_RBAC}/v1",
                "RoleBinding",
                key,
                name,
                metadata=metadata,
                roleRef={"apiGroup": _RBAC, "kind": "ClusterRole", "name": f"kubeflow-{role}"},
                subjects=[{"apiGroup": _RBAC, "kind": "User", "name": user}],
            )
            if mesh:
                came = {"from": [{"source": {"principals": list(_DOORS)}}]}
                rule = {**came, "when": [{"key": _USER_HEADER, "values": [user]}]}
                yield document(
                    "security.istio.io/v1", "AuthorizationPolicy", key, name, metadata=metadata, spec={"rules": [rule]}
                )


def without_example(body: Body, _context: object) -> Body | None:
    """A transform: upstream's example tenant is left out; it has no quota and belongs to a published user."""
    return None if body["apiVersion"].startswith("kubeflow.org/") and body["kind"] == "Profile" else body


def known_people(tenants: Iterable[TenantSpec]) -> Callable[[Body, object], Body]:
    """A transform: tenants' people read what upstream lets everybody read, and `transforms` every service account."""
    people = sorted({user for spec in tenants for user in (spec.owner, *spec.contributors, *spec.viewers)})
    users = [{"apiGroup": _RBAC, "kind": "User", "name": user} for user in people]

    def known(body: Body, _context: object) -> Body:
        subjects: list[Body] = (body.get("subjects") or []) if body["kind"] in BINDINGS else []
        if any(subject["name"] == EVERY_ACCOUNT for subject in subjects):
            body["subjects"] = [*subjects, *users]
        return body

    return known


_AGGREGATE = "rbac.authorization.kubeflow.org/aggregate-to-"
_GUARDS = frozenset({"limitranges", "networkpolicies", "resourcequotas"})
_LOOKING = frozenset({"get", "list", "watch"})


def without_guards(body: Body, _context: object) -> Body:
    """A transform: roles that Profiles give to people and service accounts cannot change what fences a tenant."""
    labels: Mapping[str, str] = body["metadata"].get("labels") or {}
    # A role without rules of its own stays without any: a controller collects them.
    if body["kind"] == "ClusterRole" and body.get("rules") and any(key.startswith(_AGGREGATE) for key in labels):
        kept = [_unguarded(rule) for rule in body["rules"]]
        body["rules"] = [rule for rule in kept if rule.get("resources") or rule.get("nonResourceURLs")]
    return body


def _unguarded(rule: Body) -> Body:
    if set(rule["verbs"]) <= _LOOKING or not _GUARDS & set(rule.get("resources") or ()):
        return rule
    return {**rule, "resources": [name for name in rule["resources"] if name not in _GUARDS]}
