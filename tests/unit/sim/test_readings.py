"""What is always so of history: each way in which a page can be wrong is told, and nothing is that a node cannot help."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from mesh.clocks.vector import VersionVector
from mesh.log.names import NameIndex, NameRun
from mesh.log.record import Record
from mesh.types import LogId
from sim.checkers import SAME_US, SKEW_US, Watch
from sim.diary import Entry, name_of
from sim.network import Network
from sim.readings import Reading, Row, at_one_cut, hold
from sim.units import MILLION
from sim.workload import App
from sim.world import World
from tests.reading_samples import ASKED, OTHER, Shelf, shelf
from tests.samples import ANA

LOG = LogId(ANA, 1)


def nowhere(_log: LogId, _position: int) -> bool:
    return False


@dataclass
class Held:
    """A world, who looks on, and what was broken."""

    world: World
    watch: Watch

    def hold(self, reading: Reading, told_us: int = -1, stood: Callable[[LogId, int], bool] | None = None) -> None:
        for *_, record in reading.rows:
            self.watch.ledger.setdefault(name_of(record), Entry("room/1", record.payload))
        if stood is None:
            hold(self.watch, self.world, reading, told_us)
        else:
            hold(self.watch, self.world, reading, told_us, stood)

    def broken(self) -> list[tuple[str, str]]:
        return [(breach.promise, breach.about) for breach in self.watch.breaches]


def held() -> Held:
    world = World(7, Network.even(delay_us=5_000))
    return Held(world, Watch(lambda: world.now_us))


def row(stamp: int, position: int = 1, *, log: LogId = LOG, sequence: int = 1) -> Row:
    return log, position, Record("room/1", "alice", 7, sequence, stamp, 0, 0, [], {}, b"x", b"")


def reading(*rows: Row, backwards: bool = False) -> Reading:
    cut = VersionVector((log, [(1, 9)]) for log in (LOG, OTHER))
    return Reading("ana", cut, backwards, list(rows), asked=ASKED)


# --- page by page ------------------------------------------------------------------------------------------------------


def test_pages_are_held_one_after_another_and_each_row_once() -> None:
    found, pages = held(), reading(row(1), row(2, 2, sequence=2))
    found.hold(pages)
    pages.rows += [row(3, 3, sequence=3)]

    found.hold(pages)
    found.hold(pages)

    assert found.broken() == []
    assert found.watch.evaluated["nothing invented"] == 3


def test_a_row_of_a_later_page_that_belongs_on_an_earlier_one_is_told_with_who_asked() -> None:
    found, pages = held(), reading(row(2, 2, sequence=2))
    found.hold(pages)
    pages.rows += [row(1, 1)]
    pages.page = 2

    found.hold(pages)

    assert found.broken() == [("in order", "history at ana shows alice/0007/1 out of the order of stamps")]
    place = LOG.node.hex()[:8]
    assert found.watch.breaches[0].witness[1:] == (
        f"0.000000 s: ana shows another on page 1, from {place}:2",
        *ASKED,
        f"0.000000 s: ana shows it on page 2, from {place}:1",
    )


def test_what_its_disk_did_not_hold_all_the_while_may_come_twice_but_in_order() -> None:
    found = held()

    found.hold(reading(row(1), row(3, log=OTHER), row(2, 2, sequence=2)), stood=nowhere)

    assert found.broken() == [("in order", "history at ana shows alice/0007/2 out of the order of stamps")]


def test_a_log_with_two_histories_stands_in_the_way_of_no_order() -> None:
    found = held()
    node = found.world.add("ana", "eu").node
    assert node is not None
    node.holdings.forked[OTHER] = 1

    found.hold(reading(row(5, log=OTHER), row(4, sequence=2), row(3, 2, log=OTHER, sequence=3), row(6, 2, sequence=4)))

    assert found.broken() == []


def test_a_place_is_shown_once_whoever_shows_it_and_whatever_became_of_it() -> None:
    found, pages = held(), reading(row(1))
    found.hold(pages)
    pages.goes_on_at("ben")
    pages.rows += [row(1)]

    found.hold(pages, stood=nowhere)

    assert found.broken() == [("once", "history at ben shows alice/0007/1 twice")]


@pytest.mark.parametrize("at", [1, 2])
def test_what_is_shown_twice_is_proved_by_both_showings_with_their_pages_and_times(at: int) -> None:
    found, pages = held(), reading(row(1), row(2, 2, sequence=2))
    found.hold(pages)
    found.world.now_us = MILLION
    pages.page = 2
    pages.rows += [row(3, at)]

    found.hold(pages)

    breach = next(breach for breach in found.watch.breaches if breach.promise == "once")
    place = LOG.node.hex()[:8]
    assert breach.witness[-3:] == (
        f"0.000000 s: ana shows it on page 1, from {place}:{at}" if at == 1 else breach.witness[-3],
        ASKED[0],
        f"1.000000 s: ana shows it on page 2, from {place}:{at}",
    )
    assert breach.witness[-3].startswith("0.000000 s: ana shows it on page 1, from ")


def test_what_proves_a_wrong_row_stands_in_the_order_of_its_times() -> None:
    found = held()
    found.world.now_us = MILLION
    found.watch.ledger["alice", 7, 1] = Entry("room/2", b"y", at_us=MILLION // 2)

    hold(found.watch, found.world, reading(row(1), row(1)))

    witnesses = {breach.promise: breach.witness for breach in found.watch.breaches}
    assert [line[:3] for line in witnesses["once"]] == ["0.0", "0.5", "1.0", "1.0"]
    assert [line[:3] for line in witnesses["nothing invented"]] == ["0.0", "0.5", "1.0"]


def test_what_was_never_published_is_told_with_who_asked() -> None:
    found = held()

    hold(found.watch, found.world, reading(row(1)))

    assert found.broken() == [("nothing invented", "alice/0007/1 was shown to history at ana, and never published")]
    assert found.watch.breaches[0].witness[-1:] == ASKED


def test_who_goes_on_may_not_have_the_first_copy_and_keeps_the_order() -> None:
    found, pages = held(), reading(row(5, 5), row(6, 6, sequence=6))
    found.hold(pages)
    pages.goes_on_at("ben")
    pages.rows += [row(7, 7, log=OTHER), row(1, 1, sequence=2)]

    found.hold(pages)

    assert found.broken() == [("in order", "history at ben shows alice/0007/2 out of the order of stamps")]


def test_what_was_dead_as_a_node_told_it_is_told_and_what_died_on_its_way_is_not() -> None:
    found = held()
    found.watch.skew_us = SAME_US
    found.world.now_us = 60 * MILLION
    lives = row((1_700_000_000_000 + 1_000) << 16)
    found.watch.ledger["alice", 7, 1] = Entry("room/1", b"x", at_us=MILLION, expires_us=10 * MILLION)

    found.hold(reading(lives), told_us=10 * MILLION)
    in_time = found.broken()
    found.hold(reading(lives), told_us=12 * MILLION)

    assert in_time == []
    assert ("stays dead", "alice/0007/1 was shown to history at ana after it had expired") in found.broken()


def test_a_page_names_the_cut_of_its_reading() -> None:
    found, pages = held(), reading()

    at_one_cut(found.watch, pages, 2, pages.cut.copy())
    at_one_cut(found.watch, pages, 3, VersionVector())

    assert found.broken() == [("in order", "ana was asked for history at one cut, and answers at another")]
    assert found.watch.breaches[0].witness == (*ASKED, "0.000000 s: ana answers with page 3, at another cut")


# --- when it has come to its end ---------------------------------------------------------------------------------------


LEFT_OUT = [("in order", "left out", "2, which lies in its cut")]


def test_what_lies_in_the_cut_and_lives_is_not_left_out() -> None:
    found = shelf()

    assert found.broken() == LEFT_OUT
    asked, published, read = found.watch.breaches[0].witness
    assert (published.split()[2:4], asked, read.split(" s: ")[1][:40]) == (
        ["app", "publishes"],
        ASKED[0],
        "it is read to its end, and ana had it at",
    )


def test_what_is_shown_is_not_left_out() -> None:
    found = shelf()
    (log, first), row = next((key, row) for key, row in found.home.disk.rows.items() if row is found.middle)
    found.pages.rows += [(log, first, record) for record in row.batch().records()]

    assert found.broken() == []
    assert "history/died-while-read" not in found.world.coverage


def _dies_within_the_skew(found: Shelf) -> None:
    found.entry.expires_us = found.world.now_us + SKEW_US // 2


def _is_forked(found: Shelf) -> None:
    assert found.home.node is not None
    found.home.node.holdings.forked[found.log] = 1


EXCUSED: dict[str, Callable[[Shelf], object]] = {
    "its disk lost it meanwhile, and has it again": lambda found: setattr(found.middle, "since_us", found.since_us),
    "it is damaged": lambda found: setattr(found.middle, "damaged", True),
    "it has lost its body": lambda found: setattr(found.middle, "stripped", True),
    "it lies beyond the cut": lambda found: found.pages.cut.get(found.log).remove(2, 2),
    "nobody asked for it": lambda found: setattr(found.pages, "patterns", ("other/#",)),
    "nobody published it": lambda found: found.watch.ledger.pop(list(found.watch.ledger)[1]),
    "a lone wrong clock dated it": lambda found: setattr(found.entry, "misdated", True),
    "it dies within the skew of clocks": _dies_within_the_skew,
    "its log has two histories": _is_forked,
    "its member has gone bad": lambda found: setattr(found.home, "is_bad", True),
}


@pytest.mark.parametrize("why", EXCUSED)
def test_what_a_node_cannot_show_is_not_left_out(why: str) -> None:
    found = shelf()
    EXCUSED[why](found)

    assert found.broken() == []


def test_that_a_copy_of_it_is_missing_excuses_nobody_who_has_another_one() -> None:
    found = shelf()
    assert found.home.node is not None
    name = list(found.watch.ledger)[1]
    found.home.node.holdings.names = NameIndex([NameRun(*name[:2], name[2], name[2], OTHER, 1, 1, 1 << 45)])
    found.pages.cut.add(OTHER, 1, 1)
    found.missing.add(OTHER, 1, 1)

    assert found.broken() == LEFT_OUT


def test_of_two_copies_it_does_not_matter_which_is_shown() -> None:
    found = shelf()
    found.pages.cut.add(OTHER, 1, 1)
    found.missing.add(OTHER, 1, 1)
    found.pages.rows += [(OTHER, 1, record) for record in found.middle.batch().records()]

    assert found.broken() == []


def test_that_something_died_while_it_was_read_is_covered() -> None:
    found = shelf(ttl_ms=2_000)
    found.world.run(3)

    assert found.broken() == []
    assert found.world.coverage["history/died-while-read"] == 1


def test_of_a_batch_that_lies_partly_beyond_the_cut_the_rest_alone_is_looked_for() -> None:
    found = shelf()
    app = App(found.world, "late", ["ana"], ledger=found.watch.ledger)
    found.world.run(0.5)
    found.home.slow_disk_us = 100_000
    for number in range(4):  # what comes while two appends are under way is one batch
        app.publish("room/1", b"%d" % number)
        found.world.run(0.01)
    found.world.run(1)
    assert found.home.node is not None
    found.since_us, found.pages.cut = found.world.now_us, found.home.node.holdings.stored_vector()
    first, row = list(found.home.disk.image.rows[found.log].items())[-1]
    stored = found.home.disk.image.rows[found.log].items()
    found.pages.rows = [
        (found.log, at, record) for at, each in stored for at, record in enumerate(each.batch().records(), at)
    ]
    assert row.last == first + 1 and found.broken() == []
    hidden = found.pages.rows.pop()
    found.pages.passed.clear()

    found.pages.cut.get(found.log).remove(row.last, row.last)
    beyond = found.broken()
    found.pages.cut.add(found.log, row.last, row.last)

    assert (hidden[1], beyond) == (row.last, [])
    assert found.broken() == [("in order", "left out", "4, which lies in its cut")]


def test_a_copy_that_died_sooner_than_its_message_is_not_left_out() -> None:
    found = shelf(ttl_ms=2_000)
    found.world.run(3)
    found.entry.expires_us = 0

    assert found.broken() == []
