"""`hushgate config claude|mcp-json|vscode|ollama|openai`: what clients of HTTP services need, with the key left out.

Nothing here ever holds a key: the printed text names the variable HUSHGATE_KEY, which the client or the shell reads, or
has the editor ask for it.
"""

import json
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import click

from hushgate.config.values import is_loopback

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_BEARER: Final = "Bearer ${HUSHGATE_KEY}"


def claude(url: str, name: str, *, key: bool) -> str:
    header = f' --header "Authorization: {_BEARER}"' if key else ""
    note = "# HUSHGATE_KEY is read now; claude keeps the key in ~/.claude.json, not in the project.\n" if key else ""
    return f"{note}claude mcp add --transport http {name} {shlex.quote(url)}{header}\n"


def mcp_json(url: str, name: str, *, key: bool) -> str:
    return _json({"mcpServers": {name: _server(url, _BEARER if key else None)}})


def vscode(url: str, name: str, *, key: bool) -> str:
    asked = {"type": "promptString", "id": "hushgate-key", "description": f"Key of {name}", "password": True}
    servers = {"servers": {name: _server(url, "Bearer ${input:hushgate-key}" if key else None)}}
    return _json({"inputs": [asked], **servers} if key else servers)


def ollama(url: str, name: str, *, key: bool) -> str:
    lines = f"export OLLAMA_HOST={shlex.quote(url)}\n"
    if key:
        lines += (
            'export OLLAMA_API_KEY="${HUSHGATE_KEY}"\n'
            "# Clients in Python and JavaScript send it. The ollama command sends no key: let hushgate access open\n"
            "# 127.0.0.1:11434 for it, and leave OLLAMA_HOST unset.\n"
        )
    return lines


def openai(url: str, name: str, *, key: bool) -> str:
    base = url if url.endswith("/v1") else url + "/v1"
    # The libraries refuse to start without a key.
    value = '"${HUSHGATE_KEY}"' if key else "none"
    return f"export OPENAI_BASE_URL={shlex.quote(base)}\nexport OPENAI_API_KEY={value}\n"


def parse_url(written: str) -> str:
    """The URL without a slash at its end. Raises BadParameter."""
    try:
        parts = urlsplit(written)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or re.search(r"[^\x21-\x7e]", written):
        raise click.BadParameter(f"{written!r} is no URL; write for example https://mcp.example.org/mcp")
    if parts.username is not None or parts.query or parts.fragment:
        raise click.BadParameter("a URL here has no user, no ?query and no #fragment; keys stand in HUSHGATE_KEY")
    if parts.scheme == "http" and not is_loopback(host):
        raise click.BadParameter(
            "http:// to another machine would show the key to everybody on the way; write https://"
        )
    return written.rstrip("/")


def _server(url: str, authorization: str | None) -> dict[str, Any]:
    headers = {"headers": {"Authorization": authorization}} if authorization else {}
    return {"type": "http", "url": url, **headers}


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _command(name: str, default: str, text: Callable[..., str], about: str, example: Sequence[str]) -> click.Command:
    @click.command(name, help=f"{about}\n\n\b\nExample:\n  " + "\n  ".join(example))
    @click.argument("url", metavar="URL")
    @click.option("--name", "called", default=default, show_default=True, help="What the client will call it.")
    @click.option("--no-key", is_flag=True, help="The service asks for no key.")
    def command(url: str, called: str, no_key: bool) -> int:
        if not _NAME.fullmatch(called):
            raise click.BadParameter(f"{called!r} is not a name", param_hint="--name")
        click.echo(text(parse_url(url), called, key=not no_key), nl=False)
        return 0

    return command


COMMANDS: Final = (
    _command(
        "claude",
        "home",
        claude,
        "Print the command that adds an MCP server to Claude Code.",
        ["hushgate config claude https://mcp.example.org/mcp"],
    ),
    _command(
        "mcp-json",
        "home",
        mcp_json,
        "Print a project's .mcp.json, without the key.",
        ["hushgate config mcp-json https://mcp.example.org/mcp > .mcp.json"],
    ),
    _command(
        "vscode",
        "home",
        vscode,
        "Print a project's .vscode/mcp.json; VS Code asks for the key.",
        ["hushgate config vscode https://mcp.example.org/mcp > .vscode/mcp.json"],
    ),
    _command(
        "ollama",
        "ollama",
        ollama,
        "Print the variables with which clients of Ollama use a service.",
        ['eval "$(hushgate config ollama https://ollama.example.org)"'],
    ),
    _command(
        "openai",
        "ollama",
        openai,
        "Print the variables with which OpenAI's libraries use Ollama.",
        ['eval "$(hushgate config openai https://ollama.example.org)"'],
    ),
)
