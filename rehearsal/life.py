"""One stack from its first preview to its end, and back: each step is judged as it is done. Writes no file."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import leftovers
from rehearsal.changes import (
    SECRETS,
    Change,
    Config,
    Expected,
    edited,
    like,
    problems,
    reached_at,
    starting,
    unprotected,
    with_late_tenant,
)
from rehearsal.engine import Engine, EngineError, Ran, single
from rehearsal.faults import CREATE_KINDS, Fault, Injected, cloud_types, next_target, of_change, of_destruction
from rehearsal.ground import Ground
from rehearsal.report import Teller

_INJECTED = "injected by the rehearsal"
_UNREACHABLE = "cluster is unreachable"
_NODES = "simulated nodes: nothing runs in pods"
_HELD = 60.0  # seconds for which a call is held until the engine is killed
_DESTROY = ("destroy", "--yes", "--skip-preview")
_BY_CERTIFICATE = frozenset({"vsphere"})  # environments whose kubeconfig names no command


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much of a life is rehearsed."""

    changes: tuple[Change, ...]
    created: int  # failures while a stack comes up for the second time
    destroyed: int  # failures while it is destroyed
    second_life: bool


class Life:
    """The steps, in their order."""

    def __init__(self, engine: Engine, place: Ground, tell: Teller, environment: str, pack: Path | None) -> None:
        self._engine, self._place, self._tell, self._environment = engine, place, tell, environment
        self._injected: list[Injected] = []
        self._stand_ins: set[str] = set()
        self._left: list[str] = []
        self._config: Config = {}
        self._before = frozenset[str]()
        self._pack = ("--policy-pack", str(pack)) if pack is not None else ()

    def live(self, config: Config, plan: Plan, components: Sequence[str]) -> dict[str, Any]:
        """Come up, change, fail, recover and go; the figures of it."""
        self._before = frozenset(self._place.objects())
        self._config = reached_at(starting(config, components), self._place.endpoint)
        self._engine.configure(self._config, SECRETS.get(self._environment))
        result: dict[str, Any] = {"policies": bool(self._pack)}
        self._tell.say(
            f"previews run {'with' if self._pack else 'without'} policies; components: {components or 'none'}"
        )
        planned = self._done("preview", self._engine.preview(*self._pack))
        if planned.code == 0 and self._first_life(plan, result) and plan.second_life:
            self._second_life(planned, plan.created)
        survived = sum(one.survived for one in self._injected)
        self._tell.expect(survived == len(self._injected), f"{len(self._injected) - survived} failures not survived")
        self._tell.say(f"leftovers: {len(self._left)}")
        return result | {
            "standins": sorted({*self._stand_ins, *self._commands(), _NODES}),
            "faults_injected": len(self._injected),
            "faults_survived": survived,
            "faults": [{"what": one.what, "survived": one.survived} for one in self._injected],
            "leftovers": len(self._left),
            "left": self._left,
            "peak_rss_mb": self._engine.peak_kib // 1024,
        }

    def _first_life(self, plan: Plan, result: dict[str, Any]) -> bool:
        """Up, every change, and down again; whether that went well enough to go on."""
        made = self._done("up", self._engine.up())
        there = self._engine.resources()
        result |= {"up_s": round(made.seconds, 1), "resources": sum(single(one["type"]) for one in there)}
        if made.code != 0:
            return False  # protected as it is, and with the rehearsal's folder everything goes
        self._only_stand_ins(there)
        result["second_preview_changes"] = self._settled()
        result["changes"] = [self._change(change, number) for number, change in enumerate(plan.changes)]
        self._settled()
        self._protection()
        result["retained"] = sorted(self._destroy(plan.destroyed))
        return not self._left

    def _only_stand_ins(self, resources: Sequence[Mapping[str, Any]]) -> None:
        """Whatever made these resources has said that it is no official plugin; the kubeconfig's command was run."""
        packages = {one["type"].partition(":")[0] for one in resources} - {"proof", "pulumi"}
        silent = [
            name for name in packages if not any(one.startswith(f"{name} ") for one in map(str.lower, self._stand_ins))
        ]
        if silent:
            raise EngineError(f"{', '.join(silent)}: no stand-in spoke up; a rehearsal must not reach a real cloud")
        used = self._commands() or self._environment in _BY_CERTIFICATE
        self._tell.expect(used, "the generated kubeconfig ran no credential command")

    def _done(self, what: str, ran: Ran) -> Ran:
        """Note a run that has to succeed."""
        self._stand_ins |= ran.stand_ins
        said = (
            ", ".join(f"{count} {operation}" for operation, count in sorted(_by_operation(ran).items())) or "no change"
        )
        self._tell.say(f"{what}: {said} ({ran.seconds:.1f} s)")
        self._tell.expect(ran.code == 0, f"{what} failed: {_reason(ran)}")
        return ran

    def _settled(self) -> int:
        """A preview of what is already there changes nothing."""
        ran = self._done("preview of what is there", self._engine.preview())
        changed = sum(ran.operations.values())
        self._tell.expect(changed == 0, f"a second preview plans {dict(ran.operations)}")
        return changed

    def _change(self, change: Change, number: int) -> dict[str, Any]:
        """Plan it, let it fail once, and complete it."""
        resources = self._engine.resources()
        there = Counter(one["type"] for one in resources)
        self._config = edited(self._config, change.edit)
        self._engine.configure(self._config)
        planned = self._done(change.name, self._engine.preview(*self._pack))
        expected = change.expected.get(self._environment)
        if change.model is not None:
            expected = Expected(creates=like(resources, change.model(self._config)))
        wrong = problems(expected, planned.operations, there)
        for one in wrong:
            self._tell.wrong(f"{change.name}: {one}")
        fault = of_change([(operation, kind) for operation, kind, _ in planned.steps], CREATE_KINDS[-1 - number])
        if fault is not None:
            self._fail(fault)
        self._complete(f"{change.name}, applied")
        counted = {f"{operation} {kind}": count for (operation, kind), count in sorted(planned.operations.items())}
        return {"name": change.name, "operations": counted, "judged": expected is not None, "as_expected": not wrong}

    def _fail(self, fault: Fault) -> None:
        """An update with an injected failure has to fail, and to say why."""
        self._tell_failure(fault.what, _INJECTED, self._engine.up(faults=fault.rule, checkpoints=True))

    def _tell_failure(self, what: str, cause: str, ran: Ran) -> None:
        failed = ran.code != 0 and any(cause in text for text in ran.errors)
        self._injected.append(Injected(what=what, failed=failed))
        self._tell.say(f"injected: {what} ({ran.seconds:.1f} s)")
        self._tell.expect(failed, f"{what}: the run did not fail of it but ended with {ran.code}: {_reason(ran)}")

    def _complete(self, what: str) -> Ran:
        """Repeat the update; what failed before is survived by it."""
        ran = self._done(what, self._engine.up())
        for one in self._injected:
            one.survived = one.survived or (one.failed and ran.code == 0)
        return ran

    def _without_api_server(self) -> None:
        """An update that needs the API server while it is away has to fail, and to say why."""
        self._config = with_late_tenant(self._config)  # whatever earlier failures left to be made
        self._engine.configure(self._config)
        self._place.lose_api_server()
        self._tell_failure("API server killed before an update", _UNREACHABLE, self._engine.up(checkpoints=True))
        self._place.plane.up()

    def _protection(self) -> None:
        """Nothing is destroyed while the configuration protects it."""
        there = len(self._engine.resources())
        ran = self._engine.operate("destroy", "--yes")  # with its preview: the engine then refuses before it deletes
        refused = ran.code != 0 and any("protected" in text for text in ran.errors)
        self._tell.say(
            f"destroy of the protected stack: {'refused' if refused else 'NOT refused'} ({ran.seconds:.1f} s)"
        )
        self._tell.expect(refused, f"destroy of a protected stack ended with {ran.code}: {_reason(ran)}")
        self._tell.expect(len(self._engine.resources()) == there, "a refused destroy deleted something")
        self._config = unprotected(self._config)
        self._engine.configure(self._config)
        ran = self._done("protection off", self._engine.up())
        self._tell.expect(set(_by_operation(ran)) <= {"update"}, "taking protection off does more than update")

    def _destroy(self, faults: int) -> frozenset[str]:
        """Destroy everything, with failures on the way; URNs that are meant to stay."""
        resources = self._engine.resources()
        for fault in list(of_destruction([one["type"] for one in resources]))[:faults]:
            ran = self._engine.operate(*_DESTROY, faults=fault.rule, checkpoints=True)
            self._tell_failure(fault.what, _INJECTED, ran)
        ran = self._done("destroy", self._engine.operate(*_DESTROY))
        for one in self._injected:
            one.survived = one.survived or (one.failed and ran.code == 0)
        kept = leftovers.kept(resources)
        self._look(kept, leftovers.gone_with(resources))
        return kept

    def _second_life(self, planned: Ran, faults: int) -> None:
        """A new cluster, against failures of all kinds, a killed engine among them."""
        self._place.renew()
        self._before = frozenset(self._place.objects())
        self._engine.environment |= self._place.environment()
        self._config = reached_at(self._config, self._place.endpoint)
        self._engine.configure(self._config)
        tried: set[str] = set()
        for number in range(faults):
            there = {one["urn"] for one in self._engine.resources()}
            remaining = [(operation, kind) for operation, kind, urn in planned.steps if urn not in there]
            token = next_target(cloud_types(remaining, "create"), tried, faults - number)
            if token is None:
                break
            tried.add(token)
            if number == faults // 2:
                self._kill(Fault(token=token, action="create", kind="timeout", seconds=_HELD))
            else:
                self._fail(Fault(token=token, action="create", kind=CREATE_KINDS[number]))
        self._without_api_server()
        self._complete("up, completed")
        self._settled()
        self._destroy(0)

    def _kill(self, fault: Fault) -> None:
        """Kill the engine while the cloud makes something, and take the state up from there."""
        one = Injected(what=f"engine killed during create of {fault.token}")
        self._injected.append(one)
        held = sum(line["method"] == "Fault" for line in self._engine.journal())
        with self._engine.started("up", "--yes", "--skip-preview", faults=fault.rule, checkpoints=True) as process:
            end = time.monotonic() + _HELD
            while sum(line["method"] == "Fault" for line in self._engine.journal()) == held:
                if process.poll() is not None or time.monotonic() > end:
                    self._tell.wrong(f"{one.what}: the engine ended before")
                    return
                time.sleep(0.2)
            self._engine.wait_until_quiet(end)  # whatever else is under way gets into the state
            process.kill()
            process.communicate()
        one.failed = True
        self._tell.say(f"injected: {one.what}")
        self._engine.bare("cancel", "--yes", "--stack", self._engine.stack)
        self._done("refresh", self._engine.operate("refresh", "--yes", "--skip-preview", "--clear-pending-creates"))

    def _look(self, kept: Collection[str], excused: Collection[tuple[str, str]]) -> None:
        """Everything that outlived the stack, and was not meant to."""
        left = [f"state: {one['urn']}" for one in self._engine.resources()]
        left += [f"cloud: {urn}" for urn in leftovers.in_cloud(self._engine.journal()) if urn not in kept]
        left += [f"API server: {path}" for path in leftovers.on_server(self._before, self._place.objects(), excused)]
        for one in left:
            self._tell.wrong(f"left behind: {one}")
        self._left += left

    def _commands(self) -> list[str]:
        """The credential commands that the generated kubeconfig ran."""
        ran = {line["subject"] for line in self._engine.journal() if line["method"] == "Credential"}
        return [f"command {name}" for name in sorted(ran)]


def _by_operation(ran: Ran) -> Counter[str]:
    counts = Counter[str]()
    for (operation, _), count in ran.operations.items():
        counts[operation] += count
    return counts


def _reason(ran: Ran) -> str:
    """The errors of a run, shortened; the end of its output where there is none."""
    found = "; ".join(re.sub(r"\s+", " ", text) for text in ran.errors) or ran.text[-600:]
    return found[:800]
