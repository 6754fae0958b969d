"""The way to an answer: each step has its own name when it fails."""

import socket
import threading
from pathlib import Path

import pytest

from hushgate.doctor import fetch
from hushgate.doctor.fetch import Answer, Place
from hushgate.doctor.report import UNREACHABLE, Fault
from tests.doctor.scene import Asked, Told, says, serving
from tests.e2e import certificates


def fault(place: Place) -> str:
    with pytest.raises(Fault) as caught:
        place.ask("GET", "/")
    assert caught.value.code == UNREACHABLE
    return caught.value.finding.check


def test_a_name_that_does_not_exist() -> None:
    assert fault(Place("https://nowhere.invalid/")) == "dns"
    assert fault(Place(f"https://{'x' * 64}.invalid/")) == "dns"


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert fault(Place(f"http://127.0.0.1:{port}/")) == "connect"


def test_no_tls_there() -> None:
    with serving(lambda asked: says({})) as url:
        assert fault(Place(url.replace("http", "https"))) == "tls"


def test_certificates(tmp_path: Path) -> None:
    good, other = certificates.make(tmp_path / "a", "localhost"), certificates.make(tmp_path / "b", "other.example")
    with serving(lambda asked: says({"a": 1}), (good.chain, good.key)) as url:
        assert Place(url, roots=good.root).ask("GET", "/").value == {"a": 1}
        assert fault(Place(url, roots=other.root)) == "tls"
    with serving(lambda asked: says({}), (other.chain, other.key)) as url:
        assert fault(Place(url, roots=other.root)) == "tls"


@pytest.mark.parametrize(("said", "home"), [(b"", True), (b"SSH-2.0-OpenSSH_9.2\r\n", False)])
def test_something_that_speaks_no_http(said: bytes, home: bool) -> None:
    """Who closes without a word may be a port that leads to nobody."""

    def answer(listener: socket.socket) -> None:
        visitor, _ = listener.accept()
        with visitor:
            visitor.recv(1000)
            visitor.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        assert fault(Place(f"http://127.0.0.1:{listener.getsockname()[1]}/")) == "connection"
        thread.join(10)


def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "WAIT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert fault(Place(f"http://127.0.0.1:{listener.getsockname()[1]}/")) == "answer"


def test_answers() -> None:
    events = Answer(200, {"content-type": "text/event-stream"}, b'data: {"a":1}\n\ndata:\n\n')
    assert events.value == {"a": 1}
    assert Answer(200, {"content-type": "text/event-stream"}, b"").value is None
    assert Answer(401, {}, b'{"error":{"message":"no"}}').said == "no"
    assert Answer(401, {}, b'{"error":"no"}').said == "no"
    assert Answer(401, {}, b"<b>no\n</b>" + b"x" * 500).said.startswith("<b>no </b>xxx")


def test_the_key_and_headers_are_sent() -> None:
    seen: list[Asked] = []

    def site(asked: Asked) -> Told:
        seen.append(asked)
        return says({})

    with serving(site) as url:
        place = Place(url, "secret")
        place.ask("POST", "/a", {"b": 1}, X_Other="c")
    assert "secret" not in repr(place)
    (asked,) = seen
    assert (asked.method, asked.path, asked.value) == ("POST", "/a", {"b": 1})
    assert (asked.headers["authorization"], asked.headers["x-other"]) == ("Bearer secret", "c")
