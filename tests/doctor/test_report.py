"""What the doctor prints."""

import json

from hushgate.doctor.report import KEY, Fault, Report


def test_the_first_fault_is_the_exit_code() -> None:
    report = Report()
    report.ok("a", "good")
    report.note("b", "so so")
    assert report.code == 0
    report.fault(Fault("c", "bad", KEY))
    report.fault(Fault("d", "worse"))
    assert report.code == KEY
    assert report.plain() == "ok     a: good\nnote   b: so so\nfault  c: bad\nfault  d: worse\n"
    found = json.loads(report.to_json())
    assert found["code"] == KEY
    assert found["findings"][2] == {"check": "c", "state": "fault", "text": "bad"}


def test_nothing_of_a_server_reaches_the_terminal_as_it_is() -> None:
    report = Report()
    report.ok("a", "\x1b[2Jevil\n")
    assert report.plain() == "ok     a: \\x1b[2Jevil\\n\n"
