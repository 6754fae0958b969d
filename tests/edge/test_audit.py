"""What an audit line says, and what it never does."""

from hushgate.edge.audit import audit_line
from hushgate.edge.exchange import Exchange, Outcome
from hushgate.edge.heads import UNREAD
from hushgate.edge.parser import read_request
from hushgate.edge.rewrite import Peer
from tests.edge.scene import Place

HEAD = b"POST /api/chat?key=s3cret HTTP/1.1\r\nHost: a\r\nX-Api-Key: s3cret\r\nX-Real-IP: 198.51.100.9\r\n\r\n"


def test_everything_that_happened() -> None:
    facts = {"model": "tiny:latest", "prompt_tokens": "5"}
    outcome = Outcome(10.0, answered=12.0, ended=13.0001, parked=1.25, status=200, sent=300)
    exchange = Exchange(read_request(HEAD), Peer("192.0.2.7"), outcome, facts, "editor", turn := Place())
    turn.queued = 0.5
    exchange.body.size = 20
    assert audit_line(exchange) == {
        "peer": "192.0.2.7",
        "key": "editor",
        "method": "POST",
        "path": "/api/chat",
        "model": "tiny:latest",
        "prompt_tokens": 5,
        "status": 200,
        "received": 20,
        "sent": 300,
        "queued_ms": 500,
        "parked_ms": 1250,
        "first_ms": 2000,
        "total_ms": 3000,
    }


def test_what_did_not_happen_is_left_out() -> None:
    exchange = Exchange(UNREAD, Peer("127.0.0.1", trusted=True), Outcome(10.0, ended=10.0))
    exchange.outcome.status, exchange.outcome.refused = 400, "malformed"
    assert audit_line(exchange) == {
        "peer": "127.0.0.1",
        "status": 400,
        "received": 0,
        "sent": 0,
        "total_ms": 0,
        "reason": "malformed",
    }


def test_an_end_in_the_middle_is_told() -> None:
    peer = Peer("127.0.0.1", trusted=True)
    exchange = Exchange(read_request(HEAD), peer, Outcome(0.0, status=200, refused="the visitor left", aborted=True))
    line = audit_line(exchange)
    assert (line["peer"], line["aborted"], line["reason"]) == ("198.51.100.9", True, "the visitor left")


def test_no_secret_and_nothing_long() -> None:
    request = read_request(b"GET /" + b"a" * 5000 + b"?s3cret HTTP/1.1\r\nHost: a\r\nCookie: s3cret\r\n\r\n")
    line = audit_line(Exchange(request, Peer("192.0.2.7"), Outcome(0.0), {"model": "m" * 5000}))
    assert all(len(str(value)) <= 200 for value in line.values())
    assert not any("s3cret" in str(value) for value in line.values())
