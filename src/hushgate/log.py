"""Logging: one event a line, context as key=value, never a secret; the standard library's, with our line.

An event is a short sentence in lower case; untrusted text is only ever a value, quoted and escaped by the formatter.
(structlog says the same more richly; it would cost 2 to 6 MB of a server that is to fit 40.)
"""

import logging
import re
import sys
import time
from typing import Any, Final, TextIO

_ROOT: Final = logging.getLogger("hushgate")
_PRIORITIES: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
"""Priorities of sd-daemon(3): journald reads them from a `<n>` prefix on stderr."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/\[\]@+%*-]+")
"""A value that needs no quotes."""
_COLOURS: Final = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m"}


class Log:
    """Writes the lines of one component. Values become `key=value` after the event; `exc_info`, an exception, adds its
    traceback."""

    __slots__ = ("_component", "_context")

    def __init__(self, component: str, context: dict[str, Any]) -> None:
        self._component = component
        self._context = context

    def bind(self, **context: Any) -> "Log":
        """The same with more values on every line."""
        return Log(self._component, {**self._context, **context})

    def debug(self, event: str, **values: Any) -> None:
        self._write(logging.DEBUG, event, values)

    def info(self, event: str, **values: Any) -> None:
        self._write(logging.INFO, event, values)

    def warning(self, event: str, **values: Any) -> None:
        self._write(logging.WARNING, event, values)

    def error(self, event: str, **values: Any) -> None:
        self._write(logging.ERROR, event, values)

    def _write(self, level: int, event: str, values: dict[str, Any]) -> None:
        if _ROOT.isEnabledFor(level):
            error = values.pop("exc_info", None)
            told = (type(error), error, error.__traceback__) if error is not None else None
            # Not by Logger.log: a third of a line's cost is that it looks for its caller's place, which nobody reads.
            record = logging.LogRecord(_ROOT.name, level, "", 0, event, None, told)
            vars(record).update(component=self._component, values={**self._context, **values})
            _ROOT.handle(record)


def logger(component: str) -> Log:
    """The log of `component`; bind more context with `.bind(link=…, service=…)`."""
    return Log(component, {})


def configure(
    level: str = "info", stream: TextIO | None = None, *, journal: bool = False, colours: bool = False
) -> None:
    """Sets up the process's log. With `journal` each line begins with its sd-daemon priority and has no time stamp."""
    # A full disk behind stderr must not end up as a traceback on stderr.
    logging.raiseExceptions = False
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Line(journal=journal, colours=colours))
    _ROOT.handlers[:] = [handler]
    _ROOT.propagate = False
    _ROOT.setLevel(level.upper())


class _Line(logging.Formatter):
    """Renders `time level component: event key=value …`; values with anything but plain characters are quoted."""

    def __init__(self, *, journal: bool, colours: bool) -> None:
        super().__init__()
        self._journal = journal
        self._colours = _COLOURS if colours else {}

    def format(self, record: logging.LogRecord) -> str:
        if self._journal:
            head = f"<{_PRIORITIES[record.levelno]}>"
        else:
            head = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(record.created))} {record.levelname.lower():<7} "
        values: dict[str, Any] = vars(record)["values"]
        pairs = "".join(f" {key}={_value(value)}" for key, value in values.items())
        line = f"{head}{vars(record)['component']}: {record.getMessage()}{pairs}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        colour = self._colours.get(record.levelno)
        return f"{colour}{line}\x1b[0m" if colour else line


def _value(value: Any) -> str:
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped) + '"'


class Seldom:
    """Lets one warning of a kind through in `every` seconds, with the number of those that were held back."""

    def __init__(self, log: Log, every: float = 10.0) -> None:
        self._log = log
        self._every = every
        self._last: dict[str, tuple[float, int]] = {}

    def warning(self, event: str, **values: Any) -> None:
        now = time.monotonic()
        at, held = self._last.get(event, (-self._every, 0))
        if now - at < self._every:
            self._last[event] = (at, held + 1)
            return
        self._last[event] = (now, 0)
        if held:
            values["more"] = held
        self._log.warning(event, **values)
