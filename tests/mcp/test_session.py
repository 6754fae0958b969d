"""What a program says finds its client, whoever is connected at the moment."""

from typing import Any

from hushgate.mcp import session as module
from hushgate.mcp.messages import read_body
from hushgate.mcp.session import Session
from tests.mcp.play import Kept, call, posted, said

QUESTION = said(id=70, method="elicitation/create", params={})
CHANGED = said(method="notifications/resources/list_changed")


class Stage:
    def __init__(self, revision: str = "2025-06-18") -> None:
        self.sent: list[bytes] = []
        self.session = Session("s", self.sent.append, revision)

    def post(self, *messages: Any, events: bool = True) -> Kept:
        reply = Kept()
        self.session.post(posted(*messages), reply, events=events)
        return reply

    def listen(self, last_event: str = "") -> Kept:
        reply = Kept()
        self.session.listen(reply, last_event)
        return reply


def test_a_response_goes_where_its_request_came_from() -> None:
    stage = Stage()
    first, second = stage.post(call(1)), stage.post(call("1"))
    assert [reply.fields for reply in (first, second)] == [{"Mcp-Session-Id": "s"}] * 2
    assert stage.session.received(said(id="1", result="text"))
    assert (first.events, second.events) == ([], [{"jsonrpc": "2.0", "id": "1", "result": "text"}])
    assert (first.over, second.over) == (False, True)
    assert stage.session.received(said(id=1, error={"code": 1, "message": "m"}))
    assert first.over
    assert not stage.session.received(said(id=1, result="again"))
    assert not stage.session.busy


def test_bytes_pass_unchanged() -> None:
    stage, reply = Stage(), Kept()
    body = b'{"jsonrpc":"2.0",\r\n "id": 1,"method":"m", "params":{"n":1.10,"big":123456789012345678901234567890}}'
    stage.session.post(read_body(body), reply, events=True)
    assert stage.sent == [body.replace(b"\r\n", b"  ")]


def test_progress_goes_where_it_was_asked_for() -> None:
    stage = Stage()
    first, second = stage.post(call(1, _meta={"progressToken": "a"})), stage.post(call(2, _meta={"progressToken": 5}))
    assert stage.session.received(said(method="notifications/progress", params={"progressToken": 5, "progress": 1}))
    assert stage.session.received(said(method="notifications/progress", params={"progressToken": "a", "progress": 2}))
    assert first.events[0]["params"]["progress"] == 2
    assert second.events[0]["params"]["progress"] == 1
    assert not stage.session.received(said(method="notifications/progress", params={"progressToken": "5"}))


def test_a_question_during_the_only_call_belongs_to_it() -> None:
    stage = Stage()
    listener, caller = stage.listen(), stage.post(call(1))
    stage.session.received(QUESTION)
    stage.session.received(CHANGED)
    assert [event["method"] for event in caller.events] == ["elicitation/create"]
    assert [event["method"] for event in listener.events] == ["notifications/resources/list_changed"]
    stage.post(call(2))
    stage.session.received(QUESTION)
    assert len(listener.events) == 2, "of two calls it may be either's"


def test_with_nobody_listening_the_newest_call_is_asked() -> None:
    stage = Stage()
    first, second = stage.post(call(1)), stage.post(call(2))
    stage.session.received(QUESTION)
    assert (len(first.events), len(second.events)) == (0, 1)


def test_what_nobody_hears_waits_for_a_listener() -> None:
    stage = Stage()
    assert stage.session.received(CHANGED)
    assert stage.session.received(QUESTION)
    first = stage.listen()
    assert [event["method"] for event in first.events] == [CHANGED.method, QUESTION.method]
    stage.session.gone(first)
    assert stage.listen().events == [], "once is enough"


def test_responses_and_notifications_are_accepted() -> None:
    stage = Stage()
    answer = {"jsonrpc": "2.0", "id": 70, "result": {}}
    assert stage.post(answer).status == 202
    assert stage.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, answer).status == 202
    assert len(stage.sent) == 3


