"""History at a cut that another node fixed, or of which a disk has lost something: what is not here is named."""

from dataclasses import replace

import pytest

from mesh.clocks.hybrid import stamp_of
from mesh.clocks.vector import VersionVector
from mesh.effects import Load, Loaded, OfChannels, Since
from mesh.engines.delivery.twins import COPIES_MAX
from mesh.operations import History
from mesh.types import LogId
from tests.engine_samples import keep
from tests.history_samples import READ, SEAT, Shelf, shelf, shown, two_logs
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

    assert (shown(page), one.reads) == ([], 1)
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


@pytest.mark.parametrize("limit", [1, 9])
def test_a_copy_that_an_earlier_page_named_missing_hides_no_other_though_it_has_come(limit: int) -> None:
    whole = of_two_copies()
    cut = whole.page(History(1, ("#",), 9)).cut
    part = Shelf(*(batch for batch in whole.batches if batch.log.node == ANA))
    asked = History(2, ("#",), limit, cut=cut)

    pages, named = [part.page(asked)], VersionVector()
    while (following := pages[-1].next) is not None:
        named.merge(pages[-1].missing)
        pages.append(whole.page(replace(asked, after=following, missing=named)))

    assert [payload for page in pages for payload in shown(page)] == [b"once", b"twice"]
    assert [page.missing.count for page in pages] == [1, 0][: len(pages)]


def dated(*absent: int) -> tuple[Shelf, VersionVector, LogId]:
    """One log, a message each second; some of it is not here."""
    ana = Writer(ANA)
    for n in range(1, 10):
        ana.seal([record(n, b"%d" % n, stamp=stamp_of(WALL_MS + 1_000 * n))])
    one = Shelf(*(batch for batch in ana.batches if batch.first not in absent))
    return one, VersionVector([(ana.log, [(1, 9)])]), ana.log


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("since_s", "until_s", "absent", "order", "missing"),
    [
        (6, 99, (2, 4), [6, 7, 8, 9], []),
        (6, 99, (2, 4, 5), [6, 7, 8, 9], [(4, 5)]),
        (6, 99, (2, 5, 6, 8), [7, 9], [(5, 6), (8, 8)]),
        (0, 5, (2, 7, 9), [1, 3, 4], [(2, 2)]),
        (0, 5, (4, 5, 7, 9), [1, 2, 3], [(4, 5)]),
        (3, 8, (1, 2, 5, 8, 9), [3, 4, 6, 7], [(1, 2), (5, 5), (8, 9)]),
        (3, 6, (1, 2, 5, 8), [3, 4], [(1, 2), (5, 5)]),
        (20, 99, (2, 9), [], [(9, 9)]),
        (5, 5, (2, 4, 7, 9), [], [(4, 4)]),
    ],
)
def test_what_certainly_lies_outside_the_times_is_not_missed(
    since_s: int,
    until_s: int,
    absent: tuple[int, ...],
    order: list[int],
    missing: list[tuple[int, int]],
    *,
    backwards: bool,
) -> None:
    one, cut, log = dated(*absent)
    times = WALL_MS + 1_000 * since_s if since_s else 0, WALL_MS + 1_000 * until_s

    page = one.page(History(1, ("#",), 9, *times, backwards=backwards, cut=cut))

    assert [int(payload) for payload in shown(page)] == (order[::-1] if backwards else order)
    assert list(page.missing.get(log)) == missing
    one.histories.check()


def test_what_lands_while_the_disk_looks_for_a_time_says_nothing_of_what_is_missing_below() -> None:
    """Of 1 and 2 the first is here; 3, behind the time, is stored after the disk has looked."""
    whole, cut, log = dated(4, 5, 6, 7, 8, 9)
    one = Shelf(whole.batches[0])
    (load,) = one.histories.ask(SEAT, History(1, ("#",), 9, WALL_MS + 1_500, cut=cut), WALL_MS)
    assert isinstance(load, Load)
    found = one.answer(load)
    keep(one.holdings, whole.batches[2])

    page = one.run(one.histories.on_loaded(found, WALL_MS))

    assert (found.positions, list(page.missing.get(log))) == ((), [(2, 9)])


