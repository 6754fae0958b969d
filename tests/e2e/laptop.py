"""What a user of the tunnel runs: the PyPI clients of Ollama and MCP, printing when each piece arrived as JSON lines.

Run as a program: `python -m tests.e2e.laptop ollama|mcp PORT [MODE]`.
"""

import json
import sys
import time

import anyio
import ollama
from mcp import Client

from tests.e2e.ollama_api import MODEL

PROMPT = "one two three four five six seven eight nine ten"
STEPS = 6


def _say(what: str, value: object) -> None:
    print(json.dumps({"at": time.monotonic(), "what": what, "value": value}), flush=True)


def ask_ollama(port: int) -> None:
    client = ollama.Client(host=f"http://127.0.0.1:{port}", trust_env=False)
    _say("models", [model.model for model in client.list().models])
    for part in client.chat(MODEL, messages=[{"role": "user", "content": PROMPT}], stream=True):
        _say("done" if part.done else "word", part.message.content)


async def ask_mcp(port: int, mode: str) -> None:
    async def report(progress: float, total: float | None, message: str | None) -> None:
        _say("progress", [progress, total, message])

    async with Client(f"http://127.0.0.1:{port}/mcp", mode=mode) as client:
        _say("tools", sorted(tool.name for tool in (await client.list_tools()).tools))
        _say("sum", (await client.call_tool("add", {"a": 2, "b": 40})).structured_content)
        result = await client.call_tool("count", {"steps": STEPS}, progress_callback=report)
        _say("result", result.structured_content)


def main() -> None:
    if sys.argv[1] == "ollama":
        ask_ollama(int(sys.argv[2]))
    else:
        anyio.run(ask_mcp, int(sys.argv[2]), sys.argv[3])


if __name__ == "__main__":
    main()