def test_an_id_in_use_is_refused() -> None:
    stage = Stage()
    stage.post(call(1))
    assert stage.post(call(1)).status == 400
    assert stage.post(call(2), call(2)).status == 400
    assert len(stage.sent) == 1


def test_a_batch_ends_with_its_last_response() -> None:
    stage = Stage("2025-03-26")
    events, plain = stage.post(call(1), call(2)), stage.post(call(3), call(4), events=False)
    for number in (2, 1, 4, 3):
        assert not (events.over and plain.over)
        stage.session.received(said(id=number, result=number))
    assert [event["id"] for event in events.events] == [2, 1]
    assert plain.body == b'[{"jsonrpc": "2.0", "id": 4, "result": 4},{"jsonrpc": "2.0", "id": 3, "result": 3}]'


def test_a_client_without_events_gets_the_answer_alone() -> None:
    stage = Stage()
    reply = stage.post(call(1), events=False)
    assert stage.session.received(QUESTION), "kept for a listener"
    stage.session.received(said(id=1, result=1))
    assert (reply.status, reply.body) == (200, b'{"jsonrpc": "2.0", "id": 1, "result": 1}')
    gone = stage.post(call(2), events=False)
    stage.session.gone(gone)
    assert not stage.session.received(said(id=2, result=1))
    assert not stage.session.busy


def test_a_cancelled_call_is_over() -> None:
    stage = Stage()
    reply, other = stage.post(call("c")), stage.post(call(2))
    stage.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c"}})
    assert (reply.over, other.over) == (True, False)
    assert len(stage.sent) == 3
    assert not stage.session.received(said(id="c", result=1))


def test_a_lost_stream_goes_on_where_it_broke() -> None:
    stage = Stage("2025-11-25")
    lost = stage.post(call(1, _meta={"progressToken": 1}))
    assert lost.events == [None], "something to resume from at once"
    stage.session.gone(lost)
    assert stage.session.busy, "a lost connection cancels nothing"
    stage.session.received(said(method="notifications/progress", params={"progressToken": 1, "progress": 1}))
    again = stage.listen(lost.ids[0])
    assert [event["method"] for event in again.events] == ["notifications/progress"]
    stage.session.received(said(id=1, result=1))
    assert again.events[-1]["result"] == 1
    assert again.over
    late = stage.listen(again.ids[0])
    assert [event["result"] for event in late.events] == [1]
    assert late.over


def test_resuming_takes_a_stream_over_that_only_seems_to_live() -> None:
    stage = Stage()
    old = stage.listen()
    stage.session.received(CHANGED)
    new = stage.listen(old.ids[0])
    assert (old.over, new.status, new.events) == (True, 200, [])
    stage.session.received(CHANGED)
    assert (len(old.events), len(new.events)) == (1, 1)


def test_events_that_never_were_cannot_be_resumed() -> None:
    stage = Stage()
    stage.post(call(1))
    for place in ("1-9", "7-1", "1", "-", "1-x", "9" * 20 + "-1"):
        assert stage.listen(place).status == 400


def test_events_are_kept_within_bounds(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "EVENTS_KEPT", 2000)
    stage = Stage()
    for number in range(1, 50):
        reply = stage.post(call(number))
        stage.session.received(said(id=number, result="x" * 100))
    assert stage.session._kept_size <= 2000
    assert len(stage.session._outlets) < 20
    assert stage.listen("1-0").status == 400, "forgotten, and said so"
    assert stage.listen(f"{number}-0").events == reply.events


def test_the_end_of_the_program_is_told() -> None:
    stage = Stage()
    caller, plain, listener = stage.post(call(1)), stage.post(call(2), events=False), stage.listen()
    stage.session.close("it ended")
    stage.session.close("it ended")
    assert caller.events[0] == {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "it ended"}}
    assert b'"id":2' in plain.body
    assert caller.over and plain.over and listener.over
