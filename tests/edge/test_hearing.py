"""A request before its judge: refusals, bodies that decide, and turns."""

from math import inf

import pytest

from hushgate.edge.judge import Rules, Wait
from hushgate.edge.profile import Allow, Deny, NeedBody
from hushgate.edge.refusals import Answer
from hushgate.edge.stage import State
from tests.edge.scene import GET, OK, Place, Scene, Scripted

POST = b"POST /api/chat HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\n"


def test_a_refusal_keeps_the_connection_when_the_request_is_read() -> None:
    scene = Scene(judge := Scripted(Deny(403, "rule", "no", facts={"model": "x"})))
    assert scene.say(GET) == b""
    got = scene.visitor.took()
    assert got.startswith(b"HTTP/1.1 403 ") and b'"code": "rule"' in got and scene.visitor.end == ""
    assert (judge.exchanges[0].outcome.status, judge.exchanges[0].outcome.refused) == (403, "rule")
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


def test_an_empty_body_is_judged_as_well() -> None:
    scene = Scene(judge := Scripted(NeedBody(100)))
    assert scene.say(GET).startswith(b"GET")
    assert judge.bodies == [b""]


def test_a_foreign_name_is_refused_before_anything_else() -> None:
    scene = Scene(Rules("ollama", frozenset((b"example.org",))))
    assert scene.say(GET.replace(b"example.org", b"evil.example")) == b""
    assert scene.visitor.sent.startswith(b"HTTP/1.1 421 ")


def test_a_request_waits_for_its_turn_unread() -> None:
    scene = Scene(Scripted(Wait(turn := Place()), then=NeedBody(5)))
    assert scene.say(POST + b"hello") == b"" and scene.state is State.QUEUED
    assert scene.gateway.due == inf and scene.unread == b"hello"
    turn.go_on()
    assert scene.say(b"").endswith(b"hello")
    assert scene.answer(OK)


def test_a_turn_may_end_in_a_refusal() -> None:
    scene = Scene(Scripted(Wait(turn := Place()), then=Deny(403, "rule", "no")))
    scene.say(GET)
    turn.go_on()
    assert scene.visitor.took().startswith(b"HTTP/1.1 403 ") and scene.state is State.HEAD


def test_a_visitor_leaves_while_it_waits_for_its_turn() -> None:
    scene = Scene(judge := Scripted(Wait(Place())))
    scene.say(GET)
    scene.gateway.ended("reset")
    [exchange] = judge.exchanges
    assert (exchange.outcome.aborted, exchange.outcome.refused, scene.overs) == (True, "the visitor left", 1)


@pytest.mark.parametrize("verdict", [Allow(), NeedBody(100)])
def test_a_body_that_grows_too_long(verdict: Allow | NeedBody) -> None:
    scene = Scene(judge := Scripted(verdict, body_max=4))
    scene.say(POST.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"))
    scene.say(b"5\r\nhello\r\n0\r\n\r\n")
    assert scene.visitor.took().startswith(b"HTTP/1.1 413 ") and scene.visitor.end == "closed"
    assert (scene.home.end, judge.exchanges[0].outcome.refused) == ("dropped", "body")
