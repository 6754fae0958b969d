"""The whole tree of exceptions.

HushgateError
├── UserError           one sentence for the user, and an exit code; anything else is a bug and a traceback
│   ├── ConfigError     2  the configuration; carries every problem found
│   ├── AuthError       3  no service could be proved
│   ├── UnreachableError 4  the server cannot be reached
│   └── SystemFault     5  this machine: port in use, certificate unreadable, disk full
├── ProtocolError       the peer violated docs/protocol.md; carries the code of §11
│   └── AuthRefused     the peer did not prove that it knows one of our tokens
├── LocalProtocolError  we misused the core: a bug
└── PipeError           a pipe could not be opened, or broke
"""

from collections.abc import Sequence
from typing import ClassVar


class HushgateError(Exception):
    """Base of everything this package raises on purpose."""


class UserError(HushgateError):
    """A failure told in one sentence: what, where, what to do. `exit_code` is documented in docs/exit-codes.md."""

    exit_code: ClassVar[int] = 1


class ConfigError(UserError):
    """One or more problems of a configuration file, each `file: section.key: reason`."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class AuthError(UserError):
    """The server let us in for no service at all."""

    exit_code = 3


class UnreachableError(UserError):
    """The server could not be reached, or something else answered in its place."""

    exit_code = 4


class SystemFault(UserError):
    """Something of this machine stands in the way."""

    exit_code = 5


class ProtocolError(HushgateError):
    """The peer violated the specification. `code` is what GOAWAY or RESET tells it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class AuthRefused(ProtocolError):
    """The acceptor did not prove that it knows one of our tokens: nothing more is said to it."""


class LocalProtocolError(HushgateError):
    """The core was asked for something its state does not allow."""


class PipeError(HushgateError):
    """A pipe could not be opened, or broke. The message names the address and the cause."""
