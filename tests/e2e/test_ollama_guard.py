"""The guard against a real Ollama, whose own log must not show what is not allowed, however it is written."""

import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.hushgate import Tunnel
from tests.e2e.ollama import EMBEDDER, MODEL, Ollama
from tests.e2e.programs import Address, Programs, programs_in, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

TOKENS = 8
RULES = f'profile = "ollama"\nmodels = ["{MODEL}", "{EMBEDDER}"]\nmax_tokens = {TOKENS}\nmax_keep_alive = "10m"\n'
SECRET = "secret"
"""A model that Ollama has and the rules do not name."""
ANYTHING = b'{"model":"secret","name":"secret","from":"secret","source":"secret","destination":"copied","stream":false}'
"""Means something to each of pull, push, create, copy and delete."""
HTTP = 'type = "http"\n'


class Guarded:
    """One Ollama behind three services, named after where the guard is: the server of "home" lets every byte pass."""

    def __init__(self, programs: Programs) -> None:
        self.ollama = Ollama(programs)
        self.ollama.ask("POST", "/api/copy", {"source": MODEL, "destination": SECRET})
        self.tunnel = Tunnel(
            programs,
            dict.fromkeys(("server", "home", "nowhere"), self.ollama.address),
            server_lines={"server": HTTP + RULES},
            client_lines={"server": HTTP, "home": HTTP + RULES},
        ).start()
        until(self.works, "all services to be reached", 30)

    def works(self) -> bool:
        asked = request("GET", "/api/version")
        return all(status(self.ask(service, asked)) == 200 for service in self.tunnel.services)

    def ask(self, service: str, data: bytes) -> bytes:
        return exchange(self.tunnel.address(service), data)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with programs_in(tmp_path_factory.mktemp("guarded")) as programs:
        yield Guarded(programs)


guards = pytest.mark.parametrize("guard", ["server", "home"])


