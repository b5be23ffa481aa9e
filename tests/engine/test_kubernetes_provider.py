"""The stand-in for the Kubernetes plugin, between the real engine and a real API server."""

from __future__ import annotations

import base64
import copy
import json
import re
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from tests.support.cluster import Api
from tests.support.engine import SKIP_CHECKPOINTS, Object, Project, Result

pytestmark = pytest.mark.engine
Projects = Callable[..., Project]

PROGRAM = """
    import json
    from pathlib import Path

    import pulumi


    def revive(value):
        if isinstance(value, dict):
            if set(value) == {"$secret"}:
                return pulumi.Output.secret(value["$secret"])
            return {name: revive(part) for name, part in value.items()}
        return [revive(part) for part in value] if isinstance(value, list) else value


    given = json.loads(Path("given.json").read_text())
    cluster = pulumi.ProviderResource("kubernetes", "cluster", given["provider"])
    for name, (kind, props, opts) in given["objects"].items():
        opts = pulumi.ResourceOptions(provider=cluster, **opts)
        pulumi.CustomResource(f"kubernetes:{kind}", name, revive(props), opts)
    """


@dataclass
class World:
    """A program whose objects a test adds, changes and takes away."""

    project: Project
    namespace: str
    provider: Object
    objects: dict[str, tuple[str, Object, Object]] = field(default_factory=dict[str, tuple[str, Object, Object]])

    def put(self, name: str, kind: str, body: Object, **opts: object) -> None:
        """Add or change an object named like its resource."""
        metadata = {"name": name, "namespace": self.namespace} | body.get("metadata", {})
        self.objects[name] = (kind, body | {"metadata": metadata}, opts)

    def config(self, name: str, data: Object, **opts: object) -> None:
        self.put(name, "core/v1:ConfigMap", {"data": data}, **opts)

    def _write(self) -> None:
        self.project.write({"provider": self.provider, "objects": self.objects}, "given.json")

    def up(self, *arguments: str, **environment: str) -> Result:
        self._write()
        return self.project.up(*arguments, **environment)

    def preview(self, *arguments: str) -> Result:
        self._write()
        return self.project.preview(*arguments)

    def settled(self) -> None:
        """A second preview must be empty."""
        self.preview("--expect-no-changes").ok()


@pytest.fixture
def world(project: Projects, api: Api) -> World:
    tiny = project(**SKIP_CHECKPOINTS)
    tiny.write(PROGRAM)
    namespace = api.namespace(f"test-{uuid.uuid4().hex[:8]}")
    return World(tiny, namespace, {"kubeconfig": api.kubeconfig})


def path_of(world: World, plural: str, name: str) -> str:
    group = {"deployments": "/apis/apps/v1"}.get(plural, "/api/v1")
    return f"{group}/namespaces/{world.namespace}/{plural}/{name}"


def test_an_object_is_created_updated_replaced_and_deleted(world: World, api: Api) -> None:
    world.config("one", {"colour": "red"})
    world.put("ghost", "core/v1:ConfigMap", {"data": {"a": "b"}})
    planned = world.preview().ok()
    assert planned.changes == {"create": 4}
    assert any("stand-in for the official Kubernetes plugin 4.32.0" in text for text in planned.diagnostics)
    assert api.get(path_of(world, "configmaps", "one")) is None
    assert world.up().ok().changes == {"create": 4}
    made: Any = api.get(path_of(world, "configmaps", "one"))
    assert made["data"] == {"colour": "red"}
    world.settled()

    world.put("one", "core/v1:ConfigMap", {"data": {"colour": "red"}, "metadata": {"labels": {"team": "a"}}})
    assert world.up().ok().changes == {"same": 3, "update": 1}
    updated: Any = api.get(path_of(world, "configmaps", "one"))
    assert (updated["metadata"]["labels"], updated["metadata"]["uid"]) == ({"team": "a"}, made["metadata"]["uid"])

    world.config("one", {"colour": "blue"})
    assert world.up().ok().changes == {"same": 3, "replace": 1}
    replaced: Any = api.get(path_of(world, "configmaps", "one"))
    assert replaced["data"] == {"colour": "blue"}
    assert replaced["metadata"]["uid"] != made["metadata"]["uid"]

    del world.objects["ghost"]
    assert world.up().ok().changes == {"same": 3, "delete": 1}
    assert api.get(path_of(world, "configmaps", "ghost")) is None
    world.settled()
    world.project.operate("destroy").ok()
    assert api.get(path_of(world, "configmaps", "one")) is None


