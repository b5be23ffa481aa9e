"""`python -m stacks check FILE...` judges stack files; `python -m stacks explain [KEY]` says what they may hold."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from .check import FINE, WRONG, check
from .explain import UnknownKeyError, explain


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answer its exit status."""
    parser = argparse.ArgumentParser(prog="python -m stacks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    judge = commands.add_parser(
        "check", help="name every problem of stack files", epilog="exit status: 0 fine, 1 problems, 2 cannot be read"
    )
    judge.add_argument("files", nargs="+", type=Path, metavar="FILE")
    teach = commands.add_parser("explain", help="say what each key means")
    teach.add_argument("key", nargs="?", default="", metavar="KEY", help="for example platform.tenants.*.quota")
    chosen = parser.parse_args(arguments)
    return _check(chosen.files) if chosen.command == "check" else _explain(chosen.key)


def _check(files: Sequence[Path]) -> int:
    worst = FINE
    for file in files:
        status, lines = check(file)
        worst = max(worst, status)
        for line in lines:
            print(line)
    return worst


def _explain(key: str) -> int:
    try:
        print(explain(key, shutil.get_terminal_size(fallback=(100, 24)).columns))
    except UnknownKeyError as error:
        print(error, file=sys.stderr)
        return WRONG
    return FINE


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `explain | head` ends quietly
    sys.exit(main())
