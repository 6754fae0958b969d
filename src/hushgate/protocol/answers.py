"""What a handshake asks and answers: the types that both of its sides share (docs/protocol.md §5)."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Protocol

from hushgate.errors import ProtocolError
from hushgate.protocol.frames import Code
from hushgate.protocol.keys import Role, Verifier


class Attach(IntEnum):
    """What becomes of the session that a LOGIN asks for."""

    NEW = 0
    RESUMED = 1
    UNKNOWN = 2
    RETRY = 3
    STALE = 4
    DENIED = 5
    PROBED = 6


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
    A `probe` asks for no session at all: the answer is all it wants.
    """

    version: int
    session: bytes | None = field(repr=False)
    epoch: int
    received: int
    window: int
    instance: bytes
    services: Mapping[str, Status]
    hosts: Mapping[str, str] = field(default_factory=dict)
    """The Host that each service's HTTP requests shall have at home."""
    probe: bool = False


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
    hosts: Mapping[str, str] = field(default_factory=dict)


class Verifiers(Protocol):
    """The part of a keyring that the acceptor needs."""

    def find(self, role: Role, identifier: bytes) -> Verifier | None: ...

    def names(self, role: Role) -> Set[str]: ...


def out_of_turn(what: str) -> ProtocolError:
    """The peer sent a frame that this step of the handshake does not know."""
    return ProtocolError(Code.PROTOCOL, f"{what} out of turn")
