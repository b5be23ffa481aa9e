"""The report of one run for a browser: the verdict, numbers beside limits, what to do next, evidence below."""

from __future__ import annotations

from collections.abc import Iterable

from .markup import Content, Markup, anchor, details, join, lines, listed, row_of, table, tag
from .model import OUTCOMES, Figure, Run, Verdict, measured
from .page import page
from .plots import drawn, number, whiskers

SIGNS = {
    "PASS": "\N{HEAVY CHECK MARK}",
    "FAIL": "\N{HEAVY BALLOT X}",
    "ERROR": "\N{WARNING SIGN}",
    "INVALID": "?",
    "SKIP": "\N{EN DASH}",
}
_MEANINGS = {
    "PASS": "measured, and inside its limit",
    "FAIL": "measured, and outside",
    "SKIP": "not tried, for a stated reason",
    "INVALID": "tried, but the figures mean nothing",
    "ERROR": "the check itself broke",
}
Section = tuple[str, str, Content]


def report(run: Run) -> str:
    """A page of its own."""
    return page(
        f"Validation of stack {run.stack}: {run.verdict}",
        measured(run),
        sections(run),
        footer=f"Run {run.run}, rendered from result.json. A digest of every file is in evidence.sha256.",
    )


def sections(run: Run, folder: str = "") -> list[Section]:
    """The parts of a run, which the final report shows, too: there, the run's files are in a folder."""
    return [
        ("summary", "Summary", _summary(run)),
        ("attention", "What needs attention", _attention(run)),
        ("criteria", "Criteria", _criteria(run)),
        ("details", "Evidence of each criterion", [_details(one, folder) for one in run.criteria]),
        ("environment", "Where it was measured", _environment(run)),
    ]


def badge(outcome: str) -> Markup:
    """An outcome by sign and word; the colour only repeats it."""
    return tag("span", tag("span", SIGNS[outcome], aria_hidden="true"), " ", outcome,
               class_=f"verdict {outcome.lower()}")  # fmt: skip


def value_of(one: Verdict) -> str:
    """The measured value, in one line."""
    if one.main is not None:
        return f"{number(one.main.value)} {one.main.unit}"
    return "not measured" if one.value is None else f"{number(one.value)} {one.unit}"


def limit_of(one: Verdict) -> str:
    """The limit beside it."""
    if one.main is not None:
        return bound(one.main)
    return f"at {'most' if one.better == 'lower' else 'least'} {number(one.threshold)} {one.unit}"


def bound(figure: Figure) -> str:
    """A figure's limit in words."""
    if figure.limit is None:
        return "recorded only"
    return f"at {'most' if figure.better == 'lower' else 'least'} {number(figure.limit)} {figure.unit}"


def _summary(run: Run) -> Content:
    passed = sum(one.outcome == "PASS" for one in run.required)
    cards = [_card("Verdict", run.verdict, "every required criterion has to pass"),
             _card("Required", f"{passed} of {len(run.required)}", "passed")]  # fmt: skip
    cards += [
        _card(badge(outcome), str(run.counts[outcome]), _MEANINGS[outcome])
        for outcome in OUTCOMES
        if run.counts[outcome]
    ]
    parts: list[Content] = [tag("div", lines(*cards), class_="cards")]
    if run.selected:
        parts.append(tag("p", f"Partial run, no acceptance: only {', '.join(run.selected)} had to pass."))
    if run.pending:
        parts.append(tag("p", f"Not reached before the run ended: {', '.join(run.pending)}."))
    return parts


def _card(title: Content, value: str, note: str) -> Markup:
    return tag("div", tag("h3", title), tag("p", value, class_="big"), tag("p", note, class_="soft"), class_="card")


def _attention(run: Run) -> Content:
    chosen = [one for one in run.criteria if one.outcome != "PASS"]
    order = {outcome: index for index, outcome in enumerate(("FAIL", "ERROR", "INVALID", "SKIP"))}
    chosen.sort(key=lambda one: (not one.required, order[one.outcome]))
    if not chosen:
        return tag("p", "Nothing: every criterion passed.")
    skipped = [one for one in chosen if one.outcome == "SKIP" and not one.required]
    urgent = [one for one in chosen if one not in skipped]
    parts: list[Content] = [
        _left("Criteria that did not pass, the most urgent first", urgent)
        if urgent
        else tag("p", "Nothing: every criterion that this stack is held to passed.")
    ]
    if skipped:
        told = _left("Optional criteria that were not measured", skipped)
        parts.append(details(f"{len(skipped)} optional criteria were not measured, each with its reason", told))
    return whole(parts)


def _left(caption: str, chosen: list[Verdict]) -> Markup:
    rows = [
        [badge(one.outcome), _link(one), "required" if one.required else "optional", one.reason, one.hint or "-"]
        for one in chosen
    ]
    headings = ("outcome", "criterion", "for this stack", "reason", "next step")
    return tag("div", table(caption, headings, rows), class_="narrow")


