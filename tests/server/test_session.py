"""A session's answers to its mux, and who hears of what."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

import pytest

from hushgate.config.model import Limits
from hushgate.errors import LocalProtocolError, ProtocolError
from hushgate.link.link import Link
from hushgate.protocol.credit import Buffered
from hushgate.protocol.frames import Code, GoAway, Mode, Open, Type
from hushgate.protocol.hello import Login
from hushgate.protocol.mux import Mux
from hushgate.server.registry import Registry
from hushgate.server.session import Session
from tests.aio import run

LOGIN = Login(1, None, 3, 0, 65536, b"instance of home", {})
SECRET = b"the session's id"


class Heard:
    """A keeper that writes down what it hears."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def proving(self, session: Session, payload: bytes) -> None:
        self.words.append(f"proving {payload.decode()}")

    def started(self, session: Session) -> None:
        self.words.append("started")

    def draining(self, session: Session) -> None:
        self.words.append("draining")

    def quiet(self) -> None:
        self.words.append("quiet")


def session(test: Callable[[Session, Heard], None], limits: Limits | None = None) -> None:
    async def main() -> None:
        await asyncio.sleep(0)
        heard = Heard()
        test(Session(SECRET, LOGIN, Registry(0.0, heard.words.append), heard, Buffered(), limits or Limits()), heard)

    run(main())


def test_it_is_up_once_taken_up_with_a_link_unless_it_drains_and_its_name_is_no_secret() -> None:
    def test(made: Session, heard: Heard) -> None:
        made.link = cast(Link, object())
        assert not made.up
        for _ in range(2):
            made.started()
        assert made.up
        made.link = None
        assert not made.up
        made.link = cast(Link, object())
        assert (made.name, repr(made)) == (b"inst".hex(), f"<Session client {b'inst'.hex()} up epoch=3 streams=0>")
        assert SECRET.hex() not in repr(made)
        assert SECRET.decode() not in repr(made)
        for mode in (Mode.DRAIN, Mode.DRAIN, Mode.MOVE):
            made.goaway(GoAway(mode, Code.DONE))
        assert (made.up, heard.words) == (False, ["started", "draining"])

    session(test)


def test_only_proofs_may_follow_the_handshake() -> None:
    def test(made: Session, heard: Heard) -> None:
        made.handshake(Type.PROVE, b"echo")
        assert heard.words == ["proving echo"]
        for type in (Type.LOGIN, Type.PROVED, Type.WELCOME):
            with pytest.raises(ProtocolError):
                made.handshake(type, b"")

    session(test)


def test_the_keeper_hears_of_streams_that_end_and_the_limit_holds() -> None:
    def test(made: Session, heard: Heard) -> None:
        streams = [made.open(Open("echo")) for _ in range(2)]
        assert {stream.send_limit for stream in streams} == {LOGIN.window}
        with pytest.raises(LocalProtocolError):
            made.open(Open("echo"))
        made.mux.end(Code.AWAY, "")
        assert heard.words == ["quiet"]

    session(test, Limits(streams=2))


def test_home_opens_no_streams() -> None:
    def test(made: Session, heard: Heard) -> None:
        home = Mux(made, dialler=True, now=time.monotonic(), random=lambda: 0.5)
        made.incoming(home.open(Open("echo"), time.monotonic()))
        assert not home.streams

    session(test)
