"""One check: both sides are planned, judged, priced and compared. Leaves nothing behind but what it returns."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from policies.guardrails.rule import Resource

from . import trees
from .changes import compare
from .cost import estimate
from .previews import PLAN, PreviewError, preview, stack_file
from .price_table import PriceTable
from .report import Report, Side, edits
from .topology import Reach, Topology, reach
from .trees import Tree, TreeError

_PACK = "policies"
_SECONDS = 300
_WITHOUT = (
    "upstream's components: they were left out on both sides, and exemptions were not asked whether they are needed"
)
_UNPLANNED = "there is no whole plan"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked."""

    root: Path  # the working tree
    stack: str
    ref: str  # what it is compared with; empty: nothing
    tools: Path
    prices: PriceTable
    components: bool = True  # with upstream's components


def check(asked: Question) -> Report:
    """The report about one stack."""
    report = Report(
        stack=asked.stack,
        file=f"stacks/Pulumi.{asked.stack}.yaml",
        ref=asked.ref,
        head=None,
        base=None,
        left_out=() if asked.components else (_WITHOUT,),
    )
    with tempfile.TemporaryDirectory(prefix="kubeflow-proof-review-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        tree = trees.head(asked.root)
        try:
            side, found = _side(asked, tree, folder / "head", judged=asked.root / _PACK)
        except PreviewError as error:
            return replace(report, problems=(str(error),))
        report = replace(report, head=side, topology=Topology(head=found))
        return _compared(asked, report, folder) if asked.ref else report


def _side(asked: Question, tree: Tree, folder: Path, *, judged: Path) -> tuple[Side, Reach]:
    folder.mkdir()
    pack = judged if (judged / "PulumiPolicy.yaml").exists() else None
    planned = preview(tree, asked.stack, asked.tools, folder, pack=pack, components=asked.components)
    found = reach(tree.root, planned, components=asked.components) if planned.planned else Reach(missing=_UNPLANNED)
    return Side(preview=planned, cost=estimate(planned, asked.prices)), found


def _compared(asked: Question, report: Report, folder: Path) -> Report:
    """The report with the base beside it, as far as there is one."""
    try:
        with trees.base(asked.root, asked.ref, folder / "tree") as tree:
            if not stack_file(tree, asked.stack).exists():
                return replace(report, new=True, changes=tuple(compare((), _resources(report))))
            side, found = _side(asked, tree, folder / "base", judged=tree.root / _PACK)
            changed = trees.differs(asked.root, asked.ref, _PACK)
            lifted = _lifted(asked, tree, report, folder / "head" / PLAN) if changed else ()
    except (TreeError, PreviewError) as error:
        return replace(report, problems=(f"the base cannot be had: {error}",))
    both = bool(report.head and report.head.preview.planned and side.preview.planned)
    return replace(
        report,
        base=side,
        changes=tuple(compare(side.preview.resources, _resources(report))) if both else (),
        edits=edits(side.preview.config, report.head.preview.config) if report.head else (),
        topology=Topology(head=report.topology.head, base=found) if report.topology else None,
        rules_changed=changed,
        lifted=lifted,
    )


def _resources(report: Report) -> tuple[Resource, ...]:
    return report.head.preview.resources if report.head else ()


def _lifted(asked: Question, base: Tree, report: Report, plan: Path) -> tuple[str, ...]:
    """What the base's pack refuses of the head and this tree's does not: nobody loosens a rule and profits at once."""
    command = [sys.executable, "-m", _PACK, "check", "--json", "--preview", str(plan)]
    command += ["--stack-file", str(stack_file(Tree(root=asked.root, commit=""), asked.stack))]
    ran = subprocess.run(
        command, cwd=base.root, capture_output=True, text=True, timeout=_SECONDS, check=False,
        env={"PYTHONDONTWRITEBYTECODE": "1", "PATH": ""},
    )  # fmt: skip
    with contextlib.suppress(ValueError):
        said = cast("list[dict[str, str]]", json.loads(ran.stdout)["judgements"])
        ours = {(one.rule, one.address) for one in report.findings}
        return tuple(
            f"{one['rule']}: {one['address']}: {one['message']}"
            for one in said
            if one["outcome"] == "refused" and one["level"] == "mandatory" and (one["rule"], one["address"]) not in ours
        )
    raise PreviewError("the base's policies cannot judge the head: run it from a base that has them")
