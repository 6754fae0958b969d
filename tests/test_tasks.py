"""Tasks have an owner: failures are told, stopping waits."""

import asyncio

from hushgate.tasks import Tasks
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
