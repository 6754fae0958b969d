"""What a service's HTTP requests may ask for: the seam between the gateway and what understands Ollama or MCP.

A profile is a value of the configuration, shared by all connections; what it has to remember of one exchange is in the
Meter. It judges a request by its head first; when that is not enough it names how much body it needs to see, and then
either passes exactly the bytes it has judged or refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Final, Protocol

from hushgate.edge.heads import RequestHead, ResponseHead


class Dialect(Enum):
    """In which words a refusal is told, so that the client's own exception carries it."""

    PLAIN = "plain"
    OLLAMA = "ollama"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    JSON_RPC = "json-rpc"


@dataclass(frozen=True, slots=True)
class Allow:
    """The request goes on; `facts` are for its audit line (model, MCP method, …). `body`: what is forwarded in place of
    the body that was judged."""

    facts: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """`message` is one sentence for the user, `reason` a word for the audit line; `request_id` is the JSON-RPC id, as
    it was written, of the call that is refused."""

    status: int
    reason: str
    message: str
    request_id: bytes | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NeedBody:
    """The body, of at most `limit` bytes, decides (`Profile.judge_body`)."""

    limit: int


class Meter(Protocol):
    """Watches the body of one response as it passes."""

    def feed(self, data: bytes) -> None:
        """The next bytes of the body, without chunk framing; never more than what passes anyway is kept."""

    def facts(self) -> Mapping[str, str]:
        """What the audit line shall say of it, also when the body was cut."""


class Profile(Protocol):
    """The rules of one service. They change nothing of a request; what is forwarded in place of it they say."""

    upgrades: ClassVar[bool]
    """Whether a visitor may go on in another protocol, in which nobody would judge."""

    def dialect(self, request: RequestHead) -> Dialect:
        """How a refusal of this request is told, whoever refuses it."""

    def judge(self, request: RequestHead) -> Allow | Deny | NeedBody:
        """By the head."""

    def judge_body(self, request: RequestHead, body: bytes) -> Allow | Deny:
        """By the whole body, as it came (its Content-Encoding is not undone)."""

    def meter(self, request: RequestHead, response: ResponseHead) -> Meter | None:
        """What counts the answer, if anything is to be counted."""


class NoRules:
    """The profile of a service without rules."""

    upgrades: ClassVar[bool] = True

    def dialect(self, request: RequestHead) -> Dialect:
        return Dialect.PLAIN

    def judge(self, request: RequestHead) -> Allow | Deny | NeedBody:
        return ALLOWED

    def judge_body(self, request: RequestHead, body: bytes) -> Allow | Deny:
        return ALLOWED

    def meter(self, request: RequestHead, response: ResponseHead) -> Meter | None:
        return None


ALLOWED: Final = Allow()
NO_RULES: Final = NoRules()
