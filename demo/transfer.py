"""A download that loses its WebSocket twice."""

import hashlib
import socket
import time

from demo.cut import Network
from demo.screen import Failed, good, paint
from demo.services import SIZE, payload


def download(port: int, network: Network) -> None:
    """Fetches the payload through the tunnel, cuts the WebSocket at a third and two thirds, compares SHA-256."""
    cuts = [SIZE // 3, SIZE * 2 // 3]
    digest, got, longest = hashlib.sha256(), 0, 0.0
    with socket.create_connection(("127.0.0.1", port), 30) as visitor:
        visitor.settimeout(30)
        before = time.monotonic()
        while data := visitor.recv(1 << 18):
            now = time.monotonic()
            longest, before = max(longest, now - before), now
            digest.update(data)
            got += len(data)
            if cuts and got >= cuts[0]:
                cuts.pop(0)
                network.cut()
                print(f"  {paint('✂', '33')} the WebSocket is cut after {got >> 20} MiB", flush=True)
    expected = hashlib.sha256()
    for piece in payload():
        expected.update(piece)
    if got != SIZE or digest.digest() != expected.digest():
        raise Failed(f"the transfer broke: {got} of {SIZE} bytes")
    good(f"it went on: {got >> 20} MiB, WebSockets used: {network.connections}, longest pause {longest:.1f} s")
    print(f"    sent      sha256 {expected.hexdigest()}\n    received  sha256 {digest.hexdigest()}")
