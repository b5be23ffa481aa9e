"""Stand-ins for the commands that kubeconfigs name; written into a rehearsal's own folder and nowhere else."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

COMMANDS = ("aws", "kubelogin", "gke-gcloud-auth-plugin", "ack-ram-tool")


def install(folder: Path) -> list[Path]:
    """Write one launcher per command; its folder has to come first on PATH."""
    program = Path(__file__).resolve().with_name("credential.py")
    written: list[Path] = []
    for name in COMMANDS:
        file = folder / name
        command = shlex.join([sys.executable, "-I", "-S", str(program), name])
        file.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        file.chmod(0o755)
        written.append(file)
    return written
