"""A request on its way home and its response: bodies, streams, upgrades, cuts and back-pressure."""

from math import inf

import pytest

from hushgate.edge.exchange import Exchange
from hushgate.edge.profile import Allow, Deny
from hushgate.edge.sides import Failure
from hushgate.edge.stage import State
from tests.edge.scene import GET, OK, Counting, Scene, Scripted

POST = b"POST /api/chat HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\n"


def test_a_body_passes_piece_by_piece_and_is_framed_anew() -> None:
    scene = Scene()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"Transfer-Encoding: chunked\r\n" in scene.say(head)
    assert scene.say(b"3;ext=1\r\nab") == b"2\r\nab\r\n"
    assert scene.say(b"c\r\n0002\r\nde\r\n") == b"3\r\ncde\r\n"
    assert scene.say(b"0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n") == b"0\r\nX-Sum: 1\r\n\r\n"
    assert scene.state is State.WAIT


def test_streams_are_passed_on_at_once_in_chunks() -> None:
    scene = Scene()
    scene.say(GET)
    got = scene.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert b"Transfer-Encoding: chunked\r\n" in got and b"X-Accel-Buffering: no\r\n" in got
    assert scene.answer(b"5\r\nhello\r\n") == b"5\r\nhello\r\n"
    assert scene.answer(b"1\r\na\r\n2\r\nbc") == b"3\r\nabc\r\n"
    assert scene.answer(b"\r\n0\r\n\r\n") == b"0\r\n\r\n"
    assert scene.state is State.HEAD


def test_a_body_that_ends_with_homes_connection_keeps_the_visitors() -> None:
    scene = Scene()
    scene.say(GET)
    scene.answer(b"HTTP/1.0 200 OK\r\n\r\nabc")
    assert scene.lose(None) == b"0\r\n\r\n"
    assert (scene.state, scene.visitor.end) == (State.HEAD, "")
    assert scene.say(GET) and scene.home.standing


def test_a_visitor_of_1_0_gets_neither_chunks_nor_interim_answers() -> None:
    scene = Scene()
    assert b"HTTP/1.1\r\n" in scene.say(b"GET / HTTP/1.0\r\n\r\n")
    assert scene.answer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") == b""
    got = scene.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert got.endswith(b"Connection: close\r\n\r\nok") and b"hunked" not in got
    assert scene.visitor.end == "closed"