def test_secrets_stay_secret_in_state_output_and_errors(world: World, api: Api) -> None:
    password = "correct-horse-battery"
    encoded = base64.b64encode(password.encode()).decode()
    world.put("login", "core/v1:Secret", {"stringData": {"password": {"$secret": password}}})
    done = world.up().ok()
    live: Any = api.get(path_of(world, "secrets", "login"))
    assert live["data"] == {"password": encoded}
    world.settled()

    world.put("label", "core/v1:ConfigMap", {"metadata": {"labels": {"key": {"$secret": f"{password}!"}}}})
    refused = world.up().failed()
    assert "metadata.labels" in refused.errors
    assert "[secret]" in refused.errors

    shown = done.text + refused.text + world.project.state_text()
    assert password not in shown
    assert encoded not in shown
    token = re.findall(r"client-key-data: (\S+)", api.kubeconfig)[0]
    assert token not in done.text + refused.text


def test_a_preview_asks_the_server_and_an_update_waits_for_a_late_namespace(world: World, api: Api) -> None:
    world.put("bad", "core/v1:ConfigMap", {"metadata": {"name": "Not_A_Name"}})
    refused = world.preview().failed()
    assert 'ConfigMap "Not_A_Name" is invalid' in refused.errors

    world.objects.clear()
    late = f"{world.namespace}-late"
    world.put("homeless", "core/v1:ConfigMap", {"metadata": {"namespace": late}})
    world.put("alien", "example.test/v1:Alien", {"spec": {}})
    world.preview().ok()  # both may still come
    del world.objects["alien"]
    timer = threading.Timer(6, api.namespace, [late])
    timer.start()
    done = world.up().ok()
    timer.join()
    assert f'creation will be tried again: namespaces "{late}" not found' in done.text
    assert api.get(f"/api/v1/namespaces/{late}/configmaps/homeless") is not None


def test_a_field_of_another_manager_is_a_readable_conflict(world: World, api: Api) -> None:
    world.provider["enableConfigMapMutable"] = "true"
    world.config("shared", {"colour": "red"})
    world.up().ok()
    path = path_of(world, "configmaps", "shared")
    header = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}}
    api.apply(path, header | {"data": {"colour": "green"}}, "other-team")

    world.config("shared", {"colour": "blue"})
    refused = world.up().failed()
    assert 'conflict with "other-team": .data.colour' in refused.errors

    world.config("shared", {"colour": "blue"}, ignore_changes=["data.colour"])
    world.up().ok()
    live: Any = api.get(path)
    assert live["data"] == {"colour": "green"}

    world.put("shared", "core/v1:ConfigMap", {"data": {"colour": "blue"}})
    world.objects["shared"][1]["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
    world.up().ok()
    live = api.get(path)
    assert live["data"] == {"colour": "blue"}

    api.merge(path, {"data": {"colour": "by-hand"}})  # kubectl never conflicts: its fields are taken over
    world.objects["shared"][1]["data"] = {"colour": "white"}
    world.up().ok()
    live = api.get(path)
    assert live["data"] == {"colour": "white"}


def test_an_unreachable_cluster_and_wrong_credentials_name_server_and_cause(world: World, api: Api) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"https://127.0.0.1:{probe.getsockname()[1]}"
    config = yaml.safe_load(api.kubeconfig)
    config["clusters"][0]["cluster"]["server"] = closed
    world.provider["kubeconfig"] = json.dumps(config)
    world.config("one", {})
    warned = world.preview().ok()
    assert any(text.startswith("warning: ") and closed in text for text in warned.diagnostics)
    refused = world.up().failed()
    assert f"cluster is unreachable: {closed}: " in refused.errors
    assert "Connection refused" in refused.errors

    config = yaml.safe_load(api.kubeconfig)
    config["users"][0]["user"] = {"token": "sesame-open-wide"}
    world.provider["kubeconfig"] = json.dumps(config)
    refused = world.up().failed()
    assert f"{api.server} refuses these credentials: Unauthorized" in refused.errors
    assert "sesame-open-wide" not in refused.text


def test_an_exec_user_and_a_cluster_identifier_are_understood(world: World, api: Api) -> None:
    config = yaml.safe_load(api.kubeconfig)
    user = config["users"][0]["user"]
    pair = {
        f"client{name}Data": base64.b64decode(user[f"client-{part}-data"]).decode()
        for name, part in (("Certificate", "certificate"), ("Key", "key"))
    }
    script = (
        "import json, os; given = json.loads(os.environ['KUBERNETES_EXEC_INFO']); "
        "print(json.dumps({**given, 'status': json.loads(os.environ['PAIR'])}))"
    )
    config["users"][0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": ["-c", script],
            "env": [{"name": "PAIR", "value": json.dumps(pair)}],
            "interactiveMode": "Never",
        }
    }
    world.provider |= {"kubeconfig": json.dumps(config), "clusterIdentifier": "ml"}
    world.config("one", {})
    world.up().ok()
    assert api.get(path_of(world, "configmaps", "one")) is not None

    moved = copy.deepcopy(config)
    moved["clusters"][0]["cluster"]["server"] = api.server.replace("127.0.0.1", "localhost")
    world.provider["kubeconfig"] = json.dumps(moved)
    assert world.preview().ok().changes == {"same": 2, "update": 1}  # the provider, no replacement
    world.provider["clusterIdentifier"] = "another"
    assert world.preview().ok().changes["replace"] == 2

    config["users"][0]["user"]["exec"]["args"] = ["-c", "import sys; sys.exit('please log in first')"]
    world.provider |= {"kubeconfig": json.dumps(config), "clusterIdentifier": "ml"}
    world.config("two", {})
    assert "failed with exit code 1: please log in first" in world.up().failed().errors


