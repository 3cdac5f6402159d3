"""What a person and a program are told at the end."""

import json

import pytest

from sim.demo.judge import Broken, Row, Verdict
from sim.demo.screen import JsonScreen, PlainScreen, View, verdict_lines

ROWS = [Row("sub-eu", 3_200, 3_199, 0, 1, 0, None), Row("roamer", 3_200, 3_200, 0, 0, 0, 1.2504)]
LOST = Broken("Nothing lost", "1 acknowledged message did not reach sub-eu")
VIEW = View(0.0, "calm", [], [], 1, 1, [])


def test_verdict_names_the_broken_promises_once_each() -> None:
    verdict = Verdict(ROWS, [LOST, LOST], [], [])

    assert verdict_lines(verdict, 12.3) == [
        f"BROKEN  {LOST}",
        f"BROKEN  {LOST}",
        "The contract was broken: Nothing lost.",
    ]


def test_verdict_says_when_too_little_happened() -> None:
    assert verdict_lines(Verdict(ROWS, [], ["names retried: 3"], []), 12.3) == [
        "NOT ENOUGH HAPPENED  names retried: 3",
        "The contract was not broken, but too little happened for that to mean anything.",
    ]


def test_verdict_of_a_good_run_is_one_line() -> None:
    assert verdict_lines(Verdict(ROWS, [], [], []), 12.3) == ["The contract was kept, in 12.3 s."]


def test_lines_end_with_the_table_and_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    screen = PlainScreen()

    screen.say(1.26, "cut", "eu is cut off", {})
    screen.show(VIEW)
    screen.end(Verdict(ROWS, [LOST], [], ["publishes acknowledged: 3,200"]), 12.3)

    assert capsys.readouterr().out.splitlines() == [
        "   1.3 s  eu is cut off",
        "",
        "What happened:",
        "  publishes acknowledged: 3,200",
        "",
        "subscriber  published  delivered  doubled  lost  gaps  converged",
        "sub-eu          3,200      3,199        0     1     0      never",
        "roamer          3,200      3,200        0     0     0     1.25 s",
        "",
        f"BROKEN  {LOST}",
        "The contract was broken: Nothing lost.",
    ]


def test_json_is_one_object_a_line_and_samples_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    screen = JsonScreen()

    screen.say(1.0, "cut", "eu is cut off", {"region": "eu"})
    screen.show(VIEW)
    screen.show(VIEW)
    screen.end(Verdict(ROWS, [LOST], [], []), 12.3456)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["cut", "sample", "verdict"]
    assert lines[0] == {"event": "cut", "at_s": 1.0, "text": "eu is cut off", "region": "eu"}
    assert (lines[2]["passed"], lines[2]["seconds"]) == (False, 12.346)
    assert lines[2]["subscribers"][1]["converged_s"] == 1.25
    assert lines[2]["broken"] == [{"promise": LOST.promise, "sentence": LOST.sentence}]
