"""`hushgate token`."""

import pytest

from hushgate.config.httpkeys import key_hash
from hushgate.protocol.keys import Role, derive_keys

from .conftest import TOKEN, Run


def test_new(run: Run) -> None:
    outcome = run("token", "new", "3")
    tokens = outcome.out.split()
    assert outcome.code == 0
    assert len(set(tokens)) == 3
    assert all(len(bytes.fromhex(token)) == 32 for token in tokens)
    assert run("token", "new", "0").code == 2


def test_verifier_is_that_of_the_client_role(run: Run) -> None:
    outcome = run("token", "verifier", "ssh", stdin=f" {TOKEN}\n")
    assert outcome.out == derive_keys(TOKEN, "ssh", Role.CLIENT).verifier().text() + "\n"
    assert (outcome.code, outcome.err) == (0, "")


def test_verifier_of_an_access_key(run: Run) -> None:
    outcome = run("token", "verifier", "ssh", "--access", stdin=TOKEN)
    assert outcome.out == derive_keys(TOKEN, "ssh", Role.ACCESS).verifier().text() + "\n"


def test_a_weak_token_is_warned_about(run: Run) -> None:
    outcome = run("token", "verifier", "ssh", stdin="short")
    assert outcome.code == 0
    assert outcome.out.startswith("hgv1.")
    assert "warning: shorter than 22" in outcome.err


def test_a_token_that_cannot_serve(run: Run) -> None:
    for stdin, reason in (("", "is empty"), ("another-strong-random-token", "placeholder")):
        outcome = run("token", "verifier", "ssh", stdin=stdin)
        assert outcome.code == 2
        assert reason in outcome.err


@pytest.mark.parametrize("name", ["", "x" * 256, "a\x07b"])
def test_a_name_that_no_service_can_have(run: Run, name: str) -> None:
    outcome = run("token", "verifier", name, stdin=TOKEN)
    assert (outcome.code, outcome.out) == (2, "")
    assert "1 to 255 printable bytes" in outcome.err


def test_a_key_is_shown_once_and_its_hash_is_for_the_file(run: Run) -> None:
    outcome = run("token", "key", "editor")
    key, _, _, *lines = outcome.out.splitlines()
    assert (outcome.code, len(bytes.fromhex(key))) == (0, 32)
    assert lines == ["[[server.services.NAME.keys]]", 'label = "editor"', f'hash = "{key_hash(key)}"']
    outcome = run("token", "key")
    key, _, _, line = outcome.out.splitlines()
    assert line == f'keys = ["{key_hash(key)}"]'


def test_a_label_that_cannot_stand_in_a_log(run: Run) -> None:
    outcome = run("token", "key", "a b")
    assert (outcome.code, outcome.out) == (2, "") and "LABEL: must be up to 64 letters" in outcome.err
