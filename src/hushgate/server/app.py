"""The server's composition root: builds the parts, hands configuration down, and ends in order."""

import asyncio
import contextlib
import ipaddress
import os
import random
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from hushgate.config.model import Address, Loaded, ServerConfig, ServerService
from hushgate.errors import ProtocolError, SystemFault
from hushgate.guard.keyring import Keyring
from hushgate.guard.proofs import ProofGuard, Refusal
from hushgate.link.link import Link
from hushgate.log import Seldom, logger
from hushgate.ops.program import Reload, Stop
from hushgate.ops.program import run as run_program
from hushgate.ops.watch import Watch
from hushgate.protocol import frames
from hushgate.protocol.credit import Buffered
from hushgate.protocol.frames import Code, GoAway, Mode, Type
from hushgate.protocol.hello import Acceptor, Attach, Login, Status
from hushgate.protocol.keys import Role, Verifier, derive_keys
from hushgate.protocol.limits import BUFFERED_MAX, WINDOW_INITIAL
from hushgate.protocol.mux import Mux
from hushgate.protocol.stream import Stream
from hushgate.protocol.upgrade import Admission
from hushgate.server.door import Door
from hushgate.server.login import Handshake
from hushgate.server.neighbours import OldWorkers
from hushgate.server.ports import Port
from hushgate.server.registry import Registry
from hushgate.server.session import Session
from hushgate.tasks import Tasks
from hushgate.transports.base import Pipe
from hushgate.transports.tls import TlsServer

_log = logger("server")
_NEIGHBOURS_EVERY = 5.0
_SHUTDOWN_AFTER, _SHUTDOWN_SPREAD = 500, 1000
"""Milliseconds after which clients come back when we end: a restart takes about that."""


