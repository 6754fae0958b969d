"""Whether a request goes home: one object holds the whole order of judgement, so that nothing is judged twice or
between two readings.

The order (docs/why/http-gateway.md): Host, Origin, preflight, discovery paths, key, limits, profile by head, profile
by body. `Judge` is what the gateway asks: first who is there, which may take its time, then what is asked for. `Rules`
is the judge of a service that has a name and a profile; server/gatekeeper.py puts in what stands between the two.
"""

import re
from dataclasses import dataclass
from typing import Final, Protocol

from hushgate.edge.exchange import Exchange, Turn
from hushgate.edge.heads import Headers, ResponseHead
from hushgate.edge.profile import Allow, Deny, Dialect, Meter, NeedBody, NoRules, Profile
from hushgate.edge.refusals import Answer, refuse


@dataclass(frozen=True, slots=True)
class Wait:
    """The request's turn has not come."""

    turn: Turn


class Judge(Protocol):
    """The rules of one service, shared by all its connections; what belongs to one request is in the Exchange."""

    def admit(self, exchange: Exchange) -> Deny | Answer | Wait | None:
        """Whether the visitor may ask at all; None: yes. A Deny is told in the request's dialect, an Answer goes out
        as it is."""

    def judge(self, exchange: Exchange) -> Allow | Deny | NeedBody:
        """By the head, of a visitor who may ask."""

    def judge_body(self, exchange: Exchange, body: bytes) -> Allow | Deny:
        """By the whole body, after NeedBody."""

    def tell(self, exchange: Exchange, deny: Deny) -> Answer:
        """How a refusal is told, whoever refuses."""

    def meter(self, exchange: Exchange, response: ResponseHead) -> Meter | None:
        """What watches the response's body. Home's head has come; what is left in it goes to the visitor."""

    def over(self, exchange: Exchange) -> None:
        """Called once for each exchange, however it ended; also for one whose request could not be read."""


_SOON: Final[Headers] = [(b"Retry-After", b"5")]
_ADDRESS: Final = re.compile(rb"\[.*\]|[0-9.]+")
_LOOPBACK: Final = frozenset({b"localhost"})


class Rules:
    """Host, then the profile. `hosts` are the names without ports that requests may have, beside addresses (RFC 9110
    §7.4: 421 for any other); empty: every name. It is what keeps a page that resolves its own name to us from being
    taken for a visitor (DNS rebinding), since the Host that home sees is always a good one. A laptop's local port asks
    its visitors for no key, so what comes through it always needs a good name. `advice` says what would allow the name
    that stands in its braces."""

    def __init__(
        self,
        service: str,
        hosts: frozenset[bytes] = frozenset(),
        profile: Profile | None = None,
        advice: str = 'hostname = "{}"',
    ) -> None:
        self.service = service
        self._hosts = hosts
        self._advice = advice
        self._profile = profile or NoRules()

    def admit(self, exchange: Exchange) -> Deny | Answer | Wait | None:
        host, peer = exchange.request.host, exchange.peer
        hosts = self._hosts or (_LOOPBACK if peer.proved else self._hosts)
        if hosts and host and not peer.placed and not _serves(name := name_of(host), hosts):
            told = name.decode("latin-1")
            allowing = self._advice.format(told)
            return Deny(421, "host", f"{self.service} is not served as {told}; {allowing} would allow it")
        return None

    def judge(self, exchange: Exchange) -> Allow | Deny | NeedBody:
        if not self._profile.upgrades:
            # Some clients offer another protocol without need, which is no reason to refuse them.
            exchange.request.upgrade = b""
        return self._profile.judge(exchange.request)

    def judge_body(self, exchange: Exchange, body: bytes) -> Allow | Deny:
        return self._profile.judge_body(exchange.request, body)

    def tell(self, exchange: Exchange, deny: Deny) -> Answer:
        dialect = self._profile.dialect(exchange.request) if exchange.request.method else Dialect.PLAIN
        return refuse(dialect, deny, _SOON if deny.status == 503 else [])

    def meter(self, exchange: Exchange, response: ResponseHead) -> Meter | None:
        return self._profile.meter(exchange.request, response)

    def over(self, exchange: Exchange) -> None:
        return


def _serves(name: bytes, hosts: frozenset[bytes]) -> bool:
    return name in hosts or bool(_ADDRESS.fullmatch(name))


def name_of(host: bytes) -> bytes:
    """A Host header's name, lower case, without the port and a final dot."""
    name = host[: host.index(b"]") + 1] if host.startswith(b"[") else host.partition(b":")[0]
    return name.lower().removesuffix(b".")
