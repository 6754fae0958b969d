"""A program that ends waits for what its pipes hold, and not for ever."""

import asyncio

import pytest

from hushgate.transports.closing import close_all
from hushgate.transports.memory import memory_pair
from tests.aio import run
from tests.transports.pairs import Probe


def test_everything_has_arrived_when_the_pipes_are_closed() -> None:
    async def main() -> None:
        pairs = [memory_pair(loop=asyncio.get_running_loop(), delay=delay) for delay in (0.0, 0.1)]
        peers = [Probe(), Probe()]
        for (ours, theirs), peer in zip(pairs, peers, strict=True):
            theirs.switch(peer)
            ours.write([[bytes(100_000)]])
        await close_all(ours for ours, _ in pairs)
        assert [(len(peer.got), peer.error) for peer in peers] == [(100_000, None)] * 2

    run(main())


def test_a_pipe_that_does_not_end_is_aborted_and_one_that_has_ended_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hushgate.transports.closing.END_WAIT", 0.05)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        (silent, _), (broken, _) = memory_pair(loop=loop), memory_pair(loop=loop)
        silent.path.stalled = True
        end = Probe()
        broken.switch(end)
        broken.abort("cut")
        await end.over.wait()
        await close_all([broken, silent])
        late = Probe()
        silent.switch(late)
        await late.over.wait()
        assert late.error == "the peer did not close its end in time"

    run(main())
