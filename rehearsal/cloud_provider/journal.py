"""A journal of what the engine asked for: one JSON line per call, names and paths only, never a value of a property."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

JOURNAL = "KUBEFLOW_PROOF_REHEARSAL_JOURNAL"


class Journal:
    """Appends to the file that the environment names; without one it does nothing."""

    def __init__(self, package: str) -> None:
        file = os.environ.get(JOURNAL)
        self._package, self._file, self._lock = package, Path(file) if file else None, threading.Lock()

    def note(self, method: str, subject: str, **facts: Any) -> None:
        """Write one line; processes append whole lines."""
        if self._file is None:
            return
        line = {"time": round(time.time(), 3), "package": self._package, "method": method, "subject": subject, **facts}
        with self._lock, self._file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(line) + "\n")
