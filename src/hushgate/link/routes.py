"""The seam between those who bring visitors and those who know where home is: a service name leads to a Route.

Today every route is a session of this process. A node of a cluster will be another kind of Route, and nobody who
opens streams will notice.
"""

from typing import Protocol

from hushgate.protocol.frames import Open
from hushgate.protocol.stream import Stream


class Route(Protocol):
    """A way to reach a service."""

    @property
    def up(self) -> bool:
        """Whether bytes can flow now; a route that is down may come back within the grace."""

    def open(self, what: Open) -> Stream:
        """A new stream to the service; bind its endpoint at once. Raises LocalProtocolError when no more fit."""
