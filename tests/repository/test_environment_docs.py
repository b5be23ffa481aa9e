"""The table of environments on disk is the one that the code makes, and every environment has its page."""

from __future__ import annotations

from pathlib import Path

from infra import table
from infra.__main__ import TABLE, examples
from infra.contract import Environment

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_on_disk_is_the_one_that_the_code_makes() -> None:
    assert TABLE.read_text(encoding="utf-8") == table.document(examples()), "run `python -m infra table --write`"


def test_every_environment_has_an_example_and_a_page() -> None:
    names = {item.value for item in Environment}
    assert set(examples()) == names
    assert {path.stem for path in (ROOT / "docs/environments").glob("*.md")} - {"README"} >= names
