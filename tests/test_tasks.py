"""Every task has an owner and a name, ends with its owner, and does not fail unheard."""

import asyncio

import pytest

from hushgate.tasks import Tasks
from tests.aio import run


def test_stopping_cancels_and_waits() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def main() -> None:
        tasks = Tasks("door")
        task = tasks.start("accept", work())
        assert task.get_name() == "door: accept"
        await asyncio.sleep(0)
        await tasks.stop()
        assert (ended, len(tasks)) == ([True], 0)

    run(main())


def test_a_task_may_stop_its_owner() -> None:
    async def main() -> None:
        tasks = Tasks("link")
        await tasks.start("last", tasks.stop())
        assert len(tasks) == 0

    run(main())


def test_a_failure_is_told_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        raise ValueError("a bug")

    async def main() -> None:
        tasks = Tasks("server")
        await asyncio.wait([tasks.start("sweep", work())])
        assert len(tasks) == 0

    run(main())
    told = "".join(capsys.readouterr())
    assert "server: sweep" in told
    assert "ValueError: a bug" in told
