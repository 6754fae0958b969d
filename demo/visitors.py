"""Visitors who ask SSH, Ollama and MCP servers for their names, and a stranger who asks the door."""

import http.client
import json
import socket
import ssl
from pathlib import Path


def ask_ssh(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), 30) as visitor:
        line = visitor.makefile("rb").readline(255).decode("ascii", "replace").strip()
    if not line.startswith("SSH-"):
        raise ValueError("no SSH server answers")
    return line


def ask_ollama(port: int) -> str:
    models = request(port, "GET", "/api/tags")["models"]
    if not isinstance(models, list):
        raise ValueError("no Ollama answers")
    return ", ".join(model["name"] for model in models[:3]) or "no models yet"


def ask_mcp(port: int) -> str:
    client = {"name": "hushgate-demo", "version": "1"}
    asked = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked})
    result = request(port, "POST", "/mcp", body).get("result")
    if not isinstance(result, dict):
        raise ValueError("no MCP server answers")
    return str(result["serverInfo"]["name"])


def request(port: int, method: str, path: str, body: str | None = None) -> dict[str, object]:
    """One HTTP request and the JSON of its answer, also out of an event stream's first event."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"HTTP {answer.status}")
        if "event-stream" in (answer.getheader("Content-Type") or ""):
            data = next(line[5:] for line in answer if line.startswith(b"data:") and line[5:].strip())
        else:
            data = answer.read()
    finally:
        connection.close()
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def ask_door(port: int, authority: Path) -> str:
    """What somebody without a token gets from the door."""
    context = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    connection.request("GET", "/", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    answer = connection.getresponse()
    text = f"{answer.status} {answer.reason} {answer.read().decode()}"
    connection.close()
    return text


PROBES = {"ssh": ask_ssh, "ollama": ask_ollama, "mcp": ask_mcp}
