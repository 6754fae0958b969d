"""What a configuration file means, as frozen values: every field has its final type and its default.

Two values compare equal exactly when they mean the same, so a reload is a comparison. Durations are seconds, sizes are
bytes. `docs/configuration.md` lists the keys these values come from.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeVar

from hushgate.protocol.limits import (
    DOOR_CONNECTIONS,
    DOOR_CONNECTIONS_ADDRESS,
    DRAIN,
    GRACE,
    GROWTH_BUDGET,
    HTTP_BODY,
    HTTP_HEAD,
    HTTP_KEEPALIVE,
    PARK,
    REPLAY_DETACHED_LIMIT,
    REPLAY_LIMIT,
    SESSION_IDLE,
    SESSIONS,
    STREAMS_MAX,
    VISITOR_WAIT,
    VISITORS_WAITING,
    VISITORS_WAITING_ADDRESS,
    WINDOW_MAX,
)

Scheme = Literal["wss", "ws", "tls", "tcp"]
S = TypeVar("S")


class Secret:
    """A token that no log, traceback or repr shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class Address(NamedTuple):
    """Where to listen or connect. A listener with port 0 takes any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Remote(NamedTuple):
    """Where the server is reached. `host` is lower case and, without the port, the audience of every proof."""

    scheme: Scheme
    host: str
    port: int
    path: str = "/"

    @property
    def tls(self) -> bool:
        return self.scheme in ("wss", "tls")

    @property
    def websocket(self) -> bool:
        return self.scheme in ("wss", "ws")

    def __str__(self) -> str:
        return f"{self.scheme}://{Address(self.host, self.port)}{self.path}"


@dataclass(frozen=True, slots=True)
class Timing:
    """`grace`: how long a session outlives its link; `visitor_wait`: how long a visitor waits for home;
    `drain`: how long running streams may go on after SIGTERM."""

    grace: float = GRACE
    visitor_wait: float = VISITOR_WAIT
    drain: float = DRAIN


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Streams and sizes in bytes: `replay` and `growth` of a session, `window` of a stream at most, `unread` of the
    process (None: what suits the machine)."""

    streams: int = STREAMS_MAX
    replay: int = REPLAY_LIMIT
    window: int = WINDOW_MAX
    growth: int = GROWTH_BUDGET
    unread: int | None = None


@dataclass(frozen=True, slots=True)
class Limits(SessionLimits):
    """`replay_detached` is of all sessions without a link, visitors are those of a service, connections those that have
    proved nothing yet."""

    replay_detached: int = REPLAY_DETACHED_LIMIT
    visitors_waiting: int = VISITORS_WAITING
    visitors_waiting_address: int = VISITORS_WAITING_ADDRESS
    connections: int = DOOR_CONNECTIONS
    connections_address: int = DOOR_CONNECTIONS_ADDRESS


@dataclass(frozen=True, slots=True)
class Tcp:
    """Options of a link's socket. `keepalive_secs`: without traffic before TCP probes, 0: it does not probe;
    `keepalive_interval`: seconds between probes, 0: the system's."""

    nodelay: bool = True
    keepalive_secs: int = 20
    keepalive_interval: int = 8


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files, absolute."""

    cert: Path
    key: Path


OllamaMode = Literal["inference", "read-only"]


@dataclass(frozen=True, slots=True)
class OllamaRules:
    """What may be asked of Ollama. `models` empty: all; the caps None: Ollama's own. `max_context` and `max_tokens` are
    tokens, `max_keep_alive` seconds."""

    mode: OllamaMode = "inference"
    models: tuple[str, ...] = ()
    allow_cloud: bool = False
    max_context: int | None = None
    max_tokens: int | None = None
    max_keep_alive: float | None = None

    @property
    def judges_models(self) -> bool:
        return bool(self.models) or not self.allow_cloud

    @property
    def judges_bodies(self) -> bool:
        caps = (self.max_context, self.max_tokens, self.max_keep_alive)
        return self.judges_models or any(cap is not None for cap in caps)


@dataclass(frozen=True, slots=True)
class Quota:
    """How much may be asked of one service with one key; None: as much as you like. `per_minute` requests, `concurrent`
    calls at a time while `queue` more wait for their turn, long-lived `streams` at a time, which are counted apart;
    `body`: bytes of one request's body."""

    per_minute: int | None = None
    concurrent: int | None = None
    queue: int = 0
    streams: int | None = None
    body: int | None = None


@dataclass(frozen=True, slots=True)
class HttpKey:
    """A key of an HTTP service, as its SHA-256. `label` is no secret, and one label may have several keys; what is
    asked with an `admin` key is not held to the service's profile."""

    label: str
    digest: bytes = field(repr=False)
    admin: bool = False
    quota: Quota = Quota()


