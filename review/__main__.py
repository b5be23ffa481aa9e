"""`python -m review --stack NAME [--base REF] [--out DIR]`: what the working tree would change about a stack, judged.

Exit status: 0 fine, 1 refused, 2 not planned or not judged as a whole.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from .check import Question, check
from .document import document
from .junit import junit
from .markdown import markdown
from .places import places
from .price_table import FILE, PriceError, read
from .report import Report, Verdict
from .sarif import sarif

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one stack; write the report in four forms; print the comment."""
    known = sorted(file.name[len("Pulumi.") : -len(".yaml")] for file in (ROOT / "stacks").glob("Pulumi.*.yaml"))
    parser = argparse.ArgumentParser(prog="python -m review", description=__doc__)
    parser.add_argument("--stack", required=True, choices=known)
    parser.add_argument("--base", default="main", metavar="REF", help="branch to compare with; '' for nothing")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the reports go; out/review/STACK by default")
    parser.add_argument("--prices", type=Path, default=FILE, metavar="FILE", help="a price table of your own")
    parser.add_argument("--without-components", action="store_true", help="leave out upstream's components")
    chosen = parser.parse_args(arguments)
    try:
        table = read(chosen.prices)
    except PriceError as error:
        print(error, file=sys.stderr)
        return Verdict.BROKEN
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # then everything is tidied up, too
    asked = Question(
        root=ROOT,
        stack=chosen.stack,
        ref=chosen.base,
        tools=ROOT / ".tools" / "bin",
        prices=table,
        components=not chosen.without_components,
    )
    report = check(asked)
    folder = chosen.out or ROOT / "out" / "review" / chosen.stack
    write(report, ROOT, folder)
    print((folder / "comment.md").read_text(encoding="utf-8"))
    print(f"written to {folder}", file=sys.stderr)
    return report.verdict


def write(report: Report, root: Path, folder: Path) -> None:
    """The report as comment.md, results.sarif, junit.xml and report.json."""
    folder.mkdir(parents=True, exist_ok=True)
    file = root / report.file
    found = places(file.read_text(encoding="utf-8") if file.exists() else "")
    texts = {
        "comment.md": markdown(report),
        "results.sarif": json.dumps(sarif(report, found), indent=1),
        "junit.xml": junit(report),
        "report.json": json.dumps(document(report), indent=1, default=str),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
