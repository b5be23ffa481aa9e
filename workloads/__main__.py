"""Command line: `run` judges a stack and writes the evidence; the other commands tell about it.

Exit code 0: every required criterion passed. 1: not so, or interrupted. 2: the run could not start.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from workloads import report, runner, session, source
from workloads.api import Api, UnreachableError
from workloads.catalog import CATALOG, FixedThresholdError, UnknownCriterionError, select
from workloads.contract import OutputsError
from workloads.criterion import SHARE, Backend, Criterion
from workloads.profile import PROFILES, QUICK
from workloads.report import command, compare
from workloads.topology import TopologyError

ACCEPTED, REFUSED, NOT_STARTED = 0, 1, 2
LOG_WIDTH = 160  # of a table that is written to a file or a pipe


def main(argv: Sequence[str]) -> int:
    """Run one command."""
    options = _options(argv)
    try:
        if hasattr(options, "handler"):
            return options.handler(options)
        return {"list": _list, "run": _run, "show": _show, "compare": _compare}[options.command](options)
    except (
        FixedThresholdError,
        OutputsError,
        UnknownCriterionError,
        UnreachableError,
        report.ReportError,
        session.ResumeError,
        TopologyError,
    ) as error:
        print(error, file=sys.stderr)
        return NOT_STARTED


def _run(options: argparse.Namespace) -> int:
    criteria = select(options.only)
    outputs = source.from_file(options.outputs) if options.outputs else source.from_stack(options.stack)
    terminal = Console(stderr=True)
    wanted = session.Wanted(
        stack=options.stack,
        target=outputs.target,
        outputs=outputs.body,
        criteria=criteria,
        selected=tuple(options.only),
        profile=PROFILES[options.profile],
        backends=options.backend or session.backends(outputs.target),
        out=options.out,
        standins=(*outputs.target.standins, *(() if options.outputs else source.engine_standins())),
        resume=options.resume,
        say=lambda line: terminal.print(line, markup=False, highlight=False),
    )
    api = Api.from_kubeconfig(outputs.target.kubeconfig)
    try:
        folder, content, results = session.run(wanted, api)
    except KeyboardInterrupt:
        print("interrupted: what the run created is removed; `--resume` goes on", file=sys.stderr)
        return REFUSED
    finally:
        api.close()
    _tell(content, folder)
    return ACCEPTED if runner.accepted(results) else REFUSED


def _tell(content: report.Document, folder: Path) -> None:
    screen = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    screen.print(content["measured"], markup=False, highlight=False)
    screen.print(report.table(content))
    for name in ("report.html", "report.md", "result.json"):
        screen.print(f"Evidence: {folder / name}", markup=False, highlight=False, soft_wrap=True)


def _list(_: argparse.Namespace) -> int:
    made = Table()
    for heading in ("criterion", "requirement", "limit", "required", "measured", "needs"):
        made.add_column(heading, no_wrap=heading == "criterion")
    for one in CATALOG:
        limit = "all claims hold" if one.unit == SHARE else f"{one.threshold:g} {one.unit}"
        needs = ", ".join(need.said for need in one.needs)
        required = "yes" if one.required else "no"
        made.add_row(one.id, one.title, limit, required, _ways(one), needs)
    Console(width=None if sys.stdout.isatty() else LOG_WIDTH).print(made)
    return ACCEPTED


def _ways(one: Criterion) -> str:
    ways = [
        *(["cluster, disruptive" if one.disruptive else "cluster"] if one.cluster else []),
        *(["process"] if one.process else []),
    ]
    return " or ".join(ways) or f"not yet: {one.unmeasured}"


def _show(options: argparse.Namespace) -> int:
    run = report.read(options.run)
    _tell(run.to_json(), options.run)
    return ACCEPTED


def _compare(options: argparse.Namespace) -> int:
    runs = [report.read(one) for one in options.runs]
    if options.html:
        options.html.write_text(compare.as_page(runs), encoding="utf-8")
        print(f"written: {options.html}")
    else:
        print(compare.as_markdown(runs))
    return ACCEPTED


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
    run.add_argument("--profile", choices=tuple(PROFILES), default=QUICK.name, help="how long and hard to measure")
    run.add_argument(
        "--backend",
        type=_backends,
        metavar="cluster,process",
        help="where to measure: the stack's cluster, or the same software on this machine; "
        "default: the cluster, and this machine where the cluster runs no containers",
    )
    run.add_argument("--resume", action="store_true", help="go on with the latest run, if it was interrupted")
    show = commands.add_parser("show", help="tell about a run once more")
    show.add_argument("run", type=Path, help="its folder, for example out/validation/latest")
    more = commands.add_parser("compare", help="lay runs side by side, with the noise of each figure")
    more.add_argument("runs", type=Path, nargs="+", help="their folders")
    more.add_argument("--html", type=Path, help="write a page instead of printing Markdown")
    command.register(commands)
    return parser.parse_args(argv)


def _ids(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def _backends(text: str) -> frozenset[Backend]:
    try:
        return frozenset(Backend(name) for name in _ids(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; allowed: cluster, process") from error


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in what a shell starts in the background
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
