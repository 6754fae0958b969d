"""Which tools of an MCP server may be called: a policy over the JSON-RPC calls that pass.

A call is judged by its body, in both eras of the protocol, and a body that another reader could take for another call
is refused: a key twice or in another case (decoders of Go take both), or text that is not declared as UTF-8 (the
official SDK for TypeScript decodes by the charset of Content-Type, and in UTF-7 `+ACI-` is a quote). Revision
2026-07-28 mirrors method and name in headers; where they stand they must say the same as the body (they decide behind
us, too), and in older revisions they say nothing. Whether a tool only reads is what the server itself says of it
(`annotations.readOnlyHint`): that is learned from the lists of tools that pass, and a tool that was never listed is not
known to be harmless.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final

from hushgate.edge.heads import RequestHead, ResponseHead
from hushgate.edge.profile import ALLOWED, Allow, Deny, Dialect, Meter, NeedBody
from hushgate.edge.strict_json import Object, strict_value
from hushgate.edge.strict_json import field as spelt

BODY_MAX: Final = 4 * 1024 * 1024
"""What the official SDK takes."""
LIST_MAX: Final = 1024 * 1024
"""A longer list of tools is not learned from."""
KNOWN_MAX: Final = 10_000
"""Tools that are remembered; of more than that the ones listed longest ago are forgotten."""
NAME_MAX: Final = 200
"""Characters of a tool's name that is remembered, or repeated in a sentence."""
_MIRRORED: Final = b"2026-07-28"
"""The first revision whose headers repeat the body; revisions are dates, so they compare as text."""
NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Which parameter of a method the header Mcp-Name repeats."""
_PASSING: Final = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS"})
"""Methods without a body that asks for something: streams, ends of sessions, looks."""
_UTF_8: Final = re.compile(rb'[^;,]+(?:;[ \t]*charset="?utf-?8"?[ \t]*)?', re.IGNORECASE)
"""A Content-Type that leaves no other way to read the body."""
_BASE64: Final = re.compile(rb"=\?base64\?([A-Za-z0-9+/=]*)\?=")


@dataclass(frozen=True, slots=True)
class McpProfile:
    """profile.Profile. Patterns know `*` and `?`; `allow` empty: every tool that is not in `deny`. `known` is what the
    server said of its tools: whether each only reads."""

    upgrades: ClassVar[bool] = False
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    read_only: bool = False
    known: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def dialect(self, request: RequestHead) -> Dialect:
        return Dialect.JSON_RPC

    def judge(self, request: RequestHead) -> Allow | Deny | NeedBody:
        if request.method == b"POST":
            return NeedBody(BODY_MAX)
        if request.method in _PASSING:
            return ALLOWED
        return Deny(403, "method", f"{request.method.decode('latin-1')} is not allowed here: calls come with POST")

    def judge_body(self, request: RequestHead, body: bytes) -> Allow | Deny:
        if any(encoding.lower() != b"identity" for encoding in request.all(b"content-encoding")):
            return Deny(415, "encoding", "send the body without Content-Encoding")
        types = list(request.all(b"content-type"))
        if len(types) > 1 or not all(_UTF_8.fullmatch(written) for written in types):
            return Deny(415, "charset", "send the body as application/json, in UTF-8")
        try:
            return self._judge_messages(strict_value(body), request)
        except ValueError as error:
            return Deny(400, "body", f"the body {error}")

    def meter(self, request: RequestHead, response: ResponseHead) -> Meter | None:
        return _ToolList(self.known) if self.read_only and response.status == 200 else None

    def _judge_messages(self, value: Any, request: RequestHead) -> Allow | Deny:
        facts: dict[str, str] = {}
        for message in value if isinstance(value, list) else [value]:
            if not isinstance(message, dict):
                raise ValueError("holds something that is no JSON-RPC message")
            facts = _facts(message)
            if denied := self._deny(message, request, facts):
                return denied
        return Allow(facts)

    def _deny(self, message: Mapping[str, Any], request: RequestHead, facts: Mapping[str, str]) -> Deny | None:
        method, name = message.get("method"), facts.get("mcp_name")
        number = json.dumps(message.get("id")).encode()
        if (request.first(b"mcp-protocol-version") or b"") >= _MIRRORED and not mirrored(request, method, name):
            return Deny(
                400, "mismatch", "the headers Mcp-Method and Mcp-Name must say what the body says", number, facts
            )
        if method != "tools/call":
            return None
        if not isinstance(name, str):
            return Deny(400, "body", "a call without the name of its tool", number, facts)
        if any(fnmatchcase(name, pattern) for pattern in self.deny) or (
            self.allow and not any(fnmatchcase(name, pattern) for pattern in self.allow)
        ):
            return Deny(403, "tool", f"the tool {name[:NAME_MAX]} may not be called here", number, facts)
        if self.read_only and not self.known.get(name):
            told = "changes things" if name in self.known else "was not listed since the start: list the tools first"
            return Deny(
                403,
                "read-only",
                f"only tools that read may be called here, and {name[:NAME_MAX]} {told}",
                number,
                facts,
            )
        return None


class _ToolList:
    """Learns from an answer that may be a list of tools, plain or as events."""

    def __init__(self, known: dict[str, bool]) -> None:
        self._known = known
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        if len(self._body) <= LIST_MAX:
            self._body += data

    def facts(self) -> Mapping[str, str]:
        if len(self._body) <= LIST_MAX and b'"tools"' in self._body:
            for tool in _tools(bytes(self._body)):
                hints, name = tool.get("annotations"), str(tool.get("name"))
                self._known.pop(name, None)
                if len(name) <= NAME_MAX:
                    self._known[name] = isinstance(hints, dict) and hints.get("readOnlyHint") is True
            for name in list(self._known)[: max(0, len(self._known) - KNOWN_MAX)]:
                del self._known[name]
        return {}


def _tools(body: bytes) -> Iterator[Mapping[str, Any]]:
    lines = [line[5:] for line in body.splitlines() if line.startswith(b"data:")]
    for text in lines or [body]:
        try:
            value = json.loads(text)
        except ValueError:
            continue
        for message in value if isinstance(value, list) else [value]:
            result = message.get("result") if isinstance(message, dict) else None
            tools = result.get("tools") if isinstance(result, dict) else None
            yield from (tool for tool in (tools if isinstance(tools, list) else ()) if isinstance(tool, dict))


def _facts(message: Object) -> dict[str, str]:
    method, parameters = spelt(message, "method"), spelt(message, "params")
    if not isinstance(method, str):
        return {}
    facts = {"mcp_method": method[:100]}
    name = spelt(parameters, NAMED[method]) if method in NAMED and isinstance(parameters, dict) else None
    return {**facts, "mcp_name": name} if isinstance(name, str) else facts


def mirrored(request: RequestHead, method: object, name: str | None) -> bool:
    """Whether the headers say what the body says; what the body does not have they need not have."""
    for header, said in ((b"mcp-method", method), (b"mcp-name", name)):
        written = list(request.all(header))
        if len(written) > 1 or (written and (not isinstance(said, str) or _decoded(written[0]) != said)):
            return False
        if not written and isinstance(said, str):
            return False
    return True


def _decoded(value: bytes) -> str | None:
    """A header's text: as it stands, or `=?base64?…?=` of UTF-8."""
    try:
        if encoded := _BASE64.fullmatch(value):
            return base64.b64decode(encoded[1], validate=True).decode()
        return value.decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return None
