"""The one way to make a tenant's namespace, which brings quota, limits, pod security, network policies and roles.

Nothing here opens a namespace: an opening is an argument, with a reason, and shows up in review.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pulumi

from infra.contract import METADATA_ADDRESSES, Binding, Capability, Cluster, Grant, Identity, Store
from infra.objects import Document, KubernetesObject, document

from . import access, priorities, profiles, queues
from .contract import Tenant
from .install.planned import Planned
from .network import Addresses, Outside
from .network.flows import contains
from .network.objects import Fences
from .network.policies import TENANT_LABEL, block
from .services import identity, object_store
from .spec.tenants import Opening, Share, TenantSpec

_EVERY_POD: Document = {}
_DNS: Document = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}
_ALONE = Fences(
    installed=frozenset(),
    addresses=Addresses(metadata=METADATA_ADDRESSES, inside=(), networks={}),
    platform=(),
    every_tenant=(),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TenantArgs:
    """What a tenant is made from; plain but for what flows through, so that its policies can be proven beforehand."""

    spec: TenantSpec
    gpu_resources: tuple[str, ...]  # by which pods can ask for GPUs: whole ones first, then shares and partitions
    fences: Fences = _ALONE  # what is installed beside the tenant, and which addresses are whose
    identity: Identity = field(default=Identity(), repr=False)
    stores: tuple[Store, ...] = ()  # buckets in which the tenant has its own prefix
    further: tuple[Planned, ...] = field(default=(), repr=False)  # what installed components need in the namespace
    after: tuple[pulumi.Resource, ...] = field(default=(), repr=False)


class TenantNamespace(pulumi.ComponentResource):
    """A namespace with everything it must have."""

    tenant: Tenant

    def __init__(self, name: str, args: TenantArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        spec = args.spec
        _refuse_inner(name, args)
        props = {"owner": spec.owner, "podSecurity": spec.pod_security.value}
        super().__init__("proof:kubeflow:Tenant", name, props, opts)
        binding = _bound(name, args, pulumi.ResourceOptions(parent=self))
        labels = {**(profiles.LABELS if profiles.ours(args.fences.installed) else {}), **binding.namespace_labels}
        # Behind all controllers: on a destroy it goes first, while somebody is there to remove finalizers inside.
        behind = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        space = KubernetesObject(name, namespace(name, spec, labels), behind)
        inside = pulumi.ResourceOptions(parent=self, depends_on=[space])
        parts = [
            *(KubernetesObject(_address(name, item), item, inside) for item in contents(name, args, binding)),
            *(KubernetesObject(_address(name, item.body), item.body, inside) for item in args.further),
        ]
        self.tenant = Tenant(
            namespace=name,
            gpus=spec.quota.gpus,
            service_accounts=access.SERVICE_ACCOUNTS,
            ready=(space, *binding.ready, *parts),
        )
        self.register_outputs({"namespace": name, "gpus": spec.quota.gpus})


def _address(name: str, item: Document) -> str:
    return f"{name}/{item['kind']}/{item['metadata']['name']}"


def stores(cluster: Cluster) -> tuple[Store, ...]:
    """The buckets that tenants reach as themselves: those of a cluster where a pod is a principal without a key."""
    if Capability.WORKLOAD_IDENTITY not in cluster.capabilities:
        return ()
    buckets = {Store.ARTIFACTS: cluster.artifacts, Store.SCRATCH: cluster.scratch}
    return tuple(store for store, bucket in buckets.items() if bucket is not None)


def _bound(name: str, args: TenantArgs, opts: pulumi.ResourceOptions) -> Binding:
    """The tenant's workloads as a principal, with rights below the tenant's prefix and nowhere else."""
    grants = [Grant(store=store, prefix=object_store.prefix(name), write=True) for store in args.stores]
    return args.identity.bind(name, access.SERVICE_ACCOUNTS["contributor"], grants, opts) if grants else Binding()


def namespace(name: str, spec: TenantSpec, labels: Mapping[str, str] | None = None) -> Document:
    """Mesh membership, tenancy, and Pod Security: the chosen standard enforced, the strictest one warned about."""
    every = {
        **TENANT_LABEL,  # what upstream's own policies select tenants by, too
        "istio-injection": "enabled",
        "pod-security.kubernetes.io/enforce": spec.pod_security.value,
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
        **(labels or {}),
    }
    # A Profile of the same owner adopts the namespace; the controller refuses any other (see `profiles`).
    return document("v1", "Namespace", name, metadata={"labels": every, "annotations": {"owner": spec.owner}})


def contents(name: str, args: TenantArgs, binding: Binding | None = None) -> Iterator[Document]:
    """Everything that a tenant's namespace holds from the start."""
    yield from _limits(name, args)
    yield from _network_policies(name, args)
    yield from args.fences.tenant(name)
    yield from _people(name, args.spec, binding or Binding())
    yield from _profile(name, args, binding or Binding())
    yield from queues.local(name, args.fences.installed)


