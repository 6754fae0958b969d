"""One line for each request, in every dialect: what was asked, with which key, and what became of it."""

from typing import Any

import pytest

from hushgate.config.model import Http, OllamaRules
from hushgate.edge.mcp import McpProfile
from hushgate.edge.ollama import OllamaProfile
from hushgate.edge.profile import Profile
from hushgate.server.gatekeeper import Gatekeeper
from hushgate.server.turns import Turns
from tests.edge.scene import OK, Scene
from tests.logs import capture_logs
from tests.server.gate import KEY, KEYS, OLLAMA, Rig, ask, bearer


def lines_of(rig: Rig, *requests: bytes, reply: bytes = OK) -> list[dict[str, Any]]:
    with capture_logs() as log:
        for request in requests:
            scene = rig.scene()
            if scene.say(request):
                scene.answer(reply)
    common = {"event": "request", "log_level": "info", "component": "http", "service": "ollama", "peer": "192.0.2.7"}
    assert all(line.items() >= common.items() for line in log)
    return [{name: value for name, value in line.items() if name not in common} for line in log]


def replies(kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


GOLDEN = [
    (
        OLLAMA,
        "/api/chat",
        replies("application/x-ndjson", b'{"done":true,"prompt_eval_count":5,"eval_count":7}\n'),
        {"model": "tiny", "prompt_tokens": 5, "completion_tokens": 7, "sent": 51},
    ),
    (
        OLLAMA,
        "/v1/chat/completions",
        replies("application/json", b'{"usage":{"prompt_tokens":5,"completion_tokens":7}}'),
        {"model": "tiny", "prompt_tokens": 5, "completion_tokens": 7, "sent": 51},
    ),
    (
        OLLAMA,
        "/v1/messages",
        replies("application/json", b'{"usage":{"input_tokens":5,"output_tokens":7}}'),
        {"model": "tiny", "prompt_tokens": 5, "completion_tokens": 7, "sent": 46},
    ),
]


@pytest.mark.parametrize(("profile", "path", "reply", "facts"), GOLDEN)
def test_golden_lines(profile: Profile, path: str, reply: bytes, facts: dict[str, Any]) -> None:
    rig = Rig(Http(keys=KEYS), OllamaProfile(OllamaRules()))
    request = ask(bearer(KEY), target=path + "?token=s3cret", method="POST", body=b'{"model": "tiny"}')
    [line] = lines_of(rig, request, reply=reply)
    assert line == {
        "key": "editor",
        "method": "POST",
        "path": path,
        "status": 200,
        "received": 17,
        "first_ms": 0,
        "total_ms": 0,
        **facts,
    }


def test_golden_lines_of_mcp() -> None:
    call = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"add"}}'
    rig = Rig(Http(keys=KEYS), McpProfile(deny=("rm",)))
    post = ask(bearer(KEY), target="/mcp", method="POST", body=call)
    denied = ask(bearer(KEY), target="/mcp", method="POST", body=call.replace(b"add", b"rm"))
    line, refused = lines_of(rig, post, denied)
    common = {"key": "editor", "method": "POST", "path": "/mcp", "mcp_method": "tools/call", "total_ms": 0}
    assert line == {**common, "mcp_name": "add", "status": 200, "received": 70, "sent": 2, "first_ms": 0}
    assert refused == {**common, "mcp_name": "rm", "status": 403, "received": 69, "sent": 132, "reason": "tool"}
    listen = ask(bearer(KEY), "Mcp-Method: subscriptions/listen", method="POST", target="/mcp")
    [line] = lines_of(Rig(Http(keys=KEYS)), listen)
    assert line["mcp_method"] == "subscriptions/listen"


def test_lines_of_refusals() -> None:
    rig = Rig(Http(keys=KEYS))
    lines = lines_of(
        rig,
        ask(target="/api/tags?key=" + KEY),
        ask(bearer("wrong")),
        ask("Origin: https://evil.example"),
        ask(target="/.well-known/oauth-protected-resource"),
        ask(host="evil.example"),
        ask("Folded: a", " b"),
    )
    assert [(line["status"], line["reason"]) for line in lines] == [
        (401, "no_api_key"),
        (401, "invalid_api_key"),
        (403, "origin"),
        (404, "oauth"),
        (421, "host"),
        (400, "malformed"),
    ]
    assert not any(KEY in str(line) or "wrong" in str(line) for line in lines)


def test_lines_can_be_turned_off() -> None:
    turns = Turns(lambda: 0.0, lambda call: None)
    with capture_logs() as log:
        scene = Scene(Gatekeeper("s", frozenset(), None, Http(), turns, None))
        scene.say(ask())
        scene.answer(OK)
    assert not log
