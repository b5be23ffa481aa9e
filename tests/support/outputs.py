"""An event loop for tests that make Outputs without a program: those under mocks close theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def event_loop() -> Generator[None]:
    """A loop of this test alone; what began in it comes to its end."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
        loop.run_until_complete(asyncio.sleep(0))
        pending = asyncio.all_tasks(loop)
        if pending:
            loop.run_until_complete(asyncio.wait(pending))
    finally:
        loop.close()
