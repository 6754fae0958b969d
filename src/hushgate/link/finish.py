"""The end of a program's links: each says its last word, and it arrives."""

from collections.abc import Iterable

from hushgate.link.link import Link
from hushgate.transports.closing import close_all


async def finish_all(links: Iterable[Link]) -> None:
    """Finishes links whose muxes are closed, and closes their pipes (transports.closing)."""
    finishing = list(links)
    for link in finishing:
        link.finish()
    await close_all(link.pipe for link in finishing)
