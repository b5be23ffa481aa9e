"""Finds pods and containers in any object by their shape: custom resources have them where nobody listed them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .values import ABSENT, Node, first

_LISTS = ("containers", "initContainers", "ephemeralContainers", "sidecars")
_OF_PODS = frozenset({*_LISTS, "hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"})
# Where an unknown value may hide a pod.
_STRUCTURE = frozenset(
    {*_LISTS, "spec", "template", "templates", "jobTemplate", "podTemplate", "podSpec", "trialSpec", "predictor",
     "trialTemplate", "volumeClaimTemplates", "workerGroupSpecs", "headGroupSpec", "replicatedJobs", "volumes"}
)  # fmt: skip
# Their schemas, selectors and settings only look like pods.
_WITHOUT_PODS = frozenset(
    {"ClusterRole", "ConfigMap", "CustomResourceDefinition", "LimitRange", "MutatingWebhookConfiguration",
     "NetworkPolicy", "ResourceQuota", "Role", "Secret", "ValidatingAdmissionPolicy", "ValidatingWebhookConfiguration"}
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A container, or a part of a custom resource that becomes one."""

    node: Node
    role: str  # the list that it stands in; "part" for what a controller makes a container of

    @property
    def whole(self) -> bool:
        """Whether this is what will run, not a patch of it or a hint to a controller."""
        return self.role != "part" and self.node.at("image").present

    @property
    def long_lived(self) -> bool:
        """Whether it runs beside the others for as long as the pod does."""
        return self.whole and self.role in {"containers", "sidecars"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """A pod, a template of pods, or a part of a custom resource that becomes one."""

    node: Node
    metadata: Node
    containers: tuple[Container, ...]

    def effective(self, container: Container, key: str) -> Node:
        """A field of the security context: the container's wins over the pod's."""
        return first(container.node.at("securityContext", key), self.node.at("securityContext", key))

    @property
    def whole(self) -> bool:
        """Whether this is what will run."""
        return any(container.whole for container in self.containers)


def pods_of(kind: str, root: Node) -> Iterator[Pod]:
    """Every pod below an object of a kind; an object in a list or a string of YAML is another matter."""
    if not kind or kind in _WITHOUT_PODS:
        return
    nowhere = Node(ABSENT, "", {})
    waiting: list[tuple[Node, Node]] = [(root, root.at("metadata"))]
    while waiting:
        node, metadata = waiting.pop()
        if node.listed:
            waiting.extend((item, nowhere) for item in reversed(node.items()))
            continue
        if not node.mapping:
            continue
        if _is_pod(node):
            yield Pod(node=node, metadata=metadata, containers=tuple(_containers(node)))
        elif _is_part(node):
            part = Container(node=node, role="part")
            yield Pod(node=Node(ABSENT, node.path, {}), metadata=nowhere, containers=(part,))
        waiting.extend(_below(node))


def _below(node: Node) -> Iterator[tuple[Node, Node]]:
    """Where else pods may be; containers of a pod were taken already."""
    pod = _is_pod(node)
    for key, place in reversed(node.entries()):
        if key in {"metadata", "status"} or (pod and key in _LISTS):
            continue
        if key in _STRUCTURE and place.unknown:
            continue
        yield place, node.at("metadata")


def _is_pod(node: Node) -> bool:
    value = node.value
    if any(key in value for key in _OF_PODS):
        return True
    volumes = node.at("volumes")
    return volumes.listed and any(item.mapping and item.at("name").present for item in volumes.items())


def _is_part(node: Node) -> bool:
    """Something with an image, or with at least two of the things that only containers have."""
    if isinstance(node.at("image").value, str):
        return True
    limits = node.at("resources").mapping and (
        node.at("resources", "limits").present or node.at("resources", "requests").present
    )
    context = any(node.at("securityContext", key).present for key in ("privileged", "capabilities"))
    env = node.at("env").listed and any(item.at("name").present for item in node.at("env").items())
    return limits or context or env or node.at("resourcesPerNode").mapping


def _containers(pod: Node) -> Iterator[Container]:
    for role in _LISTS:
        listed = pod.at(role)
        if listed.unknown or not listed.listed:
            continue
        for item in listed.items():
            if not item.unknown:
                yield Container(node=item, role=role)
