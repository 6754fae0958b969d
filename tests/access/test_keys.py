"""Where a laptop's key comes from."""

import sys
from pathlib import Path

import pytest

from hushgate.access.keys import derive
from hushgate.config.model import AccessService
from hushgate.errors import ConfigError
from hushgate.protocol.keys import Role, derive_keys
from tests.tunnel import access_key

KEY = access_key("ssh").reveal()


def printing(code: str) -> AccessService:
    """A service whose key a Python program prints."""
    return AccessService("ssh", None, (sys.executable, "-c", code))


def test_a_key_of_the_file() -> None:
    made = derive(AccessService("ssh", access_key("ssh")))
    assert made.verifier() == derive_keys(KEY, "ssh", Role.ACCESS).verifier()
    assert made.identifier != derive_keys(KEY, "ssh", Role.CLIENT).identifier


@pytest.mark.parametrize("printed", [KEY, f" {KEY}\\r\\n", f"{KEY}\\nlogin: me\\n"])
def test_the_first_line_that_a_command_prints(printed: str) -> None:
    assert derive(printing(f"print('{printed}')")).identifier == derive_keys(KEY, "ssh", Role.ACCESS).identifier


def test_a_command_has_no_input() -> None:
    assert derive(printing(f"import sys; print(sys.stdin.read() + {KEY!r})")).service == "ssh"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('first\\nthe store is locked')", "ended with 1: the store is locked"),
        ("raise SystemExit(3)", "ended with 3"),
        ("", "printed something that is empty"),
        ("print('generate-a-strong-random-token-here')", "placeholder"),
        (r"import os; os.write(1, b'\xff' * 30)", "not UTF-8"),
    ],
)
def test_a_command_that_fails_is_one_sentence_without_the_key(code: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        derive(printing(code))
    (problem,) = caught.value.problems
    assert problem.startswith(f"access.services.ssh.key_command: {sys.executable} ")


def test_a_command_that_is_not_there_or_does_not_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be run: No such file"):
        derive(AccessService("ssh", None, (str(tmp_path / "none"),)))
    monkeypatch.setattr("hushgate.access.keys._COMMAND_WAIT", 0.1)
    with pytest.raises(ConfigError, match="did not end within"):
        derive(printing("import time; time.sleep(60)"))
