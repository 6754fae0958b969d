"""The handshake of a link, each side's steps in their order (docs/protocol.md §5). Payloads in, frames out.

    Dialler(...).upgrade ─▶ guard ─▶ Acceptor(admission, ...)
                            Acceptor.challenge()  ─▶ Dialler.challenge(payload)     the server has proved itself
    Acceptor.login(payload, keyring)              ◀─ its frames                     the dialler has, and asks
    Acceptor.welcome(attach, ...)                 ─▶ Dialler.welcome(payload)       every service has an answer

What a LOGIN asks for is to be granted only when one of its services is OK: until then it may come from anybody who
replayed an upgrade. The dialler, for its part, tells its session id only to an acceptor that knows one of its tokens.
Later, PROVE and PROVED do the same for services that come and go; they are bound to this handshake, so they cannot be
moved to another link.

A step out of turn is the peer's fault (ProtocolError) when a frame of the peer caused it, otherwise ours
(LocalProtocolError). After an error a machine is of no further use: close the link.
"""

from hushgate.protocol.acceptor import Acceptor
from hushgate.protocol.answers import ATTACHED, Attach, Login, Proved, Resume, Status, Verifiers, Welcome
from hushgate.protocol.dialler import Dialler

__all__ = [
    "ATTACHED",
    "Acceptor",
    "Attach",
    "Dialler",
    "Login",
    "Proved",
    "Resume",
    "Status",
    "Verifiers",
    "Welcome",
]
