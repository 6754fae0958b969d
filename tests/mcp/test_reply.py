"""Events as they are written, and their ids as they come back."""

import pytest

from hushgate.mcp.reply import event, event_place, primer, refuse
from tests.mcp.play import Kept


def test_events() -> None:
    assert event(b'{"a":1}') == b'event: message\ndata: {"a":1}\n\n'
    assert event(b'{\r"a":1}', "2-7") == b'id: 2-7\nevent: message\ndata: { "a":1}\n\n'
    assert primer("2-1") == b"id: 2-1\ndata:\n\n"


@pytest.mark.parametrize(
    ("id", "place"), [("2-7", (2, 7)), ("0-0", (0, 0)), ("2", None), ("-1-2", None), ("2-7 ", None), ("", None)]
)
def test_event_ids(id: str, place: tuple[int, int] | None) -> None:
    assert event_place(id) == place


def test_refusals_are_errors_of_json_rpc() -> None:
    reply = Kept()
    refuse(reply, 503, -32000, "later", "7", {"Retry-After": "5"})
    assert (reply.status, reply.fields) == (503, {"Retry-After": "5"})
    assert reply.body == b'{"jsonrpc":"2.0","id":7,"error":{"code": -32000, "message": "later"}}'
