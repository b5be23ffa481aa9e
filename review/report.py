"""Everything that one check found about one stack, and the verdict. Formats nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from policies.guardrails.rule import Resource
from rehearsal.kubernetes_provider.diff import show

from .changes import Change, Difference, Operation, differences
from .cost import Estimate
from .findings import Exempted, Finding
from .hiding import shown
from .markup import counted
from .previews import Preview
from .topology import Topology


class Verdict(IntEnum):
    """The exit status."""

    FINE = 0
    REFUSED = 1
    BROKEN = 2  # not planned or not judged as a whole: nobody may take it for fine


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One planned side with its cost."""

    preview: Preview = field(repr=False)
    cost: Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One stack."""

    stack: str
    file: str  # of the stack, relative to the repository
    ref: str  # what it is compared with
    head: Side | None
    base: Side | None
    new: bool = False  # the base has no such stack
    problems: tuple[str, ...] = ()  # why a side is missing
    changes: tuple[Change, ...] = ()
    edits: tuple[Difference, ...] = ()  # of the stack file
    topology: Topology | None = None
    rules_changed: bool = False  # the pack or an exemption's reader is not that of the base
    lifted: tuple[str, ...] = ()  # what the base's rules refuse and those of this tree do not
    left_out: tuple[str, ...] = ()  # what this check did not look at

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the pack says of the head."""
        return self.head.preview.findings if self.head else ()

    @property
    def stopping(self) -> tuple[Finding, ...]:
        """Those that stop the change."""
        return tuple(one for one in self.findings if one.stops)

    def is_new(self, finding: Finding) -> bool:
        """Whether the base does not have it."""
        return self.base is None or finding.key not in {one.key for one in self.base.preview.findings}

    @property
    def compared(self) -> bool:
        """Whether the changes are all that there are."""
        planned = self.head is not None and self.head.preview.planned
        return planned and (self.new or (self.base is not None and self.base.preview.planned))

    @property
    def granted(self) -> tuple[Exempted, ...]:
        """Exemptions that the base does not have."""
        olds = self.base.preview.exempted if self.base else ()
        return tuple(one for one in self.head.preview.exempted if one not in olds) if self.head and self.base else ()

    @property
    def locked(self) -> tuple[Change, ...]:
        """Protected resources that the change would take away; the engine refuses that in the middle of an update."""
        return tuple(one for one in self.changes if one.protected and one.loses)

    @property
    def broken(self) -> tuple[str, ...]:
        """Why this is no whole judgement."""
        reasons = list(self.problems)
        if self.head is not None:
            preview = self.head.preview
            reasons += [f"the head is not planned: {one}" for one in preview.errors]
            if preview.planned and not preview.judged:
                reasons.append("the policy pack did not run to its end")
        if self.base is not None:
            reasons += [f"the base is not planned: {one}" for one in self.base.preview.errors]
        if self.topology is not None and self.topology.head.missing:
            reasons.append(f"the flows of the head cannot be proven: {self.topology.head.missing}")
        return tuple(reasons)

    @property
    def refused(self) -> tuple[str, ...]:
        """Why the change must not be merged, in a few words each."""
        reasons: list[str] = []
        fresh = [one for one in self.stopping if self.is_new(one)]
        known = [one for one in self.stopping if not self.is_new(one)]
        if fresh:
            what = "new mandatory finding" if self.base else "mandatory finding"
            reasons.append(f"{counted(len(fresh), what)}: {_rules(fresh)}")
        if known:
            reasons.append(f"{counted(len(known), 'mandatory finding')} that the base has, too: {_rules(known)}")
        if self.topology is not None and self.topology.head.findings:
            count = counted(len(self.topology.head.findings), "difference")
            reasons.append(f"{count} between policies and the table of flows")
        if self.lifted:
            reasons.append(f"{counted(len(self.lifted), 'finding')} of the base's own rules, lifted by this change")
        if self.locked:
            reasons.append(f"{counted(len(self.locked), 'protected resource')} would be deleted or replaced")
        return tuple(reasons)

    @property
    def verdict(self) -> Verdict:
        """What follows."""
        if self.refused:
            return Verdict.REFUSED
        return Verdict.BROKEN if self.broken or self.head is None else Verdict.FINE

    @property
    def operations(self) -> Mapping[Operation, int]:
        """How many resources each operation is for."""
        return Counter(one.operation for one in self.changes)


def _rules(found: Sequence[Finding]) -> str:
    by_rule = Counter(one.rule for one in found)
    return ", ".join(f"{rule}{f' ({count})' if count > 1 else ''}" for rule, count in by_rule.items())


def edits(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What differs between two stack files, as far as it may be shown."""
    found: list[Difference] = []
    holder = [Resource(type="stackfile", name="", urn="", inputs=one) for one in (before, after)]
    for path, old, new in differences(before, after, leaves=True):
        text = show((str(path[0]).rpartition(":")[2], *path[1:]))
        told = [shown(one, path, value) for one, value in zip(holder, (old, new), strict=True)]
        found.append(Difference(path=text, before=told[0], after=told[1], replaces=False))
    return tuple(found)
