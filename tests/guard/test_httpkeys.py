"""Keys in every header that clients use, and none in any other form."""

import base64

import pytest

from hushgate.guard.httpkeys import HttpKey, HttpKeys, digest_of, hash_text, parse_hash, presented

ONE = HttpKey("laptop", digest_of("k" * 43))
TWO = HttpKey("phone", digest_of("q" * 43), admin=True)
KEYS = HttpKeys([ONE, TWO])


def basic(pair: bytes) -> bytes:
    return b"Basic " + base64.b64encode(pair)


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        ([b"Bearer " + b"k" * 43], []),
        ([b"bearer   " + b"k" * 43 + b" "], []),
        ([], [b"k" * 43]),
        ([basic(b"anybody:" + b"k" * 43)], []),
        ([basic(b":" + b"k" * 43)], []),
        ([b"Bearer upstream's own"], [b"k" * 43]),
        ([b"Bearer " + b"k" * 43], [b"not-needed"]),
    ],
)
def test_a_key_is_found_where_clients_put_it(authorization: list[bytes], api_key: list[bytes]) -> None:
    assert KEYS.find(presented(authorization, api_key)) is ONE


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        ([], []),
        ([b"Bearer"], []),
        ([b"Bearer "], []),
        ([b"Bearer " + b"k" * 42], []),
        ([b"Bearer " + b"K" * 43], []),
        ([b"k" * 43], []),
        ([b"Digest " + b"k" * 43], []),
        ([b"Bearer " + b"k" * 43, b"Bearer " + b"k" * 43], []),
        ([], [b"k" * 43, b"k" * 43]),
        ([basic(b"k" * 43)], []),
        ([b"Basic !!!"], []),
        ([b"Bearer " + hash_text("k" * 43).encode()], []),
        ([b"Bearer \xff\x00"], []),
    ],
)
def test_nothing_else_is_a_key(authorization: list[bytes], api_key: list[bytes]) -> None:
    assert KEYS.find(presented(authorization, api_key)) is None


def test_no_keys_let_nobody_in() -> None:
    assert HttpKeys().find([b"", b"k" * 43]) is None and len(HttpKeys()) == 0 and len(KEYS) == 2


def test_what_a_file_keeps() -> None:
    text = hash_text("  a key with space around it\n")
    assert text.startswith("sha256:") and len(text) == 71
    assert parse_hash(text) == digest_of("a key with space around it")
    for wrong in ("", "sha256:", "sha256:" + "0" * 63, "sha256:" + "x" * 64, "0" * 64, "md5:" + "0" * 64):
        with pytest.raises(ValueError):
            parse_hash(wrong)


def test_neither_key_nor_digest_is_shown() -> None:
    assert "laptop" in repr(ONE) and ONE.digest.hex() not in repr(ONE) and repr(ONE.digest) not in repr(ONE)