@dataclass(frozen=True, slots=True)
class McpRules:
    """Which tools of an MCP server may be called; patterns know `*` and `?`. `allow` empty: every tool that `deny` does
    not name. `read_only`: and of those only the ones that the server says only read."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    read_only: bool = False


HttpRules = OllamaRules | McpRules
"""What `profile` may stand for."""


@dataclass(frozen=True, slots=True)
class Http:
    """What a service of HTTP has besides. `hostnames`: names under which it is served, on the door as well when it has
    no path; `path`: the prefix under which it is served on the door, without a slash at its end. `park`: how long a
    request waits for home; then come how long a visitor may take for a head, between two reads of a body, between
    two requests. `keys` empty: everybody may ask; `quota` is for those who need no key, all together or, with
    `each_address`, those of one address. `origins`: pages of other
    origins that may ask. `forward_authorization`: home sees an Authorization that was not our key. `audit`: each
    request is logged."""

    hostnames: tuple[str, ...] = ()
    path: str = ""
    park: float = PARK
    head: float = HTTP_HEAD
    body: float = HTTP_BODY
    keepalive: float = HTTP_KEEPALIVE
    rules: HttpRules | None = None
    keys: tuple[HttpKey, ...] = ()
    quota: Quota = Quota()
    each_address: bool = False
    origins: tuple[str, ...] = ()
    forward_authorization: bool = False
    audit: bool = True

    @property
    def on_door(self) -> bool:
        return bool(self.hostnames or self.path)


@dataclass(frozen=True, slots=True)
class ServerService:
    """`bind` None: no public port; `tls`: it speaks TLS with the server's certificate. At least one of `tokens` and
    `verifiers`, which home proves, is not empty; laptops prove one of the access keys, if there are any. `http` None:
    its bytes are nobody's business."""

    name: str
    tokens: tuple[Secret, ...]
    verifiers: tuple[str, ...] = ()
    bind: Address | None = None
    nodelay: bool = True
    access_keys: tuple[Secret, ...] = ()
    access_verifiers: tuple[str, ...] = ()
    tls: bool = False
    http: Http | None = None


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """`certificate` None, or `plain`: links arrive without TLS, which ends in front of us; services may still use the
    certificate. `names` empty: any audience."""

    bind: Address
    services: dict[str, ServerService]
    names: tuple[str, ...] = ()
    certificate: Certificate | None = None
    plain: bool = False
    timing: Timing = Timing()
    limits: Limits = Limits()
    tcp: Tcp = Tcp()


@dataclass(frozen=True, slots=True)
class Stdio:
    """A program that speaks MCP on its standard input and output. `env`: what it is given besides the plain variables
    of every program; `cwd` None: ours. `idle`: a session that nobody uses for so long ends; `sessions`: so many at a
    time."""

    command: tuple[str, ...]
    env: tuple[tuple[str, Secret], ...] = ()
    cwd: Path | None = None
    idle: float = SESSION_IDLE
    sessions: int = SESSIONS


@dataclass(frozen=True, slots=True)
class ClientService:
    """`visitor_alias`: `local` is reached from an address of 127.128.0.0/9 for each visitor, to tell them apart.
    `host`: the Host that HTTP requests shall have there; empty: the visitor's. `any_host`: the gateway at home takes
    requests for foreign names, which the service itself will not see any more. `gateway`: requests are read and written
    anew at home, too, and judged by `rules` if there are any. `stdio`: the service is this program, and `local` is
    nowhere. `e2e_key` None: streams are as the server sends them; otherwise only those that a laptop encrypted with
    it."""

    name: str
    token: Secret
    local: Address
    host: str = ""
    any_host: bool = False
    gateway: bool = False
    rules: HttpRules | None = None
    nodelay: bool = True
    visitor_alias: bool = False
    stdio: Stdio | None = None
    e2e_key: Secret | None = None


@dataclass(frozen=True, slots=True)
class AccessService:
    """What a laptop reaches. One of `key` and `key_command`, which prints the key, is not None. `bind` None: no local
    port of its own. `e2e_key` None: the server can read what passes."""

    name: str
    key: Secret | None
    key_command: tuple[str, ...] | None = None
    bind: Address | None = None
    nodelay: bool = True
    e2e_key: Secret | None = None


@dataclass(frozen=True, slots=True)
class UplinkConfig(Generic[S]):
    """How a program reaches its server. `trusted_root` None: the system's roots. `hostname` None: the certificate must
    be for `remote.host`."""

    remote: Remote
    services: dict[str, S]
    trusted_root: Path | None = None
    hostname: str | None = None
    timing: Timing = Timing()
    limits: SessionLimits = SessionLimits()
    tcp: Tcp = Tcp()

    @property
    def hosts(self) -> dict[str, str]:
        """By the name of a service, the Host that its HTTP requests shall have at our end."""
        return {}


@dataclass(frozen=True, slots=True)
class ClientConfig(UplinkConfig[ClientService]):
    """`[client]`: home."""

    @property
    def hosts(self) -> dict[str, str]:
        return {service.name: service.host for service in self.services.values()}


@dataclass(frozen=True, slots=True)
class AccessConfig(UplinkConfig[AccessService]):
    """`[access]`: a laptop."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One file as it was read. `warnings` belong into the log, `hints` only to `hushgate check`; `files` are the file
    and the token files it names, whose changes are a reason to load again."""

    path: Path
    server: ServerConfig | None = None
    client: ClientConfig | None = None
    access: AccessConfig | None = None
    warnings: tuple[str, ...] = field(default=(), compare=False)
    hints: tuple[str, ...] = field(default=(), compare=False)
    files: tuple[Path, ...] = field(default=(), compare=False)
