"""Parsers of single values: each takes what TOML gave, or raises ValueError with the reason and what to write."""

import ipaddress
import math
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from hushgate.config.model import Address, Remote, Scheme

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE: Final = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB|KB|MB|GB)?", re.IGNORECASE)
_BYTES: Final = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_HOST_MAX: Final = 253
"""Characters of a host name (RFC 1035 §2.3.4)."""
_SCHEMES: Final[dict[str, tuple[Scheme, int | None]]] = {
    "wss": ("wss", 443),
    "ws": ("ws", 80),
    "tls": ("tls", 443),
    "tcp": ("tcp", None),
}


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes, not {kind(value)}")
    if not value.strip():
        raise ValueError("is empty")
    if "\0" in value:
        raise ValueError("holds a zero byte")
    return value


def texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of texts: ["…", "…"]')
    return [text(item) for item in value]


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {kind(value)}")
    return value


def count(least: int, most: int | None = None) -> Callable[[object], int]:
    """A parser of whole numbers from `least` to `most`."""

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"must be a whole number, not {kind(value)}")
        if value < least or (most is not None and value > most):
            raise ValueError(f"must be at least {least}" + (f" and at most {most}" if most is not None else ""))
        return value

    return parse


def duration(value: object) -> float:
    """Seconds."""
    reason = 'must be a duration such as "20s", "2m", "500ms" or a number of seconds'
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return float(match[1]) * _SECONDS[match[2] or "s"]
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return float(value)
    raise ValueError(reason)


def some_time(value: object) -> float:
    """Seconds, more than none."""
    seconds = duration(value)
    if seconds <= 0:
        raise ValueError('must be longer than nothing, for example "60s"')
    return seconds


def size(least: int) -> Callable[[object], int]:
    """A parser of sizes in bytes, at least `least`."""

    def parse(value: object) -> int:
        if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
            value = int(match[1]) * _BYTES[(match[2] or "B").lower()]
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError('must be a size such as "16MiB", "512KiB" or a number of bytes')
        if value < least:
            raise ValueError(f"must be at least {least} bytes")
        return value

    return parse


def address(value: object) -> Address:
    """`host:port`; IPv6 as `[::1]:22`, and `:::22` as rathole takes it."""
    written = text(value).strip()
    host, colon, port = written.rpartition(":")
    if not colon:
        example = f"127.0.0.1:{written}" if written.isdecimal() else f"{written}:22"
        raise ValueError(f'must be host:port, for example "{example}"')
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not _is_ipv6(host):
            raise ValueError("has no IPv6 address between its brackets")
    elif ":" in host and not _is_ipv6(host):
        raise ValueError('must be host:port; an IPv6 address stands in brackets: "[::1]:22"')
    if not host:
        raise ValueError(
            f'names no host; write "0.0.0.0:{port}" for all addresses or "127.0.0.1:{port}" for this machine'
        )
    if any(c.isspace() or c in "/@?#" for c in host):
        raise ValueError('must be host:port, for example "127.0.0.1:22"')
    return Address(host, _port(port))


def target(value: object) -> Address:
    """An address to connect to: port 0 is none."""
    found = address(value)
    if found.port == 0:
        raise ValueError("has port 0; write the port the service listens on")
    return found


def remote(value: object, bare: Scheme) -> Remote:
    """A URL, or `host:port` spoken to by the scheme `bare`."""
    written = text(value).strip()
    if "://" not in written:
        if "/" in written:
            raise ValueError(f'has a path but no scheme; write "wss://{written}"')
        if re.fullmatch(r"(wss?:)?(?!\d+$)[^:\s]+", written):
            raise ValueError(f'must be a URL or host:port; write "wss://{written.rpartition(":")[2]}/"')
        host, port = target(written)
        return Remote(bare, _host_name(host), port)
    name = written.partition("://")[0].lower()
    if name not in _SCHEMES:
        instead = {"https": "wss", "http": "ws"}.get(name)
        tail = f"; write {instead}://" if instead else "; write wss://, ws://, tls:// or tcp://"
        raise ValueError(f"this version does not speak {name}://{tail}")
    scheme, default_port = _SCHEMES[name]
    try:
        parts = urlsplit(written)
        port_found, host_found = parts.port, parts.hostname
    except ValueError:
        raise ValueError(f'is not a URL; write for example "{name}://host:443/"') from None
    if not host_found or any(c.isspace() for c in written):
        raise ValueError(f'is not a URL; write for example "{name}://host:443/"')
    if parts.username is not None or parts.fragment:
        raise ValueError("must not hold a user, a password or a #fragment")
    found = port_found if port_found is not None else default_port
    if not found:
        raise ValueError(f'has no port; write "{name}://{host_found}:PORT/"')
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (path.isascii() and path.isprintable()):
        raise ValueError('has a path with characters that must be percent-encoded, as in "/%C3%BC"')
    return Remote(scheme, _host_name(host_found), found, path)


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def kind(value: object) -> str:
    """A TOML type as a person names it."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}
    return names.get(type(value), "a date")


def _host_name(host: str) -> str:
    """The host as it stands in a request: lower case, ASCII."""
    if len(host) > _HOST_MAX:
        raise ValueError(f"has a host of {len(host)} characters; a host name has at most {_HOST_MAX}")
    if not host.isascii():
        try:
            ascii_form = host.encode("idna").decode()
        except UnicodeError:
            raise ValueError(f"{host} is no host name") from None
        raise ValueError(f'{host} must stand in its ASCII form; write "{ascii_form}"')
    return host.lower()


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _port(written: str) -> int:
    if not (written.isascii() and written.isdecimal()) or int(written) > 65_535:
        raise ValueError("ends in no port; a port is a number up to 65535")
    return int(written)
