"""When the next attempt is made; waiting is real, so that it is short."""

import asyncio
import time

import pytest

from hushgate.uplink.retry import Retry
from tests.aio import run


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.uplink.retry.RETRY_BASE", 0.05)
    monkeypatch.setattr("hushgate.uplink.retry.random.random", lambda: 0.999)


async def waited(retry: Retry) -> float:
    start = time.monotonic()
    await asyncio.wait_for(retry.due(), 5)
    return time.monotonic() - start


async def never(retry: Retry) -> bool:
    """Whether no attempt is due for now."""
    try:
        await asyncio.wait_for(retry.due(), 0.05)
    except TimeoutError:
        return True
    return False


def test_the_first_attempt_is_due_at_once_and_the_next_when_it_is_wanted() -> None:
    async def main() -> None:
        retry = Retry()
        assert await waited(retry) < 1
        assert await never(retry)
        retry.want()
        assert await waited(retry) < 1
        retry.want()
        retry.settle()
        assert await never(retry)

    run(main())


def test_a_failure_waits_for_the_longest_of_all_that_was_said() -> None:
    async def main() -> None:
        retry = Retry()
        retry.settle()
        assert retry.failed(0.3) == 0.3
        assert 0.25 < await waited(retry) < 3
        retry.postpone(2.0)
        assert 1.9 < retry.failed(0.1) <= 2.0

    run(main())


def test_failures_that_follow_each_other_wait_for_nothing_but_the_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.uplink.retry.random.random", lambda: 0.0)

    async def main() -> None:
        retry = Retry()
        assert [retry.failed() for _ in range(5)] == [0.0] * 5

    run(main())


def test_a_hurry_shortens_the_backoff_but_not_what_the_server_asked_for() -> None:
    async def main() -> None:
        retry = Retry()
        for _ in range(9):
            assert retry.failed() > 0.2
        retry.hurry()
        assert await waited(retry) < 1
        retry.postpone(60)
        retry.failed()
        retry.hurry()
        assert await never(retry)

    run(main())


def test_somebody_in_a_hurry_wakes_who_waits_already() -> None:
    async def main() -> None:
        retry = Retry()
        for _ in range(9):
            retry.failed()
        asyncio.get_running_loop().call_later(0.1, retry.hurry)
        assert await waited(retry) < 2

    run(main())


def test_now_is_now() -> None:
    async def main() -> None:
        retry = Retry()
        retry.postpone(60)
        retry.failed()
        retry.now()
        assert await waited(retry) < 1

    run(main())


def test_a_link_that_stood_makes_the_next_attempt_quick() -> None:
    async def main() -> None:
        retry = Retry()
        for _ in range(9):
            last = retry.failed()
            retry.postpone(0)
        assert last > 10
        retry.stood(60.0)
        assert retry.failed() < 0.3

    run(main())
