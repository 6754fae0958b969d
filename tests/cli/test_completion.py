"""`hushgate completion`, and what it completes."""

import os
import subprocess
import sys
from pathlib import Path

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
    names = ("client", "connect", "check", "config", "completion")
    assert found == [*(("plain", name) for name in names), ("file", "c")]


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    program = tmp_path / "hushgate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hushgate "$@"\n')
    program.chmod(0o755)
    script = """
eval "$(hushgate completion bash)"
COMP_WORDS=(hushgate client --pr) COMP_CWORD=2
_hushgate_completion hushgate
printf '%s\\n' "${COMPREPLY[@]}"
"""
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--probe"]
