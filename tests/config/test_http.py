"""`type = "http"`: keys, their values, and what cannot be together."""

from pathlib import Path

import pytest

from hushgate.config.load import examine
from hushgate.config.model import Http, Quota, ServerConfig

HEAD = '[server]\nbind_addr = "127.0.0.1:8443"\n'
TOKEN = "0123456789abcdef" * 4


def examined(tmp_path: Path, text: str) -> tuple[ServerConfig | None, list[str]]:
    path = tmp_path / "server.toml"
    path.write_text(text)
    path.chmod(0o600)
    loaded, problems = examine(path, {}, platform="linux")
    return loaded.server, [problem.partition(": ")[2] for problem in problems]


def service(lines: str, name: str = "ollama") -> str:
    return f'[server.services.{name}]\ntoken = "{TOKEN}"\n{lines}\n'


def http(tmp_path: Path, lines: str) -> Http | None:
    server, problems = examined(tmp_path, HEAD + service('type = "http"\n' + lines))
    assert not problems and server is not None
    return server.services["ollama"].http


def test_defaults(tmp_path: Path) -> None:
    assert http(tmp_path, 'bind_addr = "127.0.0.1:1"') == Http()
    server, _ = examined(tmp_path, HEAD + service('bind_addr = "127.0.0.1:1"'))
    assert server is not None and server.services["ollama"].http is None


def test_values(tmp_path: Path) -> None:
    lines = 'hostname = "Ollama.Example.org."\npath = "/a/b/"\npark = 0\nhead_timeout = "5s"\nbody_timeout = 6'
    assert http(tmp_path, lines) == Http(("ollama.example.org",), "/a/b", park=0.0, head=5.0, body=6.0)
    assert http(tmp_path, 'hostname = ["a", "b", "a"]') == Http(("a", "b"))
    each = 'hostname = "a"\nper_minute = 5\neach_address = true'
    assert http(tmp_path, each) == Http(("a",), quota=Quota(per_minute=5), each_address=True)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('hostname = "a:80"', "hostname: is a host name alone, without scheme, port or path"),
        ('hostname = "https://a"', "hostname: is a host name alone, without scheme, port or path"),
        (
            'hostname = "x.your-domain.com"',
            "hostname: x.your-domain.com is an example; write your own domain",
        ),
        ('path = "ollama"', 'path: must be a path such as "/ollama", of letters, digits and . _ ~ -'),
        ('path = "/"', 'path: must be a path such as "/ollama", of letters, digits and . _ ~ -'),
        ('path = "/a/../b"', 'path: must be a path such as "/ollama", of letters, digits and . _ ~ -'),
        ('path = "/a b"', 'path: must be a path such as "/ollama", of letters, digits and . _ ~ -'),
        (
            "each_address = true",
            "each_address: needs a limit: add per_minute, concurrent or streams, or remove it",
        ),
        (
            f'keys = ["{TOKEN[::-1]}"]\nper_minute = 5\neach_address = true',
            "each_address: is for visitors without a key, and there are keys; remove one of the two",
        ),
        ("body_timeout = 0", 'body_timeout: must be longer than nothing, for example "60s"'),
    ],
)
def test_values_that_are_none(tmp_path: Path, lines: str, problem: str) -> None:
    _, problems = examined(tmp_path, HEAD + service('type = "http"\nbind_addr = "127.0.0.1:1"\n' + lines))
    assert problems == [f"server.services.ollama.{problem}"]


def test_keys_of_http_belong_to_http(tmp_path: Path) -> None:
    _, problems = examined(tmp_path, HEAD + service('bind_addr = "127.0.0.1:1"\npark = "1s"'))
    assert problems == ['server.services.ollama.park: is for services of HTTP; add type = "http", or remove it']


def test_two_services_at_one_place(tmp_path: Path) -> None:
    same = 'type = "http"\nhostname = "a.org"\npath = "/x"'
    _, problems = examined(tmp_path, HEAD + service(same) + service(same, "mcp"))
    assert problems == ["server.services.mcp.hostname: a.org/x is that of the service ollama; choose another"]
    _, problems = examined(tmp_path, HEAD + service(same) + service(same.replace("/x", "/y"), "mcp"))
    assert problems == []


def test_a_certificate_for_a_service_alone(tmp_path: Path) -> None:
    lines = 'bind_addr = "0.0.0.0:1"\ntls = true'
    _, problems = examined(tmp_path, HEAD + service(lines))
    assert "TLS needs a certificate" in problems[0]
    for name in ("c", "k"):
        (tmp_path / name).write_text("")
    head = HEAD + 'certificate = { cert = "c", key = "k" }\n'
    server, problems = examined(tmp_path, head + service(lines))
    assert not problems and server is not None and server.certificate and server.plain
    server, _ = examined(tmp_path, head + "tls = true\n" + service(lines))
    assert server is not None and not server.plain
    _, problems = examined(tmp_path, head + service("tls = true"))
    assert problems == ["server.services.ollama.tls: is for the service's own port; add bind_addr, or remove it"]
