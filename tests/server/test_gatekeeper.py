"""Pages, keys and limits of an HTTP service, through the gateway that asks: what home gets and what visitors hear."""

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest

from hushgate.config.model import Http, HttpKey, OllamaRules, Quota
from hushgate.edge.mcp import McpProfile
from hushgate.edge.ollama import OllamaProfile
from hushgate.edge.profile import Profile
from hushgate.edge.rewrite import Peer
from hushgate.edge.stage import State
from hushgate.server.gatekeeper import Gatekeeper
from hushgate.server.turns import Turns
from tests.edge.scene import OK, Scene
from tests.logs import capture_logs
from tests.server.gate import KEY, KEYS, NEXT, OLLAMA, ROOT, Rig, answer, ask, bearer, digest


@pytest.mark.parametrize(
    "header",
    [
        bearer(KEY),
        bearer(NEXT),
        f"x-api-key: {KEY}",
        f"X-API-KEY: {KEY}",
        "Authorization: Basic " + base64.b64encode(f"me:{KEY}".encode()).decode(),
    ],
)
def test_a_key_opens_and_goes_no_further(header: str) -> None:
    rig = Rig(Http(keys=KEYS))
    with capture_logs() as log:
        scene = rig.scene()
        home = scene.say(ask("A: b", header, "Cookie: c"))
        assert b"\r\nA: b\r\nCookie: c\r\n" in home
        assert scene.answer(OK).endswith(b"ok")
    assert header.split(": ")[0].lower().encode() not in home.lower() and log[0]["key"] == "editor"


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ((), "/api/tags"),
        ((), f"/api/tags?key={KEY}&api_key={KEY}&access_token={KEY}"),
        ((f"Cookie: key={KEY}",), "/"),
        ((f"Api-Key: {KEY}",), "/"),
    ],
)
def test_without_a_key(headers: Iterable[str], target: str) -> None:
    status, told, body = answer(Rig(Http(keys=KEYS)).scene(), ask(*headers, target=target))
    assert (status, told["WWW-Authenticate"]) == (401, 'Bearer realm="ollama"')
    assert body == {
        "error": 'ollama asks for a key; send one as "Authorization: Bearer KEY" or "x-api-key: KEY"',
    }


@pytest.mark.parametrize(
    "header", [bearer("wrong" * 9), "x-api-key: wrong", bearer(KEY + "k"), "Authorization: Basic eA=="]
)
def test_with_a_wrong_one(header: str) -> None:
    status, told, body = answer(Rig(Http(keys=KEYS)).scene(), ask(header))
    assert (status, told["WWW-Authenticate"]) == (401, 'Bearer realm="ollama", error="invalid_token"')
    assert body["error"].startswith("ollama does not know this key; ") and "wrong" not in body["error"]


@pytest.mark.parametrize(
    ("target", "profile", "expected"),
    [
        ("/api/chat", OLLAMA, {"error": "X"}),
        (
            "/v1/chat/completions",
            OLLAMA,
            {"error": {"message": "X", "type": "invalid_request_error", "param": None, "code": "no_api_key"}},
        ),
        ("/v1/messages", OLLAMA, {"type": "error", "error": {"type": "authentication_error", "message": "X"}}),
        ("/mcp", McpProfile(), {"error": "X"}),
    ],
)
def test_a_refusal_speaks_the_callers_dialect(target: str, profile: Profile, expected: dict[str, Any]) -> None:
    request = ask(target=target, method="POST", body=b"{}")
    status, _, body = answer(Rig(Http(keys=KEYS), profile).scene(), request)
    told = 'ollama asks for a key; send one as "Authorization: Bearer KEY" or "x-api-key: KEY"'
    assert status == 401 and body == json.loads(json.dumps(expected).replace('"X"', json.dumps(told)))


