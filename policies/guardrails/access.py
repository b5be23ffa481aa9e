"""Who may do what inside of the cluster: RBAC, tokens of pods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import cel
from .rule import PODS, Config, Finding, Setting, Severity, Subject, in_list, of_kind, relation, rule
from .values import Node

_ROLES, _BINDINGS = ("ClusterRole", "Role"), ("ClusterRoleBinding", "RoleBinding")
_GROUPS = frozenset({"system:masters", "system:authenticated", "system:unauthenticated", "system:anonymous",
                     "system:serviceaccounts"})  # fmt: skip
_ADMINS = frozenset({"cluster-admin", "system:masters"})
_OPERATORS = Setting(type="array", default=[], about="names of roles that may, asterisk at the end")
# What gives more rights than it says: verb, resource.
_ESCALATIONS = (
    ("escalate", "roles"), ("escalate", "clusterroles"), ("bind", "roles"), ("bind", "clusterroles"),
    ("impersonate", "users"), ("impersonate", "groups"), ("impersonate", "serviceaccounts"),
    ("create", "serviceaccounts/token"), ("get", "nodes/proxy"), ("create", "nodes/proxy"),
    ("approve", "signers"), ("update", "certificatesigningrequests/approval"),
)  # fmt: skip
_GROUP = "rbac.authorization.k8s.io"
_ROLES_ASKED = (f"{_GROUP}/roles", f"{_GROUP}/clusterroles")
_BINDINGS_ASKED = (f"{_GROUP}/rolebindings", f"{_GROUP}/clusterrolebindings")
# In CEL.
_RULES = "object.?rules.orValue([])"
_MAY = cel.listed("object.metadata.name", "allowed")
_VERBS, _RESOURCES, _API = (f"r.?{key}.orValue([])" for key in ("verbs", "resources", "apiGroups"))
_EVERYTHING = f"'*' in {_VERBS} && ('*' in {_RESOURCES} || '*/*' in {_RESOURCES}) && ('' in {_API} || '*' in {_API})"
_EVERY_URL = f"'*' in {_VERBS} && r.?nonResourceURLs.orValue([]).exists(u, u in ['*', '/*'])"
_NARROWED = "r.?resourceNames.orValue([]) != [] && !r.resourceNames.exists(n, n in ['cluster-admin', 'system:masters'])"
_PAIRS = cel.literal(sorted([*pair] for pair in _ESCALATIONS))
_VERB = f"(e[0] in {_VERBS} || ('*' in {_VERBS} && {_API} != ['*']))"
_HIT = f"{_VERB} && (e[1] in {_RESOURCES} || e[1].split('/')[0] + '/*' in {_RESOURCES})"
_HITS = f"({_NARROWED} ? [] : {_PAIRS}.filter(e, {_HIT}).map(e, e[0] + ' ' + e[1]))"


def _rules(subject: Subject) -> Iterator[tuple[Node, set[str], set[str], set[str]]]:
    """Rules with their verbs, resources and groups."""
    for one in subject.at("rules").items():
        keys = ("verbs", "resources", "apiGroups")
        if one.unknown or any(one.at(key).unknown for key in keys):
            continue
        # The first group of all has an empty name, so empty texts count.
        verbs, resources, groups = ({item.text().lower() for item in one.at(key).items()} for key in keys)
        yield one, verbs, resources, groups


@rule(
    refuses="A role that may do everything with everything.",
    why="It is cluster-admin under another name, new kinds of objects included.",
    fix="Name verbs and resources.",
    severity=Severity.CRITICAL,
    source="CIS Kubernetes 5.1.3",
    types=_ROLES,
    settings={"allowed": _OPERATORS},
    cluster=(
        cel.thing(_ROLES_ASKED, "every verb on every resource", f"{_MAY} || {_RULES}.all(r, !({_EVERYTHING}))"),
        cel.thing(_ROLES_ASKED, "every verb on every URL", f"{_MAY} || {_RULES}.all(r, !({_EVERY_URL}))"),
    ),
)
def rbac_wildcard(subject: Subject, config: Config) -> Iterator[Finding]:
    """`*/*` is no resource of Kubernetes, but means harm; nonResourceURLs count for ClusterRoles."""
    if in_list(subject.resource.object_name, config["allowed"]):
        return
    for one, verbs, resources, groups in _rules(subject):
        everything = resources & {"*", "*/*"}
        if "*" in verbs and everything and groups & {"", "*"}:
            yield Finding(text="every verb on every resource", path=one.path)
        if "*" in verbs and {"*", "/*"} & set(one.at("nonResourceURLs").texts()):
            yield Finding(text="every verb on every URL", path=one.path)


@rule(
    refuses="A wildcard of verbs or of resources in a role.",
    why="It grows with each new kind of object; nobody reviews it then.",
    fix="Name verbs and resources.",
    severity=Severity.MEDIUM,
    source="CIS Kubernetes 5.1.3",
    types=_ROLES,
    advisory=True,
    settings={"allowed": _OPERATORS},
)
def rbac_wide(subject: Subject, config: Config) -> Iterator[Finding]:
    """A wildcard within one group of one's own is narrower, and still one."""
    if in_list(subject.resource.object_name, config["allowed"]):
        return
    for one, verbs, resources, groups in _rules(subject):
        both = "*" in verbs and resources & {"*", "*/*"} and groups & {"", "*"}
        if not both and ("*" in verbs or resources & {"*", "*/*"}):
            yield Finding(text="a wildcard", path=one.path)


