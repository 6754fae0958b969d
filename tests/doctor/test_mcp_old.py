"""A server that speaks the first transport of MCP, and such as seem to."""

import pytest

from hushgate.doctor import mcp, mcp_old
from hushgate.doctor.fetch import Place
from hushgate.doctor.mcp_old import Endpoint
from hushgate.doctor.report import Report
from tests.doctor.scene import EVENTS, Asked, Site, Told, serving

ENDPOINT = b"event: endpoint\ndata: /message?session=1\n\n"


def old(first: bytes = ENDPOINT, called: int = 202, posted: int = 405) -> Site:
    def site(asked: Asked) -> Told:
        if asked.method == "GET":
            return Told(200, iter([first[:20], first[20:]]), EVENTS)
        return Told(called if asked.path == "/message?session=1" else posted)

    return site


def heard(site: Site) -> Endpoint | None:
    with serving(site) as url:
        return mcp_old.listen(Place(url + "/sse"), "/sse")


def looked(site: Site) -> Report:
    report = Report()
    with serving(site) as url:
        mcp.examine(Place(url + "/sse"), report)
    return report


@pytest.mark.parametrize("first", [ENDPOINT, ENDPOINT.replace(b"\n", b"\r\n")])
def test_where_calls_go(first: bytes) -> None:
    found = heard(old(first))
    assert found is not None
    assert found[:2] == ("/message", 202)


@pytest.mark.parametrize("first", [b"data: {}\n\n", b"event: endpoint\n", b"x" * 100_000, b""])
def test_another_stream(first: bytes) -> None:
    assert heard(old(first)) is None


def test_no_stream() -> None:
    assert heard(lambda asked: Told(404)) is None


@pytest.mark.parametrize("posted", [404, 405])
def test_the_doctor_names_its_era(posted: int) -> None:
    report = looked(old(posted=posted))
    assert [finding.check for finding in report.findings] == ["reached", "era", "buffering", "origin"]
    assert (report.code, "2024-11-05" in report.plain()) == (0, True)


def test_calls_go_where_nobody_takes_them() -> None:
    report = looked(old(called=404))
    assert (report.findings[-1].check, report.code) == ("endpoint", 1)
    assert "/message" in report.plain()
