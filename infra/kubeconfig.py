"""Kubeconfigs as data: reading what the contract needs from one, building one. Never by formatting text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pulumi
import yaml

_EXEC_API = "client.authentication.k8s.io/v1beta1"


class KubeconfigError(Exception):
    """A kubeconfig that cannot be used; the message says where it came from and what is wrong."""


def read(path: Path, *, key: str) -> str:
    """The text of a kubeconfig file that the configuration key `key` names, proven to be one."""
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise KubeconfigError(f"{key}: cannot read {path}: {error.strerror}") from error
    server_of(text, origin=f"{key} ({path})")
    return text


def server_of(text: str, *, origin: str) -> str:
    """The API server address of the current context."""
    try:
        parsed: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{origin}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(parsed, dict):
        raise KubeconfigError(f"{origin}: not a kubeconfig: found {type(parsed).__name__}, expected a mapping")
    config = cast("dict[str, Any]", parsed)
    current = config.get("current-context")
    if not current:
        raise KubeconfigError(f"{origin}: current-context is missing or empty")
    cluster_name = _entry(config, "context", current, origin).get("cluster")
    server = _entry(config, "cluster", cluster_name, origin).get("server")
    if not server:
        raise KubeconfigError(f"{origin}: clusters[{cluster_name}].cluster.server is missing")
    return str(server)


def exec_kubeconfig(
    *,
    name: str,
    server: pulumi.Input[str],
    ca: pulumi.Input[str],
    command: str,
    args: Sequence[pulumi.Input[str]] = (),
    env: Mapping[str, pulumi.Input[str]] | None = None,
    provide_cluster_info: bool = False,
) -> pulumi.Output[str]:
    """A kubeconfig in which a program makes the credential when it is needed; a secret Output of JSON.

    `ca` is base64. What is in `env` stays in the state, so no secret belongs there.
    """
    parts = pulumi.Output.all(server=server, ca=ca, args=list(args), env=dict(env or {}))
    return pulumi.Output.secret(
        parts.apply(
            lambda found: json.dumps(
                exec_document(name=name, command=command, provide_cluster_info=provide_cluster_info, **found)
            )
        )
    )


def exec_document(
    *,
    name: str,
    server: str,
    ca: str,
    command: str,
    args: Sequence[str],
    env: Mapping[str, str],
    provide_cluster_info: bool,
) -> dict[str, Any]:
    """The kubeconfig of `exec_kubeconfig`, of known values."""
    program = {
        "apiVersion": _EXEC_API,
        "command": command,
        "args": list(args),
        "env": [{"name": key, "value": value} for key, value in sorted(env.items())],
        "interactiveMode": "Never",
        "provideClusterInfo": provide_cluster_info,
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {"exec": program}}],
    }


def _entry(config: dict[str, Any], kind: str, name: object, origin: str) -> dict[str, Any]:
    """The body of a named cluster, context or user."""
    items: list[dict[str, Any]] = config.get(f"{kind}s") or []
    for item in items:
        if item.get("name") == name:
            return item.get(kind) or {}
    known = ", ".join(str(item.get("name")) for item in items) or "none"
    raise KubeconfigError(f"{origin}: no {kind} named '{name}'; found {known}")
