"""The handshake of a link, each side's steps in their order (docs/protocol.md §5). Payloads in, frames out.

    Dialler(...).upgrade ─▶ guard ─▶ Acceptor(admission, ...)
                            Acceptor.challenge()  ─▶ Dialler.challenge(payload)     the server has proved itself
    Acceptor.login(payload, keyring)              ◀─ its frames                     the dialler has, and asks
    Acceptor.welcome(attach, ...)                 ─▶ Dialler.welcome(payload)       every service has an answer

What a LOGIN asks for is to be granted only when one of its services is OK: until then it may be anybody's who replayed an
upgrade. The dialler, for its part, tells its session id only to an acceptor that knows one of its tokens. Later, PROVE and PROVED
do the same for services that come and go; they are bound to this handshake, so they cannot be moved to another link.

A step out of turn is the peer's fault (ProtocolError) when a frame of the peer caused it, ours (LocalProtocolError) otherwise.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Protocol

from hushgate.errors import AuthRefused, LocalProtocolError, ProtocolError
from hushgate.protocol import payloads
from hushgate.protocol.frames import Code, Type, frame
from hushgate.protocol.keys import Keys, Role, Verifier
from hushgate.protocol.limits import PAYLOAD_MAX, UPGRADE_PROOFS_MAX, WINDOW_INITIAL
from hushgate.protocol.payloads import LOGIN_SERVICES_MAX, NO_SESSION, VERSION, Truncated, Verdict
from hushgate.protocol.transcript import (
    NO_PROOF,
    challenge_proof,
    digest,
    link_binding,
    login_message,
    prove_message,
    proved_proof,
    same,
    welcome_proof,
)
from hushgate.protocol.upgrade import NONCE_SIZE, Admission, build_upgrade


class Attach(IntEnum):
    """What becomes of the session that a LOGIN asks for."""

    NEW = 0
    RESUMED = 1
    UNKNOWN = 2
    RETRY = 3
    STALE = 4
    DENIED = 5


class Status(IntEnum):
    """What becomes of a service that a LOGIN or PROVE names."""

    OK = 0
    UNKNOWN = 1
    MISMATCH = 2
    REFUSED = 3


ATTACHED: Final = frozenset({Attach.NEW, Attach.RESUMED, Attach.UNKNOWN})
"""The answers after which the link carries a session."""


@dataclass(frozen=True, slots=True)
class Resume:
    """The session to go on with; `received` counts the counted frames that arrived in it."""

    session: bytes = field(repr=False)
    epoch: int
    received: int


@dataclass(frozen=True, slots=True)
class Login:
    """What a dialler asks for, and what it has proved. `session` is None when it asks for a new one.

    `version` is 0 when the two have none in common: then `services` is empty and only WELCOME is left to send.
    """

    version: int
    session: bytes | None = field(repr=False)
    epoch: int
    received: int
    window: int
    instance: bytes
    services: Mapping[str, Status]


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer of an acceptor. `session` and every OK are proved; `retry_ms` is how long to wait when told to."""

    attach: Attach
    session: bytes = field(repr=False)
    received: int
    window: int
    retry_ms: int
    text: str
    services: Mapping[str, Status]
    binding: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proved:
    """What a PROVE changed."""

    services: Mapping[str, Status]
    withdrawn: tuple[str, ...]


class Verifiers(Protocol):
    """The part of a keyring that the acceptor needs."""

    def find(self, role: Role, identifier: bytes) -> Verifier | None: ...

    def names(self, role: Role) -> Set[str]: ...


