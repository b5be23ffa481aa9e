"""What the probes share: their plan, an open loop, small histograms, and the message that holds their result."""

from __future__ import annotations

import base64
import gc
import json
import math
import os
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

MOST = 4096  # bytes that a kubelet keeps of a termination message
STEP = 1.05  # a bucket of a histogram ends 5 % above the one before
_MICRO = 1e6
_HEAD_START = 0.05  # seconds until the first planned moment

Work = Callable[[int, float], None]  # number of the call, and when it was planned


def asked() -> dict[str, Any]:
    """What the check wants from this pod."""
    return json.loads(os.environ["PLAN"])


def say(result: dict[str, Any]) -> None:
    """Leave the result where the kubelet finds it; a long one is packed."""
    text = json.dumps(result, separators=(",", ":"))
    print(text, flush=True)  # noqa: T201 - kept with the evidence
    if len(text.encode()) > MOST:
        text = json.dumps({"zlib": base64.b64encode(zlib.compress(text.encode(), 9)).decode()})
    if len(text) > MOST:
        raise SystemExit(f"the result has {len(text)} bytes, and a termination message holds {MOST}")
    Path(os.environ.get("RESULT", "/dev/termination-log")).write_text(text, encoding="utf-8")


class Counts:
    """Durations in buckets: few enough for a message. The greatest is kept as it is."""

    def __init__(self) -> None:
        self.buckets = Counter[int]()
        self.greatest = 0.0

    def add(self, seconds: float) -> None:
        """Take in one duration."""
        self.greatest = max(self.greatest, seconds)
        self.buckets[math.ceil(math.log(max(seconds * _MICRO, 1.0), STEP))] += 1

    def told(self) -> dict[str, Any]:
        """For the result: counts by the upper end of the bucket in microseconds."""
        buckets = Counter[int]()
        for number, count in sorted(self.buckets.items()):
            buckets[round(STEP**number)] += count
        return {"buckets": buckets, "greatest": round(self.greatest, 6)}


class Loop:
    """Calls at planned moments, whatever became of the calls before: who waits for answers hides slow ones."""

    def __init__(self, make: Callable[[], Work], workers: int) -> None:
        self._make, self._workers = make, workers
        self._waiting: SimpleQueue[tuple[int, float, bool] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._flying = 0
        self.late = Counts()  # from plan to call, where a worker was free
        self.held = 0  # calls that found every worker busy
        self.started = 0  # calls that were taken up within a second after the last planned moment

    def run(self, times: list[float]) -> None:
        """All calls, each at its second from now."""
        threads = [threading.Thread(target=self._work) for _ in range(self._workers)]
        for one in threads:
            one.start()
        gc.collect()
        gc.freeze()
        began = time.perf_counter() + _HEAD_START
        for index, moment in enumerate(times):
            planned = began + moment
            while (left := planned - time.perf_counter()) > 0:
                time.sleep(left)
            with self._lock:
                held = self._flying >= self._workers
                self._flying += 1
                self.held += held
                self.started += time.perf_counter() <= began + times[-1] + 1.0
            self._waiting.put((index, planned, held))
        for _ in threads:
            self._waiting.put(None)
        for one in threads:
            one.join()

    def _work(self) -> None:
        call = self._make()
        while (one := self._waiting.get()) is not None:
            index, planned, held = one
            if not held:
                with self._lock:
                    self.late.add(time.perf_counter() - planned)
            call(index, planned)
            with self._lock:
                self._flying -= 1


def throttled() -> int:
    """Periods in which this container was held back by its CPU limit; 0 where nobody counts them."""
    try:
        lines = Path("/sys/fs/cgroup/cpu.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("nr_throttled ")), 0)
