"""Ollama and MCP through the tunnel with their own clients from PyPI: answers and progress arrive one by one."""

import itertools
import json
import sys

import pytest

from tests.e2e import laptop, mcp_server, ollama_api
from tests.e2e.hushgate import ENVIRON, Tunnel
from tests.e2e.programs import Programs, free_port, run

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


def start(programs: Programs, module: str) -> Tunnel:
    """The service as a program at home, and a tunnel to it; the service is named as the module."""
    port = free_port()
    service = programs.start(module, [sys.executable, "-m", f"tests.e2e.{module}", str(port)], ENVIRON)
    service.wait_listening(("127.0.0.1", port), timeout=30)
    return Tunnel(programs, {module: ("127.0.0.1", port)}).start()


def use(what: str, port: int, *mode: str) -> list[dict[str, object]]:
    """What the client printed: {at: seconds, what, value} for every piece."""
    output = run([sys.executable, "-m", "tests.e2e.laptop", what, str(port), *mode], environ=ENVIRON).stdout
    return [json.loads(line) for line in output.splitlines()]


def one_by_one(pieces: list[dict[str, object]], pace: float) -> bool:
    """Whether the pieces came spread over the time they were sent in, not in one heap at its end."""
    times = [float(str(piece["at"])) for piece in pieces]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    return times[-1] - times[0] > 0.7 * pace * len(gaps) and max(gaps) < 4 * pace


def test_an_ollama_answer_streams_word_by_word(programs: Programs) -> None:
    said = use("ollama", start(programs, "ollama_api").ports["ollama_api"])
    assert said[0]["value"] == [ollama_api.MODEL]
    words = [piece for piece in said if piece["what"] == "word"]
    assert "".join(str(word["value"]) for word in words).split() == laptop.PROMPT.split()
    assert one_by_one(words, ollama_api.PACE)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_mcp_progress_arrives_step_by_step(programs: Programs, mode: str) -> None:
    said = use("mcp", start(programs, "mcp_server").ports["mcp_server"], mode)
    by_name = {piece["what"]: piece["value"] for piece in said}
    assert by_name["tools"] == ["add", "count"]
    assert by_name["sum"] == {"result": 42}
    assert by_name["result"] == {"result": f"counted to {laptop.STEPS}"}
    steps = [piece for piece in said if piece["what"] == "progress"]
    assert [step["value"] for step in steps] == [
        [float(number), float(laptop.STEPS), f"step {number}"] for number in range(1, laptop.STEPS + 1)
    ]
    assert one_by_one(steps, mcp_server.PACE)
