"""When memory is given back. That it then returns is seen in a real process: tests/e2e/test_idle.py."""

import asyncio

import pytest

from hushgate.ops.memory import Tide
from tests.aio import run

CROWD = 100


async def settled() -> None:
    """Until every timer that was set before has fired; timers fire in the order of their times."""
    fired = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, fired.set)
    await fired.wait()


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([*range(CROWD + 1), *range(CROWD, -1, -1)], 1),
        ([CROWD, CROWD // 2], 0),
        ([CROWD, CROWD // 4], 1),
        ([*range(20), 0] * 10, 0),
        ([CROWD, 0, CROWD], 0),
    ],
    ids=["all go", "half go", "most go", "never a crowd", "back at once"],
)
def test_one_ebb_after_a_crowd(counts: list[int], expected: int) -> None:
    async def main() -> int:
        ebbs: list[int] = []
        tide = Tide(lambda: ebbs.append(1), settle=0.0)
        for count in counts:
            tide.changed(count)
        await settled()
        return len(ebbs)

    assert run(main()) == expected


def test_every_crowd_has_its_ebb() -> None:
    async def main() -> None:
        ebbs: list[int] = []
        tide = Tide(lambda: ebbs.append(1), settle=0.0)
        for number in range(1, 4):
            tide.changed(CROWD)
            tide.changed(0)
            await settled()
            assert len(ebbs) == number

    run(main())


def test_nothing_after_the_stop() -> None:
    async def main() -> int:
        ebbs: list[int] = []
        tide = Tide(lambda: ebbs.append(1), settle=0.0)
        tide.changed(CROWD)
        tide.changed(0)
        tide.stop()
        await settled()
        return len(ebbs)

    assert run(main()) == 0
