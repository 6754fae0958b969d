"""The payloads of the handshake, byte by byte (docs/protocol.md §5). No proof is checked or made here.

Every `take_` raises ProtocolError(`protocol`) for a payload that is not exactly of its form, and nothing else.
"""

import re
from collections.abc import Collection, Sequence
from struct import Struct
from typing import Any, Final, NamedTuple

from hushgate.errors import ProtocolError
from hushgate.protocol.frames import Code
from hushgate.protocol.keys import IDENTIFIER_SIZE, SIGNATURE_SIZE
from hushgate.protocol.limits import PAYLOAD_MAX, PROVE_SERVICES_MAX, SERVICE_NAME_MAX, TEXT_MAX, WINDOW_INITIAL
from hushgate.protocol.transcript import NO_PROOF, PROOF_SIZE

VERSION: Final = 1
"""The only version there is, so both ends of the range we state."""
INSTANCE_SIZE: Final = 16
SESSION_SIZE: Final = 16
CHALLENGE_NONCE_SIZE: Final = 32
NO_SESSION: Final = bytes(SESSION_SIZE)
HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]{0,255}")
"""What may be stated as the Host of a service: nothing that could end a line or begin another header."""
PROBE: Final = 0x0000_0001
"""Feature bit of LOGIN: only asks what would come of it."""

_VERSIONS: Final = Struct("!HH")
_CHALLENGE: Final = Struct(f"!HHI{CHALLENGE_NONCE_SIZE}s{INSTANCE_SIZE}s")
_CHALLENGE_ENTRY: Final = Struct(f"!{IDENTIFIER_SIZE}s{PROOF_SIZE}s")
_LOGIN: Final = Struct(f"!HHI{INSTANCE_SIZE}s{SESSION_SIZE}sIQIH")
_WELCOME: Final = Struct(f"!HIB{SESSION_SIZE}sQII")
_VERDICT: Final = Struct(f"!B{PROOF_SIZE}s")
_U8: Final = Struct("!B")
_U16: Final = Struct("!H")
_PROVE: Final = Struct("!IH")

LOGIN_SERVICES_MAX: Final = (PAYLOAD_MAX - _WELCOME.size - 1 - TEXT_MAX - _U16.size) // _VERDICT.size
"""As many as WELCOME can answer in its one frame."""


class Truncated(ProtocolError):
    """The payload ends too early; for LOGIN the rest may be in the next frame."""


class Verdict(NamedTuple):
    """The answer for one service, as it stands on the wire."""

    status: int
    proof: bytes


class Named(NamedTuple):
    """A service as LOGIN and PROVE name it. `host`: the Host that its HTTP requests shall have at home; empty: that of
    the visitor."""

    name: str
    identifier: bytes
    host: str = ""


class Challenge(NamedTuple):
    """`fixed` is everything before the count: what the proofs cover."""

    lowest: int
    highest: int
    fixed: bytes
    proofs: dict[bytes, bytes]


class LoginFields(NamedTuple):
    """`unsigned` is everything before the signatures."""

    features: int
    instance: bytes
    session: bytes
    epoch: int
    received: int
    window: int
    services: tuple[Named, ...]
    signatures: tuple[bytes, ...]
    unsigned: bytes


class WelcomeFields(NamedTuple):
    """`version` 0: the two have none in common, and no other field means anything. `fixed` is everything before the
    count: what the proofs cover."""

    version: int
    attach: int
    session: bytes
    received: int
    window: int
    retry_ms: int
    text: str
    fixed: bytes
    verdicts: tuple[Verdict, ...] = ()


class ProveFields(NamedTuple):
    """`unsigned` is everything before the signatures."""

    serial: int
    services: tuple[Named, ...]
    withdrawn: tuple[str, ...]
    signatures: tuple[bytes, ...]
    unsigned: bytes


