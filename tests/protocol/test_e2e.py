"""The cryptography inside a stream: a public vector, and every way to spoil a record."""

import warnings

import pytest
from noise.connection import Keypair, NoiseConnection

from hushgate.errors import ProtocolError
from hushgate.protocol.e2e import HELLO, LENGTH, PLAIN_MAX, TAG, Conversation
from hushgate.protocol.frames import Code
from hushgate.protocol.keys import derive_e2e_key
from hushgate.protocol.limits import PAYLOAD_MAX

KEY = derive_e2e_key("a key that only laptop and home hold", "ssh")


def body(record: bytes) -> bytes:
    (size,) = LENGTH.unpack_from(record)
    assert size == len(record) - LENGTH.size
    return record[LENGTH.size :]


def pair() -> tuple[Conversation, Conversation]:
    """Both ends after their hellos."""
    laptop, home = Conversation(KEY, "ssh", opener=True), Conversation(KEY, "ssh", opener=False)
    home.heard(body(laptop.hello()))
    laptop.heard(body(home.hello()))
    assert laptop.standing and home.standing
    return laptop, home


def test_the_library_computes_what_others_compute() -> None:
    """The vector of this suite in the Noise vectors of Cacophony, which most implementations share."""
    ends = []
    for opener, ephemeral in (
        (True, "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"),
        (False, "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"),
    ):
        end = NoiseConnection.from_name(b"Noise_NNpsk0_25519_ChaChaPoly_SHA256")
        end.set_prologue(b"John Galt")
        end.set_psks(psk=b"This is my Austrian perspective!")
        end.set_keypair_from_private_bytes(Keypair.EPHEMERAL, bytes.fromhex(ephemeral))
        if opener:
            end.set_as_initiator()
        else:
            end.set_as_responder()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a fixed ephemeral key is for tests
            end.start_handshake()
        ends.append(end)
    first, second = ends
    one = bytes.fromhex(
        "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"
        "79b962b8aff8485742ac32f905ba45369e2465fb59e138a93d67a0d1266b6a54"
    )
    two = bytes.fromhex(
        "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"
        "d6062704d5a9c422a8e834423f8c1feada7e8d0d910a1a2cd030fb584221e3"
    )
    assert first.write_message(b"Ludwig von Mises") == one and second.read_message(one) == b"Ludwig von Mises"
    assert second.write_message(b"Murray Rothbard") == two and first.read_message(two) == b"Murray Rothbard"
    assert first.encrypt(b"F. A. Hayek").hex() == "e632c3763d7669067383433197a3baddf146e9e70ad4b4e9e59e0f"
    assert second.encrypt(b"Carl Menger").hex() == "64c6bee32ea91c8474bb4c21d7a700109ad45af77b29764ba5eb1e"


def test_the_key_belongs_to_the_service() -> None:
    assert derive_e2e_key("one key for two services", "ssh") != derive_e2e_key("one key for two services", "web")
    assert KEY == derive_e2e_key("  a key that only laptop and home hold\n", "ssh")


def test_hellos_and_records_go_both_ways() -> None:
    laptop, home = pair()
    for text in (b"x", b"y" * PLAIN_MAX, b"z"):
        assert home.open(body(laptop.seal(text))) == text
        assert laptop.open(body(home.seal(text))) == text
    assert home.open(body(laptop.seal(b""))) == b""


def test_the_largest_record_fits_a_frame() -> None:
    laptop, _ = pair()
    assert len(laptop.seal(bytes(PLAIN_MAX))) == PAYLOAD_MAX
    assert len(body(Conversation(KEY, "ssh", opener=True).hello())) == HELLO
    assert len(body(laptop.seal(b""))) == TAG


def test_nothing_is_the_same_twice() -> None:
    """Fresh keys for each stream: what was recorded of one cannot be played to another."""
    assert Conversation(KEY, "ssh", opener=True).hello() != Conversation(KEY, "ssh", opener=True).hello()
    laptop, _ = pair()
    _, other = pair()
    with pytest.raises(ProtocolError) as caught:
        other.open(body(laptop.seal(b"command")))
    assert caught.value.code == Code.ABORTED


@pytest.mark.parametrize("spoil", ["flip", "repeat", "swap", "drop", "reflect", "short"])
def test_a_record_that_is_not_the_next_is_noticed(spoil: str) -> None:
    laptop, home = pair()
    first, second = body(laptop.seal(b"first")), body(laptop.seal(b"second"))
    if spoil == "repeat":
        home.open(first)
    wrong = {
        "flip": first[:3] + bytes((first[3] ^ 1,)) + first[4:],
        "repeat": first,
        "swap": second,
        "drop": second,
        "reflect": body(home.seal(b"first")),
        "short": first[:-1],
    }[spoil]
    with pytest.raises(ProtocolError) as caught:
        home.open(wrong)
    assert caught.value.code == Code.ABORTED and "first" not in str(caught.value)


def test_another_key_is_not_heard() -> None:
    home = Conversation(derive_e2e_key("another key for the same service", "ssh"), "ssh", opener=False)
    with pytest.raises(ProtocolError) as caught:
        home.heard(body(Conversation(KEY, "ssh", opener=True).hello()))
    assert caught.value.code == Code.DENIED


def test_another_service_is_not_heard() -> None:
    """Even if somebody derived one key for both: the name stands in the prologue, too."""
    home = Conversation(KEY, "web", opener=False)
    with pytest.raises(ProtocolError) as caught:
        home.heard(body(Conversation(KEY, "ssh", opener=True).hello()))
    assert caught.value.code == Code.DENIED


@pytest.mark.parametrize("message", [b"", b"short", bytes(HELLO), bytes(200)])
def test_noise_that_is_none_is_not_heard(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        Conversation(KEY, "ssh", opener=False).heard(message)


def test_a_hello_says_nothing_else() -> None:
    chatty = NoiseConnection.from_name(b"Noise_NNpsk0_25519_ChaChaPoly_SHA256")
    chatty.set_prologue(b"hushgate/1 e2e\0\x01\0ssh")
    chatty.set_psks(psk=KEY)
    chatty.set_as_initiator()
    chatty.start_handshake()
    with pytest.raises(ProtocolError) as caught:
        Conversation(KEY, "ssh", opener=False).heard(bytes(chatty.write_message(b"hurry")))
    assert caught.value.code == Code.PROTOCOL
