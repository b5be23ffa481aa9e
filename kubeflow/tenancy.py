"""The one way to make a tenant's namespace, which brings quota, limits, pod security, network policies and roles.

Nothing here opens a namespace: an opening is an argument, with a reason, and shows up in review.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pulumi

from infra.objects import Document, KubernetesObject, document

from . import access, priorities
from .contract import Opening, Tenant, TenantSpec

_EVERY_POD: Document = {}
_DNS: Document = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TenantArgs:
    """What a tenant is made from; plain, so that its policies can be proven before anything exists."""

    spec: TenantSpec
    gpu_resource: str | None  # extended resource of the cluster's accelerator; None where there is none


class TenantNamespace(pulumi.ComponentResource):
    """A namespace with everything it must have."""

    tenant: Tenant

    def __init__(self, name: str, args: TenantArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        spec = args.spec
        props = {"owner": spec.owner, "podSecurity": spec.pod_security.value}
        super().__init__("proof:kubeflow:Tenant", name, props, opts)
        space = KubernetesObject(name, namespace(name, spec), pulumi.ResourceOptions(parent=self))
        inside = pulumi.ResourceOptions(parent=self, depends_on=[space])
        parts = [
            KubernetesObject(f"{name}/{item['kind']}/{item['metadata']['name']}", item, inside)
            for item in contents(name, args)
        ]
        self.tenant = Tenant(
            namespace=name,
            gpus=spec.quota.gpus,
            service_accounts=access.SERVICE_ACCOUNTS,
            ready=(space, *parts),
        )
        self.register_outputs({"namespace": name, "gpus": spec.quota.gpus})


def namespace(name: str, spec: TenantSpec) -> Document:
    """Mesh membership, tenancy, and Pod Security: the chosen standard enforced, the strictest one warned about."""
    labels = {
        "app.kubernetes.io/part-of": "kubeflow-profile",  # what upstream's own policies select tenants by
        "istio-injection": "enabled",
        "pod-security.kubernetes.io/enforce": spec.pod_security.value,
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }
    return document("v1", "Namespace", name, metadata={"labels": labels, "annotations": {"owner": spec.owner}})


def contents(name: str, args: TenantArgs) -> Iterator[Document]:
    """Everything that a tenant's namespace holds from the start."""
    yield from _limits(name, args)
    yield from _network_policies(name, args.spec)
    yield from _people(name, args.spec)


def _limits(name: str, args: TenantArgs) -> Iterator[Document]:
    """Quotas, and the defaults without which a quota refuses every pod that asks for nothing."""
    yield document("v1", "ResourceQuota", "tenant", name, spec={"hard": _quota(args)})
    reserved = {"scopeName": "PriorityClass", "operator": "In", "values": list(priorities.RESERVED)}
    yield document(
        "v1",
        "ResourceQuota",
        "reserved-priorities",
        name,
        spec={"hard": {"pods": "0"}, "scopeSelector": {"matchExpressions": [reserved]}},
    )
    defaults = args.spec.defaults
    container = {
        "type": "Container",
        "defaultRequest": {"cpu": str(defaults.cpu_request), "memory": str(defaults.memory_request)},
        "default": {"cpu": str(defaults.cpu_limit), "memory": str(defaults.memory_limit)},
    }
    yield document("v1", "LimitRange", "defaults", name, spec={"limits": [container]})


def _quota(args: TenantArgs) -> dict[str, str]:
    """Hard limits of the tenant. Limits on `limits.*` are left out: each mesh sidecar would eat 2 CPUs of them."""
    quota = args.spec.quota
    gpus = {} if args.gpu_resource is None else {f"requests.{args.gpu_resource}": str(quota.gpus)}
    return {
        "requests.cpu": str(quota.cpu),
        "requests.memory": str(quota.memory),
        "requests.storage": str(quota.storage),
        "pods": str(quota.pods),
        "services": str(quota.services),
        "services.loadbalancers": "0",
        "services.nodeports": "0",
        "persistentvolumeclaims": str(quota.volumes),
        "secrets": str(quota.secrets),
        "configmaps": str(quota.config_maps),
        **gpus,
    }


def _network_policies(name: str, spec: TenantSpec) -> Iterator[Document]:
    """Closed both ways, then: DNS, the tenant's own pods, and what was declared."""
    rules: dict[str, Document] = {
        "default-deny": {"policyTypes": ["Ingress", "Egress"]},
        "allow-dns": {"policyTypes": ["Egress"], "egress": [_DNS]},
        "allow-same-namespace": {
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": _EVERY_POD}]}],
            "egress": [{"to": [{"podSelector": _EVERY_POD}]}],
        },
    }
    if spec.egress:
        rules["allow-declared"] = {"policyTypes": ["Egress"], "egress": [_way_out(opening) for opening in spec.egress]}
    for policy, rule in rules.items():
        yield document("networking.k8s.io/v1", "NetworkPolicy", policy, name, spec={"podSelector": _EVERY_POD, **rule})


def _way_out(opening: Opening) -> Document:
    return {
        "to": [{"ipBlock": {"cidr": opening.cidr}}],
        "ports": [{"protocol": opening.protocol.value, "port": opening.port}],
    }


def _people(name: str, spec: TenantSpec) -> Iterator[Document]:
    """Roles, and who holds them: users by name, workloads by service account."""
    group = "rbac.authorization.k8s.io"
    users = {"owner": (spec.owner,), "contributor": spec.contributors, "viewer": spec.viewers}
    for role, rules in access.ROLES.items():
        subjects = [{"apiGroup": group, "kind": "User", "name": user} for user in users[role]]
        if role in access.SERVICE_ACCOUNTS:
            account = access.SERVICE_ACCOUNTS[role]
            yield document("v1", "ServiceAccount", account, name)
            subjects.append({"kind": "ServiceAccount", "name": account, "namespace": name})
        yield document(f"{group}/v1", "Role", role, name, rules=list(rules))
        yield document(
            f"{group}/v1",
            "RoleBinding",
            role,
            name,
            roleRef={"apiGroup": group, "kind": "Role", "name": role},
            subjects=subjects,
        )
