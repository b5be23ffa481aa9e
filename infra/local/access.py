"""Kubeconfigs of the local control plane: made whole, kept private, used for one question. Never printed."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any, cast

import urllib3
import yaml


def embedded(made: Path) -> str:
    """The kubeconfig with its certificates inside, so that it stays whole wherever it is copied."""
    config = cast("dict[str, Any]", yaml.safe_load(made.read_text(encoding="utf-8")))
    for kind, names in (("cluster", ("certificate-authority",)), ("user", ("client-certificate", "client-key"))):
        body = config[f"{kind}s"][0][kind]
        for name in names:
            body[f"{name}-data"] = base64.b64encode(Path(body.pop(name)).read_bytes()).decode()
    return yaml.safe_dump(config, sort_keys=False)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def get(kubeconfig: Path, path: str) -> bytes:
    """What the API server answers to its administrator. OSError or urllib3's HTTPError if it does not."""
    config = cast("dict[str, Any]", yaml.safe_load(kubeconfig.read_text(encoding="utf-8")))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with tempfile.NamedTemporaryFile() as pair:  # the ssl module loads certificates from files only
        pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        pair.flush()
        context.load_cert_chain(pair.name)
    with urllib3.PoolManager(ssl_context=context, retries=False) as http:
        return http.request("GET", cluster["server"] + path, timeout=5).data