def _link(one: Verdict) -> Markup:
    return tag("a", one.id, href=f"#{anchor(one.id)}")


def _criteria(run: Run) -> Content:
    areas: dict[str, list[Verdict]] = {}
    for one in run.criteria:
        areas.setdefault(one.area, []).append(one)
    headings = ("outcome", "criterion", "measured", "limit", "level", "where")
    head = tag("tr", [tag("th", heading, scope="col") for heading in headings])
    bodies = [_area(area, chosen, headings) for area, chosen in areas.items()]
    caption = "All criteria by area, each value beside its limit"
    made = tag("table", tag("caption", caption), tag("thead", head), lines(*bodies))
    return tag("div", made, class_="scroll narrow", role="region", tabindex="0", aria_label=caption)


def _area(area: str, chosen: list[Verdict], headings: tuple[str, ...]) -> Markup:
    rows = [
        row_of(headings, [badge(one.outcome), _named(one), value_of(one), limit_of(one), one.level, one.where])
        for one in chosen
    ]  # fmt: skip
    first = tag("tr", tag("th", area, colspan=len(headings), scope="rowgroup", class_="area"))
    return tag("tbody", first, lines(*rows))


def _named(one: Verdict) -> Content:
    return [_link(one), tag("br"), one.title]


def _details(one: Verdict, folder: str) -> Markup:
    said = [
        badge(one.outcome),
        " ",
        one.id,
        tag("span", f" \N{EM DASH} {value_of(one)}, {limit_of(one)}", class_="soft"),
    ]
    pictures = [*drawn(one.series), *whiskers(one.figures)]
    return details(
        said,
        tag("p", tag("strong", one.title), f" ({one.level}{', required' if one.required else ', optional'} here)."),
        tag("p", f"Source: {one.clause}.") if one.clause else None,
        tag("p", "Outcome: ", one.reason),
        tag("p", "Next step: ", one.hint) if one.hint else None,
        listed(one.notes) if one.notes else None,
        tag("p", f"Measured {one.where}; {one.started}, {one.seconds:g} s.", class_="soft") if one.backend else None,
        _figures(one),
        tag("div", lines(*pictures), class_="plots") if pictures else None,
        _probes(one),
        _files(one, folder),
        open_=one.outcome in ("FAIL", "ERROR"),
        id_=anchor(one.id),
    )


def _figures(one: Verdict) -> Content:
    if not one.figures:
        return None
    rows = [
        [figure.metric, f"{number(figure.value)} {figure.unit}", bound(figure), interval(figure), f"{figure.n:,}",
         figure.method]
        for figure in one.figures
    ]  # fmt: skip
    headings = ("figure", "measured", "limit", "interval", "samples", "method")
    return tag("div", table(f"Figures of {one.id}", headings, rows), class_="narrow")


def interval(figure: Figure) -> str:
    """The interval with its confidence, or that there is none."""
    if figure.low is None or figure.high is None:
        return "none"
    sure = "" if figure.confidence is None else f" ({number(100 * figure.confidence)} %)"
    return f"{number(figure.low)} to {number(figure.high)}{sure}"


def _probes(one: Verdict) -> Content:
    if not one.evidence:
        return None
    rows = [
        [seen.claim, "held" if seen.held else tag("strong", "not so"), seen.probe, seen.saw] for seen in one.evidence
    ]
    made = table(f"Probes of {one.id}", ("claim", "seen", "half of the proof", "what was seen"), rows)
    return tag("div", made, class_="narrow")


def _files(one: Verdict, folder: str) -> Content:
    if not one.files:
        return None
    items = [
        [
            tag("a", file.name, href=f"{folder}{file.path}"),
            f", {file.bytes:,} bytes, SHA-256 ",
            tag("code", file.sha256),
        ]
        for file in one.files
    ]
    return [tag("p", "Evidence beside this report:"), listed(items)]


def _environment(run: Run) -> Content:
    facts = [
        ("stack", f"{run.stack} ({run.environment})"), ("run", run.run), ("profile", run.profile),
        ("started", run.started), ("finished", run.finished or "not finished"),
        ("Kubernetes", run.server or "not looked at"),
        ("outputs of the stack, without secrets", run.outputs),
        *((f"machine that measured: {name}", said) for name, said in run.machine.items()),
    ]  # fmt: skip
    nodes = [
        [node.name, node.pool, "ready" if node.ready else tag("strong", "not ready"), str(node.gpus), node.kubelet,
         "simulated" if node.simulated else "real"]
        for node in run.nodes
    ]  # fmt: skip
    return [
        tag("div", table("The run and its surroundings", ("what", "value"), facts), class_="narrow"),
        table("Nodes", ("node", "pool", "state", "GPUs", "kubelet", "kind"), nodes) if nodes else None,
        tag("p", "Simulated in this run, so that it proves nothing about the real parts in their place:"),
        listed(run.standins),
    ]


def whole(parts: Iterable[Content]) -> Markup:
    """Several parts as one."""
    return join(parts, "\n")
