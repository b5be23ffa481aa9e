"""Puts the final report together: its parts, its folder, and the manifest of everything in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workloads import portal
from workloads.report import compare, evidence, files, html
from workloads.report.blocks import Block, Drawn, Heading, Items, Part, for_page, for_text, grid
from workloads.report.markdown import criteria as criteria_table
from workloads.report.model import ReportError, Run, measured, read
from workloads.report.page import page
from workloads.report.stack import Stack
from workloads.topology import chart
from workloads.topology.svg import drawing

from . import deployed, given, guide, reviewed
from .provenance import provenance

_UNMEASURED = "No run was given: whether this stack holds what it promises is not said here."


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What the report is made from besides the outputs. Files by their title."""

    root: Path  # of the repository
    run: Path | None = None  # folder of a run
    others: tuple[Path, ...] = ()  # runs of other environments, or of other days
    costs: tuple[Path, ...] = ()
    proofs: tuple[tuple[str, Path], ...] = ()  # policy results, exemptions, the proof of the flows
    key: Path | None = field(default=None, repr=False)  # signs the manifest
    now: datetime = field(default_factory=lambda: datetime.now(tz=UTC))


def build(stack: Stack, wanted: Given, out: Path) -> Path:
    """Write the report of a stack into a folder of its own; give back the folder."""
    run = None if wanted.run is None else read(wanted.run)
    others = [read(path) for path in wanted.others]
    origin = {
        "made": wanted.now.isoformat(timespec="seconds"),
        "outputs": stack.digest,
        **provenance(wanted.root, stack.name),
    }
    review = reviewed.newest(out, stack.name)
    read_review = None if review is None else reviewed.read(review)
    parts = list(_parts(stack, wanted, run, others, origin=origin, review=read_review))
    title, lead = _title(stack, run), _lead(stack, run)
    folder = out / "report" / stack.name
    shutil.rmtree(folder, ignore_errors=True)
    files.put(folder / "report.html", page(title, lead, for_page(parts), footer=_footer(origin)))
    files.put(folder / "report.md", for_text(title, lead, parts))
    files.put(
        folder / "portal.html", portal.portal(stack, run, reports=(("Final report", "report.html"),), now=wanted.now)
    )
    files.put(folder / "evidence/outputs.json", json.dumps(stack.outputs, indent=1, sort_keys=True) + "\n")
    files.put(folder / "evidence/provenance.json", json.dumps(origin, indent=1) + "\n")
    for layer in stack.layers:
        files.put(folder / f"topology/{layer.id}.mmd", chart(layer))
        files.put(
            folder / f"topology/{layer.id}.html",
            page(layer.title, lead, [(layer.id, layer.title, drawing(layer))], footer=_footer(origin)),
        )
    _copies(wanted, folder)
    if review is not None:
        files.put(folder / "evidence/review.json", review.read_text(encoding="utf-8"))
    evidence.seal(folder, key=wanted.key)
    return folder


def _copies(wanted: Given, folder: Path) -> None:
    """The evidence itself: the run's folder, and what others gave."""
    if wanted.run is not None:
        source = wanted.run if wanted.run.is_dir() else wanted.run.parent
        shutil.copytree(source.resolve(), folder / "run", symlinks=False, dirs_exist_ok=True)
    for path in (*wanted.costs, *(path for _, path in wanted.proofs)):
        target = folder / "evidence/given" / path.name
        if target.exists():
            raise ReportError(f"{path}: another file of that name was given, too; rename one of them")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _title(stack: Stack, run: Run | None) -> str:
    return f"Report of stack {stack.name}: {'not validated' if run is None else run.verdict}"


def _lead(stack: Stack, run: Run | None) -> str:
    if run is None:
        return f"{_UNMEASURED} Simulated: {'; '.join(stack.standins) or 'nothing'}."
    same = "" if run.outputs in ("", stack.digest) else " The stack has changed since this run: its outputs differ."
    return measured(run) + same


