"""Opens and answers streams that are encrypted end to end (protocol/sealed.py), and says in the log why one failed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hushgate.link.routes import Route
from hushgate.log import Seldom, logger
from hushgate.protocol.frames import E2E_VERSION, Open
from hushgate.protocol.stream import ByteStream, Stream

if TYPE_CHECKING:
    from hushgate.protocol.sealed import SealedStream

_log = Seldom(logger("e2e"))


def open_stream(route: Route, what: Open, key: bytes | None) -> ByteStream:
    """A new stream of `route`; with a `key` (keys.derive_e2e_key) it is encrypted, and never less. Raises as
    `route.open`."""
    if key is None:
        return route.open(what)
    sealed = seal(route.open(what._replace(e2e=E2E_VERSION)), key, opener=True)
    sealed.start()
    return sealed


def seal(stream: Stream, key: bytes, *, opener: bool, stood: Callable[[], None] = lambda: None) -> "SealedStream":
    """One end of an encrypted stream, to be started; `stood` is called when the other end has shown that it holds the
    key."""
    # Only those who have a key pay for the library.
    from hushgate.protocol.e2e import Conversation
    from hushgate.protocol.sealed import SealedStream

    service = stream.what.service

    def failed(reason: str) -> None:
        _log.warning("encrypted stream given up", service=service, visitor=stream.what.visitor or None, reason=reason)

    conversation = Conversation(key, service, opener=opener)
    return SealedStream(stream, conversation, opener=opener, stood=stood, failed=failed)
