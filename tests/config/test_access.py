"""What `[access]` means, and what is wrong with it."""

from pathlib import Path

import pytest

from hushgate.config.load import examine
from hushgate.config.model import AccessConfig, AccessService, Address, Loaded, Remote, Secret

KEY = "0123456789abcdef" * 3


def read(folder: Path, services: str, section: str = "") -> tuple[Loaded, list[str]]:
    path = folder / "access.toml"
    path.write_text(f'[access]\nremote_addr = "wss://h/"\n{section}\n{services}')
    path.chmod(0o600)
    return examine(path, {"KEY": KEY}, platform="linux")


def test_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "key").chmod(0o600)
    loaded, problems = read(
        tmp_path,
        """
[access.services.one]
key = "${KEY}"
bind_addr = "127.0.0.1:2222"
nodelay = false
[access.services.two]
key_file = "key"
[access.services.three]
key_command = "pass show 'hushgate/the third'"
[access.services.four]
key_command = ["pass", "show", "four"]
""",
    )
    assert (problems, loaded.warnings) == ([], ())
    assert loaded.access == AccessConfig(
        Remote("wss", "h", 443),
        {
            "one": AccessService("one", Secret(KEY), None, Address("127.0.0.1", 2222), nodelay=False),
            "two": AccessService("two", Secret(KEY)),
            "three": AccessService("three", None, ("pass", "show", "hushgate/the third")),
            "four": AccessService("four", None, ("pass", "show", "four")),
        },
    )
    assert loaded.files == (tmp_path / "access.toml", tmp_path / "key")
    assert len([hint for hint in loaded.hints if "`hushgate connect two` reaches it" in hint]) == 1


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("", 'access.services.ssh: has no key; write key = "…"'),
        (f'key = "{KEY}"\nkey_command = "pass"', "key_command: stands beside key; keep one"),
        (f'key = "{KEY}"\nkey_file = "key"', "key_file: stands beside key; keep one"),
        ("key_command = 'pass \"'", "key_command: is not a command"),
        ('key_command = ""', "key_command: is empty"),
        ("key_command = []", "key_command: is empty"),
        ("key_command = 3", "key_command: is not a command: must be a list"),
        ('key = "${NONE}"', "key: the environment variable NONE is not set"),
        (f'key = "{KEY}"\ntoken = "{KEY}"', "token: unknown key"),
        (f'key = "{KEY}"\nbind_addr = "2222"', "bind_addr: must be host:port"),
        (f'key = "{KEY}"\ne2e_key = "{KEY}"', "e2e_key: is what the server knows as well"),
        (f'key = "{KEY}"\ntype = "http"\ne2e_key = "{KEY}"', "e2e_key: hides what"),
        (f'key = "{KEY}"\ne2e_key = "{KEY}"\ne2e_key_file = "key"', "e2e_key_file: stands beside e2e_key"),
    ],
)
def test_services_that_are_wrong(tmp_path: Path, lines: str, problem: str) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    assert any(problem in found for found in read(tmp_path, f"[access.services.ssh]\n{lines}\n")[1])


def test_two_local_ports_cannot_be_one(tmp_path: Path) -> None:
    service = '[access.services.{}]\nkey = "${{KEY}}"\nbind_addr = "127.0.0.1:2222"\n'
    _, [problem] = read(tmp_path, service.format("one") + service.format("two"))
    assert "access.services.two.bind_addr: 127.0.0.1:2222 is taken by access.services.one.bind_addr" in problem


def test_a_port_for_everybody_is_warned_about(tmp_path: Path) -> None:
    loaded, problems = read(tmp_path, '[access.services.ssh]\nkey = "${KEY}"\nbind_addr = "0.0.0.0:2222"\n')
    assert not problems
    assert "0.0.0.0:2222 lets other machines in with your key" in loaded.warnings[0]


def test_the_way_to_the_server_is_read_as_at_home(tmp_path: Path) -> None:
    _, problems = read(tmp_path, "[access.services]\n", 'remote_adr = 1\ntrusted_root = "none.pem"')
    assert any("access.remote_adr: unknown key; did you mean remote_addr?" in problem for problem in problems)
    assert any("access.trusted_root: there is no file" in problem for problem in problems)
