"""An MCP server with what the official conformance suite asks for, as far as a proxy can spoil it.

python -m tests.e2e.mcp_fixtures PORT    streamable HTTP on 127.0.0.1
python -m tests.e2e.mcp_fixtures         standard input and output
"""

import base64
import sys
from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

PACE = 0.05
DOT = base64.b64encode(b"\x89PNG\r\n\x1a\nnot really").decode()

server = MCPServer("fixtures")


def resource(uri: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type="text/plain", text=text))


@server.tool()
def test_simple_text() -> list[ContentBlock]:
    return [TextContent(type="text", text="This is a simple text response for testing.")]


@server.tool()
def test_image_content() -> list[ContentBlock]:
    return [ImageContent(type="image", data=DOT, mime_type="image/png")]


@server.tool()
def test_audio_content() -> list[ContentBlock]:
    return [AudioContent(type="audio", data=DOT, mime_type="audio/wav")]


@server.tool()
def test_embedded_resource() -> list[ContentBlock]:
    return [resource("test://embedded-resource", "This is an embedded resource content.")]


@server.tool()
def test_multiple_content_types() -> list[ContentBlock]:
    return [
        TextContent(type="text", text="Multiple content types test:"),
        ImageContent(type="image", data=DOT, mime_type="image/png"),
        resource("test://mixed-content-resource", '{"test":"data","value":123}'),
    ]


@server.tool()
async def test_tool_with_logging(context: Context) -> str:
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.info(text)
        await anyio.sleep(PACE)
    return "logged"


@server.tool()
async def test_tool_with_progress(context: Context) -> str:
    for done in (0, 50, 100):
        await context.report_progress(done, 100)
        await anyio.sleep(PACE)
    return "progressed"


@server.tool()
def test_error_handling() -> str:
    raise ValueError("This tool intentionally returns an error for testing")


@server.tool()
async def test_sampling(prompt: str, context: Context) -> str:
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    return f"LLM response: {await context.session.create_message([asked], max_tokens=100)}"


class User(BaseModel):
    username: Annotated[str, Field(description="name")]
    email: Annotated[str, Field(description="address")]


@server.tool()
async def test_elicitation(message: str, context: Context) -> str:
    return f"User response: {await context.elicit(message, User)}"


@server.tool()
async def test_reconnection(context: Context) -> str:
    """Closes its stream in the middle, and goes on when the client has come back."""
    await context.close_sse_stream()
    await anyio.sleep(PACE)
    return "Reconnection test completed successfully."


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    return base64.b64decode(DOT)


@server.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:
    return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'


@server.resource("test://watched-resource", mime_type="text/plain")
def watched() -> str:
    return "Watched resource content"


@server.prompt()
def test_simple_prompt() -> str:
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
