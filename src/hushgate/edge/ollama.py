"""What may be asked of an Ollama server that others reach: everything is denied that is not listed here.

Ollama has no keys of its own, and whoever reaches it may pull, push, create and delete models and spend the owner's
account at ollama.com. So the paths are a list (server/routes.go of Ollama 0.32), compared with the one form that
paths.py allows, and a request that names a model is read by strict_json.py and forwarded as it was understood.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import unquote_to_bytes

from hushgate.config.model import OllamaRules
from hushgate.edge.heads import RequestHead, ResponseHead
from hushgate.edge.models import is_cloud, is_listed, normal_name
from hushgate.edge.paths import oddity
from hushgate.edge.profile import ALLOWED, Allow, Deny, Dialect, Meter, NeedBody
from hushgate.edge.strict_json import Object, field, strict_object, write_object
from hushgate.edge.usage import UsageMeter

_READ: Final = frozenset(
    (method, path)
    for path in (b"/", b"/api/version", b"/api/tags", b"/api/ps", b"/api/status", b"/v1/models")
    for method in (b"GET", b"HEAD")
) | {(b"POST", b"/api/show")}
_ONE_MODEL: Final = b"/v1/models/"
_INFERENCE: Final = frozenset(
    (b"POST", path)
    for path in (
        b"/api/generate",
        b"/api/chat",
        b"/api/embed",
        b"/api/embeddings",
        b"/v1/chat/completions",
        b"/v1/completions",
        b"/v1/embeddings",
        b"/v1/responses",
        b"/v1/messages",
    )
)
_SPEECH: Final = (b"POST", b"/v1/audio/transcriptions")
_SHOW: Final = b"/api/show"
_GENERATES: Final = frozenset({b"/api/generate", b"/api/chat"})
_NATIVE: Final = _GENERATES | {b"/api/embed", b"/api/embeddings"}
_LENGTH: Final = {
    b"/v1/chat/completions": "max_tokens",
    b"/v1/completions": "max_tokens",
    b"/v1/responses": "max_output_tokens",
    b"/v1/messages": "max_tokens",
}
"""What limits an answer in each dialect. Ollama ignores OpenAI's newer `max_completion_tokens`."""
_SEARCHES: Final = frozenset({b"/v1/responses", b"/v1/messages"})
"""Where Ollama itself carries out a tool: it searches the web at ollama.com, for local models too."""
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_DURATION_MAX: Final = 100
"""Characters; looking for units takes time with the square of them."""
_UNIT: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SHOWN: Final = 100
"""Characters."""
BODY_MAX: Final = 32 * 1024 * 1024
"""Pictures travel in the body, in base64; nothing else of it is large."""


