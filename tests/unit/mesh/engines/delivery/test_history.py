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
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.operations import History, HistoryPage, Refused
from mesh.types import LogId, SessionId, pattern_matches
from tests.engine_samples import held
from tests.samples import ANA, BEN, DAY_MS, WALL_MS, Writer, record

SEAT = SessionId(1)
READ = 1 << 18


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


class Shelf:
    """Histories, and a disk that answers their reads."""

    def __init__(self, *batches: Batch, cut_short: bool = False) -> None:
        self.batches = batches
        self.cut_short = cut_short
        self.holdings = held(*batches, recent_bytes=0)
        self.histories = Histories(self.holdings, Twins(self.holdings), READ)
        self.reads = 0

    def answer(self, load: Load) -> Loaded:
        query = load.query
        self.reads += 1
        if isinstance(query, OfNames):
            return Loaded(load.request, self.batches)
        assert isinstance(query, OfChannels)
        found = [b for b in self.batches if b.log == query.log and b.last > query.after and b.first <= query.through]
        matching = [b for b in found if any(_matches(query.patterns, r.channel) for r in b.records())]
        ordered = sorted(matching, key=lambda b: b.first, reverse=query.backwards)
        if self.cut_short and len(ordered) > 1:
            return Loaded(load.request, tuple(ordered[:1]), complete=False)
        return Loaded(load.request, tuple(ordered))

    def page(self, operation: History, expiry_ms: int = WALL_MS) -> HistoryPage:
        return self.run(self.histories.ask(SEAT, operation, expiry_ms), expiry_ms)

    def run(self, outcomes: list[Outcome], expiry_ms: int = WALL_MS) -> HistoryPage:
        for _ in range(200):
            first = outcomes.pop(0)
            if isinstance(first, Tell):
                assert first.sessions == (SEAT,)
                assert isinstance(first.operation, HistoryPage)
                assert outcomes == []
                return first.operation
            assert isinstance(first, Load)
            outcomes += self.histories.on_loaded(self.answer(first), expiry_ms)
            self.histories.check_all()
        raise AssertionError("no page came")


def _matches(patterns: tuple[str, ...], channel: str) -> bool:
    return any(pattern_matches(pattern, channel) for pattern in patterns)


def two_logs() -> tuple[Writer, Writer]:
    """Ana's records are stamped 1, 3, 5, … and Ben's 2, 4, 6, …"""
    ana, ben = Writer(ANA), Writer(BEN)
    for n in (1, 3, 5):
        ana.seal([record(n, b"%d" % n, publisher="a", stamp=stamp_of(WALL_MS) + n)])
        ben.seal([record(n, b"%d" % (n + 1), publisher="b", stamp=stamp_of(WALL_MS) + n + 1)])
    return ana, ben


def shown(page: HistoryPage) -> list[bytes]:
    return [one.payload for one in page.records]


def shelf(*writers: Writer, cut_short: bool = False) -> Shelf:
    return Shelf(*(batch for writer in writers for batch in writer.batches), cut_short=cut_short)


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
    monkeypatch.setattr(module, "PAGE_BYTES_MAX", 2)

    assert shown(shelf(*two_logs()).page(History(1, ("#",), 9))) == [b"1", b"2"]


def test_so_many_logs_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOADS_MAX", 1)
    one = shelf(*two_logs())

    assert len(one.histories.ask(SEAT, History(1, ("#",), 9), WALL_MS)) == 1
    assert shown(shelf(*two_logs()).page(History(1, ("#",), 9))) == [b"1", b"2", b"3", b"4", b"5", b"6"]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_message_that_stands_in_two_logs_is_shown_where_it_stands_first(backwards: bool) -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ana.seal([record(1, b"twice", stamp=stamp_of(WALL_MS) + 5)])
    ben.seal([record(1, b"twice", stamp=stamp_of(WALL_MS) + 2), record(2, b"once", stamp=stamp_of(WALL_MS) + 3)])

    page = shelf(ana, ben).page(History(1, ("#",), 9, backwards=backwards))

    places = [(ben.log, 1), (ben.log, 2)]
    assert list(page.places) == (places[::-1] if backwards else places)


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

    assert lives.places == ((ana.log, 1),)
    assert following.places == ()


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


def test_check_sees_a_page_that_waits_for_nothing() -> None:
    one = Histories(Holdings(), Twins(Holdings()), READ)
    shelf_ = shelf(writer_of(1))
    ask(shelf_, 1)
    one.pages = shelf_.histories.pages

    with pytest.raises(AssertionError):
        one.check_all()


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
