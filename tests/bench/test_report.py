"""The table's arithmetic: paired ratios, ranges, goals, and rounds that failed."""

import json

from bench.report import ROWS, Range, Results, ratios, render, to_json, verdict

ROW = {row.key: row for row in ROWS}


def race() -> Results:
    results = Results({"python": "3.13.0"}, rounds=3)
    for round_, (ours, theirs) in enumerate([(8.0, 4.0), (9.0, 6.0), (10.0, 2.0)]):
        results.add(round_, "direct", {"up": 20.0})
        results.add(round_, "hushgate-ws", {"up": ours, "server-idle": 30.0})
        results.add(round_, "rathole-ws", {"up": theirs, "server-idle": 8.0})
    return results


def test_a_ratio_pairs_the_figures_of_one_round() -> None:
    results = race()
    paired = ratios(results.of("up", "hushgate-ws"), results.of("up", "rathole-ws"))
    assert paired == [2.0, 1.5, 5.0]
    assert Range.over(paired) == Range(1.5, 2.0, 5.0)


def test_a_round_without_one_of_the_two_has_no_ratio() -> None:
    assert ratios([8.0, None, 10.0, 1.0], [4.0, 6.0, None, 0.0]) == [2.0, None, None, None]
    assert Range.over([None, 3.0, None]) == Range(3.0, 3.0, 3.0)
    assert Range.over([None]) is None


def test_the_table_has_facts_ranges_and_ratios() -> None:
    text = render(race())
    assert text.startswith("python: 3.13.0\n")
    assert "over ws, min / median / max of 3 rounds" in text
    assert "over wss" not in text
    [up] = [line for line in text.splitlines() if line.startswith("Gbit/s up")]
    cells = [cell.strip() for cell in up.split("  ") if cell.strip()]
    assert cells == [
        "Gbit/s up, one stream",
        "20.00",
        "2.00 / 4.00 / 6.00",
        "8.00 / 9.00 / 10.00",
        "1.50 / 2.00 / 5.00",
        "more",
        "≥ 1.6 x: reached",
    ]


def test_rows_that_nobody_measured_are_left_out() -> None:
    assert "requests/s" not in render(race())


def test_goals_are_judged_by_the_median() -> None:
    assert verdict(ROW["connections"], "ws", None, Range(0.8, 1.0, 1.2)) == "≥ 1 x: reached"
    assert verdict(ROW["connections"], "wss", None, Range(2.0, 2.9, 9.0)) == "≥ 3 x: missed"
    assert verdict(ROW["server-idle"], "ws", Range(30, 41, 42), None) == "≤ 40: missed"
    assert verdict(ROW["server-idle"], "ws", None, None) == "≤ 40: not measured"
    assert verdict(ROW["keepalive1"], "ws", None, Range(1, 1, 1)) == ""


def test_failures_are_told_and_leave_a_gap() -> None:
    results = Results({}, rounds=2)
    results.add(1, "hushgate-wss", {"down": 5.0})
    results.failures.append("round 1, down, hushgate-wss: iperf3: unable to connect")
    assert results.of("down", "hushgate-wss") == [None, 5.0]
    text = render(results)
    assert "5.00 / 5.00 / 5.00" in text
    assert text.endswith("failed:\n  round 1, down, hushgate-wss: iperf3: unable to connect")


def test_json_holds_every_sample() -> None:
    told = json.loads(to_json(race()))
    assert told["samples"]["up"]["hushgate-ws"] == [8.0, 9.0, 10.0]
    assert told["rounds"] == 3
    assert told["failures"] == []
