"""Command line of observability: dashboards and rules of a finished stack, for a Grafana and a Prometheus elsewhere."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from . import alerts, dashboards
from .facts import FactsError, from_outputs


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status says whether it was done."""
    options = _parser().parse_args(arguments)
    try:
        facts = from_outputs(json.loads(_outputs(options)))
    except (FactsError, OSError, json.JSONDecodeError, subprocess.CalledProcessError) as error:
        said = error.stderr if isinstance(error, subprocess.CalledProcessError) else error
        print(f"error: {said}", file=sys.stderr)
        return 2
    made = {
        **{f"dashboards/{name}": text for name, text in dashboards.files(facts).items()},
        **{f"rules/{name}": text for name, text in alerts.files(facts).items()},
    }
    for name, text in made.items():
        path: Path = options.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(made)} files in {options.folder}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kubeflow.observability", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="write dashboards (JSON) and rules (YAML)")
    export.add_argument("folder", type=Path, metavar="DIR")
    source = export.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--outputs", metavar="FILE", help="output of `pulumi stack output --json`; - reads it from stdin"
    )
    source.add_argument("--stack", metavar="NAME", help="ask the engine")
    return parser


def _outputs(options: argparse.Namespace) -> str:
    """The outputs, without secrets: no dashboard needs one."""
    if options.stack is not None:
        command = ["pulumi", "stack", "output", "--json", "--stack", options.stack]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sys.stdin.read() if options.outputs == "-" else Path(options.outputs).read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