def test_authorization_for_home_goes_on_when_it_shall() -> None:
    request = ask(f"X-Api-Key: {KEY}", "Authorization: Bearer home's own")
    assert b"home's own" not in Rig(Http(keys=KEYS)).scene().say(request)
    rig = Rig(Http(keys=KEYS, forward_authorization=True))
    home = rig.scene().say(request)
    assert b"\r\nAuthorization: Bearer home's own\r\n" in home and KEY.encode() not in home
    assert KEY.encode() not in rig.scene().say(ask(bearer(KEY), f"X-Api-Key: {NEXT}"))
    assert b"theirs" in rig.scene().say(ask(bearer(KEY), "X-Api-Key: theirs"))


def test_a_service_without_keys_is_open_and_sees_every_header() -> None:
    assert b"\r\nAuthorization: Bearer theirs\r\n" in Rig(Http()).scene().say(ask(bearer("theirs")))


def test_a_laptop_needs_no_key() -> None:
    with capture_logs() as log:
        scene = Rig(Http(keys=KEYS)).scene(Peer("192.0.2.7", proved=True))
        assert scene.say(ask(bearer("ollama"))).startswith(b"GET /api/tags")
        scene.answer(OK)
    assert log[0]["key"] == "(laptop)"


def test_two_keys_on_one_connection_are_two() -> None:
    """Nothing of the request before is left, whoever sent it."""
    with capture_logs() as log:
        scene = Rig(Http(keys=KEYS), OLLAMA).scene()
        for key, status in ((ROOT, 200), (KEY, 403), ("", 401), (ROOT, 200), ("wrong", 401), (NEXT, 403)):
            request = ask(*([bearer(key)] if key else []), target="/api/delete", method="DELETE")
            home = scene.say(request)
            assert bool(home) == (status == 200)
            told = scene.answer(OK) if home else scene.visitor.took()
            assert told.startswith(b"HTTP/1.1 %d " % status)
    assert [line.get("key") for line in log] == ["owner", "editor", None, "owner", None, "editor"]


def test_an_admin_is_held_to_the_one_form_of_a_path() -> None:
    rig = Rig(Http(keys=KEYS), OLLAMA)
    assert rig.scene().say(ask(bearer(ROOT), target="/api/pull", method="POST"))
    assert answer(rig.scene(), ask(bearer(ROOT), target="/api//pull", method="POST"))[0] == 400
    assert answer(rig.scene(), ask(bearer(KEY), target="/api/pull", method="POST"))[0] == 403


@pytest.mark.parametrize(
    "target", ["/.well-known/oauth-protected-resource/mcp", "/mcp/.well-known/openid-configuration"]
)
def test_there_is_no_oauth(target: str) -> None:
    rig = Rig(Http(keys=KEYS))
    for headers in ((), (bearer("wrong"),)):
        status, told, body = answer(rig.scene(), ask(*headers, target=target))
        assert (status, told["Content-Type"]) == (404, "application/json") and "no OAuth" in body["error"]
    assert answer(rig.scene(), ask(target="/register", method="POST", body=b"{}"))[0] == 404
    assert rig.scene().say(ask(bearer(KEY), target=target)), "home may have OAuth of its own"
    assert Rig(Http()).scene().say(ask(target=target))


def test_a_foreign_page_hears_nothing_of_keys() -> None:
    rig = Rig(Http(keys=KEYS, origins=("https://app.example",)))
    for headers in ((), (bearer(KEY),), (bearer(KEY), "Origin: https://app.example")):
        status, told, body = answer(rig.scene(), ask("Origin: https://evil.example", *headers))
        assert status == 403 and "allowed_origins" in body["error"] and "Access-Control-Allow-Origin" not in told
    status, told, _ = answer(
        rig.scene(), ask("Origin: https://evil.example", "Access-Control-Request-Method: POST", method="OPTIONS")
    )
    assert status == 403 and not any(name.startswith("Access-Control") for name in told)


