"""The policy over tools, in both eras, and what is learned from lists of tools."""

import base64
import json
from typing import Any

import pytest

from hushgate.edge.heads import RequestHead, ResponseHead
from hushgate.edge.mcp import KNOWN_MAX, LIST_MAX, NAME_MAX, McpProfile
from hushgate.edge.profile import ALLOWED, Allow, Deny, Dialect, NeedBody

POLICY = McpProfile(allow=("read_*", "list_*"), deny=("read_secret",))
OK = ResponseHead(200, b"OK", [])


def post(*headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(b"POST", b"/mcp", list(headers), length=None)


def call(name: object, id: object = 7, method: str = "tools/call") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {"name": name, "arguments": {"name": "rm"}}}


def judge(profile: McpProfile, body: object, *headers: tuple[bytes, bytes]) -> Allow | Deny:
    request = post(*headers)
    assert isinstance(profile.judge(request), NeedBody)
    return profile.judge_body(request, body if isinstance(body, bytes) else json.dumps(body).encode())


def modern(method: str, name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return (b"MCP-Protocol-Version", b"2026-07-28"), (b"Mcp-Method", method.encode()), (b"Mcp-Name", name)


def learn(profile: McpProfile, body: bytes, size: int = 10**6) -> None:
    meter = profile.meter(post(), OK)
    assert meter is not None
    for at in range(0, len(body), size):
        meter.feed(body[at : at + size])
    assert meter.facts() == {}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("read_file", True),
        ("list_x", True),
        ("read_secret", False),
        ("write_file", False),
        ("READ_FILE", False),
        ("", False),
    ],
)
def test_names_of_tools(name: str, allowed: bool) -> None:
    verdict = judge(POLICY, call(name))
    assert isinstance(verdict, Allow) is allowed
    assert verdict.facts == {"mcp_method": "tools/call", "mcp_name": name}


def test_a_refusal_carries_the_id_of_the_call() -> None:
    for id, written in ((7, b"7"), ("a-1", b'"a-1"'), (None, b"null")):
        verdict = judge(POLICY, call("write_file", id))
        assert isinstance(verdict, Deny) and (verdict.status, verdict.reason, verdict.request_id) == (
            403,
            "tool",
            written,
        )


@pytest.mark.parametrize("method", ["initialize", "tools/list", "resources/read", "notifications/initialized", "ping"])
def test_everything_but_calls_passes(method: str) -> None:
    assert isinstance(judge(POLICY, call("write_file", method=method)), Allow)
    assert isinstance(judge(POLICY, {"jsonrpc": "2.0", "id": 1, "result": {}}), Allow)


def test_streams_and_ends_of_sessions_need_no_look() -> None:
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
        assert POLICY.judge(RequestHead(method, b"/mcp", [])) is ALLOWED


@pytest.mark.parametrize("method", [b"PUT", b"PATCH", b"post", b"QUERY"])
def test_a_call_by_another_method_is_refused(method: bytes) -> None:
    verdict = POLICY.judge(RequestHead(method, b"/mcp", [], length=10))
    assert isinstance(verdict, Deny) and verdict.status == 403


def test_one_bad_call_spoils_its_batch() -> None:
    assert isinstance(judge(POLICY, [call("read_file", 1), call("list_x", 2)]), Allow)
    verdict = judge(POLICY, [call("read_file", 1), call("write_file", 2)])
    assert isinstance(verdict, Deny) and verdict.request_id == b"2"


