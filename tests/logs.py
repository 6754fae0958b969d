"""What the product logs, as dictionaries: event, log_level, component and the values."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

_ROOT = logging.getLogger("hushgate")


class _Keep(logging.Handler):
    def __init__(self, lines: list[dict[str, Any]]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        line: dict[str, Any] = {"event": record.getMessage(), "log_level": record.levelname.lower()}
        if record.exc_info:
            line["exc_info"] = record.exc_info[1]
        self._lines.append({**line, "component": vars(record)["component"], **vars(record)["values"]})


@contextlib.contextmanager
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    """Collects all lines, also those below the level in force."""
    lines: list[dict[str, Any]] = []
    handler, level, propagate = _Keep(lines), _ROOT.level, _ROOT.propagate
    _ROOT.addHandler(handler)
    _ROOT.setLevel(logging.DEBUG)
    _ROOT.propagate = False
    try:
        yield lines
    finally:
        _ROOT.removeHandler(handler)
        _ROOT.setLevel(level)
        _ROOT.propagate = propagate


def reset_logs() -> None:
    """As if nobody had configured the log."""
    _ROOT.handlers.clear()
    _ROOT.setLevel(logging.NOTSET)
    _ROOT.propagate = True
    logging.raiseExceptions = True
