"""What is told of many broken promises: each of them, and how many breaches there are beside."""

import pytest

from sim.checkers import BREACHES_MAX, Breach, Watch
from sim.cli.common import say_outcome
from sim.outcome import LISTED_MAX, Outcome, foremost, say_more
from sim.plain import as_argument
from sim.scenario.reading import from_tables

TINY = {
    "title": "tiny",
    "promise": "A test.",
    "duration": "1s",
    "topology": {"node": [{"name": "ana"}, {"name": "ben"}]},
}


def breaches(*promises: str) -> list[Breach]:
    return [Breach(promise, f"{promise} {number}") for number, promise in enumerate(promises)]


def said(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> list[str]:
    say_outcome(outcome, "again")
    return [line.strip() for line in capsys.readouterr().out.splitlines() if "broken: " in line or "more" in line]


@pytest.mark.parametrize(
    ("most", "told"),
    [
        (1, ["once 0", "in order 3"]),
        (2, ["once 0", "in order 3"]),
        (4, ["once 0", "in order 3", "once 1", "once 2"]),
        (9, ["once 0", "in order 3", "once 1", "once 2", "in order 4"]),
    ],
)
def test_the_first_breach_of_each_promise_comes_first(most: int, told: list[str]) -> None:
    found = breaches("once", "once", "once", "in order", "in order")

    assert [breach.about for breach in foremost(found, most)] == told
    assert foremost([], most) == []


def test_a_terminal_names_every_broken_promise_and_counts_what_it_leaves_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = Outcome(from_tables(TINY), 0)
    outcome.breaches = breaches(*["once"] * 6, "in order")
    assert said(outcome, capsys) == [
        "broken: once – once 0",
        "broken: in order – in order 6",
        *[f"broken: once – once {number}" for number in (1, 2, 3)],
        "… and 2 more (--json has them)",
    ]
    outcome.breaches, outcome.unlisted = breaches(*["once"] * 19, "in order"), 7
    assert said(outcome, capsys)[-1] == f"… and 22 more (--json has {LISTED_MAX})"
    outcome.unlisted = 0
    assert said(outcome, capsys)[-1] == "… and 15 more (--json has them)"
    outcome.breaches = breaches("once")
    assert said(outcome, capsys) == ["broken: once – once 0"]


def test_a_name_that_begins_like_an_option_is_said_as_a_path() -> None:
    assert [as_argument(name) for name in ("-x.toml", "two files.toml", "halves")] == [
        "./-x.toml",
        "'two files.toml'",
        "halves",
    ]


def test_json_has_the_count_and_each_broken_promise(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(from_tables(TINY), 0)
    outcome.breaches, outcome.unlisted = breaches(*["once"] * 30, "in order"), 1_000

    found = outcome.to_json()

    assert (found["broken"], found["breach_count"], len(found["breaches"])) == (["once", "in order"], 1_031, LISTED_MAX)
    assert [each["promise"] for each in found["breaches"]] == ["once", "in order", *["once"] * 18]


def test_no_promise_is_left_out_because_another_was_broken_too_often() -> None:
    watch = Watch()
    beside = Watch(breaches=watch.breaches)
    for number in range(BREACHES_MAX + 3):
        watch.broken("once", f"once {number}")
    for kind in ("stamp", "stamp", "ttl"):
        watch.broken("nothing invented", kind, kind=kind)
        beside.broken("nothing invented", f"{kind} again", kind=kind)
    beside.broken("once", "once more")

    assert [breach.about for breach in watch.breaches[BREACHES_MAX - 1 :]] == [
        f"once {BREACHES_MAX - 1}",
        "stamp",
        "ttl",
    ]
    assert watch.breaches.unlisted == 3 + 4 + 1
    outcome = Outcome(from_tables(TINY), 0, breaches=watch.breaches, unlisted=8)
    assert (say_more(outcome, 2), say_more(outcome, BREACHES_MAX + 10)) == (f"… and {BREACHES_MAX + 8:,} more", "")
