"""Kubeconfigs: where the server is and who we are to it, credential commands included. Sends no request."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from rehearsal.kubernetes_provider.errors import ElsewhereError
from rehearsal.kubernetes_provider.wire import Object, is_map, part_of, parts_of

REHEARSED = "KUBEFLOW_PROOF_REHEARSAL_ENDPOINT"  # in a rehearsal: host and port of the only server there may be
EXEC_SECONDS = 60
EARLY = timedelta(seconds=30)  # a token is fetched again before it ends


class Active(NamedTuple):
    """The entries a kubeconfig selects."""

    context: Object
    cluster: Object
    user: Object


def load(text: Any) -> Object:
    """Read the kubeconfig given as text or as a path; else the ambient one."""
    given = str(text or "")
    if "\n" not in given and not given.lstrip().startswith("{"):  # a path, for no kubeconfig fits into one line of YAML
        path = Path(given or os.environ.get("KUBECONFIG") or "~/.kube/config").expanduser()
        try:
            given = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConnectionError(f"kubeconfig {path}: {error.strerror}") from error
    try:
        parsed = yaml.safe_load(given)
    except yaml.YAMLError as error:
        raise ValueError("the kubeconfig is not YAML") from error  # its text may hold secrets
    if parsed is not None and not is_map(parsed):
        raise ValueError("the kubeconfig is not a YAML mapping")
    return parsed or {}


def active(config: Object, context: str = "", cluster: str = "") -> Active:
    """Choose by `current-context` unless told otherwise."""

    def entry(kind: str, name: Any) -> Object:
        named = [part for part in parts_of(config, kind + "s") if part.get("name") == name]
        return part_of(named[0], kind) if named else {}

    chosen = entry("context", context or config.get("current-context"))
    return Active(chosen, entry("cluster", cluster or chosen.get("cluster")), entry("user", chosen.get("user")))


def only_rehearsed(cluster: Object) -> None:
    """Refuse a server that is not the rehearsal's, before anything is dialled or any command is run."""
    endpoint, server = os.environ.get(REHEARSED), str(cluster.get("server") or "")
    if endpoint and server.rstrip("/") != f"https://{endpoint}":
        raise ElsewhereError(f"server: found {server!r}; in this rehearsal only 'https://{endpoint}' may be reached")


class Credentials:
    """Who we are: a token, a client certificate, or an executable that hands out either."""

    def __init__(self, user: Object, cluster: Object) -> None:
        self._user = user
        self._cluster = cluster
        self._lock = threading.Lock()
        self._token: str = user.get("token") or ""
        self._expires: datetime | None = None
        if user.get("tokenFile") and not self._token:
            self._token = Path(user["tokenFile"]).read_text(encoding="utf-8").strip()
        self._pair = [_decoded(user, f"client-{part}-data") for part in ("certificate", "key")]
        if "exec" in user:
            self._run()

    @property
    def renewable(self) -> bool:
        """Whether asking again may help."""
        return "exec" in self._user

    def token(self, *, renew: bool = False) -> str:
        """The bearer token, or nothing."""
        with self._lock:
            if self.renewable and (renew or (self._expires and datetime.now(UTC) > self._expires - EARLY)):
                self._run()
            return self._token

    def load_into(self, tls: ssl.SSLContext) -> None:
        """Give the client certificate to a TLS context."""
        if self._pair[0]:
            with tempfile.NamedTemporaryFile("w") as file:  # the ssl module loads certificates from files only
                file.write("\n".join(self._pair))
                file.flush()
                tls.load_cert_chain(file.name)
        elif self._user.get("client-certificate"):
            tls.load_cert_chain(self._user["client-certificate"], self._user.get("client-key"))

    def _run(self) -> None:
        plugin = self._user["exec"]
        given = {"interactive": False}
        if plugin.get("provideClusterInfo"):
            given |= {"cluster": self._cluster}
        request = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": given}
        environment = os.environ | {"KUBERNETES_EXEC_INFO": json.dumps(request)}
        environment |= {part["name"]: part["value"] for part in plugin.get("env") or ()}
        command = [plugin["command"], *(plugin.get("args") or ())]
        name = f"the kubeconfig's credential command `{plugin['command']}`"
        try:
            done = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=EXEC_SECONDS)
            status = json.loads(done.stdout)["status"]
        except subprocess.CalledProcessError as error:
            lines = error.stderr.decode(errors="replace").strip().splitlines() or ["it wrote no reason"]
            raise ConnectionError(f"{name} failed with exit code {error.returncode}: {lines[-1]}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConnectionError(f"{name} did not run: {type(error).__name__}") from error
        except (ValueError, LookupError, TypeError):
            raise ConnectionError(f"{name} printed no ExecCredential") from None  # what it printed may be secret
        self._token = status.get("token") or ""
        self._pair = [status.get(f"client{part}Data") or "" for part in ("Certificate", "Key")]
        expires = status.get("expirationTimestamp")
        self._expires = datetime.fromisoformat(expires) if expires else None


def _decoded(entry: Object, name: str) -> str:
    return base64.b64decode(entry.get(name) or "").decode()


def tls_context(cluster: Object, credentials: Credentials) -> ssl.SSLContext:
    """How to talk to a cluster entry's server."""
    tls = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"), cadata=_decoded(cluster, "certificate-authority-data") or None
    )
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    credentials.load_into(tls)
    return tls