def request(method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def exchange(address: Address, data: bytes) -> bytes:
    """What comes back until the connection ends or is reset."""
    answer = b""
    with socket.create_connection(address, 10) as visitor:
        visitor.settimeout(20)
        try:
            visitor.sendall(data)
            while piece := visitor.recv(65536):
                answer += piece
        except ConnectionError:
            pass
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def zstd(data: bytes) -> bytes:
    """One frame of at most 255 bytes, stored (RFC 8878 §3.1.1)."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + (len(data) << 3 | 1).to_bytes(3, "little") + data


MANAGEMENT = [
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("POST", "/api/blobs/sha256:" + "0" * 64),
    ("HEAD", "/api/blobs/sha256:" + "0" * 64),
    ("POST", "/api/me"),
    ("POST", "/api/signout"),
    ("DELETE", "/api/user/keys/x"),
    ("POST", "/api/experimental/web_search"),
    ("POST", "/api/experimental/web_fetch"),
]
DISGUISES = [
    "/api/%70ull",
    "/%61pi/pull",
    "/api/pull?x=1",
    "//api/pull",
    "/api//pull",
    "/api/./pull",
    "/api/pull/",
    "/v1/../api/pull",
    "/api/chat/../pull",
    "/api/chat/%2e%2e/pull",
    "/v1/models/..%2f..%2fapi/pull",
    "/API/pull",
    "/api/pull;x",
    "/api%2fpull",
    "\\api\\pull",
    "http://127.0.0.1/api/pull",
    "http://127.0.0.1/api/%70ull",
]
SECOND = request("POST", "/api/pull", ANYTHING)
CHAT = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "stream": False}).encode()
SMUGGLED = [
    request("POST", "/api/chat", b"0\r\n\r\n" + SECOND, "Content-Length: 5", "Transfer-Encoding: chunked"),
    request("POST", "/api/chat", b"0\r\n\r\n" + SECOND, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    request("POST", "/api/chat", b"0\r\n\r\n" + SECOND, "Transfer-Encoding: xchunked"),
    request("POST", "/api/chat", b"0\r\n\r\n" + SECOND, "Transfer-Encoding:\x0bchunked"),
    request(
        "POST", "/api/chat", CHAT + SECOND, f"Content-Length: {len(CHAT)}", f"Content-Length: {len(CHAT + SECOND)}"
    ),
    request("POST", "/api/chat", CHAT + SECOND, f"Content-Length: {len(CHAT)}").replace(b"close", b"keep-alive"),
    request("GET", "/api/tags", SECOND, "Content-Length: 0").replace(b"close", b"keep-alive"),
    request("GET", "/api/tags", SECOND, "X: y\r\n z: w", "Content-Length: 0"),
    request("GET", "/api/tags", SECOND, "Upgrade: websocket", "Content-Length: 0").replace(b"close", b"Upgrade"),
    request("GET", "/api/tags HTTP/1.1\r\nX: y\r\n\r\nPOST /api/pull", ANYTHING),
    request("GET", "/api/tags", SECOND, "Content-Length: 0").replace(b"\r\n", b"\n"),
    request("POST", "/api/tags", ANYTHING, "X-HTTP-Method-Override: DELETE", "X-Original-URL: /api/delete"),
]
LEGAL = [
    ("GET", "/", None),
    ("HEAD", "/", None),
    ("GET", "/api/version", None),
    ("GET", "/api/tags", None),
    ("HEAD", "/api/tags", None),
    ("GET", "/api/ps", None),
    ("GET", "/api/status", None),
    ("GET", "/v1/models", None),
    ("GET", f"/v1/models/{MODEL}", None),
    ("GET", f"/v1/models/{MODEL}%3Alatest", None),
    ("POST", "/api/show", {"model": MODEL}),
    ("POST", "/api/generate", {"model": MODEL, "prompt": "hi", "stream": False}),
    ("POST", "/api/chat", {"model": f"{MODEL}:latest", "messages": [{"role": "user", "content": "hi"}]}),
    ("POST", "/api/embed", {"model": EMBEDDER, "input": ["hi", "there"]}),
    ("POST", "/api/embeddings", {"model": EMBEDDER, "prompt": "hi"}),
    ("POST", "/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}),
    ("POST", "/v1/completions", {"model": MODEL, "prompt": "hi"}),
    ("POST", "/v1/embeddings", {"model": EMBEDDER, "input": "hi"}),
    ("POST", "/v1/responses", {"model": MODEL, "input": "hi"}),
    (
        "POST",
        "/v1/messages?beta=true",
        {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "h"}]},
    ),
]


@guards
def test_every_legal_call_works(guarded: Guarded, guard: str) -> None:
    mark = guarded.ollama.mark()
    for method, target, body in LEGAL:
        asked = request(method, target, b"" if body is None else json.dumps(body).encode())
        assert status(guarded.ask(guard, asked)) == 200, target
    paths = {(method, target.replace("%3A", ":")) for method, target, _ in LEGAL}
    until(lambda: paths <= {line[:2] for line in guarded.ollama.reached(mark)}, "every call in Ollama's log")


@guards
def test_nothing_else_reaches_ollama(guarded: Guarded, guard: str) -> None:
    mark = guarded.ollama.mark()
    for method, target in [*MANAGEMENT, *(("POST", target) for target in DISGUISES)]:
        answer = guarded.ask(guard, request(method, target, b"" if method == "HEAD" else ANYTHING))
        assert status(answer) in (400, 403), target
    for data in SMUGGLED:
        guarded.ask(guard, data)
    guarded.ollama.settled(mark)
    assert guarded.ollama.managed(mark) == []


def test_the_disguises_are_real(guarded: Guarded) -> None:
    """Without the guard Ollama takes some of them for what they hide; it redirects others."""
    mark = guarded.ollama.mark()
    answers = {target: status(guarded.ask("nowhere", request("POST", target, b"{}"))) for target in DISGUISES}
    guarded.ollama.settled(mark)
    assert len(guarded.ollama.managed(mark)) >= 5
    assert {target for target, code in answers.items() if code == 307} >= {"//api/pull", "/api/./pull", "/api/pull/"}
    pieces = [b'{"MODEL":"secret","prompt":"x","stream":false,"options":{"num_predict":1}}', *BODIES]
    told = [SECRET.encode() in guarded.ask("nowhere", request("POST", "/api/generate", body)) for body in pieces]
    assert sum(told) >= 4
    packed = zstd(b'{"model":"secret","max_tokens":1,"messages":[{"role":"user","content":"x"}]}')
    answer = guarded.ask("nowhere", request("POST", "/v1/chat/completions", packed, "Content-Encoding: zstd"))
    assert status(answer) == 200 and b'"model":"secret"' in answer


GENERATE = b'"prompt":"x","stream":false,"options":{"num_predict":1}}'
BODIES = [
    b'{"model":"tiny","model":"secret",' + GENERATE,
    b'{"model":"tiny","MODEL":"secret",' + GENERATE,
    b'{"model":"SECRET:latest",' + GENERATE,
    b'{"model":"registry.ollama.ai/library/secret",' + GENERATE,
    b'{"model":"secret:local",' + GENERATE,
    b'{"model":" secret",' + GENERATE,
    b'{"\\u006dodel":"secret",' + GENERATE,
    b'{"model":"secret",' + GENERATE + b'{"model":"tiny"}',
]


@guards
def test_no_body_names_a_model_that_is_not_listed(guarded: Guarded, guard: str) -> None:
    for body in BODIES:
        assert status(guarded.ask(guard, request("POST", "/api/generate", body))) in (400, 403), body
    packed = zstd(b'{"model":"secret","max_tokens":1,"messages":[{"role":"user","content":"x"}]}')
    answer = guarded.ask(guard, request("POST", "/v1/chat/completions", packed, "Content-Encoding: zstd"))
    assert status(answer) == 415


@guards
@pytest.mark.parametrize("options", [{}, {"num_predict": 0}, {"num_predict": -1}, {"num_predict": 1e9}])
def test_no_answer_is_longer_than_allowed(guarded: Guarded, guard: str, options: dict[str, float]) -> None:
    """0 has no end either: the engine goes on for ever."""
    body = {"model": MODEL, "prompt": "hi", "stream": False, "options": options}
    answer = guarded.ask(guard, request("POST", "/api/generate", json.dumps(body).encode()))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["eval_count"] == TOKENS


@guards
def test_the_length_that_ollama_does_not_know_is_no_way_around(guarded: Guarded, guard: str) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 10**6}
    answer = guarded.ask(guard, request("POST", "/v1/chat/completions", json.dumps(body).encode()))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["usage"]["completion_tokens"] == TOKENS


# The search. Most characters stay as they are, so that many spellings still mean what they hide.


def character(char: str) -> st.SearchStrategy[str]:
    code = f"{ord(char):02x}"
    changed = [f"%{code}", f"%{code.upper()}", f"%25{code}", char.upper(), f"%c1%{ord(char) | 0x80:02x}", char + "%00"]
    return st.one_of(*[st.just(char)] * 8, st.sampled_from(changed))


SLASH = st.one_of(
    *[st.just("/")] * 4, st.sampled_from(["//", "/./", "/x/../", "%2f", "%2F", "\\", "/%2e/", "/\t", "/;/"])
)
FRONT = st.sampled_from(["", "", "", "http://127.0.0.1", "//x", "/v1/..", "/api/chat/..", "/v1/models/..%2f..", "*"])
BACK = st.sampled_from(
    ["", "", "", "/", "//", "?x=1", "?", "#", ";x", "%00", "%20", "%0a", "/.", "/..;/", ".", "\x00", "%"]
)
WORDS = st.sampled_from([target.strip("/").split("/") for _, target in MANAGEMENT])


@st.composite
def spellings(draw: st.DrawFn) -> str:
    path = draw(FRONT)
    for word in draw(WORDS):
        path += draw(SLASH) + "".join(draw(character(char)) for char in word)
    return path + draw(BACK)


KEYS = st.sampled_from(["model", "model", "MODEL", "Model", "mod\\u0065l", "name", "model ", "m\\u006fDel"])
NAMES = st.sampled_from(
    (
        r'"tiny"|"secret"|"SECRET"|"secret:latest"|"secret:local"|"library/secret"|"\u0073ecret"|["secret"]|null|""|'
        r'"registry.ollama.ai/library/secret"|"tiny\u0000secret"|"https://secret"|" secret"'
    ).split("|")
)
INFERENCE = st.sampled_from([target for method, target, body in LEGAL if method == "POST" and body is not None])
LENGTHS = st.sampled_from(["0", "-1", "1e9", "9", "0.5", "null", "1", '"9"', "9999999999999999999"])
CAPPED = ["max_tokens", "max_completion_tokens", "max_output_tokens", "options", "options", "Options"]


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, tuple[str, ...]]:
    """A body that may name the model in several ways, and its headers. About half of them are in order."""
    odd = draw(st.booleans())
    pairs = ['"model":"tiny"'] if not odd or draw(st.booleans()) else []
    pairs += [f'"{key}":{name}' for key, name in draw(st.lists(st.tuples(KEYS, NAMES), max_size=2 * odd))]
    pairs += ['"prompt":"x","input":"x","messages":[{"role":"user","content":"x"}],"stream":false']
    length = draw(LENGTHS)
    for key in draw(st.sets(st.sampled_from(CAPPED), max_size=2)):
        pairs.append(f'"{key}":' + (f'{{"num_predict":{length}}}' if key.lower() == "options" else length))
    text = "{" + ",".join(draw(st.permutations(pairs))) + "}"
    if not odd:
        return text.encode(), ()
    text += draw(st.sampled_from(["", " ", "}", '{"model":"tiny"}']))
    body = text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"])))
    if len(body) < 256 and draw(st.booleans()):
        return zstd(body), draw(st.sampled_from([("Content-Encoding: zstd",), (), ("Content-Encoding: identity",) * 2]))
    return body, draw(st.sampled_from([(), ("Content-Type: text/plain",), ("Content-Encoding: gzip",)]))


@guards
def test_no_spelling_of_a_path_reaches_management(guarded: Guarded, guard: str) -> None:
    mark = guarded.ollama.mark()

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from(["POST", "DELETE", "HEAD", "post", "GET"]), spellings())
    def search(method: str, target: str) -> None:
        before = guarded.ollama.mark()
        guarded.ask(guard, request(method, target, ANYTHING))
        assert guarded.ollama.managed(before) == []

    search()
    guarded.ollama.settled(mark)
    assert guarded.ollama.managed(mark) == []


@guards
def test_no_writing_of_a_body_gets_more_than_allowed(guarded: Guarded, guard: str) -> None:
    @settings(max_examples=200, deadline=None)
    @given(INFERENCE, bodies())
    def search(target: str, body: tuple[bytes, tuple[str, ...]]) -> None:
        answer = guarded.ask(guard, request("POST", target, body[0], *body[1]))
        if status(answer) == 200:
            assert SECRET.encode() not in answer.lower()
            told = json.loads(answer.partition(b"\r\n\r\n")[2])
            used = told.get("usage") or {}
            lengths = (told.get("eval_count"), used.get("completion_tokens"), used.get("output_tokens"))
            assert all(length is None or length <= TOKENS for length in lengths)

    search()
