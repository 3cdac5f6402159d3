"""What clocks that are wrong alike, and are believed, may do to what dies: it is excused, and nothing else is."""

from typing import Any

import pytest

from sim.checkers import SKEW_US
from sim.heap import Play
from sim.isolation import HEARD_US
from sim.outcome import Outcome
from sim.scenario.reading import from_tables
from sim.units import MILLION


def played(
    *faults: dict[str, Any], nodes: int = 3, ttl: str = "5m", until_s: int = 125, **more: Any
) -> tuple[Play, Outcome]:
    """All publish what dies, and read history if so asked, while clocks are wrong."""
    names = ("ana", "ben", "cy", "dan", "eve")[:nodes]
    latency = more.pop("latency", "20ms")
    play = Play(
        from_tables(
            {
                "title": "Wrong alike",
                "promise": "Nobody can know what time it is.",
                "duration": f"{until_s}s",
                "settle": "5s",
                "topology": {"latency": latency, "node": [{"name": name, "region": name} for name in names]},
                "client": [{"name": "app", "count": nodes, "subscribe": [{"to": "#"}]} | more],
                "workload": [{"rate": 2, "ttl": ttl}],
                "timeline": list(faults),
            }
        ),
        0,
    )
    return play, play.run()


def wrong(nodes: str | list[str], offset: str, at: str = "20s", lasts: str = "65s") -> dict[str, Any]:
    """Clocks of some nodes are wrong for a while."""
    return {"at": at, "for": lasts, "clock": {"nodes": nodes, "offset": offset}}


@pytest.mark.parametrize(
    ("offset", "ttl"),
    [("10m", "5m"), ("-10m", "5m"), ("1d", "5m"), ("-1h", "2m"), ("90s", "60s")],
    ids=["dropped early", "stamped early", "logs are forgotten", "dead at birth", "hardly wrong"],
)
def test_what_two_wrong_clocks_of_three_do_to_what_dies_accuses_nobody(offset: str, ttl: str) -> None:
    play, outcome = played(wrong(["ben", "cy"], offset), ttl=ttl)

    assert outcome.breaches == []
    assert play.watch.reach_us // MILLION == {"10m": 600, "-10m": 600, "1d": 86_400, "-1h": 3_600, "90s": 90}[offset]
    assert outcome.coverage["clock/wrong-ones-believed"] == 1
    assert all(entry.undated for entry in play.watch.ledger.values())


def test_two_of_five_are_not_believed_and_excuse_nothing() -> None:
    play, outcome = played(wrong(["ben", "cy"], "10m"), nodes=5)

    assert outcome.breaches == []
    assert not play.watch.undated
    assert not any(entry.undated for entry in play.watch.ledger.values())


def test_what_their_error_does_not_reach_is_owed() -> None:
    play, outcome = played(wrong(["ben", "cy"], "10m"), ttl="30m")

    watch = play.watch
    assert outcome.breaches == []
    assert watch.undated == 0
    margin_us = watch.reach_us + SKEW_US
    watch.since_us, by_us = margin_us + 5, watch.now_us() + margin_us
    assert [watch.is_reached(at_us) for at_us in (0, 4, 5, by_us, by_us + 1)] == [False, False, True, True, False]


def test_where_no_two_go_wrong_alike_nobody_looks() -> None:
    play, _ = played(wrong("ben", "10m", lasts="4s"), wrong("cy", "-10m", lasts="4s"), until_s=25)

    assert not hasattr(play, "undated")


def test_logs_that_were_forgotten_may_be_told_as_expired_though_they_were_shown() -> None:
    faults = wrong("cy", "86445s", "10.6s", "98.9s"), wrong("ben", "1d", "23.6s", "38.3s")
    _, outcome = played(*faults, nodes=4, ttl="10m", until_s=150, latency="400ms")

    assert outcome.breaches == []


def test_nodes_differ_until_what_is_reached_is_dead() -> None:
    crash = {"at": "18.3s", "for": "3.5s", "crash": "cy"}
    _, outcome = played(
        wrong("ben", "1d", "4.1s", "66.4s"), crash, wrong("cy", "1d", "24.7s", "55.8s"), latency="5ms", until_s=100
    )

    assert outcome.breaches == []
    assert outcome.figures.converged_us < 0


