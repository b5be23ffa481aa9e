"""`python -m infra.local {up,down,status}`: the control plane on this machine."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .control_plane import ControlPlane, ControlPlaneError, Started

ROOT = Path(__file__).resolve().parents[2]
_SAYS = {
    Started.REUSED: "already running",
    Started.RESTARTED: "started again, its data was kept",
    Started.CREATED: "created, it is empty",
}


def main() -> int:
    """Run one command; 0 on success, 1 when the control plane is not up in the end."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status"))
    command = parser.parse_args().command
    plane = ControlPlane(ROOT / ".tools" / "cluster", ROOT / ".tools" / "bin")
    begun = time.monotonic()
    try:
        if command == "status":
            print(f"local control plane: {'running' if plane.ready() else 'not running'} ({plane.kubeconfig})")
            return 0 if plane.ready() else 1
        if command == "down":
            print(f"local control plane: {'deleted' if plane.down() else 'there was none'}")
            return 0
        report = plane.up()
    except ControlPlaneError as error:
        print(f"local control plane: {error}", file=sys.stderr)
        return 1
    because = f" ({report.reason})" if report.reason else ""
    print(f"local control plane: {_SAYS[report.started]}{because}, {time.monotonic() - begun:.1f} s")
    print(f"kubeconfig: {plane.kubeconfig}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