@pytest.mark.parametrize(("since_s", "lost"), [(3, [3]), (3, [3, 4]), (8, [8, 9]), (3, [6])])
def test_what_is_lost_while_the_disk_looks_for_a_time_is_missing(since_s: int, lost: list[int]) -> None:
    one, cut, log = dated(1)
    (load,) = one.histories.ask(SEAT, History(1, ("#",), 9, WALL_MS + 1_000 * since_s, cut=cut), WALL_MS)
    for position in lost:
        one.holdings.lose(log, position, position)
        one.histories.on_lost(log, position, position)
    one.histories.on_lost(Writer(BEN).log, 1, 9)  # of which nothing is asked
    one.batches = tuple(batch for batch in one.batches if batch.first not in lost)
    assert isinstance(load, Load)

    page = one.run(one.histories.on_loaded(one.answer(load), WALL_MS))

    assert [int(payload) for payload in shown(page)] == [at for at in range(since_s, 10) if at not in lost]
    assert page.missing == VersionVector([(log, [(lost[0], lost[-1])])])


def test_what_is_lost_while_a_page_waits_for_the_one_before_it_is_missing_of_both() -> None:
    whole, cut, log = dated()
    (load,) = whole.histories.ask(SEAT, History(1, ("#",), 9, cut=cut), WALL_MS)
    assert whole.histories.ask(SEAT, History(2, ("#",), 9, cut=cut), WALL_MS) == []
    assert isinstance(load, Load)

    whole.holdings.lose(log, 4, 5)
    whole.histories.on_lost(log, 4, 5)
    whole.batches = tuple(batch for batch in whole.batches if batch.first not in (4, 5))
    told, following = whole.histories.on_loaded(whole.answer(load), WALL_MS)
    pages = [whole.run([told]), whole.run([following])]

    assert [(page.request, len(page.records)) for page in pages] == [(1, 7), (2, 7)]
    assert [list(page.missing.get(log)) for page in pages] == [[(4, 5)], [(4, 5)]]


def test_what_lands_across_the_end_of_the_times_while_the_disk_looks_for_it_is_missing_still() -> None:
    """Of 2 and 3, which come in one batch, the first lies within."""
    ana = Writer(ANA)
    for numbers in (1,), (2, 3), (4,):
        ana.seal([record(n, b"%d" % n, stamp=stamp_of(WALL_MS + 1_000 * n)) for n in numbers])
    first, across, last = ana.batches
    one = Shelf(first, last)
    cut = VersionVector([(ana.log, [(1, 4)])])
    (load,) = one.histories.ask(SEAT, History(1, ("#",), 9, 0, WALL_MS + 2_500, cut=cut), WALL_MS)
    keep(one.holdings, across)
    one.batches = (first, across, last)
    assert isinstance(load, Load)

    page = one.run(one.histories.on_loaded(one.answer(load), WALL_MS))

    assert (shown(page), list(page.missing.get(ana.log))) == ([b"1"], [(2, 3)])


@pytest.mark.parametrize("is_gone", [False, True])
def test_who_waits_for_a_time_waits_for_the_disk_or_is_gone(is_gone: bool) -> None:
    one, cut, log = dated(5)
    (load,) = one.histories.ask(SEAT, History(1, ("#",), 9, WALL_MS + 5_500, cut=cut), WALL_MS)
    assert load == Load(3, Since(WALL_MS + 5_500), READ)
    one.histories.check_all()
    assert isinstance(load, Load)
    if is_gone:
        one.histories.on_session_closed(SEAT)

    outcomes = one.histories.on_loaded(one.answer(load), WALL_MS)

    assert outcomes == ([] if is_gone else [Load(7, OfChannels(("#",), log, 0, 4), READ)])


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


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("limit", [1, 9])
def test_a_message_that_a_log_repeats_is_shown_once_however_often_that_is(limit: int, backwards: bool) -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1, stamp=stamp_of(WALL_MS) + 9)])
    ben.seal([record(1, stamp=stamp_of(WALL_MS) + at) for at in range(10, 60)])
    one = shelf(ana, ben)
    one.histories.twins.ask([record(1).name], 2)
    assert len(one.histories.twins.on_loaded(Loaded(2, one.batches))) == 1, "a person is told"

    pages = [one.page(History(1, ("#",), limit, backwards=backwards))]
    while (following := pages[-1].next) is not None:
        pages.append(one.page(History(1, ("#",), limit, backwards=backwards, cut=pages[0].cut, after=following)))

    assert [place for page in pages for place in page.places] == [(ben.log, COPIES_MAX) if backwards else (ana.log, 1)]
