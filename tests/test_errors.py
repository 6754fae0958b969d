"""The tree of exceptions is the one that errors.py draws, with the exit codes that docs/exit-codes.md lists."""

import re
from pathlib import Path

from hushgate import errors
from hushgate.errors import ConfigError, HushgateError, ProtocolError, UserError

PAGE = (Path(__file__).parents[1] / "docs" / "exit-codes.md").read_text()


def classes() -> dict[str, type[HushgateError]]:
    found = vars(errors).values()
    return {kind.__name__: kind for kind in found if isinstance(kind, type) and issubclass(kind, HushgateError)}


def test_the_drawing_names_every_class_below_its_parent() -> None:
    drawn: dict[str, str] = {}
    parents = [""]
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"((?:│   |├── |└── )*)(\w+Error|\w+Fault|\w+Refused)\b", line):
            depth = len(match[1]) // 4
            parents[depth + 1 :] = [match[2]]
            drawn[match[2]] = parents[depth]
    defined = {name: kind.__base__.__name__ if kind.__base__ else "" for name, kind in classes().items()}
    assert drawn == defined | {"HushgateError": ""}


def test_every_user_error_has_a_documented_exit_code() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert {kind.exit_code for kind in classes().values() if issubclass(kind, UserError)} <= documented


def test_a_config_error_tells_every_problem() -> None:
    error = ConfigError(["a.toml: server: one", "a.toml: client: two"])
    assert error.problems == ("a.toml: server: one", "a.toml: client: two")
    assert str(error) == "a.toml: server: one\na.toml: client: two"


def test_a_protocol_error_carries_its_code() -> None:
    error = ProtocolError(13, "counters differ")
    assert (error.code, error.reason, str(error)) == (13, "counters differ", "counters differ")
