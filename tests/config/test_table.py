"""Reading key by key."""

from hushgate.config.table import Report, Table
from hushgate.config.values import boolean, text


def reading(values: dict[str, object], where: str = "server") -> tuple[Table, Report]:
    report = Report("f.toml")
    return Table(values, where, report), report


def test_unknown_keys_come_with_the_nearest_known_one() -> None:
    table, report = reading({"bind_adr": "x", "zzz": 1})
    table.value("bind_addr", text, None)
    table.done()
    assert report.problems == [
        "f.toml: server.bind_adr: unknown key; did you mean bind_addr?",
        "f.toml: server.zzz: unknown key; known here: bind_addr",
    ]


def test_a_refused_value_is_a_problem_and_its_default() -> None:
    table, report = reading({"tls": "yes"})
    assert table.value("tls", boolean, False) is False
    assert report.problems == ["f.toml: server.tls: must be true or false, not text"]


def test_a_missing_required_key_has_an_example() -> None:
    table, report = reading({})
    assert table.required("bind_addr", text, "", '"127.0.0.1:8443"') == ""
    assert report.problems == ['f.toml: server: bind_addr is missing; write for example bind_addr = "127.0.0.1:8443"']


def test_a_table_that_is_none() -> None:
    table, report = reading({"services": {"ssh": 3}, "limits": []})
    assert table.tables("services") == {}
    assert table.table("limits") is None
    assert report.problems == [
        "f.toml: server.services.ssh: must be a table, [server.services.ssh], not a number",
        "f.toml: server.limits: must be a table, [server.limits], not a list",
    ]


def test_names_are_quoted_as_toml_does() -> None:
    table, _ = reading({}, "")
    assert table.name("ssh-1") == "ssh-1"
    assert table.name('my "ssh".x') == '"my \\"ssh\\".x"'
