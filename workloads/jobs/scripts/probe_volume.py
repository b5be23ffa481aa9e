"""Writes files to a volume and syncs them, or reads them back past the page cache; tells seconds and checksums."""

from __future__ import annotations

import hashlib
import mmap
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from probe_common import asked, say

BLOCK = 4 << 20
POOL = (32 << 20) + 4099  # no whole number of blocks or pages: no page of a file is the same as another one
EXAMPLES = 5
MADE_WITH_THE_VOLUME = {"lost+found", ".snapshot"}


def blocks(pool: memoryview, size: int, start: int) -> Iterator[memoryview]:
    """The content of one file, without making or copying any of it while the clock runs."""
    left, place = size, start % POOL
    while left:
        piece = pool[place : place + min(BLOCK, left)]
        yield piece
        left -= len(piece)
        place = (place + len(piece)) % POOL


def write(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Each file from the first byte to the end of its sync; what was there before is told."""
    found = sorted({one.name for one in folder.iterdir()} - MADE_WITH_THE_VOLUME)
    pool = memoryview(random.Random(plan["seed"]).randbytes(POOL))  # noqa: S311 - data, no secret
    files: dict[str, Any] = {}
    for number in range(plan["files"]):
        start, digest = number * 1_000_003, hashlib.sha256()
        for piece in blocks(pool, plan["bytes"], start):
            digest.update(piece)
        began = time.perf_counter()
        handle = os.open(folder / f"data-{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for piece in blocks(pool, plan["bytes"], start):
            rest = piece
            while rest:
                rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
        os.close(handle)
        files[f"data-{number}"] = {"seconds": time.perf_counter() - began, "digest": digest.hexdigest()}
    return {"found": found[:EXAMPLES], "files": files}


def read(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Each file once for its speed and once for its checksum."""
    files: dict[str, Any] = {}
    for number in range(plan["files"]):
        path = folder / f"data-{number}"
        try:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            seconds, size, direct = timed(path)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[path.name] = {"seconds": seconds, "bytes": size, "direct": direct, "digest": digest}
        except OSError as error:
            files[path.name] = {"error": f"{type(error).__name__}: {error}"}
    return {"files": files}


def timed(path: Path) -> tuple[float, int, bool]:
    """Seconds, bytes, and whether the page cache was passed by; where that is refused it was only asked to forget."""
    for flags in (os.O_RDONLY | os.O_DIRECT, os.O_RDONLY):
        try:
            with mmap.mmap(-1, BLOCK) as buffer:  # aligned, as direct reads want it
                began, size = time.perf_counter(), 0
                handle = os.open(path, flags)
                try:
                    while got := os.readv(handle, [buffer]):
                        size += got
                finally:
                    os.close(handle)
                return time.perf_counter() - began, size, bool(flags & os.O_DIRECT)
        except OSError:
            if not flags & os.O_DIRECT:
                raise
    raise AssertionError


def main() -> None:
    """One half."""
    plan = asked()
    try:
        say({"write": write, "read": read}[plan["do"]](Path(plan["folder"]), plan))
    except OSError as error:  # of the volume
        say({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
