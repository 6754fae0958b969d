"""The HTTP services of a configuration: a front for each, and which of them a request at the door is for."""

import asyncio
from collections.abc import Callable

from hushgate.config.model import ServerConfig
from hushgate.edge.judge import name_of
from hushgate.edge.room import Room
from hushgate.server.front import Front
from hushgate.server.sites import Sites, build_site
from hushgate.server.turns import Turns
from hushgate.server.wayhome import Destination


class Fronts:
    """`destination` is what a service's visitors need to find home; `room` is for all their bodies."""

    def __init__(self, destination: Callable[[str], Destination], room: Room) -> None:
        self._destination = destination
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._fronts: dict[str, Front] = {}
        self._turns: dict[str, Turns] = {}
        self._sites: Sites[Front] = Sites()

    def of(self, service: str) -> Front | None:
        """The front of a service, if it speaks HTTP."""
        return self._fronts.get(service)

    def at(self, host: bytes, target: bytes) -> Front | None:
        """The front that a request at the door is for."""
        return self._sites.find(name_of(host), target) if self._sites else None

    def looks_for_oauth(self, host: bytes, method: bytes, path: bytes) -> bool:
        """Whether a request at the door that is for no front looks for the OAuth of one."""
        return bool(self._sites) and self._sites.looks_for_oauth(name_of(host), method, path)

    def change(self, config: ServerConfig) -> None:
        """These are the services from now on; requests that are under way do not notice."""
        for name in list(self._fronts):
            service = config.services.get(name)
            if service is None or service.http is None:
                self._fronts.pop(name).retire()
                del self._turns[name]
        places = []
        for name, service in config.services.items():
            if service.http is None:
                continue
            turns = self._turns.get(name)
            if turns is None:
                turns = self._turns[name] = Turns(self._loop.time, self._loop.call_soon)
            site = build_site(service, service.http, config, turns, self._room)
            front = self._fronts.get(name)
            if front is None:
                front = self._fronts[name] = Front(site, self._destination(name))
            front.change(site)
            if service.http.on_door:
                places += [(hostname, service.http.path, front) for hostname in service.http.hostnames or ("",)]
        self._sites = Sites(places)

    def retire(self) -> None:
        """The requests that are under way are the last ones."""
        for front in self._fronts.values():
            front.retire()

    def stop(self) -> None:
        """Ends all connections."""
        for front in self._fronts.values():
            front.stop()