class Server:
    """Door, sessions and public ports of one configuration."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.registry = Registry(self._new_session, time.monotonic(), config.timing.grace)
        self.registry.on_up = self._home_is_back
        self.ports: dict[str, Port] = {}
        self._keyring = build_keyring(config.services.values())
        self._guard = ProofGuard(_now_ms(), config.names)
        self._instance = os.urandom(16)
        self._buffered = Buffered(min(BUFFERED_MAX, _memory() // 8))
        self._tls = TlsServer(config.certificate.cert, config.certificate.key) if config.certificate else None
        self._door = Door(
            config.bind,
            self._tls,
            self._gate,
            self._admit,
            connections=config.limits.connections,
            connections_address=config.limits.connections_address,
        )
        self._certificate = Watch(self._certificate_files, self._reload_certificate)
        self._handshakes: set[Handshake] = set()
        self._tasks = Tasks("server")
        self._quiet = asyncio.Event()
        self._seldom = Seldom(_log)
        self._workers = OldWorkers()

    async def start(self) -> None:
        """Opens the door and the public ports. Raises SystemFault."""
        for service in self.config.services.values():
            self._open_port(service)
        await self._door.start()
        if self._tls:
            self._certificate.start()
        self._tasks.start("sweep", self._sweep())
        self._tasks.start("neighbours", self._watch_neighbours())
        _log.info("listening", door=self.door, tls=self._tls is not None, services=",".join(self.ports))

    async def drain(self) -> None:
        """No new visitors; waits until the streams have ended, or `drain` seconds are over."""
        for port in self.ports.values():
            port.close()
        self._quiet.clear()
        if self.streams:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.config.timing.drain):
                    await self._quiet.wait()

    def hurry(self) -> None:
        """Cuts the draining short."""
        self._quiet.set()

    async def stop(self) -> None:
        """Ends everything; clients are told when to come back."""
        await self._tasks.stop()
        await self._certificate.stop()
        for port in self.ports.values():
            port.close()
        for handshake in list(self._handshakes):
            handshake.pipe.abort("the server ends")
        for session in list(self.registry.sessions):
            session.mux.close(Code.SHUTDOWN, "the server ends", _SHUTDOWN_AFTER, _SHUTDOWN_SPREAD)
            if session.link:
                session.link.finish()
        await self._door.stop()

    def reload(self, config: ServerConfig) -> None:
        """Services of `config` from now on; streams of unchanged services do not notice."""
        if (config.bind, config.certificate, config.limits) != (
            self.config.bind,
            self.config.certificate,
            self.config.limits,
        ):
            _log.warning("changes of bind_addr, certificate and limits need a restart")
        old, self.config = self.config.services, config
        self.registry.grace = config.timing.grace
        self._keyring = build_keyring(config.services.values())
        self._revoke()
        for name in old.keys() | config.services.keys():
            self._change_port(name, old.get(name), config.services.get(name))
        changed = [name for name in old.keys() | config.services.keys() if old.get(name) != config.services.get(name)]
        for session in self.registry.sessions:
            if session.link:
                session.mux.outbox.say(frames.frame(Type.CHANGED))
        _log.info("configuration reloaded", changed=",".join(sorted(changed)) or "nothing")

    # Strangers and clients.

    def _gate(self, blob: bytes | None, peer: str) -> Admission | None:
        admission = self._guard.check(blob, self._keyring, _now_ms())
        if admission is None and self._guard.last_refusal is not Refusal.ABSENT:
            self._seldom.warning("login refused", peer=peer, reason=self._guard.last_refusal)
        return admission

    def _admit(self, pipe: Pipe, admission: Admission) -> None:
        acceptor = Acceptor(admission, self._instance, os.urandom)
        handshake = Handshake(
            pipe, acceptor, lambda payload: acceptor.login(payload, self._keyring), self, self._handshakes.discard
        )
        self._handshakes.add(handshake)
        handshake.start()

    def judge(self, pipe: Pipe, acceptor: Acceptor, login: Login) -> None:
        now = time.monotonic()
        decision = self.registry.login(login, acceptor.identifiers, now)
        session = decision.session
        if session is None:
            retry = round(1000 * 30.0) if decision.attach is Attach.RETRY else 0
            pipe.write([[acceptor.welcome(decision.attach, bytes(16), 0, WINDOW_INITIAL, retry)]])
            pipe.close()
            _log.warning("login answered", peer=pipe.peer, answer=decision.attach.name.lower())
            return
        received = session.mux.outbox.received
        welcome = acceptor.welcome(decision.attach, session.id, received, WINDOW_INITIAL, refused=decision.refused)
        pipe.write([[welcome]])
        link = Link(pipe, session.mux, lambda link, reason: self._link_ended(session, link, reason))
        session.link, session.acceptor, session.peer = link, acceptor, pipe.peer
        session.draining = False
        try:
            link.start(login.received if decision.attach is Attach.RESUMED else 0)
        except ProtocolError as error:
            session.mux.close(Code.MISMATCH, error.reason)
            link.finish()
            self._end_session(session, error.reason)
            return
        self._log_services(session, decision.attach, login.services, decision.refused)
        self.registry.announce(session)

    def _log_services(
        self, session: Session, attach: Attach, services: Mapping[str, Status], refused: Iterable[str] = ()
    ) -> None:
        log = _log.bind(client=session.name, peer=session.peer)
        good = sorted(set(session.services))
        log.info("client connected", session=attach.name.lower(), epoch=session.epoch, services=",".join(good))
        for name, status in services.items():
            if status is Status.UNKNOWN:
                log.warning("client names a service that is not in our file", service=name)
            elif status is Status.MISMATCH:
                log.warning("token mismatch", service=name)
        for name in refused:
            log.warning("service refused: another home holds it", service=name)

    # Sessions.

    def _new_session(self, login: Login) -> Session:
        session = Session(os.urandom(16), login, self._new_mux, "")
        session.on_prove = self._on_prove
        session.on_gone = self._on_gone
        return session

    def _new_mux(self, session: Session) -> Mux:
        limits = self.config.limits
        return Mux(
            session,
            dialler=False,
            now=time.monotonic(),
            random=random.random,
            buffered=self._buffered,
            replay_limit=limits.replay,
            streams_max=limits.streams,
        )

    def _on_gone(self, session: Session, stream: Stream) -> None:
        if not self.streams:
            self._quiet.set()

    def _on_prove(self, session: Session, payload: bytes) -> None:
        assert session.acceptor is not None
        now = time.monotonic()
        frame, proved = session.acceptor.prove(payload, self._keyring)
        session.mux.outbox.say(frame)
        self.registry.release(session, proved.withdrawn, now)
        session.mux.withdraw(proved.withdrawn, Code.WITHDRAWN)
        identifiers = session.acceptor.identifiers
        good = {name: identifiers[name] for name, status in proved.services.items() if status is Status.OK}
        self.registry.claim(session, good, now)
        log = _log.bind(client=session.name)
        for name, status in proved.services.items():
            log.info(
                "service proved" if status is Status.OK else "service not proved", service=name, status=status.name
            )
        for name in proved.withdrawn:
            log.info("service withdrawn", service=name)
        self.registry.announce(session)

    def _revoke(self) -> None:
        for session in self.registry.sessions:
            lost = self.registry.revoked(session, lambda key: self._keyring.find(Role.CLIENT, key) is not None)
            if lost:
                self.registry.release(session, lost, time.monotonic())
                session.mux.withdraw(lost, Code.WITHDRAWN)
                _log.info("services withdrawn", client=session.name, services=",".join(sorted(lost)))

    def _link_ended(self, session: Session, link: Link, reason: str) -> None:
        if session.link is not link:
            return
        if session.mux.failed:
            self._end_session(session, reason)
            return
        self.registry.detach(session, time.monotonic())
        _log.warning(
            "link lost; streams wait",
            client=session.name,
            peer=link.pipe.peer,
            reason=reason,
            streams=len(session.mux.streams),
            grace=self.registry.grace,
        )

    def _end_session(self, session: Session, reason: str) -> None:
        session.link = None
        self.registry.remove(session, time.monotonic())
        _log.info("session ended", client=session.name, reason=reason)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1)
            for session in self.registry.expire(time.monotonic()):
                streams = len(session.mux.streams)
                session.mux.close(Code.AWAY, "home did not come back in time")
                _log.warning("session ended: the grace is over", client=session.name, streams=streams)

    async def _watch_neighbours(self) -> None:
        self._workers.appeared()
        while True:
            await asyncio.sleep(_NEIGHBOURS_EVERY)
            links = [s for s in self.registry.sessions if s.link and _is_loopback(s.link.pipe.peer)]
            if links and self._workers.appeared():
                _log.info("nginx was reloaded; clients are asked to move to its new workers", clients=len(links))
                for session in links:
                    session.mux.outbox.say(frames.goaway(GoAway(Mode.MOVE, Code.DONE, text="proxy reloaded")))

    # Ports.

    def _open_port(self, service: ServerService) -> None:
        if service.bind is None:
            return
        config = self.config
        self.ports[service.name] = Port(
            service, service.bind, self.registry.find, self.registry.away, config.timing, config.limits
        )

    def _change_port(self, name: str, old: ServerService | None, new: ServerService | None) -> None:
        if (old and old.bind) == (new and new.bind):
            return
        if port := self.ports.pop(name, None):
            port.close()
        if new:
            try:
                self._open_port(new)
            except SystemFault as error:
                _log.error("service has no public port", service=name, reason=error)

    def _home_is_back(self, service: str) -> None:
        if port := self.ports.get(service):
            port.home_is_back()

    @property
    def door(self) -> Address:
        """Where links arrive."""
        return self._door.address

    @property
    def streams(self) -> int:
        """Streams of all sessions."""
        return sum(len(session.mux.streams) for session in self.registry.sessions)

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
    assert loaded.server is not None
    config = loaded.server

    async def main() -> int:
        stop = Stop()
        server = Server(config)
        reload = Reload(loaded, lambda new: server.reload(new.server) if new.server else None)
        try:
            await server.start()
            reload.start()
            await stop.wait()
            _log.info("stopping: no new visitors", streams=server.streams)
            stop.again(server.hurry)
            await server.drain()
        finally:
            await reload.stop()
            await server.stop()
        _log.info("stopped")
        return 0

    return run_program(main)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _is_loopback(peer: str) -> bool:
    host = peer.rsplit(":", 1)[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * BUFFERED_MAX
