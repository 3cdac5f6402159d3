"""What a page of history says of its node: that it has not got a place, and what it knows of as it fixes a cut."""

from collections.abc import Callable

import pytest

from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import VersionVector
from mesh.operations import UNTIL_ALWAYS_MS
from sim.readings import hold
from tests.reading_samples import ASKED, OTHER, Shelf, shelf

# --- what a page says that it has not got ------------------------------------------------------------------------------


def _is_not_there(found: Shelf) -> None:
    found.pages.cut.add(found.log, 1, 9)


def _is_of_no_log_there(found: Shelf) -> None:
    found.pages.cut.add(OTHER, 1, 1)


def _is_there(found: Shelf) -> None:
    found.missing.add(found.log, 2, 2)


def _is_beyond(found: Shelf) -> None:
    found.missing.add(found.log, 4, 9)


WORDS: dict[str, tuple[Callable[[Shelf], None], str, str]] = {
    "passes over what it has not got": (
        _is_not_there,
        "passes over part of its cut without a word, which it has not got",
        "passes over {log}:4 to 9 without a word, which it has not got",
    ),
    "passes over a log that it has not got": (
        _is_of_no_log_there,
        "passes over part of its cut without a word, which it has not got",
        f"passes over {OTHER.node.hex()[:8]}:1 without a word, which it has not got",
    ),
    "denies what it has": (
        _is_there,
        "says that it has not got part of its cut, which it has",
        "says that it has not got {log}:2, which it has",
    ),
    "names what nobody asked for": (
        _is_beyond,
        "names part of its cut as missing, which was not asked for",
        "names {log}:4 to 9 as missing, which was not asked for",
    ),
}


@pytest.mark.parametrize("how", WORDS)
def test_a_page_that_does_not_say_what_is_so_is_told(how: str) -> None:
    found = shelf()
    change, about, line = WORDS[how]
    change(found)

    found.come(VersionVector())

    (breach,) = found.watch.breaches
    assert (breach.promise, breach.kind, breach.about) == ("in order", "missing", f"history at ana {about}")
    said = f"ana answers with page 1, and {line.format(log=found.log.node.hex()[:8])}"
    assert breach.witness == (*ASKED, f"{found.world.now_us / 1e6:.6f} s: {said}")


def _vanished(found: Shelf) -> None:
    assert found.home.node is not None
    _is_of_no_log_there(found)
    found.home.node.holdings.gone[OTHER] = 1


def _dropped_on_the_way(found: Shelf) -> None:
    _is_not_there(found)
    found.home.dropped_us = found.world.now_us + 1


def _came_meanwhile(found: Shelf) -> None:
    _is_there(found)
    found.middle.since_us = found.since_us


def _rotten(found: Shelf) -> None:
    _is_there(found)
    found.middle.damaged = True


def _never_answered_for(found: Shelf) -> None:
    """An append that failed, of which the disk has kept something all the same."""
    assert found.home.node is not None
    _is_there(found)
    found.home.node.holdings.stored[found.log].positions.remove(2, 2)


SO: dict[str, Callable[[Shelf], None]] = {
    "a log has wholly expired": _vanished,
    "its disk dropped it once the page was told": _dropped_on_the_way,
    "it came as the page was made": _came_meanwhile,
    "it is damaged": _rotten,
    "it was never said to be stored": _never_answered_for,
}


@pytest.mark.parametrize("why", SO)
def test_what_a_page_cannot_know_it_need_not_say(why: str) -> None:
    found = shelf()
    SO[why](found)

    found.come(VersionVector())

    assert found.watch.breaches == []


def test_a_page_answers_for_what_it_passes_alone() -> None:
    found = shelf()
    _is_not_there(found)
    whole = found.pages.cut.copy()

    found.come(VersionVector(), VersionVector([(found.log, [(1, 3)])]))
    found.come(after=VersionVector([(found.log, [(1, 9)])]))
    assert found.watch.breaches == []
    found.missing.add(found.log, 4, 9)
    found.come(after=VersionVector([(found.log, [(1, 3)])]))
    assert found.watch.breaches == []
    found.come(after=whole)

    assert [breach.about for breach in found.watch.breaches] == [
        "history at ana names part of its cut as missing, which was not asked for"
    ]
    assert found.pages.missing == found.missing


# --- the cut that a first page fixes -----------------------------------------------------------------------------------


def _leaves_out_its_end(found: Shelf) -> None:
    found.pages.cut.remove(found.log, 3, 3)


