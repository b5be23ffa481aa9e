"""`up` and `down`: the local environment from nothing to validated, and back. Each step can be repeated by itself."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools import acquire, download, environment, venv
from tools.localstack import STACK, LocalStack, restore
from tools.places import Places, ToolsError, exclusive
from tools.run import follow, tail

MANIFESTS = "KUBEFLOW_PROOF_MANIFESTS"  # a folder with rendered upstream YAML, for machines without a network
_REFUSED = 1  # exit code of a validation that was made, and not passed
_ENV = 'eval "$(python3 -m tools env --local)"'


class StepError(Exception):
    """A step ended with an exit code that this command passes on."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One program of the sequence."""

    name: str
    does: str
    command: tuple[str, ...]
    shows: Callable[[str], bool] = lambda _line: False
    cwd: Path | None = None
    again: str = ""  # what a person types, where it is not the command itself


def up(places: Places) -> int:
    """Bring up everything that is not up yet; a second run changes nothing."""
    begun = time.monotonic()
    with exclusive(places.tools / "up.lock", "python -m tools up"):
        try:
            _bring_tools(places)
            _bring_distribution(places)
            _bring_platform(places)
            judged = _judge(places)
        except StepError as error:
            return error.code
    print(f"\nup in {time.monotonic() - begun:.0f} s. Where to look next:")
    print(f"  kubectl --kubeconfig {shlex.quote(places.relative(places.tools / 'cluster' / 'kubeconfig'))} get nodes")
    print(f"  {_ENV} && pulumi stack output --stack {STACK}")
    print(f"  evidence of the validation: the folder named above; logs: {places.relative(places.logs)}")
    print("  repeat the validation: make validate; undo everything: make down")
    return judged


def down(places: Places) -> int:
    """Undo what `up` made, tools and Python environments apart."""
    stack = LocalStack(places=places)
    with exclusive(places.tools / "up.lock", "python -m tools down"):
        try:
            if stack.state.exists():
                _remove_stack(places, stack)
            if (places.tools / "cluster").exists():
                _run(places, _cluster(places, "down", "stops the local cluster and deletes its data"))
        except StepError as error:
            return error.code
        shutil.rmtree(stack.folder, ignore_errors=True)
        stack.unsettled.unlink(missing_ok=True)
        if others := stack.others():
            print(
                f"kept: {places.relative(places.state)} and its passphrase, for your other stacks: {', '.join(others)}"
            )
        else:
            shutil.rmtree(places.state, ignore_errors=True)
            places.passphrase.unlink(missing_ok=True)
    kept = [
        folder
        for folder in (
            places.bin,
            places.venv,
            places.validation_venv,
            places.models_venv,
            places.envoy_venv,
        )
        if folder.exists()
    ]
    print(f"down. Kept for the next time: {', '.join(map(places.relative, kept)) or 'nothing'}")
    return 0


def _bring_tools(places: Places) -> None:
    begun = time.monotonic()
    print("tools: brings what is missing of the Python environments and the programs", flush=True)
    found = acquire.install(places, venv.requirements(places, "local"), measuring=True, strict=False)
    origins = sorted({one.origin.value for one in found})
    print(
        f"  tools: done in {time.monotonic() - begun:.1f} s ({len(found)} programs: {', '.join(origins)})", flush=True
    )


def _bring_distribution(places: Places) -> None:
    """Upstream's objects, from upstream or from a folder with rendered YAML. The local stack can do without them."""
    rendered = os.environ.get(MANIFESTS)
    cached = (places.tools / "cache" / "distribution").is_dir()
    if not (rendered or cached or not download.offline()):
        print(f"distribution: not cached, and nothing may be downloaded; {MANIFESTS}=DIR takes rendered YAML")
        return
    source = ("--from", rendered) if rendered else ()
    try:
        _run(places, _sync(places, *source))
    except StepError:
        print("  going on without: only the kinds of what is missing will be there", flush=True)


