"""The services at home: each stream that the server opens is joined to a local connection, or ends at a program.

Home decides: only services that the client's own file names are reached, whatever the server asks for. A service that
is down is told once, not per visitor, and so is its return.
"""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

from hushgate.client.alias import Aliases
from hushgate.client.gate import Gate
from hushgate.config.model import ClientService, HttpRules, Stdio
from hushgate.config.values import is_loopback
from hushgate.edge.profile import NO_RULES, Profile
from hushgate.edge.profiles import profile_of
from hushgate.edge.room import Room
from hushgate.errors import PipeError
from hushgate.link.local import LocalDial
from hushgate.link.patrol import Patrol
from hushgate.link.readiness import readiness, release
from hushgate.link.sealing import seal
from hushgate.link.streampipe import StreamPipe
from hushgate.log import Seldom, logger
from hushgate.mcp.bridge import PROGRAMS_END, Bridge
from hushgate.mcp.endpoint import Endpoint
from hushgate.protocol.frames import E2E_VERSION, Code, Kind
from hushgate.protocol.keys import derive_e2e_key
from hushgate.protocol.stream import ByteStream, Half, Stream
from hushgate.tasks import Tasks
from hushgate.transports import tcp
from hushgate.transports.base import Pipe

_log = logger("services")
_RESOLVED_FOR = 30.0


