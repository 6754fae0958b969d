"""HTTP services with real programs: curl, nginx with gzip on, the clients of Ollama and of WebSocket."""

import http.client
import json
import signal
import socket
import ssl
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.e2e import article, certificates, traffic, web_service
from tests.e2e.hushgate import ENVIRON, Tunnel, command
from tests.e2e.nginx import Nginx
from tests.e2e.programs import Programs, free_port, need, run, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

DOMAIN = "tunnel.example.org"
HTTP = 'type = "http"\n'
GZIP = (
    "http {\n    gzip on;\n    gzip_min_length 0;\n    gzip_types application/x-ndjson application/json text/plain;\n"
)
LATE = 0.05
"""Seconds within which a line of a stream arrives."""
KEYSTROKE = 0.1
"""Seconds within which one echo seems to be at once."""


def start(programs: Programs, web: str = "", websocket: str = "", settings: str = "") -> Tunnel:
    """The services `web` and `websocket` at home, and a tunnel to both, as HTTP."""
    ports = free_port(), free_port()
    argv = [sys.executable, "-m", "tests.e2e.web_service", *map(str, ports)]
    service = programs.start("web_service", argv, ENVIRON)
    for port in ports:
        service.wait_listening(("127.0.0.1", port), timeout=30)
    services = {name: ("127.0.0.1", port) for name, port in zip(("web", "websocket"), ports, strict=True)}
    tunnel = Tunnel(programs, services, server_settings=settings)
    tunnel.server_lines = {"web": HTTP + web, "websocket": HTTP + websocket}
    tunnel.client_lines = dict.fromkeys(services, HTTP)
    return tunnel.start()


def curl(*arguments: str | Path) -> str:
    return run([need("curl"), "-sS", "--max-time", "30", *arguments]).stdout.decode()


def delays(connection: http.client.HTTPConnection, path: str) -> list[float]:
    """How long each line of the stream was under way, also when a proxy has packed it."""
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    assert answer.status == 200
    unpack = zlib.decompressobj(31).decompress if answer.getheader("Content-Encoding") == "gzip" else bytes
    found, text = [], b""
    while data := answer.read1(65536):
        text += unpack(data)
        *lines, text = text.split(b"\n")
        found += [time.monotonic() - json.loads(line)["at"] for line in lines]
    connection.close()
    return found


def punctual(attempt: Callable[[], list[float]]) -> bool:
    """On a busy machine lines may be late, a proxy that holds streams back makes all of them so, every time."""
    for _ in range(3):
        found = attempt()
        assert len(found) == web_service.LINES
        if sorted(found)[-3] < LATE:
            return True
    return False


def test_curl_gets_what_home_says_to_its_own_name(programs: Programs) -> None:
    tunnel = start(programs)
    base = f"http://localhost:{tunnel.ports['web']}"
    headers = json.loads(curl(f"{base}/headers", "-H", "X-Odd-CASE: a  b"))
    home = tunnel.services["web"]
    assert headers[:3] == [["Host", f"{home[0]}:{home[1]}"], *headers[1:3]]
    assert ["X-Odd-CASE", "a  b"] in headers and ["X-Forwarded-For", "127.0.0.1"] in headers
    assert json.loads(curl("-L", f"{base}/redirect"))[0] == headers[0]
    head = curl("-sI", "-X", "GET", f"{base}/redirect", "-o", "-")
    assert f"Location: {base}/headers" in head.splitlines()
    body = programs.directory / "body"
    body.write_bytes(b"0123456789" * 200_000)
    sent = ["--data-binary", f"@{body}", "-H", "Expect: 100-continue", f"{base}/"]
    assert curl(*sent) == body.read_text()


def test_streams_arrive_as_they_are_sent(programs: Programs) -> None:
    tunnel = start(programs)
    assert punctual(lambda: delays(http.client.HTTPConnection("127.0.0.1", tunnel.ports["web"]), "/stream"))


def test_websocket_through_the_gateway(programs: Programs) -> None:
    tunnel = start(programs)
    with connect(f"ws://127.0.0.1:{tunnel.ports['websocket']}/") as peer:
        for size in (1, 1000, 900_000):
            peer.send(b"x" * size)
            assert peer.recv() == b"x" * size


def test_the_articles_curl_on_a_port_with_tls(programs: Programs) -> None:
    files = certificates.make(programs.directory / "tls", DOMAIN)
    settings = f'certificate = {{ cert = "{files.chain}", key = "{files.key}" }}'
    tunnel = start(programs, web=f'tls = true\nhostname = "{DOMAIN}"', settings=settings)
    port = tunnel.ports["web"]
    told = curl("--cacert", files.root, "--resolve", f"{DOMAIN}:{port}:127.0.0.1", f"https://{DOMAIN}:{port}/headers")
    assert ["X-Forwarded-Proto", "https"] in json.loads(told)
    foreign = curl("-k", "-H", "Host: evil.example.net", f"https://127.0.0.1:{port}/headers")
    assert "is not served as evil.example.net" in foreign


