"""What every test shares: `engine` skips, with the reason, where the tools are missing; `fails` is held to its word."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator

import pytest

from kubeflow.distribution import cache
from kubeflow.distribution.sync import Request, sync
from kubeflow.distribution.table import CURRENT
from tests.support.engine import ROOT, missing


def pytest_configure(config: pytest.Config) -> None:
    """Cache upstream's objects from rendered data beside the checkout: once, before the workers start."""
    rendered = ROOT.parent / "shared" / "manifests"
    if rendered.is_dir() and not hasattr(config, "workerinput"):
        request = Request(
            release=CURRENT, data=rendered, folder=cache.directory(CURRENT), workspace=rendered, tools=rendered
        )
        sync(request, report=lambda _line: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing("pulumi")
    for item in items:
        if reason and item.get_closest_marker("engine"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that is said to make a criterion fail has failed itself if nobody saw it."""
    if item.get_closest_marker("fails") is None:
        return (yield)
    from tests.support import failing  # noqa: PLC0415 - the whole catalog comes with it, and few tests need that

    promised = failing.promises(item.iter_markers(failing.MARK))
    with failing.watched() as seen:
        result = yield
        broken = failing.broken(promised, seen())
    if broken:
        pytest.fail("\n".join(broken), pytrace=False)
    return result


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Give each test a loop of its own: Outputs need one, even those that no program ever waits for."""
    own = asyncio.new_event_loop()
    asyncio.set_event_loop(own)
    yield
    left = asyncio.all_tasks(own)
    for task in left:
        task.cancel()
    if left:
        own.run_until_complete(asyncio.wait(left))
    asyncio.set_event_loop(None)
    own.close()
