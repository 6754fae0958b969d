"""What a test leaves behind may hang as well as the test itself: a Popen that is left waits for its process, a pool
and an event loop for their threads, the interpreter for all of them.

pytest-timeout's alarm rings once and is taken away when the test fails. Here it goes on ringing, so that it interrupts
whatever is waited for on the way out, too; it rings for the teardown as well, and the interpreter's end has a limit.
"""

import faulthandler
import signal
from collections.abc import Generator
from typing import Any

import pytest

AGAIN = 10.0
"""Seconds from one alarm to the next, for what the test waits for on its way out."""
TEARDOWN = 60.0
"""Seconds for the teardown of one test."""
END = 60.0
"""Seconds for threads that still run when all is over."""

_LIMITS = pytest.StashKey[Any]()


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> Generator[None, object, object]:
    item.stash[_LIMITS] = settings
    result = yield
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, AGAIN)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    if call.excinfo:
        item.config.hook.pytest_timeout_cancel_timer(item=item)  # All is left: it must not interrupt pytest itself.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    if settings := item.stash.get(_LIMITS, None):
        item.config.hook.pytest_timeout_set_timer(item=item, settings=settings._replace(timeout=TEARDOWN))
    return (yield)


def pytest_unconfigure() -> None:
    faulthandler.dump_traceback_later(END, exit=True, file=2)
