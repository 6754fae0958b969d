"""End-to-end encryption between the two ends of a stream: handshake and records (docs/protocol.md §14).

The server relays streams and could read them. With an `e2e_key`, which stands in the files of laptop and home only,
both ends run Noise_NNpsk0_25519_ChaChaPoly_SHA256 (noiseprotocol.org, revision 34) inside the stream: the key proves
each to the other, fresh ephemeral keys keep what was recorded safe from a key that leaks later, and each record has a
number of its own, so none can be altered, repeated, reordered or left out. An empty record is the end: without it the
end of the stream is a cut.
"""

from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidTag
from noise.connection import NoiseConnection
from noise.exceptions import NoiseInvalidMessage, NoiseValueError

from hushgate.errors import ProtocolError
from hushgate.protocol.frames import E2E_VERSION, Code
from hushgate.protocol.limits import PAYLOAD_MAX

LENGTH: Final = Struct("!H")
TAG: Final = 16
OVERHEAD: Final = LENGTH.size + TAG
HELLO: Final = 32 + TAG
"""An ephemeral key and the tag of an empty payload."""
PLAIN_MAX: Final = PAYLOAD_MAX - OVERHEAD
"""A record fits a frame."""
_SUITE: Final = b"Noise_NNpsk0_25519_ChaChaPoly_SHA256"


class Conversation:
    """One end of one stream. `key` is `keys.derive_e2e_key`; the `opener` of the stream speaks first. Ephemeral keys
    come from the library, which asks the system for them."""

    def __init__(self, key: bytes, service: str, *, opener: bool) -> None:
        self._noise = NoiseConnection.from_name(_SUITE)
        self._noise.set_psks(psk=key)
        self._noise.set_prologue(b"hushgate/1 e2e" + bytes((0, E2E_VERSION, 0)) + service.encode())
        if opener:
            self._noise.set_as_initiator()
        else:
            self._noise.set_as_responder()
        self._noise.start_handshake()

    @property
    def standing(self) -> bool:
        """Both hellos were exchanged: records may follow."""
        return bool(self._noise.handshake_finished)

    def hello(self) -> bytes:
        """Our handshake message as a record: the opener's at once, the other's after it has heard that."""
        return _record(bytes(self._noise.write_message()))

    def heard(self, message: bytes) -> None:
        """The peer's handshake message. Raises ProtocolError (`denied`) when the peer has another key, or the same one
        for another service."""
        try:
            payload = self._noise.read_message(message)
        except (InvalidTag, NoiseInvalidMessage, NoiseValueError, ValueError) as error:
            raise ProtocolError(Code.DENIED, "the other end has another e2e_key") from error
        if payload:
            raise ProtocolError(Code.PROTOCOL, "a hello of the end-to-end layer with a payload")

    def seal(self, data: bytes) -> bytes:
        """A record of at most PLAIN_MAX bytes; the empty one is the end."""
        return _record(self._noise.encrypt(data))

    def open(self, sealed: bytes) -> bytes:
        """What a record holds; empty: the end. Raises ProtocolError (`aborted`) for one that is not the next of this
        stream."""
        try:
            return bytes(self._noise.decrypt(sealed))
        except (InvalidTag, NoiseInvalidMessage) as error:
            raise ProtocolError(Code.ABORTED, "a record was altered on the way") from error


def _record(sealed: bytes) -> bytes:
    return LENGTH.pack(len(sealed)) + sealed
