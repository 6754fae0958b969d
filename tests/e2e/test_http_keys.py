"""Keys of HTTP services with the libraries that send them: their own exceptions, a real Ollama, MCP, nginx in front."""

import contextlib
import http.client
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import anyio
import httpx2
import ollama
import openai
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from hushgate.config.httpkeys import key_hash
from tests.e2e.hushgate import ENVIRON, Tunnel
from tests.e2e.nginx import Nginx
from tests.e2e.ollama import MODEL, Ollama
from tests.e2e.programs import Programs, free_port, programs_in, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

EDITOR, SLOW, NEXT = "e" * 64, "5" * 64, "a" * 64
KEYS = f"""
[[server.services.NAME.keys]]
label = "editor"
hash = "{key_hash(EDITOR)}"
[[server.services.NAME.keys]]
label = "slow"
key = "{SLOW}"
per_minute = 1
"""
NGINX = """
events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:{service};
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP 198.51.100.9;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""
CHAT: Any = [{"role": "user", "content": "say something"}]
ASKS = 'ollama asks for a key; send one as "Authorization: Bearer KEY" or "x-api-key: KEY"'
UNKNOWN = "ollama does not know this key"


def ask_ollama(url: str, key: str) -> tuple[int, int]:
    with ollama.Client(url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
        answer = client.chat(MODEL, CHAT, options={"num_predict": 4})
    return answer.prompt_eval_count or 0, answer.eval_count or 0


def ask_openai(url: str, key: str) -> tuple[int, int]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        usage = client.chat.completions.create(model=MODEL, messages=CHAT, max_tokens=4).usage
    assert usage is not None
    return usage.prompt_tokens, usage.completion_tokens


def ask_anthropic(url: str, key: str) -> tuple[int, int]:
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as client:
        usage = client.messages.create(model=MODEL, messages=CHAT, max_tokens=4).usage
    return usage.input_tokens, usage.output_tokens


LIBRARIES: list[tuple[Callable[[str, str], tuple[int, int]], str, type[Exception], type[Exception]]] = [
    (ask_ollama, "/api/chat", ollama.ResponseError, ollama.ResponseError),
    (ask_openai, "/v1/chat/completions", openai.AuthenticationError, openai.RateLimitError),
    (ask_anthropic, "/v1/messages", anthropic.AuthenticationError, anthropic.RateLimitError),
]


@pytest.fixture(scope="module")
def tunnel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tunnel]:
    with programs_in(tmp_path_factory.mktemp("keys")) as programs:
        made = Tunnel(programs, {"ollama": Ollama(programs).address})
        made.server_lines["ollama"] = 'type = "http"\nprofile = "ollama"' + KEYS.replace("NAME", "ollama")
        made.client_lines["ollama"] = 'type = "http"'
        made.start()
        made.client.wait_log("proved|session|link")
        yield made


@contextlib.contextmanager
def line_of(made: Tunnel) -> Iterator[dict[str, str]]:
    """The audit line that the block leads to, once the block is over."""
    before = made.server.log().count("http: request ")
    found: dict[str, str] = {}
    yield found
    until(lambda: made.server.log().count("http: request ") > before, "the audit line")
    line = made.server.log().split("http: request ")[-1].splitlines()[0]
    found.update({name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|\S+)', line)})


@pytest.mark.parametrize(
    ("ask", "path", "unknown", "limited"), LIBRARIES, ids=lambda value: getattr(value, "__name__", "")
)
def test_libraries_raise_what_is_theirs(
    tunnel: Tunnel,
    ask: Callable[[str, str], tuple[int, int]],
    path: str,
    unknown: type[Exception],
    limited: type[Exception],
) -> None:
    url = f"http://127.0.0.1:{tunnel.ports['ollama']}"
    with line_of(tunnel) as line, pytest.raises(unknown, match=UNKNOWN) as refused:
        ask(url, "not-the-key")
    assert getattr(refused.value, "status_code", 401) == 401
    assert (line["status"], line["reason"], line["path"]) == ("401", "invalid_api_key", path)
    assert "key" not in line and "not-the-key" not in tunnel.server.log()
    with line_of(tunnel) as line:
        prompt, answer = ask(url, EDITOR)
    told = {name: line[name] for name in ("service", "key", "peer", "method", "path", "status", "model")}
    assert told == {
        "service": "ollama",
        "key": "editor",
        "peer": "127.0.0.1",
        "method": "POST",
        "path": path,
        "status": "200",
        "model": MODEL,
    }
    assert (line["prompt_tokens"], line["completion_tokens"]) == (str(prompt), str(answer))
    assert int(line["sent"]) > 0 < int(line["received"]) and "aborted" not in line
    with contextlib.suppress(limited):
        ask(url, SLOW)
    with pytest.raises(limited, match="more than 1 requests a minute"):
        ask(url, SLOW)
    assert EDITOR not in tunnel.server.log() and key_hash(EDITOR) not in tunnel.server.log()


def test_a_large_request_hears_why_it_is_refused(tunnel: Tunnel) -> None:
    """Its body is left unread; the answer arrives all the same."""
    for _ in range(5):
        connection = http.client.HTTPConnection("127.0.0.1", tunnel.ports["ollama"], timeout=20)
        with contextlib.suppress(ConnectionError):
            connection.request("POST", "/api/chat", b"x" * 2_000_000)
        answer = connection.getresponse()
        assert answer.status == 401 and json.loads(answer.read()) == {"error": ASKS}
        connection.close()


def test_nothing_but_a_key_lets_a_scanner_in(tunnel: Tunnel) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", tunnel.ports["ollama"], timeout=20)
    for method, path, status in (
        ("GET", f"/api/tags?key={EDITOR}", 401),
        ("HEAD", "/", 401),
        ("GET", "/.well-known/oauth-protected-resource", 404),
        ("GET", "/v1/.well-known/openid-configuration", 404),
    ):
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == status and answer.headers["Content-Type"] == "application/json"
        assert method == "HEAD" or "asks for a key" in json.loads(body)["error"]
        assert (answer.headers["WWW-Authenticate"] is None) == (status == 404)
    connection.close()


def test_behind_nginx(tunnel: Tunnel, programs: Programs) -> None:
    port = free_port()
    nginx = Nginx(programs.directory, programs.start, NGINX.format(port=port, service=tunnel.ports["ollama"]))
    nginx.program.wait_listening(("127.0.0.1", port))
    url = f"http://127.0.0.1:{port}"
    for ask, path, unknown, _ in LIBRARIES:
        with line_of(tunnel) as line:
            assert ask(url, EDITOR)[1] > 0
        assert (line["key"], line["path"], line["peer"]) == ("editor", path, "198.51.100.9")
        with pytest.raises(unknown, match=UNKNOWN):
            ask(url, "not-the-key")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for origin, status in ((f"https://127.0.0.1:{port}", 200), ("https://evil.example", 403), (f"{url}", 403)):
        connection.request("GET", "/api/tags", headers={"Origin": origin, "X-Api-Key": EDITOR})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status, origin
    connection.close()


def test_a_key_is_replaced_while_connections_stay(tunnel: Tunnel) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", tunnel.ports["ollama"], timeout=20)

    def status(key: str) -> int:
        connection.request("GET", "/api/version", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    assert (status(EDITOR), status(NEXT)) == (200, 401)
    kept = connection.sock
    before = tunnel.server_lines["ollama"]
    try:
        tunnel.server_lines["ollama"] = before.replace(key_hash(EDITOR), key_hash(NEXT))
        tunnel.write_server(["ollama"])
        changed = time.monotonic()
        until(lambda: status(NEXT) == 200, "the new key", timeout=5)
        assert time.monotonic() - changed < 2.5
        assert status(EDITOR) == 401 and connection.sock is kept
    finally:
        tunnel.server_lines["ollama"] = before
        tunnel.write_server(["ollama"])
        until(lambda: status(EDITOR) == 200, "the old key", timeout=5)
        connection.close()


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
def test_an_mcp_client_with_a_bearer_key(programs: Programs, mode: str) -> None:
    port = free_port()
    service = programs.start("mcp", [sys.executable, "-m", "tests.e2e.mcp_server", str(port)], ENVIRON)
    service.wait_listening(("127.0.0.1", port), timeout=30)
    made = Tunnel(programs, {"mcp": ("127.0.0.1", port)})
    made.server_lines["mcp"] = 'type = "http"\nconcurrent = 1\nqueue = 4' + KEYS.replace("NAME", "mcp")
    made.client_lines["mcp"] = 'type = "http"'
    made.start()
    url = f"http://127.0.0.1:{made.ports['mcp']}/mcp"

    async def use(key: str) -> object:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=20) as http_client,
            Client(streamable_http_client(url, http_client=http_client), mode=mode) as client,
        ):
            return (await client.call_tool("add", {"a": 2, "b": 40})).structured_content

    assert anyio.run(use, EDITOR) == {"result": 42}
    with pytest.raises(ExceptionGroup) as refused:
        anyio.run(use, "not-the-key")
    assert refused.group_contains(MCPError)
    log = made.server.log()
    assert "status=401" in log and "key=editor" in log and "not-the-key" not in log
    assert mode != "2026-07-28" or re.search(r"mcp_method=tools/call mcp_name=add .*status=200", log)
