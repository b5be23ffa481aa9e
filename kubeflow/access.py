"""What the three roles of a tenant may do: rules as data, without a wildcard, an escalation or another namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Rule = Mapping[str, Sequence[str]]

_READ = ("get", "list", "watch")
_WRITE = ("create", "update", "patch", "delete", "deletecollection")

# Kinds that tenants work with, by API group.
_WORKLOADS: Mapping[str, Sequence[str]] = {
    "": ("configmaps", "events", "persistentvolumeclaims", "pods", "pods/log", "services"),
    "apps": ("deployments", "replicasets", "statefulsets"),
    "autoscaling": ("horizontalpodautoscalers",),
    "batch": ("cronjobs", "jobs"),
    "kubeflow.org": (
        "experiments", "jaxjobs", "mpijobs", "notebooks", "paddlejobs", "poddefaults", "pvcviewers", "pytorchjobs",
        "scheduledworkflows", "suggestions", "tfjobs", "trials", "xgboostjobs",
    ),
    "serving.kserve.io": ("inferencegraphs", "inferenceservices", "servingruntimes"),
    "tensorboard.kubeflow.org": ("tensorboards",),
    "trainer.kubeflow.org": ("trainingruntimes", "trainjobs"),
}  # fmt: skip
_GOVERNANCE: Mapping[str, Sequence[str]] = {
    "": ("limitranges", "resourcequotas", "serviceaccounts"),
    "kueue.x-k8s.io": ("localqueues", "workloads"),
    "networking.k8s.io": ("networkpolicies",),
    "rbac.authorization.k8s.io": ("rolebindings", "roles"),
}


def _rules(kinds: Mapping[str, Sequence[str]], verbs: Sequence[str]) -> list[Rule]:
    return [{"apiGroups": [group], "resources": list(kinds[group]), "verbs": list(verbs)} for group in kinds]


VIEWER: Sequence[Rule] = [*_rules(_WORKLOADS, _READ), *_rules(_GOVERNANCE, _READ)]

CONTRIBUTOR: Sequence[Rule] = [
    *_rules(_WORKLOADS, (*_READ, *_WRITE)),
    *_rules(_GOVERNANCE, _READ),
    *_rules({"": ("secrets",)}, (*_READ, *_WRITE)),
    *_rules({"": ("pods/exec", "pods/portforward")}, ("create", "get")),
]

# An owner also decides who else may come in; Kubernetes keeps them from granting more than they hold.
OWNER: Sequence[Rule] = [
    *CONTRIBUTOR,
    *_rules({"rbac.authorization.k8s.io": ("rolebindings",)}, _WRITE),
    *_rules({"": ("serviceaccounts",)}, _WRITE),
]

ROLES: Mapping[str, Sequence[Rule]] = {"owner": OWNER, "contributor": CONTRIBUTOR, "viewer": VIEWER}
SERVICE_ACCOUNTS = {"contributor": "default-editor", "viewer": "default-viewer"}
