"""A pipe until its LOGIN is complete: whatever comes in between, and what never comes."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from hushgate.protocol.frames import Type, frame, ping
from hushgate.protocol.hello import Acceptor, Login
from hushgate.protocol.limits import HANDSHAKE_WAIT
from hushgate.server.login import Handshake
from hushgate.transports.memory import MemoryPipe, memory_pair
from tests.aio import run
from tests.logs import capture_logs
from tests.tunnel import until

CHALLENGE = frame(Type.CHALLENGE, 0, b"who are you?")
LOGIN = Login(1, None, 1, 0, 65536, b"i" * 16, {})


class Reader:
    """Reads everything."""

    def __init__(self) -> None:
        self.data = b""
        self.over: list[str | None] = []

    def received(self, view: memoryview) -> int:
        self.data += view
        return len(view)

    def writable(self) -> None:
        return

    def ended(self, error: str | None) -> None:
        self.over.append(error)


class Scene:
    """A handshake that takes LOGIN for complete when its payloads end in a full stop."""

    def __init__(self) -> None:
        self.home = Reader()
        self.next = Reader()
        self.payload = b""
        self.judged: list[Login] = []
        self.done: list[Handshake] = []
        self.pipe: MemoryPipe
        self.pipe, self.theirs = memory_pair()
        self.pipe.switch(self.home)
        acceptor = cast(Acceptor, SimpleNamespace(challenge=lambda: CHALLENGE))
        Handshake(self.theirs, acceptor, self._understand, self.judge, self.done.append).start()

    def _understand(self, payload: memoryview) -> Login | None:
        self.payload += payload
        return LOGIN if self.payload.endswith(b".") else None

    def judge(self, login: Login) -> None:
        self.judged.append(login)
        self.theirs.switch(self.next)

    def say(self, *messages: bytes) -> None:
        for message in messages:
            self.pipe.write([[message]])
            self.pipe.settle()


def scene(test: Callable[[Scene], None]) -> list[str]:
    """Plays `test`; the events of the log."""

    async def main() -> None:
        await asyncio.sleep(0)
        test(Scene())

    with capture_logs() as lines:
        run(main())
    return [str(line["event"]) for line in lines]


def test_login_may_come_in_many_frames_and_any_pieces() -> None:
    def test(made: Scene) -> None:
        stream = frame(Type.LOGIN, 0, b"it is ") + frame(Type.LOGIN, 0, b"me.")
        made.say(*(stream[at : at + 1] for at in range(len(stream))))
        assert made.home.data == CHALLENGE
        assert (made.payload, made.judged, len(made.done)) == (b"it is me.", [LOGIN], 1)

    assert scene(test) == []


def test_what_follows_login_is_for_the_next_reader() -> None:
    def test(made: Scene) -> None:
        made.say(frame(Type.LOGIN, 0, b"me.") + ping(1))
        assert (made.judged, made.next.data) == ([LOGIN], ping(1))

    scene(test)


@pytest.mark.parametrize(
    "sent", [ping(1), frame(Type.LOGIN, 0, b"it is ") + ping(1), bytes([Type.LOGIN, 0]) + b"\xff" * 6]
)
def test_anything_else_ends_the_pipe(sent: bytes) -> None:
    def test(made: Scene) -> None:
        made.say(sent)
        assert (made.judged, len(made.done), made.home.over) == ([], 1, [None])

    assert scene(test) == ["handshake refused"]


def test_a_pipe_that_ends_first_is_forgotten() -> None:
    def test(made: Scene) -> None:
        made.say(frame(Type.LOGIN, 0, b"it is "))
        made.pipe.abort("lost")
        made.pipe.settle()
        assert (made.judged, len(made.done)) == ([], 1)

    assert scene(test) == []


def test_who_says_nothing_has_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert HANDSHAKE_WAIT == 10
    monkeypatch.setattr("hushgate.server.login.HANDSHAKE_WAIT", 0.02)

    async def main() -> None:
        made = Scene()
        await until(lambda: made.done, "the time to be over")
        made.pipe.settle()
        assert (made.judged, len(made.done), len(made.home.over)) == ([], 1, 1)

    with capture_logs() as lines:
        run(main())
    assert [line["event"] for line in lines] == ["handshake timed out"]
