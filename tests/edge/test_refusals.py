"""Refusals in the words that each client understands."""

import json

import pytest

from hushgate.edge.parser import read_request
from hushgate.edge.profile import Deny, Dialect
from hushgate.edge.refusals import Answer, answer_bytes, refuse

DENY = Deny(403, "model", 'no model "x" here', request_id=b'"seven"')


def told(dialect: Dialect, deny: Deny = DENY) -> object:
    return json.loads(refuse(dialect, deny).body)


def test_each_dialect() -> None:
    assert told(Dialect.PLAIN) == told(Dialect.OLLAMA) == {"error": 'no model "x" here'}
    error = {"message": 'no model "x" here', "type": "invalid_request_error", "param": None, "code": "model"}
    assert told(Dialect.OPENAI) == {"error": error}
    assert told(Dialect.ANTHROPIC) == {
        "type": "error",
        "error": {"type": "permission_error", "message": 'no model "x" here'},
    }
    assert told(Dialect.JSON_RPC) == {
        "jsonrpc": "2.0",
        "id": "seven",
        "error": {"code": -32000, "message": 'no model "x" here', "data": {"reason": "model"}},
    }


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "rate_limit_error"), (503, "api_error"), (401, "authentication_error")]
)
def test_the_kind_of_an_error_of_anthropic(status: int, kind: str) -> None:
    answer = told(Dialect.ANTHROPIC, Deny(status, "x", "y"))
    assert isinstance(answer, dict) and answer["error"]["type"] == kind


def test_an_unknown_id_is_null() -> None:
    answer = told(Dialect.JSON_RPC, Deny(403, "x", "y"))
    assert isinstance(answer, dict) and answer["id"] is None


def test_the_bytes() -> None:
    answer = Answer(429, ((b"Retry-After", b"5"),), b"{}")
    get = read_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer_bytes(answer, get, keep=True) == (
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nContent-Length: 2\r\n\r\n{}"
    )
    head = read_request(b"HEAD / HTTP/1.0\r\n\r\n")
    assert answer_bytes(answer, head, keep=True).endswith(b"Content-Length: 2\r\nConnection: keep-alive\r\n\r\n")
    assert answer_bytes(answer, None, keep=False).endswith(b"Connection: close\r\n\r\n{}")
    assert answer_bytes(Answer(499), get, keep=True).startswith(b"HTTP/1.1 499 Refused\r\n")


def test_headers_that_contradict_the_body_have_a_code_of_their_own() -> None:
    told = refuse(Dialect.JSON_RPC, Deny(400, "mismatch", "m", b"7"))
    assert json.loads(told.body)["error"]["code"] == -32020
    assert json.loads(told.body)["id"] == 7