@dataclass(frozen=True, slots=True)
class OllamaProfile:
    """profile.Profile."""

    upgrades: ClassVar[bool] = False
    rules: OllamaRules

    def dialect(self, request: RequestHead) -> Dialect:
        if request.path.startswith(b"/v1/messages"):
            return Dialect.ANTHROPIC
        return Dialect.OPENAI if request.path.startswith(b"/v1/") else Dialect.OLLAMA

    def judge(self, request: RequestHead) -> Allow | Deny | NeedBody:
        path, rules = request.path, self.rules
        if reason := oddity(path):
            return Deny(400, "path", f"the path {reason}; write it plainly")
        asked = (request.method, path)
        if asked in _READ:
            return NeedBody(BODY_MAX) if path == _SHOW and rules.judges_models else ALLOWED
        if request.method in (b"GET", b"HEAD") and (name := _named(path)):
            return self._deny_model(name, {"model": name}) or ALLOWED
        if rules.mode == "inference" and asked in _INFERENCE:
            return NeedBody(BODY_MAX) if rules.judges_bodies else ALLOWED
        if rules.mode == "inference" and asked == _SPEECH:
            if not rules.judges_bodies:
                return ALLOWED
            return Deny(403, "speech", "speech is not allowed here: which model a recording is for cannot be judged")
        told = f"{request.method.decode('latin-1')} {_shown(path.decode('latin-1'))}"
        return Deny(403, "endpoint", f"{told} is not allowed here, {rules.mode} is all that is")

    def judge_body(self, request: RequestHead, body: bytes) -> Allow | Deny:
        if any(encoding.lower() != b"identity" for encoding in request.all(b"content-encoding")):
            return Deny(415, "encoding", "send the body without Content-Encoding")
        try:
            value = strict_object(body)
            names = [name for name in (field(value, "model"), field(value, "name")) if name is not None]
            facts = {"model": str(names[0])[:200]} if names else {}
            for name in names:
                if denied := self._deny_model(name, facts):
                    return denied
            if not self.rules.allow_cloud and request.path in _SEARCHES and _searches(value):
                return Deny(403, "search", "searching the web at ollama.com is not allowed here", facts=facts)
            self._cap(value, request.path)
            return Allow(facts, write_object(value))
        except ValueError as error:
            return Deny(400, "body", f"the body {error}")

    def meter(self, request: RequestHead, response: ResponseHead) -> Meter | None:
        counts = (request.method, request.path) in _INFERENCE and response.status == 200
        return UsageMeter(self.dialect(request)) if counts else None

    def _deny_model(self, written: Any, facts: Mapping[str, str]) -> Deny | None:
        if written == "":
            return None
        name = normal_name(written) if isinstance(written, str) else None
        if name is None:
            return Deny(400, "model", f"{_shown(str(written))} is no name of a model", facts=facts)
        if is_cloud(name) and not self.rules.allow_cloud:
            return Deny(403, "cloud", f"{_shown(name)} runs at ollama.com, which is not allowed here", facts=facts)
        if self.rules.models and not is_listed(name, self.rules.models):
            return Deny(403, "model", f"the model {_shown(name)} is not allowed here", facts=facts)
        return None

    def _cap(self, value: Object, path: bytes) -> None:
        if key := _LENGTH.get(path):
            if (most := self.rules.max_tokens) is not None:
                newer, asked = field(value, "max_completion_tokens"), field(value, key)
                value[key] = _at_most(newer if asked is None else asked, most)
        elif path in _NATIVE:
            kept, longest = field(value, "keep_alive"), self.rules.max_keep_alive
            if longest is not None and kept is not None and not 0 <= _seconds(kept) <= longest:
                value["keep_alive"] = f"{longest:g}s"
            self._cap_options(value, generates=path in _GENERATES)

    def _cap_options(self, value: Object, *, generates: bool) -> None:
        found = field(value, "options")
        options = {} if found is None else found
        if not isinstance(options, dict):
            raise ValueError("has options that are no object")
        context, length = field(options, "num_ctx"), field(options, "num_predict")
        if self.rules.max_context is not None and context is not None:
            options["num_ctx"] = _at_most(context, self.rules.max_context)
        if self.rules.max_tokens is not None and generates:
            options["num_predict"] = _at_most(length, self.rules.max_tokens)
        if options:
            value["options"] = options


def _shown(written: str) -> str:
    """What a sentence repeats of what somebody sent."""
    return written if len(written) <= _SHOWN else f"{written[:_SHOWN]}…"


def _named(path: bytes) -> str:
    """The model that GET /v1/models/NAME is about; empty for another path."""
    name = path[len(_ONE_MODEL) :] if path.startswith(_ONE_MODEL) else b""
    return "" if b"/" in name else unquote_to_bytes(name).decode("utf-8", "replace")


def _searches(value: Object) -> bool:
    """Whether the request brings the tool `web_search`, in either dialect's way."""
    tools = field(value, "tools")
    kinds = [field(tool, "type") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return any(isinstance(kind, str) and kind.strip().startswith("web_search") for kind in kinds)


def _at_most(asked: Any, cap: int) -> int:
    """Ollama takes a negative number for `without end`."""
    if asked is None:
        return cap
    if isinstance(asked, bool) or not isinstance(asked, int | float):
        raise ValueError("has a number that is none")
    return int(asked) if 1 <= asked <= cap else cap


def _seconds(kept: Any) -> float:
    """keep_alive in seconds: a number of them, or a duration as Go writes it. Less than 0 is for ever."""
    if isinstance(kept, int | float) and not isinstance(kept, bool):
        return float(kept)
    if isinstance(kept, str) and len(kept) <= _DURATION_MAX:
        # One sign is for the whole: -1h2m is less than nothing.
        sign, bare = (-1.0, kept[1:]) if kept.startswith("-") else (1.0, kept)
        parts = _DURATION.findall(bare)
        if parts and "".join(number + unit for number, unit in parts) == bare:
            return sign * sum(float(number) * _UNIT[unit] for number, unit in parts)
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", bare):
            return sign * float(bare)
    raise ValueError("has a keep_alive that is no duration")
