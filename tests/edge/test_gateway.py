"""One visitor's connection through the gateway: exchanges, refusals, back-pressure, clocks and ends."""

from math import inf

import pytest

from hushgate.edge.judge import Exchange, Rules, Wait
from hushgate.edge.profile import Allow, Deny, NeedBody
from hushgate.edge.refusals import Answer
from hushgate.edge.rewrite import Peer
from hushgate.edge.sides import Failure, State
from tests.edge.scene import GET, OK, Counting, Scene, Scripted

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


def test_a_refusal_keeps_the_connection_when_the_request_is_read() -> None:
    scene = Scene(judge := Scripted(Deny(403, "rule", "no", facts={"model": "x"})))
    assert scene.say(GET) == b""
    got = scene.visitor.took()
    assert got.startswith(b"HTTP/1.1 403 ") and b'"code": "rule"' in got and scene.visitor.end == ""
    assert (judge.exchanges[0].status, judge.exchanges[0].refused) == (403, "rule")
    assert judge.exchanges[0].facts == {"model": "x"}
    scene.say(POST + b"hello")
    assert b"Connection: close" in scene.visitor.took() and scene.visitor.end == "closed"


def test_an_answer_of_our_own() -> None:
    scene = Scene(Scripted(Answer(204, ((b"Allow", b"GET"),))))
    scene.say(GET)
    assert scene.visitor.sent == b"HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n"
    assert scene.home.begun == []


