"""`hushgate doctor ollama`: whether the service answers, how old it is, and whether words arrive one by one."""

from typing import Final
from urllib.parse import urlsplit

from hushgate.doctor.faults import explain
from hushgate.doctor.fetch import Answer, Place
from hushgate.doctor.report import Fault, Report

_SAFE: Final = (0, 17, 1)
"""CVE-2026-7482 is fixed in this version."""
_NAMED: Final = 8
"""Models that are shown."""
_PIECES: Final = 8
"""Fewer words do not tell how they came."""


def examine(place: Place, report: Report, model: str = "") -> None:
    """Looks until a fault keeps it from going on. `model` is asked for a few words."""
    try:
        # The address for OpenAI's libraries is the same place.
        base = urlsplit(place.url).path.rstrip("/").removesuffix("/v1")
        answer = _get(place, base + "/api/version")
        version = answer.value.get("version") if isinstance(answer.value, dict) else None
        if not isinstance(version, str):
            raise Fault("service", f"no Ollama answers here (status {answer.status}): {answer.said}")
        report.ok("reached", f"{place.url} answers, Ollama {version}")
        _age(version, report)
        _models(place, base, report)
        if model:
            _words(place, base, model, report)
        else:
            report.note("buffering", "not looked at; --model NAME asks a model for some words")
    except Fault as fault:
        report.fault(fault)


def _get(place: Place, path: str) -> Answer:
    answer = place.ask("GET", path)
    explain(answer, keyed=bool(place.key))
    return answer


def _age(version: str, report: Report) -> None:
    numbers = tuple(int(part) for part in version.split("-")[0].split(".") if part.isdecimal())
    if (0, 0, 0) < numbers < _SAFE:
        report.note("version", "older than 0.17.1, which closes CVE-2026-7482; update Ollama")


def _models(place: Place, base: str, report: Report) -> None:
    value = _get(place, base + "/api/tags").value
    models = value.get("models") if isinstance(value, dict) else None
    if not isinstance(models, list):
        raise Fault("models", "the list of models cannot be read")
    names = sorted(str(model.get("name")) for model in models if isinstance(model, dict))
    if not names:
        raise Fault("models", "Ollama has no models; at home, for example: ollama pull llama3.2")
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    report.ok("models", f"{', '.join(names[:_NAMED])}{more}")


def _words(place: Place, base: str, model: str, report: Report) -> None:
    """A stream that comes in one heap at its end was held back: of words that take time some come early."""
    body = {"model": model, "prompt": "Count from one to twenty in words.", "options": {"num_predict": 40}}
    pieces = list(place.stream("POST", base + "/api/generate", body, 300.0))
    answer = b"".join(piece for _, piece in pieces)
    if b'"error"' in answer and answer.count(b"\n") < 2:
        raise Fault("model", f"{model} does not answer: {Answer(200, {}, answer).said}")
    times = [at for at, piece in pieces if piece]
    if answer.count(b"\n") < _PIECES:
        report.note("buffering", "cannot be told: the answer was too short")
    elif len(times) < _PIECES // 2 and times[0] > 0.5:
        raise Fault("buffering", "the answer came in one heap; a proxy in front buffers or compresses it")
    else:
        report.ok("buffering", f"words arrive one by one, the first after {times[0]:.1f} s")
