"""The article's two files, word for word but for the domain and the tokens."""

from pathlib import Path

_FILES = Path(__file__).parents[1] / "e2e" / "article"
SERVER = (_FILES / "server.toml").read_text()
CLIENT = (_FILES / "client.toml").read_text()
TOKENS = {"ssh": "a1" * 32, "ollama": "b2" * 32, "mcp": "c3" * 32}

_PLACEHOLDERS = {
    "generate-a-strong-random-token-here": "ssh",
    "another-strong-random-token": "ollama",
    "yet-another-strong-token": "mcp",
    "same-token-as-server-ssh": "ssh",
    "same-token-as-server-ollama": "ollama",
    "same-token-as-server-mcp": "mcp",
}


def filled(text: str, domain: str = "tunnel.example.org") -> str:
    """The file as its reader would fill it in."""
    for placeholder, service in _PLACEHOLDERS.items():
        text = text.replace(f'"{placeholder}"', f'"{TOKENS[service]}"')
    return text.replace("your-domain.com", domain)