@pytest.mark.parametrize(
    ("framing", "body"),
    [(b"Content-Length: 5", b"hello"), (b"Transfer-Encoding: chunked", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")],
)
def test_a_body_that_decides_is_seen_whole_and_forwarded_as_judged(framing: bytes, body: bytes) -> None:
    scene = Scene(judge := Scripted(NeedBody(5)))
    head = b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\nExpect: 100-continue\r\n\r\n"
    assert scene.say(head) == b"" and scene.visitor.took() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert scene.say(body[:-1]) == b""
    got = scene.say(body[-1:])
    assert got.endswith(b"\r\n\r\nhello") and b"Content-Length: 5\r\n" in got and b"Expect" not in got
    assert judge.bodies == [b"hello"] and scene.state is State.WAIT
    assert scene.answer(OK)


@pytest.mark.parametrize(
    "request_", [POST, POST.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n"]
)
def test_a_body_that_is_longer_than_the_judge_reads(request_: bytes) -> None:
    scene = Scene(Scripted(NeedBody(4)))
    assert scene.say(request_) == b""
    assert scene.visitor.sent.startswith(b"HTTP/1.1 413 ") and scene.visitor.end == "closed"


def test_a_body_that_is_refused() -> None:
    scene = Scene(Scripted(NeedBody(100), Deny(403, "body", "no")))
    assert scene.say(POST + b"hello") == b""
    assert scene.visitor.sent.startswith(b"HTTP/1.1 403 ") and scene.visitor.end == ""


def test_a_judge_may_write_the_body_anew() -> None:
    scene = Scene(Scripted(NeedBody(100), Allow(body=b"longer than it was")))
    got = scene.say(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nold")
    assert b"\r\nContent-Length: 18\r\n" in got and got.endswith(b"\r\n\r\nlonger than it was")


def test_below_a_prefix_the_inner_path_is_judged_and_forwarded() -> None:
    scene = Scene(judge := Scripted(Allow()), prefix=b"/p")
    got = scene.say(b"GET /p/p//x?y HTTP/1.1\r\nHost: a\r\n\r\n")
    assert got.startswith(b"GET /p//x?y HTTP/1.1\r\n")
    scene.answer(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert judge.exchanges[0].request.path == b"/p//x"


def test_an_empty_body_is_judged_as_well() -> None:
    scene = Scene(judge := Scripted(NeedBody(100)))
    assert scene.say(GET).startswith(b"GET")
    assert judge.bodies == [b""]


def test_a_meter_sees_the_body_without_its_framing() -> None:
    scene = Scene(judge := Scripted(Allow({"model": "tiny"}), meter=(meter := Counting())))
    scene.say(GET)
    scene.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    assert meter.seen == b"hello"
    scene.gateway.ended("reset")
    [exchange] = judge.exchanges
    assert exchange.facts == {"model": "tiny", "tokens": "5"}
    assert (exchange.status, exchange.sent, exchange.refused) == (200, 5, "the visitor left")


def test_a_chunked_body_that_is_malformed_reaches_home_no_further() -> None:
    scene = Scene()
    scene.say(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert scene.say(b"3\r\nabcX") == b""
    assert scene.visitor.sent.startswith(b"HTTP/1.1 400 ") and scene.home.end == "dropped"


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


def test_a_foreign_name_is_refused_before_anything_else() -> None:
    scene = Scene(Rules("ollama", frozenset((b"example.org",))))
    assert scene.say(GET.replace(b"example.org", b"evil.example")) == b""
    assert scene.visitor.sent.startswith(b"HTTP/1.1 421 ")


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


def test_a_request_waits_for_its_turn_unread() -> None:
    scene = Scene(judge := Scripted(Wait(), then=NeedBody(5)))
    assert scene.say(POST + b"hello") == b"" and scene.state is State.QUEUED
    assert scene.gateway.due == inf and scene.unread == b"hello"
    assert judge.waiting.go_on is not None
    judge.waiting.go_on()
    assert scene.say(b"").endswith(b"hello")
    assert scene.answer(OK)


def test_a_turn_may_end_in_a_refusal() -> None:
    scene = Scene(judge := Scripted(Wait(), then=Deny(403, "rule", "no")))
    scene.say(GET)
    assert judge.waiting.go_on is not None
    judge.waiting.go_on()
    assert scene.visitor.took().startswith(b"HTTP/1.1 403 ") and scene.state is State.HEAD


def test_a_visitor_leaves_while_it_waits_for_its_turn() -> None:
    scene = Scene(judge := Scripted(Wait()))
    scene.say(GET)
    scene.gateway.ended("reset")
    [exchange] = judge.exchanges
    assert (exchange.aborted, exchange.refused, scene.overs) == (True, "the visitor left", 1)


@pytest.mark.parametrize("verdict", [Allow(), NeedBody(100)])
def test_a_body_that_grows_too_long(verdict: Allow | NeedBody) -> None:
    scene = Scene(judge := Scripted(verdict, body_max=4))
    scene.say(POST.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"))
    scene.say(b"5\r\nhello\r\n0\r\n\r\n")
    assert scene.visitor.took().startswith(b"HTTP/1.1 413 ") and scene.visitor.end == "closed"
    assert (scene.home.end, judge.exchanges[0].refused) == ("dropped", "body")


def test_a_request_that_cannot_be_read_is_told_to_the_judge() -> None:
    scene = Scene(judge := Scripted(Allow()))
    scene.say(POST + b"hello")
    scene.answer(OK)
    scene.say(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
    bad = judge.exchanges[1]
    assert (bad.request.method, bad.status, bad.refused, bad.received) == (b"", 400, "malformed", 0)


def test_what_was_parked_before_is_not_this_requests() -> None:
    scene = Scene(judge := Scripted(Allow()))
    scene.home.parked = 3.0
    scene.say(GET)
    scene.answer(OK)
    judge.verdict = Deny(403, "rule", "no")
    scene.say(GET)
    assert [exchange.parked for exchange in judge.exchanges] == [3.0, 0.0]


def test_home_sees_its_own_origin_when_the_page_was_judged() -> None:
    class Pages(Scripted):
        def admit(self, exchange: Exchange) -> None:
            exchange.request.page = b"https://app.example"

    ask = GET.replace(b"\r\n\r\n", b"\r\nORIGIN: https://app.example\r\n\r\n")
    assert b"\r\nORIGIN: http://127.0.0.1:11434\r\n" in Scene(Pages(Allow())).say(ask)
    assert b"\r\nORIGIN: https://app.example\r\n" in Scene(Scripted(Allow())).say(ask)
