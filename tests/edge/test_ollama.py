"""The list of what may be asked of Ollama, and what happens to a body on the way."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hushgate.config.model import OllamaRules
from hushgate.edge.heads import RequestHead, ResponseHead
from hushgate.edge.ollama import OllamaProfile
from hushgate.edge.profile import ALLOWED, Allow, Deny, Dialect, NeedBody
from hushgate.edge.usage import UsageMeter

CLOSED = OllamaProfile(OllamaRules(allow_cloud=True))
"""Judges by the path alone."""
CAREFUL = OllamaProfile(
    OllamaRules(models=("tiny", "llama3.*"), max_context=4096, max_tokens=100, max_keep_alive=300.0)
)


def ask(method: str, target: str, *headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(method.encode(), target.encode("latin-1"), list(headers), length=None)


def judged(profile: OllamaProfile, path: str, body: Any, *headers: tuple[bytes, bytes]) -> Allow | Deny:
    request = ask("POST", path, *headers)
    assert isinstance(profile.judge(request), NeedBody)
    return profile.judge_body(request, body if isinstance(body, bytes) else json.dumps(body).encode())


def forwarded(profile: OllamaProfile, path: str, body: Any) -> Any:
    verdict = judged(profile, path, body)
    assert isinstance(verdict, Allow) and verdict.body is not None
    return json.loads(verdict.body)


LEGAL = [
    ("POST", "/api/generate"),
    ("POST", "/api/chat"),
    ("POST", "/api/embed"),
    ("POST", "/api/embeddings"),
    ("POST", "/api/show"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages?beta=true"),
    ("POST", "/v1/audio/transcriptions"),
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/api/version"),
    ("GET", "/api/tags"),
    ("HEAD", "/api/tags"),
    ("GET", "/api/ps"),
    ("GET", "/api/status"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/llama3.2:1b"),
    ("GET", "/v1/models/llama3.2%3A1b"),
]
MANAGEMENT = [
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("POST", "/api/blobs/sha256:00"),
    ("HEAD", "/api/blobs/sha256:00"),
    ("POST", "/api/me"),
    ("POST", "/api/signout"),
    ("DELETE", "/api/user/keys/x"),
    ("POST", "/api/experimental/web_search"),
    ("POST", "/api/experimental/web_fetch"),
]
OTHERS = [
    ("POST", "/api/pull?x=1"),
    ("POST", "/api/pull/"),
    ("POST", "/API/pull"),
    ("POST", "/api/tags"),
    ("GET", "/api/chat"),
    ("get", "/api/tags"),
    ("PUT", "/api/chat"),
    ("GET", "/v1/models/a/b"),
    ("GET", "/v1/models/"),
    ("GET", "/v1/messages/count_tokens"),
    ("GET", "/metrics"),
    ("OPTIONS", "*"),
]


@pytest.mark.parametrize(("method", "target"), LEGAL)
def test_inference_may_be_asked(method: str, target: str) -> None:
    assert CLOSED.judge(ask(method, target)) is ALLOWED


@pytest.mark.parametrize(("method", "target"), MANAGEMENT + OTHERS)
def test_nothing_else_may(method: str, target: str) -> None:
    verdict = CLOSED.judge(ask(method, target))
    assert isinstance(verdict, Deny) and verdict.status in (400, 403)


@pytest.mark.parametrize(("method", "target"), LEGAL)
def test_read_only_shows_and_computes_nothing(method: str, target: str) -> None:
    allowed = OllamaProfile(OllamaRules(mode="read-only", allow_cloud=True)).judge(ask(method, target)) is ALLOWED
    assert allowed is (method != "POST" or target == "/api/show")


@pytest.mark.parametrize(
    "target",
    [
        "/api/%70ull",
        "//api/pull",
        "/api//pull",
        "/api/./pull",
        "/v1/../api/pull",
        "/api/pull;x",
        "/api%2fpull",
        "\\api",
    ],
)
def test_disguises_are_told_what_they_are(target: str) -> None:
    verdict = CLOSED.judge(ask("POST", target))
    assert isinstance(verdict, Deny) and (verdict.status, verdict.reason) == (400, "path")


@given(
    st.sampled_from(["GET", "POST", "DELETE", "HEAD"]),
    st.text(alphabet="/.%2567cPpuUlLhsdeleteratoyngmk;\\?#v1 \x00", max_size=24),
)
def test_no_spelling_of_management_is_allowed(method: str, tail: str) -> None:
    """Whatever is allowed is, however a framework cleans it, not under /api but for the paths of the list."""
    request = ask(method, "/api" + tail)
    if not isinstance(CLOSED.judge(request), Deny):
        cleaned = "/" + "/".join(
            part for part in unquote(request.path.decode("latin-1")).split("/") if part not in ("", ".")
        )
        assert (method, cleaned) in [(m, t) for m, t in LEGAL] or method == "HEAD"
        assert cleaned.lower() not in {t for _, t in MANAGEMENT}


@pytest.mark.parametrize(
    "name",
    ["gpt-oss:120b-cloud", "GPT-OSS:120B-CLOUD", "x-cloud", "registry.ollama.ai/library/x:cloud", "x:cloud"],
)
@pytest.mark.parametrize("key", ["model", "name"])
def test_models_at_ollama_com_are_denied_by_default(key: str, name: str) -> None:
    verdict = judged(OllamaProfile(OllamaRules()), "/api/show" if key == "name" else "/v1/messages", {key: name})
    assert isinstance(verdict, Deny) and (verdict.status, verdict.reason) == (403, "cloud")


@pytest.mark.parametrize("name", ["other", "tiny:7b", "hf.co/x/tiny", "tiny2"])
def test_a_list_of_models_is_the_whole_list(name: str) -> None:
    verdict = judged(CAREFUL, "/api/chat", {"model": name})
    assert isinstance(verdict, Deny) and (verdict.status, verdict.reason) == (403, "model")
    assert verdict.facts == {"model": name}


@pytest.mark.parametrize("name", ["tiny", "TINY:latest", "registry.ollama.ai/library/tiny", "llama3.2:1b"])
def test_listed_models_pass_as_they_were_written(name: str) -> None:
    assert forwarded(CAREFUL, "/v1/chat/completions", {"model": name})["model"] == name


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"tiny","model":"other"}',
        b'{"model":"tiny","MODEL":"other"}',
        b'{"Model":"other"}',
        b'{"model":"tiny"} {"model":"other"}',
        b'{"model":["other"]}',
        b'{"model":{"x":1}}',
        b'{"model":7}',
        b'[{"model":"other"}]',
        b'{"model":"tiny","options":{"num_ctx":1,"NUM_CTX":99999}}',
        b'{"model":"tiny","Options":{"num_ctx":99999}}',
        b'{"model":"tiny","options":[1]}',
        b'{"model":"tiny","options":{"num_ctx":"99999"}}',
        b'{"model":"tiny","options":{"num_predict":true}}',
        b'{"model":"tiny","keep_alive":"for ever"}',
        b'{"model":"tiny","keep_alive":[]}',
        b'{"model":"tiny","options":{"seed":1e999}}',
        b"\x28\xb5\x2f\xfd",
        b"",
    ],
)
def test_bodies_that_can_be_read_in_two_ways_are_refused(body: bytes) -> None:
    verdict = judged(CAREFUL, "/api/chat", body)
    assert isinstance(verdict, Deny) and verdict.status == 400 and "tiny" not in verdict.message


def test_a_body_in_another_encoding_is_refused() -> None:
    verdict = judged(CAREFUL, "/v1/chat/completions", b"\x28\xb5\x2f\xfd", (b"Content-Encoding", b"zstd"))
    assert isinstance(verdict, Deny) and verdict.status == 415
    assert isinstance(judged(CAREFUL, "/api/chat", {"model": "tiny"}, (b"content-encoding", b"Identity")), Allow)
    both = (b"Content-Encoding", b"identity"), (b"content-encoding", b"zstd")
    verdict = judged(CAREFUL, "/v1/chat/completions", {"model": "tiny"}, *both)
    assert isinstance(verdict, Deny) and verdict.status == 415


@pytest.mark.parametrize(
    ("asked", "given_"),
    [
        ({}, {"num_predict": 100}),
        ({"num_predict": -1, "num_ctx": 10**6, "seed": 1}, {"num_predict": 100, "num_ctx": 4096, "seed": 1}),
    ],
)
def test_native_caps(asked: dict[str, int], given_: dict[str, int]) -> None:
    assert forwarded(CAREFUL, "/api/generate", {"model": "tiny", "options": asked})["options"] == given_
    assert forwarded(CAREFUL, "/api/generate", {"model": "tiny"})["options"] == {"num_predict": 100}


def test_embeddings_have_no_length() -> None:
    assert "options" not in forwarded(CAREFUL, "/api/embed", {"model": "tiny", "input": "x"})
    assert forwarded(CAREFUL, "/v1/embeddings", {"model": "tiny", "input": "x"}) == {"model": "tiny", "input": "x"}


@pytest.mark.parametrize(
    ("path", "asked", "given_"),
    [
        ("/v1/chat/completions", {}, {"max_tokens": 100}),
        ("/v1/chat/completions", {"max_tokens": 7}, {"max_tokens": 7}),
        ("/v1/chat/completions", {"max_tokens": 0}, {"max_tokens": 100}),
        ("/v1/completions", {"max_tokens": 0.5}, {"max_tokens": 100}),
        ("/v1/messages", {"max_tokens": 99.5}, {"max_tokens": 99}),
        ("/v1/completions", {"max_tokens": -1}, {"max_tokens": 100}),
        ("/v1/responses", {}, {"max_output_tokens": 100}),
        ("/v1/messages", {"max_tokens": 32000}, {"max_tokens": 100}),
    ],
)
def test_caps_of_the_other_dialects(path: str, asked: dict[str, int], given_: dict[str, int]) -> None:
    assert forwarded(CAREFUL, path, {"model": "tiny", **asked}) == {"model": "tiny", **given_}


@pytest.mark.parametrize(("asked", "given_"), [(999, 100), (7, 7)])
def test_the_cap_that_ollama_does_not_know(asked: int, given_: int) -> None:
    body = {"model": "tiny", "max_completion_tokens": asked}
    assert forwarded(CAREFUL, "/v1/chat/completions", body) == {**body, "max_tokens": given_}


@pytest.mark.parametrize(
    ("asked", "given_"),
    [
        (-1, "300s"),
        ("-1h2m", "300s"),
        ("-0.5h", "300s"),
        ("-1", "300s"),
        ("24h", "300s"),
        ("1h1m", "300s"),
        (60, 60),
        ("5m", "5m"),
        (0, 0),
        ("0", "0"),
        ("90s", "90s"),
    ],
)
def test_keep_alive_is_capped(asked: object, given_: object) -> None:
    assert forwarded(CAREFUL, "/api/chat", {"model": "tiny", "keep_alive": asked})["keep_alive"] == given_


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "gpt-oss%3A120b%3Acloud"])
def test_what_is_asked_about_one_model_is_judged_by_its_name(name: str) -> None:
    verdict = OllamaProfile(OllamaRules()).judge(ask("GET", f"/v1/models/{name}"))
    assert isinstance(verdict, Deny) and verdict.reason == "cloud"
    verdict = CAREFUL.judge(ask("GET", "/v1/models/other"))
    assert isinstance(verdict, Deny) and verdict.reason == "model"
    assert CAREFUL.judge(ask("GET", "/v1/models/tiny")) is ALLOWED


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("kind", ["web_search", "web_search_20250305", " web_search"])
def test_searches_at_ollama_com_are_denied_by_default(path: str, kind: str) -> None:
    body = {"model": "tiny", "tools": [{"type": "function", "name": "web_search"}, {"type": kind}]}
    verdict = judged(OllamaProfile(OllamaRules()), path, body)
    assert isinstance(verdict, Deny) and (verdict.status, verdict.reason) == (403, "search")
    assert isinstance(judged(CAREFUL, path, body), Deny)
    assert isinstance(judged(OllamaProfile(OllamaRules(models=("tiny",), allow_cloud=True)), path, body), Allow)
    assert isinstance(judged(OllamaProfile(OllamaRules()), path, {**body, "tools": body["tools"][:1]}), Allow)


@pytest.mark.parametrize("kept", ["1" * 101, "1h" * 51, "-" + "1" * 100])
def test_no_duration_is_long(kept: str) -> None:
    """Looking for one in 32 MiB of digits took hours, and everybody waited."""
    verdict = judged(CAREFUL, "/api/chat", {"model": "tiny", "keep_alive": kept})
    assert isinstance(verdict, Deny) and verdict.reason == "body"
    assert isinstance(judged(CAREFUL, "/api/chat", {"model": "tiny", "keep_alive": kept[:100]}), Allow)


def test_speech_passes_only_where_no_rule_needs_its_model() -> None:
    verdict = OllamaProfile(OllamaRules()).judge(ask("POST", "/v1/audio/transcriptions"))
    assert isinstance(verdict, Deny) and verdict.reason == "speech"


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/api/chat", Dialect.OLLAMA),
        ("/", Dialect.OLLAMA),
        ("/v1/models", Dialect.OPENAI),
        ("/v1/messages", Dialect.ANTHROPIC),
    ],
)
def test_dialects(path: str, dialect: Dialect) -> None:
    assert CLOSED.dialect(ask("POST", path)) is dialect


def test_only_answers_that_compute_are_metered() -> None:
    response = ResponseHead(200, b"OK", [])
    assert isinstance(CLOSED.meter(ask("POST", "/api/chat"), response), UsageMeter)
    assert CLOSED.meter(ask("GET", "/api/tags"), response) is None
    assert CLOSED.meter(ask("POST", "/api/chat"), ResponseHead(503, b"", [])) is None


def test_a_refusal_names_what_is_refused() -> None:
    profile = OllamaProfile(OllamaRules(models=("llama*",)))
    endpoint = profile.judge(RequestHead(b"DELETE", b"/api/delete", []))
    assert isinstance(endpoint, Deny)
    assert endpoint.message == "DELETE /api/delete is not allowed here, inference is all that is"
    for name, told in (("mistral", "the model mistral:latest is not allowed here"), ("x:cloud", "x:cloud runs at")):
        verdict = judged(profile, "/api/chat", {"model": name})
        assert isinstance(verdict, Deny) and verdict.message.startswith(told)
    long = profile.judge(RequestHead(b"GET", b"/" + b"x" * 5000, []))
    assert isinstance(long, Deny) and len(long.message) < 200
