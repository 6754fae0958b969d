"""Logging: structlog on top of the standard library, one event a line, context as key=value, never a secret.

An event is a short sentence in lower case; untrusted text is only ever a value, quoted and escaped by the renderer.
"""

import logging
import sys
import time
from typing import Any, TextIO

import structlog

_LEVELS = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Priorities of sd-daemon(3): journald reads them from a `<n>` prefix on stderr."""


def logger(component: str) -> Any:
    """A logger whose lines carry `component`; bind more context with `.bind(link=…, service=…)`."""
    return structlog.get_logger(component=component)


def configure(
    level: str = "info", stream: TextIO | None = None, *, journal: bool = False, colours: bool = False
) -> None:
    """Sets up the process's log. With `journal` each line begins with its sd-daemon priority and has no time stamp."""
    stream = stream or sys.stderr
    processors: list[Any] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level]
    if not journal:
        processors.append(structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True))
    processors += [structlog.processors.format_exc_info, _Line(journal=journal, colours=colours)]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


class _Line:
    """Renders `time level component: event key=value …`; values with anything but plain characters are quoted."""

    def __init__(self, *, journal: bool, colours: bool) -> None:
        self._journal = journal
        self._colours = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"} if colours else {}

    def __call__(self, _logger: Any, _method: str, event: dict[str, Any]) -> str:
        level = event.pop("level")
        head = f"<{_LEVELS[level]}>" if self._journal else f"{event.pop('timestamp')} {level:<7} "
        component = event.pop("component", "hushgate")
        message = event.pop("event")
        trace = event.pop("exception", None)
        pairs = "".join(f" {key}={_value(value)}" for key, value in event.items())
        line = f"{head}{component}: {message}{pairs}"
        if trace:
            line += "\n" + trace
        colour = self._colours.get(level)
        return f"{colour}{line}\x1b[0m" if colour else line


def _value(value: Any) -> str:
    text = str(value)
    if text and all(c.isalnum() or c in "-_.:/[]@+%*" for c in text) and text.isascii():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped) + '"'


class Seldom:
    """Lets one warning of a kind through in `every` seconds, with the number of those that were held back."""

    def __init__(self, log: Any, every: float = 10.0) -> None:
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
