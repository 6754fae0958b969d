"""Both ends of MCP's transport of 2024-11-05, HTTP+SSE, as PyPI `mcp` still has them.

python -m tests.e2e.mcp_sse PORT    the fixtures on 127.0.0.1
python -m tests.e2e.mcp_sse URL     the client; prints what it saw as mcp_client does
"""

import json
import sys

import anyio
from mcp.client.sse import sse_client

from tests.e2e.mcp_client import use
from tests.e2e.mcp_fixtures import server

if __name__ == "__main__":
    if sys.argv[1].isdecimal():
        server.run("sse", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        print(json.dumps(anyio.run(use, sse_client(sys.argv[1]), "legacy")))
