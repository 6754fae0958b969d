"""The server's composition root: builds the parts, hands configuration down, and ends in order."""

import asyncio
import ipaddress
import time
from collections.abc import Iterable
from pathlib import Path

from hushgate.config.model import Address, Loaded, ServerConfig, ServerService
from hushgate.errors import SystemFault
from hushgate.guard.keyring import Keyring
from hushgate.guard.proofs import ProofGuard
from hushgate.link.readiness import readiness
from hushgate.log import logger
from hushgate.ops.program import serve
from hushgate.ops.watch import Watch
from hushgate.protocol.keys import Role, Verifier, derive_keys
from hushgate.protocol.upgrade import Admission
from hushgate.server.door import Door
from hushgate.server.homes import Homes
from hushgate.server.neighbours import Neighbours
from hushgate.server.ports import Port
from hushgate.server.registry import Registry
from hushgate.transports.tls import TlsServer

_log = logger("server")


class Server:
    """Door, homes and public ports of one configuration."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.ports: dict[str, Port] = {}
        self.homes = Homes(
            build_keyring(config.services.values()),
            config.limits,
            config.timing.grace,
            self._home_is_back,
            self._on_quiet,
        )
        self.quiet = asyncio.Event()
        self._readiness = readiness(asyncio.get_running_loop())
        self._guard = ProofGuard(_now_ms(), config.names)
        self._tls = TlsServer(config.certificate.cert, config.certificate.key) if config.certificate else None
        self._door = Door(
            config.bind,
            self._tls,
            self._gate,
            self.homes.admit,
            options=config.tcp,
            connections=config.limits.connections,
            connections_address=config.limits.connections_address,
        )
        self._certificate = Watch(self._certificate_files, self._reload_certificate)
        self._neighbours = Neighbours(self._nginx_reloaded)

    @property
    def registry(self) -> Registry:
        return self.homes.registry

    @property
    def door(self) -> Address:
        """Where links arrive."""
        return self._door.address

    @property
    def streams(self) -> int:
        """Streams of all sessions."""
        return self.homes.streams

    async def start(self) -> None:
        """Opens the door and the public ports. Raises SystemFault."""
        await self._door.start()
        _log.info("listening", door=self.door, tls=self._tls is not None)
        for service in self.config.services.values():
            self._open_port(service)
        self.homes.start()
        self._neighbours.start()
        if self._tls:
            self._certificate.start()

    def drain(self) -> float:
        """Accepts no new visitors; the seconds that those who are here may take (ops.program.Program)."""
        _log.info("stopping: no new visitors", streams=self.streams)
        for port in self.ports.values():
            port.close()
        self.quiet.clear()
        if not self.streams:
            self.quiet.set()
        return self.config.timing.drain

    async def stop(self) -> None:
        """Ends everything; clients are told when to come back."""
        await self._neighbours.stop()
        await self._certificate.stop()
        for port in self.ports.values():
            port.close()
        await self._door.stop()
        await self.homes.stop()

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
        self.homes.change(build_keyring(config.services.values()), config.timing.grace)
        names = old.services.keys() | config.services.keys()
        changed = sorted(name for name in names if old.services.get(name) != config.services.get(name))
        self._change_ports()
        _log.info("configuration reloaded", changed=",".join(changed) or "nothing")

    def _gate(self, blob: bytes | None) -> Admission | str:
        return self._guard.check(blob, self.homes.keyring, _now_ms()) or str(self._guard.last_refusal)

    def _home_is_back(self, service: str) -> None:
        if port := self.ports.get(service):
            port.home_is_back()

    def _on_quiet(self) -> None:
        self.quiet.set()

    def _nginx_reloaded(self) -> None:
        if asked := self.homes.move(_is_loopback, "proxy reloaded"):
            _log.info("nginx was reloaded; clients are asked to move to its new workers", clients=asked)

    # Ports.

    def _open_port(self, service: ServerService) -> None:
        if service.bind is not None:
            timing, limits = self.config.timing, self.config.limits
            find, away = self.registry.find, self.registry.away
            port = Port(service, service.bind, find, away, timing, limits, self._readiness)
            self.ports[service.name] = port
            _log.info("public port", service=service.name, address=port.address)

    def _change_ports(self) -> None:
        """Closes before it opens: two services may have changed places."""
        services = self.config.services
        for name, port in list(self.ports.items()):
            service = services.get(name)
            if service and service.bind == port.service.bind:
                port.change(service, self.config.timing)
            else:
                port.close()
                del self.ports[name]
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
    """The verifiers of all tokens."""
    return Keyring(
        {
            service.name: [
                *(derive_keys(token.reveal(), service.name, Role.CLIENT).verifier() for token in service.tokens),
                *(Verifier.parse(text, service.name, Role.CLIENT) for text in service.verifiers),
            ]
            for service in services
        }
    )


def run(loaded: Loaded) -> int:
    """Runs the server until a signal; the exit code. Raises UserError."""
    return serve(loaded, lambda file: file.server, Server, _log)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _is_loopback(peer: str) -> bool:
    host = peer.rsplit(":", 1)[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
