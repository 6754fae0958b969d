"""Single values: every accepted form, and a reason for the rest."""

import pytest

from hushgate.config import values
from hushgate.config.model import Address, Remote


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("20s", 20), ("2m", 120), ("500ms", 0.5), ("1h", 3600), ("1.5 s", 1.5), ("7", 7), (60, 60), (0.25, 0.25), (0, 0)],
)
def test_duration(written: object, seconds: float) -> None:
    assert values.duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["soon", "", "-1s", -1, True, float("inf"), float("nan"), [20], "20 d"])
def test_not_a_duration(written: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        values.duration(written)


@pytest.mark.parametrize(
    ("written", "size"), [("16MiB", 2**24), ("64 KiB", 2**16), ("1gb", 10**9), ("70000", 70_000), (65_536, 65_536)]
)
def test_size(written: object, size: int) -> None:
    assert values.size(65_536)(written) == size


@pytest.mark.parametrize("written", ["big", "1.5MiB", -1, True, 1.0, "16TiB"])
def test_not_a_size(written: object) -> None:
    with pytest.raises(ValueError, match="size"):
        values.size(0)(written)


def test_size_too_small() -> None:
    with pytest.raises(ValueError, match="at least 65536 bytes"):
        values.size(65_536)("1KiB")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("127.0.0.1:22", Address("127.0.0.1", 22)),
        ("[::1]:22", Address("::1", 22)),
        (":::22", Address("::", 22)),
        ("home.lan:8080", Address("home.lan", 8080)),
        ("0.0.0.0:0", Address("0.0.0.0", 0)),
    ],
)
def test_address(written: str, address: Address) -> None:
    assert values.address(written) == address
    assert values.address(str(address)) == address


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("22", '"127.0.0.1:22"'),
        ("localhost", '"localhost:22"'),
        (":22", '"0.0.0.0:22"'),
        ("host:ssh", "port"),
        ("host:65536", "port"),
        ("host:²", "port"),
        ("1:2:3", "brackets"),
        ("[host]:22", "IPv6"),
        ("http://host:22", "brackets"),
        ("a b:22", "host:port"),
        ("", "empty"),
        ("h\0:1", "zero byte"),
        (22, "text in quotes, not a number"),
    ],
)
def test_not_an_address(written: object, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        values.address(written)
    assert reason in str(caught.value)


def test_target_has_a_port() -> None:
    with pytest.raises(ValueError, match="port 0"):
        values.target("127.0.0.1:0")


@pytest.mark.parametrize(
    ("written", "remote"),
    [
        ("wss://Tunnel.Example.org/", Remote("wss", "tunnel.example.org", 443, "/")),
        ("wss://h:8443/a/b?c=d", Remote("wss", "h", 8443, "/a/b?c=d")),
        ("ws://127.0.0.1", Remote("ws", "127.0.0.1", 80, "/")),
        ("tls://h", Remote("tls", "h", 443, "/")),
        ("tcp://[::1]:7000", Remote("tcp", "::1", 7000, "/")),
        ("H.example:2333", Remote("tcp", "h.example", 2333, "/")),
    ],
)
def test_remote(written: str, remote: Remote) -> None:
    assert values.remote(written, "tcp") == remote
    assert values.remote(str(remote), "tcp") == remote


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("https://h/", "write wss://"),
        ("noise://h:1", "does not speak noise"),
        ("tcp://h", "no port"),
        ("wss://h:0/", None),
        ("wss://h:99999/", "not a URL"),
        ("wss:///", "not a URL"),
        ("wss://u:secret@h/", "password"),
        ("wss://h/#x", "fragment"),
        ("h.example/path", 'write "wss://h.example/path"'),
        ("h.example", 'write "wss://h.example/"'),
        ("wss:h.example", 'write "wss://h.example/"'),
        ("wss://h/ü", "percent-encoded"),
        ("wss://h/\a", "percent-encoded"),
        ("wss://bücher.example/", 'write "xn--bcher-kva.example"'),
        ("bücher.example:443", 'write "xn--bcher-kva.example"'),
        ("wss://ü..example/", "no host name"),
        ("wss://" + "h." * 127 + "example/", "253"),
    ],
)
def test_not_a_remote(written: str, reason: str | None) -> None:
    with pytest.raises(ValueError) as caught:
        values.remote(written, "tcp")
    assert (reason or "no port") in str(caught.value)
    assert "secret" not in str(caught.value)


def test_loopback() -> None:
    assert all(values.is_loopback(host) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1"))
    assert not any(values.is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org"))


def test_other_types() -> None:
    assert values.texts(["a"]) == ["a"]
    assert values.boolean(False) is False
    assert values.count(1)(3) == 3
    for parse, bad in [(values.texts, "a"), (values.texts, [""]), (values.boolean, 1), (values.count(1), 0)]:
        with pytest.raises(ValueError):
            parse(bad)
    with pytest.raises(ValueError, match="at least 1 and at most 2"):
        values.count(1, 2)(3)
