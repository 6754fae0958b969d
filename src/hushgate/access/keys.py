"""The access keys of a laptop: written in the file, or printed by a command such as a password manager's."""

import subprocess
from typing import Final

from hushgate.config.model import AccessService
from hushgate.config.secrets import refusal
from hushgate.errors import ConfigError
from hushgate.protocol.keys import Keys, Role, derive_e2e_key, derive_keys

_COMMAND_WAIT: Final = 60.0
"""A person may have to unlock something."""


def derive(service: AccessService) -> Keys:
    """The keys to prove for `service`. May run its `key_command` and wait for it. Raises ConfigError."""
    key = service.key.reveal() if service.key else _printed(service)
    return derive_keys(key, service.name, Role.ACCESS)


def derive_e2e(service: AccessService) -> bytes | None:
    """The key that hides the streams of `service` from the server, if it has one."""
    return derive_e2e_key(service.e2e_key.reveal(), service.name) if service.e2e_key else None


def _printed(service: AccessService) -> str:
    """The first line that the command prints. Its standard input is empty: ours may carry somebody's connection."""
    assert service.key_command is not None, "a service has a key or a command"
    try:
        done = subprocess.run(
            service.key_command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_WAIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise _fault(service, f"did not end within {_COMMAND_WAIT:.0f} s") from None
    except OSError as error:
        raise _fault(service, f"cannot be run: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise _fault(service, f"ended with {done.returncode}{said and f': {said}'}")
    key = done.stdout.decode(errors="surrogateescape").partition("\n")[0].strip()
    if reason := refusal(key):
        raise _fault(service, f"printed something that {reason}")
    return key


def _fault(service: AccessService, reason: str) -> ConfigError:
    command = service.key_command[0] if service.key_command else ""
    return ConfigError([f"access.services.{service.name}.key_command: {command} {reason}"])
