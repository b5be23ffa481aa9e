"""What every test shares: tests marked `engine` are skipped, with the reason, where the tools are missing."""

from __future__ import annotations

import pytest

from tests.support.engine import missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing("pulumi")
    for item in items:
        if reason and item.get_closest_marker("engine"):
            item.add_marker(pytest.mark.skip(reason=reason))
