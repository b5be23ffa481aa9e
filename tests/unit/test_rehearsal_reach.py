"""Whom the Kubernetes stand-in may reach: in a rehearsal nobody but the rehearsal's own API server."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from rehearsal.kubernetes_provider.errors import ElsewhereError
from rehearsal.kubernetes_provider.session import Session

ENDPOINT = "127.0.0.1:6443"


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Addresses that somebody tried to connect to."""
    found: list[object] = []

    def refuse(_socket: socket.socket, address: object) -> None:
        found.append(address)
        raise ConnectionRefusedError

    def be_silent(*_texts: object, **_how: object) -> None:
        """There is no engine that could show it."""

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(Session, "say", be_silent)
    monkeypatch.setattr(Session, "warn", be_silent)
    return found


def kubeconfig(server: str, marker: Path) -> str:
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(marker)]}
    return json.dumps(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "c", "user": {"exec": command}}],
        }
    )


@pytest.mark.parametrize(
    "server", ["https://203.0.113.7:6443", "http://127.0.0.1:6443", "https://127.0.0.1:64430", "https://api.test", ""]
)
def test_in_a_rehearsal_another_server_is_refused_before_a_command_runs_or_anything_is_dialled(
    server: str, dialled: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEFLOW_PROOF_REHEARSAL_ENDPOINT", ENDPOINT)
    with pytest.raises(ElsewhereError, match=f"found '{server}'; .*{ENDPOINT}"):
        Session("127.0.0.1:1").configure({"kubeconfig": kubeconfig(server, tmp_path / "ran")})
    assert dialled == []
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("endpoint", [ENDPOINT, None], ids=["its server", "no rehearsal"])
def test_the_rehearsal_s_own_server_is_tried_and_outside_a_rehearsal_any(
    endpoint: str | None, dialled: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBEFLOW_PROOF_REHEARSAL_ENDPOINT", raising=False)
    if endpoint:
        monkeypatch.setenv("KUBEFLOW_PROOF_REHEARSAL_ENDPOINT", endpoint)
    Session("127.0.0.1:1").configure({"kubeconfig": kubeconfig(f"https://{ENDPOINT}", tmp_path / "ran")})
    assert (tmp_path / "ran").exists()
    assert dialled == []
