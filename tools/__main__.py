"""Command line: `python -m tools {install,doctor,env,up,down}`."""

from __future__ import annotations

import argparse
import sys

from tools import acquire, doctor, environment, lifecycle, venv
from tools.places import ROOT, Places, ToolsError, exclusive
from tools.table import CONTROLLERS


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    top = argparse.ArgumentParser(prog="python -m tools", description="Tools, local environment, and what they need.")
    verbs = top.add_subparsers(dest="verb", required=True)
    installing = verbs.add_parser(
        "install", help="bring the tools and the Python environments; does only what is left to do"
    )
    richer = installing.add_mutually_exclusive_group()
    richer.add_argument("--dev", action="store_true", help="the environment of the tests too")
    richer.add_argument(
        "--environment",
        choices=(*venv.ENVIRONMENTS, "existing", "local"),
        default="local",
        help="with the SDK of that environment too",
    )
    looking = verbs.add_parser("doctor", help="tell what is there and what is missing; exit code 1 if something is")
    looking.add_argument("--json", action="store_true", help="for programs")
    printing = verbs.add_parser("env", help='print shell variables: eval "$(python3 -m tools env)"')
    printing.add_argument("--local", action="store_true", help="as for the local stack, wherever other stacks are kept")
    verbs.add_parser("controllers", help="build upstream's controllers, which the tests run on the local control plane")
    verbs.add_parser("up", help="local cluster, platform and validation, from nothing or from wherever it stands")
    verbs.add_parser("down", help="undo `up`; the tools and the Python environments stay")
    return top


def install(places: Places, *, dev: bool, environment: str) -> None:
    """Bring what an environment needs, or what the tests of all of them need."""
    wanted = venv.platform(places).files[0] if dev else venv.requirements(places, environment)
    acquire.install(places, wanted, measuring=dev or environment == "local", strict=dev)


def main() -> int:
    """Do what the command line asks for."""
    asked = parser().parse_args()
    places = Places(root=ROOT)
    code = 0
    try:
        match asked.verb:
            case "install":
                install(places, dev=asked.dev, environment=asked.environment)
                code = doctor.report(places, as_json=False)
            case "doctor":
                code = doctor.report(places, as_json=asked.json)
            case "env":
                print(environment.shell(environment.variables(places, local=asked.local)))
            case "controllers":
                with exclusive(places.tools / "lock", "python -m tools controllers"):
                    acquire.bring(places, CONTROLLERS)
            case "up":
                code = lifecycle.up(places)
            case _:
                code = lifecycle.down(places)
    except ToolsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
