"""The local end of a stream at a laptop: says in the log why a visitor was turned away, whom nothing but a reset
reaches."""

from hushgate.link.endpoint import SocketEndpoint
from hushgate.log import Seldom, logger
from hushgate.protocol.frames import Code

_seldom = Seldom(logger("access"))


class TellingEndpoint(SocketEndpoint):
    __slots__ = ()

    def reset(self, code: Code, text: str) -> None:
        if code is not Code.DONE:
            _seldom.warning("stream reset", service=self._stream.what.service, code=code.name.lower(), reason=text)
        super().reset(code, text)
