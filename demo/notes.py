"""A small MCP server as most of them are: a program on standard input and output. `hushgate client` runs it at home."""

import json
import sys
from typing import Any

NOTES = ["buy a small VPS", "leave the router alone"]
TOOL = {
    "name": "read_notes",
    "description": "All notes",
    "inputSchema": {"type": "object", "properties": {}},
    "annotations": {"readOnlyHint": True},
}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The members that answer a request: `result`, or `error` (JSON-RPC 2.0)."""
    match method:
        case "initialize":
            server = {"name": "demo-notes", "version": "1"}
            version = params.get("protocolVersion", "2025-11-25")
            return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}}
        case "ping":
            return {"result": {}}
        case "tools/list":
            return {"result": {"tools": [TOOL]}}
        case "tools/call" if params.get("name") == TOOL["name"]:
            return {"result": {"content": [{"type": "text", "text": note} for note in NOTES]}}
    return {"error": {"code": -32601, "message": "method not found"}}


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "method" in message and "id" in message:
            said = answer(message["method"], message.get("params", {}))
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}), flush=True)


if __name__ == "__main__":
    main()
