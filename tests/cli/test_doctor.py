"""The doctor's command line; what it finds is in tests/doctor."""

import json

import pytest

from tests.doctor.scene import Asked, Told, error, modern, serving

from .conftest import Run


def test_lines_and_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSHGATE_KEY", "right")

    def site(asked: Asked) -> Told:
        return modern(asked) if asked.headers.get("authorization") == "Bearer right" else error(401, "no such key")

    with serving(site) as url:
        healthy = run("doctor", "mcp", url + "/mcp")
        assert (healthy.code, healthy.out.splitlines()[0]) == (0, f"ok     reached: {url}/mcp answers")
        assert json.loads(run("doctor", "mcp", url + "/mcp", "--json").out)["code"] == 0
        monkeypatch.setenv("HUSHGATE_KEY", "wrong")
        assert run("doctor", "mcp", url + "/mcp").code == 3
        assert run("doctor", "ollama", url).code == 3


def test_urls_that_are_refused(run: Run) -> None:
    assert run("doctor", "mcp", "mcp.example.org").code == 2
    assert run("doctor", "ollama", "http://ollama.example.org").code == 2
    assert run("doctor").code == 2
