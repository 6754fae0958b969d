"""One visitor's connection through the gateway: one request after another, clocks, and ends."""

import pytest

from hushgate.edge.profile import Allow
from hushgate.edge.rewrite import Peer
from hushgate.edge.stage import State
from hushgate.protocol.limits import REQUEST_HEAD_MAX
from tests.edge.scene import GET, OK, Scene, Scripted

POST = b"POST /api/chat HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\n"


def test_an_exchange_and_the_next_one_on_the_same_connections() -> None:
    scene = Scene()
    for number in range(3):
        assert scene.say(GET).startswith(b"GET /api/tags HTTP/1.1\r\nHost: 127.0.0.1:11434\r\n")
        assert scene.state is State.WAIT
        assert scene.answer(OK).endswith(b"\r\n\r\nok")
        assert (scene.state, scene.home.standing, scene.visitor.end) == (State.HEAD, True, "")
        assert len(scene.home.begun) == number + 1


@pytest.mark.parametrize("size", [1, 2, 7])
def test_whatever_the_cuts(size: int) -> None:
    scene = Scene()
    whole = POST + b"hello"
    got = b"".join(scene.say(whole[at : at + size]) for at in range(0, len(whole), size))
    assert got.endswith(b"\r\n\r\nhello") and scene.state is State.WAIT
    unread, told = b"", b""
    for at in range(0, len(OK), size):
        unread += OK[at : at + size]
        unread = unread[scene.gateway.from_home(memoryview(unread)) :]
        told += scene.visitor.took()
    assert told == _whole_answer()


def _whole_answer() -> bytes:
    scene = Scene()
    scene.say(GET)
    return scene.answer(OK)


def test_pipelined_requests_wait_unread() -> None:
    scene = Scene()
    assert scene.say(GET + GET + POST + b"hello").count(b"GET") == 1
    assert scene.unread == GET + POST + b"hello"
    scene.answer(OK)
    assert scene.say(b"").count(b"GET") == 1
    scene.answer(OK)
    assert scene.say(b"").endswith(b"hello")


def test_much_that_lies_unread_pauses_the_visitor() -> None:
    """A little does not: behind it the visitor's end is heard."""
    scene = Scene()
    scene.say(GET)
    scene.say(GET)
    assert not scene.visitor.paused
    scene.say(GET * 1000)
    assert scene.visitor.paused
    scene.answer(OK)
    assert not scene.visitor.paused and scene.say(b"").count(b"GET") == 1


def test_below_a_prefix_the_inner_path_is_judged_and_forwarded() -> None:
    scene = Scene(judge := Scripted(Allow()), prefix=b"/p")
    got = scene.say(b"GET /p/p//x?y HTTP/1.1\r\nHost: a\r\n\r\n")
    assert got.startswith(b"GET /p//x?y HTTP/1.1\r\n")
    scene.answer(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert judge.exchanges[0].request.path == b"/p//x"


def test_a_connection_of_the_door_goes_back_for_another_host() -> None:
    scene = Scene(belongs=lambda request: request.host == b"example.org")
    scene.say(GET)
    scene.answer(OK)
    other = b"GET / HTTP/1.1\r\nHost: other.org\r\n\r\n"
    assert scene.say(other) == b""
    assert (scene.given_back, scene.state, scene.visitor.end, scene.home.end) == ([other], State.AWAY, "", "dropped")


def test_a_connection_that_never_belonged_does_not_go_round() -> None:
    scene = Scene(belongs=lambda request: False)
    scene.say(GET)
    assert scene.visitor.sent.startswith(b"HTTP/1.1 400 ") and scene.given_back == []


def test_retiring_lets_the_request_end_and_takes_no_other() -> None:
    scene = Scene()
    scene.gateway.retire()
    assert (scene.visitor.end, scene.overs) == ("closed", 1)
    busy = Scene()
    busy.say(GET)
    busy.gateway.retire()
    assert busy.visitor.end == "" and b"\r\nConnection: close\r\n" in busy.answer(OK)
    assert busy.visitor.end == "closed"


def test_the_end_of_the_service_cuts_what_runs() -> None:
    scene = Scene()
    scene.say(GET)
    scene.gateway.end("withdrawn")
    scene.gateway.end("twice")
    assert (scene.visitor.end, scene.home.end, scene.overs) == ("broken off", "dropped", 1)
    assert scene.gateway.received(memoryview(b"late")) == 4


def test_a_trusted_peer_names_the_visitor() -> None:
    scene = Scene(peer=Peer("127.0.0.1", trusted=True))
    scene.say(GET[:-2] + b"X-Forwarded-For: 203.0.113.9, 198.51.100.4\r\n\r\n")
    assert scene.home.begun == ["198.51.100.4"]


def test_a_request_that_cannot_be_read_is_told_to_the_judge() -> None:
    scene = Scene(judge := Scripted(Allow()))
    scene.say(POST + b"hello")
    scene.answer(OK)
    scene.say(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
    bad = judge.exchanges[1]
    assert (bad.request.method, bad.outcome.status, bad.outcome.refused, bad.body.size) == (b"", 400, "malformed", 0)


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
    assert (scene.home.end, scene.overs, judge.exchanges[0].outcome.refused) == ("dropped", 1, "the visitor left")


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


def test_an_idle_connection_ends_in_silence() -> None:
    scene = Scene()
    scene.say(GET)
    scene.answer(OK)
    assert scene.gateway.due == 175.0
    scene.gateway.overdue()
    assert (scene.visitor.sent, scene.visitor.end, scene.home.end) == (b"", "closed", "dropped")


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
