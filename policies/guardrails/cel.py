"""What the API server asks in place of a rule's function, in its own language, CEL. Knows no rule.

A question stands beside the function of its rule and takes lists and patterns from the same data. It is true where
nothing is wrong. Inside of one, `p` is a pod of the object, `c` a container, `i` the name of an image.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Kinds that lead to pods: resource, and where their pods are. What operators make of a kind that is not here is judged
# as the pods that they make.
_TEMPLATE = "[object.spec.template.spec]"
_TRAINING = {
    "PyTorchJob": "pytorchReplicaSpecs", "TFJob": "tfReplicaSpecs", "MPIJob": "mpiReplicaSpecs",
    "XGBoostJob": "xgbReplicaSpecs", "JAXJob": "jaxReplicaSpecs", "PaddleJob": "paddleReplicaSpecs",
}  # fmt: skip
_PARTS = "['predictor', 'transformer', 'explainer'].filter(k, k in object.spec).map(k, object.spec[k])"
_HEAD = "[object.spec.headGroupSpec.template.spec]"
_KINDS: dict[str, tuple[str, str]] = {
    "Pod": ("/pods", "[object.spec]"),
    "PodTemplate": ("/podtemplates", "[object.template.spec]"),
    "ReplicationController": ("/replicationcontrollers", _TEMPLATE),
    "Deployment": ("apps/deployments", _TEMPLATE),
    "StatefulSet": ("apps/statefulsets", _TEMPLATE),
    "DaemonSet": ("apps/daemonsets", _TEMPLATE),
    "ReplicaSet": ("apps/replicasets", _TEMPLATE),
    "Job": ("batch/jobs", _TEMPLATE),
    "CronJob": ("batch/cronjobs", "[object.spec.jobTemplate.spec.template.spec]"),
    "Notebook": ("kubeflow.org/notebooks", _TEMPLATE),
    "JobSet": ("jobset.x-k8s.io/jobsets", "object.spec.replicatedJobs.map(j, j.template.spec.template.spec)"),
    "InferenceService": ("serving.kserve.io/inferenceservices", _PARTS),
    "ServingRuntime": ("serving.kserve.io/servingruntimes", "[object.spec]"),
    "Workflow": ("argoproj.io/workflows", "object.spec.?templates.orValue([])"),
    "RayCluster": (
        "ray.io/rayclusters",
        f"{_HEAD} + object.spec.?workerGroupSpecs.orValue([]).map(w, w.template.spec)",
    ),
    **{
        kind: (f"kubeflow.org/{kind.lower()}s", f"object.spec.{key}.map(k, object.spec.{key}[k].template.spec)")
        for kind, key in _TRAINING.items()
    },
}
PODS = (*(resource for resource, _ in _KINDS.values()), "/pods/ephemeralcontainers")
SCHEDULED = tuple(item for item in PODS if "kserve" not in item and "argoproj" not in item)  # with their tolerations

_LISTS = ("containers", "initContainers", "ephemeralContainers", "sidecars")
_SINGLE = "['model', 'container', 'script'].filter(k, k in s).map(k, s[k])"
_CONTAINERS = " + ".join([*(f"s.?{key}.orValue([])" for key in _LISTS), _SINGLE])


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """One question of the API server."""

    of: tuple[str, ...]  # group/plural, the first group of all without a name
    text: str  # of the finding where it is not so; `{}` stands for what `named` gives
    holds: str
    named: str = ""


def pod(text: str, holds: str, named: str = "", of: tuple[str, ...] = PODS) -> Ask:
    """A question about each pod `p`: its `spec`, all `containers`, names of `images`."""
    told = f"variables.pods.filter(p, !({holds})).map(p, {named})[0]" if named else ""
    return Ask(of=of, text=text, holds=f"variables.pods.all(p, {holds})", named=told)


def container(text: str, holds: str, named: str = "") -> Ask:
    """A question about each container `c` of each pod `p`."""
    told = f"p.containers.filter(c, !({holds})).map(c, {named})[0]" if named else ""
    return pod(text, f"p.containers.all(c, {holds})", told)


def image(text: str, holds: str) -> Ask:
    """A question about each image `i` that is not left to somebody else."""
    return pod(text, f"p.images.all(i, {holds})")


def thing(of: str | tuple[str, ...], text: str, holds: str, named: str = "") -> Ask:
    """A question about the object as it is."""
    return Ask(of=(of,) if isinstance(of, str) else of, text=text, holds=holds, named=named)


def every(places: str, name: str, holds: str, told: str = "") -> tuple[str, str]:
    """That something holds for each element of a list, and what is told of the first for which it does not."""
    return f"({places}).all({name}, {holds})", f"({places}).filter({name}, !({holds})).map({name}, {told or name})[0]"


def literal(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A plain value as CEL writes it."""
    return json.dumps(value)


def matches(text: str, pattern: str) -> str:
    """Whether a pattern is in a text; patterns are those of Python that RE2 reads as well."""
    return f"{text}.matches({literal(pattern)})"


def listed(text: str, setting: str) -> str:
    """Whether a text is in a setting of the rule; an entry with an asterisk at its end stands for all that begin so."""
    same = f"(o.endsWith('*') ? {text}.startsWith(o.substring(0, o.size() - 1)) : {text} == o)"
    return f"variables.{setting}.exists(o, {same})"


def pods_of_object() -> str:
    """The pods of an object, whatever kind it is."""
    specs = "[]"
    for kind, (_, where) in reversed(_KINDS.items()):
        specs = f"object.kind == {literal(kind)} ? dyn({where}) : {specs}" if specs != "[]" else f"dyn({where})"
    named = "x.?image.orValue('').trim()"
    volumes = "s.?volumes.orValue([]).filter(v, has(v.image)).map(v, v.image.?reference.orValue('').trim())"
    images = f"(({_CONTAINERS}).map(x, {named}) + {volumes}).filter(x, !(x in ['', 'auto']))"
    return f"({specs}).map(s, {{'spec': s, 'containers': dyn({_CONTAINERS}), 'images': dyn({images})}})"


def first_said(key: Sequence[str], absent: str) -> str:
    """A field of the security context: the container's wins over the pod's."""
    path = ".?".join(key)
    return f"c.?securityContext.?{path}.orValue(p.spec.?securityContext.?{path}.orValue({absent}))"
