"""A loopback address of its own for each visitor (design: `visitor_alias`).

sshd knows nothing of PROXY protocol, but on Linux any address of 127/8 may be the source of a local connection,
without privilege. So sshd, its per-source penalties, fail2ban and the logs at home tell visitors apart, and the alias
maps back to the visitor.
"""

from collections import OrderedDict
from hashlib import blake2b

_KEPT = 65_536
_BLOCK = 0x7F80_0000
"""127.128.0.0/9: nobody's habits, and away from 127.0.0.0/16."""
_SIZE = 2**23


class Aliases:
    """Visitor addresses to aliases and back; forgets those not seen for longest."""

    def __init__(self) -> None:
        self._aliases: OrderedDict[str, str] = OrderedDict()
        self._visitors: dict[str, str] = {}

    def of(self, visitor: str) -> str:
        """The alias of the address `visitor`, the same as long as it is remembered."""
        if known := self._aliases.get(visitor):
            self._aliases.move_to_end(visitor)
            return known
        number = int.from_bytes(blake2b(visitor.encode(), digest_size=4).digest(), "big")
        while (alias := _dotted(_BLOCK + number % _SIZE)) in self._visitors:
            number += 1
        self._aliases[visitor] = alias
        self._visitors[alias] = visitor
        if len(self._aliases) > _KEPT:
            _, oldest = self._aliases.popitem(last=False)
            del self._visitors[oldest]
        return alias

    def visitor(self, alias: str) -> str | None:
        """Whose alias this is."""
        return self._visitors.get(alias)


def _dotted(address: int) -> str:
    return ".".join(map(str, address.to_bytes(4, "big")))
