"""The manifest of a folder's evidence, checked offline by `sha256sum -c evidence.sha256`. Signs with a given key."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .model import ReportError

MANIFEST = "evidence.sha256"
SIGNATURE = f"{MANIFEST}.sig"
NAMESPACE = "kubeflow-proof"  # what a signature is good for
_SECONDS = 30


def seal(folder: Path, *, key: Path | None = None) -> Path:
    """Write the manifest of every file below a folder; sign it where there is a key."""
    manifest = folder / MANIFEST
    manifest.write_text("".join(f"{told}  {name}\n" for name, told in digests(folder)), encoding="utf-8")
    (folder / SIGNATURE).unlink(missing_ok=True)
    if key is not None:
        _sign(manifest, key)
    return manifest


def digests(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file but the manifest itself, by name."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink() and name not in (MANIFEST, SIGNATURE):
            yield name, digest(path)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sign(manifest: Path, key: Path) -> None:
    """Sign as `ssh-keygen -Y verify` reads it: no key of ours, no service, nothing but OpenSSH."""
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key), str(manifest)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False,
                              stdin=subprocess.DEVNULL)  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise ReportError(f"the manifest cannot be signed: {error}") from error
    if done.returncode != 0:
        raise ReportError(f"the manifest cannot be signed with {key}: {done.stderr.strip()}")
