"""The article's three files, word for word in `article/`, and what a reader replaces in them: domain, tokens, paths."""

from collections.abc import Mapping
from pathlib import Path

_FILES = Path(__file__).parent / "article"

DOMAIN = "your-domain.com"
TOKENS = {"ssh": "5d" * 32, "ollama": "6e" * 32, "mcp": "7f" * 32}
PORTS = {"ssh": 2222, "ollama": 11434, "mcp": 3000}
LOCAL = {"ssh": 22, "ollama": 11434, "mcp": 3000}
DOOR = 8443

_SERVER_TOKENS = {
    "ssh": "generate-a-strong-random-token-here",
    "ollama": "another-strong-random-token",
    "mcp": "yet-another-strong-token",
}
_CLIENT_TOKENS = {name: f"same-token-as-server-{name}" for name in _SERVER_TOKENS}


def original(name: str) -> str:
    """`server.toml`, `client.toml` or `nginx.conf` as the article prints it."""
    return (_FILES / name).read_text()


def server_toml(tokens: Mapping[str, str] = TOKENS) -> str:
    """The server's file; only the tokens are replaced."""
    return replaced(original("server.toml"), {_SERVER_TOKENS[name]: token for name, token in tokens.items()})


def client_toml(domain: str, tokens: Mapping[str, str] = TOKENS) -> str:
    """The client's file; only the domain and the tokens are replaced."""
    changes = {_CLIENT_TOKENS[name]: token for name, token in tokens.items()}
    return replaced(original("client.toml"), {DOMAIN: domain, **changes})


def nginx_conf(domain: str, certificate: Path, key: Path) -> str:
    """nginx's file; only the domain and the certificate's paths are replaced."""
    live = f"/etc/letsencrypt/live/{DOMAIN}"
    changes = {f"{live}/fullchain.pem": str(certificate), f"{live}/privkey.pem": str(key), DOMAIN: domain}
    return replaced(original("nginx.conf"), changes)


def nginx_ports(conf: str, *, http: int, https: int, door: int) -> str:
    """The same file for a test that shares one machine: the three ports are replaced."""
    changes = {"listen 80;": f"listen {http};", "listen 443 ssl;": f"listen {https} ssl;"}
    return replaced(conf, {**changes, f"127.0.0.1:{DOOR}": f"127.0.0.1:{door}"})


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """Every key becomes its value; a key that does not occur is a mistake of the test."""
    for old, new in changes.items():
        assert old in text, f"{old} does not occur"
        text = text.replace(old, new)
    return text
