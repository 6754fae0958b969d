"""docs/configuration.md is true: its examples load, and its tables name every key that is read and no other."""

import re
from pathlib import Path

import pytest

from hushgate.config.load import examine

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
ENVIRON = {name: name.lower() * 8 for name in re.findall(r"\$\{([A-Z_]+)\}", PAGE)}
SECTIONS = {
    "server": '[server]\nbind_addr = "127.0.0.1:1"\nservices = {}\n',
    "server.services.NAME": '[server]\nbind_addr = "127.0.0.1:1"\n[server.services.NAME]\ntoken = "${TOKEN}"\n',
    "[server.services.NAME.keys]": '[server]\nbind_addr = "127.0.0.1:1"\n[server.services.NAME]\ntoken = "${TOKEN}"\n'
    'type = "http"\n[[server.services.NAME.keys]]\nlabel = "a"\nkey = "${TOKEN}1"\n',
    "server.limits": '[server]\nbind_addr = "127.0.0.1:1"\nservices = {}\n[server.limits]\n',
    "client": '[client]\nremote_addr = "wss://h/"\nservices = {}\n',
    "client.services.NAME": '[client]\nremote_addr = "wss://h/"\n[client.services.NAME]\ntoken = "${TOKEN}"\n',
    "client.limits": '[client]\nremote_addr = "wss://h/"\nservices = {}\n[client.limits]\n',
    "access.limits": '[access]\nremote_addr = "wss://h/"\nservices = {}\n[access.limits]\n',
    "access": '[access]\nremote_addr = "wss://h/"\nservices = {}\n',
    "access.services.NAME": '[access]\nremote_addr = "wss://h/"\n[access.services.NAME]\nkey = "${TOKEN}"\n',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("fullchain.pem", "privkey.pem", "ca.pem"):
        (tmp_path / name).write_text("")
    (tmp_path / "ssh.token").write_text("0123456789abcdef" * 4)
    (tmp_path / "ssh.token").chmod(0o600)
    return tmp_path


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_loads(block: str, folder: Path) -> None:
    path = folder / "example.toml"
    path.write_text(block)
    loaded, problems = examine(path, ENVIRON, platform="linux")
    assert not problems
    assert not loaded.warnings


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_the_tables_name_every_key(section: str, folder: Path) -> None:
    """An unknown key's message lists the known ones."""
    path = folder / "probe.toml"
    unknown = "qqqqqqqqqqqqqqqq = 1\n"
    text = SECTIONS[section]
    text = (
        text.replace("services = {}\n", unknown + "services = {}\n", 1) if "limits" not in section else text + unknown
    )
    path.write_text(text if unknown in text else text + unknown)
    [known] = [line.split("known here: ")[1] for line in examine(path, ENVIRON)[1] if "known here: " in line]
    expected = set(known.split(", ")) - {"services", "transport", "limits"}
    assert documented(section.replace("access.limits", "client.limits")) == expected


def documented(section: str) -> set[str]:
    body = PAGE.split(f"## `[{section}]`\n")[1].split("\n## ")[0]
    return {
        key for row in re.findall(r"^\| (`.*?) \|", body, re.MULTILINE) for key in re.findall(r"`([a-z0-9_]+)`", row)
    }
