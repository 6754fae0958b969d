"""[server]."""

from pathlib import Path

import pytest

from hushgate.config.model import Address, Certificate, Limits, ServerConfig, Tcp, Timing
from hushgate.protocol.keys import Role, derive_keys

from .conftest import Read

TOKEN = "0123456789abcdef" * 4
SERVICE = f'[server.services.ssh]\ntoken = "{TOKEN}"\nbind_addr = "0.0.0.0:2222"\n'


def server(section: str = "", rest: str = SERVICE, bind: str = "127.0.0.1:8443") -> str:
    return f'[server]\nbind_addr = "{bind}"\n{section}\n{rest}'


def good(read: Read, text: str) -> ServerConfig:
    loaded, problems = read(text)
    assert not problems
    assert loaded.server is not None
    return loaded.server


def test_defaults(read: Read) -> None:
    config = good(read, server())
    assert config.bind == Address("127.0.0.1", 8443)
    assert (config.names, config.certificate, config.timing, config.limits) == ((), None, Timing(), Limits())
    assert config.services["ssh"].nodelay and config.services["ssh"].bind == Address("0.0.0.0", 2222)


def test_our_own_keys(read: Read) -> None:
    limits = """[server.limits]
streams = 100
replay = "1MiB"
window = "1MiB"
growth = 0
unread = "1GiB"
replay_detached = "2MiB"
visitors_waiting = 3
visitors_waiting_address = 2
connections = 9
connections_address = 4
"""
    section = 'names = ["A.Example.org", "b.example.org"]\ngrace = "2m"\nvisitor_wait = 5\ndrain = "500ms"'
    config = good(read, server(section, limits + SERVICE))
    assert config.names == ("a.example.org", "b.example.org")
    assert config.timing == Timing(grace=120.0, visitor_wait=5.0, drain=0.5)
    assert config.limits == Limits(
        streams=100,
        replay=2**20,
        window=2**20,
        growth=0,
        unread=2**30,
        replay_detached=2**21,
        visitors_waiting=3,
        visitors_waiting_address=2,
        connections=9,
        connections_address=4,
    )


def test_tls(read: Read, tmp_path: Path) -> None:
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("")
    certificate = 'certificate = { cert = "c.pem", key = "k.pem" }'
    expected = Certificate(tmp_path / "c.pem", tmp_path / "k.pem")
    assert good(read, server(f"tls = true\n{certificate}")).certificate == expected
    assert good(read, server(certificate, '[server.transport]\ntype = "tls"\n' + SERVICE)).certificate == expected
    wss = '[server.transport]\ntype = "websocket"\n[server.transport.websocket]\ntls = true\n'
    assert good(read, server(certificate, wss + SERVICE)).certificate == expected
    loaded, problems = read(server(certificate))
    assert not problems and "server.certificate: is not used: set tls = true" in loaded.warnings[0]


@pytest.mark.parametrize(
    ("section", "rest", "problem"),
    [
        ("tls = true", "", "server: TLS needs a certificate; write certificate = {"),
        ('tls = true\ncertificate = { cert = "none.pem", key = "none.pem" }', "", "certificate.cert: there is no file"),
        ('tls = true\ncertificate = { cert = "/" }', "", "server.certificate: key is missing"),
        ('certificate = { cert = "/", key = "/" }', "", "server.certificate.cert: / is a directory"),
        ('certificate = "x"', "", "server.certificate: must be a table"),
        ("tls = false", '[server.transport]\ntype = "tls"\n', "server.tls: is false, but the transport table"),
        ('names = ["https://a"]', "", "server.names: are host names alone"),
        ('names = ["a:443"]', "", "server.names: are host names alone"),
        ('names = ["your-domain.com"]', "", "server.names: your-domain.com is an example"),
        ("heartbeat_interval = -1", "", "server.heartbeat_interval: must be at least 0"),
        ("", '[server.limits]\nreplay = "1KiB"\n', "server.limits.replay: must be at least 65536 bytes"),
        ("", "[server.limits]\nstreems = 1\n", "server.limits.streems: unknown key; did you mean streams?"),
        ("", '[server.transport]\ntype = "noise"\n', "server.transport.type: this version does not speak noise"),
        ("", '[server.transport]\ntype = "quic"\n', 'server.transport.type: must be "websocket", "tls" or "tcp"'),
        ("", "[server.transport.websocket]\ntls = 1\n", "server.transport.websocket.tls: must be true or false"),
        ("acces_key = 1", "", "server.acces_key: unknown key"),
    ],
)
def test_problems(read: Read, section: str, rest: str, problem: str) -> None:
    _, problems = read(server(section, rest + SERVICE))
    assert any(problem in found for found in problems), problems


def test_pkcs12_names_the_key_to_write(read: Read) -> None:
    transport = '[server.transport]\ntype = "tls"\n[server.transport.tls]\npkcs12 = "x.pfx"\npkcs12_password = "y"\n'
    _, [problem] = read(server("", transport + SERVICE))
    assert problem.startswith("server.transport.tls.pkcs12: this version reads PEM files; write certificate = {")


