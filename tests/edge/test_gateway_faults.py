"""Faults and ends of the gateway: garbage, cuts, clocks, and who hears of them."""

from math import inf

import pytest

from hushgate.edge.profile import Allow
from hushgate.edge.sides import Failure, State
from hushgate.protocol.limits import REQUEST_HEAD_MAX
from tests.edge.scene import GET, OK, Scene, Scripted

POST = b"POST /api/chat HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\n"


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        b"x" * 200_000,
    ],
)
def test_garbage_of_home_is_a_502(garbage: bytes) -> None:
    scene = Scene()
    scene.say(GET)
    assert scene.answer(garbage).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert (scene.home.standing, scene.state) == (False, State.HEAD)


def test_garbage_in_the_middle_cuts_the_visitor() -> None:
    scene = Scene()
    scene.say(GET)
    scene.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    assert scene.answer(b"zz\r\n") == b""
    assert scene.visitor.end == "broken off"


def test_a_second_answer_reaches_nobody() -> None:
    scene = Scene()
    scene.say(GET)
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    assert b"evil" not in scene.answer(OK + evil)
    assert not scene.home.standing
    scene.say(GET)
    scene.answer(OK)
    assert scene.answer(evil) == b"" and not scene.home.standing
    assert b"evil" not in scene.say(GET) + scene.answer(OK)


@pytest.mark.parametrize("head", [b"Content-Length: 9\r\n\r\nhel", b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n"])
@pytest.mark.parametrize("failure", [None, Failure.BROKEN])
def test_an_answer_that_is_cut_is_never_ended_as_if_it_were_whole(head: bytes, failure: Failure | None) -> None:
    scene = Scene()
    scene.say(GET)
    scene.answer(b"HTTP/1.1 200 OK\r\n" + head)
    assert scene.lose(failure) == b""
    assert (scene.visitor.end, scene.overs) == ("broken off", 1)


@pytest.mark.parametrize(
    ("failure", "status", "told"),
    [
        (Failure.AWAY, b"503", b"ollama: home is not connected"),
        (Failure.FULL, b"503", b"ollama: too many"),
        (Failure.REFUSED, b"502", b"ollama: home's service does not accept"),
        (Failure.BROKEN, b"502", b"ollama: home's service ended"),
    ],
)
def test_no_answer_is_told_in_a_sentence(failure: Failure, status: bytes, told: bytes) -> None:
    scene = Scene()
    scene.say(GET)
    got = scene.lose(failure)
    assert got.startswith(b"HTTP/1.1 " + status) and told in got
    assert (b"Retry-After" in got) == (status == b"503")
    assert (scene.state, scene.visitor.end) == (State.HEAD, "")


def test_an_idle_connection_that_home_ends_just_then_ends_the_visitors() -> None:
    scene = Scene()
    scene.say(GET)
    scene.answer(OK)
    scene.say(GET)
    assert scene.lose(None) == b"" and scene.visitor.end == "broken off"


def test_home_may_end_an_idle_connection() -> None:
    scene = Scene()
    scene.say(GET)
    scene.answer(OK)
    assert scene.lose(None) == b"" and scene.state is State.HEAD
    assert scene.say(GET) and scene.answer(OK)


def test_the_visitors_end_drops_home() -> None:
    scene = Scene(judge := Scripted(Allow()))
    scene.say(GET)
    scene.gateway.ended(None)
    assert (scene.home.end, scene.overs, judge.exchanges[0].refused) == ("dropped", 1, "the visitor left")


def test_a_request_waits_for_home_and_its_body_unread() -> None:
    scene = Scene()
    scene.home.up = False
    assert scene.say(POST + b"hel") == b""
    assert (scene.state, scene.unread, scene.gateway.due) == (State.PARKED, b"hel", inf)
    scene.home.arrive()
    assert scene.home.took().startswith(b"POST /api/chat") and not scene.visitor.paused
    assert scene.say(b"lo") == b"hello"


def test_back_pressure_both_ways() -> None:
    scene = Scene()
    scene.home.full = True
    scene.say(POST + b"he")
    assert scene.visitor.paused and scene.gateway.due == inf
    scene.home.full = False
    scene.gateway.home_writable()
    assert not scene.visitor.paused and scene.gateway.due == 130.0
    scene.say(b"llo")
    scene.visitor.full = True
    scene.answer(OK[:-1])
    assert scene.home.paused
    scene.visitor.full = False
    scene.gateway.writable()
    assert not scene.home.paused


def test_the_clocks() -> None:
    scene = Scene()
    assert scene.gateway.due == 160.0
    scene.time = 110.0
    scene.say(b"GET / HT")
    assert scene.gateway.due == 170.0
    scene.time = 169.0
    scene.say(b"TP")
    assert scene.gateway.due == 170.0
    scene.gateway.overdue()
    assert scene.visitor.sent.startswith(b"HTTP/1.1 408 ") and scene.visitor.end == "closed"


def test_the_clock_of_a_body_runs_between_reads() -> None:
    scene = Scene()
    scene.say(POST)
    assert scene.gateway.due == 130.0
    scene.time = 129.0
    scene.say(b"he")
    assert scene.gateway.due == 159.0
    scene.gateway.overdue()
    assert scene.visitor.sent.startswith(b"HTTP/1.1 408 ") and scene.home.end == "dropped"


def test_a_slow_body_whose_answer_has_begun_is_cut() -> None:
    scene = Scene()
    scene.say(POST)
    scene.answer(OK[:-1])
    scene.gateway.overdue()
    assert scene.visitor.end == "broken off"


def test_an_idle_connection_ends_in_silence() -> None:
    scene = Scene()
    scene.say(GET)
    scene.answer(OK)
    assert scene.gateway.due == 175.0
    scene.gateway.overdue()
    assert (scene.visitor.sent, scene.visitor.end, scene.home.end) == (b"", "closed", "dropped")


def test_while_home_works_no_clock_runs() -> None:
    scene = Scene()
    scene.say(GET)
    assert scene.gateway.due == inf


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1_000_000, b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n"]
)
def test_a_head_that_is_too_long(head: bytes) -> None:
    scene = Scene()
    for at in range(0, len(head), 16_384):
        scene.say(head[at : at + 16_384])
        assert len(scene.unread) <= REQUEST_HEAD_MAX
    assert scene.visitor.sent.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 414 ")) and scene.visitor.end == "closed"
    assert scene.home.begun == []


def test_a_bare_line_feed_is_refused_at_once() -> None:
    scene = Scene()
    scene.say(b"GET / HTTP/1.1\nHost: a\n\n")
    assert scene.visitor.sent.startswith(b"HTTP/1.1 400 ") and scene.visitor.end == "closed"


def test_an_empty_line_in_front_is_forgiven_many_are_not() -> None:
    scene = Scene()
    assert scene.say(b"\r\n" + GET)
    assert Scene().say(b"\r\n" * 3 + GET) == b""
