"""The product's own program on the real engine and a real API server: a whole life, and lives that are cut short."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local.control_plane import ControlPlane, Started
from tests.support import samples
from tests.support.cluster import Api, eventually, standing
from tests.support.engine import ROOT
from tests.support.product import STACK, Product, local_config
from tools.localstack import restore

pytestmark = pytest.mark.engine

KINDS = (
    "/api/v1/nodes",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "/api/v1/resourcequotas",
)
SYSTEM = {"default", "kube-node-lease", "kube-public", "kube-system"}


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of this test's own, in a folder with a space: the tests here break it."""
    with standing(tmp_path / "control plane") as plane:
        yield plane


@pytest.fixture
def product(tmp_path: Path, stand_ins: Path, plane: ControlPlane) -> Product:
    return Product(tmp_path / "the product", stand_ins, local_config(plane.kubeconfig))


def many_tenants(config: dict[str, Any], count: int) -> dict[str, Any]:
    tenants = {f"team-{number}": {"owner": "ada@example.com"} for number in range(count)}
    return {**config, "kubeflow-proof:platform": {"tenants": tenants}}


def names(api: Api, path: str) -> set[str]:
    listed = api.get(path)
    assert listed is not None
    return {f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}" for item in listed["items"]}


def namespaces(api: Api) -> set[str]:
    return {name.removeprefix("/") for name in names(api, "/api/v1/namespaces")} - SYSTEM


def test_a_stack_comes_up_stays_as_it_is_and_leaves_nothing(product: Product, plane: ControlPlane) -> None:
    api = Api(plane.kubeconfig)
    before = {path: names(api, path) for path in KINDS}
    created = product.up().ok()
    assert set(created.changes) == {"create"}
    assert namespaces(api) == {"team-vision", "team-nlp"}
    eventually(lambda: all_ready(api), "every simulated node to be ready")

    again = product.preview("--expect-no-changes").ok()
    assert set(again.changes) == {"same"}
    product.operate("refresh").ok()  # takes over what controllers have added; none of it is drift
    assert set(product.preview("--expect-no-changes").ok().changes) == {"same"}

    kubeconfig = plane.kubeconfig.read_text(encoding="utf-8")
    key = next(line.strip() for line in kubeconfig.splitlines() if "client-key-data" in line).split()[-1]
    assert key not in product.state_text() + created.text

    product.operate("destroy").ok()
    assert namespaces(api) == set()
    assert {path: names(api, path) for path in KINDS} == before
    assert product.state() == []


def all_ready(api: Api) -> bool:
    listed = api.get("/api/v1/nodes")
    assert listed is not None
    return all(
        any(part["type"] == "Ready" and part["status"] == "True" for part in item["status"].get("conditions", ()))
        for item in listed["items"]
    )


def test_another_shape_of_a_node_is_another_node(product: Product, plane: ControlPlane) -> None:
    product.up().ok()
    config = local_config(plane.kubeconfig)
    config["kubeflow-proof:cluster"]["options"]["machines"]["gpu-l4-4"]["cpu"] = 32
    product.configure(config)
    assert product.up().ok().changes["replace"] == 2
    node = Api(plane.kubeconfig).get("/api/v1/nodes/l4-0")
    assert node is not None
    assert node["status"]["allocatable"]["cpu"] == "32"


def test_a_broken_stack_file_tells_every_problem_and_creates_nothing(product: Product, plane: ControlPlane) -> None:
    config = local_config(plane.kubeconfig)
    config["kubeflow-proof:cluster"]["regoin"] = "here"
    config["kubeflow-proof:platform"]["tenants"]["team-nlp"]["quota"]["gpus"] = "eight"
    product.configure(config)
    failed = product.up().failed()
    assert "cluster.regoin" in failed.errors
    assert "platform.tenants.team-nlp.quota.gpus" in failed.errors
    assert "Traceback" not in failed.text
    assert namespaces(Api(plane.kubeconfig)) == set()
    assert [part["type"] for part in product.state()] in ([], ["pulumi:pulumi:Stack"])


def test_a_missing_local_cluster_says_how_to_start_it(product: Product, tmp_path: Path) -> None:
    product.configure(local_config(tmp_path / "nowhere"))
    failed = product.up().failed()
    assert "make cluster" in failed.errors
    assert "cluster.options.kubeconfig" in failed.errors


