"""The first event of MCP's transport of 2024-11-05 names the place for calls: below a path it gets the prefix back.

In that revision (HTTP+SSE) a GET is answered with events, the first of which has the type `endpoint` and a URI as its
data, which the client resolves against what it asked for. A path in it is one that home knows. Only that line is
changed, and only lines in front of it are kept until they are complete, as their reader does too; everything behind the
first event's data passes untouched. The syntax is that of html.spec.whatwg.org §9.2.6.
"""

import re
from collections.abc import Callable
from typing import Final

LINE_MAX: Final = 8 * 1024
"""What is kept of a line; in a longer one there is no place for calls."""
_LINE: Final = re.compile(rb"([^\r\n]*)(?:\r\n|\n|\r(?=[^\n]))")
"""A CR that nothing follows yet may be half an end."""


class EndpointEvent:
    """The beginning of a stream of events. `outer` gives a place as the visitor knows it; `over`: nothing will be
    changed any more."""

    __slots__ = ("_endpoint", "_kept", "_outer", "over")

    def __init__(self, outer: Callable[[bytes], bytes]) -> None:
        self.over = False
        self._outer = outer
        self._endpoint = False
        """The event that has begun is an `endpoint`."""
        self._kept = b""

    def feed(self, data: bytes) -> bytes:
        """What goes on now of what was kept and `data`."""
        if self.over:
            return data
        data, at, passed = self._kept + data, 0, []
        while not self.over and (line := _LINE.match(data, at)):
            passed.append(self._read(line[1]) + data[line.end(1) : line.end()])
            at = line.end()
        rest = data[at:]
        # Data of another event waits for nothing.
        self.over |= len(rest) > LINE_MAX + 1 or (rest.startswith(b"data:") and not self._endpoint)
        self._kept = b"" if self.over else rest
        return b"".join([*passed, rest]) if self.over else b"".join(passed)

    def end(self) -> bytes:
        """What was kept, when the stream has ended."""
        kept, self._kept, self.over = self._kept, b"", True
        return kept

    def _read(self, line: bytes) -> bytes:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if len(line) > LINE_MAX:
            self.over = True
        elif name == b"event" or not line:
            self._endpoint = value == b"endpoint"
        elif name == b"data":
            self.over = True
            if self._endpoint:
                return line.removesuffix(value) + self._outer(value)
        return line
