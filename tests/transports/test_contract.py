"""The promises of transports/base.py, for every kind of pipe."""

import asyncio
import random
from collections.abc import Callable

import pytest

from hushgate.transports.base import Pipe
from hushgate.transports.memory import MemoryPipe
from tests.aio import run
from tests.transports.pairs import KINDS, Feeder, Probe, connected

DATA = random.Random(7).randbytes(300_000)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def attach(*pipes: Pipe, use: Callable[[memoryview], int] = len) -> list[Probe]:
    probes = [Probe(use) for _ in pipes]
    for pipe, probe in zip(pipes, probes, strict=True):
        pipe.switch(probe)
    return probes


def test_bytes_arrive_in_order_whatever_the_writes(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            ours, theirs = attach(left, right)
            data = DATA[: 40_000 if kind == "memory-bytes" else len(DATA)]
            parts = random.Random(1)
            at = 0
            while at < len(data):
                messages = []
                for _ in range(parts.randint(1, 4)):
                    sizes = [parts.choice([1, 7, 300, 5000, 20_000]) for _ in range(parts.randint(1, 3))]
                    messages.append([data[at + sum(sizes[:i]) : at + sum(sizes[: i + 1])] for i in range(len(sizes))])
                    at += sum(sizes)
                left.write(messages)
                right.write(messages)
            assert await theirs.wait_for(len(data)) == data
            assert await ours.wait_for(len(data)) == data

    run(main())


def test_unused_bytes_are_shown_again(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            _, theirs = attach(left, right, use=lambda view: len(view) // 100 * 100)
            for at in range(0, 20_000, 1050):
                left.write([[DATA[at : min(at + 1050, 20_000)]]])
            assert await theirs.wait_for(20_000) == DATA[:20_000]

    run(main())


def test_a_new_user_sees_what_came_early(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            first, second = Probe(), Probe()

            def head(view: memoryview) -> int:
                if len(view) < 10:
                    return 0
                right.switch(second)
                return 4

            first.use = head
            right.switch(first)
            left.write([[DATA[:10]]])
            assert await second.wait_for(6) == DATA[4:10]
            assert first.got == DATA[:4]
            right.switch(third := Probe())
            left.write([[DATA[10:20]]])
            assert await third.wait_for(10) == DATA[10:20]

    run(main())


def test_bytes_wait_for_the_first_user(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            (ours,) = attach(left)
            left.write([[DATA[:5000]]])
            right.write([[b"go"]])
            await ours.wait_for(2)
            (theirs,) = attach(right)
            assert await theirs.wait_for(5000) == DATA[:5000]

    run(main())


def test_closing_sends_everything_first(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            ours, theirs = attach(left, right)
            size = 20_000 if kind == "memory-bytes" else len(DATA)
            left.write([[DATA[at : min(at + 50_000, size)]] for at in range(0, size, 50_000)])
            left.close()
            left.write([[b"too late"]])
            await theirs.over.wait()
            assert theirs.got == DATA[:size]
            assert theirs.error is None
            await ours.over.wait()
            assert ours.error is None

    run(main())


def test_closing_over_bytes_on_their_way_is_still_orderly(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            ours, theirs = attach(left, right)
            for at in range(0, len(DATA), 60_000):
                right.write([[DATA[at : at + 60_000]]])
            left.write([[b"farewell"]])
            left.close()
            await theirs.over.wait()
            assert theirs.got == b"farewell"
            assert theirs.error is None
            await ours.over.wait()

    if kind != "memory-bytes":
        run(main())


def test_an_abort_ends_both_sides_once(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            ours, theirs = attach(left, right)

            def use(view: memoryview) -> int:
                right.abort("enough")
                return len(view)

            theirs.use = use
            left.write([[DATA[:60_000]]] * 5)
            await theirs.over.wait()
            assert theirs.error == "enough"
            assert theirs.views == 1
            right.write([[b"no-op"]])
            right.close()
            right.abort("again")
            await ours.over.wait()

    run(main())


def test_a_later_user_hears_of_the_end(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            (theirs,) = attach(right)
            theirs.use = lambda _view: 0
            left.write([[b"unread"]])
            attach(left)
            left.close()
            await theirs.over.wait()
            (later,) = attach(right)
            assert later.over.is_set()
            assert later.error == theirs.error is None

    run(main())


def test_a_user_that_reads_nothing_is_cut_off(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            _, theirs = attach(left, right)
            theirs.use = lambda _view: 0
            if isinstance(left, MemoryPipe):
                left.path.chunk = None
            left.write([[DATA[:60_000]]] * 6)
            await theirs.over.wait()
            assert theirs.error is not None
            assert "not read" in theirs.error

    run(main())


@pytest.mark.parametrize("buffers", [None, 4096])
def test_both_ways_at_once_without_deadlock(kind: str, buffers: int | None) -> None:
    size = 20_000_000 if kind in ("tcp", "tls", "ws-tcp", "ws-tls") and buffers is None else 2_000_000
    data = (DATA * (size // len(DATA) + 1))[: 20_000 if kind == "memory-bytes" else size]

    async def main() -> None:
        async with connected(kind, buffers) as (left, right):
            ours, theirs = attach(left, right, use=lambda view: len(view) if len(view) < 8 else len(view) - 7)
            feeders = [Feeder(left, ours, data, 65_000), Feeder(right, theirs, data, 33_333)]
            for feeder in feeders:
                feeder.go()
            await asyncio.gather(ours.wait_for(len(data) - 7), theirs.wait_for(len(data) - 7))
            assert data.startswith(ours.got)
            assert data.startswith(theirs.got)
            assert max(feeder.most_buffered for feeder in feeders) <= 65_536 + 3 * 65_100

    run(main())


def test_full_until_the_peer_takes_it(kind: str) -> None:
    async def main() -> None:
        async with connected(kind, 4096) as (left, right):
            ours, theirs = attach(left, right)
            free = asyncio.Event()
            theirs.on_writable = free.set
            written = 0
            while not right.full:
                assert written < 20_000_000
                right.write([[DATA[:30_000]]] * 2)
                written += 60_000
            assert right.buffered > 65_536
            await ours.wait_for(written)
            await free.wait()
            assert not right.full

    run(main(), timeout=50)


def test_a_pause_shows_nothing_until_it_ends(kind: str) -> None:
    size = 20_000 if kind == "memory-bytes" else 1_000_000
    data = (DATA * 4)[:size]

    async def main() -> None:
        async with connected(kind) as (left, right):
            ours, theirs = attach(left, right)
            feeder = Feeder(left, ours, data, 10_000)

            def use(view: memoryview) -> int:
                right.pause()
                right.pause()
                return len(view) // 2 + 1

            theirs.use = use
            feeder.go()
            await theirs.wait_for(1)
            for _ in range(50):
                await asyncio.sleep(0)
            assert theirs.views == 1
            while len(theirs.got) < len(data):
                seen = theirs.views
                right.resume()
                await until_changed(theirs, seen)
            assert theirs.got == data
            assert ours.error is None

    run(main(), timeout=50)


async def until_changed(probe: Probe, seen: int) -> None:
    while probe.views == seen:
        probe.changed.clear()
        await probe.changed.wait()


def test_a_pause_that_ends_inside_received_shows_the_rest_at_once(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            _, theirs = attach(left, right)

            def use(view: memoryview) -> int:
                right.pause()
                right.resume()
                return 1

            theirs.use = use
            left.write([[DATA[:500]]])
            assert await theirs.wait_for(500) == DATA[:500]

    run(main())


def test_breaking_off_is_no_orderly_end(kind: str) -> None:
    async def main() -> None:
        async with connected(kind) as (left, right):
            ours, theirs = attach(left, right)
            left.write([[b"half of it"]])
            await theirs.wait_for(10)
            left.break_off("home ended in the middle")
            await theirs.over.wait()
            assert theirs.error is not None
            await ours.over.wait()
            assert ours.error == "home ended in the middle"

    run(main())