class Services:
    """Connects streams to the services of `offered`, which may be replaced at any time. `room` is for the bodies that
    their judges have to see."""

    def __init__(self, offered: Mapping[str, ClientService], room: Room | None = None) -> None:
        self._room = room or Room()
        self._offered = offered
        self._e2e_keys = _e2e_keys(offered)
        self.connections = 0
        """Local connections that stand or are being made."""
        self._readiness = readiness(asyncio.get_running_loop())
        self._aliases = Aliases()
        self._patrol = Patrol()
        self._down: set[str] = set()
        self._resolved: dict[str, tuple[float, list[str]]] = {}
        self._bridges: dict[str, Bridge] = {}
        self._gates: set[Gate] = set()
        self._profiles: dict[str, tuple[HttpRules | None, Profile]] = {}
        self._tasks = Tasks("services")
        self._seldom = Seldom(_log)

    @property
    def offered(self) -> Mapping[str, ClientService]:
        return self._offered

    @offered.setter
    def offered(self, offered: Mapping[str, ClientService]) -> None:
        self._offered = offered
        self._e2e_keys = _e2e_keys(offered)
        for gate in list(self._gates):
            service = offered.get(gate.service)
            gate.change(self._profile(service) if service and service.gateway else None)
        for name, bridge in list(self._bridges.items()):
            if name not in offered or offered[name].stdio != bridge.stdio:
                del self._bridges[name]
                self._tasks.start(f"end the programs of {name}", bridge.stop())
            else:
                bridge.profile = self._profile(offered[name])

    async def stop(self) -> None:
        bridges, self._bridges = self._bridges, {}
        for name, bridge in bridges.items():
            self._tasks.start(f"end the programs of {name}", bridge.stop())
        await self._tasks.settle(PROGRAMS_END)
        await self._tasks.stop()
        release(self._readiness)

    def connect(self, stream: Stream) -> None:
        """The server opened `stream`."""
        service = self.offered.get(stream.what.service)
        if service is None:
            self._seldom.warning("the server asked for a service that we do not offer", service=stream.what.service)
            stream.reset(Code.UNKNOWN)
        elif stream.what.kind is not Kind.BYTES or stream.what.e2e not in (0, E2E_VERSION):
            stream.reset(Code.UNSUPPORTED)
        elif key := self._e2e_keys.get(service.name):
            self._unseal(stream, service, key)
        elif stream.what.e2e:
            self._refuse(stream, "home has no e2e_key for it")
        else:
            self._reach(stream, service)

    def _unseal(self, stream: Stream, service: ClientService, key: bytes) -> None:
        """Only who holds the key gets as far as the service."""
        if not stream.what.e2e:
            self._refuse(stream, "home takes only what is encrypted with its e2e_key")
            return
        sealed = seal(stream, key, opener=False, stood=lambda: self._reach(sealed, service))
        sealed.start()

    def _refuse(self, stream: Stream, reason: str) -> None:
        what = stream.what
        self._seldom.warning("stream refused", service=what.service, visitor=what.visitor or None, reason=reason)
        stream.reset(Code.DENIED, reason)

    def _reach(self, stream: ByteStream, service: ClientService) -> None:
        if service.stdio is not None:
            self._serve(stream, service, service.stdio)
        elif hosts := self._hosts(service.local.host):
            self._dial(stream, service, hosts)
        else:
            self._tasks.start("resolve", self._resolve_and_dial(stream, service))

    def _serve(self, stream: ByteStream, service: ClientService, stdio: Stdio) -> None:
        """The stream ends here: we are the HTTP server in front of a program."""
        name = service.name
        bridge = self._bridges.get(name)
        if bridge is None:
            bridge = self._bridges[name] = Bridge(name, stdio, self._profile(service))
        stream.accept()
        Endpoint(StreamPipe(stream, name), bridge).start()

    def _profile(self, service: ClientService) -> Profile:
        """The one profile of a service, as long as its rules stay what they are."""
        rules, profile = self._profiles.get(service.name, (None, NO_RULES))
        if rules != service.rules:
            profile = profile_of(service.rules)
            self._profiles[service.name] = (service.rules, profile)
        return profile

    def _dial(self, stream: ByteStream, service: ClientService, hosts: Sequence[str]) -> None:
        if service.gateway:
            self._gate(stream, service, hosts)
            return
        source = self._alias(service, stream.what.visitor, hosts)
        name = service.name

        def done(error: str | None) -> None:
            self.connections -= 1
            if error:
                self._failed(name, f"{service.local}: {error}")

        self.connections += 1
        addresses = [(host, service.local.port) for host in hosts]
        stood = partial(self._stood, name)
        local = LocalDial(
            self._readiness, self._patrol, stream, addresses, source, stood, done, nodelay=service.nodelay
        )
        local.start()

    def _gate(self, stream: ByteStream, service: ClientService, hosts: Sequence[str]) -> None:
        async def dial() -> Pipe:
            for last, host in enumerate(hosts, 1 - len(hosts)):
                try:
                    pipe = await tcp.connect(host, service.local.port)
                except PipeError as error:
                    if not last:
                        self._failed(service.name, str(error))
                        raise
                else:
                    self._stood(service.name)
                    return pipe
            raise AssertionError("there is an address")

        def done() -> None:
            self.connections -= 1
            self._gates.discard(gate)

        self.connections += 1
        gate = Gate(service, self._profile(service), stream, dial, self._tasks, self._room, done)
        self._gates.add(gate)
        gate.start()

    def _alias(self, service: ClientService, visitor: str, hosts: Sequence[str]) -> str | None:
        if not (service.visitor_alias and visitor and is_loopback(hosts[0])):
            return None
        address = visitor.split(" ", 1)[0]
        alias = self._aliases.of(address)
        _log.debug("visitor", service=service.name, visitor=address, alias=alias)
        return alias

    def _hosts(self, host: str) -> Sequence[str]:
        """The addresses of `host` as far as they are known without asking anybody."""
        if literal := _literal(host):
            return literal
        until, hosts = self._resolved.get(host, (0.0, []))
        return hosts if time.monotonic() < until else []

    async def _resolve_and_dial(self, stream: ByteStream, service: ClientService) -> None:
        host = service.local.host
        try:
            infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            self._failed(service.name, f"{host} cannot be resolved ({error})")
            stream.reset(Code.UNREACHABLE, "its name cannot be resolved")
            return
        hosts = list(dict.fromkeys(str(info[4][0]) for info in infos))
        self._resolved[host] = (time.monotonic() + _RESOLVED_FOR, hosts)
        if stream.send is Half.OPEN:
            self._dial(stream, service, hosts)

    def _failed(self, name: str, reason: str) -> None:
        if name not in self._down:
            self._down.add(name)
            _log.warning("local service cannot be reached", service=name, reason=reason)

    def _stood(self, name: str) -> None:
        if name in self._down:
            self._down.discard(name)
            _log.info("local service is back", service=name)


@lru_cache(maxsize=256)
def _literal(host: str) -> Sequence[str]:
    """The addresses of a `host` that needs no resolver."""
    if host == "localhost":
        return ["127.0.0.1", "::1"]
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return []


def _e2e_keys(offered: Mapping[str, ClientService]) -> dict[str, bytes]:
    return {
        name: derive_e2e_key(service.e2e_key.reveal(), name)
        for name, service in offered.items()
        if service.e2e_key is not None
    }
