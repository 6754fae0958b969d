"""The official Python client (PyPI `mcp`) on a server, in every mode. Prints what it saw as one JSON value.

Run as a program: `python -m tests.e2e.mcp_client URL MODE`.
"""

import json
import sys
import time
from typing import Any

import anyio
from mcp import Client
from mcp.client import Transport
from mcp.client.session import ClientRequestContext
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    TextContent,
)


async def sample(context: ClientRequestContext, params: CreateMessageRequestParams) -> CreateMessageResult:
    return CreateMessageResult(role="assistant", content=TextContent(type="text", text="a sample"), model="m")


async def elicit(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    return ElicitResult(action="accept", content={"username": "u", "email": "e"})


async def use(server: str | Transport, mode: str) -> dict[str, Any]:
    steps: list[tuple[float, float]] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        steps.append((time.monotonic(), progress))

    said: dict[str, Any] = {}
    async with Client(server, mode=mode, sampling_callback=sample, elicitation_callback=elicit) as client:
        said["revision"] = client.session.protocol_version
        said["tools"] = [tool.model_dump(mode="json") for tool in (await client.list_tools()).tools]
        said["resources"] = [one.model_dump(mode="json") for one in (await client.list_resources()).resources]
        for tool in ("test_simple_text", "test_multiple_content_types", "test_error_handling"):
            said[tool] = (await client.call_tool(tool, {})).model_dump(mode="json")
        if said["revision"] < "2026-07-28":
            asked = await client.call_tool("test_sampling", {"prompt": "p"})
            said["sampling"] = asked.model_dump(mode="json")
            said["elicitation"] = (await client.call_tool("test_elicitation", {"message": "m"})).model_dump(mode="json")
        done = await client.call_tool("test_tool_with_progress", {}, progress_callback=report)
        said["progressed"] = done.model_dump(mode="json")
    said["steps"] = [progress for _, progress in steps]
    said["one_by_one"] = steps[-1][0] - steps[0][0] > 0.05
    return said


if __name__ == "__main__":
    print(json.dumps(anyio.run(use, sys.argv[1], sys.argv[2])))
