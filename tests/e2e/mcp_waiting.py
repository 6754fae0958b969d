"""An MCP server with a tool that waits until it is cancelled, and a client to cancel it or to be killed.

python -m tests.e2e.mcp_waiting serve PORT       prints `waits` and `cancelled MONOTONIC_SECONDS`
python -m tests.e2e.mcp_waiting serve            the same on standard input and output; prints on standard error
python -m tests.e2e.mcp_waiting call URL MODE    cancels its call after a line on standard input, and prints when; the
                                                 next line ends it
"""

import sys
import time

import anyio
from anyio.to_thread import run_sync
from mcp import Client
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("waiting")


@server.tool()
async def wait(context: Context) -> str:
    await context.report_progress(0, 1)
    print("waits", file=sys.stderr, flush=True)
    try:
        await anyio.sleep(60)
    except anyio.get_cancelled_exc_class():
        print("cancelled", time.monotonic(), file=sys.stderr, flush=True)
        raise
    return "waited in vain"


async def call(url: str, mode: str) -> None:
    async with Client(url, mode=mode) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "wait", {})
            await run_sync(sys.stdin.readline)
            print("cancels", time.monotonic(), flush=True)
            tasks.cancel_scope.cancel()
        await run_sync(sys.stdin.readline)


if __name__ == "__main__":
    if sys.argv[1] == "call":
        anyio.run(call, sys.argv[2], sys.argv[3])
    elif len(sys.argv) > 2:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run("stdio")
