"""Whether a request goes home: one object holds the whole order of judgement, so that nothing is judged twice or
between two readings.

The order (docs/why/http-gateway.md): Host, Origin, preflight, discovery paths, key, limits, profile by head, profile
by body. `Judge` is what the gateway asks; `Rules` is the judge of a service that has a name and a profile.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from hushgate.edge.heads import RequestHead, ResponseHead
from hushgate.edge.profile import Allow, Deny, Dialect, Meter, NeedBody, NoRules, Profile
from hushgate.edge.refusals import Answer
from hushgate.edge.rewrite import Peer


@dataclass(slots=True)
class Exchange:
    """One request and what became of it, for judges and for the audit line. Times are monotonic seconds; `received`
    and `sent` count the bytes of the bodies."""

    request: RequestHead
    peer: Peer
    began: float
    facts: dict[str, str] = field(default_factory=dict)
    status: int = 0
    refused: str = ""
    """The reason of a refusal, or of an end in the middle."""
    received: int = 0
    sent: int = 0
    answered: float | None = None
    """When the head of the response came."""
    ended: float = 0.0
    parked: float = 0.0
    """Seconds in which home was waited for."""


class Judge(Protocol):
    """The rules of one service, shared by all its connections; what belongs to one request is in the Exchange."""

    def judge(self, exchange: Exchange) -> Allow | Deny | Answer | NeedBody:
        """By the head. A Deny is told in the request's dialect, an Answer goes out as it is."""

    def judge_body(self, exchange: Exchange, body: bytes) -> Allow | Deny:
        """By the whole body, after NeedBody."""

    def dialect(self, request: RequestHead) -> Dialect:
        """How a refusal of this request is told, whoever refuses it."""

    def meter(self, exchange: Exchange, response: ResponseHead) -> Meter | None:
        """What watches the response's body."""

    def over(self, exchange: Exchange) -> None:
        """Called once for each exchange that was judged, however it ended."""


_ADDRESS: Final = re.compile(rb"\[.*\]|[0-9.]+")
_LOOPBACK: Final = frozenset({b"localhost"})


class Rules:
    """Host, then the profile. `hosts` are the names without ports that requests may have, beside addresses (RFC 9110
    §7.4: 421 for any other); empty: every name. It is what keeps a page that resolves its own name to us from being
    taken for a visitor (DNS rebinding), since the Host that home sees is always a good one. A laptop's local port asks
    its visitors for no key, so what comes through it always needs a good name."""

    def __init__(self, service: str, hosts: frozenset[bytes] = frozenset(), profile: Profile | None = None) -> None:
        self.service = service
        self._hosts = hosts
        self._profile = profile or NoRules()

    def judge(self, exchange: Exchange) -> Allow | Deny | Answer | NeedBody:
        host, hosts = exchange.request.host, self._hosts or (_LOOPBACK if exchange.peer.proved else self._hosts)
        if hosts and host and (name := name_of(host)) not in hosts and not _ADDRESS.fullmatch(name):
            told = name.decode("latin-1")
            return Deny(421, "host", f'{self.service} is not served as {told}; hostname = "{told}" would allow it')
        return self._profile.judge(exchange.request)

    def judge_body(self, exchange: Exchange, body: bytes) -> Allow | Deny:
        return self._profile.judge_body(exchange.request, body)

    def dialect(self, request: RequestHead) -> Dialect:
        return self._profile.dialect(request)

    def meter(self, exchange: Exchange, response: ResponseHead) -> Meter | None:
        return self._profile.meter(exchange.request, response)

    def over(self, exchange: Exchange) -> None:
        return


def name_of(host: bytes) -> bytes:
    """A Host header's name, lower case, without the port and a final dot."""
    name = host[: host.index(b"]") + 1] if host.startswith(b"[") else host.partition(b":")[0]
    return name.lower().removesuffix(b".")


def note(exchange: Exchange, facts: Mapping[str, str]) -> None:
    """Keeps what a profile or a meter knows of the exchange."""
    if facts:
        exchange.facts.update(facts)
