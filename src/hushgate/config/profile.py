"""`profile` of an HTTP service and the keys that belong to it, at the server and at home."""

import re
from typing import Final

from hushgate.config import values
from hushgate.config.model import Address, Http, HttpRules, McpRules, OllamaMode, OllamaRules
from hushgate.config.table import Table
from hushgate.config.values import is_loopback

OLLAMA_PORT: Final = 11434
_OLLAMA: Final = ("profile_mode", "models", "allow_cloud", "max_context", "max_tokens", "max_keep_alive")
_MCP: Final = ("tools_allow", "tools_deny", "read_only")
_PATTERN: Final = re.compile(r"[A-Za-z0-9._:/*?-]+")
_MODES: Final[dict[str, OllamaMode]] = {"inference": "inference", "read-only": "read-only"}


def read_profile(table: Table, kind: str) -> HttpRules | None:
    """The rules for a service of type `kind`; None: it has none."""
    name = table.value("profile", values.text, None)
    if name is not None and name not in ("ollama", "mcp"):
        table.problem("profile", 'must be "ollama" or "mcp"')
    elif name is not None and kind != "http":
        table.problem("profile", 'is for services of HTTP; add type = "http"')
    for owner, keys in (("ollama", _OLLAMA), ("mcp", _MCP)):
        if name != owner:
            for key in table.ask(*keys):
                table.problem(key, f'belongs to profile = "{owner}"; add it, or remove this')
    if name == "mcp":
        return McpRules(
            allow=tuple(table.value("tools_allow", _tools, [])),
            deny=tuple(table.value("tools_deny", _tools, [])),
            read_only=table.value("read_only", values.boolean, False),
        )
    return _ollama(table) if name == "ollama" else None


def _ollama(table: Table) -> OllamaRules:
    default = OllamaRules()
    return OllamaRules(
        mode=table.value("profile_mode", _mode, default.mode),
        models=tuple(table.value("models", _patterns, [])),
        allow_cloud=table.value("allow_cloud", values.boolean, default.allow_cloud),
        max_context=table.value("max_context", values.count(1), default.max_context),
        max_tokens=table.value("max_tokens", values.count(1), default.max_tokens),
        max_keep_alive=table.value("max_keep_alive", values.duration, default.max_keep_alive),
    )


def asks_nobody(bind: Address | None, http: Http | None) -> bool:
    """Whether it looks like an Ollama or an MCP server, which ask nobody for a key."""
    return (bind is not None and bind.port == OLLAMA_PORT) or (http is not None and http.rules is not None)


def refuse_strangers(table: Table, bind: Address | None, http: Http | None, *, keyed: bool) -> bool:
    """Ollama and MCP servers ask nobody for a key, so what looks like one may not be reached by everybody, unless
    `public` says so. `keyed`: the service asks for a key. Whether there was something to refuse."""
    public = table.value("public", values.boolean, False)
    exposed = bind is not None and not is_loopback(bind.host)
    on_door = http is not None and http.on_door
    if not asks_nobody(bind, http) or not (exposed or on_door) or keyed or public:
        return False
    is_ollama = not (http and isinstance(http.rules, McpRules))
    placed = [key for key in ("hostname", "path") if key in table]
    closing = ["bind it to 127.0.0.1"] if exposed else []
    closing += [f"remove {' and '.join(placed)}"] if on_door else []
    table.problem(
        "bind_addr" if exposed else placed[0],
        f"lets everybody use {'Ollama' if is_ollama else 'an MCP server'}, which asks for no key; give it "
        f'type = "http" and keys, {" and ".join(closing)} and come by hushgate access, or write public = true',
    )
    return True


def _mode(value: object) -> OllamaMode:
    mode = _MODES.get(values.text(value))
    if mode is None:
        raise ValueError('must be "inference" or "read-only"')
    return mode


def _patterns(value: object) -> list[str]:
    patterns = values.texts(value)
    if not patterns:
        raise ValueError('names no model; write for example ["llama3.*"], or remove it')
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise ValueError(f'{pattern} is no name of a model; write for example "llama3.2:1b" or "llama3.*"')
    return patterns


def _tools(value: object) -> list[str]:
    patterns = values.texts(value)
    if not patterns:
        raise ValueError('names no tool; write for example ["read_*"], or remove it')
    return patterns