def test_behind_nginx_with_gzip(programs: Programs) -> None:
    files = certificates.make(programs.directory / "tls", article.DOMAIN)
    tunnel = start(programs, web='path = "/web"', websocket='hostname = "ws.example.org"')
    printed = run(command("nginx", tunnel.server_file), environ=ENVIRON).stdout.decode()
    for file, ours in (("fullchain", files.chain), ("privkey", files.key)):
        printed = printed.replace(f"/etc/letsencrypt/live/ws.example.org/{file}.pem", str(ours))
    path_block, name_block = printed.split("# websocket:")
    conf = article.nginx_conf(article.DOMAIN, files.chain, files.key)
    conf = conf.replace("http {\n", GZIP, 1)
    conf = conf.replace("        # Health check\n", path_block + "        # Health check\n", 1)
    conf = conf.rstrip().removesuffix("}") + "# " + name_block + "}\n"
    https = free_port()
    conf = article.nginx_ports(conf, http=free_port(), https=https, door=tunnel.door)
    Nginx(programs.directory, programs.start, conf).program.wait_listening(("127.0.0.1", https))

    context = ssl.create_default_context(cafile=str(files.root))
    context.check_hostname = False
    secure = http.client.HTTPSConnection("127.0.0.1", https, context=context)
    secure.putrequest("GET", "/web/redirect", skip_host=True)
    secure.putheader("Host", article.DOMAIN)
    secure.putheader("Accept-Encoding", "gzip")
    secure.endheaders()
    answer = secure.getresponse()
    assert (answer.status, answer.getheader("Location")) == (307, f"https://{article.DOMAIN}/web/headers")
    answer.read()
    assert punctual(lambda: delays(secure, "/web/stream"))
    with connect(f"wss://ws.example.org:{https}/", sock=_dial(https), ssl=context) as peer:
        peer.send("through nginx")
        assert peer.recv() == "through nginx"
    for target, status, kind in (
        ("/.well-known/oauth-protected-resource/web", 404, "application/json"),
        ("/.well-known/oauth-protected-resource/other", 404, "text/html"),
    ):
        secure.request("GET", target, headers={"Host": article.DOMAIN})
        answer = secure.getresponse()
        assert (answer.status, answer.getheader("Content-Type")) == (status, kind) and answer.read()
    for target in ("/", "/health"):
        secure.request("GET", target, headers={"Host": article.DOMAIN})
        assert json.loads(secure.getresponse().read())["status"] in ("ok", "healthy")
    secure.close()


CHATS, AT_A_TIME, CHAT = 8, 2, 1.0
"""So many chats, how many of them may run, and the seconds that each is written as fast as it is read."""


class Chats:
    """A home service; `most` were answered at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.under_way = self.most = 0

    def __call__(self, connection: socket.socket) -> None:
        connection.recv(65536)
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n")
        end = time.monotonic() + CHAT
        while time.monotonic() < end:
            connection.sendall(b'{"message":"word"}\n' * 4000)
        with self._lock:
            self.under_way -= 1


def test_eight_chats_of_which_two_may_run_starve_no_shell(programs: Programs) -> None:
    chats = Chats()

    def chat(port: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/chat")
        answer, size = connection.getresponse(), 0
        while data := answer.read1(1 << 20):
            size += len(data)
        connection.close()
        return size if answer.status == 200 else 0

    with traffic.serving(chats) as chat_address, traffic.serving(traffic.echo) as echo_address:
        tunnel = Tunnel(programs, {"chat": chat_address, "shell": echo_address})
        tunnel.server_lines["chat"] = f"{HTTP}concurrent = {AT_A_TIME}\nqueue = {CHATS}"
        tunnel.start()
        traffic.round_trips(tunnel.address("shell"), 1, every=0)  # Home may still be on its way.
        with ThreadPoolExecutor(CHATS) as pool:
            asked = [pool.submit(chat, tunnel.ports["chat"]) for _ in range(CHATS)]
            until(lambda: chats.under_way == AT_A_TIME, "the first chats")
            taken = traffic.round_trips(tunnel.address("shell"), 50, every=0.05)
            assert not all(one.done() for one in asked), "the chats went on until the end"
            assert all(one.result() > 1_000_000 for one in asked)
    assert chats.most == AT_A_TIME
    assert tunnel.server.log().count(" queued_ms=") == CHATS - AT_A_TIME
    # A machine that is busy otherwise makes single bytes late; chats that go first make all of them so.
    assert traffic.percentile(taken, 0.8) < KEYSTROKE, sorted(taken)


def _dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


def test_requests_survive_a_restart_of_home(programs: Programs) -> None:
    tunnel = start(programs)
    url = f"http://127.0.0.1:{tunnel.ports['web']}/headers"
    assert json.loads(curl(url))
    tunnel.client.signal(signal.SIGKILL)
    tunnel.client.wait()
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(curl(url)), daemon=True)
    asking.start()
    time.sleep(1)
    assert answers == []
    tunnel.client.start()
    asking.join(30)
    assert json.loads(answers[0])[0][0] == "Host"
