"""What makes pools grow and shrink: the cluster autoscaler, in the cluster. Makes no group and no right in the account.

EKS tags the Auto Scaling groups of managed node groups for it. Nothing waits for it: pools with `min` nodes are there
without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from infra.contract import Role
from infra.naming import ROLE_LABEL
from infra.objects import Document, KubernetesObject, document

from .access import EksControlPlane
from .identity import ROLE_ANNOTATION
from .nodes import AUTOSCALER, FALLBACK, EksNodes
from .options import Site

_NAME, _SPACE = AUTOSCALER.account, AUTOSCALER.namespace
_PRIORITIES = "cluster-autoscaler-priority-expander"  # the autoscaler looks for this name
_RBAC = "rbac.authorization.k8s.io"
_LABELS = {"app": _NAME}
_LOOK = ("get", "list", "watch")


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoscalerArgs:
    """Which groups it scales, and in which cluster it runs."""

    site: Site
    control: EksControlPlane
    nodes: EksNodes


class EksAutoscaler(pulumi.ComponentResource):
    """The autoscaler with its account, its rights in the cluster and the order in which it tries groups."""

    def __init__(self, name: str, args: AutoscalerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:eks:Autoscaler", name, {"image": args.site.autoscaler_image}, opts)
        first = pulumi.ResourceOptions(parent=self, provider=args.control.provider, deleted_with=args.control.cluster)
        needed = [
            KubernetesObject(item["metadata"]["name"], item, first)
            for item in (account(args.nodes.autoscaler_role), priorities(), *rights())
        ]
        # Once there are nodes to run on. Names need not be resolved yet: see `dnsPolicy`.
        then = pulumi.ResourceOptions.merge(first, pulumi.ResourceOptions(depends_on=[*needed, *args.nodes.groups]))
        KubernetesObject(_NAME, deployment(args.site), then)
        self.register_outputs({})


def account(role: pulumi.Input[str]) -> Document:
    """Its service account, which is the principal that may change the groups."""
    return document("v1", "ServiceAccount", _NAME, _SPACE, metadata={"annotations": {ROLE_ANNOTATION: role}})


def priorities() -> Document:
    """On-demand groups that are a fallback come last; a pool's own name has no underscore, and so has no other group's.

    The highest number wins, and expressions match anywhere in a group's name. Among equals, the one that leaves the
    least over is taken.
    """
    order = f"10:\n- {FALLBACK}\n50:\n- ^[^_]+$\n"
    return document("v1", "ConfigMap", _PRIORITIES, _SPACE, data={"priorities": order})


def rights() -> list[Document]:
    """What upstream's example gives it (cloudprovider/aws/examples), and what its scheduler looks at besides."""
    everywhere = [
        _rule("", ("events", "endpoints"), ("create", "patch")),
        _rule("", ("pods/eviction",), ("create",)),
        _rule("", ("pods/status",), ("update",)),
        _rule("", ("nodes",), (*_LOOK, "update")),
        _rule(
            "",
            ("namespaces", "pods", "services", "replicationcontrollers", "persistentvolumeclaims", "persistentvolumes"),
            _LOOK,
        ),
        _rule("apps", ("daemonsets", "replicasets", "statefulsets"), _LOOK),
        _rule("batch", ("jobs",), (*_LOOK, "patch")),
        _rule("policy", ("poddisruptionbudgets",), _LOOK),
        _rule("resource.k8s.io", ("deviceclasses", "resourceclaims", "resourceslices"), _LOOK),
        _rule(
            "storage.k8s.io",
            ("csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments"),
            _LOOK,
        ),
    ]
    at_home = [
        _rule("", ("configmaps",), ("create", "list", "watch")),
        _rule("", ("configmaps",), ("delete", "get", "update"), ("cluster-autoscaler-status", _PRIORITIES)),
        _rule("coordination.k8s.io", ("leases",), ("create",)),
        _rule("coordination.k8s.io", ("leases",), ("get", "update"), (_NAME,)),
    ]
    return [
        document(f"{_RBAC}/v1", "ClusterRole", _NAME, rules=everywhere),
        document(f"{_RBAC}/v1", "ClusterRoleBinding", _NAME, **_bound("ClusterRole")),
        document(f"{_RBAC}/v1", "Role", _NAME, _SPACE, rules=at_home),
        document(f"{_RBAC}/v1", "RoleBinding", _NAME, _SPACE, **_bound("Role")),
    ]


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str], names: Sequence[str] = ()) -> Document:
    named = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs), **named}


def _bound(kind: str) -> Document:
    return {
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": _NAME},
        "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": _SPACE}],
    }


def deployment(site: Site) -> Document:
    """One copy: a second would only wait for the first to go."""
    template = {
        "metadata": {
            "labels": _LABELS,
            # Else it would empty the node that it runs on.
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        },
        "spec": pod(site),
    }
    spec = {"replicas": 1, "selector": {"matchLabels": _LABELS}, "template": template}
    return document("apps/v1", "Deployment", _NAME, _SPACE, metadata={"labels": _LABELS}, spec=spec)


def pod(site: Site) -> Document:
    """Where it runs and as whom: never on a GPU node, and not among what is pushed out."""
    return {
        "serviceAccountName": _NAME,
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",  # the node's: the cluster's own may be what waits for a node
        "affinity": {"nodeAffinity": _places()},
        "tolerations": [
            {"key": taint.key, "operator": "Exists"}
            for pool in site.pools.values()
            if pool.role is Role.SYSTEM
            for taint in pool.taints
        ],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "fsGroup": 65534,  # to read its token
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": _NAME,
                "image": site.autoscaler_image,
                "command": ["./cluster-autoscaler", *(f"--{key}={value}" for key, value in settings(site).items())],
                "env": [{"name": "AWS_REGION", "value": site.region}],
                # Memory as upstream's example; it grows with pods and nodes.
                "resources": {"requests": {"cpu": "100m", "memory": "600Mi"}, "limits": {"memory": "1Gi"}},
                "ports": [{"name": "metrics", "containerPort": 8085}],
                "livenessProbe": {"httpGet": {"path": "/health-check", "port": "metrics"}, "periodSeconds": 30},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }


def _places() -> Document:
    """The system's nodes, or others without GPUs."""

    def of(*roles: Role) -> list[Document]:
        return [{"key": ROLE_LABEL, "operator": "In", "values": [role.value for role in roles]}]

    return {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": of(Role.SYSTEM, Role.CPU)}]
        },
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "preference": {"matchExpressions": of(Role.SYSTEM)}}
        ],
    }


def settings(site: Site) -> Mapping[str, str]:
    """Its command line."""
    ours = f"k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/{site.name}"
    return {
        "cloud-provider": "aws",
        "namespace": _SPACE,
        "node-group-auto-discovery": f"asg:tag={ours}",
        "expander": "priority,least-waste",
        # A mesh's pods all have an emptyDir, and so has nearly every notebook: no node would ever go.
        "skip-nodes-with-local-storage": "false",
        # The system's own pods have copies and budgets.
        "skip-nodes-with-system-pods": "false",
        "v": "2",
    }
