"""Reading what iperf3 and wrk print, and refusing what means nothing."""

import pytest
from bench.loads import ServerBusy, parse_iperf3, parse_transfer, parse_wrk, when_idle
from bench.programs import BenchError

ANSWER = """\
Running 3s test @ http://127.0.0.1:1234/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.60ms  320.00us   9.10ms   90.00%
  {requests} requests in 3.00s, 20.00MB read
{trouble}Requests/sec:  {rate}
Transfer/sec:      6.60MB
"""


def test_the_rate_is_read() -> None:
    assert parse_wrk(ANSWER.format(requests=120000, trouble="", rate="39998.71")) == 39998.71


@pytest.mark.parametrize(
    "trouble",
    ["  Socket errors: connect 0, read 11, write 0, timeout 0\n", "  Non-2xx or 3xx responses: 11\n"],
)
def test_a_rate_of_failures_is_refused(trouble: str) -> None:
    with pytest.raises(BenchError, match="1000 requests were answered and 11 failed"):
        parse_wrk(ANSWER.format(requests=1000, trouble=trouble, rate="333.00"))


def test_a_few_failures_are_accepted() -> None:
    trouble = "  Socket errors: connect 0, read 1, write 0, timeout 0\n"
    assert parse_wrk(ANSWER.format(requests=1000, trouble=trouble, rate="333.00")) == 333.0


def test_silence_is_refused() -> None:
    with pytest.raises(BenchError, match="printed no rate"):
        parse_wrk("unable to connect to 127.0.0.1:1234 Connection refused")
    with pytest.raises(BenchError, match="0 requests"):
        parse_wrk(ANSWER.format(requests=0, trouble="", rate="0.00"))


def test_the_receivers_bytes_count() -> None:
    output = '{"end": {"sum_sent": {"bytes": 9}, "sum_received": {"bytes": 1500000000, "bits_per_second": 4e9}}}'
    assert parse_iperf3(output) == (4.0, 1.5)


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ('{"end": {}, "error": "unable to connect"}', "iperf3: unable to connect"),
        ('{"start": {', "no result"),
        ('{"end": {}}', "no result"),
        ('{"end": {"sum_received": {"bytes": 0, "bits_per_second": 0}}}', "not one byte"),
    ],
)
def test_a_test_that_was_cut_off_is_refused(output: str, why: str) -> None:
    with pytest.raises(BenchError, match=why):
        parse_iperf3(output)


def test_a_transfer_is_read() -> None:
    output = ANSWER.format(requests=100, trouble="", rate="33.00")
    assert parse_transfer(output) == pytest.approx(6.6 * 1024**2 / 1e6)
    assert parse_transfer(output.replace("6.60MB", "12.00B")) == pytest.approx(12e-6)
    with pytest.raises(BenchError, match="no transfer"):
        parse_transfer(output.replace("Transfer", ""))


BUSY = '{"end": {}, "error": "error - the server is busy running a test. try again later"}'


def test_a_server_that_has_not_seen_the_last_ones_end_is_waited_for() -> None:
    answers = [BUSY, BUSY, '{"end": {"sum_received": {"bytes": 1500000000, "bits_per_second": 4e9}}}']
    assert when_idle(lambda: parse_iperf3(answers.pop(0)), wait=0) == (4.0, 1.5)
    with pytest.raises(ServerBusy, match="busy running a test"):
        when_idle(lambda: parse_iperf3(BUSY), wait=0)
    answers = ['{"end": {}, "error": "unable to connect"}', BUSY]
    with pytest.raises(BenchError, match="unable to connect"):
        when_idle(lambda: parse_iperf3(answers.pop(0)), wait=0)
    assert answers == [BUSY], "nothing else is tried again"
