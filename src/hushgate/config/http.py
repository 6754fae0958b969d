"""`type = "http"` of a service: its table to Http."""

import re
from typing import Final

from hushgate.config import values
from hushgate.config.httpkeys import read_keys, read_quota
from hushgate.config.model import Address, Http, Quota, ServerService
from hushgate.config.profile import read_profile
from hushgate.config.secrets import Tokens
from hushgate.config.shared import is_placeholder
from hushgate.config.table import Table

_NAME: Final = re.compile(r"(?!-)[a-z0-9-]+(?:\.[a-z0-9-]+)*")
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_ORIGIN: Final = re.compile(r"(?:https?|[a-z][a-z0-9+.-]*-extension)://[a-z0-9.-]+(?::[0-9]{1,5})?|\*")
AT_SERVER: Final = (
    "hostname",
    "path",
    "park",
    "head_timeout",
    "body_timeout",
    "keepalive_timeout",
    "keys",
    "per_minute",
    "concurrent",
    "queue",
    "streams",
    "max_body",
    "each_address",
    "allowed_origins",
    "forward_authorization",
    "audit",
)


def read_http(table: Table, kind: str, tokens: Tokens) -> Http | None:
    """What the keys of an HTTP service mean; None for another kind of service, which has none of them."""
    if kind != "http":
        for key in table.ask(*AT_SERVER):
            table.problem(key, 'is for services of HTTP; add type = "http", or remove it')
        read_profile(table, kind)
        return None
    default = Http()
    quota = read_quota(table, Quota())
    return Http(
        hostnames=_hostnames(table),
        path=table.value("path", _path, default.path),
        park=table.value("park", values.duration, default.park),
        head=table.value("head_timeout", values.some_time, default.head),
        body=table.value("body_timeout", values.some_time, default.body),
        keepalive=table.value("keepalive_timeout", values.some_time, default.keepalive),
        rules=read_profile(table, kind),
        keys=read_keys(table, tokens, quota),
        quota=quota,
        each_address=_each_address(table, quota),
        origins=tuple(table.value("allowed_origins", _origins, [])),
        forward_authorization=table.value("forward_authorization", values.boolean, default.forward_authorization),
        audit=table.value("audit", values.boolean, default.audit),
    )


def look_at_keys(table: Table, bind: Address | None, http: Http | None, *, tls: bool, refused: bool) -> None:
    """Warns when keys travel for everybody to read; says it when everybody may ask without one, unless that was
    `refused` already."""
    exposed = bind is not None and not values.is_loopback(bind.host)
    if http is None:
        return
    if http.keys and exposed and not tls:
        table.warn("keys", "travel unencrypted to bind_addr; add tls = true")
    if not refused and not {"keys", "public"} & set(table) and (exposed or http.on_door):
        table.hint("type", "everybody may ask; keys = […] lets in who has a key (hushgate token key makes one)")


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


def _each_address(table: Table, quota: Quota) -> bool:
    each = table.value("each_address", values.boolean, False)
    if each and "keys" in table:
        table.problem("each_address", "is for visitors without a key, and there are keys; remove one of the two")
    elif each and quota == Quota(body=quota.body):
        table.problem("each_address", "needs a limit: add per_minute, concurrent or streams, or remove it")
    return each


def _hostnames(table: Table) -> tuple[str, ...]:
    names = []
    for written in table.value("hostname", _texts, []):
        name = written.strip().lower().removesuffix(".")
        if is_placeholder(name):
            table.problem("hostname", f"{name} is an example; write your own domain")
        elif not _NAME.fullmatch(name):
            table.problem("hostname", "is a host name alone, without scheme, port or path")
        else:
            names.append(name)
    return tuple(dict.fromkeys(names))


def _texts(value: object) -> list[str]:
    return values.texts(value) if isinstance(value, list) else [values.text(value)]


def _origins(value: object) -> list[str]:
    origins = values.texts(value)
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f'{origin} is no origin as browsers write it; write for example "https://app.example.org"')
    return origins


def _path(value: object) -> str:
    written = values.text(value).rstrip("/")
    if not _PATH.fullmatch(written) or {".", ".."} & set(written.split("/")):
        raise ValueError('must be a path such as "/ollama", of letters, digits and . _ ~ -')
    return written
