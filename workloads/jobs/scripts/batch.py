"""Sends rows with distinct ids to a model until each is answered or failed; its termination message counts them."""

import json
import os
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

WORKERS, SECONDS = 16, 30


def answer(number: int) -> tuple[int, bool]:
    """Whether one row was answered: once, without a second try."""
    row = [float(number % 7), float(number % 5), float(number % 3), 1.0]
    body = json.dumps({"instances": [row]}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(os.environ["ENDPOINT"], data=body, headers=headers)  # noqa: S310 - the job names it
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:  # noqa: S310 - the same
            return number, len(json.load(reply)["predictions"]) == 1
    except (OSError, ValueError, KeyError, urllib.error.HTTPError):
        return number, False


def main() -> None:
    """All rows."""
    rows = int(os.environ["ROWS"])
    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        answered = {number for number, ok in pool.map(answer, range(rows)) if ok}
    result = {"rows": rows, "answered": len(answered), "seconds": time.monotonic() - began}
    print(json.dumps(result), flush=True)  # noqa: T201 - kept with the evidence
    Path("/dev/termination-log").write_text(json.dumps(result), encoding="utf-8")
    if len(answered) < rows:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
