"""A laptop beside a tunnel (tests/tunnel.py), with a relay of its own between it and the server.

user ── local port ── Access ── Cutter ── Server ── Cutter ── Client ── echo service
"""

import contextlib
from asyncio import StreamReader, StreamWriter, open_connection
from collections.abc import AsyncIterator, Mapping, Sequence

from hushgate.access.app import Access
from hushgate.config.model import AccessConfig, AccessService, Address, Remote, Secret, Timing
from tests.cutter import Cutter
from tests.tunnel import QUICK, Tunnel, access_key, until


def access_config(
    services: Sequence[str], door: int, timing: Timing = QUICK, keys: Mapping[str, Secret] | None = None
) -> AccessConfig:
    """A laptop with a local port for each of these services."""
    bind = Address("127.0.0.1", 0)
    known = {name: (keys or {}).get(name, access_key(name)) for name in services}
    made = {name: AccessService(name, key, None, bind) for name, key in known.items()}
    return AccessConfig(Remote("ws", "127.0.0.1", door), made, timing=timing)


class Laptop:
    """The laptop's program and its link, which `cutter` can cut."""

    def __init__(self, made: Tunnel, services: Sequence[str], keys: Mapping[str, Secret]) -> None:
        self.made = made
        self.cutter = Cutter()
        self._services = services
        self._keys = keys
        self.access: Access

    async def start(self) -> None:
        await self.cutter.start()
        self.cutter.target = self.made.server.door.port
        self.access = Access(access_config(self._services, self.cutter.port, self.made.timing, self._keys))
        await self.access.start()

    async def stop(self) -> None:
        await self.access.stop()
        await self.cutter.stop()

    async def up(self, links: int = 1) -> None:
        await until(lambda: self.access.uplink.link and self.access.uplink.links >= links, "the laptop's link")

    async def visit(self, service: str = "echo") -> tuple[StreamReader, StreamWriter]:
        return await open_connection("127.0.0.1", self.access.ports[service].address.port)

    @property
    def empty(self) -> bool:
        ports, lobbies = self.access.ports.values(), self.access.lobbies.values()
        waiting = any(port.visitors for port in ports) or any(lobby.waiting for lobby in lobbies)
        return self.made.empty and not self.access.uplink.streams and not waiting


@contextlib.asynccontextmanager
async def laptop(
    made: Tunnel, services: Sequence[str] = ("echo",), keys: Mapping[str, Secret] | None = None, *, up: bool = True
) -> AsyncIterator[Laptop]:
    """A laptop, stopped at the end. Without `up` nobody waits for its link."""
    one = Laptop(made, services, keys or {})
    await one.start()
    try:
        if up:
            await one.up()
        yield one
    finally:
        await one.stop()