def deployment(replicas: int, **pod: object) -> Object:
    labels = {"app": "web"}
    spec = {"containers": [{"name": "web", "image": "web"}], "tolerations": [{"operator": "Exists"}], **pod}
    template = {"metadata": {"labels": labels}, "spec": spec}
    notes = {"pulumi.com/timeoutSeconds": "20", "pulumi.com/deletionPropagationPolicy": "background"}
    metadata = {"annotations": notes}
    return {
        "metadata": metadata,
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def test_workloads_are_waited_for_on_simulated_nodes(world: World, api: Api) -> None:
    size = {"cpu": "8", "memory": "16Gi", "pods": "110", "nvidia.com/gpu": "8"}
    status = {
        "capacity": size,
        "allocatable": size,
        "addresses": [{"type": "InternalIP", "address": "127.201.9.1"}],
    }
    metadata = {"annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": {"pool": "gpu"}, "namespace": None}
    name = f"node-{world.namespace}"
    world.put(name, "core/v1:Node", {"metadata": metadata, "spec": {"podCIDR": "127.200.9.0/24"}, "status": status})
    world.up().ok()
    node: Any = api.get(f"/api/v1/nodes/{name}")
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "8"

    world.put("web", "apps/v1:Deployment", deployment(2))
    world.up().ok()
    live: Any = api.get(path_of(world, "deployments", "web"))
    assert live["status"]["availableReplicas"] == 2
    world.settled()

    # A real API server keeps loopback addresses out of EndpointSlices: this Service never has a ready Pod.
    service = {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    world.put("slow", "core/v1:Service", service | {"metadata": {"annotations": {"pulumi.com/timeoutSeconds": "1"}}})
    assert "waiting for a ready Pod which the Service selects" in world.up().failed().errors
    world.put("slow", "core/v1:Service", service | {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}})
    world.up().ok()

    lost = deployment(1, nodeSelector={"pool": "none"})
    lost["metadata"]["annotations"]["pulumi.com/timeoutSeconds"] = "2"
    world.put("lost", "apps/v1:Deployment", lost)
    failed = world.up().failed()
    assert "timed out after 2 s" in failed.errors
    assert "waiting for 1 available replicas" in failed.errors
    assert "[Unschedulable]" in failed.errors
    del world.objects["lost"]
    world.up().ok()
    world.project.operate("destroy").ok()


def test_a_lost_state_converges_when_upserts_are_on(world: World, api: Api) -> None:
    world.provider |= {"upsertExistingObjects": "true", "enableConfigMapMutable": "true"}
    world.config("one", {"colour": "red"})
    world.up().ok()
    world.project.pulumi("state", "delete", "--all", "--yes").ok()
    assert world.project.state() == []

    world.config("one", {"colour": "blue"})
    world.up().ok()
    live: Any = api.get(path_of(world, "configmaps", "one"))
    assert live["data"] == {"colour": "blue"}
    world.settled()

    del world.provider["upsertExistingObjects"]
    world.project.pulumi("state", "delete", "--all", "--yes").ok()
    refused = world.up().failed()
    assert 'configmaps "one" already exists' in refused.errors
    assert "set upsertExistingObjects" in refused.errors


def test_refresh_sees_drift_and_import_protect_and_retain_are_kept(world: World, api: Api) -> None:
    world.provider["enableConfigMapMutable"] = "true"
    world.config("one", {"colour": "red"}, protect=True)
    world.config("kept", {"colour": "red"}, retain_on_delete=True)
    world.up().ok()
    path = path_of(world, "configmaps", "one")
    api.merge(path, {"data": {"colour": "by-hand"}})
    refreshed = world.project.operate("refresh").ok()
    assert refreshed.changes["update"] == 1
    assert world.project.resource("one")["outputs"]["data"] == {"colour": "by-hand"}
    world.up().ok()
    live: Any = api.get(path)
    assert live["data"] == {"colour": "red"}

    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "found"}, "data": {"size": "3"}}
    api.call("POST", path.rpartition("/")[0], made)
    world.config("found", {"size": "3"}, import_=f"{world.namespace}/found")
    assert world.up().ok().changes["import"] == 1
    world.settled()

    one = world.objects.pop("one")
    assert "protected" in world.up().failed().text
    world.objects["one"] = one
    del world.objects["kept"]
    world.up().ok()
    assert api.get(path_of(world, "configmaps", "kept")) is not None
