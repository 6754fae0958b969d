"""One form for a path: what is judged is what is forwarded, and nobody behind us reads it in another way.

Web frameworks undo escapes, merge slashes and resolve dots, each at its own moment, so `/api/%70ull`, `//api/pull` and
`/v1/../api/pull` all reach the same place. Such paths are refused instead of repaired: no client of the services that
have a profile writes them.
"""

import re
from typing import Final

_ESCAPE: Final = re.compile(rb"%(..?)?")
_PLAIN: Final = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,=:@/%-]*")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
"""RFC 3986 §2.3: an escape of one of these means the same as the character."""
_SEPARATORS: Final = frozenset(b"/\\;%")


def oddity(path: bytes) -> str | None:
    """Why a path is not in the one form, or None."""
    if not _PLAIN.fullmatch(path):
        return "holds a character that does not belong into a path"
    for escape in _ESCAPE.finditer(path):
        try:
            byte = int(escape[1] or b"", 16) if len(escape[0]) == 3 else -1
        except ValueError:
            byte = -1
        if byte < 0x20 or byte == 0x7F or byte in _UNRESERVED or byte in _SEPARATORS:
            return "escapes what needs no escape, or what may not be hidden"
    segments = path[1:].split(b"/")
    if any(segment in (b"", b".", b"..") for segment in segments[:-1]) or segments[-1] in (b".", b".."):
        return "holds an empty segment, . or .."
    return None
