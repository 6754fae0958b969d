import pytest

from hushgate.guard.keyring import Keyring
from hushgate.protocol.keys import Role, Verifier
from tests.protocol.handshake import keys_of


def test_several_tokens_of_one_service() -> None:
    verifiers = [keys_of("ssh", which).verifier() for which in ("current", "staged", "retiring")]
    ring = Keyring({"ssh": verifiers, "empty": ()})
    for verifier in verifiers:
        assert ring.find(Role.CLIENT, verifier.identifier) == verifier
        assert ring.find(Role.ACCESS, verifier.identifier) is None
    assert ring.find(Role.CLIENT, bytes(16)) is None
    assert ring.names(Role.CLIENT) == {"ssh"}
    assert ring.names(Role.ACCESS) == frozenset()


def test_roles_are_apart() -> None:
    home, laptop = keys_of("ssh").verifier(), keys_of("ssh", role=Role.ACCESS).verifier()
    ring = Keyring({"ssh": [home, laptop]})
    assert ring.find(Role.ACCESS, laptop.identifier) == laptop
    assert ring.find(Role.ACCESS, home.identifier) is None
    assert ring.names(Role.ACCESS) == ring.names(Role.CLIENT) == {"ssh"}


def test_token_and_its_verifier_may_both_stand() -> None:
    verifier = keys_of("ssh").verifier()
    ring = Keyring({"ssh": [verifier, Verifier.parse(verifier.text(), "ssh", Role.CLIENT)]})
    assert ring.find(Role.CLIENT, verifier.identifier) == verifier


def test_contradictions() -> None:
    verifier = keys_of("ssh").verifier()
    forged = Verifier(verifier.role, "ssh", verifier.identifier, bytes(32), verifier.server_key)
    with pytest.raises(ValueError, match="service ssh"):
        Keyring({"ssh": [verifier, forged]})
    with pytest.raises(ValueError, match="service ollama"):
        Keyring({"ollama": [verifier]})
