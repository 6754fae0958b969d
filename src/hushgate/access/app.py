"""The laptop's composition root: local ports, each leading over one session with the server to a service at home."""

import asyncio
from typing import Final

from hushgate.access.keys import derive, derive_e2e
from hushgate.config.model import AccessConfig, AccessService, Limits, Loaded
from hushgate.errors import SystemFault
from hushgate.link.lobby import Lobby
from hushgate.link.port import Port
from hushgate.link.readiness import readiness, release
from hushgate.link.routes import Route
from hushgate.link.telling import TellingEndpoint
from hushgate.log import logger
from hushgate.ops.program import run as run_program
from hushgate.ops.program import serve, until_stopped
from hushgate.protocol.frames import Code
from hushgate.protocol.keys import Role
from hushgate.protocol.stream import Stream
from hushgate.uplink.succession import Succession
from hushgate.uplink.uplink import Uplink

_log = logger("access")
_LIMITS: Final = Limits(visitors_waiting_address=Limits().visitors_waiting)
"""Everybody comes from this machine."""


class Access:
    """The local ports of a laptop (ops.program.Program, uplink.uplink.User). Raises ConfigError when a key cannot be
    had."""

    def __init__(self, config: AccessConfig) -> None:
        self.config = config
        self.ports: dict[str, Port] = {}
        self.lobbies: dict[str, Lobby] = {}
        self._keys = {name: derive(service) for name, service in _offered(config).items()}
        self.uplinks = Succession(Role.ACCESS, config, list(self._keys.values()), self, _log)
        self.quiet = self.uplinks.quiet
        self._readiness = readiness(asyncio.get_running_loop())

    @property
    def uplink(self) -> Uplink:
        """The newest session."""
        return self.uplinks.newest

    async def start(self) -> None:
        """Listens, and keeps connecting. Raises SystemFault when a port cannot be had."""
        self._listen()
        await self.uplinks.start()

    def drain(self) -> float:
        self._close()
        return self.uplinks.drain()

    async def stop(self) -> None:
        self._close()
        await self.uplinks.stop()
        release(self._readiness)

    def reload(self, config: AccessConfig) -> None:
        """Takes over another configuration; streams of unchanged services do not notice. Raises SystemFault or
        ConfigError, and then changes nothing."""
        old, new = _offered(self.config), _offered(config)
        changed = [name for name, service in new.items() if old.get(name) != service]
        removed = [name for name in old if name not in new]
        keys = {name: derive(new[name]) if name in changed else self._keys[name] for name in new}
        self.uplinks.reload(config, list(keys.values()), removed, changed)
        self.config, self._keys = config, keys
        self._change_ports()
        _log.info("configuration reloaded", changed=",".join(sorted(changed + removed)) or "nothing")

    def linked(self) -> None:
        for lobby in self.lobbies.values():
            lobby.open()

    def incoming(self, stream: Stream) -> None:
        stream.reset(Code.DENIED, "a laptop serves nothing")

    def _route(self) -> Route:
        if not self.uplink.up:
            self.uplink.hurry()
        return self.uplink

    def _listen(self) -> None:
        for service in _offered(self.config).values():
            self._open_port(service)

    def _open_port(self, service: AccessService) -> None:
        assert service.bind is not None
        lobby = self.lobbies[service.name] = Lobby(self._route, _never_hopeless, self.config.timing, _LIMITS)
        port = self.ports[service.name] = Port(
            service.name,
            service.bind,
            lobby,
            self._readiness,
            nodelay=service.nodelay,
            e2e_key=derive_e2e(service),
            join=TellingEndpoint,
        )
        _log.info("local port", service=service.name, address=port.address)

    def _change_ports(self) -> None:
        """Closes before it opens: two services may have changed places."""
        services = _offered(self.config)
        for name, port in list(self.ports.items()):
            service = services.get(name)
            if service and service.bind == port.bind:
                port.nodelay = service.nodelay
                port.e2e_key = derive_e2e(service)
                self.lobbies[name].change(self.config.timing)
            else:
                port.close()
                self.lobbies.pop(name).close()
                del self.ports[name]
        for name in services.keys() - self.ports.keys():
            try:
                self._open_port(services[name])
            except SystemFault as error:
                _log.error("service has no local port", service=name, reason=error)

    def _close(self) -> None:
        for port in self.ports.values():
            port.close()
        for lobby in self.lobbies.values():
            lobby.close()


def _offered(config: AccessConfig) -> dict[str, AccessService]:
    """The services with a local port."""
    return {name: service for name, service in config.services.items() if service.bind is not None}


def _never_hopeless(_: float) -> float:
    """However long the link has been away, it is worth trying."""
    return 0.0


def run(loaded: Loaded) -> int:
    """Runs the local ports until a signal; the exit code. Raises UserError."""
    return serve(loaded, lambda file: file.access, Access, _log)


def run_ports(config: AccessConfig) -> int:
    """As `run` for ports that were asked for on the command line: the first attempt must succeed, and no file is
    watched."""

    async def main() -> int:
        return await until_stopped(Impatient(config), _log)

    return run_program(main)


class Impatient(Access):
    """Ports for somebody who watches: that the server cannot be reached now is a failure."""

    async def start(self) -> None:
        """Raises AuthError or UnreachableError too."""
        self._listen()
        await self.uplinks.start_now()
