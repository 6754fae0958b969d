"""[client]."""

from pathlib import Path

import pytest

from hushgate.config.model import Address, ClientConfig, Remote, Secret, Tcp, Timing

from .conftest import Read

TOKEN = "0123456789abcdef" * 4
SERVICE = f'[client.services.ssh]\ntoken = "{TOKEN}"\nlocal_addr = "127.0.0.1:22"\n'


def client(remote: str = "wss://h.example/", section: str = "", rest: str = SERVICE) -> str:
    return f'[client]\nremote_addr = "{remote}"\n{section}\n{rest}'


def good(read: Read, text: str, platform: str = "linux") -> ClientConfig:
    loaded, problems = read(text, platform)
    assert not problems
    assert loaded.client is not None
    return loaded.client


def test_defaults(read: Read) -> None:
    config = good(read, client())
    assert config.remote == Remote("wss", "h.example", 443, "/")
    assert (config.trusted_root, config.hostname, config.timing, config.tcp) == (None, None, Timing(), Tcp())
    assert config.services["ssh"].local == Address("127.0.0.1", 22)


@pytest.mark.parametrize(
    ("remote", "transport", "scheme"),
    [
        ("127.0.0.1:2333", "", "tcp"),
        ("127.0.0.1:2333", 'type = "tcp"', "tcp"),
        ("h.example:2333", 'type = "tls"', "tls"),
        ("127.0.0.1:2333", 'type = "websocket"', "ws"),
        ("127.0.0.1:2333", 'type = "websocket"\nwebsocket = { tls = false }', "ws"),
        ("h.example:443", 'type = "websocket"\nwebsocket = { tls = true }', "wss"),
        ("tls://h.example", "", "tls"),
        ("tcp://[::1]:7000", 'type = "tcp"', "tcp"),
        ("wss://h.example/", 'type = "websocket"\nwebsocket = { tls = false }', "wss"),
    ],
)
def test_scheme(read: Read, remote: str, transport: str, scheme: str) -> None:
    table = f"[client.transport]\n{transport}\n" if transport else ""
    assert good(read, client(remote, rest=table + SERVICE)).remote.scheme == scheme


@pytest.mark.parametrize("remote", ["ws://h.example/", "tcp://h.example:1", "h.example:1"])
def test_plain_text_to_another_machine_must_be_meant(read: Read, remote: str) -> None:
    _, [problem] = read(client(remote))
    assert "client.remote_addr: " in problem and 'write "wss://h.example' in problem and "insecure = true" in problem
    assert good(read, client(remote, "insecure = true")).remote.host == "h.example"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (client("wss://your-domain.com/"), "client.remote_addr: your-domain.com is an example"),
        (client("wss://t.Your-Domain.com/"), "t.your-domain.com is an example"),
        (client("https://h.example/"), "client.remote_addr: this version does not speak https://; write wss://"),
        (client("noise://h.example:1"), "does not speak noise"),
        (client(rest='[client.transport]\ntype = "tcp"\n' + SERVICE), 'type: is "tcp", but remote_addr says wss://'),
        (
            client("ws://127.0.0.1/", rest="[client.transport.websocket]\ntls = true\n" + SERVICE),
            "client.remote_addr: says ws://, but",
        ),
        (client(rest='[client.transport]\ntype = "noise"\n' + SERVICE), "does not speak noise"),
        (
            client(rest='[client.transport.tcp]\nproxy = "http://x:1"\n' + SERVICE),
            "tcp.proxy: this version does not dial",
        ),
        (client(section='trusted_root = "none.pem"'), "client.trusted_root: there is no file"),
        (client(section="verify = false"), "client.verify: unknown key"),
        (client(rest=""), "client: has no services; add [client.services.NAME]"),
        (client(rest=f'[client.services.a]\ntoken = "{TOKEN}"\n'), "client.services.a: local_addr is missing"),
        ("[client]\n" + SERVICE, "client: remote_addr is missing; write for example remote_addr = "),
        (client(rest=SERVICE + f'type = "http"\ne2e_key = "{TOKEN}"'), 'e2e_key: hides what an "http" service needs'),
        (client(rest=SERVICE + f'e2e_key = "{TOKEN}"'), "e2e_key: is what the server knows as well"),
        (client(rest=SERVICE + 'e2e_key = ""'), "client.services.ssh.e2e_key: is empty"),
        (client(rest=SERVICE + 'visitor_alias = "no"'), "visitor_alias: must be true or false"),
        (
            client(rest=SERVICE.replace("127.0.0.1", "10.0.0.1") + "visitor_alias = true"),
            "visitor_alias: works for a local_addr of 127.0.0.0/8 only",
        ),
    ],
)
def test_problems(read: Read, text: str, problem: str) -> None:
    _, problems = read(text)
    assert any(problem in found for found in problems), problems


