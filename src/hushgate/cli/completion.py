"""`hushgate completion SHELL`: the script that teaches a shell our commands."""

import click
from click.shell_completion import ShellComplete, get_completion_class


def run(shell: str) -> int:
    from hushgate.cli.main import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    # The base class's own method: bash's would first run bash to see its version, and warn where there is none.
    click.echo(ShellComplete.source(found(cli, {}, "hushgate", "_HUSHGATE_COMPLETE")))
    return 0


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the completion script for a shell.

    \b
    bash   eval "$(hushgate completion bash)"       in ~/.bashrc
    zsh    eval "$(hushgate completion zsh)"        in ~/.zshrc
    fish   hushgate completion fish | source        in ~/.config/fish/config.fish
    """
    return run(shell)