@rule(
    refuses="Rights by which one gets more rights.",
    why="Who may bind, escalate, impersonate, or make tokens is an administrator.",
    fix="Remove them, or list the operator's role in `allowed`.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.1.8-5.1.13",
    types=_ROLES,
    settings={"allowed": _OPERATORS},
    cluster=(
        cel.thing(
            _ROLES_ASKED, "{}", *cel.every(f"{_MAY} ? [] : {_RULES}", "r", f"{_HITS} == []", f"{_HITS}.join(', ')")
        ),
    ),
)
def rbac_escalation(subject: Subject, config: Config) -> Iterator[Finding]:
    """Named objects narrow a rule; then it counts only for impersonation of a group of administrators."""
    if in_list(subject.resource.object_name, config["allowed"]):
        return
    for one, verbs, resources, groups in _rules(subject):
        names = one.at("resourceNames").texts()
        if names and not _ADMINS & set(names):
            continue
        hit = sorted(
            f"{verb} {resource}"
            for verb, resource in _ESCALATIONS
            if (verb in verbs or ("*" in verbs and groups != {"*"}))
            and (resource in resources or f"{resource.partition('/')[0]}/*" in resources)
        )
        if hit:
            yield Finding(text=", ".join(hit), path=one.path)


@rule(
    refuses="cluster-admin for somebody, or any rights for everybody.",
    why="cluster-admin reads every Secret; a group of everybody holds strangers.",
    fix="Bind a role of one's own to named subjects.",
    severity=Severity.CRITICAL,
    source="CIS Kubernetes 5.1.1, 5.1.7",
    types=_BINDINGS,
    settings={"allowed": Setting(type="array", default=[], about="names of bindings that may")},
    cluster=(
        cel.thing(
            _BINDINGS_ASKED,
            "binds cluster-admin",
            f"{_MAY} || object.roleRef.name != 'cluster-admin' || object.?subjects.orValue([]) == []",
        ),
        cel.thing(
            _BINDINGS_ASKED,
            "a group of everybody, or of administrators",
            f"{_MAY} || !object.?subjects.orValue([]).exists(s, s.name.lowerAscii() in {cel.literal(sorted(_GROUPS))})",
        ),
    ),
)
def cluster_admin_bound(subject: Subject, config: Config) -> Iterator[Finding]:
    """In a namespace, cluster-admin is the administrator of that namespace, and still too much."""
    if in_list(subject.resource.object_name, config["allowed"]):
        return
    name = subject.at("roleRef", "name")
    subjects = subject.at("subjects").items()
    if name.text() == "cluster-admin" and (subjects or subject.at("subjects").unknown):
        yield Finding(text="binds cluster-admin", path=name.path)
    for item in subjects:
        if item.at("name").text().lower() in _GROUPS:
            yield Finding(text="a group of everybody, or of administrators", path=item.path)


@relation(
    refuses="A service account that may read the Secrets of all namespaces.",
    why="One pod of the platform then holds the passwords of every tenant.",
    fix="Use a Role in each namespace, or list the ClusterRole in `allowed`.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.1.2",
    types=("ClusterRoleBinding",),
    advisory=True,
    settings={"allowed": _OPERATORS},
)
def reads_all_secrets(subjects: Sequence[Subject], config: Config) -> Iterator[Finding]:
    """A ClusterRole matters only when something binds it cluster-wide."""
    readers: set[str] = set()
    for role in of_kind(subjects, "ClusterRole"):
        if in_list(role.resource.object_name, config["allowed"]):
            continue
        for one, verbs, resources, groups in _rules(role):
            narrow = one.at("resourceNames").texts()
            if (
                resources & {"secrets", "*"}
                and groups & {"", "*"}
                and verbs & {"*", "get", "list", "watch"}
                and not narrow
            ):
                readers.add(role.resource.object_name)
    for binding in of_kind(subjects, "ClusterRoleBinding"):
        if binding.at("roleRef", "name").text() in readers:
            yield Finding(text="reads the Secrets of all namespaces", subject=binding, path="roleRef.name")


@rule(
    refuses="A pod with a token of the API server that it may not need.",
    why="Whoever takes the pod over takes the token.",
    fix="Set automountServiceAccountToken: false on pod or ServiceAccount.",
    severity=Severity.MEDIUM,
    source="CIS Kubernetes 5.1.5-5.1.6",
    types=(PODS, "ServiceAccount"),
    advisory=True,
)
def token_mounted(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Only for the account `default`: one that was made for the pod says by itself that it is needed."""
    for pod in subject.pods:
        if not pod.whole:
            continue
        account = pod.node.at("serviceAccountName")
        if account.text("own") in {"", "default"} and pod.node.at("automountServiceAccountToken").flag(
            unknown=False, absent=True
        ):
            yield Finding(text="the account `default` with its token", path=pod.node.path)
    if subject.resource.kind == "ServiceAccount" and subject.resource.object_name == "default":
        place = subject.at("automountServiceAccountToken")
        if place.flag(unknown=False, absent=True):
            yield Finding(text="tokens of the account `default` are mounted", path=place.path)


RULES = (rbac_wildcard, rbac_wide, rbac_escalation, cluster_admin_bound, reads_all_secrets, token_mounted)
