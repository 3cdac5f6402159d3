"""History at a cut that another node fixed, or of which a disk has lost something: what is not here is named."""

from dataclasses import replace

import pytest

from mesh.clocks.hybrid import stamp_of
from mesh.clocks.vector import VersionVector
from mesh.operations import History
from mesh.types import LogId
from tests.history_samples import Shelf, shelf, shown, two_logs
from tests.samples import ANA, BEN, DAY_MS, WALL_MS, Writer, record

# --- at a cut that another node fixed ----------------------------------------------------------------------------------


def in_part(*places: tuple[str, int]) -> tuple[Shelf, VersionVector, LogId, LogId]:
    """What Ana and Ben have written, less some batches; and the cut of who has it all."""
    ana, ben = two_logs()
    writers = {"ana": ana, "ben": ben}
    absent = [writers[name].batches[position - 1] for name, position in places]
    batches = [batch for writer in (ana, ben) for batch in writer.batches if batch not in absent]
    return Shelf(*batches), VersionVector([(ana.log, [(1, 3)]), (ben.log, [(1, 3)])]), ana.log, ben.log


PARTS: dict[str, tuple[tuple[tuple[str, int], ...], list[bytes]]] = {
    "one in the middle": ((("ana", 2),), [b"1", b"2", b"4", b"5", b"6"]),
    "the first": ((("ben", 1),), [b"1", b"3", b"4", b"5", b"6"]),
    "the last": ((("ben", 3), ("ana", 3)), [b"1", b"2", b"3", b"4"]),
    "all of one log": ((("ana", 1), ("ana", 2), ("ana", 3)), [b"2", b"4", b"6"]),
    "everything": (tuple((name, at) for name in ("ana", "ben") for at in (1, 2, 3)), []),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 9])
def test_what_is_not_here_is_named_once_and_the_rest_keeps_its_order(limit: int, backwards: bool, part: str) -> None:
    absent, order = PARTS[part]
    one, cut, ana, ben = in_part(*absent)
    asked = History(5, ("#",), limit, backwards=backwards, cut=cut)

    pages = [one.page(asked)]
    while (following := pages[-1].next) is not None:
        pages.append(one.page(replace(asked, after=following)))

    named = [(log, first, last) for page in pages for log, runs in page.missing.items() for first, last in runs]
    positions = [(log, at) for log, first, last in named for at in range(first, last + 1)]
    assert [payload for page in pages for payload in shown(page)] == (order[::-1] if backwards else order)
    assert sorted(positions) == sorted(({"ana": ana, "ben": ben}[name], at) for name, at in absent)
    assert {page.cut == cut for page in pages} == {True}


def test_what_comes_meanwhile_is_shown_where_it_belongs_or_not_at_all() -> None:
    """Its stamp is known only now, and later ones were shown."""
    one, cut, ana, ben = in_part(("ana", 1), ("ana", 2))
    first = one.page(History(5, ("#",), 1, cut=cut))
    whole, *_ = in_part()

    second = whole.page(History(5, ("#",), 9, cut=cut, after=first.next))

    assert (shown(first), first.missing) == ([b"2"], VersionVector([(ana, [(1, 2)])]))
    assert (shown(second), second.missing, second.next) == ([b"4", b"5", b"6"], VersionVector(), None)
    assert first.next == VersionVector([(ana, [(1, 2)]), (ben, [(1, 1)])])


def test_what_was_missing_is_a_cut_to_ask_for_again() -> None:
    one, cut, ana, ben = in_part(("ana", 2), ("ben", 3))
    whole, *_ = in_part()

    missing = one.page(History(5, ("#",), 9, cut=cut)).missing
    again = whole.page(History(6, ("#",), 9, cut=missing))

    assert (again.places, again.missing) == (((ana, 2), (ben, 3)), VersionVector())


