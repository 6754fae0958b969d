"""The acceptor's side of the handshake (the theory is in hushgate.protocol.hello)."""

from collections.abc import Callable, Sequence, Set

from hushgate.errors import LocalProtocolError
from hushgate.protocol import payloads
from hushgate.protocol.answers import ATTACHED, Attach, Login, Proved, Status, Verifiers, out_of_turn
from hushgate.protocol.frames import Type, frame
from hushgate.protocol.keys import Verifier
from hushgate.protocol.limits import PAYLOAD_MAX, WINDOW_INITIAL
from hushgate.protocol.payloads import NO_SESSION, PROBE, VERSION, Truncated, Verdict
from hushgate.protocol.transcript import (
    NO_PROOF,
    challenge_proof,
    digest,
    link_binding,
    login_message,
    prove_message,
    proved_proof,
    welcome_proof,
)
from hushgate.protocol.upgrade import Admission


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
        self._proved: dict[str, bytes] = {}
        self._serial = 0

    @property
    def binding(self) -> bytes:
        """The binding of the link (§5.3). Raises LocalProtocolError before WELCOME."""
        if self._binding is None:
            raise LocalProtocolError("no binding before WELCOME")
        return self._binding

    @property
    def identifiers(self) -> dict[str, bytes]:
        """The services that are OK on this link, each with the identifier of the token that proved it."""
        return dict(self._proved)

    def challenge(self) -> bytes:
        """The CHALLENGE frame, which follows the 101."""
        return frame(Type.CHALLENGE, 0, self._payload)

    def login(self, payload: bytes | memoryview, keyring: Verifiers) -> Login | None:
        """What the dialler asks for, or None when more LOGIN frames are to come. Raises ProtocolError."""
        if self._login is not None:
            raise out_of_turn("LOGIN")
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
                for (name, identifier, _), signature in zip(fields.services, fields.signatures, strict=True)
            ]
        )
        session = None if fields.session == NO_SESSION else fields.session
        services = {name: status for name, status, _ in self._asked}
        hosts = {service.name: service.host for service in fields.services}
        return Login(
            VERSION,
            session,
            fields.epoch,
            fields.received,
            fields.window,
            fields.instance,
            services,
            hosts,
            probe=bool(fields.features & PROBE),
        )

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

        `text` is cut to 200 bytes. Raises LocalProtocolError before LOGIN, twice, and when it attaches while no service
        is OK.
        """
        if self._login is None or self._binding is not None:
            raise LocalProtocolError("WELCOME out of turn")
        transcript = (self._upgrade, self._challenge, self._login)
        fixed = payloads.welcome_fixed(self._version, attach, session, received, window, retry_ms, text)
        covered = digest(fixed)
        verdicts = _answer(
            self._asked,
            refused,
            lambda known: welcome_proof(known.server_key, *transcript, covered, known.identifier),
        )
        proved = any(verdict.status == Status.OK for verdict in verdicts)
        if attach in ATTACHED and (not proved or session == NO_SESSION):
            raise LocalProtocolError(f"WELCOME {attach.name} without a session and a proved service")
        self._binding = link_binding(*transcript)
        return frame(Type.WELCOME, 0, payloads.welcome(fixed, verdicts))

    def prove(
        self, payload: bytes | memoryview, keyring: Verifiers, refused: Set[str] = frozenset()
    ) -> tuple[bytes, Proved]:
        """The PROVED frame that answers a PROVE, and what it changed. Raises ProtocolError."""
        fields = payloads.take_prove(bytes(payload))
        if self._binding is None or fields.serial != self._serial + 1:
            raise out_of_turn("PROVE")
        serial, binding = fields.serial, self._binding
        self._serial = serial
        covered = digest(fields.unsigned)
        asked = [
            self._judge(name, identifier, prove_message(binding, covered, identifier), signature, keyring)
            for (name, identifier, _), signature in zip(fields.services, fields.signatures, strict=True)
        ]
        verdicts = _answer(
            asked, refused, lambda known: proved_proof(known.server_key, binding, serial, known.identifier)
        )
        names = [name for name, _, _ in asked]
        services = {name: Status(verdict.status) for name, verdict in zip(names, verdicts, strict=True)}
        hosts = {service.name: service.host for service in fields.services}
        return frame(Type.PROVED, 0, payloads.proved(serial, verdicts)), Proved(services, fields.withdrawn, hosts)

    def _judge(
        self, name: str, identifier: bytes, message: bytes, signature: bytes, keyring: Verifiers
    ) -> tuple[str, Status, Verifier | None]:
        role = self._admission.upgrade.role
        if name not in keyring.names(role):
            return name, Status.UNKNOWN, None
        known = keyring.find(role, identifier)
        if known is None or known.service != name or not known.verify(message, signature):
            return name, Status.MISMATCH, None
        self._proved[name] = identifier
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
