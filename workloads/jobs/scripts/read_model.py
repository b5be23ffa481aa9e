"""Reads what a training has left on a volume; its last words are its size and its digest."""

import hashlib
import json
import os
from pathlib import Path

if __name__ == "__main__":
    content = (Path(os.environ["KEPT"]) / "model.pt").read_bytes()
    result = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    print(json.dumps(result), flush=True)  # noqa: T201 - kept with the evidence
    Path("/dev/termination-log").write_text(json.dumps(result), encoding="utf-8")
