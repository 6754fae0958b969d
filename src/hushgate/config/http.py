"""`type = "http"` of a service: its table to Http."""

import re
from typing import Final

from hushgate.config import values
from hushgate.config.model import Http, ServerService
from hushgate.config.profile import read_profile
from hushgate.config.shared import is_placeholder
from hushgate.config.table import Table

_NAME: Final = re.compile(r"(?!-)[a-z0-9-]+(?:\.[a-z0-9-]+)*")
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


_KEYS: Final = ("hostname", "path", "park", "head_timeout", "body_timeout", "keepalive_timeout")


def read_http(table: Table, kind: str) -> Http | None:
    """What the keys of an HTTP service mean; None for another kind of service, which has none of them."""
    if kind != "http":
        for key in table.ask(*_KEYS):
            table.problem(key, 'is for services of HTTP; add type = "http", or remove it')
        read_profile(table, kind)
        return None
    default = Http()
    return Http(
        hostnames=_hostnames(table),
        path=table.value("path", _path, default.path),
        park=table.value("park", values.duration, default.park),
        head=table.value("head_timeout", _some_time, default.head),
        body=table.value("body_timeout", _some_time, default.body),
        keepalive=table.value("keepalive_timeout", _some_time, default.keepalive),
        rules=read_profile(table, kind),
    )


def no_two_alike(services: dict[str, ServerService], tables: dict[str, Table]) -> None:
    """No two services at one place of the door: the later one could not be reached."""
    taken: dict[tuple[str, str], str] = {}
    for name, service in services.items():
        if service.http is None or not service.http.on_door:
            continue
        for hostname in service.http.hostnames or ("",):
            other = taken.setdefault((hostname, service.http.path), name)
            if other != name:
                where = f"{hostname}{service.http.path}"
                key = "hostname" if hostname else "path"
                tables[name].problem(key, f"{where} is that of the service {other}; choose another")


def _hostnames(table: Table) -> tuple[str, ...]:
    names = []
    for written in table.value("hostname", _texts, []):
        name = written.strip().lower().removesuffix(".")
        if is_placeholder(name):
            table.problem("hostname", f"{name} is the article's example; write your own domain")
        elif not _NAME.fullmatch(name):
            table.problem("hostname", "is a host name alone, without scheme, port or path")
        else:
            names.append(name)
    return tuple(dict.fromkeys(names))


def _texts(value: object) -> list[str]:
    return values.texts(value) if isinstance(value, list) else [values.text(value)]


def _path(value: object) -> str:
    written = values.text(value).rstrip("/")
    if not _PATH.fullmatch(written) or {".", ".."} & set(written.split("/")):
        raise ValueError('must be a path such as "/ollama", of letters, digits and . _ ~ -')
    return written


def _some_time(value: object) -> float:
    seconds = values.duration(value)
    if seconds <= 0:
        raise ValueError('must be longer than nothing, for example "60s"')
    return seconds
