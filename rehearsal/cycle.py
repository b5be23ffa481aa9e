"""The life of a cloud stack, rehearsed: `python -m rehearsal.cycle [--stack NAME]`. Never reaches a real cloud.

The real engine runs this repository's program with the committed stack file. Cloud resources go to the stand-in cloud,
Kubernetes objects through the generated kubeconfig to a real API server on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import yaml

from infra.contract import Environment
from infra.local.control_plane import ControlPlaneError
from rehearsal import report
from rehearsal.changes import CHANGES
from rehearsal.engine import ROOT, Engine, EngineError
from rehearsal.ground import GroundError, ground
from rehearsal.life import Life, Plan
from stacks.load import settings_from

CLOUDS = (Environment.EKS, Environment.AKS, Environment.GKE, Environment.ACK, Environment.VSPHERE)
OUT = ROOT / "out" / "rehearsal"
FULL = Plan(changes=CHANGES, created=6, destroyed=2, second_life=True)


def rehearse(
    stack: str,
    plan: Plan,
    *,
    components: Sequence[str] = (),
    pack: Path | None = None,
    tools: Path = ROOT / ".tools" / "bin",
    out: Path = OUT,
) -> dict[str, Any]:
    """Rehearse one stack; what was found, as it is written to `out`."""
    tell = report.Teller(stack)
    config: dict[str, Any] = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text("utf-8"))["config"]
    result: dict[str, Any] = {"stack": stack, "components": list(components)}
    try:
        with _folder() as folder, ground(folder, tools) as place:
            objects = {name: config[f"kubeflow-proof:{name}"] for name in ("cluster", "platform")}
            spec = settings_from(objects).cluster
            place.up(spec.environment.value, spec.pools, spec.region)
            engine = Engine(folder / "engine", tools, stack, place.environment())
            tell.say(f"API server {place.server}, stack {engine.stack}, everything in {folder}")
            life = Life(engine, place, tell, spec.environment.value, pack)
            result |= life.live(config, plan, components)
    except (ControlPlaneError, EngineError, GroundError) as error:
        tell.wrong(str(error))
    result |= {"wall_s": tell.seconds, "problems": tell.problems}
    tell.say(f"written: {report.write(out, result)}")
    return result


@contextlib.contextmanager
def _folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="kubeflow-proof-rehearsal-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def policies() -> Path | None:
    """This repository's policy pack, if it has one."""
    folder = ROOT / "policies"
    return folder if (folder / "PulumiPolicy.yaml").exists() else None


def stacks() -> list[str]:
    """The committed stacks of clouds."""
    return [one.value for one in CLOUDS if (ROOT / "stacks" / f"Pulumi.{one.value}.yaml").exists()]


def main() -> int:
    """Rehearse the stacks that were asked for; 0 only when everything was as expected."""
    known = stacks()
    parser = argparse.ArgumentParser(prog="python -m rehearsal.cycle", description=__doc__)
    parser.add_argument("--stack", choices=known, help="one of the clouds; all of them if it is left out")
    parser.add_argument(
        "--components", nargs="*", default=(), help="components of upstream to install; none by default"
    )
    parser.add_argument("--no-policies", action="store_true", help="preview without the policy pack")
    asked = parser.parse_args()
    chosen = [asked.stack] if asked.stack else known
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # then everything is tidied up, too
    pack = None if asked.no_policies else policies()
    results = [rehearse(name, FULL, components=asked.components, pack=pack) for name in chosen]
    sys.stdout.write(f"\n{report.table(results)}\n")
    for one in results:
        sys.stdout.writelines(f"{one['stack']}: {problem}\n" for problem in one["problems"])
    return int(any(one["problems"] for one in results))


if __name__ == "__main__":
    sys.exit(main())