def _footer(origin: dict[str, Any]) -> str:
    return (
        f"Made {origin['made']} from commit {origin['commit']}. `sha256sum -c {evidence.MANIFEST}` in this folder "
        "checks every file of the evidence without a network."
    )


def _parts(
    stack: Stack, wanted: Given, run: Run | None, others: Sequence[Run], *, origin: dict[str, Any],
    review: dict[str, Any] | None,
) -> Iterator[Part]:  # fmt: skip
    if run is not None:
        yield from _criteria(run)
    yield from deployed.parts(stack)
    yield deployed.security(stack, proofs=_proofs(wanted, review))
    money = [block for path in wanted.costs for block in given.blocks("Cost", path)]
    money += [] if review is None else reviewed.cost(review)
    if money:
        yield Part(id="cost", title="Cost", blocks=money)
    yield _versions(stack)
    yield Part(id="limits", title="Known limits and lessons", blocks=list(_limits(stack, run)))
    yield guide.part(stack)
    if run is not None and others:
        runs = [run, *others]
        yield Part(
            id="comparison", title="Comparison across environments",
            blocks=[Drawn(page=compare.matrix(runs), text=compare.as_markdown(runs).split("\n", 2)[2])],
        )  # fmt: skip
    yield Part(id="provenance", title="Provenance", blocks=list(_origin(origin)))


def _criteria(run: Run) -> Iterator[Part]:
    """The run's own sections; Markdown has the table, and the run's own document the rest."""
    for name, title, content in html.sections(run, "run/"):
        text = "\n".join(criteria_table(run)) if name == "criteria" else f"See run/report.md, {title.lower()}."
        yield Part(id=name, title=title, blocks=[Drawn(page=content, text=text)])


def _proofs(wanted: Given, review: dict[str, Any] | None) -> Iterator[Block]:
    if review is not None:
        yield from reviewed.findings(review)
    for title, path in wanted.proofs:
        yield from given.blocks(title, path)


def _versions(stack: Stack) -> Part:
    rows = [(image.partition("@")[0], image.partition("@")[2] or "by its tag only") for image in stack.images]
    pinned = sum(digest != "by its tag only" for _, digest in rows)
    told = (
        f"Kubernetes {stack.cluster['version']}, Kubeflow {stack.versions.get('release', 'not installed')}; "
        f"{len(rows)} images, {pinned} of them by digest."
    )
    blocks: list[Block] = [
        told,
        grid("Images of the platform's own workloads", ("image", "digest"), rows, folded=True),
    ]
    return Part(id="versions", title="Versions and image digests", blocks=blocks)


def _limits(stack: Stack, run: Run | None) -> Iterator[Block]:
    yield Heading(text="What is simulated")
    yield Items(items=stack.standins if run is None else run.standins, empty="nothing")
    yield Heading(text="What was not measured, and why")
    if run is None:
        yield _UNMEASURED
    else:
        yield Items(
            items=tuple(
                f"{one.id}: {one.reason}" for one in run.criteria if one.outcome in ("SKIP", "INVALID", "ERROR")
            ),
            empty="everything was measured",
        )
        yield Heading(text="What the measurements taught")
        told = [f"{one.id}: {note}" for one in run.criteria for note in one.notes]
        told += [f"{one.id}: {one.reason}. Next: {one.hint}" for one in run.criteria if one.outcome == "FAIL"]
        yield Items(items=tuple(told), empty="no check left a note")
    yield Heading(text="What this stack leaves out")
    yield Items(items=stack.left_out, empty="nothing")


def _origin(origin: dict[str, Any]) -> Iterator[Block]:
    changed = origin["changed"]
    state = "unknown" if changed is None else f"{len(changed)} files differ from it" if changed else "as committed"
    source = {"made": origin["made"], "commit": origin["commit"], "working tree": state, "outputs": origin["outputs"]}
    yield grid("Source", ("what", "value"), source.items())
    yield grid("Tools", ("tool", "version"), origin["tools"].items())
    hashes = {**origin["configuration"], **origin["locks"]}
    yield grid("Configuration and locks", ("file", "digest"), hashes.items(), folded=True)
