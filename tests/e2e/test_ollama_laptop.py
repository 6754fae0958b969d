"""Ollama's own command line on a laptop, at a local port that knows the key: the set-up of the README."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.e2e.access import Laptop
from tests.e2e.hushgate import ENVIRON, Tunnel
from tests.e2e.ollama import MODEL, Ollama, ollama_binary
from tests.e2e.ollama_clients import CALLS, Used
from tests.e2e.programs import Address, free_port, programs_in, run, until
from tests.e2e.test_ollama_guard import exchange, request, status

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


class Scene(NamedTuple):
    ollama: Ollama
    laptop: Laptop


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with programs_in(tmp_path_factory.mktemp("laptop")) as programs:
        ollama = Ollama(programs)
        rules = {"ollama": 'type = "http"\nprofile = "ollama"\nmax_tokens = 8'}
        home = {"ollama": 'type = "http"'}
        tunnel = Tunnel(
            programs, {"ollama": ollama.address}, private={"ollama"}, server_lines=rules, client_lines=home
        ).start()
        laptop = Laptop(tunnel, ["ollama"]).start()
        asked = request("GET", "/api/version")
        until(lambda: status(exchange(laptop.address("ollama"), asked)) == 200, "Ollama to be reached", 30)
        yield Scene(ollama, laptop)


def cli(scene: Scene, at: Address, *arguments: str, code: int = 0) -> str:
    """What `ollama ARGUMENTS` says, to the Ollama behind `at`."""
    home = scene.laptop.tunnel.directory / "laptop"
    home.mkdir(exist_ok=True)
    environ = {"HOME": str(home), "OLLAMA_HOST": f"{at[0]}:{at[1]}"}
    done = run([ollama_binary(), *arguments], environ=environ, code=code)
    return (done.stdout + done.stderr).decode()


def models(scene: Scene, at: Address) -> dict[str, str]:
    """Name to id; the other columns say how long ago, and models of one second come in any order."""
    rows = [line.split() for line in cli(scene, at, "list").splitlines()[1:]]
    return {row[0]: row[1] for row in rows}


def test_the_command_line_works_as_at_home(scene: Scene) -> None:
    at = scene.laptop.address("ollama")
    assert models(scene, at) == models(scene, scene.ollama.address)
    assert f"{MODEL}:latest" in models(scene, at)
    assert len(cli(scene, at, "run", MODEL, "say something").strip()) >= 4
    assert f"{MODEL}:latest" in cli(scene, at, "ps")


def test_what_is_not_allowed_is_told_and_does_not_arrive(scene: Scene) -> None:
    mark = scene.ollama.mark()
    for arguments in (("pull", "other"), ("rm", MODEL), ("cp", MODEL, "copied"), ("stop", "other:cloud")):
        told = cli(scene, scene.laptop.address("ollama"), *arguments, code=1)
        assert "allowed here" in told, told
    scene.ollama.settled(mark)
    assert scene.ollama.managed(mark) == []


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_the_servers_log_has_the_tokens_that_the_library_reports(scene: Scene, call: Callable[[str], Used]) -> None:
    server = scene.laptop.tunnel.server
    since = len(server.log())
    used = call(f"http://127.0.0.1:{scene.laptop.ports['ollama']}")
    line = server.wait_log(r"request service=ollama .* status=200 .*", since=since)[0]
    told = [re.search(rf" {name}=(\d+) ", line) for name in ("prompt_tokens", "completion_tokens")]
    assert Used(*(int(match[1]) if match else None for match in told)) == used
    assert "estimated" not in line and "aborted" not in line


def test_hushgate_connect_makes_a_port_as_well(scene: Scene) -> None:
    at = ("127.0.0.1", free_port())
    command = scene.laptop.connect("ollama", "-L", str(at[1]))
    program = scene.laptop.tunnel.programs.start("connect", command, ENVIRON).wait_listening(at)
    assert f"{MODEL}:latest" in cli(scene, at, "list")
    program.stop()


@pytest.mark.parametrize(
    ("host", "origin", "code"),
    [
        ("evil.example", None, 421),
        ("evil.example:11434", "http://evil.example:11434", 421),
        ("localhost:11434", "http://evil.example", 403),
        ("localhost:11434", "null", 403),
        ("localhost:11434", None, 200),
        ("127.0.0.1:11434", None, 200),
        ("[::1]:11434", None, 200),
    ],
)
def test_a_page_in_the_laptops_browser_gets_nothing(scene: Scene, host: str, origin: str | None, code: int) -> None:
    """Neither under a name that it resolves to the laptop, nor from its own."""
    asked = request("GET", "/api/tags", b"", *([f"Origin: {origin}"] if origin else []))
    asked = asked.replace(b"Host: 127.0.0.1", f"Host: {host}".encode())
    assert status(exchange(scene.laptop.address("ollama"), asked)) == code
