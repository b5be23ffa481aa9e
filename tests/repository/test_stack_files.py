"""Every committed stack file is one that the product accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stacks.check import check

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))


def test_there_are_stack_files() -> None:
    assert {path.name for path in FILES} >= {"Pulumi.local.yaml", "Pulumi.existing.yaml"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_committed_stack_file_is_accepted(path: Path) -> None:
    code, lines = check(path)
    assert code == 0, "\n".join(lines)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_committed_stack_file_holds_no_secret_and_no_salt(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(document) == {"config"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_committed_stack_file_fits_on_a_page(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 80
