"""The lines for ssh, as ssh itself reads them."""

import shlex
import socket
import subprocess
from pathlib import Path

import click
import pytest

from hushgate.cli.config_ssh import parse_lan

from .conftest import Run

KEYWORDS = ("hostname", "port", "proxycommand", "hostkeyalias", "serveraliveinterval", "serveralivecountmax")
THROUGH = {
    "hostname": "home",
    "port": "22",
    "proxycommand": "hushgate connect ssh --stdio",
    "hostkeyalias": "home",
    "serveraliveinterval": "10",
    "serveralivecountmax": "3",
}


def understood(text: str, folder: Path, host: str = "home") -> dict[str, str]:
    """What `ssh -G` makes of it."""
    path = folder / "config"
    path.write_text(text)
    done = subprocess.run(["ssh", "-G", "-F", path, host], capture_output=True, text=True, check=True)
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return {name: value for name, _, value in pairs if name in KEYWORDS}


def test_the_way_through_the_tunnel(run: Run, tmp_path: Path) -> None:
    outcome = run("config", "ssh")
    assert (outcome.code, outcome.err) == (0, "")
    assert understood(outcome.out, tmp_path) == THROUGH
    assert "proxycommand" not in understood(outcome.out, tmp_path, "elsewhere")


def test_another_name_service_and_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "it's 100%.toml"
    outcome = run("config", "ssh", "--host", "nas", "--service", "nas-ssh", "--file", file)
    found = understood(outcome.out, tmp_path, "nas")
    assert found["hostkeyalias"] == "nas"
    expected = ["hushgate", "connect", "nas-ssh", "--stdio", "--file", str(file)]
    assert shlex.split(found["proxycommand"].replace("%%", "%")) == expected


def test_nobody_at_the_near_address_leaves_the_tunnel(run: Run, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = run("config", "ssh", "--lan", f"127.0.0.1:{unused.getsockname()[1]}")
        assert understood(outcome.out, tmp_path) == THROUGH


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("192.168.1.10", ("192.168.1.10", 22)),
        ("192.168.1.10:2222", ("192.168.1.10", 2222)),
        ("nas.lan", ("nas.lan", 22)),
        ("fe80::1", ("fe80::1", 22)),
        ("[fe80::1]:2222", ("fe80::1", 2222)),
    ],
)
def test_near_addresses(written: str, meant: tuple[str, int]) -> None:
    assert parse_lan(written) == meant


@pytest.mark.parametrize(
    "written", ["", "-oProxyCommand=x", "a b", "$(id)", "host:0", "host:70000", "host:x", 'a"b', "a;b", ":", "[a;b]:22"]
)
def test_what_is_no_address(written: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_lan(written)


@pytest.mark.parametrize("host", ["a b", "*", "!home", "", "-x", 'a"b'])
def test_what_is_no_name(run: Run, host: str) -> None:
    assert run("config", "ssh", f"--host={host}").code == 2
