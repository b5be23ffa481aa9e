"""Pods that look at a cluster from inside: probes that end with a result, servers for them, volumes. Objects only.

Servers and their callers are pods of the same tenant wherever something must work, for tenants let nobody else in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workloads.jobs import images, surroundings
from workloads.jobs.surroundings import BATCH, SCRIPTS, Amounts, Surroundings, config_map, outside_mesh

Json = dict[str, Any]

CONTAINER = "probe"
PORT = 8080
START_SECONDS = 600  # in which a pod is placed and its image is there
VOLUME = "/volume"
SMALL = Amounts(cpu="100m", memory="128Mi")
MEASURING = Amounts(cpu="250m", memory="512Mi")
BURST = "2"  # where time is measured: a limit below a core stops a pod for up to 90 ms of every 100
NAME_LABEL = "proof.kubeflow/probe"
SIDECAR = "istio-proxy"
_INJECT = "sidecar.istio.io/inject"
_HOST = "kubernetes.io/hostname"
_ABOUT = {"POD": "metadata.name", "NODE": "spec.nodeName", "ADDRESS": "status.podIP"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One script in some pods."""

    name: str
    script: str
    plan: Mapping[str, Any]
    seconds: float  # that the script takes at most
    count: int = 1
    nodes: tuple[str, ...] = ()  # one pod on each of them; empty: wherever the scheduler likes
    meshed: bool = False
    amounts: Amounts = SMALL
    queued: bool = True  # waits for its turn where tenants' jobs do
    account: str = ""
    claim: str = ""
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])  # variable -> name, key
    burst: str = ""  # CPUs that it may take where they are free

    @property
    def pods(self) -> int:
        """How many there are."""
        return len(self.nodes) or self.count


def server(name: str, *, seconds: float, **others: Any) -> Probe:  # noqa: ANN401 - fields of a probe
    """Pods that answer on PORT for at most so many seconds."""
    return Probe(name=name, script="probe_serve.py", plan={"port": PORT}, seconds=seconds, **others)


def scripts(probe: Probe) -> Json:
    """The ConfigMap of a probe's scripts."""
    return config_map(probe.name, "probe_common.py", probe.script)


def job(here: Surroundings, probe: Probe) -> Json:
    """As many pods as wanted, each run once; one that fails takes no other with it."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": probe.name, "labels": here.queue() if probe.queued else {}},
        "spec": {
            "parallelism": probe.pods,
            "completions": probe.pods,
            "completionMode": "Indexed",
            "backoffLimitPerIndex": 0,
            "activeDeadlineSeconds": int(probe.seconds) + START_SECONDS,
            "template": {"metadata": _metadata(probe), "spec": _pod(here, probe)},
        },
    }


def service(probe: Probe, *, headless: bool = False, name: str = "") -> Json:
    """A name for a probe's servers."""
    port = {"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP"}  # the name tells proxies the protocol
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name or probe.name},
        "spec": {
            "selector": {NAME_LABEL: probe.name},
            "ports": [port],
            **({"clusterIP": "None"} if headless else {}),
        },
    }


def manifests(here: Surroundings) -> list[Json]:
    """Every kind of object that a probe may need, with everything that its pods may have."""
    made = server("proof-probe", seconds=1, meshed=True, nodes=("proof-node",), claim="proof-probe",
                  account=here.tenant.contributor, amounts=MEASURING, burst=BURST)  # fmt: skip
    volume = surroundings.claim("proof-probe", here.target.storage.block, shared=False, size="1Gi")
    return [scripts(made), job(here, made), service(made), service(made, headless=True, name="proof-each"), volume]


def _metadata(probe: Probe) -> Json:
    labels = {NAME_LABEL: probe.name}
    if probe.meshed:  # said although the namespace says it: a sidecar of Istio's ends with the pod's own container
        return {"labels": {**labels, _INJECT: "true"}}
    off = outside_mesh()
    return {**off, "labels": {**labels, **off["labels"]}}


def _pod(here: Surroundings, probe: Probe) -> Json:
    mounts = {"volume": VOLUME} if probe.claim else {}
    container = here.container(
        CONTAINER,
        images.PYTHON,
        probe.amounts,
        command=["python", f"{SCRIPTS}/{probe.script}"],
        environment={"PLAN": json.dumps(probe.plan), "PYTHONDONTWRITEBYTECODE": "1"},
        mounts=mounts,
    )
    about = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in _ABOUT.items()]
    hidden = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for name, (secret, key) in probe.secrets.items()
    ]
    container["env"] = [*about, *hidden, *container["env"]]
    if probe.burst:
        resources = container["resources"]
        container["resources"] = {**resources, "limits": {**resources["limits"], "cpu": probe.burst}}
    pod = here.pod(container, probe.amounts, probe.name, priority=BATCH)
    pod |= {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2}
    if probe.account:
        pod["serviceAccountName"] = probe.account
    if probe.claim:
        pod["volumes"] = [*pod["volumes"], {"name": "volume", "persistentVolumeClaim": {"claimName": probe.claim}}]
    if probe.nodes:
        pod |= _on(here, probe)
    return pod


def _on(here: Surroundings, probe: Probe) -> Json:
    """One pod on each of some nodes, also of those that are kept for GPUs: every node has to be looked at."""
    terms = [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]} for name in sorted(probe.nodes)
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    keys = {taint.key for pool in here.target.pools.values() for taint in pool.taints}
    keys |= {here.target.accelerator.toleration_key} if here.target.accelerator else set()
    spread = {
        "maxSkew": 1,
        "topologyKey": _HOST,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {NAME_LABEL: probe.name}},
        "nodeTaintsPolicy": "Honor",
    }
    return {
        "affinity": {"nodeAffinity": required},
        "tolerations": [{"key": key, "operator": "Exists"} for key in sorted(keys)],
        "topologySpreadConstraints": [spread],
    }