def test_wrong_credentials_are_one_readable_error(product: Product, plane: ControlPlane, tmp_path: Path) -> None:
    lines = plane.kubeconfig.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if "client-" not in line]
    wrong = tmp_path / "wrong"
    wrong.write_text("\n".join([*kept, "    token: not-a-real-token"]) + "\n", encoding="utf-8")
    product.configure(local_config(wrong))
    failed = product.up().failed()
    assert "Unauthorized" in failed.text
    assert "not-a-real-token" not in failed.text


def test_an_unreachable_cluster_is_named_and_nothing_is_recorded(product: Product, tmp_path: Path) -> None:
    unreachable = tmp_path / "unreachable"
    unreachable.write_text(samples.KUBECONFIG, encoding="utf-8")
    product.configure(local_config(unreachable))
    failed = product.up().failed()
    assert "https://127.0.0.1:1" in failed.text
    assert "not-a-real-token" not in failed.text
    assert not [part for part in product.state() if part["type"].startswith("kubernetes:")]


def test_a_cluster_is_taken_from_another_stacks_outputs(product: Product, tmp_path: Path, stand_ins: Path) -> None:
    product.up().ok()
    config = yaml.safe_load((ROOT / "stacks/Pulumi.existing.yaml").read_text(encoding="utf-8"))["config"]
    config["kubeflow-proof:cluster"]["options"]["stack"] = f"organization/kubeflow-proof/{STACK}"
    state = product.folder / "state"
    second = Product(tmp_path / "second", stand_ins, config, stack="second", state=state)
    planned = second.preview().ok()
    assert "unreachable" not in planned.text
    assert planned.changes["create"] > 20

    product.operate("destroy").ok()
    assert "kubeconfig" in second.preview().failed().text


def test_an_existing_cluster_without_a_kubeconfig_says_how_to_give_one(product: Product) -> None:
    config = yaml.safe_load((ROOT / "stacks/Pulumi.existing.yaml").read_text(encoding="utf-8"))["config"]
    product.configure(config)
    failed = product.preview().failed()
    assert "pulumi config set --secret kubeflow-proof:kubeconfig" in failed.text
    assert "Traceback" not in failed.text


def test_a_missing_passphrase_is_said(product: Product) -> None:
    product.up().ok()
    del product.environment["PULUMI_CONFIG_PASSPHRASE"]
    assert "passphrase" in product.up().failed().text


@pytest.mark.parametrize("checkpoints", [False, True], ids=["without-checkpoints", "with-checkpoints"])
def test_an_up_after_a_killed_engine_converges(product: Product, plane: ControlPlane, *, checkpoints: bool) -> None:
    api = Api(plane.kubeconfig)
    product.configure(many_tenants(local_config(plane.kubeconfig), 8))
    if checkpoints:
        product.environment["PULUMI_SKIP_CHECKPOINTS"] = "false"
    chosen = ("--stack", STACK, "--config-file", str(product.stack_file))
    with product.start("up", "--yes", "--skip-preview", *chosen) as engine:
        eventually(lambda: len(namespaces(api)) >= 2, "the first tenants to appear")
        os.killpg(engine.pid, signal.SIGKILL)
    assert len(namespaces(api)) <= 8
    time.sleep(2)  # the stand-ins notice that their engine has gone
    restore(product.folder / f"state/.pulumi/stacks/kubeflow-proof/{STACK}.json.gz")  # as `make up` does
    product.pulumi("cancel", "--yes", STACK)
    product.operate("refresh", "--clear-pending-creates").ok()
    product.up().ok()
    assert namespaces(api) == {f"team-{number}" for number in range(8)}
    assert set(product.preview("--expect-no-changes").ok().changes) == {"same"}
    product.operate("destroy").ok()
    assert namespaces(api) == set()


def test_an_up_after_a_killed_api_server_converges(product: Product, plane: ControlPlane) -> None:
    api = Api(plane.kubeconfig)
    product.configure(many_tenants(local_config(plane.kubeconfig), 8))
    chosen = ("--stack", STACK, "--config-file", str(product.stack_file))
    with product.start("up", "--yes", "--skip-preview", *chosen) as engine:
        eventually(lambda: len(namespaces(api)) >= 2, "the first tenants to appear")
        os.kill(api_server(plane), signal.SIGKILL)
        text, _ = engine.communicate(timeout=120)
        assert engine.returncode != 0, text
    assert plane.up().started is Started.RESTARTED
    product.up().ok()
    assert namespaces(Api(plane.kubeconfig)) == {f"team-{number}" for number in range(8)}
    assert set(product.preview("--expect-no-changes").ok().changes) == {"same"}


def api_server(plane: ControlPlane) -> int:
    return int(next(plane.root.glob("kwok/clusters/*/pids/kube-apiserver.pid")).read_text(encoding="ascii"))
