"""`hushgate completion`, and what it completes."""

import pytest
from click.shell_completion import ShellComplete

from hushgate.cli.main import cli

from .conftest import Run


@pytest.mark.parametrize(
    ("shell", "words"), [("bash", "complete -o"), ("zsh", "#compdef hushgate"), ("fish", "complete ")]
)
def test_script(run: Run, shell: str, words: str) -> None:
    outcome = run("completion", shell)
    assert outcome.code == 0
    assert words in outcome.out
    assert "_HUSHGATE_COMPLETE" in outcome.out
    assert outcome.err == ""


def test_unknown_shell(run: Run) -> None:
    assert run("completion", "tcsh").code == 2


def test_commands_and_files_are_completed() -> None:
    complete = ShellComplete(cli, {}, "hushgate", "_HUSHGATE_COMPLETE")
    found = [(item.type, item.value) for item in complete.get_completions([], "c")]
    assert found == [("plain", "client"), ("plain", "check"), ("plain", "completion"), ("file", "c")]
