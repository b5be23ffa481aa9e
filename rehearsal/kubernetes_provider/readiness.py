"""When an object is ready, kind by kind, and what it is waiting for. Changes nothing."""

from __future__ import annotations

import json
import re
from typing import Any

from rehearsal.kubernetes_provider.cluster import Cluster
from rehearsal.kubernetes_provider.errors import WaitFailedError
from rehearsal.kubernetes_provider.values import kind_of, note
from rehearsal.kubernetes_provider.wire import Object, is_list, is_map, part_of, parts_of

Goals = dict[str, bool]  # what is waited for -> whether it is reached
MOST_REASONS = 8
_STEP = re.compile(r'([^.\[\]]+)|\[(\d+|\*)\]|\[\?\(@\.(\w+)==["\'](.*?)["\']\)\]')


def pending(cluster: Cluster, obj: Object, inputs: Object) -> list[str]:
    """What an object is waiting for; empty when it is ready. Raises WaitFailedError when it never will be."""
    wanted = note(inputs, "waitFor")
    if wanted:
        expressions: list[str] = json.loads(wanted) if wanted.startswith("[") else [wanted]
        return [f"waiting for {text}" for text in expressions if not holds(obj, text)]
    missing = [f"waiting for {goal}" for goal, reached in goals(cluster, obj).items() if not reached]
    if missing and obj["apiVersion"].startswith("apps/"):
        missing += _pod_troubles(cluster, obj)
    return missing[:MOST_REASONS]


def goals(cluster: Cluster, obj: Object) -> Goals:
    """What has to be true of an object of this kind; nothing for most kinds."""
    found: Goals = {}
    match kind_of(obj):
        case "apps/v1/Deployment" | "apps/v1/StatefulSet" | "apps/v1/DaemonSet":
            found = _workload(obj)
        case "batch/v1/Job":
            found = _job(obj)
        case "v1/Pod":
            ready = has_condition(obj, "Ready") or _phase(obj) == "Succeeded"
            found = {"the Pod to be ready": ready}
        case "v1/Namespace":
            found = {"the Namespace to be active": _phase(obj) == "Active"}
        case "v1/PersistentVolumeClaim":
            found = {"the claim to be bound": _phase(obj) == "Bound" or _binds_late(cluster, obj)}
        case "apiextensions.k8s.io/v1/CustomResourceDefinition":
            found = _crd(cluster, obj)
        case "v1/Service" | "networking.k8s.io/v1/Ingress":
            found = _service(cluster, obj)
        case _:
            pass
    return found


def _status(obj: Object, name: str) -> int:
    return part_of(obj, "status").get(name) or 0


def _phase(obj: Object) -> str:
    return part_of(obj, "status").get("phase") or ""


def has_condition(obj: Object, condition: str, status: str = "True") -> bool:
    """Whether a condition of the object has a status."""
    found = parts_of(part_of(obj, "status"), "conditions")
    return any(part["type"] == condition and part["status"].lower() == status.lower() for part in found)


def holds(obj: Object, expression: str) -> bool:
    """Whether one `pulumi.com/waitFor` expression holds."""
    method, _, goal = expression.partition("=")
    if method == "condition":
        name, _, status = goal.partition("=")
        return has_condition(obj, name, status or "True")
    match = re.fullmatch(r"\{\.?(.*?)\}(?:=(.*))?", goal)
    if method != "jsonpath" or not match:
        raise ValueError(f'pulumi.com/waitFor: expected a "jsonpath=" or "condition=" prefix, got "{expression}"')
    found: list[Any] = [obj]
    for name, index, key, value in _STEP.findall(match[1]):
        found = [part for whole in found for part in _step(whole, name, index, key, value)]
    return bool(found) and match[2] in (None, *{str(part) for part in found})


def _step(whole: Any, name: str, index: str, key: str, value: str) -> list[Any]:
    if name:
        return [whole[name]] if is_map(whole) and name in whole else []
    if not is_list(whole):
        return []
    if index:
        return [part for place, part in enumerate(whole) if index in ("*", str(place))]
    return [part for part in whole if is_map(part) and str(part.get(key)) == value]


