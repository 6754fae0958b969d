"""What a program says last arrives before it ends."""

from hushgate.link.finish import finish_all
from hushgate.protocol import frames
from hushgate.protocol.frames import Code, Mode
from tests.aio import run
from tests.link.joined import joined
from tests.tunnel import until


def test_the_last_word_arrives_before_the_end() -> None:
    async def main() -> None:
        async with joined() as made:
            made.near.mux.close(Code.SHUTDOWN, "good night", 500, 1000)
            await finish_all([made.near.link])
            await until(lambda: made.far.reasons, "the end")
            (away,) = made.far.away
            assert (away.mode, away.code, away.text, away.after) == (Mode.CLOSE, Code.SHUTDOWN, "good night", 500)
            assert made.far.reasons == ["shutdown (good night)"]
            assert made.near.reasons == []
            await until(lambda: made.freed, "the stream to be freed")

    run(main())


def test_the_last_word_leaves_behind_a_full_pipe() -> None:
    async def main() -> None:
        async with joined() as made:
            path = made.pipes[0].path
            path.stalled = True
            made.pipes[0].write([[frames.pong(0, 0.0)] for _ in range(10_000)])
            assert made.pipes[0].full
            made.near.mux.close(Code.SHUTDOWN)
            path.stalled = False
            made.pipes[0].wake()
            await finish_all([made.near.link])
            assert made.far.away

    run(main())


def test_a_program_that_ends_waits_for_its_last_bytes_to_arrive() -> None:
    async def main() -> None:
        async with joined() as made:
            made.pipes[0].path.delay = 0.1
            made.near.mux.close(Code.SHUTDOWN)
            await finish_all([made.near.link])
            assert made.far.away

    run(main())
