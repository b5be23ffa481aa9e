"""All of upstream's default components on the control plane: installed, unchanged, gone again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Api, standing
from tests.support.engine import ROOT
from tests.support.product import Product, local_config

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
DATA = ROOT.parent / "shared" / "manifests"
MOST_STATE_BYTES = 6_000_000


def cached() -> None:
    """Fill the cache as a user without a network does, or skip."""
    if not DATA.is_dir():
        pytest.skip(f"no rendered upstream data in {DATA}")
    sync = [sys.executable, "-m", "kubeflow.distribution", "sync", "--from", str(DATA)]
    done = subprocess.run(sync, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def unavailable(api: Api) -> list[str]:
    """Deployments that are not available."""
    deployments: Any = api.get("/apis/apps/v1/deployments")
    return [
        item["metadata"]["name"]
        for item in deployments["items"]
        if item["status"].get("availableReplicas", 0) < item["spec"]["replicas"]
    ]


def test_the_whole_platform_comes_up_settles_and_goes(tmp_path: Path, stand_ins: Path) -> None:
    cached()
    with standing(tmp_path / "cluster") as plane:
        api = Api(plane.kubeconfig)
        config = local_config(plane.kubeconfig)
        config["kubeflow-proof:platform"]["components"] = ["default"]
        product = Product(tmp_path / "product", stand_ins, config)
        namespaces: Any = api.get("/api/v1/namespaces")
        before = {item["metadata"]["name"] for item in namespaces["items"]}

        made = product.up().ok()
        assert made.changes["create"] > 1000
        assert any("objects of the chosen components are left out" in text for text in made.diagnostics)
        assert unavailable(api) == []
        assert product.preview("--expect-no-changes").ok().changes.keys() == {"same"}
        state = product.folder / "state" / ".pulumi" / "stacks" / "kubeflow-proof" / "dev.json.gz"
        assert state.stat().st_size < MOST_STATE_BYTES

        product.operate("destroy").ok()
        namespaces = api.get("/api/v1/namespaces")
        assert {item["metadata"]["name"] for item in namespaces["items"]} == before
        definitions: Any = api.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        assert len(definitions["items"]) > 100, "definitions stay: objects of their kinds may be somebody's"


def without_a_cache(tmp_path: Path, stand_ins: Path, kubeconfig: str, **platform: object) -> Product:
    """The product in a checkout that never synced."""
    copy = tmp_path / "checkout"
    shutil.copytree(
        ROOT,
        copy,
        ignore=shutil.ignore_patterns(".git", ".tools", ".venv*", "out", "tests", "__pycache__"),
        symlinks=True,
    )
    (copy / ".venv").symlink_to(ROOT / ".venv")
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig, encoding="utf-8")
    config = local_config(path)
    config["kubeflow-proof:platform"].update(platform)
    product = Product(tmp_path / "product", stand_ins, config)
    product.program = copy
    return product


def test_without_a_cache_our_own_objects_come_up_settle_and_say_what_is_absent(tmp_path: Path, stand_ins: Path) -> None:
    with standing(tmp_path / "cluster") as plane:
        kubeconfig = plane.kubeconfig.read_text(encoding="utf-8")
        product = without_a_cache(tmp_path, stand_ins, kubeconfig, components=["default"], allowAbsent=True)
        made = product.up().ok()
        assert any("Absent: upstream's " in text for text in made.diagnostics)
        assert Api(plane.kubeconfig).get("/apis/kueue.x-k8s.io/v1beta2/clusterqueues") is not None
        assert product.preview("--expect-no-changes").ok().changes.keys() == {"same"}


def test_a_missing_cache_is_told_before_anything_is_made(tmp_path: Path, stand_ins: Path, api: Api) -> None:
    product = without_a_cache(tmp_path, stand_ins, api.kubeconfig, components=["dex"], allowAbsent=False)
    refused = product.preview().failed()
    assert "platform.components: release 26.03 is not completely cached" in refused.errors
    assert "python -m kubeflow.distribution sync" in refused.errors
    assert refused.changes.get("create", 0) <= 1, "nothing but the stack itself was planned"
