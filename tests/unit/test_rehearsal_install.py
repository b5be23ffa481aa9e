"""Launchers: written, found by the engine's names, and removed without touching anything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.launchers import CLOUD_PROVIDERS, KUBERNETES_PROVIDER, LANGUAGE_HOST

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted([*LANGUAGE_HOST, *KUBERNETES_PROVIDER, *CLOUD_PROVIDERS])


def rehearsal(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rehearsal", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder with 'spaces'"


def test_install_writes_what_is_asked_for_and_remove_deletes_only_that(folder: Path) -> None:
    assert rehearsal("install", "--bin", folder, "--kubernetes-provider").returncode == 0
    assert [file.name for file in folder.iterdir()] == list(KUBERNETES_PROVIDER)
    assert rehearsal("install", "--bin", folder).returncode == 0
    assert sorted(file.name for file in folder.iterdir()) == NAMES
    assert all(os.access(file, os.X_OK) for file in folder.iterdir())

    (folder / "pulumi").write_text("the engine", encoding="utf-8")
    (folder / "pulumi-language-python").write_text("the official one", encoding="utf-8")
    assert rehearsal("remove", "--bin", folder).returncode == 0
    assert sorted(file.name for file in folder.iterdir()) == ["pulumi", "pulumi-language-python"]


def test_install_refuses_to_replace_an_official_plugin(folder: Path) -> None:
    folder.mkdir()
    official = folder / "pulumi-resource-kubernetes"
    official.write_text("official", encoding="utf-8")
    refused = rehearsal("install", "--bin", folder)
    assert refused.returncode == 1
    assert str(official) in refused.stderr
    assert [file.name for file in folder.iterdir()] == [official.name]
    assert official.read_text(encoding="utf-8") == "official"


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (["random"], ["pulumi-resource-random"]),
        (["aws", "tls"], ["pulumi-resource-aws", "pulumi-resource-tls"]),
        ([], sorted(CLOUD_PROVIDERS)),
    ],
)
def test_cloud_providers_are_chosen_by_name_or_by_the_installed_sdks(
    folder: Path, asked: list[str], written: list[str]
) -> None:
    assert rehearsal("install", "--bin", folder, "--cloud-providers", *asked).returncode == 0
    assert sorted(file.name for file in folder.iterdir()) == written


@pytest.mark.parametrize(
    "name", ["pulumi-language-python", "pulumi-resource-kubernetes", "pulumi-resource-azure-native"]
)
def test_a_launcher_serves_from_any_folder_and_ends_on_a_signal(folder: Path, name: str) -> None:
    rehearsal("install", "--bin", folder)
    (folder / "grpc.py").write_text("raise SystemExit('the wrong module')", encoding="utf-8")
    process = subprocess.Popen([folder / name, "127.0.0.1:1"], cwd=folder, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        process.terminate()
        assert process.wait(timeout=5) == 0
