"""A link drives one mux over one pipe, and tells its owner exactly once why it ended."""

import asyncio
import time

import pytest

from hushgate.protocol import frames
from hushgate.protocol.frames import Open
from tests.aio import run
from tests.link.joined import joined
from tests.protocol.pair import Memory
from tests.tunnel import until


def test_a_broken_pipe_ends_both_links_and_detaches_their_muxes() -> None:
    async def main() -> None:
        async with joined() as made:
            made.pipes[0].abort("a cable was pulled")
            await until(lambda: made.far.reasons, "the end")
            assert made.near.reasons == ["a cable was pulled"]
            assert len(made.far.reasons) == 1
            assert not made.near.mux.attached
            assert not made.far.mux.attached
            assert made.near.mux.streams, "streams outlive their link"

    run(main())


def test_a_fenced_link_hears_nothing_more_and_its_owner_is_not_told() -> None:
    async def main() -> None:
        async with joined() as made:
            made.visitor.send(b"too late")
            made.far.link.fence("another link took over")
            received = made.far.mux.received
            await until(lambda: made.near.reasons, "the other side to hear of it")
            assert made.far.mux.received == received
            assert made.far.reasons == []

    run(main())


def test_counters_that_do_not_fit_end_the_session_inside_start_and_the_peer_is_told() -> None:
    async def main() -> None:
        async with joined() as made:
            made.pipes[0].abort("cut")
            await until(lambda: made.near.reasons and made.far.reasons, "the cut")
            made.relink(claimed=1000)
            assert made.near.reasons[1:] == ["mismatch (peer acknowledged 1000 frames of 1)"]
            await until(lambda: len(made.far.reasons) == 2, "the peer to hear of it")
            assert made.far.reasons[1].startswith("mismatch")
            await until(lambda: made.freed, "the stream to be freed")

    run(main())


def test_a_pipe_that_is_over_already_ends_the_link_inside_start() -> None:
    async def main() -> None:
        async with joined() as made:
            made.pipes[0].abort("cut")
            await until(lambda: made.near.reasons and made.far.reasons, "the cut")
            made.near.attach(made.pipes[0])
            assert made.near.reasons == ["cut", "cut"]

    run(main())


def test_a_silent_link_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.link.link._BEAT", 0.02)
    monkeypatch.setattr("hushgate.protocol.liveness.SILENCE_MAX", 0.1)

    async def main() -> None:
        async with joined() as made:
            for pipe in made.pipes:
                pipe.path.stalled = True
            await until(lambda: made.near.reasons and made.far.reasons, "the link to be given up")
            # Both wait equally long; whoever looks first aborts, and the other may hear of that before it looks.
            assert any(reason.startswith("nothing heard for") for reason in made.near.reasons + made.far.reasons)

    run(main())


def test_a_suspended_machine_gives_its_links_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.link.link._BEAT", 0.02)
    asleep = [0.0]
    monkeypatch.setattr("time.clock_gettime", lambda clock: time.monotonic() + asleep[0])

    async def main() -> None:
        async with joined() as made:
            asleep[0] = 3600.0
            await until(lambda: made.near.reasons, "the link to be given up")
            assert made.near.reasons == ["this machine was suspended"]

    run(main())


def test_a_crowd_leaves_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.link.link._CROWD", 60.0)

    async def main() -> None:
        async with joined() as made:
            near, pipe = made.near, made.pipes[0]
            monkeypatch.setattr(made.far, "incoming", lambda stream: None)
            crowd = [Memory(near.mux.open(Open("echo"), time.monotonic()), b"x", ends=False) for _ in range(70)]
            await until(lambda: len(made.far.mux.streams) == 71, "the streams")
            writes: list[int] = []
            monkeypatch.setattr(
                pipe, "write", lambda messages: writes.append(sum(len(b) for message in messages for b in message))
            )
            near.mux.outbox.say(frames.ping(1))
            await until(lambda: writes, "the first of two writes in short succession")
            for memory in crowd:
                memory.stream.ready()
            assert writes[1:] == [32 * 9, 32 * 9]
            await until(lambda: len(writes) == 4, "the rest")
            assert writes[3] == 6 * 9

    run(main())


def test_acks_leave_in_time_without_other_traffic() -> None:
    async def main() -> None:
        async with joined() as made:
            made.visitor.send(b"x")
            start = time.monotonic()
            await until(lambda: made.near.mux.outbox.replay.kept == 0 and made.far.mux.received > 1, "an ACK")
            assert time.monotonic() - start < 1
            await asyncio.sleep(0)

    run(main())
