"""A report as the text of a pull request's comment: the verdict first, long lists folded, never above the limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from .changes import Change, Difference, Operation
from .costs import cost_section
from .findings import Finding
from .markup import FEW, cell, code, counted, folded, line, names, table
from .report import Report, Verdict
from .topology import Edge, Reach, mermaid

LIMIT = 60_000  # bytes; a comment holds 65,536 characters
_SHOWN = 60  # rows of a folded list
_VERDICTS = {
    Verdict.FINE: "✅ **Fine.** Nothing here stops the change.",
    Verdict.REFUSED: "⛔ **Refused.**",
    Verdict.BROKEN: "❓ **Not judged.** This is no approval.",
}
_MARKS = {
    Operation.DELETE: "🟥 **delete**",
    Operation.REPLACE: "🟧 **replace**",
    Operation.UPDATE: "update",
    Operation.CREATE: "create",
}


def marker(stack: str) -> str:
    """By which the comment of a stack is found again; invisible."""
    return f"<!-- kubeflow-proof:pr-check:{stack} -->"


def markdown(report: Report) -> str:
    """The whole comment. If it is too long, lists get shorter, the verdict never."""
    for rows in (_SHOWN, 20, 5, 0):
        text = "\n".join(_sections(report, rows)).rstrip() + "\n"
        if len(text.encode()) < LIMIT:
            return text
    return text.encode()[: LIMIT - 200].decode(errors="ignore") + "\n\nCut here: the whole report is in the artifact.\n"


def _sections(report: Report, rows: int) -> Iterator[str]:
    yield marker(report.stack)
    yield f"## Stack `{report.stack}`: what this pull request would change"
    yield ""
    yield from _verdict(report)
    yield from _edits(report, rows)
    yield from _changes(report, rows)
    yield from _findings(report, rows)
    yield from cost_section(report)
    yield from _topology(report, rows)
    yield from _open(report, rows)


def _verdict(report: Report) -> Iterator[str]:
    yield _VERDICTS[report.verdict]
    yield ""
    yield from (f"- {reason}" for reason in report.refused)
    yield from (f"- **not judged:** {line(reason)}" for reason in report.broken)
    counts = ", ".join(f"{report.operations.get(one, 0)} {one.value}" for one in Operation)
    compared = f"compared with where the branch left `{report.ref}`" if report.base else "compared with nothing"
    sides = [side.preview.label for side in (report.head, report.base) if side]
    told = counts if report.compared else "no comparison"
    yield f"- resources: {told}; {compared} ({' against '.join(sides)})"
    if report.rules_changed:
        yield "- ⚠️ **the rules themselves change in this pull request** (`policies/`): review them first"
    if report.granted:
        granted = ", ".join(f"{code(one.rule)} for {code(one.resource)}" for one in report.granted[:FEW])
        yield f"- ⚠️ **{counted(len(report.granted), 'exemption')} new in this pull request**: {granted}"
    if report.new:
        yield "- the stack is new: everything is created"
    yield ""


def _edits(report: Report, rows: int) -> Iterator[str]:
    if report.edits:
        lines = [f"| `{one.path}` | {code(one.before)} | {code(one.after)} |" for one in report.edits]
        yield f"### `{report.file}`"
        yield from table("| key | before | after |", lines, rows, "changed key")


def _changes(report: Report, rows: int) -> Iterator[str]:
    losing = [one for one in report.changes if one.loses]
    if losing:
        yield "### Replaced and deleted: look here first"
        yield from table("| | resource | because of |", [_lost(one) for one in losing], max(rows, FEW), "loss")
    others = [one for one in report.changes if not one.loses]
    if others:
        yield "### Created and updated"
        yield from table("| | resource | properties |", [_change(one) for one in others], rows, "resource")
    if report.compared and not report.changes:
        yield "No planned resource differs."
        yield ""


def _lost(one: Change) -> str:
    why = _differences([item for item in one.differences if item.replaces] or one.differences[:3])
    marks = " 🔒 protected: the engine refuses" if one.protected else ""
    needed = f"; {one.dependents} planned resources refer to it" if one.dependents else ""
    return f"| {_MARKS[one.operation]}{marks} | {code(one.address)} | {why}{needed} |"


def _change(one: Change) -> str:
    doubt = "" if one.sure else " (whether this replaces it is not known here)"
    return f"| {_MARKS[one.operation]} | {code(one.address)} | {_differences(one.differences)}{doubt} |"


def _differences(found: Sequence[Difference]) -> str:
    told = [f"`{one.path}`: {code(one.before)} → {code(one.after)}" for one in found[:4]]
    more = [f"and {len(found) - 4} more"] if len(found) > 4 else []  # noqa: PLR2004 - as many as are told
    return "<br>".join((*told, *more))


def _findings(report: Report, rows: int) -> Iterator[str]:
    if report.head is None or not report.head.preview.resources:
        return
    fresh = [one for one in report.stopping if report.is_new(one)]
    known = [one for one in report.stopping if not report.is_new(one)]
    yield "### Policies"
    yield ""
    told = fresh if report.base else report.stopping
    for one in told[: max(rows, FEW)]:
        yield from _finding(one, is_new=bool(report.base))
    if len(told) > max(rows, FEW):
        yield f"- and {len(told) - max(rows, FEW)} more mandatory findings: see the artifact"
    if not report.stopping:
        yield "No mandatory finding."
    yield ""
    if report.base and known:
        yield from _grouped(f"{counted(len(known), 'mandatory finding')} that the base has, too", known, report, rows)
    if report.lifted:
        yield from ["**The base's rules refuse, those of this pull request do not:**", ""]
        yield from (f"- {line(one)}" for one in report.lifted[: max(rows, FEW)])
        yield ""
    advised = [one for one in report.findings if not one.stops]
    if advised:
        new = sum(report.is_new(one) for one in advised) if report.base else 0
        yield from _grouped(
            f"{counted(len(advised), 'advisory finding')}{f', {new} of them new' if new else ''}", advised, report, rows
        )
    yield from _exemptions(report, rows)


def _finding(one: Finding, *, is_new: bool) -> Iterator[str]:
    place = f", {code(one.path)}" if one.path else ""
    fresh = ", new in this pull request" if is_new else ""
    yield f"- **{one.rule}** ({one.severity.value}{fresh}): {code(one.address)}{place}"
    yield f"  - what: {line(one.what)}"
    if one.why:
        yield f"  - why: {line(one.why)}"
        yield f"  - fix: {line(one.fix)}"
        yield f"  - source: {line(one.source)}"


def _grouped(title: str, found: Sequence[Finding], report: Report, rows: int) -> Iterator[str]:
    """One row for each rule and what it says; the new ones first."""
    by_text: dict[tuple[str, str], list[Finding]] = {}
    for one in sorted(found, key=lambda one: (not (report.base and report.is_new(one)), one.order)):
        by_text.setdefault((one.rule, one.what), []).append(one)
    lines = [
        f"| {'🆕 ' if report.base and report.is_new(same[0]) else ''}{code(rule)} | {same[0].severity.value} | "
        f"{cell(what)}. {cell(same[0].fix)} | {names(list(dict.fromkeys(one.address for one in same)), 4)} |"
        for (rule, what), same in by_text.items()
    ]
    yield from folded(title, "| rule | severity | what, and how to fix it | where |", lines, rows, numbered=False)


def _exemptions(report: Report, rows: int) -> Iterator[str]:
    if report.head is None or not report.head.preview.exempted:
        return
    lines = [
        f"| {'🆕 ' if one in report.granted else ''}{code(one.rule)} | {code(one.resource)} | {one.expires} | "
        f"{cell(one.reason)} |"
        for one in report.head.preview.exempted
    ]
    title = f"{counted(len(lines), 'exemption')} in force"
    yield from folded(title, "| rule | resource | until | reason |", lines, rows, numbered=False)


def _topology(report: Report, rows: int) -> Iterator[str]:
    found = report.topology
    if found is None:
        return
    yield "### Network"
    yield ""
    yield f"- head: {_proof(found.head)}"
    if found.base:
        yield f"- base: {_proof(found.base)}"
        lines = [f"- 🚪 **opened:** {code(network)} → {what}" for network, what in found.opened]
        lines += [f"- closed: {code(network)} → {what}" for network, what in found.closed]
        lines += [f"- flow added: {_edge(one)}" for one in found.added]
        lines += [f"- flow removed: {_edge(one)}" for one in found.removed]
        yield from lines[: max(rows, FEW)]
        if len(lines) > max(rows, FEW):
            yield f"- and {len(lines) - max(rows, FEW)} more: see the artifact"
        if not lines:
            yield "- no flow and no door differs"
    yield from (f"- ⛔ {line(one)}" for one in found.head.findings[: max(rows, FEW)])
    if picture := mermaid(found):
        yield from ("", "```mermaid", picture, "```", "")


def _proof(side: Reach) -> str:
    if side.missing:
        return f"not proven ({side.missing})"
    late = f" ({side.remade} with an example in place of a network that only `up` tells)" if side.remade else ""
    verdict = (
        "say what the table of flows says"
        if not side.findings
        else f"differ from the table in {len(side.findings)} places"
    )
    beside = f"; beside it: {', '.join(side.beside[:5])}" if side.beside else ""
    return f"{side.policies} NetworkPolicies{late} and {side.authorizations} AuthorizationPolicies {verdict}{beside}"


def _edge(edge: Edge) -> str:
    return f"`{edge[0]}` → `{edge[1]}` ({edge[2]})"


def _open(report: Report, rows: int) -> Iterator[str]:
    """What nobody may take for judged."""
    yield "### Not judged, and not looked at"
    yield ""
    if report.head and report.head.preview.doubts:
        pairs = sorted((one.rule, one.address, one.path) for one in report.head.preview.doubts)
        lines = [
            f"| `{rule}` | {names([f'{address} {path}' for _, address, path in found], 6)} |"
            for rule, found in ((key, list(group)) for key, group in groupby(pairs, key=lambda pair: pair[0]))
        ]
        title = f"{counted(len(pairs), 'question')} that only values of `up` answer"
        yield from folded(title, "| rule | place |", lines, rows, numbered=False)
    yield "- a state: both sides are planned from nothing; changes by hand and renames by alias are not seen"
    yield "- values of secrets: neither compared nor shown"
    if report.head and report.head.preview.closed:
        keys = ", ".join(f"`{key}`" for key in report.head.preview.closed)
        yield f"- configuration with other values in its place: {keys}"
    if report.head and report.head.preview.stand_ins:
        yield f"- plugins were stand-ins of this repository: {', '.join(report.head.preview.stand_ins)}"
    yield from (f"- {one}" for one in report.left_out)
    yield ""