class _Reader:
    """Walks a payload from its beginning to its end."""

    def __init__(self, payload: bytes, what: str) -> None:
        self._payload = payload
        self._what = what
        self.at = 0

    def take(self, size: int) -> bytes:
        taken = self._payload[self.at : self.at + size]
        if len(taken) != size:
            raise Truncated(Code.PROTOCOL, f"truncated {self._what}")
        self.at += size
        return taken

    def unpack(self, form: Struct) -> tuple[Any, ...]:
        return form.unpack(self.take(form.size))

    def string(self) -> str:
        try:
            return self.take(self.unpack(_U8)[0]).decode()
        except UnicodeDecodeError:
            raise self.malformed("text that is not UTF-8") from None

    def name(self) -> str:
        return self.string() or self._nameless()

    def named(self) -> Named:
        name, identifier, host = self.name(), self.take(IDENTIFIER_SIZE), self.string()
        if not HOST.fullmatch(host):
            raise self.malformed("a Host that no request may have")
        return Named(name, identifier, host)

    def end(self) -> None:
        if self.at != len(self._payload):
            raise self.malformed("bytes after its end")

    def malformed(self, why: str) -> ProtocolError:
        return ProtocolError(Code.PROTOCOL, f"malformed {self._what}: {why}")

    def distinct(self, names: Collection[str | bytes]) -> None:
        if len(set(names)) != len(names):
            raise self.malformed("the same service twice")

    def _nameless(self) -> str:
        raise self.malformed("a service without a name")


def name_bytes(name: str) -> bytes:
    """A service name as a string of the handshake. Raises ValueError when it does not fit."""
    raw = name.encode()
    if not 1 <= len(raw) <= SERVICE_NAME_MAX:
        raise ValueError(f"service name of {len(raw)} bytes")
    return bytes((len(raw),)) + raw


def _named(service: Named) -> bytes:
    """Raises ValueError for a Host that does not fit."""
    if not HOST.fullmatch(service.host):
        raise ValueError(f"{service.host!r} is not a Host header")
    return name_bytes(service.name) + service.identifier + bytes((len(service.host),)) + service.host.encode()


def challenge_fixed(nonce: bytes, instance: bytes) -> bytes:
    return _CHALLENGE.pack(VERSION, VERSION, 0, nonce, instance)


def challenge(fixed: bytes, proofs: Sequence[tuple[bytes, bytes]]) -> bytes:
    return fixed + bytes((len(proofs),)) + b"".join(_CHALLENGE_ENTRY.pack(*entry) for entry in proofs)


def take_challenge(payload: bytes) -> Challenge:
    """A later version may have made it longer (§13): then the surplus is skipped."""
    reader = _Reader(payload, "CHALLENGE")
    lowest, highest, _, _, _ = reader.unpack(_CHALLENGE)
    fixed = payload[: reader.at]
    entries = [reader.unpack(_CHALLENGE_ENTRY) for _ in range(reader.unpack(_U8)[0])]
    reader.distinct([identifier for identifier, _ in entries])
    if lowest > highest:
        raise reader.malformed("versions")
    if highest <= VERSION:
        reader.end()
    return Challenge(lowest, highest, fixed, dict(entries))


def login(
    instance: bytes,
    session: bytes,
    epoch: int,
    received: int,
    window: int,
    services: Sequence[Named],
    features: int = 0,
) -> bytes:
    """Everything before the signatures."""
    fixed = _LOGIN.pack(VERSION, VERSION, features, instance, session, epoch, received, window, len(services))
    return fixed + b"".join(_named(service) for service in services)


def speaks_ours(payload: bytes) -> bool:
    """Whether the range of versions at the front of a LOGIN holds ours. The rest may have another form when not."""
    reader = _Reader(payload, "LOGIN")
    lowest, highest = reader.unpack(_VERSIONS)
    if lowest > highest:
        raise reader.malformed("versions")
    return bool(lowest <= VERSION <= highest)


