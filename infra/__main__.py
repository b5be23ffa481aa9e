"""`python -m infra preflight --stack NAME` asks what stands against a stack; `python -m infra table` tells the rest.

A composition root, like the program itself: no module imports it, so it may join what may not know each other.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from infra import table
from infra.contract import ClusterSpec, Environment
from infra.existing.options import ExistingOptions
from infra.kubeconfig import KubeconfigError, read
from infra.preflight import Plan, checks_of
from infra.preflight.checks import CannotLookError, Live, NoCredentialsError
from infra.preflight.report import document, lines, summary
from infra.preflight.runner import Result, fine, run
from kubeflow.install import conflicts, expanded, gates
from kubeflow.install.apiserver import ApiServer, Json, RefusedError, UnreachableError
from kubeflow.install.kinds import WEBHOOKS
from stacks.decode import SettingsError
from stacks.load import load
from stacks.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "environments" / "README.md"
_WIDE = (100, 24)
_T = TypeVar("_T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answer its exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    ask = commands.add_parser(
        "preflight",
        help="check, before any money is spent, whether a stack can be made",
        epilog="exit status: 0 nothing found that stands against it, 1 something does",
    )
    ask.add_argument("--stack", required=True, metavar="NAME", help="stacks/Pulumi.NAME.yaml")
    ask.add_argument("--json", action="store_true", help="print JSON; progress goes to standard error")
    ask.add_argument("--offline", action="store_true", help="only what the stack file tells")
    ask.add_argument("--kubeconfig", type=Path, metavar="FILE", help="of an existing cluster, where it is a secret")
    tell = commands.add_parser("table", help="print the table of environments")
    tell.add_argument("--write", action="store_true", help=f"into {TABLE.relative_to(ROOT)}")
    chosen = parser.parse_args(arguments)
    return _table(write=chosen.write) if chosen.command == "table" else _preflight(chosen)


def _preflight(chosen: argparse.Namespace) -> int:
    try:
        settings = load(_stack_file(chosen.stack))
    except (SettingsError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    width = shutil.get_terminal_size(fallback=_WIDE).columns
    progress = sys.stderr if chosen.json else sys.stdout

    def show(result: Result) -> None:
        for line in lines(result, width):
            print(line, file=progress, flush=True)

    today = dt.datetime.now(dt.UTC).date()
    plan = Plan(spec=settings.cluster, today=today, live=_live(settings, chosen.kubeconfig))
    results = run(checks_of(plan), show, offline=chosen.offline)
    print(summary(results), file=progress)
    if chosen.json:
        print(document(chosen.stack, settings.cluster.environment.value, results))
    return 0 if fine(results) else 1


def _table(*, write: bool) -> int:
    text = table.document(examples())
    if write:
        TABLE.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


def examples() -> dict[str, ClusterSpec]:
    """The cluster of each environment's example stack file."""
    return {item.value: load(path).cluster for item in Environment if (path := _stack_file(item.value)).is_file()}


def _stack_file(name: str) -> Path:
    return ROOT / "stacks" / f"Pulumi.{name}.yaml"


def _live(settings: Settings, given: Path | None) -> Callable[[], Live]:
    """The way into a cluster that is there already, taken when the first check looks."""

    def look() -> Live:
        options = settings.cluster.options
        if not isinstance(options, ExistingOptions):
            raise CannotLookError("the cluster is not there yet")
        path = given or (Path(options.kubeconfig_path) if options.kubeconfig_path else None)
        if path is None:
            secret = (
                "pulumi config get kubeconfig"
                if options.stack is None
                else (f"pulumi stack output kubeconfig --show-secrets --stack {options.stack}")
            )
            raise CannotLookError("the kubeconfig is a secret", f"{secret} > FILE, then --kubeconfig FILE")
        try:
            return _LiveCluster(read(path, key="kubeconfig"), settings)
        except KubeconfigError as error:
            raise NoCredentialsError(str(error), "name a kubeconfig that can be read") from error

    return look


class _LiveCluster:
    """A given cluster, as the kubeconfig's user, judged by what would be installed in it."""

    def __init__(self, kubeconfig: str, settings: Settings) -> None:
        self._server = _translated(lambda: ApiServer(kubeconfig))
        chosen = dict.fromkeys(expanded(settings.platform.components))
        self._choices = conflicts.choices(chosen, settings.platform.existing)

    def get(self, path: str) -> dict[str, Any] | None:
        """An object or a list; None if there is none."""
        return _translated(lambda: self._server.get(path))

    def conflicts(self) -> list[str]:
        """What is in the way of the platform's components, with the ways out."""
        return _translated(lambda: conflicts.problems(self._server, self._choices))

    def silent_webhooks(self) -> dict[str, list[str]]:
        """Webhook configurations that the API server calls in pods, with what keeps each from answering."""
        return _translated(
            lambda: {
                name: gates.examine(self._server, name)
                for kind in sorted(WEBHOOKS)
                for item in self._server.items(f"/apis/admissionregistration.k8s.io/v1/{kind.lower()}s")
                if _calls_pods(item) and (name := f"{kind}/{item['metadata']['name']}")
            }
        )


def _calls_pods(configuration: Json) -> bool:
    webhooks: list[Json] = configuration.get("webhooks") or []
    return any("service" in webhook["clientConfig"] for webhook in webhooks)


def _translated(look: Callable[[], _T]) -> _T:
    try:
        return look()
    except UnreachableError as error:
        raise NoCredentialsError(str(error), "see the kubeconfig: its server and its user") from error
    except RefusedError as error:
        raise CannotLookError(f"the API server refuses: {error}", "give the right to the kubeconfig's user") from error


if __name__ == "__main__":
    sys.exit(main())
