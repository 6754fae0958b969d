"""The audit line: what was asked, by whom, and what became of it; nothing that could be a secret.

No body, no key, no header, no query: only names that a rule of ours has read. Values are short, so that a visitor
cannot fill a disk with one request.
"""

from typing import Final

from hushgate.edge.exchange import Exchange

_LONGEST: Final = 200
"""Characters of a value; what is longer ends in `…`."""
_DIGITS: Final = 16


def audit_line(exchange: Exchange) -> dict[str, str | int | bool]:
    """The line's values; times are whole milliseconds. What did not happen is left out."""
    request, outcome, turn = exchange.request, exchange.outcome, exchange.turn
    line: dict[str, str | int | bool] = {"peer": exchange.peer.visitor(request)[:_LONGEST]}
    if exchange.key:
        line["key"] = exchange.key
    if request.method:
        line["method"] = _short(request.method.decode("latin-1"))
        line["path"] = _short(request.path.decode("latin-1"))
    line |= {name: _fact(name, value) for name, value in exchange.facts.items()}
    line |= {"status": outcome.status, "received": exchange.body.size, "sent": outcome.sent}
    for name, seconds in (("queued_ms", turn.queued if turn else 0), ("parked_ms", outcome.parked)):
        if seconds:
            line[name] = round(seconds * 1000)
    if outcome.answered is not None:
        line["first_ms"] = round((outcome.answered - outcome.began) * 1000)
    line["total_ms"] = round((outcome.ended - outcome.began) * 1000)
    if outcome.refused:
        line["reason"] = outcome.refused
    if outcome.aborted:
        line["aborted"] = True
    return line


def _fact(name: str, value: str) -> str | int:
    """Counts are numbers, whatever home may have sent as one."""
    counts = name.endswith("_tokens") and value.isdecimal() and len(value) < _DIGITS
    return int(value) if counts else _short(value)


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