def test_what_nobody_asked_for_is_behind_a_page_as_well() -> None:
    """Else each following page would look for it again, and show it where a clock that is behind has it alive."""
    ana, ben = Writer(ANA), Writer(BEN)
    for n in (1, 3):
        ana.seal([record(n, channel="other", stamp=stamp_of(WALL_MS) + n)])
    for n in (2, 4):
        ben.seal([record(n, stamp=stamp_of(WALL_MS) + n)])

    page = shelf(ana, ben).page(History(1, ("room/#",), 1))

    assert page.places == ((ben.log, 1),)
    assert page.next == VersionVector([(ana.log, [(1, 2)]), (ben.log, [(1, 1)])])


def test_a_log_that_has_vanished_is_not_missing() -> None:
    one, cut, ana, _ = in_part(*PARTS["all of one log"][0])
    one.holdings.gone[ana] = stamp_of(WALL_MS)

    assert one.page(History(5, ("#",), 9, cut=cut)).missing == VersionVector()


def test_of_a_log_that_ended_before_the_time_what_follows_may_be_missing() -> None:
    one, cut, _, ben = in_part(("ana", 2), ("ben", 3))
    cut.remove(ben, 1, 1)

    page = one.page(History(5, ("#",), 9, since_ms=WALL_MS + DAY_MS, cut=cut))

    assert (shown(page), one.reads) == ([], 0)
    assert page.missing == VersionVector([(ben, [(3, 3)])])


@pytest.mark.parametrize("is_absent", [False, True])
def test_of_two_copies_the_one_is_shown_that_is_here(is_absent: bool) -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1, b"twice", stamp=stamp_of(WALL_MS) + 5)])
    ben.seal([record(1, b"twice", stamp=stamp_of(WALL_MS) + 2)])
    one = shelf(ana, ben)
    cut = one.page(History(1, ("#",), 9)).cut
    if is_absent:  # its copies were compared before it was lost
        one.holdings.lose(ben.log, 1, 1)

    page = one.page(History(2, ("#",), 9, cut=cut))

    assert page.places == ((ana.log, 1),) if is_absent else ((ben.log, 1),)
    assert page.missing == (VersionVector([(ben.log, [(1, 1)])]) if is_absent else VersionVector())


def of_two_copies() -> Shelf:
    """The first at Ben's, then another message and the second at Ana's."""
    ana, ben = Writer(ANA), Writer(BEN)
    ben.seal([record(1, b"twice", stamp=stamp_of(WALL_MS) + 2)])
    ana.seal([record(3, b"once", stamp=stamp_of(WALL_MS) + 3)])
    ana.seal([record(1, b"twice", stamp=stamp_of(WALL_MS) + 5)])
    return shelf(ana, ben)


@pytest.mark.parametrize("limit", [1, 9])
def test_a_copy_that_was_missing_hides_no_other_however_long_pages_are(limit: int) -> None:
    one = of_two_copies()
    cut = one.page(History(1, ("#",), 9)).cut
    one.holdings.lose(LogId(BEN, Writer(BEN).log.epoch), 1, 1)
    asked = History(2, ("#",), limit, cut=cut)

    pages = [one.page(asked)]
    while (following := pages[-1].next) is not None:
        pages.append(one.page(replace(asked, after=following)))

    assert [payload for page in pages for payload in shown(page)] == [b"once", b"twice"]


def test_a_copy_beyond_where_its_log_has_two_histories_hides_no_other() -> None:
    """Whoever showed the page before may hold another history, and have shown another message there."""
    one = of_two_copies()
    first = one.page(History(1, ("#",), 1))
    one.holdings.fork(LogId(BEN, Writer(BEN).log.epoch), 0)

    second = one.page(History(1, ("#",), 9, cut=first.cut, after=first.next))

    assert (shown(first), shown(second)) == ([b"twice"], [b"once", b"twice"])


@pytest.mark.parametrize("backwards", [False, True])
def test_holes_of_its_node_are_missing_at_the_cut_that_it_fixes_itself(backwards: bool) -> None:
    one, cut, ana, ben = in_part(("ana", 2), ("ben", 3))
    one.histories.known = lambda: cut

    page = one.page(History(1, ("#",), 9, backwards=backwards))

    assert (page.cut, page.missing) == (cut, VersionVector([(ana, [(2, 2)]), (ben, [(3, 3)])]))