def _leaves_out_a_log(found: Shelf) -> None:
    found.pages.cut.forget(found.log)


def _has_a_hole(found: Shelf) -> None:
    found.pages.cut.remove(found.log, 1, 1)


def _lost(found: Shelf, *firsts: int) -> None:
    """Rows rot and are dropped, as the node is about to hear."""
    for first in firsts:
        found.home.disk.corrupt(found.log, first)
    ranges = found.home.disk.scrub()
    found.home.on_dropped(ranges, found.world.now_us)
    for log, first, last in ranges:
        found.missing.add(log, first, last)


def _is_silent_of_a_lost_end(found: Shelf) -> None:
    _lost(found, 3)
    _leaves_out_its_end(found)
    found.missing = VersionVector()


def _goes_beyond(found: Shelf) -> None:
    found.pages.cut.add(found.log, 4, 4)
    found.missing.add(found.log, 4, 4)


def _goes_beyond_a_lost_end(found: Shelf) -> None:
    _lost(found, 3)
    _goes_beyond(found)


CUTS: dict[str, tuple[Callable[[Shelf], None], str]] = {
    "leaves out its end": (_leaves_out_its_end, "fixes a cut without {}:3 that it knows of"),
    "leaves out a log": (_leaves_out_a_log, "fixes a cut without {}:1 to 3 that it knows of"),
    "has a hole": (_has_a_hole, "fixes a cut without {}:1 that it knows of"),
    "is silent of a lost end": (_is_silent_of_a_lost_end, "fixes a cut without {}:3 that it knows of"),
    "goes beyond": (_goes_beyond, "fixes a cut with {}:4, which it has not stored"),
    "goes beyond a lost end": (_goes_beyond_a_lost_end, "fixes a cut with {}:4, which it has not stored"),
}


@pytest.mark.parametrize("how", CUTS)
def test_a_first_page_fixes_a_cut_of_all_that_its_node_knows_of(how: str) -> None:
    found = shelf()
    change, line = CUTS[how]
    log = found.log
    change(found)
    found.since_us = found.world.now_us + 1

    found.come()

    (breach,) = found.watch.breaches
    assert (breach.promise, breach.kind) == ("in order", "missing")
    assert breach.witness[-1].endswith(f"ana answers with page 1, and {line.format(log.node.hex()[:8])}")


def _lost_its_middle_and_then_its_end(found: Shelf) -> None:
    _lost(found, 2)
    _lost(found, 3)


def _came_as_it_was_asked(found: Shelf) -> None:
    _leaves_out_its_end(found)
    list(found.home.disk.image.rows[found.log].values())[2].since_us = found.since_us


def _was_never_answered_for(found: Shelf) -> None:
    assert found.home.node is not None
    _leaves_out_its_end(found)
    found.home.node.holdings.stored[found.log].positions.remove(3, 3)


def _was_lost_as_it_was_asked(found: Shelf) -> None:
    _is_silent_of_a_lost_end(found)
    found.since_us = found.world.now_us


def _was_lost_as_copies_were_compared(found: Shelf) -> None:
    assert found.home.node is not None
    found.home.node.delivery.held_up.add(found.log)
    _is_silent_of_a_lost_end(found)


def _was_lost_as_it_began(found: Shelf) -> None:
    assert found.home.node is not None
    found.home.node.started = False
    _is_silent_of_a_lost_end(found)


def _was_lost_in_an_earlier_life(found: Shelf) -> None:
    _is_silent_of_a_lost_end(found)
    found.home.begin(found.world.now_us)


def _is_of_a_log_that_has_gone(found: Shelf) -> None:
    assert found.home.node is not None
    _leaves_out_a_log(found)
    found.home.node.holdings.gone[found.log] = 1


KNOWN: dict[str, Callable[[Shelf], None]] = {
    "it is all that is stored": lambda _: None,
    "its end was lost": lambda found: _lost(found, 3),
    "its middle was lost, then its end": _lost_its_middle_and_then_its_end,
    "all of it was lost": lambda found: _lost(found, 1, 2, 3),
    "the rest came as it was asked": _came_as_it_was_asked,
    "the rest was never said to be stored": _was_never_answered_for,
    "the rest was lost as it was asked": _was_lost_as_it_was_asked,
    "the rest was lost as copies were compared, before it was delivered": _was_lost_as_copies_were_compared,
    "the rest was lost as its node began": _was_lost_as_it_began,
    "the rest was lost in an earlier life": _was_lost_in_an_earlier_life,
    "the rest is of a log that has wholly expired": _is_of_a_log_that_has_gone,
}


