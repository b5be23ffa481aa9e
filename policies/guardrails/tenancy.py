"""Namespaces: what each must have before a pod runs in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import cel
from .network import closing
from .rule import PODS, Config, Finding, Setting, Severity, Subject, in_list, of_kind, relation, rule

_SYSTEM = ["kube-system", "kube-public", "kube-node-lease", "default"]
_LEVEL = "object.metadata.?labels['pod-security.kubernetes.io/enforce'].orValue('')"  # in CEL
_OUTSIDE = {"outside": Setting(type="array", default=_SYSTEM, about="namespaces that the cluster brings itself")}


@rule(
    refuses="A namespace without an enforced Pod Security Standard.",
    why="Whoever may create pods there may create privileged ones.",
    fix="Label it pod-security.kubernetes.io/enforce: baseline or restricted.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.2.1; Pod Security Admission",
    types=("Namespace",),
    settings=_OUTSIDE,
    cluster=(
        cel.thing(
            "/namespaces",
            "no standard is enforced",
            f"{cel.listed('object.metadata.name', 'outside')} || {_LEVEL} in ['baseline', 'restricted']",
        ),
    ),
)
def namespace_without_pod_security(subject: Subject, config: Config) -> Iterator[Finding]:
    """`privileged` is the same as none, and has to be exempted by name."""
    if in_list(subject.resource.object_name, config["outside"]):
        return
    level = subject.at("metadata", "labels").at("pod-security.kubernetes.io/enforce")
    if level.text("restricted") not in {"baseline", "restricted"}:
        yield Finding(text="no standard is enforced", path=level.path)


def _busy(subjects: Sequence[Subject]) -> dict[str, Subject]:
    """Namespaces with pods, each with one that has them; those made elsewhere count as well."""
    found: dict[str, Subject] = {}
    for subject in subjects:
        if subject.resource.kind and subject.resource.namespace and any(pod.whole for pod in subject.pods):
            found.setdefault(subject.resource.namespace, subject)
    return found


def _lacking(subjects: Sequence[Subject], config: Config, having: set[str], what: str, path: str) -> Iterator[Finding]:
    spaces = {subject.resource.object_name: subject for subject in of_kind(subjects, "Namespace")}
    busy = _busy(subjects)
    for name, pod in busy.items():
        if name not in having and not in_list(name, config["outside"]):
            subject = spaces.get(name, pod)
            yield Finding(text=f"namespace {name} has pods and {what}", subject=subject, path=path)
    tenants = {name for name, item in spaces.items() if item.at("metadata", "labels", _PART_OF).text() == _TENANT}
    for name in sorted(tenants - having - set(busy)):
        yield Finding(text=f"namespace {name} is a tenant's and has {what}", subject=spaces[name], path=path)


_PART_OF, _TENANT = "app.kubernetes.io/part-of", "kubeflow-profile"  # as upstream's profile controller marks them


@relation(
    refuses="A namespace with pods and without a quota.",
    why="One of its users can take the whole cluster, and no autoscaler says no.",
    fix="Add a ResourceQuota.",
    severity=Severity.MEDIUM,
    source="CIS Kubernetes 5.7.1; NSA/CISA Kubernetes Hardening Guidance",
    types=("Namespace",),
    settings=_OUTSIDE,
)
def namespace_without_quota(subjects: Sequence[Subject], config: Config) -> Iterator[Finding]:
    """A quota without any amount limits nothing."""
    having = {item.resource.namespace for item in of_kind(subjects, "ResourceQuota") if item.at("spec", "hard").present}
    yield from _lacking(subjects, config, having, "no quota", "metadata.name")


@relation(
    refuses="A namespace with pods and without defaults for them.",
    why="A pod that asks for nothing is scheduled as if it needed nothing, or a quota refuses it.",
    fix="Add a LimitRange with default and defaultRequest of containers.",
    severity=Severity.MEDIUM,
    source="NSA/CISA Kubernetes Hardening Guidance",
    types=("Namespace",),
    settings=_OUTSIDE,
)
def namespace_without_limit_range(subjects: Sequence[Subject], config: Config) -> Iterator[Finding]:
    """A LimitRange without any item limits nothing."""
    having = {item.resource.namespace for item in of_kind(subjects, "LimitRange") if item.at("spec", "limits").present}
    yield from _lacking(subjects, config, having, "no LimitRange", "metadata.name")


@relation(
    refuses="A namespace with pods that is not closed both ways by default.",
    why="A pod that no policy selects talks to everybody.",
    fix="Add a NetworkPolicy with an empty podSelector and policyTypes Ingress and Egress.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.3.2",
    types=("Namespace",),
    settings=_OUTSIDE,
)
def namespace_without_default_deny(subjects: Sequence[Subject], config: Config) -> Iterator[Finding]:
    """Policies that select every pod count, for the directions that they name."""
    closed = closing(subjects)
    for direction in ("Ingress", "Egress"):
        having = {name for name, directions in closed.items() if direction in directions}
        what = f"no policy that closes {direction.lower()} of every pod"
        yield from _lacking(subjects, config, having, what, "metadata.name")


@rule(
    refuses="An object with pods in the namespace `default`.",
    why="It belongs to nobody: no quota, no policies, no owner.",
    fix="Name a namespace.",
    severity=Severity.MEDIUM,
    source="CIS Kubernetes 5.6.4",
    types=(PODS,),
)
def default_namespace(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Also where the namespace was left out; kinds without a namespace have no pods, but for templates."""
    resource = subject.resource
    if resource.kind.startswith("Cluster") or not any(pod.whole for pod in subject.pods):
        return
    place = subject.at("metadata", "namespace")
    if place.text("unknown") in {"", "default"}:
        yield Finding(text="the object is in the namespace `default`", path=place.path)


RULES = (
    namespace_without_pod_security, namespace_without_quota, namespace_without_limit_range,
    namespace_without_default_deny, default_namespace,
)  # fmt: skip
