"""The pieces of the end-to-end tests by themselves: what they simulate must be true before it can accuse anybody."""

import itertools
import socket
import time
from pathlib import Path

import pytest

from tests.e2e import article, traffic
from tests.e2e.hosts import ADDRESSES, three_hosts
from tests.e2e.programs import Address, Programs, need, until
from tests.e2e.relay import Relay
from tests.e2e.sshd import Sshd

pytestmark = pytest.mark.system


def test_the_articles_files_hold_what_is_replaced() -> None:
    conf = article.nginx_conf("tunnel.example.org", Path("/c"), Path("/k"))
    assert article.DOMAIN not in conf + article.client_toml("tunnel.example.org")
    assert "listen 4443 ssl;" in article.nginx_ports(conf, http=8000, https=4443, door=9000)


def test_an_exchange_of_bytes_is_checked_in_both_directions(swap_service: Address) -> None:
    traffic.exchange_many(swap_service, count=3, size=1_000_000)
    assert traffic.digest_of(1, 1000) != traffic.digest_of(2, 1000)


def test_the_relay_cuts_after_so_many_bytes(echo_service: Address) -> None:
    with Relay(echo_service) as relay:
        relay.cut_after(itertools.repeat(1000))
        for number in range(1, 3):
            with socket.create_connection(relay.address) as visitor, pytest.raises((ConnectionError, AssertionError)):
                visitor.sendall(bytes(600))
                traffic.receive(visitor, 600)
                traffic.receive(visitor, 1)
            until(lambda: relay.open == 0, "the cut")
            assert (relay.cut_count, relay.accepted) == (number, number)


def test_the_relay_stalls_without_a_word_and_refuses_with_a_reset(echo_service: Address) -> None:
    with Relay(echo_service) as relay, socket.create_connection(relay.address) as visitor:
        visitor.sendall(b"a")
        assert traffic.receive(visitor, 1) == b"a"
        assert relay.cut("stall") == 1
        visitor.sendall(b"b")
        visitor.settimeout(0.3)
        with pytest.raises(TimeoutError):
            visitor.recv(1)
        relay.refuse()
        with pytest.raises(ConnectionError), socket.create_connection(relay.address) as refused:
            refused.sendall(b"c")
            traffic.receive(refused, 1)


def test_the_relay_keeps_rate_and_delay(echo_service: Address) -> None:
    with Relay(echo_service, rate=1_250_000, delay=0.010) as relay:
        trips = traffic.round_trips(relay.address, 20, every=0.02)
        assert 0.019 < traffic.percentile(trips, 0.5) < 0.040
        with socket.create_connection(relay.address) as visitor:
            start = time.monotonic()
            visitor.sendall(bytes(250_000))
            traffic.receive(visitor, 250_000)
            assert 0.18 < time.monotonic() - start < 0.6


def test_sshd_answers_its_own_client(sshd: Sshd) -> None:
    assert sshd.run(sshd.port, "cat; exit 7", stdin=b"hello", code=7).stdout == b"hello"


def test_three_hosts_see_each_other_by_name_and_have_their_own_loopback(programs: Programs) -> None:
    with three_hosts(programs, "tunnel.example.org") as hosts:
        serve = [need("python3"), "-m", "http.server", "--bind", "0.0.0.0", "80"]
        program = hosts.vps.start("web", serve)
        hosts.laptop.wait_listening((ADDRESSES["vps"], 80), program)
        hosts.home.run([need("curl"), "-sS", "-o", "/dev/null", "http://tunnel.example.org/"])
        with pytest.raises(ConnectionRefusedError):
            hosts.home.connect(("127.0.0.1", 80))
        with hosts.laptop.connect((ADDRESSES["vps"], 80)):
            assert hosts.vps.established(80)
