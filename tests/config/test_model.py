"""The model: secrets stay secret, equality is meaning."""

from dataclasses import replace
from pathlib import Path

from hushgate.config.model import Address, Loaded, Remote, Secret, ServerConfig, ServerService


def test_a_secret_shows_in_no_form() -> None:
    secret = Secret("a" * 40)
    assert "aaa" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "a" * 40
    assert secret == Secret("a" * 40) and secret != Secret("b") and secret != "a" * 40
    assert len({secret, Secret("a" * 40)}) == 1


def test_a_configuration_shows_no_secret() -> None:
    service = ServerService("ssh", (Secret("hidden"),))
    config = Loaded(Path("x"), ServerConfig(Address("::", 1), {"ssh": service}))
    assert "hidden" not in repr(config)


def test_equality_is_meaning() -> None:
    service = ServerService("ssh", (Secret("t"),), bind=Address("0.0.0.0", 22))
    assert service == replace(service)
    assert service != replace(service, tokens=(Secret("u"),))
    assert Loaded(Path("x"), warnings=("w",)) == Loaded(Path("x"))


def test_remote() -> None:
    assert Remote("wss", "h", 443).tls and Remote("wss", "h", 443).websocket
    assert not Remote("tcp", "h", 1).tls and not Remote("tls", "h", 1).websocket
    assert str(Remote("wss", "::1", 443, "/x")) == "wss://[::1]:443/x"