class Dialler:
    """The side that opened the pipe. `upgrade` goes into its Authorization header."""

    def __init__(
        self,
        keys: Sequence[Keys],
        audience: str,
        instance: bytes,
        time_ms: int,
        random: Callable[[int], bytes],
        resume: Resume | None = None,
        window: int = WINDOW_INITIAL,
    ) -> None:
        """`audience`: the host of `remote_addr`. `time_ms`: since 1970, corrected. `window`: of every stream, in bytes.

        Raises ValueError when there are no keys, too many for one LOGIN, two for one service, or keys of two roles.
        """
        if len({key.service for key in keys}) != len(keys) or len(keys) > LOGIN_SERVICES_MAX:
            raise ValueError(f"a dialler proves at most {LOGIN_SERVICES_MAX} services, each once")
        self.upgrade = build_upgrade(keys, audience, time_ms, random(NONCE_SIZE))
        self._keys = tuple(keys)
        self._instance = instance
        self._resume = resume
        self._window = window
        self._upgrade = digest(self.upgrade)
        self._versions = ""
        self._challenge: bytes | None = None
        self._login: bytes | None = None
        self._binding: bytes | None = None
        self._serial = 0
        self._asked: dict[int, tuple[Keys, ...]] = {}

    def challenge(self, payload: bytes | memoryview) -> list[bytes]:
        """The LOGIN frames that answer a CHALLENGE.

        Raises AuthRefused when it proves none of our services, ProtocolError when it is malformed or the second one.
        """
        if self._challenge is not None:
            raise _out_of_turn("CHALLENGE")
        raw = bytes(payload)
        offered = payloads.take_challenge(raw)
        if not any(self._holds(key, offered) for key in self._keys[:UPGRADE_PROOFS_MAX]):
            raise AuthRefused(Code.DENIED, "the server did not prove that it knows one of our tokens")
        self._versions = f"{offered.lowest} to {offered.highest}"
        self._challenge = digest(raw)
        resume = self._resume or Resume(NO_SESSION, 1, 0)
        services = [(key.service, key.identifier) for key in self._keys]
        unsigned = payloads.login(self._instance, resume.session, resume.epoch, resume.received, self._window, services)
        covered = digest(unsigned)
        login = unsigned + b"".join(
            key.sign(login_message(self._upgrade, self._challenge, covered, key.identifier)) for key in self._keys
        )
        self._login = digest(login)
        return [frame(Type.LOGIN, 0, login[at : at + PAYLOAD_MAX]) for at in range(0, len(login), PAYLOAD_MAX)]

    def welcome(self, payload: bytes | memoryview) -> Welcome:
        """What the acceptor answered. Raises ProtocolError when anything in it is malformed, unproved or out of turn."""
        if self._challenge is None or self._login is None or self._binding is not None:
            raise _out_of_turn("WELCOME")
        fields = payloads.take_welcome(bytes(payload))
        if fields.version == 0:
            ours = f"the server speaks protocol versions {self._versions}, this program {VERSION}"
            raise ProtocolError(Code.UNSUPPORTED, f"{ours}: update the older one")
        if fields.attach not in Attach._value2member_map_ or len(fields.verdicts) != len(self._keys):
            raise ProtocolError(Code.PROTOCOL, "WELCOME does not answer our LOGIN")
        attach = Attach(fields.attach)
        transcript = (self._upgrade, self._challenge, self._login)
        services = _believe(
            self._keys,
            fields.verdicts,
            lambda key: welcome_proof(key.server_key, *transcript, fields.session, key.identifier),
        )
        if attach in ATTACHED:
            self._check_attached(attach, fields, services)
        self._binding = link_binding(*transcript)
        return Welcome(
            attach,
            fields.session,
            fields.received,
            fields.window,
            fields.retry_ms,
            fields.text,
            services,
            self._binding,
        )

    def prove(self, keys: Sequence[Keys], withdrawn: Sequence[str] = ()) -> bytes:
        """The PROVE frame for services that came, and the names of those that went.

        Raises ValueError when they do not fit one frame, LocalProtocolError before WELCOME.
        """
        if self._binding is None:
            raise LocalProtocolError("PROVE before WELCOME")
        serial = self._serial + 1
        services = tuple(
            [
                (key.service, key.identifier, key.sign(prove_message(self._binding, serial, key.identifier)))
                for key in keys
            ]
        )
        payload = payloads.prove(payloads.ProveFields(serial, services, tuple(withdrawn)))
        self._serial = serial
        self._asked[serial] = tuple(keys)
        return frame(Type.PROVE, 0, payload)

    def proved(self, payload: bytes | memoryview) -> dict[str, Status]:
        """The answer to the oldest PROVE that has none yet. Raises ProtocolError as `welcome` does."""
        serial, verdicts = payloads.take_proved(bytes(payload))
        if self._binding is None or serial != next(iter(self._asked), None):
            raise _out_of_turn("PROVED")
        keys, binding = self._asked[serial], self._binding
        if len(verdicts) != len(keys):
            raise ProtocolError(Code.PROTOCOL, "PROVED does not answer our PROVE")
        services = _believe(keys, verdicts, lambda key: proved_proof(key.server_key, binding, serial, key.identifier))
        del self._asked[serial]
        return services

    def _holds(self, key: Keys, offered: payloads.Challenge) -> bool:
        expected = challenge_proof(key.server_key, self._upgrade, offered.fixed, key.identifier)
        return same(expected, offered.proofs.get(key.identifier, NO_PROOF))

    def _check_attached(self, attach: Attach, fields: payloads.WelcomeFields, services: Mapping[str, Status]) -> None:
        asked = self._resume.session if self._resume else None
        if (
            Status.OK not in services.values()
            or fields.session == NO_SESSION
            or fields.window < WINDOW_INITIAL
            or (attach is Attach.NEW) != (asked is None)
            or (attach is Attach.RESUMED) != (fields.session == asked)
        ):
            raise ProtocolError(Code.PROTOCOL, "WELCOME attaches to something that was neither asked for nor proved")


