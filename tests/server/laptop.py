"""A laptop on a memory pipe, played by the test."""

from collections.abc import Iterable

from hushgate.protocol.keys import Keys, Role, derive_keys
from tests.server.home import Home
from tests.tunnel import access_key


class PlayedLaptop(Home):
    """Proves access keys in place of tokens."""

    def derive(self, services: Iterable[str]) -> list[Keys]:
        return [derive_keys(access_key(name).reveal(), name, Role.ACCESS) for name in services]
