"""A gatekeeper with visitors: each comes through a gateway of its own, and the test plays home."""

import hashlib
import json
from typing import Any

from hushgate.config.model import Http, HttpKey, OllamaRules
from hushgate.edge.ollama import OllamaProfile
from hushgate.edge.profile import Profile
from hushgate.edge.rewrite import Peer
from hushgate.log import logger
from hushgate.server.gatekeeper import Gatekeeper
from hushgate.server.turns import Turns
from tests.edge.scene import Scene

KEY, NEXT, ROOT = "k" * 43, "n" * 43, "r" * 43


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


KEYS = (HttpKey("editor", digest(KEY)), HttpKey("editor", digest(NEXT)), HttpKey("owner", digest(ROOT), admin=True))
OLLAMA = OllamaProfile(OllamaRules(allow_cloud=True))


class Rig:
    """One gatekeeper, and a scene for each visitor who comes to it."""

    def __init__(self, http: Http, profile: Profile | None = None) -> None:
        self.time = 100.0
        self.called: list[Any] = []
        turns = Turns(lambda: self.time, self.called.append)
        self.judge = Gatekeeper("ollama", frozenset((b"example.org",)), profile, http, turns, logger("http"))

    def scene(self, peer: Peer | None = None) -> Scene:
        return Scene(self.judge, peer)

    def run(self) -> None:
        """Lets those go on whose turn has come."""
        while self.called:
            self.called.pop(0)()


def ask(*headers: str, target: str = "/api/tags", method: str = "GET", body: bytes = b"", host: str = "") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or 'example.org'}", *headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def bearer(key: str) -> str:
    return f"Authorization: Bearer {key}"


def answer(scene: Scene, request: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of an answer that home had no part in."""
    assert scene.say(request) == b""
    head, _, body = scene.visitor.took().partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, json.loads(body) if body else None