class Acceptor:
    """The side that was dialled, after the guard let the upgrade pass."""

    def __init__(self, admission: Admission, instance: bytes, random: Callable[[int], bytes]) -> None:
        """`instance`: random per start of the server."""
        self._admission = admission
        self._upgrade = digest(admission.upgrade.blob)
        fixed = payloads.challenge_fixed(random(payloads.CHALLENGE_NONCE_SIZE), instance)
        proofs = [
            (known.identifier, challenge_proof(known.server_key, self._upgrade, fixed, known.identifier))
            for known in admission.verifiers
        ]
        self._payload = payloads.challenge(fixed, proofs)
        self._challenge = digest(self._payload)
        self._received = bytearray()
        self._login: bytes | None = None
        self._version = VERSION
        self._asked: tuple[tuple[str, Status, Verifier | None], ...] = ()
        self._binding: bytes | None = None
        self._serial = 0

    @property
    def binding(self) -> bytes:
        """The binding of the link (§5.3). Raises LocalProtocolError before WELCOME."""
        if self._binding is None:
            raise LocalProtocolError("no binding before WELCOME")
        return self._binding

    def challenge(self) -> bytes:
        """The CHALLENGE frame, which follows the 101."""
        return frame(Type.CHALLENGE, 0, self._payload)

    def login(self, payload: bytes | memoryview, keyring: Verifiers) -> Login | None:
        """What the dialler asks for, or None when more LOGIN frames are to come. Raises ProtocolError."""
        if self._login is not None:
            raise _out_of_turn("LOGIN")
        first = not self._received
        self._received += payload
        raw = bytes(self._received)
        if first and not payloads.speaks_ours(raw):
            self._version, self._login = 0, digest(raw)
            return Login(0, None, 0, 0, WINDOW_INITIAL, bytes(payloads.INSTANCE_SIZE), {})
        try:
            fields = payloads.take_login(raw)
        except Truncated:
            if len(payload) == PAYLOAD_MAX:
                return None
            raise
        self._received.clear()
        self._login = digest(raw)
        covered = digest(fields.unsigned)
        self._asked = tuple(
            [
                self._judge(
                    name,
                    identifier,
                    login_message(self._upgrade, self._challenge, covered, identifier),
                    signature,
                    keyring,
                )
                for (name, identifier), signature in zip(fields.services, fields.signatures, strict=True)
            ]
        )
        session = None if fields.session == NO_SESSION else fields.session
        services = {name: status for name, status, _ in self._asked}
        return Login(VERSION, session, fields.epoch, fields.received, fields.window, fields.instance, services)

    def welcome(
        self,
        attach: Attach,
        session: bytes,
        received: int,
        window: int,
        retry_ms: int = 0,
        text: str = "",
        refused: Set[str] = frozenset(),
    ) -> bytes:
        """The WELCOME frame. `refused`: services that policy keeps from this dialler although it proved them.

        `text` is cut to 200 bytes. Raises LocalProtocolError before LOGIN, twice, or for a session without a proved service.
        """
        if self._login is None or self._binding is not None:
            raise LocalProtocolError("WELCOME out of turn")
        transcript = (self._upgrade, self._challenge, self._login)
        verdicts = _answer(
            self._asked,
            refused,
            lambda known: welcome_proof(known.server_key, *transcript, session, known.identifier),
        )
        proved = any(verdict.status == Status.OK for verdict in verdicts)
        if attach in ATTACHED and (not proved or session == NO_SESSION):
            raise LocalProtocolError(f"WELCOME {attach.name} without a session and a proved service")
        self._binding = link_binding(*transcript)
        fields = payloads.WelcomeFields(self._version, attach, session, received, window, retry_ms, text, verdicts)
        return frame(Type.WELCOME, 0, payloads.welcome(fields))

    def prove(
        self, payload: bytes | memoryview, keyring: Verifiers, refused: Set[str] = frozenset()
    ) -> tuple[bytes, Proved]:
        """The PROVED frame that answers a PROVE, and what it changed. Raises ProtocolError."""
        fields = payloads.take_prove(bytes(payload))
        if self._binding is None or fields.serial != self._serial + 1:
            raise _out_of_turn("PROVE")
        serial, binding = fields.serial, self._binding
        self._serial = serial
        asked = [
            self._judge(name, identifier, prove_message(binding, serial, identifier), signature, keyring)
            for name, identifier, signature in fields.services
        ]
        verdicts = _answer(
            asked, refused, lambda known: proved_proof(known.server_key, binding, serial, known.identifier)
        )
        names = [name for name, _, _ in asked]
        services = {name: Status(verdict.status) for name, verdict in zip(names, verdicts, strict=True)}
        return frame(Type.PROVED, 0, payloads.proved(serial, verdicts)), Proved(services, fields.withdrawn)

    def _judge(
        self, name: str, identifier: bytes, message: bytes, signature: bytes, keyring: Verifiers
    ) -> tuple[str, Status, Verifier | None]:
        role = self._admission.upgrade.role
        if name not in keyring.names(role):
            return name, Status.UNKNOWN, None
        known = keyring.find(role, identifier)
        if known is None or known.service != name or not known.verify(message, signature):
            return name, Status.MISMATCH, None
        return name, Status.OK, known


def _answer(
    asked: Sequence[tuple[str, Status, Verifier | None]], refused: Set[str], proof: Callable[[Verifier], bytes]
) -> tuple[Verdict, ...]:
    verdicts = []
    for name, status, known in asked:
        if known is None:
            verdicts.append(Verdict(status, NO_PROOF))
        elif name in refused:
            verdicts.append(Verdict(Status.REFUSED, NO_PROOF))
        else:
            verdicts.append(Verdict(Status.OK, proof(known)))
    return tuple(verdicts)


def _believe(keys: Sequence[Keys], verdicts: Sequence[Verdict], expected: Callable[[Keys], bytes]) -> dict[str, Status]:
    services = {}
    for key, verdict in zip(keys, verdicts, strict=True):
        if verdict.status == Status.OK and not same(expected(key), verdict.proof):
            raise ProtocolError(Code.PROTOCOL, f"the server calls service {key.service} proved, and did not prove it")
        services[key.service] = Status(verdict.status)
    return services


def _out_of_turn(what: str) -> ProtocolError:
    return ProtocolError(Code.PROTOCOL, f"{what} out of turn")
