"""The two files without public ports, and the laptop's file with the keys in their place."""

import sys
from pathlib import Path

from demo import notes
from demo.private import write_private
from demo.screen import Failed
from demo.services import LOCAL_PORTS


def make_private(directory: Path, public: dict[str, int], local: dict[str, int], keys: dict[str, str]) -> None:
    """Rewrites server.toml and client.toml; the programs that run see it by themselves. `public`, `local`: the ports
    that each service has until now; `keys`: what a laptop proves for it."""
    server = {f'bind_addr = "127.0.0.1:{public[name]}"': f'access_key = "{keys[name]}"' for name in LOCAL_PORTS}
    server[f'"{keys["ollama"]}"'] = f'"{keys["ollama"]}"\ntype = "http"\nprofile = "ollama"'
    ollama = f'local_addr = "127.0.0.1:{local["ollama"]}"'
    program = f'command = ["{sys.executable}", "{notes.__file__}"]'
    client = {ollama: f'{ollama}\ntype = "http"', f'local_addr = "127.0.0.1:{local["mcp"]}"': program}
    # Home first: until both say it, a visitor of Ollama would be told that home does not know its kind.
    for file, changes in (("client.toml", client), ("server.toml", server)):
        text = (directory / file).read_text()
        for old, new in changes.items():
            if old not in text:
                raise Failed(f"{file} holds no {old!r}")
            text = text.replace(old, new)
        write_private(directory / file, text)


def access_file(door: int, ports: dict[str, int], keys: dict[str, str]) -> str:
    """access.toml: `door` is the server's port, `ports` are the laptop's."""
    lines = ["[access]", f'remote_addr = "wss://localhost:{door}/"', 'trusted_root = "cert.pem"']
    for name, port in ports.items():
        lines += [f"[access.services.{name}]", f'key = "{keys[name]}"', f'bind_addr = "127.0.0.1:{port}"']
    return "\n".join(lines) + "\n"