def take_login(payload: bytes) -> LoginFields:
    reader = _Reader(payload, "LOGIN")
    _, _, features, instance, session, epoch, received, window, count = reader.unpack(_LOGIN)
    if features & PROBE and session != NO_SESSION:
        raise reader.malformed("a probe that asks for a session")
    if epoch < 1 or window < WINDOW_INITIAL or count > LOGIN_SERVICES_MAX:
        raise reader.malformed("a number out of its range")
    services = tuple([reader.named() for _ in range(count)])
    reader.distinct([service.name for service in services])
    unsigned = payload[: reader.at]
    signatures = tuple([reader.take(SIGNATURE_SIZE) for _ in range(count)])
    reader.end()
    return LoginFields(features, instance, session, epoch, received, window, services, signatures, unsigned)


def welcome_fixed(
    version: int, attach: int, session: bytes, received: int, window: int, retry_ms: int, text: str
) -> bytes:
    """`text` is cut to TEXT_MAX bytes."""
    raw = text.encode()[:TEXT_MAX].decode(errors="ignore").encode()
    return _WELCOME.pack(version, 0, attach, session, received, window, retry_ms) + bytes((len(raw),)) + raw


def welcome(fixed: bytes, verdicts: Sequence[Verdict]) -> bytes:
    return fixed + _verdicts(verdicts)


def take_welcome(payload: bytes) -> WelcomeFields:
    reader = _Reader(payload, "WELCOME")
    version, _, attach, session, received, window, retry_ms = reader.unpack(_WELCOME)
    text = reader.string()
    fields = WelcomeFields(version, attach, session, received, window, retry_ms, text, payload[: reader.at])
    if version == 0:
        return fields
    verdicts = _take_verdicts(reader)
    reader.end()
    if version != VERSION:
        raise reader.malformed("a version that was not offered")
    return fields._replace(verdicts=verdicts)


def prove(serial: int, services: Sequence[Named], withdrawn: Sequence[str]) -> bytes:
    """Everything before the signatures. Raises ValueError when the whole does not fit one frame."""
    parts = [_PROVE.pack(serial, len(services))]
    parts += [_named(service) for service in services]
    parts.append(_U16.pack(len(withdrawn)))
    parts += [name_bytes(name) for name in withdrawn]
    unsigned = b"".join(parts)
    if len(services) > PROVE_SERVICES_MAX or len(unsigned) + len(services) * SIGNATURE_SIZE > PAYLOAD_MAX:
        raise ValueError("more services than fit one PROVE")
    return unsigned


def take_prove(payload: bytes) -> ProveFields:
    reader = _Reader(payload, "PROVE")
    serial, count = reader.unpack(_PROVE)
    if count > PROVE_SERVICES_MAX:
        raise reader.malformed("too many services")
    services = tuple([reader.named() for _ in range(count)])
    withdrawn = tuple([reader.name() for _ in range(reader.unpack(_U16)[0])])
    reader.distinct([service.name for service in services] + list(withdrawn))
    unsigned = payload[: reader.at]
    signatures = tuple([reader.take(SIGNATURE_SIZE) for _ in range(count)])
    reader.end()
    return ProveFields(serial, services, withdrawn, signatures, unsigned)


def proved(serial: int, verdicts: Sequence[Verdict]) -> bytes:
    return serial.to_bytes(4) + _verdicts(verdicts)


def take_proved(payload: bytes) -> tuple[int, tuple[Verdict, ...]]:
    reader = _Reader(payload, "PROVED")
    serial = int.from_bytes(reader.take(4))
    verdicts = _take_verdicts(reader)
    reader.end()
    return serial, verdicts


def _verdicts(verdicts: Sequence[Verdict]) -> bytes:
    return _U16.pack(len(verdicts)) + b"".join(_VERDICT.pack(*verdict) for verdict in verdicts)


def _take_verdicts(reader: _Reader) -> tuple[Verdict, ...]:
    verdicts = tuple([Verdict(*reader.unpack(_VERDICT)) for _ in range(reader.unpack(_U16)[0])])
    for status, proof in verdicts:
        if status > 3 or (status and proof != NO_PROOF):
            raise reader.malformed("a status that contradicts its proof")
    return verdicts
