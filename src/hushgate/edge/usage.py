"""Tokens of an answer, read from its end while it passes.

All four dialects that Ollama speaks say at the end what was used: NDJSON in the last line, SSE in the last events, a
plain JSON answer behind the text. So the end is kept, and looked at once, when it is asked for. An OpenAI stream tells
its usage only when asked to; then its events are counted, which is one a token for Ollama, and said to be an estimate.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from hushgate.edge.profile import Dialect

TAIL: Final = 64 * 1024
_PROMPT: Final = re.compile(rb'"prompt_eval_count"\s*:\s*(\d+)')
_ANSWER: Final = re.compile(rb'"eval_count"\s*:\s*(\d+)')
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
_EVENT: Final = b"\ndata: {"
_INPUTS: Final = ("prompt_tokens", "input_tokens")
_OUTPUTS: Final = ("completion_tokens", "output_tokens")


class UsageMeter:
    """profile.Meter for one answer."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._tail = bytearray(b"\n")
        """Begins as if a line had just ended."""
        self._start = b""
        self._events = 0

    def feed(self, data: bytes) -> None:
        if len(self._start) < 4096:
            # Anthropic's streams tell the size of the prompt in their first event.
            self._start += data[: 4096 - len(self._start)]
        seam = bytes(self._tail[1 - len(_EVENT) :]) + data[: len(_EVENT) - 1]
        self._events += data.count(_EVENT) + seam.count(_EVENT)
        self._tail += data
        if len(self._tail) > 2 * TAIL:
            del self._tail[:-TAIL]

    def facts(self) -> Mapping[str, str]:
        tail = bytes(self._tail[-TAIL:])
        if self._dialect is Dialect.OLLAMA:
            found = {"prompt_tokens": _last(_PROMPT, tail), "completion_tokens": _last(_ANSWER, tail)}
            return {name: value for name, value in found.items() if value}
        facts: dict[str, str] = {}
        for part in (self._start, tail):
            for match in _USAGE.finditer(part):
                facts |= _tokens(match[1])
        if "completion_tokens" not in facts and self._events and self._dialect is Dialect.OPENAI:
            facts |= {"completion_tokens": str(self._events), "estimated": "yes"}
        return facts


def _last(pattern: re.Pattern[bytes], data: bytes) -> str:
    found = pattern.findall(data)
    return found[-1].decode() if found else ""


def _tokens(usage: bytes) -> dict[str, str]:
    try:
        values = json.loads(usage)
    except ValueError:
        return {}
    facts = {}
    for name, keys in (("prompt_tokens", _INPUTS), ("completion_tokens", _OUTPUTS)):
        counts = [values[key] for key in keys if isinstance(values.get(key), int)]
        if counts and counts[0]:
            facts[name] = str(counts[0])
    return facts
