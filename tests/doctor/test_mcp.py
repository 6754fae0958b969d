"""One seeded fault each, named by the doctor."""

import json
import threading
from collections.abc import Iterator

import pytest

from hushgate.doctor import mcp
from hushgate.doctor.fetch import Place
from hushgate.doctor.report import Report
from tests.doctor.scene import EVENTS, Asked, Site, Told, error, legacy, modern, says, serving


def looked(site: Site, key: str = "", origin: str = "") -> Report:
    report = Report()
    with serving(site) as url:
        mcp.examine(Place(url + "/mcp", key), report, origin)
    return report


def checks(report: Report) -> dict[str, str]:
    return {finding.check: finding.state for finding in report.findings}


def the_fault(report: Report) -> tuple[str, int]:
    (found,) = [finding for finding in report.findings if finding.state == "fault"]
    assert report.findings[-1] is found
    return found.check, report.code


def test_a_healthy_server_of_the_newest_revision() -> None:
    report = looked(modern)
    assert checks(report) == {"reached": "ok", "era": "ok", "buffering": "ok", "origin": "ok"}
    assert (report.code, "2026-07-28" in report.plain()) == (0, True)


def test_a_healthy_server_with_sessions() -> None:
    report = looked(legacy)
    assert checks(report) == {"reached": "ok", "era": "ok", "buffering": "ok", "origin": "note"}
    assert "2025-06-18, with sessions" in report.plain()


def test_a_server_without_sessions_has_no_stream_to_look_at() -> None:
    def site(asked: Asked) -> Told:
        told = legacy(asked)
        return told._replace(headers=())

    assert checks(looked(site))["buffering"] == "note"


@pytest.mark.parametrize(
    ("told", "check", "code"),
    [
        (error(401, "no such key"), "key", 3),
        (error(421, "mcp is not served as 127.0.0.1"), "host", 1),
        (Told(421, b"Invalid Host header", "text/plain"), "host", 1),
        (Told(403), "host", 1),
        (error(403, "Invalid Host: example"), "host", 1),
        (error(403, "this tool may not be called here"), "refused", 1),
        (error(503, "home is not connected"), "offline", 4),
        (Told(502, b"<html>Bad Gateway</html>", "text/html"), "offline", 4),
        (Told(307, headers=(("Location", "http://127.0.0.1:1/mcp"),)), "redirect", 1),
        (says({"status": "ok", "version": "1.0.0"}), "decoy", 4),
        (Told(404, b"<html><center>nginx</center></html>", "text/html"), "decoy", 4),
        (Told(404, b"<html><pre>Cannot POST /mcp</pre></html>", "text/html"), "path", 1),
        (Told(200, b"<html>Welcome</html>", "text/html"), "path", 1),
        (error(429, "slower"), "limit", 1),
    ],
)
def test_what_stands_in_the_way(told: Told, check: str, code: int) -> None:
    assert the_fault(looked(lambda asked: told)) == (check, code)


def test_the_key_is_sent_and_judged() -> None:
    def site(asked: Asked) -> Told:
        return modern(asked) if asked.headers.get("authorization") == "Bearer right" else error(401, "no such key")

    assert looked(site, "right").code == 0
    assert "the key is wrong" in looked(site, "wrong").plain()
    assert "HUSHGATE_KEY" in looked(site).plain()


def test_something_else_answers() -> None:
    report = looked(lambda asked: says({"hello": "world"}))
    assert the_fault(report) == ("initialize", 1)
    report = looked(lambda asked: says({"detail": "Not Found"}, 404))
    assert the_fault(report) == ("initialize", 1)
    assert "check the path" in report.plain()


@pytest.mark.parametrize("healthy", [modern, legacy])
def test_a_proxy_that_holds_streams_back(healthy: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "STREAM_WAIT", 0.2)
    over = threading.Event()

    def held() -> Iterator[bytes]:
        over.wait(5)
        yield b":\n\n"

    def site(asked: Asked) -> Told:
        told = healthy(asked)
        if told.kind != EVENTS:
            return told
        if healthy is legacy:
            over.wait(5)
        return Told(200, held(), EVENTS)

    try:
        assert the_fault(looked(site)) == ("buffering", 1)
    finally:
        over.set()


def test_a_page_that_is_to_use_it() -> None:
    report = looked(modern, origin="https://app.example")
    assert the_fault(report) == ("origin", 1)
    assert "allowed_origins" in report.plain()
    assert looked(legacy, origin="https://app.example").code == 0


def test_for_programs() -> None:
    found = json.loads(looked(lambda asked: error(401, "no such key")).to_json())
    assert found["code"] == 3
    assert found["findings"][0]["check"] == "key"
