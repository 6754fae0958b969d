"""An HTTP API that streams as Ollama does: chunked NDJSON, a line at a time, on the standard library's server.

Run as a program: `python -m tests.e2e.ollama_api PORT`.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "tiny:latest"
PACE = 0.05
"""Seconds between two words of an answer, so that a client can see that they come one by one."""


class Handler(BaseHTTPRequestHandler):
    """`/api/version`, `/api/tags`, `/api/chat` and `/api/generate`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/api/tags":
            self._json({"models": [{"model": MODEL, "name": MODEL, "size": 323_000, "digest": "0" * 64}]})
        elif self.path == "/api/version":
            self._json({"version": "0.32.14"})
        elif self.path == "/":
            self._answer(b"Ollama is running", "text/plain; charset=utf-8")
        else:
            self._json({"error": "not found"}, 404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        if self.path not in ("/api/chat", "/api/generate"):
            self._json({"error": "not found"}, 404)
            return
        chat = self.path == "/api/chat"
        text = asked["messages"][-1]["content"] if chat else asked["prompt"]
        words = [word + " " for word in text.split()]
        if asked.get("stream", True) is False:
            self._json(_line(asked["model"], "".join(words), chat=chat, done=True, count=len(words)))
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for word in words:
            self._chunk(_line(asked["model"], word, chat=chat))
            time.sleep(PACE)
        self._chunk(_line(asked["model"], "", chat=chat, done=True, count=len(words)))
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, line: dict[str, object]) -> None:
        data = json.dumps(line).encode() + b"\n"
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, value: dict[str, object], status: int = 200) -> None:
        self._answer(json.dumps(value).encode(), "application/json; charset=utf-8", status)

    def _answer(self, body: bytes, content_type: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _line(model: str, text: str, *, chat: bool, done: bool = False, count: int = 0) -> dict[str, object]:
    line: dict[str, object] = {"model": model, "created_at": "2026-01-01T00:00:00Z", "done": done}
    line |= {"message": {"role": "assistant", "content": text}} if chat else {"response": text}
    if done:
        line |= {"done_reason": "stop", "total_duration": 1, "prompt_eval_count": count, "eval_count": count}
    return line


def main() -> None:
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
