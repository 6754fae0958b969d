"""Tasks have an owner: failures are told, stopping waits."""

import asyncio

import pytest

from hushgate.tasks import Tasks, run_until
from tests.aio import run
from tests.logs import capture_logs


async def fail() -> None:
    raise ValueError("a bug")


def test_a_failure_is_logged_with_its_name_and_traceback() -> None:
    async def main() -> None:
        tasks = Tasks("owner")
        task = tasks.start("work", fail())
        await asyncio.wait([task])
        await asyncio.sleep(0)
        assert len(tasks) == 0

    with capture_logs() as lines:
        run(main())
    (line,) = lines
    assert (line["event"], line["task"]) == ("task failed", "owner: work")
    assert isinstance(line["exc_info"], ValueError)


def test_stop_cancels_what_runs_and_waits_for_it() -> None:
    async def main() -> None:
        tasks, ended = Tasks("owner"), []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append(True)

        tasks.start("one", work())
        tasks.start("two", work())
        await asyncio.sleep(0)
        await tasks.stop()
        assert (ended, len(tasks)) == ([True, True], 0)

    run(main())


def test_a_task_may_stop_its_own_kind() -> None:
    async def main() -> None:
        tasks = Tasks("owner")
        tasks.start("other", asyncio.Event().wait())
        await tasks.start("stopper", tasks.stop())
        assert len(tasks) == 1 or not tasks
        await tasks.stop()

    run(main())


def test_work_is_run_to_its_end_or_until_it_is_not_wanted() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        stopped: asyncio.Future[None] = loop.create_future()
        assert await run_until(stopped, asyncio.sleep(0))
        loop.call_soon(stopped.set_result, None)
        assert not await run_until(stopped, asyncio.Event().wait())
        assert not await run_until(stopped, fail()), "nothing of it is run any more"
        await asyncio.sleep(0.01)

        ends: asyncio.Future[None] = loop.create_future()

        async def end_together() -> None:
            loop.call_soon(ends.set_result, None)
            await asyncio.sleep(0)

        assert await run_until(ends, end_together())
        await asyncio.sleep(0.01)
        with pytest.raises(ValueError, match="a bug"):
            await run_until(loop.create_future(), fail())

    run(main())


def test_who_runs_it_may_be_cancelled_as_well() -> None:
    async def main() -> None:
        tasks = Tasks("owner")
        task = tasks.start("work", run_until(asyncio.get_running_loop().create_future(), asyncio.Event().wait()))
        await asyncio.sleep(0)
        await tasks.stop()
        assert task.cancelled()

    run(main())