def _job(obj: Object) -> Goals:
    if has_condition(obj, "Failed"):
        messages = [part.get("message", "") for part in parts_of(part_of(obj, "status"), "conditions")]
        raise WaitFailedError("the Job failed", *messages)
    return {"the Job to complete": has_condition(obj, "Complete") or bool(part_of(obj, "spec").get("suspend"))}


def _workload(obj: Object) -> Goals:
    seen = _status(obj, "observedGeneration") >= obj["metadata"].get("generation", 0)
    return {"the controller to see the change": seen} | _replicas(obj)


def _replicas(obj: Object) -> Goals:
    spec = part_of(obj, "spec")
    count: int = spec.get("replicas", 1)
    if obj["kind"] == "Deployment":
        return {
            f"{count} updated replicas": _status(obj, "updatedReplicas") >= count,
            f"{count} available replicas": _status(obj, "availableReplicas") >= count,
            "old replicas to end": _status(obj, "replicas") <= count,
        }
    if obj["kind"] == "StatefulSet":
        by_hand = part_of(spec, "updateStrategy").get("type") == "OnDelete"
        return {
            f"{count} ready replicas": _status(obj, "readyReplicas") >= count,
            "the new revision": by_hand or _status(obj, "updatedReplicas") >= count,
        }
    count = _status(obj, "desiredNumberScheduled")
    return {
        f"{count} updated pods": _status(obj, "updatedNumberScheduled") >= count,
        f"{count} available pods": _status(obj, "numberAvailable") >= count,
    }


def _binds_late(cluster: Cluster, obj: Object) -> bool:
    """Whether the claim's class binds it only when a pod uses it."""
    classes: list[Object] = cluster.request("GET", "/apis/storage.k8s.io/v1/storageclasses")["items"]
    wanted = part_of(obj, "spec").get("storageClassName")
    return any(
        part["metadata"]["name"] == wanted and part.get("volumeBindingMode") == "WaitForFirstConsumer"
        for part in classes
    )


def _crd(cluster: Cluster, obj: Object) -> Goals:
    spec = part_of(obj, "spec")
    served = next((part["name"] for part in spec["versions"] if part["served"]), None)
    if served is None:
        return {}
    served_kind = {"apiVersion": f"{spec['group']}/{served}", "kind": spec["names"]["kind"]}
    return {"the kind to be established": has_condition(obj, "Established") and cluster.knows(served_kind)}


def _service(cluster: Cluster, obj: Object) -> Goals:
    spec, found = part_of(obj, "spec"), Goals()
    if obj["kind"] == "Ingress" or spec.get("type") == "LoadBalancer":
        address = part_of(part_of(obj, "status"), "loadBalancer")
        found["an external address"] = bool(address.get("ingress"))
    if obj["kind"] == "Service" and spec.get("selector") and spec.get("clusterIP") != "None":
        if spec.get("type") == "ExternalName":
            return found
        owner = {"kubernetes.io/service-name": obj["metadata"]["name"]}
        slices = cluster.siblings(obj, "discovery.k8s.io/v1", "EndpointSlice", owner)
        ends = [end for part in slices for end in parts_of(part, "endpoints")]
        ready = any(part_of(end, "conditions").get("ready") for end in ends)
        found["a ready Pod which the Service selects"] = ready
    return found


def _pod_troubles(cluster: Cluster, obj: Object) -> list[str]:
    """Why pods of a workload do not run, in the words of scheduler and kubelet."""
    troubles: list[str] = []
    labels = part_of(part_of(part_of(obj, "spec"), "selector"), "matchLabels")
    for pod in cluster.siblings(obj, "v1", "Pod", labels):
        status = part_of(pod, "status")
        states = [part_of(part, "state") for part in parts_of(status, "containerStatuses")]
        causes = [state["waiting"] for state in states if "waiting" in state]
        causes += [part for part in parts_of(status, "conditions") if part.get("reason") == "Unschedulable"]
        name = pod["metadata"]["name"]
        troubles += [f"Pod {name}: [{part.get('reason')}] {part.get('message', '')}" for part in causes]
    return troubles
