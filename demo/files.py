"""The article's two files with what must differ on this one machine, and the difference."""

import difflib
from pathlib import Path

from demo.private import write_private
from demo.screen import Failed, paint
from demo.services import LOCAL_PORTS

ARTICLE = Path(__file__).resolve().parents[1] / "tests" / "e2e" / "article"
PLACEHOLDERS = {
    "ssh": ("generate-a-strong-random-token-here", "same-token-as-server-ssh"),
    "ollama": ("another-strong-random-token", "same-token-as-server-ollama"),
    "mcp": ("yet-another-strong-token", "same-token-as-server-mcp"),
}


def write_files(
    directory: Path, door: int, network: int, public: dict[str, int], local: dict[str, int], tokens: dict[str, str]
) -> None:
    """Writes server.toml and client.toml and prints what differs. `door`: the server's port; `network`: the one the
    client dials; `public`, `local` and `tokens` are by service."""
    server = {"127.0.0.1:8443": f"127.0.0.1:{door}"}
    server['"\n\n[server.transport]'] = '"\ncertificate = { cert = "cert.pem", key = "key.pem" }\n\n[server.transport]'
    server["tls = false  # TLS handled by nginx"] = "tls = true"
    client = {"wss://your-domain.com/": f"wss://localhost:{network}/"}
    client['/"\n\n[client.transport]'] = '/"\ntrusted_root = "cert.pem"\n\n[client.transport]'
    for name, port in LOCAL_PORTS.items():
        at_server, at_client = PLACEHOLDERS[name]
        server |= {
            at_server: tokens[name],
            f"127.0.0.1:{2222 if name == 'ssh' else port}": f"127.0.0.1:{public[name]}",
        }
        client |= {at_client: tokens[name]}
        if local[name] != port:
            client[f'"127.0.0.1:{port}"'] = f'"127.0.0.1:{local[name]}"'
    for file, changes in (("server.toml", server), ("client.toml", client)):
        original = changed = (ARTICLE / file).read_text()
        for old, new in changes.items():
            if old not in changed:
                raise Failed(f"{file} of the article holds no {old!r}")
            changed = changed.replace(old, new)
        write_private(directory / file, changed)
        for token in tokens.values():
            changed = changed.replace(token, "(a random token)")
        _show_difference(file, original, changed)


def _show_difference(file: str, original: str, changed: str) -> None:
    lines = difflib.unified_diff(original.splitlines(), changed.splitlines(), f"article/{file}", file, "", "", 0, "")
    for line in lines:
        if not line.startswith("@@"):
            print("  " + paint(line, {"+": "32", "-": "31"}.get(line[0], "0")))
