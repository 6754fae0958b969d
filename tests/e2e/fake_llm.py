"""A model that a program of Anthropic's API can talk to, and that does nothing but call one tool several times."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def calling(tool: str, arguments: dict[str, Any], times: int, before: Callable[[int], None]) -> Iterator[str]:
    """The URL of a model that asks for the tool so many times, and then says what it has been told. `before` hears the
    number of each call, from 1 on, before the caller does."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told = [block for message in asked.get("messages", []) for block in _results(message)]
            if all(known.get("name") != tool for known in asked.get("tools", [])):
                self._answer({"type": "text", "text": ""}, [{"type": "text_delta", "text": "no tools"}])
            elif len(told) < times:
                before(len(told) + 1)
                call = {"type": "tool_use", "id": f"toolu_{len(told)}", "name": tool, "input": {}}
                self._answer(call, [{"type": "input_json_delta", "partial_json": json.dumps(arguments)}])
            else:
                self._answer({"type": "text", "text": ""}, [{"type": "text_delta", "text": json.dumps(told)}])

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _answer(self, block: dict[str, Any], deltas: list[dict[str, Any]]) -> None:
            usage = {"input_tokens": 1, "output_tokens": 1}
            message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
            reason = "tool_use" if block["type"] == "tool_use" else "end_turn"
            events: list[dict[str, Any]] = [
                {"type": "message_start", "message": {**message, "stop_reason": None, "usage": usage}},
                {"type": "content_block_start", "index": 0, "content_block": block},
                *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage},
                {"type": "message_stop"},
            ]
            body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _results(message: dict[str, Any]) -> list[Any]:
    """What tools have said, in one message."""
    content = message["content"]
    blocks = content if isinstance(content, list) else []
    return [block.get("content") for block in blocks if block["type"] == "tool_result"]