@pytest.mark.parametrize(
    "body",
    [
        b'{"method":"tools/list","method":"tools/call","params":{"name":"write_file"}}',
        b'{"method":"tools/call","params":{"name":"read_file","name":"write_file"}}',
        b'{"Method":"tools/call","params":{"name":"write_file"}}',
        b'{"method":"ping","METHOD":"tools/call","params":{"name":"write_file"}}',
        b'{"method":"tools/call","params":{"name":"read_file"},"Params":{"name":"write_file"}}',
        b'{"method":"tools/call","params":{"name":"read_file","Name":"write_file"}}',
        '{"method":"ping","param\u017f":{"name":"write_file"}}'.encode(),
        b'{"method":"tools/call"}',
        b'{"method":"tools/call","params":{"name":7}}',
        b'{"method":"tools/call","params":["write_file"]}',
        b'"tools/call"',
        b"[[]]",
        b"",
        b"{",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(body: bytes) -> None:
    verdict = judge(POLICY, body)
    assert isinstance(verdict, Deny) and verdict.status == 400


def test_an_encoded_body_is_refused() -> None:
    verdict = judge(POLICY, call("read_file"), (b"Content-Encoding", b"gzip"))
    assert isinstance(verdict, Deny) and verdict.status == 415


def test_an_encoding_that_stands_second_is_refused() -> None:
    headers = ((b"Content-Encoding", b"identity"), (b"Content-Encoding", b"gzip"))
    verdict = judge(POLICY, call("read_file"), *headers)
    assert isinstance(verdict, Deny) and verdict.status == 415


@pytest.mark.parametrize(
    "types",
    [
        [b"application/json; charset=utf-7"],
        [b'application/json;charset="utf-16le"'],
        [b"application/json; charset=utf-8; charset=utf-7"],
        [b"application/json; x=y; charset=utf-7"],
        [b"application/json; charset=utf-8, application/json; charset=utf-7"],
        [b"application/json", b"application/json; charset=utf-7"],
    ],
)
def test_a_body_that_is_declared_in_another_encoding_is_refused(types: list[bytes]) -> None:
    """The official SDK for TypeScript decodes the second reading of this one."""
    hidden = b'"x":"+ACIAfQAs-+ACI-method+ACI-:+ACI-tools/call+ACI-,+ACI-params+ACI-:+AHsAIg-name+ACI-:+ACI-write_file"'
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{%b}}' % hidden
    assert isinstance(judge(POLICY, body), Allow)
    verdict = judge(POLICY, body, *((b"Content-Type", written) for written in types))
    assert isinstance(verdict, Deny) and (verdict.status, verdict.reason) == (415, "charset")


@pytest.mark.parametrize(
    "written", [b"application/json", b"application/json; charset=utf-8", b'text/json;charset="UTF8"']
)
def test_utf_8_may_be_declared(written: bytes) -> None:
    assert isinstance(judge(POLICY, call("read_file"), (b"Content-Type", written)), Allow)


@pytest.mark.parametrize(
    "headers",
    [
        modern("tools/call", b"read_file"),
        modern("tools/call", b"=?base64?" + base64.b64encode(b"read_file") + b"?="),
        ((b"MCP-Protocol-Version", b"2025-11-25"), (b"Mcp-Method", b"tools/list"), (b"Mcp-Name", b"x")),
        ((b"Mcp-Name", b"nobody trusts it"),),
    ],
)
def test_headers_that_fit(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    assert isinstance(judge(POLICY, call("read_file"), *headers), Allow)


@pytest.mark.parametrize(
    "headers",
    [
        modern("tools/call", b"list_x"),
        modern("tools/list", b"read_file"),
        (*modern("tools/call", b"read_file"), (b"mcp-name", b"read_file")),
        modern("tools/call", b"read_file")[:2],
        (modern("tools/call", b"read_file")[0], modern("tools/call", b"read_file")[2]),
        modern("tools/call", b"=?base64?!!?="),
        modern("tools/call", b"=?base64?" + base64.b64encode(b"\xff") + b"?="),
        modern("tools/call", b"read_file\xff"),
    ],
)
def test_headers_of_the_newest_era_must_repeat_the_body(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    verdict = judge(POLICY, call("read_file"), *headers)
    assert isinstance(verdict, Deny) and (verdict.status, verdict.reason) == (400, "mismatch")


def test_names_that_are_not_ascii_pass_encoded() -> None:
    profile = McpProfile(deny=("x",))
    name = "lösche"
    encoded = b"=?base64?" + base64.b64encode(name.encode()) + b"?="
    assert isinstance(judge(profile, call(name), *modern("tools/call", encoded)), Allow)


LISTED = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {
        "tools": [
            {"name": "look", "annotations": {"readOnlyHint": True}},
            {"name": "touch", "annotations": {"readOnlyHint": False}},
            {"name": "unsaid"},
            {"name": "odd", "annotations": {"readOnlyHint": "yes"}},
        ]
    },
}


@pytest.mark.parametrize("size", [1, 10**6])
@pytest.mark.parametrize(
    "body",
    [
        json.dumps(LISTED).encode(),
        b": hello\n\nevent: message\ndata: " + json.dumps(LISTED).encode() + b"\n\n",
        json.dumps([LISTED]).encode(),
    ],
    ids=["json", "events", "batch"],
)
def test_read_only_is_what_the_server_says_of_a_tool(body: bytes, size: int) -> None:
    profile = McpProfile(read_only=True)
    before = judge(profile, call("look"))
    assert isinstance(before, Deny) and "list the tools first" in before.message
    learn(profile, body, size)
    assert isinstance(judge(profile, call("look")), Allow)
    for name in ("touch", "unsaid", "odd"):
        verdict = judge(profile, call(name))
        assert isinstance(verdict, Deny) and verdict.reason == "read-only"


def test_a_tool_that_begins_to_write_is_no_longer_allowed() -> None:
    profile = McpProfile(read_only=True)
    learn(profile, json.dumps(LISTED).encode())
    LISTED_LATER = {"result": {"tools": [{"name": "look"}]}}
    learn(profile, json.dumps(LISTED_LATER).encode())
    assert isinstance(judge(profile, call("look")), Deny)


@pytest.mark.parametrize(
    "body", [b'{"tools"', b'data: {"tools"\n', b'{"result":{"tools":7}}', b'{"result":{"tools":[1]},"x":"tools"}']
)
def test_answers_that_are_no_list_teach_nothing(body: bytes) -> None:
    profile = McpProfile(read_only=True)
    learn(profile, body)
    assert profile.known == {}


def test_what_is_kept_of_an_answer_is_bounded() -> None:
    profile = McpProfile(read_only=True)
    learn(profile, bytes(3 * LIST_MAX) + json.dumps(LISTED).encode(), LIST_MAX // 2)
    assert profile.known == {}


def test_what_is_known_of_tools_is_bounded() -> None:
    profile = McpProfile(read_only=True)

    def lists(*names: str) -> None:
        tools = [{"name": name, "annotations": {"readOnlyHint": True}} for name in names]
        learn(profile, json.dumps({"result": {"tools": tools}}).encode())

    lists("first", "again", "n" * NAME_MAX, "n" * (NAME_MAX + 1))
    assert len(profile.known) == 3 and isinstance(judge(profile, call("n" * (NAME_MAX + 1))), Deny)
    lists(*map(str, range(KNOWN_MAX - 2)), "again")
    assert len(profile.known) == KNOWN_MAX
    assert isinstance(judge(profile, call("first")), Deny) and isinstance(judge(profile, call("again")), Allow)


def test_a_refusal_names_the_tool() -> None:
    verdict = judge(POLICY, call("rm" * 5000))
    assert isinstance(verdict, Deny) and "the tool rmrm" in verdict.message and len(verdict.message) < 300


def test_refusals_are_json_rpc() -> None:
    assert POLICY.dialect(post()) is Dialect.JSON_RPC
