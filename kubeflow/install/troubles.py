"""Why nothing answers behind a Service, in the words of scheduler, kubelet and controllers. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from .apiserver import Json, Reader
from .kinds import conditions, part, parts

_PASSING = frozenset({"ContainerCreating", "PodInitializing"})


def behind(reader: Reader, namespace: str, service: str) -> list[str]:
    """What is wrong with the pods of a Service; empty where all of them are ready."""
    found = reader.get(f"/api/v1/namespaces/{namespace}/services/{quote(service)}")
    if found is None:
        return [f"Service {namespace}/{service} does not exist"]
    selector: Mapping[str, str] = part(part(found, "spec"), "selector")
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    pods = reader.items(f"/api/v1/namespaces/{namespace}/pods", labels=labels) if labels else []
    texts = [f"{_owner(pod)}: {text}" for pod in pods for text in of_pod(pod)]
    if not pods:
        texts = list(_without_pods(reader, namespace, service, selector))
    return list(dict.fromkeys(texts))


def ready_endpoint(reader: Reader, namespace: str, service: str) -> bool:
    """Whether any address behind a Service is ready."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    slices = reader.items(path, labels=f"kubernetes.io/service-name={service}")
    return any(
        part(endpoint, "conditions").get("ready", True) for found in slices for endpoint in parts(found, "endpoints")
    )


def of_pod(pod: Json) -> Iterator[str]:
    """Why a pod is not ready; nothing if it is."""
    status = part(pod, "status")
    known = conditions(pod)
    if part(known, "Ready").get("status") == "True":
        return
    scheduled = part(known, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"no node takes the pod: {scheduled.get('message') or scheduled.get('reason')}"
        return
    told = False
    for container in (*parts(status, "initContainerStatuses"), *parts(status, "containerStatuses")):
        for text in _of_container(container):
            told = True
            yield text
    if not told:
        yield f"the pod is {status.get('phase') or 'Pending'} and not ready"


def _of_container(container: Json) -> Iterator[str]:
    name = container["name"]
    waiting = part(part(container, "state"), "waiting")
    ended = part(part(container, "state"), "terminated") or part(part(container, "lastState"), "terminated")
    reason = waiting.get("reason", "")
    if "Image" in reason:
        message = waiting.get("message") or "the registry gave no reason"
        yield f"container {name}: its image {container.get('image')} cannot be pulled: {reason}: {message}"
    elif ended and ended.get("exitCode"):
        message = ended.get("message") or ended.get("reason") or "no message"
        yield f"container {name} ended with exit code {ended['exitCode']}: {message.strip()}"
    elif waiting and reason not in _PASSING:
        yield f"container {name} does not start: {reason}: {waiting.get('message', '')}".rstrip(": ")


def _owner(pod: Json) -> str:
    """The Deployment that a pod belongs to, or the pod itself."""
    metadata = pod["metadata"]
    part_of_name = "-" + part(metadata, "labels").get("pod-template-hash", "")
    for owner in parts(metadata, "ownerReferences"):
        if owner["kind"] == "ReplicaSet" and owner["name"].endswith(part_of_name):
            return f"Deployment {metadata['namespace']}/{owner['name'].removesuffix(part_of_name)}"
    return f"Pod {metadata['namespace']}/{metadata['name']}"


def _without_pods(reader: Reader, namespace: str, service: str, selector: Mapping[str, str]) -> Iterator[str]:
    """Why a Service has no pods at all."""
    owned = False
    for deployment in reader.items(f"/apis/apps/v1/namespaces/{namespace}/deployments"):
        template: Mapping[str, str] = part(part(part(deployment["spec"], "template"), "metadata"), "labels")
        if selector and selector.items() <= template.items():
            owned = True
            failed = [
                found.get("message", "")
                for found in parts(part(deployment, "status"), "conditions")
                if (found["type"], found["status"]) in (("ReplicaFailure", "True"), ("Progressing", "False"))
            ]
            reason = failed[0] if failed else "it has no pods"
            yield f"Deployment {namespace}/{deployment['metadata']['name']}: {reason}"
    if not owned:
        yield f"no pod in namespace {namespace} has the labels that Service {service} selects"
