"""A full disk behind the output: the long-running programs go on without their log, commands say it in a sentence."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e import traffic
from tests.e2e.hushgate import ENVIRON, Tunnel, command
from tests.e2e.programs import Address, Programs, need

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]
FULL = Path("/dev/full")


def test_programs_serve_on_when_their_log_cannot_be_written(programs: Programs, echo_service: Address) -> None:
    tunnel = Tunnel(programs, {"echo": echo_service})
    onto_full = [need("sh"), "-c", 'exec "$@" >/dev/full 2>&1', "sh"]

    def start(name: str, path: Path) -> None:
        argv = [*onto_full, *command(name, path, "--log-level", "debug")]
        programs.start(name, argv, ENVIRON)

    tunnel.write_server(tunnel.at_server)
    tunnel.write_client(tunnel.at_home)
    start("server", tunnel.server_file)
    programs.started[-1].wait_listening(tunnel.address("echo"))
    start("client", tunnel.client_file)
    traffic.round_trips(tunnel.address("echo"), 3, 0)
    tunnel.server_file.write_text("broken")
    traffic.round_trips(tunnel.address("echo"), 1, 0)
    for program in reversed(programs.started):
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
        assert program.log() == ""


@pytest.mark.parametrize("arguments", [("token", "new"), ("--help",), ("completion", "bash"), ("--version",)])
def test_a_command_says_so_in_a_sentence(arguments: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            list(map(str, command(*arguments))), stdout=full, stderr=subprocess.PIPE, env=ENVIRON, check=False
        )
    assert done.returncode == 5
    assert done.stderr.decode().splitlines() == [
        "the output cannot be written: the disk it goes to is full; make room there"
    ]
