"""`hushgate check`."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.transports.certificates import write_pair

from .conftest import ACCESS, CLIENT, SERVER, Run

Write = Callable[[str, str], Path]


def test_a_good_file(run: Run, write: Write) -> None:
    path = write("both.toml", SERVER + CLIENT)
    outcome = run("check", path)
    assert outcome.code == 0
    assert outcome.out == f"{path}: good: server on 127.0.0.1:0 without TLS for ssh; client of wss://h:443/ for ssh\n"


def test_a_laptops_file(run: Run, write: Write) -> None:
    path = write("access.toml", ACCESS)
    outcome = run("check", path)
    hint, good = outcome.out.splitlines()
    assert (outcome.code, hint.startswith("hint: ")) == (0, True)
    assert good == f"{path}: good: access through wss://tunnel.example.org:443/ to ssh, ollama"


def test_every_problem_warning_and_hint_at_once(run: Run, write: Write) -> None:
    text = SERVER.replace("0.0.0.0:0", "127.0.0.1:2222").replace('token = "', 'token = " ') + "colour = 1\ncolor = 1\n"
    bad, good = write("bad.toml", text), write("good.toml", CLIENT)
    outcome = run("check", bad, good)
    assert outcome.code == 2
    lines = outcome.out.splitlines()
    assert [line.split(str(bad))[0] for line in lines[:-2]] == ["", "", "warning: ", "hint: "]
    assert lines[0].startswith(f"{bad}: server.services.ssh.colour: unknown key")
    assert "reachable on the VPS only" in lines[3]
    assert lines[-2:] == [f"{bad}: 2 problems", f"{good}: good: client of wss://h:443/ for ssh"]


def test_an_empty_services_table(run: Run, write: Write) -> None:
    path = write("server.toml", '[server]\nbind_addr = "127.0.0.1:1"\n[server.services]\n')
    assert "without TLS for no service" in run("check", path).out


TLS = SERVER.replace("\n", '\ntls = true\ncertificate = { cert = "pair.crt", key = "%s" }\n', 1)


def test_a_certificate_that_cannot_be_used_is_a_problem(run: Run, write: Write, tmp_path: Path) -> None:
    write_pair(tmp_path)
    write_pair(tmp_path, label="other")
    good, bad = write("good.toml", TLS % "pair.key"), write("bad.toml", TLS % "other.key")
    outcome = run("check", good, bad)
    assert outcome.code == 2
    assert outcome.out.splitlines() == [
        f"{good}: good: server on 127.0.0.1:0 with TLS for ssh",
        f"{bad}: server.certificate: {tmp_path}/other.key: the key does not belong to the certificate "
        f"{tmp_path}/pair.crt",
        f"{bad}: 1 problem",
    ]


@pytest.mark.parametrize(("section", "text"), [("client", CLIENT), ("access", ACCESS)])
def test_a_root_that_is_no_certificate_is_a_problem(run: Run, write: Write, section: str, text: str) -> None:
    root = write("root.pem", "nothing of the kind")
    path = write("uplink.toml", text.replace('/"\n', '/"\ntrusted_root = "root.pem"\n', 1))
    outcome = run("check", path)
    assert outcome.code == 2
    told = [line for line in outcome.out.splitlines() if not line.startswith("hint: ")]
    assert told[0] == (
        f"{path}: {section}.trusted_root: {root}: no PEM certificate can be read from it, check `trusted_root`"
    )


def test_files_that_this_user_may_not_read_are_left_to_whoever_may(
    run: Run, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(tmp_path)
    path = write("server.toml", TLS % "pair.key")
    monkeypatch.setattr(os, "access", lambda asked, mode: asked != tmp_path / "pair.key")
    outcome = run("check", path)
    assert outcome.code == 0
    assert outcome.out.splitlines()[0] == (
        f"warning: {path}: server.certificate: {tmp_path}/pair.key cannot be read by this user, so it was not looked at"
    )


def test_no_file_is_a_usage_error(run: Run) -> None:
    assert run("check").code == 2
