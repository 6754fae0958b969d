"""Keys in every header that clients use, and none in any other form."""

import base64
import hashlib
import time
import tracemalloc

import pytest

from hushgate.config.model import HttpKey
from hushgate.guard.httpkeys import HttpKeys, in_api_key, in_authorization


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


ONE = HttpKey("laptop", digest("k" * 43))
TWO = HttpKey("phone", digest("q" * 43), admin=True)
KEYS = HttpKeys([ONE, TWO])


def basic(pair: bytes) -> bytes:
    return b"Basic " + base64.b64encode(pair)


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer " + b"k" * 43,
        b"bearer   " + b"k" * 43 + b" ",
        basic(b"anybody:" + b"k" * 43),
        basic(b":" + b"k" * 43),
    ],
)
def test_a_key_is_found_where_clients_put_it(value: bytes) -> None:
    assert KEYS.find(in_authorization([value])) is ONE
    assert KEYS.find(in_api_key([b" " + b"q" * 43])) is TWO


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b""],
        [b"Bearer"],
        [b"Bearer "],
        [b"Bearer " + b"k" * 42],
        [b"Bearer " + b"K" * 43],
        [b"k" * 43],
        [b"Digest " + b"k" * 43],
        [b"Bearer " + b"k" * 43, b"Bearer " + b"k" * 43],
        [basic(b"k" * 43)],
        [basic(b"k:")],
        [b"Basic !!!"],
        [b"Bearer sha256:" + ONE.digest.hex().encode()],
        [b"Bearer \xff\x00"],
    ],
)
def test_nothing_else_is_a_key(values: list[bytes]) -> None:
    assert KEYS.find(in_authorization(values)) is None


@pytest.mark.parametrize("values", [[], [b""], [b"k" * 43, b"k" * 43], [b"Bearer " + b"k" * 43]])
def test_nor_in_the_other_header(values: list[bytes]) -> None:
    assert KEYS.find(in_api_key(values)) is None


def test_no_keys_let_nobody_in() -> None:
    assert HttpKeys().find([b"", b"k" * 43]) is None and len(HttpKeys()) == 0 and len(KEYS) == 2


def test_ten_thousand_keys_are_quick_and_small() -> None:
    keys = [HttpKey(f"key {number}", digest(f"key {number}")) for number in range(10_000)]
    tracemalloc.start()
    many = HttpKeys(keys)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < 1_000_000
    began = time.process_time()
    assert all(many.find([b"key %d" % number]) is keys[number] for number in range(10_000))
    assert many.find([b"key 10000"]) is None
    assert time.process_time() - began < 0.5


def test_no_digest_is_shown() -> None:
    assert "laptop" in repr(ONE) and ONE.digest.hex() not in repr(ONE) and repr(ONE.digest) not in repr(ONE)
