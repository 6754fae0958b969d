"""Aliases are stable, distinct, of 127.128.0.0/9, and lead back."""

from ipaddress import ip_address, ip_network

import pytest

from hushgate.client.alias import Aliases

BLOCK = ip_network("127.128.0.0/9")


def test_an_alias_is_stable_and_leads_back() -> None:
    aliases = Aliases()
    alias = aliases.of("2001:db8::7")
    assert ip_address(alias) in BLOCK
    assert aliases.of("2001:db8::7") == alias == Aliases().of("2001:db8::7")
    assert aliases.visitor(alias) == "2001:db8::7"
    assert aliases.visitor("127.200.0.1") is None


def test_no_two_visitors_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.client.alias._SIZE", 64)
    aliases = Aliases()
    assert len({aliases.of(f"192.0.2.{n}") for n in range(50)}) == 50


def test_the_longest_unseen_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.client.alias._KEPT", 2)
    aliases = Aliases()
    first, second = aliases.of("a"), aliases.of("b")
    aliases.of("a")
    aliases.of("c")
    assert (aliases.visitor(first), aliases.visitor(second)) == ("a", None)
