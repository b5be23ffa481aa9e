"""Stand-ins of credential commands: they answer the generated kubeconfigs, and refuse what the real ones would."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rehearsal.commands import COMMANDS, install
from rehearsal.commands.credential import RefusedError, check

VERSION = "client.authentication.k8s.io/v1beta1"
CLUSTER = {"spec": {"cluster": {"server": "https://127.0.0.1:1"}}}
GOOD = {
    "aws": ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "ml", "--output", "json"],
    "kubelogin": ["get-token", "--login", "azurecli", "--tenant-id", "t", "--server-id", "s"],
    "gke-gcloud-auth-plugin": [],
    "ack-ram-tool": ["credential-plugin", "get-credential", "--cluster-id", "c1", "--api-version", "v1beta1"],
}
WRONG: list[tuple[str, list[str]]] = [
    ("aws", ["eks", "get-token", "--region", "eu-west-1"]),
    ("aws", ["eks", "get-token", "--cluster-nam", "ml"]),
    ("aws", ["eks", "get-token", "--cluster-name", ""]),
    ("aws", ["eks", "list-clusters", "--cluster-name", "ml"]),
    ("kubelogin", ["get-token", "--login", "azurecli"]),
    ("kubelogin", ["get-token", "--server-id", "--login", "azurecli"]),
    ("gke-gcloud-auth-plugin", ["get-token"]),
    ("ack-ram-tool", ["get-credential", "--cluster-id", "c1"]),
]


def run(folder: Path, name: str, arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KUBE")}
    return subprocess.run(
        [str(folder / name), *arguments], env=clean | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "a folder"
    place.mkdir()
    install(place)
    return place


def held(tmp_path: Path) -> str:
    file = tmp_path / "token.json"
    file.write_text(json.dumps({"token": "abc", "expires": "2030-01-01T00:00:00Z"}), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_hands_out_the_token_of_the_local_api_server(folder: Path, tmp_path: Path, name: str) -> None:
    journal = tmp_path / "journal"
    info = json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", **CLUSTER})
    done = run(
        folder,
        name,
        GOOD[name],
        KUBERNETES_EXEC_INFO=info,
        KUBEFLOW_PROOF_REHEARSAL_TOKEN=held(tmp_path),
        KUBEFLOW_PROOF_REHEARSAL_JOURNAL=str(journal),
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["apiVersion"] == VERSION
    assert answer["status"] == {"token": "abc", "expirationTimestamp": "2030-01-01T00:00:00Z"}
    assert f"stand-in for the official command {name}" in done.stderr
    assert json.loads(journal.read_text(encoding="utf-8"))["subject"] == name
    assert "abc" not in journal.read_text(encoding="utf-8") + done.stderr


@pytest.mark.parametrize(("name", "arguments"), WRONG)
def test_what_the_real_command_would_not_understand_is_refused(name: str, arguments: list[str]) -> None:
    with pytest.raises(RefusedError):
        check(name, arguments, CLUSTER)


def test_google_s_plugin_needs_to_be_told_the_cluster() -> None:
    check("gke-gcloud-auth-plugin", [], CLUSTER)
    with pytest.raises(RefusedError, match="provideClusterInfo"):
        check("gke-gcloud-auth-plugin", [], {})


def test_outside_a_rehearsal_there_is_no_token(folder: Path) -> None:
    done = run(folder, "aws", GOOD["aws"])
    assert done.returncode == 1
    assert done.stdout == ""
    assert "only inside a rehearsal" in done.stderr


def test_another_version_of_the_protocol_is_refused(folder: Path, tmp_path: Path) -> None:
    info = json.dumps({"apiVersion": "client.authentication.k8s.io/v1alpha1"})
    token = held(tmp_path)
    done = run(folder, "aws", GOOD["aws"], KUBERNETES_EXEC_INFO=info, KUBEFLOW_PROOF_REHEARSAL_TOKEN=token)
    assert done.returncode == 2
    assert VERSION in done.stderr
