"""JARM's ten ClientHellos, by whose answers scanners tell one TLS server from another.

They vary version, cipher list, protocols and the order of everything, after the public description by its authors
(Salesforce, "Easily Identify Malicious Servers on the Internet with JARM"). Structures: RFC 8446 §4.1.2.
"""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Order = Literal["forward", "reverse", "top half", "bottom half", "middle out"]

_CIPHERS = bytes.fromhex(
    "0016 0033 0067 c09e c0a2 009e 0039 006b c09f c0a3 009f 0045 00be 0088 00c4 009a c008 c009 c023 c0ac c0ae c02b c00a"
    "c024 c0ad c0af c02c c072 c073 cca9 1302 1301 cc14 c007 c012 c013 c027 c02f c014 c028 c030 c060 c061 c076 c077 cca8"
    "1305 1304 1303 cc13 c011 000a 002f 003c c09c c0a0 009c 0035 003d c09d c0a1 009d 0041 00ba 0084 00c0 0007 0004 0005"
)
CIPHERS = [_CIPHERS[at : at + 2] for at in range(0, len(_CIPHERS), 2)]
OLD_CIPHERS = [cipher for cipher in CIPHERS if cipher[0] != 0x13]
PROTOCOLS = [b"http/0.9", b"http/1.0", b"http/1.1", b"spdy/1", b"spdy/2", b"spdy/3", b"h2", b"h2c", b"hq"]
RARE_PROTOCOLS = [b"http/0.9", b"http/1.0", b"spdy/1", b"spdy/2", b"spdy/3", b"h2c", b"hq"]
GREASE = b"\x0a\x0a"
"""RFC 8701: a value that every peer must ignore."""

_GROUPS = bytes.fromhex("001d 0017 0018 0019")
_SIGNATURES = bytes.fromhex("0403 0804 0401 0503 0805 0501 0806 0601 0201")


@dataclass(frozen=True)
class Hello:
    """One of the ten. `version` is the newest that it is about, as its number on the wire; `versions` the newest in the
    supported_versions extension, 0 for none; `order` that of the ciphers. `backwards`: protocols and versions come from
    the end."""

    version: int
    order: Order = "forward"
    ciphers: Sequence[bytes] = tuple(CIPHERS)
    protocols: Sequence[bytes] = tuple(PROTOCOLS)
    versions: int = 0
    grease: bool = False
    backwards: bool = False

    def build(self, name: bytes) -> bytes:
        """The record for the server `name`, with fresh random values as from any client."""
        grease = [GREASE] if self.grease else []
        ciphers = b"".join([*grease, *ordered(self.ciphers, self.order)])
        inner = struct.pack(">H", min(self.version, 0x0303))
        hello = inner + os.urandom(32) + sized(1, os.urandom(32)) + sized(2, ciphers) + sized(1, b"\x00")
        hello += sized(2, b"".join(self._extensions(name)))
        outer = {0x0302: 0x0302, 0x0303: 0x0303, 0x0304: 0x0301}[self.version]
        return struct.pack(">BH", 22, outer) + sized(2, b"\x01" + sized(3, hello))

    def _extensions(self, name: bytes) -> list[bytes]:
        turn: Order = "reverse" if self.backwards else "forward"
        protocols = b"".join(sized(1, protocol) for protocol in ordered(self.protocols, turn))
        shares = (GREASE + sized(2, b"\x00") if self.grease else b"") + b"\x00\x1d" + sized(2, os.urandom(32))
        versions = [struct.pack(">H", version) for version in range(0x0301, self.versions + 1)]
        offered = b"".join(([GREASE] if self.grease else []) + ordered(versions, turn))
        extensions = [GREASE + sized(2, b"")] if self.grease else []
        extensions += [
            extension(0x0000, sized(2, b"\x00" + sized(2, name))),
            extension(0x0017, b""),
            extension(0x0001, b"\x01"),
            extension(0xFF01, sized(1, b"")),
            extension(0x000A, sized(2, _GROUPS)),
            extension(0x000B, sized(1, b"\x00")),
            extension(0x0023, b""),
            extension(0x0010, sized(2, protocols)),
            extension(0x000D, sized(2, _SIGNATURES)),
            extension(0x0033, sized(2, shares)),
            extension(0x002D, sized(1, b"\x01")),
        ]
        return [*extensions, *([extension(0x002B, sized(1, offered))] if self.versions else [])]


TEN = {
    "1.2 forward": Hello(0x0303, versions=0x0303, backwards=True),
    "1.2 reverse": Hello(0x0303, "reverse", versions=0x0303),
    "1.2 top half": Hello(0x0303, "top half"),
    "1.2 bottom half": Hello(0x0303, "bottom half", protocols=RARE_PROTOCOLS),
    "1.2 middle out": Hello(0x0303, "middle out", protocols=RARE_PROTOCOLS, grease=True, backwards=True),
    "1.1": Hello(0x0302),
    "1.3 forward": Hello(0x0304, versions=0x0304, backwards=True),
    "1.3 reverse": Hello(0x0304, "reverse", versions=0x0304),
    "1.3 without its ciphers": Hello(0x0304, ciphers=OLD_CIPHERS, versions=0x0304),
    "1.3 middle out": Hello(0x0304, "middle out", versions=0x0304, grease=True, backwards=True),
}


def ordered(values: Sequence[bytes], order: Order) -> list[bytes]:
    middle = len(values) // 2
    match order:
        case "forward":
            return list(values)
        case "reverse":
            return list(values[::-1])
        case "bottom half":
            return list(values[middle + len(values) % 2 :])
        case "top half":
            return list(values[: middle + len(values) % 2][::-1])
        case "middle out":
            above, below = values[middle + len(values) % 2 :], values[:middle][::-1]
            return list(values[middle : middle + len(values) % 2]) + [
                value for pair in zip(above, below, strict=True) for value in pair
            ]


def extension(number: int, value: bytes) -> bytes:
    return struct.pack(">H", number) + sized(2, value)


def sized(width: int, value: bytes) -> bytes:
    """`value` behind its length in `width` bytes."""
    return len(value).to_bytes(width) + value
