"""What is a message, and of which kind."""

import json

import pytest

from hushgate.mcp.messages import INVALID_REQUEST, PARSE_ERROR, BadMessage, Kind, error_line, read_body, read_line


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        ('{"jsonrpc":"2.0","id":1,"method":"ping"}', Kind.REQUEST, "1"),
        ('{"jsonrpc":"2.0","id":"1","method":"ping"}', Kind.REQUEST, '"1"'),
        ('{"jsonrpc":"2.0","method":"notifications/initialized"}', Kind.NOTIFICATION, ""),
        ('{"jsonrpc":"2.0","id":1,"result":{}}', Kind.RESPONSE, "1"),
        ('{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}', Kind.RESPONSE, "1"),
        ('{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}', Kind.RESPONSE, ""),
    ],
)
def test_kinds(text: str, kind: Kind, key: str) -> None:
    for message in (read_line(text.encode()), *read_body(text.encode())):
        assert (message.kind, message.key, message.line) == (kind, key, text.encode())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", PARSE_ERROR),
        ("Server running on stdio", PARSE_ERROR),
        ("[" * 200_000, PARSE_ERROR),
        ("7", INVALID_REQUEST),
        ("[]", INVALID_REQUEST),
        ("[[]]", INVALID_REQUEST),
        ("{}", INVALID_REQUEST),
        ('{"jsonrpc":"1.0","id":1,"method":"m"}', INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":null,"method":"m"}', INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":true,"method":"m"}', INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":[],"method":"m"}', INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":1}', INVALID_REQUEST),
        ('{"jsonrpc":"2.0","id":1,"method":7}', INVALID_REQUEST),
    ],
)
def test_what_is_no_message(text: str, code: int) -> None:
    with pytest.raises(BadMessage) as caught:
        read_body(text.encode())
    assert caught.value.code == code
    with pytest.raises(BadMessage):
        read_line(text.encode())


def test_a_body_is_read_as_nobody_can_misread_it() -> None:
    with pytest.raises(BadMessage):
        read_body(b'{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}')


def test_a_body_becomes_one_line() -> None:
    (message,) = read_body(b'\n{\r\n  "jsonrpc": "2.0",\n  "method": "m", "params": {"text": "a\\nb"}\n}\n')
    assert b"\n" not in message.line and b"\r" not in message.line
    assert json.loads(message.line)["params"]["text"] == "a\nb"


def test_what_is_asked_of_a_message() -> None:
    (request,) = read_body(b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":"t"}}}')
    progress = read_line(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}')
    assert request.progress_key == progress.progress_key == '"t"'
    bare = read_line(b'{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}')
    assert (bare.params, bare.meta, bare.progress_key, bare.error_code) == ({}, {}, "", None)
    assert json.loads(request.changed(id=9))["id"] == 9


def test_errors_of_our_own() -> None:
    assert json.loads(error_line('"a"', -32000, 'say "hi"')) == {
        "jsonrpc": "2.0",
        "id": "a",
        "error": {"code": -32000, "message": 'say "hi"'},
    }
    assert json.loads(error_line("", -32000, ""))["id"] is None
