"""Command line: `run` judges a stack and writes the evidence, `list` shows what can be judged.

Exit code 0: every required criterion passed. 1: not so, or interrupted. 2: the run could not start.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from workloads import report, runner, snapshot, source
from workloads.api import Api, UnreachableError
from workloads.catalog import CATALOG, Criterion, UnknownCriterionError, required_ids, select
from workloads.cluster import Visit
from workloads.contract import OutputsError, Target

ACCEPTED, REFUSED, NOT_STARTED = 0, 1, 2
LOG_WIDTH = 160  # of a table that is written to a file or a pipe


def main(argv: Sequence[str]) -> int:
    """Run one command."""
    options = _options(argv)
    if options.command == "list":
        _list()
        return ACCEPTED
    try:
        criteria = select(options.only)
        target = source.from_file(options.outputs) if options.outputs else source.from_stack(options.stack)
        required = required_ids(target) | set(options.only)
        api = Api.from_kubeconfig(target.kubeconfig)
    except (OutputsError, UnknownCriterionError, UnreachableError) as error:
        print(error, file=sys.stderr)
        return NOT_STARTED
    try:
        return _run(options, criteria, target, required, api)
    except UnreachableError as error:
        print(error, file=sys.stderr)
        return NOT_STARTED
    except KeyboardInterrupt:
        print("interrupted: what the run created is removed, nothing is reported", file=sys.stderr)
        return REFUSED
    finally:
        api.close()


def _run(
    options: argparse.Namespace, criteria: tuple[Criterion, ...], target: Target, required: frozenset[str], api: Api
) -> int:
    terminal = Console(stderr=True)

    def say(line: str) -> None:
        terminal.print(line, markup=False, highlight=False)

    started = datetime.now(tz=UTC)
    name = started.strftime("%Y%m%dT%H%M%S.%fZ")
    with Visit(api, run=name, timeout_seconds=target.rules.timeout_seconds) as visit:
        seen = visit.watch(lambda: snapshot.take(api, target), lambda now: not now.unready)
        if seen.unready:
            say(f"not ready after {target.rules.timeout_seconds} s: {', '.join(seen.unready)}")
        results = runner.run(criteria, target, visit, required=required, progress=say)
    content = report.document(
        report.Record(
            stack=options.stack,
            standins=(*seen.standins(target.standins), *(() if options.outputs else source.engine_standins())),
            started=started,
            finished=datetime.now(tz=UTC),
            snapshot=seen,
            selected=tuple(options.only),
            results=tuple(results),
        )
    )
    folder = report.write(options.out, content, name=name)
    screen = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    screen.print(report.table(content))
    for one in content["standins"] or ["nothing"]:
        screen.print(f"Simulated: {one}", markup=False, highlight=False)
    screen.print(f"Evidence: {folder}", markup=False, highlight=False)
    return ACCEPTED if runner.accepted(results) else REFUSED


def _list() -> None:
    made = Table()
    for heading in ("criterion", "requirement", "required", "disruptive", "needs"):
        made.add_column(heading, no_wrap=heading == "criterion")
    for one in CATALOG:
        needs = ", ".join(need.said for need in one.needs)
        made.add_row(one.id, one.title, "yes" if one.required else "no", "yes" if one.disruptive else "no", needs)
    Console(width=None if sys.stdout.isatty() else LOG_WIDTH).print(made)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workloads", description="Judge a finished stack from outside.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show all criteria")
    run = commands.add_parser("run", help="judge one stack and write the evidence")
    run.add_argument("--stack", required=True, help="name of the stack, as `pulumi stack ls` shows it")
    run.add_argument("--out", type=Path, default=Path("out"), help="where validation/<time>/ is written")
    run.add_argument(
        "--only", type=_ids, default=(), metavar="ID,...", help="run and require these criteria; no acceptance"
    )
    run.add_argument("--outputs", type=Path, help="read the stack's outputs from this file instead of the engine")
    return parser.parse_args(argv)


def _ids(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in text.split(","))))


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in what a shell starts in the background
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
