"""One program for many clients who all begin to count at 1."""

import json
from typing import Any

from hushgate.mcp.shared import Shared
from tests.mcp.play import Kept, call, posted, said

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


class Stage:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.shared = Shared(self.lines.append)

    @property
    def sent(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]

    def post(self, message: Any) -> Kept:
        reply = Kept()
        self.shared.post(posted(message)[0], reply)
        return reply


def test_every_client_gets_its_own_answer_under_its_own_id() -> None:
    stage = Stage()
    one, other = stage.post(call(1, name="a")), stage.post(call("1", name="b"))
    numbers = [message["id"] for message in stage.sent]
    assert len(set(numbers)) == 2
    assert [message["params"]["name"] for message in stage.sent] == ["a", "b"]
    assert stage.shared.received(said(id=numbers[1], result="b"))
    assert stage.shared.received(said(id=numbers[0], result="a"))
    assert json.loads(one.body) == {"jsonrpc": "2.0", "id": 1, "result": "a"}
    assert json.loads(other.body) == {"jsonrpc": "2.0", "id": "1", "result": "b"}
    assert not stage.shared.received(said(id=numbers[0], result="again"))
    assert not stage.shared.busy


def test_errors_have_the_statuses_of_http() -> None:
    stage = Stage()
    for number, (code, status) in enumerate(((-32601, 404), (-32602, 400), (-32022, 400), (-32603, 200)), 1):
        reply = stage.post(call(9))
        stage.shared.received(said(id=number, error={"code": code, "message": "m"}))
        assert reply.status == status


def test_progress_keeps_its_clients_token() -> None:
    stage = Stage()
    one, other = (stage.post(call(1, _meta={"progressToken": "t", "kept": 1})) for _ in range(2))
    tokens = [message["params"]["_meta"] for message in stage.sent]
    assert all(meta["kept"] == 1 for meta in tokens)
    assert tokens[0]["progressToken"] != tokens[1]["progressToken"]
    for meta in reversed(tokens):
        told = {"progressToken": meta["progressToken"], "progress": meta["progressToken"]}
        assert stage.shared.received(said(method="notifications/progress", params=told))
    assert one.events[0]["params"] == {"progressToken": "t", "progress": tokens[0]["progressToken"]}
    assert other.events[0]["params"] == {"progressToken": "t", "progress": tokens[1]["progressToken"]}
    stage.shared.received(said(id=1, error={"code": -32601, "message": "m"}))
    assert (one.status, one.events[-1]["id"], one.over) == (200, 1, True)


def test_a_subscription_keeps_its_clients_id() -> None:
    stage = Stage()
    one, other = stage.post(call("a", "subscriptions/listen")), stage.post(call("b", "subscriptions/listen"))
    second = {"_meta": {SUBSCRIPTION: 2}}
    assert stage.shared.received(said(method="notifications/tools/list_changed", params=second))
    assert stage.shared.received(said(id=2, result=second))
    assert one.events == []
    assert [event.get("params", event.get("result")) for event in other.events] == [{"_meta": {SUBSCRIPTION: "b"}}] * 2


def test_what_names_no_call_is_the_only_calls() -> None:
    stage = Stage()
    log = said(method="notifications/message", params={"data": "hi"})
    assert not stage.shared.received(log)
    one = stage.post(call(1))
    assert stage.shared.received(log)
    stage.post(call(1))
    assert not stage.shared.received(log), "it may be either's, so it is nobody's"
    assert len(one.events) == 1


def test_who_leaves_cancels() -> None:
    stage = Stage()
    leaver, stayer = stage.post(call(1)), stage.post(call(1))
    stage.shared.gone(leaver)
    assert stage.sent[2]["method"] == "notifications/cancelled"
    assert stage.sent[2]["params"] == {"requestId": 1}
    assert not stage.shared.received(said(id=1, result="late"))
    assert stage.shared.received(said(id=2, result="in time"))
    assert (leaver.status, stayer.status) == (0, 200)


def test_a_server_may_ask_nothing() -> None:
    stage = Stage()
    stage.post(call(1))
    assert not stage.shared.received(said(id="q", method="sampling/createMessage"))
    assert (stage.sent[1]["id"], stage.sent[1]["error"]["code"]) == ("q", -32601)


def test_who_waits_for_long_gets_a_stream() -> None:
    stage = Stage()
    reply = stage.post(call(1))
    assert stage.shared.replies == []
    stage.shared.alive()
    stage.shared.alive()
    assert stage.shared.replies == [reply]
    stage.shared.received(said(id=1, result=1))
    assert (reply.events[-1]["result"], reply.over) == (1, True)


def test_the_end_of_the_program_is_told() -> None:
    stage = Stage()
    one, other = stage.post(call(1)), stage.post(call("x"))
    stage.shared.alive()
    late = stage.post(call(2))
    stage.shared.close("it ended")
    assert [reply.events[0]["error"]["message"] for reply in (one, other)] == ["it ended"] * 2
    assert json.loads(late.body)["id"] == 2
