"""History: pages at a cut, in one order, of what is alive and matches."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mesh.clocks.hybrid import stamp_of
from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.effects import Load, Loaded, OfChannels, OfNames, Outcome, Tell
from mesh.engines.delivery import Histories
from mesh.engines.delivery import history as module
from mesh.engines.delivery.twins import LOAD_BYTES, Twins
from mesh.log.holdings import Holdings
from mesh.operations import History, HistoryPage, Refused
from tests.history_samples import READ, SEAT, Shelf, shelf, shown, two_logs
from tests.samples import ANA, BEN, DAY_MS, WALL_MS, Writer, record


def test_pages_that_a_session_waits_for_are_bounded() -> None:
    shelf = Shelf(Writer().write())
    ask = [shelf.histories.ask(SEAT, History(number, ("#",)), WALL_MS) for number in range(1, 66)]

    text = "64 pages of this session are in the making, at cuts of 0 runs with this one"
    assert ask[1:64] == [[]] * 63
    assert ask[64] == [Tell((SEAT,), Refused(Code.OVERLOADED, text, 65, retry_ms=100))]


def test_pages_that_wait_beside_others_have_cuts_of_so_many_runs_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RUNS_WAITING_MAX", 6)
    batch = Writer().write()
    shelf = Shelf(batch)
    cut = VersionVector([(batch.log, [(1, 1), (3, 3), (5, 5)])])
    ask = [shelf.histories.ask(SEAT, History(number, ("#",), cut=cut), WALL_MS) for number in range(1, 4)]

    text = "2 pages of this session are in the making, at cuts of 9 runs with this one"
    assert [type(outcome) for outcome in ask[0]] == [Load]
    assert ask[1:] == [[], [Tell((SEAT,), Refused(Code.OVERLOADED, text, 3, retry_ms=100))]]
    assert (
        Shelf(batch)
        .page(History(1, ("#",), cut=VersionVector([(batch.log, [(n, n) for n in range(1, 99, 2)])])))
        .records
    )


@pytest.mark.parametrize("cut_short", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 6, 7])
def test_logs_are_merged_by_their_stamps_over_all_pages(limit: int, backwards: bool, cut_short: bool) -> None:
    one = shelf(*two_logs(), cut_short=cut_short)
    asked = History(5, ("#",), limit, backwards=backwards)

    page = one.page(asked)
    pages = [page]
    while page.next is not None:
        page = one.page(History(5, ("#",), limit, backwards=backwards, cut=page.cut, after=page.next))
        pages.append(page)

    order = [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert [payload for page in pages for payload in shown(page)] == (order[::-1] if backwards else order)
    assert all(len(page.records) <= limit for page in pages)
    assert {page.request for page in pages} == {5}
    assert one.histories.pages == {}


def test_places_name_where_each_record_stands() -> None:
    ana, ben = two_logs()

    page = shelf(ana, ben).page(History(1, ("#",), 3))

    assert page.places == ((ana.log, 1), (ben.log, 1), (ana.log, 2))
    assert page.cut == VersionVector([(ana.log, [(1, 3)]), (ben.log, [(1, 3)])])
    assert page.next == VersionVector([(ana.log, [(1, 2)]), (ben.log, [(1, 1)])])


def test_an_empty_store_has_an_empty_history() -> None:
    assert Shelf().page(History(1, ("#",), 3)) == HistoryPage(1, VersionVector(), (), (), None)


def test_what_lies_beyond_the_cut_is_not_shown() -> None:
    ana, ben = two_logs()
    cut = VersionVector([(ana.log, [(1, 2)])])

    page = shelf(ana, ben).page(History(1, ("#",), 9, cut=cut))

    assert (shown(page), page.missing) == ([b"1", b"3"], VersionVector())


def test_only_what_matches_is_alive_and_lies_within_the_times_is_shown() -> None:
    ana = Writer(ANA)
    stamps = [stamp_of(WALL_MS + ms) for ms in range(6)]
    ana.seal(
        [
            record(1, b"early", stamp=stamps[0]),
            record(2, b"yes", stamp=stamps[1]),
            record(3, b"no", channel="b", stamp=stamps[2]),
            record(4, b"dead", ttl_ms=1, stamp=stamps[3]),
            record(5, b"also", channel="room/2", stamp=stamps[4]),
            record(6, b"late", stamp=stamps[5]),
        ]
    )
    asked = History(1, ("room/1", "room/+"), 9, since_ms=WALL_MS + 1, until_ms=WALL_MS + 5)

    assert shown(shelf(ana).page(asked, expiry_ms=WALL_MS + 4)) == [b"yes", b"also"]


def test_a_log_that_ended_before_the_time_is_not_read() -> None:
    one = shelf(*two_logs())

    page = one.page(History(1, ("#",), 9, since_ms=WALL_MS + DAY_MS))

    assert shown(page) == []
    assert one.reads == 0


def test_a_page_ends_where_it_holds_enough_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(record(1, b"1").raw)
    for most, found in ((size + 1, [b"1", b"2"]), (2 * size + 1, [b"1", b"2", b"3"])):
        monkeypatch.setattr(module, "PAGE_BYTES_MAX", most)

        assert shown(shelf(*two_logs()).page(History(1, ("#",), 9))) == found


def test_headers_are_bytes_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    ana = Writer()
    for sequence in (1, 2, 3):
        ana.seal([record(sequence, b"", headers={"about": "x" * 500})])
    monkeypatch.setattr(module, "PAGE_BYTES_MAX", 600)

    assert shown(shelf(ana).page(History(1, ("#",), 9))) == [b"", b""]


def test_so_many_logs_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOADS_MAX", 1)
    one = shelf(*two_logs())

    assert len(one.histories.ask(SEAT, History(1, ("#",), 9), WALL_MS)) == 1
    assert shown(shelf(*two_logs()).page(History(1, ("#",), 9))) == [b"1", b"2", b"3", b"4", b"5", b"6"]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_message_that_stands_in_two_logs_is_shown_where_it_is_read_first(backwards: bool) -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1, b"twice", stamp=stamp_of(WALL_MS) + 5)])
    ben.seal([record(1, b"twice", stamp=stamp_of(WALL_MS) + 2), record(2, b"once", stamp=stamp_of(WALL_MS) + 3)])

    page = shelf(ana, ben).page(History(1, ("#",), 9, backwards=backwards))

    assert list(page.places) == ([(ana.log, 1), (ben.log, 2)] if backwards else [(ben.log, 1), (ben.log, 2)])


def test_of_two_copies_the_one_is_shown_that_lies_within_the_times() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1, b"twice", stamp=stamp_of(WALL_MS + 5))])
    ben.seal([record(1, b"twice", stamp=stamp_of(WALL_MS + 2))])
    one = shelf(ana, ben)

    assert one.page(History(1, ("#",), 9, since_ms=WALL_MS + 3)).places == ((ana.log, 1),)
    assert one.page(History(1, ("#",), 9, until_ms=WALL_MS + 5, backwards=True)).places == ((ben.log, 1),)


def test_what_died_while_the_disk_was_asked_is_not_shown() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1, b"brief", stamp=stamp_of(WALL_MS), ttl_ms=1_000)])
    ben.seal([record(2, b"long", stamp=stamp_of(WALL_MS) + 1)])
    one = shelf(ana, ben)
    first, second = one.histories.ask(SEAT, History(1, ("#",), 9), WALL_MS)
    assert isinstance(first, Load) and isinstance(second, Load)

    assert one.histories.on_loaded(one.answer(first), WALL_MS) == [], "it was alive then"
    (told,) = one.histories.on_loaded(one.answer(second), WALL_MS + 1_000)

    assert isinstance(told, Tell) and isinstance(told.operation, HistoryPage)
    assert [bytes(each.payload) for each in told.operation.records] == [b"long"]
    assert told.operation.places == ((ben.log, 1),)


def test_a_copy_that_is_dead_takes_no_living_one_along() -> None:
    """Such as one that was dead at birth: whoever sealed it was alone with a clock that was far behind."""
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1, b"twice", stamp=stamp_of(WALL_MS), ttl_ms=1_000)])
    ben.seal([record(1, b"twice", stamp=stamp_of(WALL_MS - 2_000), ttl_ms=1_000)])

    assert shelf(ana, ben).page(History(1, ("#",), 9)).places == ((ana.log, 1),)


@pytest.mark.parametrize("backwards", [False, True])
def test_with_the_first_copy_all_die_that_were_sealed_while_it_lived(backwards: bool) -> None:
    """An earlier page may have shown it."""
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1, b"twice", stamp=stamp_of(WALL_MS), ttl_ms=1_000)])
    ben.seal([record(1, b"twice", stamp=stamp_of(WALL_MS + 500), ttl_ms=1_000)])
    one = shelf(ana, ben)
    asked = History(1, ("#",), 1, backwards=backwards)

    lives = one.page(asked, expiry_ms=WALL_MS + 900)
    following = one.page(replace(asked, cut=lives.cut, after=lives.next), expiry_ms=WALL_MS + 1_100)

    assert lives.places == ((ben.log if backwards else ana.log, 1),)
    assert following.places == one.page(asked, expiry_ms=WALL_MS + 1_100).places == ()


def test_a_copy_that_lives_counts_though_it_is_dead_before_another_is_dated() -> None:
    """Whoever sealed that one has a clock that is ahead."""
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1, b"twice", stamp=stamp_of(WALL_MS), ttl_ms=1_000)])
    ben.seal([record(1, b"twice", stamp=stamp_of(WALL_MS + 60_000), ttl_ms=1_000)])

    assert shelf(ana, ben).page(History(1, ("#",), 9), expiry_ms=WALL_MS + 500).places == ((ana.log, 1),)


def test_a_copy_outside_the_cut_does_not_count() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1, b"twice", stamp=stamp_of(WALL_MS) + 5)])
    ben.seal([record(1, b"twice", stamp=stamp_of(WALL_MS) + 2)])
    cut = VersionVector([(ana.log, [(1, 1)])])

    assert shelf(ana, ben).page(History(1, ("#",), 9, cut=cut)).places == ((ana.log, 1),)


def ask(one: Shelf, request: int) -> list[Outcome]:
    return one.histories.ask(SEAT, History(request, ("#",), 9), WALL_MS)


def test_pages_of_one_session_come_one_after_the_other() -> None:
    one = shelf(Writer(ANA), writer_of(2))
    first = ask(one, 1)
    assert ask(one, 2) == []

    (load,) = first
    assert isinstance(load, Load)
    assert load == Load(3, OfChannels(("#",), writer_of(2).log, 0, 2), READ)
    told, second = one.histories.on_loaded(one.answer(load), WALL_MS)

    assert isinstance(told, Tell)
    assert isinstance(told.operation, HistoryPage)
    assert told.operation.request == 1
    assert isinstance(second, Load)
    assert one.run([second]).request == 2


def writer_of(count: int) -> Writer:
    ana = Writer(ANA)
    ana.write(count)
    return ana


def gone_while_reading(one: Shelf) -> Load:
    (load,) = ask(one, 1)
    one.histories.on_session_closed(SEAT)
    assert isinstance(load, Load)
    return load


def gone_while_comparing(one: Shelf) -> Load:
    loads = ask(one, 1)
    while isinstance(loads[0], Load) and isinstance(loads[0].query, OfChannels):
        loads += one.histories.on_loaded(one.answer(loads.pop(0)), WALL_MS)  # type: ignore[arg-type]
    (compare,) = loads
    assert compare == Load(11, OfNames("pub", 7, 1, 1), LOAD_BYTES)
    one.histories.on_session_closed(SEAT)
    return compare


@pytest.mark.parametrize("gone", [gone_while_reading, gone_while_comparing])
def test_an_answer_for_a_session_that_closed_comes_to_nothing(gone: Callable[[Shelf], Load]) -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1)])
    if gone is gone_while_comparing:
        ben.seal([record(1)])
    one = shelf(ana, ben)

    load = gone(one)

    assert one.histories.on_loaded(one.answer(load), WALL_MS) == []
    one.histories.on_session_closed(SEAT)
    assert ask(one, 2) != []


def test_what_the_disk_lost_since_the_cut_is_passed_over_and_named() -> None:
    ana, ben = writer_of(1), Writer(BEN)
    ana.write()
    one = shelf(ana)
    (load,) = ask(one, 1)
    one.holdings.lose(ana.log, 1, 1)
    one.histories.on_lost(ana.log, 1, 1)
    one.histories.on_lost(ben.log, 1, 1)
    assert isinstance(load, Load)

    page = one.run(one.histories.on_loaded(Loaded(load.request, (ana.batches[1],)), WALL_MS))

    assert (page.places, page.missing) == (((ana.log, 2),), VersionVector([(ana.log, [(1, 1)])]))


def test_what_was_read_before_it_was_lost_is_not_missing() -> None:
    ana = writer_of(1)
    ana.write()
    one = shelf(ana, cut_short=True)
    (load,) = ask(one, 1)
    assert isinstance(load, Load)
    (second,) = one.histories.on_loaded(one.answer(load), WALL_MS)
    one.histories.on_lost(ana.log, 1, 1)

    page = one.run([second])

    assert (page.places, page.missing) == (((ana.log, 1), (ana.log, 2)), VersionVector())


def test_check_sees_a_page_that_waits_for_nothing() -> None:
    one = Histories(Holdings(), Twins(Holdings()), READ, VersionVector)
    shelf_ = shelf(writer_of(1))
    ask(shelf_, 1)
    one.pages = shelf_.histories.pages

    with pytest.raises(AssertionError):
        one.check_all()
