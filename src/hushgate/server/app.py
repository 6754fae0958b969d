"""The server's composition root: builds the parts, hands configuration down, and ends in order."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from hushgate.config.model import Address, Loaded, Secret, ServerConfig, ServerService, Timing
from hushgate.config.values import is_loopback
from hushgate.edge.room import Room
from hushgate.errors import SystemFault
from hushgate.guard.keyring import Keyring
from hushgate.guard.proofs import ProofGuard
from hushgate.link.budget import unread_max
from hushgate.link.lobby import Lobby
from hushgate.link.port import Port
from hushgate.link.readiness import readiness, release
from hushgate.log import logger
from hushgate.ops.program import serve
from hushgate.ops.watch import Watch
from hushgate.protocol.keys import Role, Verifier, derive_keys
from hushgate.protocol.upgrade import Admission
from hushgate.server.door import Door
from hushgate.server.front import Front
from hushgate.server.fronts import Fronts
from hushgate.server.laptops import Laptops
from hushgate.server.neighbours import Neighbours
from hushgate.server.pipeport import PipePort
from hushgate.server.registry import Registry
from hushgate.server.sessions import Sessions
from hushgate.server.splice import Splices
from hushgate.server.wayhome import Destination
from hushgate.transports.tls import TlsServer

_log = logger("server")


class Server:
    """Door, sessions and public ports of one configuration."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.ports: dict[str, Port | PipePort] = {}
        self.lobbies = {name: self._new_lobby(name) for name in config.services}
        self.registry = Registry(time.monotonic(), self._home_is_back)
        self.fronts = Fronts(self._destination, Room(unread_max(config.limits)))
        self.laptops = Laptops(self.lobbies.get, self.fronts.of)
        self.sessions = Sessions(
            build_keyring(config.services.values()),
            (self.registry, self.laptops),
            config.limits,
            config.timing.grace,
            self._on_quiet,
        )
        self.quiet = asyncio.Event()
        self._readiness = readiness(asyncio.get_running_loop())
        self._guard = ProofGuard(_now_ms(), config.names)
        self._tls = TlsServer(config.certificate.cert, config.certificate.key) if config.certificate else None
        self._door = Door(
            config.bind,
            None if config.plain else self._tls,
            self._gate,
            self.sessions.admit,
            front=self.fronts.at,
            oauth=self.fronts.looks_for_oauth,
            options=config.tcp,
            connections=config.limits.connections,
            connections_address=config.limits.connections_address,
        )
        self._certificate = Watch(self._certificate_files, self._reload_certificate)
        self._neighbours = Neighbours(self._nginx_reloaded)

    @property
    def door(self) -> Address:
        """Where links arrive."""
        return self._door.address

    @property
    def streams(self) -> int:
        """Streams of all sessions."""
        return self.sessions.streams

    async def start(self) -> None:
        """Opens the door and the public ports. Raises SystemFault."""
        await self._door.start()
        _log.info("listening", door=self.door, tls=self._tls is not None and not self.config.plain)
        self.fronts.change(self.config)
        for service in self.config.services.values():
            self._open_port(service)
        self.sessions.start()
        self._neighbours.start()
        if self._tls:
            self._certificate.start()

    def drain(self) -> float:
        """Accepts no new visitors; the seconds that those who are here may take (ops.program.Program)."""
        _log.info("stopping: no new visitors", streams=self.streams)
        self._close()
        self.quiet.clear()
        if not self.streams:
            self.quiet.set()
        return self.config.timing.drain

    async def stop(self) -> None:
        """Ends everything; clients are told when to come back."""
        await self._neighbours.stop()
        await self._certificate.stop()
        self._close()
        for port in self.ports.values():
            if isinstance(port, PipePort):
                await port.stop()
        self.fronts.stop()
        await self._door.stop()
        await self.sessions.stop()
        release(self._readiness)

    def _close(self) -> None:
        for port in self.ports.values():
            port.close()
        self.laptops.close()
        for lobby in self.lobbies.values():
            lobby.close()
        self.fronts.retire()

    def reload(self, config: ServerConfig) -> None:
        """Services of `config` from now on; streams of unchanged services do not notice."""
        old, self.config = self.config, config
        if (config.bind, config.names, config.certificate, config.limits, config.tcp) != (
            old.bind,
            old.names,
            old.certificate,
            old.limits,
            old.tcp,
        ):
            _log.warning("changes of bind_addr, names, certificate, limits and transport.tcp need a restart")
        self.sessions.change(build_keyring(config.services.values()), config.timing.grace)
        names = old.services.keys() | config.services.keys()
        changed = sorted(name for name in names if old.services.get(name) != config.services.get(name))
        self._change_ports()
        _log.info("configuration reloaded", changed=",".join(changed) or "nothing")

    def _gate(self, blob: bytes | None) -> Admission | str:
        return self._guard.check(blob, self.sessions.keyring, _now_ms()) or str(self._guard.last_refusal)

    def _home_is_back(self, service: str) -> None:
        if lobby := self.lobbies.get(service):
            lobby.open()

    def _on_quiet(self) -> None:
        self.quiet.set()

    def _nginx_reloaded(self) -> None:
        if asked := self.sessions.move(_is_loopback, "proxy reloaded"):
            _log.info("nginx was reloaded; clients are asked to move to its new workers", clients=asked)

    # Lobbies and ports.

    def _new_lobby(self, service: str) -> Lobby:
        return Lobby(
            lambda: self.registry.find(service),
            lambda now: self.registry.away(service, now),
            self._timing(service),
            self.config.limits,
        )

    def _timing(self, service: str) -> Timing:
        """Requests wait as long as the service says, other visitors as long as the server does."""
        http, timing = self.config.services[service].http, self.config.timing
        return replace(timing, visitor_wait=http.park) if http else timing

    def _destination(self, service: str) -> Destination:
        find, host = self.registry.find, self.registry.host
        return Destination(service, lambda: find(service), lambda: host(service), self.lobbies[service])

    def _open_port(self, service: ServerService) -> None:
        if service.bind is not None:
            port = self.ports[service.name] = self._new_port(service, service.bind)
            _log.info("public port", service=service.name, address=port.address)

    def _new_port(self, service: ServerService, bind: Address) -> Port | PipePort:
        name, nodelay = service.name, service.nodelay
        certificate = self._tls if service.tls else None
        if front := self.fronts.of(name):
            return PipePort(name, bind, front, certificate, nodelay=nodelay)
        if certificate:
            return PipePort(name, bind, Splices(self._destination(name)), certificate, nodelay=nodelay)
        return Port(name, bind, self.lobbies[name], self._readiness, nodelay=nodelay)

    def _serves(self, port: Port | PipePort, service: ServerService) -> bool:
        """Whether the port is what the service needs."""
        if isinstance(port, Port):
            return port.bind == service.bind and not service.http and not service.tls
        http = isinstance(port.arrivals, Front)
        return (port.bind, port.tls, http) == (service.bind, service.tls, service.http is not None)

    def _change_ports(self) -> None:
        """Closes before it opens: two services may have changed places."""
        services = self.config.services
        for name, port in list(self.ports.items()):
            service = services.get(name)
            if service and self._serves(port, service):
                port.nodelay = service.nodelay
            else:
                port.close()
                del self.ports[name]
        for name in self.lobbies.keys() - services.keys():
            self.lobbies.pop(name).close()
        for name, lobby in self.lobbies.items():
            lobby.change(self._timing(name))
        for name in services.keys() - self.lobbies.keys():
            self.lobbies[name] = self._new_lobby(name)
        self.fronts.change(self.config)
        for name in services.keys() - self.ports.keys():
            try:
                self._open_port(services[name])
            except SystemFault as error:
                _log.error("service has no public port", service=name, reason=error)

    # The certificate.

    def _certificate_files(self) -> Iterable[Path]:
        certificate = self.config.certificate
        return (certificate.cert, certificate.key) if certificate else ()

    def _reload_certificate(self) -> None:
        if self._tls and (reason := self._tls.reload()):
            _log.error("the changed certificate is not used", reason=reason)
        else:
            _log.info("certificate reloaded")


def build_keyring(services: Iterable[ServerService]) -> Keyring:
    """The verifiers of all tokens and access keys."""
    return Keyring(
        {
            service.name: [
                *_verifiers(service.name, Role.CLIENT, service.tokens, service.verifiers),
                *_verifiers(service.name, Role.ACCESS, service.access_keys, service.access_verifiers),
            ]
            for service in services
        }
    )


def _verifiers(service: str, role: Role, secrets: Iterable[Secret], verifiers: Iterable[str]) -> Iterator[Verifier]:
    yield from (derive_keys(secret.reveal(), service, role).verifier() for secret in secrets)
    yield from (Verifier.parse(text, service, role) for text in verifiers)


def run(loaded: Loaded) -> int:
    """Runs the server until a signal; the exit code. Raises UserError."""
    return serve(loaded, lambda file: file.server, Server, _log)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _is_loopback(peer: str) -> bool:
    return is_loopback(peer.rsplit(":", 1)[0].strip("[]"))
