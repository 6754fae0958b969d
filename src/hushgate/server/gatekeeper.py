"""The judge of an HTTP service at the server: who may ask, and how much, before the profile looks at what is asked.

A page that browsers show is judged first, so that a foreign one learns nothing about keys. A laptop that has proved an
access key needs no other one. Whoever has no good key is told so in the words that its library understands, or, where
it looks for OAuth, that there is none (edge.discovery); with a key such a path is home's, which may have OAuth itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Final

from hushgate.config.model import Http, HttpKey, Quota
from hushgate.edge.audit import audit_line
from hushgate.edge.discovery import looks_for_oauth
from hushgate.edge.exchange import Exchange
from hushgate.edge.heads import Headers, RequestHead, ResponseHead
from hushgate.edge.judge import Rules, Wait
from hushgate.edge.origin import Origins, for_page
from hushgate.edge.paths import oddity
from hushgate.edge.profile import ALLOWED, Allow, Deny, Dialect, Meter, NeedBody, Profile
from hushgate.edge.refusals import Answer, refuse
from hushgate.guard.httpkeys import HttpKeys, in_api_key, in_authorization
from hushgate.log import Log
from hushgate.server.turns import Turn, Turns, by_address

_AUTHORIZATION: Final = b"authorization"
_API_KEY: Final = b"x-api-key"
_ASKED: Final = frozenset((_AUTHORIZATION, _API_KEY, b"origin", b"accept", b"mcp-method", b"mcp-name"))
_LAPTOP: Final = "(laptop)"
"""Stands for a key's label, which never looks like this."""
_HOW: Final = 'send one as "Authorization: Bearer KEY" or "x-api-key: KEY"'
_AGAIN: Final = 5
"""Seconds after which a visitor may try again when nobody knows when there will be a place."""
Found = Mapping[bytes, list[bytes]]