def test_an_allowed_page() -> None:
    rig = Rig(Http(keys=KEYS, origins=("https://app.example",)))
    page = "Origin: https://app.example"
    scene = rig.scene()
    status, told, _ = answer(
        scene, ask(page, "Access-Control-Request-Method: POST", method="OPTIONS", target="/api/chat")
    )
    assert status == 204 and "x-api-key" in told["Access-Control-Allow-Headers"] and "Content-Length" not in told
    status, told, _ = answer(scene, ask(page))
    assert status == 401 and told["Access-Control-Allow-Origin"] == "https://app.example"
    home = scene.say(ask(page, bearer(KEY)))
    assert b"\r\nOrigin: http://127.0.0.1:11434\r\n" in home and b"app.example" not in home
    theirs = b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: http://127.0.0.1:11434\r\nContent-Length: 2\r\n\r\nok"
    told_bytes = scene.answer(theirs)
    assert told_bytes.count(b"Access-Control-Allow-Origin") == 1
    assert b"\r\nAccess-Control-Allow-Origin: https://app.example\r\n" in told_bytes
    scene.say(ask(page, bearer(KEY)))
    assert b"\r\nAccess-Control-Allow-Origin: https://app.example\r\n" in scene.answer(b"HTTP/1.1 x\r\n\r\n")


def test_the_services_own_page_needs_no_leave() -> None:
    rig = Rig(Http())
    assert b"Origin: http://127.0.0.1:11434\r\n" in rig.scene().say(ask("Origin: http://example.org"))
    assert answer(rig.scene(), ask("Origin: http://example.org", "Origin: http://example.org"))[0] == 403


def test_a_foreign_name_goes_first() -> None:
    rig = Rig(Http(keys=KEYS))
    assert answer(rig.scene(), ask("Origin: https://evil.example", host="evil.example"))[0] == 421


def test_so_many_a_minute() -> None:
    rig = Rig(Http(keys=(HttpKey("editor", digest(KEY), quota=Quota(per_minute=2)), HttpKey("b", digest(NEXT)))))
    scene = rig.scene()
    for _ in range(2):
        assert scene.say(ask(bearer(KEY)))
        scene.answer(OK)
    status, told, body = answer(scene, ask(bearer(KEY)))
    assert (status, told["Retry-After"]) == (429, "30") and "more than 2 requests a minute" in body["error"]
    assert scene.say(ask(bearer(NEXT))), "another key has its own minute"
    scene.answer(OK)
    rig.time += 30.1
    assert scene.say(ask(bearer(KEY)))


def test_without_a_key_each_address_may_have_limits_of_its_own() -> None:
    rig = Rig(Http(quota=Quota(per_minute=1), each_address=True))
    first, second = Peer("192.0.2.7"), Peer("192.0.2.8")
    assert rig.scene(first).say(ask())
    status, _, body = answer(rig.scene(first), ask())
    assert status == 429 and "more than 1 requests a minute from one address" in body["error"]
    assert rig.scene(second).say(ask()), "another address has its own minute"
    proxy = Peer("127.0.0.1", trusted=True)
    assert answer(rig.scene(proxy), ask("X-Real-IP: 192.0.2.8"))[0] == 429, "it is whom our own proxy names"
    laptop = Peer("192.0.2.8", proved=True)
    assert rig.scene(laptop).say(ask()), "laptops are none of them"


def test_some_at_a_time_and_the_rest_in_their_order() -> None:
    rig = Rig(Http(quota=Quota(concurrent=1, queue=2)))
    first, second, third, fourth = (rig.scene() for _ in range(4))
    assert first.say(ask())
    assert (second.say(ask(target="/2", method="POST", body=b"two")), second.state) == (b"", State.QUEUED)
    assert third.say(ask(target="/3")) == b""
    status, told, body = answer(fourth, ask())
    assert (status, told["Retry-After"]) == (429, "5") and "more than 1 requests at a time" in body["error"]
    rig.time += 2
    first.answer(OK)
    rig.run()
    home = second.say(b"")
    assert home.startswith(b"POST /2 ") and home.endswith(b"two")
    assert third.home.took() == b""
    second.gateway.ended(None)
    rig.run()
    assert third.home.took().startswith(b"GET /3 ")
    third.answer(OK)
    assert fourth.say(ask())