@pytest.mark.parametrize("why", KNOWN)
def test_a_first_page_need_not_know_more(why: str) -> None:
    found = shelf()
    found.since_us = found.world.now_us + 1
    KNOWN[why](found)

    found.come()

    assert found.watch.breaches == []


# --- between times ------------------------------------------------------------------------------------------------------


def _dated(since: int, until: int) -> Shelf:
    """A reading of what was stamped from one of three messages on, and before another one, empty yet; 0: no bound."""
    found = shelf()
    stamps = [stamp_ms(row.stamp) for row in found.home.disk.image.rows[found.log].values()]
    found.pages.since_ms = stamps[since - 1] if since else 0
    found.pages.until_ms = stamps[until - 1] if until else UNTIL_ALWAYS_MS
    found.since_us = found.world.now_us + 1
    found.pages.rows.clear()
    return found


OUTSIDE = {"below what is older than its times": (3, 0, 1), "above what is younger": (0, 2, 3)}
WITHIN = {
    "first of all": (2, 0, 1),
    "last of all": (0, 3, 3),
    "next to what is older": (2, 0, 2),
    "in no order with a time that has nothing older": (1, 0, 1),
}


@pytest.mark.parametrize("where", OUTSIDE)
def test_what_is_missing_outside_the_times_is_not_named(where: str) -> None:
    since, until, lost = OUTSIDE[where]
    found = _dated(since, until)
    log = found.log
    _lost(found, lost)
    found.since_us += 1

    found.come()
    (breach,) = found.watch.breaches
    found.missing = VersionVector()
    found.come()

    assert breach.about == "history at ana names part of its cut as missing, which lies outside its times"
    assert breach.witness[-1].endswith(f"names {log.node.hex()[:8]}:{lost} as missing, which lies outside its times")
    assert len(found.watch.breaches) == 1


@pytest.mark.parametrize("where", WITHIN)
def test_what_is_missing_and_may_lie_within_the_times_is_named(where: str) -> None:
    since, until, lost = WITHIN[where]
    found = _dated(since, until)
    _lost(found, lost)
    found.since_us += 1

    found.come()
    assert found.watch.breaches == []
    found.missing = VersionVector()
    found.come()

    (breach,) = found.watch.breaches
    assert breach.about == "history at ana passes over part of its cut without a word, which it has not got"


def test_what_was_lost_as_some_times_were_looked_for_need_not_be_said_nor_be_kept_silent_of() -> None:
    found = _dated(3, 0)
    _lost(found, 1)
    found.since_us -= 1

    found.come()
    found.missing = VersionVector()
    found.come()

    assert found.watch.breaches == []


def test_of_what_came_as_it_was_asked_a_node_may_know_or_not_that_it_is_older_than_the_times() -> None:
    found = _dated(3, 0)
    _lost(found, 1)
    found.since_us += 1
    found.home.disk.image.rows[found.log][2].since_us = found.since_us

    found.come(told_us=found.since_us + 1)
    found.missing = VersionVector()
    found.come(told_us=found.since_us + 1)

    assert found.watch.breaches == []


@pytest.mark.parametrize(("since", "until", "owed"), [(2, 0, "2"), (0, 2, "1"), (2, 3, "2"), (0, 0, "1"), (3, 0, "3")])
def test_what_lies_within_the_times_is_owed_and_no_more(since: int, until: int, owed: str) -> None:
    found = _dated(since, until)

    (breach,) = found.broken()

    assert breach == ("in order", "left out", f"{owed}, which lies in its cut")


@pytest.mark.parametrize(("since", "until"), [(2, 0), (0, 1)])
def test_a_row_outside_the_times_is_told(since: int, until: int) -> None:
    found = _dated(since, until)
    stored = found.home.disk.image.rows[found.log].items()
    rows = [(found.log, at, each.batch().records()[0]) for at, each in stored]

    found.pages.rows += rows[:1]
    hold(found.watch, found.world, found.pages)

    (breach,) = found.watch.breaches
    assert (breach.promise, breach.kind) == ("in order", "times")
    assert breach.about.endswith("/1, which lies outside the times that were asked for")
    assert breach.witness[-1].endswith(f"ana shows it on page 1, from {found.log.node.hex()[:8]}:1")


def test_rows_within_the_times_are_not_told() -> None:
    found = _dated(1, 2)
    found.pages.rows += [(found.log, 1, found.home.disk.image.rows[found.log][1].batch().records()[0])]

    hold(found.watch, found.world, found.pages)

    assert found.broken() == []