class Gatekeeper(Rules):
    """`turns`: who is under way; `log` None: no audit lines."""

    def __init__(
        self, service: str, hosts: frozenset[bytes], profile: Profile | None, http: Http, turns: Turns, log: Log | None
    ) -> None:
        super().__init__(service, hosts, profile)
        self._keys = HttpKeys(http.keys)
        self._admins = frozenset(key.label for key in http.keys if key.admin)
        self._origins = Origins(frozenset(http.origins))
        self._quota = http.quota
        self._each_address = http.each_address
        self._forward_authorization = http.forward_authorization
        self._turns = turns
        self._log = log
        turns.keep({"", _LAPTOP, *(key.label for key in http.keys)})

    def admit(self, exchange: Exchange) -> Deny | Answer | Wait | None:
        if refused := super().admit(exchange):
            return refused
        request, quota = exchange.request, self._quota
        found = _look(request.headers)
        exchange.note(_mcp(found))
        if told := self._judge_page(exchange, found.get(b"origin", [])):
            return told
        if exchange.peer.proved:
            exchange.key = _LAPTOP
        elif self._keys:
            key = self._identify(request, found)
            if key is None:
                return self._unknown(exchange, given=_AUTHORIZATION in found or _API_KEY in found)
            exchange.key, quota = key.label, key.quota
        return self._enter(exchange, quota, found)

    def judge(self, exchange: Exchange) -> Allow | Deny | NeedBody:
        if exchange.key in self._admins and not oddity(exchange.request.path):
            return ALLOWED
        return super().judge(exchange)

    def tell(self, exchange: Exchange, deny: Deny) -> Answer:
        return self._for_page(exchange, super().tell(exchange, deny))

    def meter(self, exchange: Exchange, response: ResponseHead) -> Meter | None:
        if exchange.request.page:
            response.headers = for_page(response.headers, exchange.request.page)
        return super().meter(exchange, response)

    def over(self, exchange: Exchange) -> None:
        if exchange.turn is not None:
            exchange.turn.release()
        if self._log is not None:
            self._log.info("request", service=self.service, **audit_line(exchange))

    def _judge_page(self, exchange: Exchange, origins: list[bytes]) -> Deny | Answer | None:
        request = exchange.request
        if not origins:
            return None
        if len(origins) > 1 or not self._origins.admits(origins[0], request, exchange.peer):
            return Deny(403, "origin", f"pages of this origin may not use {self.service}; see allowed_origins")
        if (headers := self._origins.preflight(request)) is not None:
            return Answer(204, tuple(headers), reason="preflight")
        request.page = origins[0]
        return None

    def _identify(self, request: RequestHead, found: Found) -> HttpKey | None:
        """Whose key the request carries. The header with the key goes no further, nor does Authorization unless home
        shall see it."""
        first = self._keys.find(in_authorization(found.get(_AUTHORIZATION, [])))
        second = self._keys.find(in_api_key(found.get(_API_KEY, [])))
        gone = set()
        if first or not self._forward_authorization:
            gone.add(_AUTHORIZATION)
        if second:
            gone.add(_API_KEY)
        request.headers = [(name, value) for name, value in request.headers if name.lower() not in gone]
        return first or second

    def _unknown(self, exchange: Exchange, *, given: bool) -> Answer:
        if looks_for_oauth(exchange.request):
            deny = Deny(404, "oauth", f"there is no OAuth here: {self.service} asks for a key; {_HOW}")
            return self._for_page(exchange, refuse(Dialect.PLAIN, deny))
        told = f"{self.service} does not know this key" if given else f"{self.service} asks for a key"
        deny = Deny(401, "invalid_api_key" if given else "no_api_key", f"{told}; {_HOW}")
        realm = self.service.encode("ascii", "replace").replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        error = b', error="invalid_token"' if given else b""
        return self._plainly(exchange, deny, [(b"WWW-Authenticate", b'Bearer realm="%b"%b' % (realm, error))])

    def _enter(self, exchange: Exchange, quota: Quota, found: Found) -> Deny | Answer | Wait | None:
        exchange.body.most = quota.body
        if quota.body is not None and (exchange.request.length or 0) > quota.body:
            return Deny(413, "body", f"the request's body is longer than {quota.body} bytes")
        label = exchange.key
        if self._each_address and not label:
            label = by_address(exchange.peer.visitor(exchange.request))
        turnstile = self._turns.of(label, quota)
        if turnstile is None:
            return None
        if wait := turnstile.charge(self._turns.now()):
            return self._too_many(exchange, f"more than {quota.per_minute} requests a minute", ceil(wait))
        turn = exchange.turn = Turn(self._turns, turnstile)
        if self._is_stream(exchange.request, found):
            return None if turn.open_stream() else self._too_many(exchange, f"more than {quota.streams} open streams")
        said = turn.call()
        if said == "full":
            return self._too_many(exchange, f"more than {quota.concurrent} requests at a time")
        return Wait(turn) if said == "wait" else None

    def _is_stream(self, request: RequestHead, found: Found) -> bool:
        """Whether the request is one that lasts: a stream of events, another protocol, a subscription of MCP."""
        if request.method == b"GET":
            accepted = found.get(b"accept", [])
            return bool(request.upgrade) or any(b"text/event-stream" in value.lower() for value in accepted)
        speaks_mcp = self._profile.dialect(request) in (Dialect.JSON_RPC, Dialect.PLAIN)
        return speaks_mcp and found.get(b"mcp-method") == [b"subscriptions/listen"]

    def _too_many(self, exchange: Exchange, what: str, again: int = _AGAIN) -> Answer:
        whose = "from one address" if self._each_address and not exchange.key else "with this key"
        deny = Deny(429, "rate_limit_exceeded", f"{self.service} takes no {what} {whose}; try again later")
        return self._plainly(exchange, deny, [(b"Retry-After", b"%d" % max(1, again))])

    def _plainly(self, exchange: Exchange, deny: Deny, headers: Headers) -> Answer:
        """Told before the body was read: what has no JSON-RPC id yet is no JSON-RPC answer either."""
        dialect = self._profile.dialect(exchange.request)
        dialect = Dialect.PLAIN if dialect is Dialect.JSON_RPC else dialect
        return self._for_page(exchange, refuse(dialect, deny, headers))

    def _for_page(self, exchange: Exchange, answer: Answer) -> Answer:
        page = exchange.request.page
        return replace(answer, headers=tuple(for_page(list(answer.headers), page))) if page else answer


def _look(headers: Headers) -> dict[bytes, list[bytes]]:
    """The headers that decide, in one pass."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if (key := name.lower()) in _ASKED:
            found.setdefault(key, []).append(value)
    return found


def _mcp(found: Found) -> dict[str, str]:
    """What MCP's newer revisions say in headers; a profile that reads the body knows better, and writes over it."""
    named = ((b"mcp-method", "mcp_method"), (b"mcp-name", "mcp_name"))
    return {fact: found[header][0].decode("latin-1") for header, fact in named if header in found}