@pytest.mark.parametrize(
    ("local", "key", "platform", "alias"),
    [
        ("127.0.0.1:22", "", "linux", True),
        ("localhost:22", "", "linux", True),
        ("127.0.0.1:22", "", "darwin", False),
        ("[::1]:22", "", "linux", False),
        ("10.0.0.1:22", "", "linux", False),
        ("127.0.0.1:11434", "", "linux", False),
        ("127.0.0.1:11434", "visitor_alias = true", "linux", True),
        ("127.0.0.1:22", "visitor_alias = false", "linux", False),
        ("127.0.0.1:22", "visitor_alias = true", "darwin", False),
    ],
)
def test_visitor_alias(read: Read, local: str, key: str, platform: str, alias: bool) -> None:
    service = f'[client.services.ssh]\ntoken = "{TOKEN}"\nlocal_addr = "{local}"\n{key}\n'
    assert good(read, client(rest=service), platform).services["ssh"].visitor_alias is alias


def test_a_key_that_the_server_does_not_have(read: Read) -> None:
    assert good(read, client()).services["ssh"].e2e_key is None
    assert good(read, client(rest=SERVICE + f'e2e_key = "{TOKEN[::-1]}"')).services["ssh"].e2e_key == Secret(
        TOKEN[::-1]
    )


def test_trust(read: Read, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    own = good(read, client(section='trusted_root = "ca.pem"'))
    assert own.trusted_root == tmp_path / "ca.pem"
    table = '[client.transport.tls]\ntrusted_root = "ca.pem"\nhostname = "other.example"\n'
    rathole = good(read, client(rest=table + SERVICE))
    assert (rathole.trusted_root, rathole.hostname) == (tmp_path / "ca.pem", "other.example")
    _, problems = read(client(section='trusted_root = "hushgate.toml"', rest=table + SERVICE))
    assert any("differs from transport.tls.trusted_root" in problem for problem in problems)


def test_rathole_keys_are_accepted(read: Read) -> None:
    table = "[client.transport.tcp]\nnodelay = false\nkeepalive_secs = 10\nkeepalive_interval = 2\n"
    section = "heartbeat_timeout = 40\nretry_interval = 1\ngrace = 0"
    config = good(read, client(section=section, rest=table + SERVICE + "retry_interval = 2\n"))
    assert config.tcp == Tcp(False, 10, 2)
    assert config.timing.grace == 0
    assert config.services["ssh"].nodelay is False


def test_what_home_says_of_http(read: Read) -> None:
    def service(lines: str) -> tuple[str, bool]:
        found = good(read, client(rest=SERVICE + lines)).services["ssh"]
        return found.host, found.gateway

    assert service("") == ("", False)
    assert service('type = "http"') == ("127.0.0.1:22", False)
    assert service('type = "http"\nhost_header = "preserve"\ngateway = true') == ("", True)
    assert service('type = "http"\nprofile = "ollama"') == ("127.0.0.1:22", True)
    assert service('type = "http"\nhost_header = "a.org:1"') == ("a.org:1", False)
    for lines, reason in (
        ('type = "http"\nhost_header = "a b"', 'host_header: must be "local"'),
        ('host_header = "local"', "host_header: is for services of HTTP"),
        ('profile = "ollama"', "profile: is for services of HTTP"),
        ("gateway = true", "gateway: is for services of HTTP"),
    ):
        _, [problem] = read(client(rest=SERVICE + lines))
        assert reason in problem


@pytest.mark.parametrize("line", ["keys = []", "per_minute = 3", 'park = "20s"', "public = true", 'path = "/x"'])
def test_what_stands_at_the_server(read: Read, line: str) -> None:
    _, [problem] = read(client(rest=SERVICE + line))
    key = line.split()[0]
    assert problem.endswith(f"client.services.ssh.{key}: stands at the server, in [server.services.ssh]")


@pytest.mark.parametrize(
    ("lines", "hinted"),
    [
        ('command = ["a"]\ntype = "tcp"', "type: has no effect"),
        ('command = ["a"]\ntype = "http"', ""),
        (
            'local_addr = "127.0.0.1:1"\ntype = "http"\ngateway = true\nvisitor_alias = true',
            "visitor_alias: has no effect",
        ),
        (
            'local_addr = "127.0.0.1:1"\ntype = "http"\nprofile = "mcp"\nvisitor_alias = true',
            "visitor_alias: has no effect",
        ),
        ('command = ["a"]\nvisitor_alias = true', "visitor_alias: has no effect"),
        ('local_addr = "127.0.0.1:22"\ntype = "http"\ngateway = true', ""),
        ('local_addr = "127.0.0.1:1"\ntype = "http"\nvisitor_alias = true', ""),
    ],
)
def test_what_does_nothing_is_pointed_out(read: Read, lines: str, hinted: str) -> None:
    loaded, problems = read(client(rest=f'[client.services.x]\ntoken = "{TOKEN}"\n{lines}\n'))
    assert not problems and len(loaded.hints) == bool(hinted) and all(hinted in hint for hint in loaded.hints)


@pytest.mark.parametrize(
    ("lines", "hinted"),
    [
        ('local_addr = "127.0.0.1:11434"', True),
        ('local_addr = "127.0.0.1:11434"\ntype = "http"\nprofile = "ollama"', False),
        ('local_addr = "127.0.0.1:8080"', False),
    ],
)
def test_an_ollama_without_rules_is_pointed_out(read: Read, lines: str, hinted: bool) -> None:
    loaded, problems = read(client(rest=f'[client.services.x]\ntoken = "{TOKEN}"\n{lines}\n'))
    assert not problems and any("profile" in hint for hint in loaded.hints) is hinted