def test_rathole_keys_are_accepted(read: Read) -> None:
    transport = """[server.transport]
type = "tcp"
[server.transport.tcp]
nodelay = false
keepalive_secs = 30
keepalive_interval = 5
proxy = "socks5://127.0.0.1:1080"
[server.transport.noise]
pattern = "Noise_NK_25519_ChaChaPoly_BLAKE2s"
local_private_key = "x"
[server.transport.tls]
trusted_root = "x"
"""
    services = f'[server.services.a]\ntype = "tcp"\ntoken = "{TOKEN}"\nbind_addr = "0.0.0.0:1"\nnodelay = true\n'
    config = good(read, server("heartbeat_interval = 30", transport + SERVICE + services))
    assert config.tcp == Tcp(False, 30, 5)
    assert config.services["ssh"].nodelay is False
    assert config.services["a"].nodelay is True


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("0.0.0.0:2222", "0.0.0.0:2222", True),
        ("0.0.0.0:2222", "127.0.0.1:2222", True),
        ("localhost:2222", "127.0.0.1:2222", True),
        ("[::]:2222", "[::1]:2222", True),
        ("0.0.0.0:2222", "0.0.0.0:2223", False),
        ("10.0.0.1:2222", "10.0.0.2:2222", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("127.0.0.1:8443", "10.0.0.1:1", True),
    ],
)
def test_two_listeners_on_one_address(read: Read, first: str, second: str, clash: bool) -> None:
    services = "".join(
        f'[server.services.{name}]\ntoken = "{TOKEN}"\nbind_addr = "{bind}"\n'
        for name, bind in (("a", first), ("b", second))
    )
    _, problems = read(server("", services))
    assert bool(problems) is clash
    assert all("is taken by server." in problem for problem in problems)


def test_udp_is_told_clearly(read: Read) -> None:
    _, [problem] = read(server("", SERVICE + 'type = "udp"'))
    assert "server.services.ssh.type: this version does not carry UDP" in problem
    _, [problem] = read(server("", SERVICE + 'type = "ftp"'))
    assert 'must be "tcp" or "http"' in problem


def test_services_are_needed(read: Read) -> None:
    _, [problem] = read(server("", ""))
    assert problem == "server: has no services; add [server.services.NAME]"
    loaded, problems = read(server("", "[server.services]"))
    assert not problems and any("nothing is carried" in hint for hint in loaded.hints)
    _, problems = read(server("", f'[server.services."{"x" * 256}"]\ntoken = "{TOKEN}"\nbind_addr = "0.0.0.0:1"'))
    assert any("service name" in problem for problem in problems)


def test_hints_and_warnings(read: Read) -> None:
    loaded, _ = read(server("", SERVICE.replace("0.0.0.0", "127.0.0.1"), bind="0.0.0.0:8443"))
    assert not loaded.warnings
    assert ["server.bind_addr: links arrive here without TLS" in hint for hint in loaded.hints] == [True, False]
    assert 'reachable on the VPS only; "0.0.0.0:2222" lets everybody in' in loaded.hints[1]
    loaded, _ = read(server("", SERVICE.replace("0.0.0.0:2222", "127.0.0.1:11434")))
    assert "11434 is reachable on the VPS only; an access_key lets a laptop in" in loaded.hints[0]
    alone = f'[server.services.ssh]\ntoken = "{TOKEN}"\n'
    loaded, problems = read(server("", alone))
    assert not problems and "has neither bind_addr nor access_key" in loaded.warnings[0]
    loaded, problems = read(server("", alone + 'access_key = ""\n'))
    assert len(problems) == 1 and not loaded.warnings


KEY = "fedcba9876543210" * 4


def test_access_keys(read: Read, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{KEY}3\n{KEY}4\n")
    (tmp_path / "keys").chmod(0o600)
    verifier = derive_keys(KEY, "ssh", Role.ACCESS).verifier().text()
    config = good(
        read,
        server(
            "",
            f'[server.services.ssh]\ntoken = "{TOKEN}"\naccess_key = "{KEY}1"\naccess_keys = ["{KEY}2", "{KEY}1"]\n'
            f'access_key_file = "keys"\naccess_verifier = "{verifier}"\n',
        ),
    )
    service = config.services["ssh"]
    assert [key.reveal() for key in service.access_keys] == [f"{KEY}{number}" for number in (1, 2, 3, 4)]
    assert (service.access_verifiers, service.bind) == ((verifier,), None)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (f'access_key = "{TOKEN}"', "access_key: is also a token, so a laptop could play home"),
        ('access_key = ""', "access_key: is empty"),
        ('access_verifier = "hgv1.x"', "access_verifier: is no verifier; `hushgate token verifier SERVICE --access`"),
    ],
)
def test_access_keys_that_are_wrong(read: Read, lines: str, problem: str) -> None:
    _, problems = read(server("", f"{SERVICE}{lines}\n"))
    assert len(problems) == 1 and f"server.services.ssh.{problem}" in problems[0]


def test_an_access_key_is_no_token_of_another_service_either(read: Read) -> None:
    other = f'[server.services.other]\ntoken = "{KEY}"\naccess_key = "{TOKEN}"\n'
    _, problems = read(server("", SERVICE + other))
    assert len(problems) == 1 and "server.services.other.access_key: is also a token" in problems[0]
