"""The article's two files, word for word but for the domain and the tokens."""

SERVER = """\
[server]
bind_addr = "127.0.0.1:8443"

[server.transport]
type = "websocket"

[server.transport.websocket]
tls = false  # TLS handled by nginx

# SSH tunnel
[server.services.ssh]
token = "generate-a-strong-random-token-here"
bind_addr = "127.0.0.1:2222"

# Ollama API tunnel
[server.services.ollama]
token = "another-strong-random-token"
bind_addr = "127.0.0.1:11434"

# MCP server tunnel
[server.services.mcp]
token = "yet-another-strong-token"
bind_addr = "127.0.0.1:3000"
"""

CLIENT = """\
[client]
remote_addr = "wss://your-domain.com/"

[client.transport]
type = "websocket"

# SSH - expose local SSH
[client.services.ssh]
token = "same-token-as-server-ssh"
local_addr = "127.0.0.1:22"

# Ollama - expose local Ollama API
[client.services.ollama]
token = "same-token-as-server-ollama"
local_addr = "127.0.0.1:11434"

# MCP - expose local MCP server
[client.services.mcp]
token = "same-token-as-server-mcp"
local_addr = "127.0.0.1:3000"
"""

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
