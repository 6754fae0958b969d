"""The dialler's side of the handshake (the theory is in hushgate.protocol.hello)."""

from collections.abc import Callable, Mapping, Sequence

from hushgate.errors import AuthRefused, LocalProtocolError, ProtocolError
from hushgate.protocol import payloads
from hushgate.protocol.answers import ATTACHED, Attach, Resume, Status, Welcome, out_of_turn
from hushgate.protocol.frames import Code, Type, frame
from hushgate.protocol.keys import Keys
from hushgate.protocol.limits import PAYLOAD_MAX, UPGRADE_PROOFS_MAX, WINDOW_INITIAL
from hushgate.protocol.payloads import LOGIN_SERVICES_MAX, NO_SESSION, PROBE, VERSION, Named, Verdict
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
from hushgate.protocol.upgrade import NONCE_SIZE, build_upgrade


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
        hosts: Mapping[str, str] | None = None,
        *,
        probe: bool = False,
    ) -> None:
        """`audience`: the host of `remote_addr`. `time_ms`: since 1970, corrected. `window`: of every stream, in bytes.
        `hosts`: by the name of a service, the Host of its HTTP requests at home. `probe`: asks what would come of a
        login, and changes nothing.

        Raises ValueError when there are no keys, too many for one LOGIN, two for one service, or keys of two roles;
        or `probe` with `resume`.
        """
        if len({key.service for key in keys}) != len(keys) or len(keys) > LOGIN_SERVICES_MAX:
            raise ValueError(f"a dialler proves at most {LOGIN_SERVICES_MAX} services, each once")
        if probe and resume:
            raise ValueError("a probe asks for no session")
        self.upgrade = build_upgrade(keys, audience, time_ms, random(NONCE_SIZE))
        self._keys = tuple(keys)
        self._instance = instance
        self._resume = resume
        self._window = window
        self._hosts: Mapping[str, str] = hosts or {}
        self._probe = probe
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
            raise out_of_turn("CHALLENGE")
        raw = bytes(payload)
        offered = payloads.take_challenge(raw)
        if not any(self._holds(key, offered) for key in self._keys[:UPGRADE_PROOFS_MAX]):
            raise AuthRefused(Code.DENIED, "the server did not prove that it knows one of our tokens")
        self._versions = f"{offered.lowest} to {offered.highest}"
        self._challenge = digest(raw)
        resume = self._resume or Resume(NO_SESSION, 1, 0)
        services = self._named(self._keys)
        unsigned = payloads.login(
            self._instance,
            resume.session,
            resume.epoch,
            resume.received,
            self._window,
            services,
            PROBE if self._probe else 0,
        )
        covered = digest(unsigned)
        login = unsigned + b"".join(
            key.sign(login_message(self._upgrade, self._challenge, covered, key.identifier)) for key in self._keys
        )
        self._login = digest(login)
        return [frame(Type.LOGIN, 0, login[at : at + PAYLOAD_MAX]) for at in range(0, len(login), PAYLOAD_MAX)]

    def welcome(self, payload: bytes | memoryview) -> Welcome:
        """What the acceptor answered. Raises ProtocolError when any of it is malformed, unproved or out of turn."""
        if self._challenge is None or self._login is None or self._binding is not None:
            raise out_of_turn("WELCOME")
        fields = payloads.take_welcome(bytes(payload))
        if fields.version == 0:
            ours = f"the server speaks protocol versions {self._versions}, this program {VERSION}"
            raise ProtocolError(Code.UNSUPPORTED, f"{ours}: update the older one")
        if fields.attach not in Attach._value2member_map_ or len(fields.verdicts) != len(self._keys):
            raise ProtocolError(Code.PROTOCOL, "WELCOME does not answer our LOGIN")
        attach = Attach(fields.attach)
        if attach in (ATTACHED if self._probe else (Attach.PROBED,)):
            raise ProtocolError(Code.PROTOCOL, f"WELCOME {attach.name} does not answer our LOGIN")
        transcript = (self._upgrade, self._challenge, self._login)
        covered = digest(fields.fixed)
        services = _believe(
            self._keys,
            fields.verdicts,
            lambda key: welcome_proof(key.server_key, *transcript, covered, key.identifier),
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

    def prove(
        self, keys: Sequence[Keys], withdrawn: Sequence[str] = (), hosts: Mapping[str, str] | None = None
    ) -> bytes:
        """The PROVE frame for services that came, and the names of those that went. `hosts`: as they are from now on.

        Raises ValueError when they do not fit one frame, LocalProtocolError before WELCOME.
        """
        if self._binding is None:
            raise LocalProtocolError("PROVE before WELCOME")
        self._hosts = self._hosts if hosts is None else hosts
        serial = self._serial + 1
        unsigned = payloads.prove(serial, self._named(keys), withdrawn)
        covered = digest(unsigned)
        payload = unsigned + b"".join(key.sign(prove_message(self._binding, covered, key.identifier)) for key in keys)
        self._serial = serial
        self._asked[serial] = tuple(keys)
        return frame(Type.PROVE, 0, payload)

    def proved(self, payload: bytes | memoryview) -> dict[str, Status]:
        """The answer to the oldest PROVE that has none yet. Raises ProtocolError as `welcome` does."""
        serial, verdicts = payloads.take_proved(bytes(payload))
        if self._binding is None or serial != next(iter(self._asked), None):
            raise out_of_turn("PROVED")
        keys, binding = self._asked[serial], self._binding
        if len(verdicts) != len(keys):
            raise ProtocolError(Code.PROTOCOL, "PROVED does not answer our PROVE")
        services = _believe(keys, verdicts, lambda key: proved_proof(key.server_key, binding, serial, key.identifier))
        del self._asked[serial]
        return services

    def _named(self, keys: Sequence[Keys]) -> list[Named]:
        return [Named(key.service, key.identifier, self._hosts.get(key.service, "")) for key in keys]

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


def _believe(keys: Sequence[Keys], verdicts: Sequence[Verdict], expected: Callable[[Keys], bytes]) -> dict[str, Status]:
    services = {}
    for key, verdict in zip(keys, verdicts, strict=True):
        if verdict.status == Status.OK and not same(expected(key), verdict.proof):
            raise ProtocolError(Code.PROTOCOL, f"the server calls service {key.service} proved, and did not prove it")
        services[key.service] = Status(verdict.status)
    return services
