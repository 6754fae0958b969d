"""One response on its way to the visitor: read strictly, written anew, framed as the visitor's version asks."""

from collections.abc import Callable
from functools import partial
from typing import Final

from hushgate.edge.body import Chunked, Reader, Sized, UntilClose, chunk, last_chunk
from hushgate.edge.endpoint_event import EndpointEvent
from hushgate.edge.heads import RequestHead, ResponseHead
from hushgate.edge.parser import BadMessage, read_response
from hushgate.edge.profile import Meter
from hushgate.edge.rewrite import Mapping, Peer, forwardable, outer_place, response_bytes

_END: Final = b"\r\n\r\n"
RESPONSE_HEAD_MAX: Final = 128 * 1024


class ResponseRelay:
    """The responses to `request`: interim ones, then the final one. `on_head` is told the final head and gives what
    meters its body. `keep`: the visitor's connection may live on."""

    __slots__ = (
        "_chunks",
        "_endpoint",
        "_mapping",
        "_meter",
        "_on_head",
        "_peer",
        "_reader",
        "_request",
        "done",
        "head",
        "keep",
        "out",
        "size",
        "switched",
    )

    def __init__(
        self,
        request: RequestHead,
        peer: Peer,
        mapping: Mapping,
        on_head: Callable[[ResponseHead], Meter | None],
        *,
        keep: bool,
    ) -> None:
        self.head: ResponseHead | None = None
        self.out: list[bytes] = []
        """What is to be sent; whoever sends it empties it."""
        self.done = False
        self.switched = False
        """101: the bytes that follow are nobody's but the two ends'."""
        self.keep = keep
        self.size = 0
        self._request = request
        self._peer = peer
        self._mapping = mapping
        self._on_head = on_head
        self._meter: Meter | None = None
        self._endpoint: EndpointEvent | None = None
        self._chunks = False
        self._reader: Reader = Sized(0)

    @property
    def meter(self) -> Meter | None:
        return self._meter

    def feed(self, data: bytes) -> int:
        """How many bytes of `data` were used; the rest is the beginning of a head, or no part of this response.
        Raises BadMessage."""
        at = 0
        while self.head is None:
            end = data.find(_END, at)
            if end < 0 or end - at > RESPONSE_HEAD_MAX:
                if len(data) - at > RESPONSE_HEAD_MAX:
                    raise BadMessage(502, "the head of the response is too long")
                return at
            end += len(_END)
            self._read_head(data[at:end])
            at = end
            if self.switched:
                return at
        if not self.done:
            at += self._read_body(data[at:] if at else data)
        return at

    def end(self) -> bool:
        """Home has ended in order. Whether that ends the response as it should."""
        if self.head is None or self.done or not isinstance(self._reader, UntilClose):
            return self.done
        self.done = True
        self._pass([], last=True)
        if self._chunks:
            self.out.append(last_chunk([]))
        return True

    def _read_head(self, raw: bytes) -> None:
        request = self._request
        response = read_response(raw, request.method)
        if response.status == 101:
            if not request.upgrade:
                raise BadMessage(502, "a switch of protocols that nobody asked for")
            self.switched = True
        elif response.status >= 200:
            self._begin(response)
        elif not request.minor:
            return
        chunked = self._chunks
        self.out.append(response_bytes(response, request, self._peer, self._mapping, chunked=chunked, keep=self.keep))

    def _begin(self, response: ResponseHead) -> None:
        self.head = response
        self._meter = self._on_head(response)
        if response.length is not None:
            self._reader = Sized(response.length)
        else:
            self._reader = Chunked() if response.chunked else UntilClose()
            self._chunks = self._request.minor > 0
            self.keep = self.keep and self._chunks
            if self._mapping.prefix and self._request.method == b"GET" and _is_events(response):
                outer = partial(outer_place, request=self._request, peer=self._peer, mapping=self._mapping)
                self._endpoint = EndpointEvent(outer)
        self.done = self._reader.done

    def _read_body(self, data: bytes) -> int:
        reader = self._reader
        try:
            pieces, used = reader.feed(data)
        except BadMessage as error:
            raise BadMessage(502, error.reason) from None
        self._pass(pieces, last=reader.done)
        if self._chunks and reader.done:
            self.out.append(last_chunk(forwardable(reader.trailers) if isinstance(reader, Chunked) else []))
        self.done = reader.done
        return used

    def _pass(self, pieces: list[bytes], *, last: bool) -> None:
        if self._endpoint is not None:
            pieces = self._translate(self._endpoint, pieces, last=last)
        for piece in pieces:
            self.size += len(piece)
            if self._meter is not None:
                self._meter.feed(piece)
        if pieces:
            self.out += chunk(pieces) if self._chunks else pieces

    def _translate(self, endpoint: EndpointEvent, pieces: list[bytes], *, last: bool) -> list[bytes]:
        passed = [endpoint.feed(piece) for piece in pieces]
        if last:
            passed.append(endpoint.end())
        if endpoint.over:
            self._endpoint = None
        return [piece for piece in passed if piece]


def _is_events(response: ResponseHead) -> bool:
    kind, coding = response.first(b"content-type") or b"", response.first(b"content-encoding")
    return response.status == 200 and kind.lower().startswith(b"text/event-stream") and coding is None