def test_who_leaves_while_waiting_frees_its_place() -> None:
    rig = Rig(Http(quota=Quota(concurrent=1, queue=1)))
    first, second, third = (rig.scene() for _ in range(3))
    first.say(ask())
    second.say(ask())
    second.gateway.ended("reset")
    assert third.say(ask()) == b"" and third.state is State.QUEUED
    first.answer(OK)
    third.gateway.ended("reset")
    rig.run()
    assert not third.home.begun, "its turn came when it had left"
    assert first.say(ask())


def test_a_judged_body_is_read_when_its_turn_comes() -> None:
    rig = Rig(Http(quota=Quota(concurrent=1, queue=1)), OllamaProfile(OllamaRules()))
    first, second = rig.scene(), rig.scene()
    first.say(ask())
    request = ask(target="/api/chat", method="POST", body=b'{"model": "tiny"}')
    assert second.say(request) == b"" and second.unread
    first.answer(OK)
    rig.run()
    assert second.say(b"").endswith(b'{"model":"tiny"}')


STREAM = "Accept: application/json, text/event-stream"


@pytest.mark.parametrize(
    ("profile", "request_", "streams"),
    [
        (None, ask(STREAM), True),
        (None, ask("Connection: Upgrade", "Upgrade: websocket"), True),
        (None, ask("Mcp-Method: subscriptions/listen", method="POST"), True),
        (None, ask(STREAM, method="POST"), False),
        (None, ask("Mcp-Method: tools/call", method="POST"), False),
        (OLLAMA, ask("Mcp-Method: subscriptions/listen", method="POST", target="/api/show"), False),
    ],
)
def test_streams_are_counted_apart(profile: Profile | None, request_: bytes, streams: bool) -> None:
    rig = Rig(Http(quota=Quota(concurrent=1, streams=1)), profile)
    first, second, third = (rig.scene() for _ in range(3))
    assert first.say(request_)
    status, _, body = answer(second, request_)
    assert status == 429 and ("open streams" in body["error"]) == streams
    assert bool(third.say(ask())) == streams
    first.gateway.ended("reset")
    assert rig.scene().say(request_)


def test_a_body_has_its_limit() -> None:
    rig = Rig(Http(quota=Quota(body=5)))
    assert rig.scene().say(ask(method="POST", body=b"12345"))
    status, _, body = answer(rig.scene(), ask(method="POST", body=b"123456"))
    assert status == 413 and "longer than 5 bytes" in body["error"]
    scene = rig.scene()
    chunked = ask("Transfer-Encoding: chunked", method="POST")
    assert scene.say(chunked + b"5\r\n12345\r\n")
    scene.say(b"1\r\n6\r\n")
    assert scene.visitor.took().startswith(b"HTTP/1.1 413 ") and scene.home.end == "dropped"


def test_limits_of_a_configuration_that_changed() -> None:
    turns = Turns(lambda: 0.0, lambda call: None)

    def judge(*keys: HttpKey) -> Gatekeeper:
        return Gatekeeper("s", frozenset(), None, Http(keys=keys, audit=False), turns, None)

    slow = HttpKey("editor", digest(KEY), quota=Quota(concurrent=1))
    first = Scene(judge(slow))
    assert first.say(ask(bearer(KEY)))
    again = Scene(judge(slow, HttpKey("b", digest(NEXT))))
    assert again.say(ask(bearer(KEY))) == b"", "a reload does not forget who is under way"
    assert Scene(judge(HttpKey("editor", digest(KEY)))).say(ask(bearer(KEY)))
    assert Scene(judge(HttpKey("b", digest(NEXT)))).say(ask(bearer(KEY))) == b""
    assert Scene(judge(slow)).say(ask(bearer(KEY))), "a label that was away begins anew"
