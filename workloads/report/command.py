"""The commands about a stack that judge nothing: `report`, `portal`, `topology`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from tools.places import ROOT
from workloads import portal, source
from workloads.topology import TopologyError, chart, tenant_view
from workloads.topology.svg import drawing

from .files import put
from .final import Given, build
from .model import ReportError, read
from .page import page
from .stack import Stack, of

DONE = 0

Commands = Any  # what `argparse.ArgumentParser.add_subparsers` gives back has no public type


def register(commands: Commands) -> None:
    """Add the commands to a parser; each sets `handler`, which takes the options and gives back the exit code."""
    final = _of_stack(commands, "report", "write the final report of a stack, with its evidence")
    final.add_argument("--compare", type=Path, action="append", default=[], metavar="RUN", help="another run")
    final.add_argument("--cost", type=Path, action="append", default=[], metavar="FILE", help="costs, as JSON")
    for name, said in (
        ("policy", "results of the policies"),
        ("exemptions", "exemptions"),
        ("flow-proof", "flow proof"),
    ):
        final.add_argument(f"--{name}", type=Path, action="append", default=[], metavar="FILE", help=said)
    final.add_argument(
        "--key", type=Path, metavar="FILE", help="private SSH key that signs the manifest of the evidence"
    )
    final.set_defaults(handler=_report)

    door = _of_stack(commands, "portal", "write the front page of a stack")
    door.add_argument("--dashboards", action="append", default=[], metavar="TITLE=ADDRESS", help="link to dashboards")
    door.add_argument("--reports", action="append", default=[], metavar="TITLE=ADDRESS", help="link to a report")
    door.set_defaults(handler=_portal)

    drawn = _of_stack(commands, "topology", "draw who is connected to whom")
    drawn.add_argument("--tenant", help="only what concerns this tenant")
    drawn.set_defaults(handler=_topology)


def _of_stack(commands: Commands, name: str, said: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=said)
    parser.add_argument("--stack", required=True, help="name of the stack")
    parser.add_argument("--outputs", type=Path, help="read the stack's outputs from this file instead of the engine")
    parser.add_argument("--run", type=Path, help="folder of a run, for example out/validation/latest")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where it is written")
    return parser


def _say(line: str) -> None:
    Console().print(line, markup=False, highlight=False, soft_wrap=True)


def _report(options: argparse.Namespace) -> int:
    proofs = [
        *(("Results of the policies", path) for path in options.policy),
        *(("Exemptions", path) for path in options.exemptions),
        *(("Proof of the flows", path) for path in options.flow_proof),
    ]
    wanted = Given(
        root=ROOT, run=options.run, others=tuple(options.compare), costs=tuple(options.cost), proofs=tuple(proofs),
        key=options.key,
    )  # fmt: skip
    folder = build(_stack(options), wanted, options.out)
    _say(f"Report: {folder / 'report.html'}")
    _say(f"Portal: {folder / 'portal.html'}")
    return DONE


def _portal(options: argparse.Namespace) -> int:
    run = None if options.run is None else read(options.run)
    stack, now = _stack(options), datetime.now(tz=UTC)
    links = {name: tuple(map(_link, getattr(options, name))) for name in ("dashboards", "reports")}
    target = options.out / "portal" / f"{stack.name}.html"
    put(target, portal.portal(stack, run, now=now, **links))
    _say(f"Portal: {target}")
    return DONE


def _link(text: str) -> tuple[str, str]:
    title, equals, address = text.partition("=")
    if not equals or not address.startswith(("https://", "http://", "./", "../")):
        raise ReportError(f"{text}: expected TITLE=ADDRESS with an address of http, https or of a file beside the page")
    return title, address


def _topology(options: argparse.Namespace) -> int:
    stack = _stack(options)
    if not stack.layers:
        raise TopologyError(f"stack {stack.name}: its outputs hold no topology; bring it up with this version first")
    if options.tenant is not None and options.tenant not in stack.tenants:
        raise TopologyError(f"--tenant {options.tenant}: expected one of {', '.join(stack.tenants) or 'none'}")
    chosen = [tenant_view(layer, options.tenant) if options.tenant else layer for layer in stack.layers]
    shown = [layer for layer in chosen if layer.nodes]
    folder = options.out / "topology" / stack.name
    for layer in shown:
        put(folder / f"{layer.id}.mmd", chart(layer))
    sections = [(layer.id, layer.title, drawing(layer)) for layer in shown]
    put(folder / "topology.html", page(f"Topology of stack {stack.name}", "", sections, footer=stack.digest))
    _say(f"Topology: {folder / 'topology.html'}")
    return DONE


def _stack(options: argparse.Namespace) -> Stack:
    outputs = source.from_file(options.outputs) if options.outputs else source.from_stack(options.stack)
    return of(outputs.body, name=options.stack)
