"""One seeded fault each, named by the doctor."""

import threading
from collections.abc import Iterable, Sequence

import pytest

from hushgate.doctor import ollama
from hushgate.doctor.fetch import Place
from hushgate.doctor.report import Report
from tests.doctor.scene import Asked, Site, Told, says, serving

WORDS = [b'{"response":"w","done":false}\n'] * 12


def answering(
    version: str = "0.32.14", pieces: Iterable[bytes] = (), prefix: str = "", models: Sequence[str] = ("tiny",)
) -> Site:
    def site(asked: Asked) -> Told:
        if asked.path == prefix + "/api/version":
            return says({"version": version})
        if asked.path == prefix + "/api/tags":
            return says({"models": [{"name": name} for name in models]})
        return Told(200, pieces, "application/x-ndjson")

    return site


def looked(site: Site, model: str = "", path: str = "") -> Report:
    report = Report()
    with serving(site) as url:
        ollama.examine(Place(url + path), report, model)
    return report


def states(report: Report) -> dict[str, str]:
    return {finding.check: finding.state for finding in report.findings}


def test_a_healthy_one() -> None:
    report = looked(answering())
    assert states(report) == {"reached": "ok", "models": "ok", "buffering": "note"}
    assert report.code == 0
    assert looked(answering(prefix="/ollama"), path="/ollama").code == 0
    assert looked(answering(), path="/v1").code == 0, "what OpenAI's libraries are given"


@pytest.mark.parametrize(
    ("version", "noted"), [("0.17.0", True), ("0.17.1", False), ("0.33.0-rc2", False), ("dev", False)]
)
def test_old_ones_are_noted(version: str, noted: bool) -> None:
    assert ("version" in states(looked(answering(version)))) is noted


@pytest.mark.parametrize(
    ("told", "check", "code"),
    [
        (Told(403), "host", 1),
        (says({"error": "key"}, 401), "key", 3),
        (says({"error": "home is not connected"}, 503), "offline", 4),
        (says({"status": "ok", "version": "1.0.0"}), "decoy", 4),
        (says({"hello": "world"}), "service", 1),
    ],
)
def test_what_stands_in_the_way(told: Told, check: str, code: int) -> None:
    report = looked(lambda asked: told)
    assert (report.findings[-1].check, report.findings[-1].state, report.code) == (check, "fault", code)


def test_a_list_that_is_none() -> None:
    def site(asked: Asked) -> Told:
        return answering()(asked) if asked.path == "/api/version" else says({})

    assert states(looked(site))["models"] == "fault"


def test_no_models_and_many() -> None:
    report = looked(answering(models=()), "tiny")
    assert (report.findings[-1].check, report.code) == ("models", 1)
    assert "ok     models: b, tiny:1b\n" in looked(answering(models=("tiny:1b", "b"))).plain()
    many = looked(answering(models=[f"m{number}" for number in range(9)])).plain()
    assert "m7 and 1 more\n" in many and "m8" not in many


def slowly(pieces: Iterable[bytes], before: float, between: float) -> Iterable[bytes]:
    never = threading.Event()
    never.wait(before)
    for piece in pieces:
        yield piece
        never.wait(between)


def test_words_that_come_one_by_one() -> None:
    assert states(looked(answering(pieces=slowly(WORDS, 0, 0.02)), "tiny"))["buffering"] == "ok"


def test_words_that_come_in_one_heap() -> None:
    report = looked(answering(pieces=slowly([b"".join(WORDS)], 0.6, 0)), "tiny")
    assert (report.findings[-1].check, report.code) == ("buffering", 1)


def test_an_answer_too_short_to_tell() -> None:
    assert states(looked(answering(pieces=WORDS[:2]), "tiny"))["buffering"] == "note"


def test_a_model_that_is_not_there() -> None:
    report = looked(answering(pieces=[b'{"error":"model not found"}\n']), "tiny")
    assert "tiny does not answer: model not found" in report.plain()
