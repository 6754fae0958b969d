"""HTTP services: what the gateway is to know of each, and which of them a request at the door is for."""

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

from hushgate.config.model import Http, ServerConfig, ServerService
from hushgate.config.values import is_loopback
from hushgate.edge.discovery import REGISTER, root_pattern
from hushgate.edge.profiles import profile_of
from hushgate.edge.room import Room
from hushgate.edge.sides import Site, Timing
from hushgate.log import logger
from hushgate.server.gatekeeper import Gatekeeper
from hushgate.server.turns import Turns

_log = logger("http")
F = TypeVar("F")


class Sites(Generic[F]):
    """Places are pairs of a name (empty: any) and a path prefix (empty: any). A named place goes before one that is
    not, and then the longest path."""

    def __init__(self, places: Iterable[tuple[str, str, F]] = ()) -> None:
        ordered = sorted(places, key=lambda place: (place[0] == "", -len(place[1])))
        self._places = [(name.encode(), path.encode(), front) for name, path, front in ordered]
        paths: dict[str, list[str]] = {}
        for name, path, _ in ordered:
            if path:
                paths.setdefault(name, []).append(path)
        self._roots = [(name.encode(), re.compile(root_pattern(below).encode())) for name, below in paths.items()]

    def __bool__(self) -> bool:
        return bool(self._places)

    def find(self, name: bytes, target: bytes) -> F | None:
        """The front for a request to the host `name` (lower case, without port) with this target."""
        for host, path, front in self._places:
            if (not host or host == name) and (not path or _below(target, path)):
                return front
        return None

    def looks_for_oauth(self, name: bytes, method: bytes, path: bytes) -> bool:
        """Whether a request that is for no front, with the path as nginx normalises it, looks for the OAuth of one that
        stands below a path of this host."""
        return any(
            (method == b"POST" and path == REGISTER.encode()) or pattern.search(path)
            for host, pattern in self._roots
            if not host or host == name
        )


def _below(target: bytes, path: bytes) -> bool:
    """Whole segments only: `/ollama` is not in front of `/ollama2`."""
    return target.startswith(path) and target[len(path) : len(path) + 1] in (b"", b"/", b"?")


def build_site(service: ServerService, http: Http, config: ServerConfig, turns: Turns, room: Room) -> Site:
    """The service as its gateways see it; `turns` are those of the service before, if it is not new; `room` is the
    process's."""
    hosts = _hosts(service, http, config)
    judge = Gatekeeper(service.name, hosts, profile_of(http.rules), http, turns, _log if http.audit else None)
    return Site(service.name, judge, http.path.encode(), Timing(http.head, http.body, http.keepalive), room)


def _hosts(service: ServerService, http: Http, config: ServerConfig) -> frozenset[bytes]:
    """The names that its requests may have. Without any that is configured a public port takes every name: whoever
    comes there under a name of their own could as well have come under ours. A port on loopback is reached by way of
    the machines of its visitors, whose browsers must not be led there under a foreign name."""
    names = {*http.hostnames, *config.names}
    if not names and (service.bind is None or not is_loopback(service.bind.host)):
        return frozenset()
    return frozenset(name.encode() for name in (*names, "localhost"))
