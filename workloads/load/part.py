"""`python -m workloads.load.part FD`: one generator process of a run, on the line that its parent left open."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from workloads.load.plan import Plan
from workloads.load.worker import NotReadyError, Progress, work


@dataclass(frozen=True, slots=True)
class _Parent:
    """The line to the parent: (kind, value) pairs."""

    connection: Connection[Any, Any]

    def ready(self) -> float:
        self.connection.send(("ready", None))
        return self.connection.recv()

    def report(self, progress: Progress) -> None:
        self.connection.send(("progress", progress))


def main(connection: Connection[Any, Any]) -> None:
    """Receive a plan, do one part of it, send the result."""
    try:
        plan, part = connection.recv()
        connection.send(("result", work(Plan.from_json(plan), part, _Parent(connection)).to_json()))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return  # the parent has ended the run
    except NotReadyError as error:
        connection.send(("not ready", str(error)))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        connection.send(("broken", f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
