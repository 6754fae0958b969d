"""A client on a memory pipe, played by the test: its handshake with Sessions, and a mux behind it."""

import asyncio
import os
import time
from collections.abc import Iterable

from hushgate.guard.proofs import ProofGuard
from hushgate.link.link import Link
from hushgate.protocol.frames import Type
from hushgate.protocol.hello import Dialler, Resume, Welcome
from hushgate.protocol.keys import Keys, Role, derive_keys
from hushgate.protocol.take import take_frame
from hushgate.server.sessions import Sessions
from hushgate.transports.memory import memory_pair
from tests.link.joined import Side
from tests.tunnel import token, until


class Home(Side):
    """Home of `services`. `frames` holds what came of the handshake; `changed` counts CHANGED."""

    def __init__(self, services: Iterable[str] = ("echo",), instance: bytes | None = None) -> None:
        super().__init__(dialler=True)
        self.keys = self.derive(services)
        self.instance = instance or os.urandom(16)
        self.frames: list[tuple[int, bytes]] = []
        self.over: list[str | None] = []
        self.changed = 0
        self.answers: list[bytes] = []
        self.dialler: Dialler

    def derive(self, services: Iterable[str]) -> list[Keys]:
        return [derive_keys(token(name).reveal(), name, Role.CLIENT) for name in services]

    def knock(self, sessions: Sessions, resume: Resume | None = None, peer: str = "192.0.2.1:5000") -> None:
        """Comes through the door, from `peer`."""
        now = time.time_ns() // 1_000_000
        self.dialler = Dialler(self.keys, "", self.instance, now, os.urandom, resume)
        admission = ProofGuard(0).check(self.dialler.upgrade, sessions.keyring, now)
        assert admission is not None
        self.pipe, theirs = memory_pair(loop=asyncio.get_running_loop())
        theirs.peer = peer
        sessions.admit(theirs, admission, peer.replace(":", " "))
        self.frames.clear()
        self.pipe.switch(self)

    async def login(self, sessions: Sessions, resume: Resume | None = None, peer: str = "192.0.2.1:5000") -> Welcome:
        """The server's answer."""
        self.knock(sessions, resume, peer)
        await until(lambda: self.frames, "CHALLENGE")
        self.pipe.write([self.dialler.challenge(self.frames[0][1])])
        await until(lambda: len(self.frames) == 2, "WELCOME")
        assert [kind for kind, _ in self.frames] == [Type.CHALLENGE, Type.WELCOME]
        return self.dialler.welcome(self.frames[1][1])

    async def come(self, sessions: Sessions, resume: Resume | None = None, peer: str = "192.0.2.1:5000") -> Welcome:
        """Logs in, and its link stands."""
        welcome = await self.login(sessions, resume, peer)
        self.link = Link(self.pipe, self.mux, lambda _link, reason: self.reasons.append(reason))
        self.link.start(welcome.received)
        return welcome

    def handshake(self, type: Type, payload: bytes) -> None:
        self.changed += type is Type.CHANGED
        if type is Type.PROVED:
            self.answers.append(payload)

    def received(self, view: memoryview) -> int:
        if len(self.frames) == 2 or (found := take_frame(view)) is None:
            return 0
        self.frames.append((found[0], bytes(found[3])))
        return found[4]

    def writable(self) -> None:
        return

    def ended(self, error: str | None) -> None:
        self.over.append(error)
