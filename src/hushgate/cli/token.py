"""`hushgate token …`: tokens and keys come from the system's randomness, or from standard input, never from the command
line, where every user of the machine could read them."""

import sys

import click

from hushgate.errors import ConfigError


def run_new(number: int) -> int:
    """Tokens of 256 bits, in the form of `openssl rand -hex 32`."""
    import secrets

    for _ in range(number):
        click.echo(secrets.token_hex(32))
    return 0


def run_verifier(service: str, access: bool) -> int:
    """Raises ConfigError for a token or a name that cannot serve."""
    from hushgate.config.secrets import refusal
    from hushgate.config.shared import SERVICE_NAME_RULE, is_service_name
    from hushgate.protocol.keys import Role, derive_keys
    from hushgate.protocol.limits import WEAK_TOKEN

    if not is_service_name(service):
        raise ConfigError([f"SERVICE: {SERVICE_NAME_RULE}"])
    if sys.stdin.isatty():
        token = click.prompt("Token", hide_input=True, err=True).strip()
    else:
        token = sys.stdin.readline().strip()
    if reason := refusal(token):
        raise ConfigError([f"standard input: token: {reason}"])
    if len(token) < WEAK_TOKEN:
        click.echo(f"warning: shorter than {WEAK_TOKEN} characters, so it may be guessed", err=True)
    click.echo(derive_keys(token, service, Role.ACCESS if access else Role.CLIENT).verifier().text())
    return 0


def run_key(label: str | None) -> int:
    """Raises ConfigError for a label that cannot stand in a file."""
    import secrets

    from hushgate.config.httpkeys import check_label, key_hash

    if label is not None:
        try:
            check_label(label)
        except ValueError as error:
            raise ConfigError([f"LABEL: {error}"]) from None
    key = secrets.token_hex(32)
    click.echo(key)
    click.echo("\n# The line above is the key, for whoever asks; it is shown once. For server.toml:")
    if label is None:
        click.echo(f'keys = ["{key_hash(key)}"]')
    else:
        click.echo(f'[[server.services.NAME.keys]]\nlabel = "{label}"\nhash = "{key_hash(key)}"')
    return 0


@click.group("token")
def command() -> None:
    """Make tokens, verifiers and keys."""


@command.command("new")
@click.argument("number", metavar="[N]", default=1, type=click.IntRange(1, 1000))
def new(number: int) -> int:
    """Print N new tokens (1 when left out), one a line.

    Each service has a token of its own; it stands in server.toml and in client.toml.
    """
    return run_new(number)


@command.command("verifier")
@click.argument("service")
@click.option("--access", is_flag=True, help="For an access key: the line is `access_verifier`.")
def verifier(service: str, access: bool) -> int:
    """Print the verifier of SERVICE for a token.

    The token is read from standard input. `verifier = "…"` may stand in server.toml in place of `token`: who steals
    that file can log in to nothing with it.

    \b
    Example:
      hushgate token verifier ssh < token.txt
    """
    return run_verifier(service, access)


@command.command("key")
@click.argument("label", required=False)
def key(label: str | None) -> int:
    """Print a new key for an HTTP service.

    The key is the first line, and is shown this once; below it stands what server.toml keeps of it, its hash. Programs
    send it as an API key (Authorization: Bearer, or x-api-key). LABEL names it in the log.

    \b
    Example:
      hushgate token key editor
    """
    return run_key(label)
