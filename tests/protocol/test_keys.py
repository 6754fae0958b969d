"""Derivation and signatures, checked against fixed vectors and against a second library."""

import itertools
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given
from hypothesis import strategies as st

from hushgate.protocol.keys import Role, Verifier, derive_keys
from tests.protocol import vectors
from tests.protocol.vectors import KEYS, STRONG, WEAK

PAGE = Path(__file__).parents[2] / "docs" / "protocol-vectors.md"


def hkdf(ikm: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=b"hushgate/1", info=info).derive(ikm)


def scrypt(token: bytes) -> bytes:
    return Scrypt(salt=b"hushgate/1 weak token", length=32, n=2**15, r=8, p=1).derive(token)


@pytest.mark.parametrize(("token", "service", "role", "identifier", "public", "server_key", "verifier"), KEYS)
def test_vectors(
    token: str, service: str, role: Role, identifier: str, public: str, server_key: str, verifier: str
) -> None:
    keys = derive_keys(token, service, role)
    assert (keys.identifier.hex(), keys.public.hex(), keys.server_key.hex()) == (identifier, public, server_key)
    assert keys.verifier().text() == verifier
    assert Verifier.parse(verifier, service, role) == keys.verifier()


@pytest.mark.parametrize(("token", "service", "role"), [row[:3] for row in KEYS])
def test_second_implementation(token: str, service: str, role: Role) -> None:
    ikm = token.encode()
    if token == WEAK:
        ikm = scrypt(ikm)
    keys = derive_keys(token, service, role)
    assert keys.server_key == hkdf(ikm, b"server key\0" + bytes([role]) + b"\0" + service.encode(), 32)
    assert keys.identifier == hkdf(keys.server_key, b"identifier", 16)
    theirs = Ed25519PrivateKey.from_private_bytes(
        hkdf(ikm, b"signing key\0" + bytes([role]) + b"\0" + service.encode(), 32)
    )
    assert keys.public == theirs.public_key().public_bytes_raw()
    assert keys.sign(b"message") == theirs.sign(b"message")
    assert keys.verifier().verify(b"message", theirs.sign(b"message"))


def test_page_holds_every_vector() -> None:
    page = "".join(PAGE.read_text().split())
    for row in KEYS:
        assert all(text in page for text in row[3:])
    for name in (
        "UPGRADE",
        "CHALLENGE",
        "LOGIN",
        "WELCOME",
        "BINDING",
        "PROVE",
        "PROVED",
        "PROBE_LOGIN",
        "PROBE_WELCOME",
    ):
        assert getattr(vectors, name).hex() in page


def test_everything_separates() -> None:
    """Another token, service or role has nothing in common with the first."""
    made = [
        derive_keys(token, service, role)
        for token, service, role in itertools.product((STRONG, STRONG + "x"), ("ssh", "ssh2", ""), Role)
    ]
    for attribute in ("identifier", "public", "server_key"):
        assert len({getattr(keys, attribute) for keys in made}) == len(made)
    message = b"hello"
    for signer, checker in itertools.product(made, made):
        assert checker.verifier().verify(message, signer.sign(message)) == (signer is checker)


def test_white_space_is_trimmed() -> None:
    assert derive_keys(f" \t{STRONG}\r\n", "ssh", Role.CLIENT) == derive_keys(STRONG, "ssh", Role.CLIENT)
    assert derive_keys(f"\n{WEAK}  ", "ssh", Role.CLIENT) == derive_keys(WEAK, "ssh", Role.CLIENT)


def test_weakness_counts_characters_of_the_trimmed_token() -> None:
    padded, long = "a" * 21 + "   ", "é" * 22
    scrypted = scrypt(b"a" * 21)
    info = b"server key\0\x01\0ssh"
    assert derive_keys(padded, "ssh", Role.CLIENT).server_key == hkdf(scrypted, info, 32)
    assert derive_keys(long, "ssh", Role.CLIENT).server_key == hkdf(long.encode(), info, 32)


@pytest.mark.parametrize("token", ["", " \n", "secret\ud800secret secret secret"])
def test_unusable_tokens(token: str) -> None:
    with pytest.raises(ValueError) as caught:
        derive_keys(token, "ssh", Role.CLIENT)
    assert "secret" not in repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_reprs_hide_secrets() -> None:
    keys = derive_keys(STRONG, "ssh", Role.CLIENT)
    for shown in (repr(keys), str(keys), repr(keys.verifier()), f"{keys.verifier()}"):
        assert "ssh" in shown
        assert STRONG not in shown
        assert "Private" not in shown
        for secret in (keys.server_key, keys.identifier, keys.public):
            assert repr(secret) not in shown
            assert secret.hex() not in shown


def test_verifier_round_trip_and_damage() -> None:
    verifier = derive_keys(STRONG, "ssh", Role.CLIENT).verifier()
    text = verifier.text()
    assert Verifier.parse(text, "ssh", Role.CLIENT).text() == text
    wrong = [
        text[:-1],
        text + "=",
        text + "==",
        text + "A",
        text[5:],
        "",
        "hgv1.",
        text.replace("hgv1", "hgv2"),
        " " + text,
    ]
    wrong += [text.replace("_", "/").replace("-", "+"), text[:-1] + chr(ord(text[-1]) + 1), text + "é"]
    for bad in wrong:
        with pytest.raises(ValueError, match="not a verifier") as caught:
            Verifier.parse(bad, "ssh", Role.CLIENT)
        assert text[5:20] not in str(caught.value)


@given(st.text())
def test_no_text_but_a_verifier_parses(text: str) -> None:
    with pytest.raises(ValueError):
        Verifier.parse(text, "ssh", Role.CLIENT)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=70))
def test_any_public_key_and_signature_just_fail(public: bytes, signature: bytes) -> None:
    verifier = Verifier(Role.CLIENT, "ssh", bytes(16), public, bytes(32))
    assert not verifier.verify(b"message", signature)