def test_a_visitor_of_1_0_may_ask_to_be_kept() -> None:
    scene = Scene()
    scene.say(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert b"Connection: keep-alive\r\n" in scene.answer(OK)
    assert scene.state is State.HEAD


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [(b"HEAD", b"200 OK", b"5"), (b"GET", b"304 Not Modified", b"5"), (b"GET", b"204 No Content", None)],
)
def test_answers_without_a_body(method: bytes, status: bytes, length: bytes | None) -> None:
    scene = Scene()
    scene.say(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    got = scene.answer(b"HTTP/1.1 " + status + (b"\r\nContent-Length: " + length if length else b"") + b"\r\n\r\n")
    assert got.endswith(b"\r\n\r\n") and (b"Content-Length: 5" in got) == bool(length)
    assert scene.state is State.HEAD


def test_interim_answers_pass() -> None:
    scene = Scene()
    assert b"Expect: 100-continue\r\n" in scene.say(POST[:-2] + b"Expect: 100-continue\r\n\r\n")
    assert scene.gateway.due == inf
    assert scene.answer(b"HTTP/1.1 100 Continue\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert scene.say(b"hello") == b"hello"
    assert scene.answer(OK).startswith(b"HTTP/1.1 200")


def test_a_refused_expectation_ends_the_connection_with_its_answer() -> None:
    scene = Scene()
    scene.say(POST[:-2] + b"Expect: 100-continue\r\n\r\n")
    assert scene.answer(OK).startswith(b"HTTP/1.1 200")
    assert scene.visitor.end == "closed"


def test_an_answer_before_the_whole_request_says_that_the_connection_ends() -> None:
    """Starlette redirects so; a client that was not told would send its next request into a closed connection."""
    scene = Scene()
    scene.say(POST + b"he")
    assert b"\r\nConnection: close\r\n" in scene.answer(OK)
    assert (scene.state, scene.visitor.end) == (State.OVER, "closed")
    whole = Scene()
    whole.say(POST + b"hello")
    assert b"Connection:" not in whole.answer(OK)


def test_an_upgrade_passes_bytes_both_ways() -> None:
    scene = Scene()
    ask = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert scene.say(ask).endswith(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    scene.say(b"\x81\x80early")
    got = scene.answer(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x01a")
    assert got == b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01a"
    assert scene.say(b"") == b"\x81\x80early"
    assert (scene.say(b"GET / HTTP"), scene.answer(b"\r\n\r\n"), scene.gateway.due) == (b"GET / HTTP", b"\r\n\r\n", inf)
    scene.gateway.ended(None)
    assert (scene.home.end, scene.overs) == ("closed", 1)


@pytest.mark.parametrize("failure", [None, Failure.BROKEN])
def test_home_ends_an_upgraded_connection(failure: Failure | None) -> None:
    scene = Scene()
    scene.say(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    scene.answer(b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    scene.lose(failure)
    assert scene.visitor.end == ("broken off" if failure else "closed")


def test_nobody_is_upgraded_who_did_not_ask() -> None:
    scene = Scene()
    scene.say(GET)
    got = scene.answer(b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 502 ") and scene.home.end == "dropped"


def test_a_meter_sees_the_body_without_its_framing() -> None:
    scene = Scene(judge := Scripted(Allow({"model": "tiny"}), meter=(meter := Counting())))
    scene.say(GET)
    scene.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    assert meter.seen == b"hello"
    scene.gateway.ended("reset")
    [exchange] = judge.exchanges
    assert exchange.facts == {"model": "tiny", "tokens": "5"}
    assert (exchange.outcome.status, exchange.outcome.sent, exchange.outcome.refused) == (200, 5, "the visitor left")


def test_a_chunked_body_that_is_malformed_reaches_home_no_further() -> None:
    scene = Scene()
    scene.say(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert scene.say(b"3\r\nabcX") == b""
    assert scene.visitor.sent.startswith(b"HTTP/1.1 400 ") and scene.home.end == "dropped"


def test_what_was_parked_before_is_not_this_requests() -> None:
    scene = Scene(judge := Scripted(Allow()))
    scene.home.parked = 3.0
    scene.say(GET)
    scene.answer(OK)
    judge.verdict = Deny(403, "rule", "no")
    scene.say(GET)
    assert [exchange.outcome.parked for exchange in judge.exchanges] == [3.0, 0.0]


def test_home_sees_its_own_origin_when_the_page_was_judged() -> None:
    class Pages(Scripted):
        def admit(self, exchange: Exchange) -> None:
            exchange.request.page = b"https://app.example"

    ask = GET.replace(b"\r\n\r\n", b"\r\nORIGIN: https://app.example\r\n\r\n")
    assert b"\r\nORIGIN: http://127.0.0.1:11434\r\n" in Scene(Pages(Allow())).say(ask)
    assert b"\r\nORIGIN: https://app.example\r\n" in Scene(Scripted(Allow())).say(ask)


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


def test_what_no_library_sends_again_is_answered_even_then() -> None:
    scene = Scene()
    scene.say(GET)
    scene.answer(OK)
    scene.say(POST + b"hello")
    got = scene.lose(None)
    assert got.startswith(b"HTTP/1.1 502") and b"ollama: home's service ended" in got
    assert scene.visitor.end == ""


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


def test_while_home_works_no_clock_runs() -> None:
    scene = Scene()
    scene.say(GET)
    assert scene.gateway.due == inf