def _bring_platform(places: Places) -> None:
    stack = LocalStack(places=places)
    reasons = ["the last run was interrupted"] if stack.unsettled.exists() else []
    stack.prepare()
    stack.unsettled.touch()
    _run(places, _cluster(places, "up", "starts the local cluster: a real API server, simulated nodes"))
    _restore(stack)
    if stack.state.exists() and stack.left_locked():
        _run(places, _unlock())
    if stack.state.exists() and stack.cluster_changed:
        _run(places, _forget(stack, "forgets the state of the cluster that is gone"))
        stack.prepare()
    if not stack.state.exists():
        create = ("stack", "select", "--create")
        _run(places, _pulumi("stack", "creates the local stack in the file backend", *create, cwd=stack.folder))
    stack.remember_cluster()
    if stack.pending():
        reasons.append("operations were under way when the engine ended")
    if reasons and stack.resources():
        refresh = ("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
        does = f"compares the state with the cluster, because {' and '.join(reasons)}"
        _run(places, _pulumi("refresh", does, *refresh, config=stack.config))
    apply = ("up", "--yes", "--skip-preview")
    does = "brings the platform to what the stack file says"
    try:
        _run(places, _pulumi("platform", does, *apply, config=stack.config))
    except StepError:
        if not stack.left_locked():  # the engine ended in order: its state is right
            stack.unsettled.unlink(missing_ok=True)
        raise
    stack.unsettled.unlink(missing_ok=True)


def _restore(stack: LocalStack) -> None:
    if not stack.left_locked():
        return
    if said := restore(stack.state):
        print(f"state: {said}", flush=True)


def _remove_stack(places: Places, stack: LocalStack) -> None:
    stack.prepare()
    _restore(stack)
    if stack.left_locked():
        _run(places, _unlock())
    if not stack.cluster_changed:
        try:
            _run(places, _cluster(places, "status", "asks whether the local cluster is there"))
            destroy = ("destroy", "--yes", "--skip-preview")
            _run(places, _pulumi("destroy", "deletes everything that the stack made", *destroy, config=stack.config))
        except StepError:
            print("  going on: the objects disappear with the local cluster", flush=True)
    _run(places, _forget(stack, "removes the local stack from the file backend"))


def _unlock() -> Step:
    return _pulumi("unlock", "removes the lock that a killed run left", "cancel", "--yes")


def _forget(stack: LocalStack, does: str) -> Step:
    """Whatever the state still lists is in the local cluster and goes with it, hence the force."""
    return _pulumi("stack", does, "stack", "rm", "--yes", "--force", cwd=stack.folder)


def _cluster(places: Places, verb: str, does: str) -> Step:
    python = str(places.venv / "bin" / "python")
    return Step(
        name="cluster", does=does, command=(python, "-m", "infra.local", verb), shows=lambda line: bool(line.strip())
    )


def _pulumi(name: str, does: str, *arguments: str, config: Path | None = None, cwd: Path | None = None) -> Step:
    chosen = ("--config-file", str(config)) if config else ()
    command = ("pulumi", *arguments, "--stack", STACK, "--non-interactive", *chosen)
    where = f"cd {shlex.quote(str(cwd))} && " if cwd else ""
    return Step(
        name=name, does=does, command=command, cwd=cwd, shows=counts, again=f"{_ENV} && {where}{shlex.join(command)}"
    )


def counts(line: str) -> bool:
    """Whether a line of the engine belongs to its closing count of resources."""
    words = line.split()
    counted = len(words) > 1 and words[-1] in {"created", "updated", "deleted", "replaced", "unchanged", "errored"}
    return counted and words[-2].isdigit()


def _sync(places: Places, *source: str) -> Step:
    python = str(places.venv / "bin" / "python")
    return Step(
        name="distribution",
        does="brings what is not cached of upstream's objects",
        command=(python, "-m", "kubeflow.distribution", "sync", *source),
        shows=lambda line: " components, " in line,
    )


def _judge(places: Places) -> int:
    """Validate, and report about it whatever came of it; a run that did not even start has nothing to report."""
    try:
        _run(places, _workloads(places, "validation", "runs the checks and judges them by their criteria", "run"))
        judged = 0
    except StepError as error:
        if error.code != _REFUSED:
            raise
        judged = error.code
    latest = ("--run", "out/validation/latest")
    _run(places, _workloads(places, "report", "writes the final report and the portal", "report", *latest))
    return judged


def _workloads(places: Places, name: str, does: str, verb: str, *more: str) -> Step:
    python = str(places.validation_venv / "bin" / "python")
    command = (python, "-m", "workloads", verb, "--stack", STACK, *more)
    return Step(name=name, does=does, command=command, shows=lambda _line: True)


def _run(places: Places, step: Step) -> None:
    """Run a step; its whole output goes to a log, the telling lines to the terminal too."""
    log = places.logs / f"{step.name}.log"
    begun = time.monotonic()
    print(f"{step.name}: {step.does}", flush=True)

    def show(line: str) -> None:
        if step.shows(line):
            print(f"  {line.rstrip()}", flush=True)

    variables = environment.merged(places, local=True)
    program = shutil.which(step.command[0], path=variables["PATH"])
    if program is None:
        raise ToolsError(f"{step.command[0]} is missing: make tools")
    code = follow([program, *step.command[1:]], log, show, env=variables, cwd=step.cwd or places.root)
    if code == 0:
        print(f"  {step.name}: done in {time.monotonic() - begun:.1f} s", flush=True)
        return
    print(f"  {step.name}: FAILED with exit code {code} after {time.monotonic() - begun:.1f} s\n{tail(log)}")
    print(f"  whole log: {places.relative(log)}")
    again = step.again or shlex.join([places.relative(Path(step.command[0])), *step.command[1:]])
    print(f"  repeat this step: {again}", flush=True)
    raise StepError(code if code > 0 else 128 - code)