@pytest.mark.parametrize("offset", ["10m", "-10m", "1h"])
def test_history_at_a_node_that_doubts_its_clock_shows_what_died_meanwhile(offset: str) -> None:
    reads = {"history": [{"every": "5s", "page": 50}]}
    play, outcome = played(wrong("cy", offset, lasts="100s"), nodes=4, ttl="20s", **reads)

    assert outcome.breaches == []
    assert not play.watch.undated


@pytest.mark.parametrize(
    ("faults", "nodes", "ttl"),
    [
        ((("dan", "70s", "3.6s", "94.1s"), ("cy", "90s", "32.9s", "68.0s")), 4, "2m"),
        (
            (("ana", "152s", "3.6s", "105.6s"), ("eve", "135s", "19.6s", "30.9s"), ("cy", "70s", "37.7s", "82.9s")),
            5,
            "20s",
        ),
    ],
    ids=["leaves out what was dropped", "shows what is dead"],
)
def test_history_where_wrong_clocks_are_believed_is_excused(
    faults: tuple[tuple[str, str, str, str], ...], nodes: int, ttl: str
) -> None:
    clocks = [wrong(*each) for each in faults]
    for clock in clocks[: 2 if nodes == 4 else 1]:
        clock["clock"]["freeze"] = True
    play, outcome = played(
        *clocks, nodes=nodes, ttl=ttl, until_s=150, latency="5ms", history=[{"every": "5s", "page": 50}]
    )

    assert outcome.breaches == []
    assert play.watch.undated


def test_what_lives_may_be_told_as_expired() -> None:
    faults = (
        wrong("ben", "3620s", "5.1s", "130.2s"),
        wrong("cy", "3620s", "23.6s", "94.2s"),
        wrong("ana", "3620s", "33.5s", "160.5s"),
        {"at": "45.8s", "drop-client": "app-1"},
        {"at": "78.8s", "for": "26.2s", "partition": [["ana"], ["ben", "cy"]]},
    )
    _, outcome = played(*faults, ttl="2m", until_s=200, latency="400ms")

    assert outcome.breaches == []
    assert outcome.coverage["gap/expired"] > 0


def test_the_excuse_ends_a_while_after_all_clocks_are_right() -> None:
    play, outcome = played(wrong(["ben", "cy"], "10m", "10s", "40s"), ttl="20s", until_s=240)

    assert outcome.breaches == []
    assert play.watch.reach_us == -1
    ends_us = 55 * MILLION + HEARD_US
    entries = play.watch.ledger.values()
    assert all(entry.undated for entry in entries if entry.at_us < ends_us - MILLION)
    later = [entry.undated for entry in entries if entry.at_us > ends_us + MILLION]
    assert later and not any(later)


def test_nodes_are_to_be_equal_where_nothing_is_reached() -> None:
    play, outcome = played(wrong(["ben", "cy"], "10m"), ttl="7d")

    assert outcome.breaches == []
    assert outcome.coverage["clock/wrong-ones-believed"] == 1
    assert play.watch.undated == 0 <= outcome.figures.converged_us


@pytest.mark.parametrize(
    ("faults", "nodes"),
    [
        ((wrong("ben", "10m", "20s", "31.5s"), wrong("cy", "10m", "52s", "30s")), 3),
        ((wrong("ana", "10m", "20s", "20s"), wrong("ben", "10m", "41s", "60s")), 2),
        (
            (
                wrong("ben", "10m", "20s", "25s"),
                {"at": "40s", "for": "35s", "pause": "cy"},
                wrong("cy", "10m", "70s", "20s"),
            ),
            3,
        ),
    ],
    ids=["one after the other", "of two", "asleep meanwhile"],
)
def test_a_word_that_was_heard_is_believed_though_it_is_not_so_any_more(
    faults: tuple[dict[str, Any], ...], nodes: int
) -> None:
    play, outcome = played(*faults, nodes=nodes)

    assert outcome.breaches == []
    assert play.watch.undated
