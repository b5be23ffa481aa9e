"""How often this process's control group was throttled by its CPU limit. Reads two files, changes nothing."""

from __future__ import annotations

from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def throttled(mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> int:
    """Periods in which something of the group had to wait; 0 where no limit is in force or visible."""
    for file in _files(mount, membership):
        try:
            fields = dict(line.split() for line in file.read_text("utf-8").splitlines())
        except (OSError, ValueError):
            continue
        if "nr_throttled" in fields:
            return int(fields["nr_throttled"])
    return 0


def _files(mount: Path, membership: Path) -> list[Path]:
    """The own group first; inside a container the mount itself is the own group. Version 2, then version 1."""
    try:
        lines = [line.split(":", 2) for line in membership.read_text("utf-8").splitlines()]
    except OSError:
        lines = []
    paths = {controllers: path.lstrip("/") for _, controllers, path in (line for line in lines if len(line) == 3)}  # noqa: PLR2004 - id, controllers, path
    folders = [mount / paths[""], mount] if "" in paths else [mount]
    for controllers in ("cpu", "cpu,cpuacct"):
        if controllers in paths:
            folders += [mount / controllers / paths[controllers], mount / controllers]
    return [folder / "cpu.stat" for folder in folders]