def _profile(name: str, args: TenantArgs, binding: Binding) -> Iterator[Document]:
    """What Kubeflow's own controllers know of the tenant."""
    installed = args.fences.installed
    yield from profiles.objects(name, args.spec, installed, binding.pod_labels, identity.carried(binding))


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
    for purpose, share in args.spec.shares.named().items():
        yield _share(name, purpose, share, args.gpu_resources)
    defaults = args.spec.defaults
    container = {
        "type": "Container",
        "defaultRequest": {"cpu": str(defaults.cpu_request), "memory": str(defaults.memory_request)},
        "default": {"cpu": str(defaults.cpu_limit), "memory": str(defaults.memory_limit)},
    }
    yield document("v1", "LimitRange", "defaults", name, spec={"limits": [container]})


def _share(name: str, purpose: str, share: Share, gpu_resources: tuple[str, ...]) -> Document:
    """A quota that counts only pods of the purpose's priority class, besides the one that counts all.

    The scope is the one way in which Kubernetes tells purposes apart within a namespace: neither labels nor controllers
    can be a scope of a quota. Of GPUs, too, the API server keeps count in such a scope.
    """
    gpus = {f"requests.{resource}": str(share.gpus) for resource in gpu_resources[:1]}
    chosen = {"scopeName": "PriorityClass", "operator": "In", "values": [priorities.PURPOSES[purpose]]}
    hard = {"requests.cpu": str(share.cpu), "requests.memory": str(share.memory), "pods": str(share.pods), **gpus}
    scope = {"matchExpressions": [chosen]}
    return document("v1", "ResourceQuota", purpose, name, spec={"hard": hard, "scopeSelector": scope})


def _quota(args: TenantArgs) -> dict[str, str]:
    """Hard limits of the tenant. Limits on `limits.*` are left out: each mesh sidecar would eat 2 CPUs of them."""
    quota = args.spec.quota
    # A quota that leaves out one of the resources does not limit it.
    amounts = (quota.gpus, *(quota.gpu_parts for _ in args.gpu_resources[1:]))
    gpus = {f"requests.{name}": str(amount) for name, amount in zip(args.gpu_resources, amounts, strict=False)}
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


def _network_policies(name: str, args: TenantArgs) -> Iterator[Document]:
    """Closed both ways, then: DNS, the tenant's own pods, and what was declared."""
    addresses = args.fences.addresses
    resolvers = [block(cidr, addresses) for cidr in addresses.networks.get(Outside.RESOLVER, ())]
    ports = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
    rules: dict[str, Document] = {
        "default-deny": {"policyTypes": ["Ingress", "Egress"]},
        "allow-dns": {"policyTypes": ["Egress"], "egress": [{"to": [_DNS, *resolvers], "ports": ports}]},
        "allow-same-namespace": {
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": _EVERY_POD}]}],
            "egress": [{"to": [{"podSelector": _EVERY_POD}]}],
        },
    }
    declared = [_way_out(opening, addresses) for opening in args.spec.egress]
    if declared:
        rules["allow-declared"] = {"policyTypes": ["Egress"], "egress": declared}
    for policy, rule in rules.items():
        yield document("networking.k8s.io/v1", "NetworkPolicy", policy, name, spec={"podSelector": _EVERY_POD, **rule})


def _way_out(opening: Opening, addresses: Addresses) -> Document:
    return {
        "to": [block(opening.cidr, addresses)],
        "ports": [{"protocol": opening.protocol.value, "port": opening.port}],
    }


def _refuse_inner(name: str, args: TenantArgs) -> None:
    """End the program for an opening into the cluster itself: what is larger is carved, nothing would be left here."""
    addresses = args.fences.addresses
    closed = [*addresses.hosts(), *(ipaddress.ip_network(inner) for inner in addresses.inside)]
    wrong = [
        f"  platform.tenants.{name}.egress[{number}].cidr: {opening.cidr} lies in {network}"
        for number, opening in enumerate(args.spec.egress)
        for network in closed
        if contains(network, ipaddress.ip_network(opening.cidr))
    ]
    if wrong:
        listed = "\n".join(wrong)
        raise pulumi.RunError(
            f"networks of pods, Services and instance metadata cannot be opened to a tenant:\n{listed}"
        )


def _people(name: str, spec: TenantSpec, binding: Binding) -> Iterator[Document]:
    """Roles, and who holds them: users by name, workloads by service account."""
    group = "rbac.authorization.k8s.io"
    users = {"owner": (spec.owner,), "contributor": spec.contributors, "viewer": spec.viewers}
    for role, rules in access.ROLES.items():
        subjects = [{"apiGroup": group, "kind": "User", "name": user} for user in users[role]]
        if role in access.SERVICE_ACCOUNTS:
            account = access.SERVICE_ACCOUNTS[role]
            bound = {"metadata": {"annotations": dict(binding.annotations)}} if role == "contributor" else {}
            yield document("v1", "ServiceAccount", account, name, **(bound if binding.annotations else {}))
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
