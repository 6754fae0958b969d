"""A real MCP server (PyPI `mcp`) on streamable HTTP. Run as a program: `python -m tests.e2e.mcp_server PORT`."""

import sys

import anyio
from mcp.server.mcpserver import Context, MCPServer

PACE = 0.2
"""Seconds between two progress notifications, so that a client can see that they come one by one."""

server = MCPServer("home")


@server.tool()
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@server.tool()
async def count(steps: int, context: Context) -> str:
    """Counts to `steps` and reports every step."""
    for step in range(1, steps + 1):
        await context.report_progress(step, steps, f"step {step}")
        await anyio.sleep(PACE)
    return f"counted to {steps}"


if __name__ == "__main__":
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
