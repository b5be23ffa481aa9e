"""What every test shares: tests marked `engine` are skipped, with the reason, where the tools are missing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.engine import missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing("pulumi")
    for item in items:
        if reason and item.get_closest_marker("engine"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Give each test a loop of its own: Outputs need one, even those that no program ever waits for."""
    own = asyncio.new_event_loop()
    asyncio.set_event_loop(own)
    yield
    asyncio.set_event_loop(None)
    own.close()
