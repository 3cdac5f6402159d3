"""Receipts: levels that rise, whom a node believes, and what is told when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.clocks.vector import VersionVector
from mesh.effects import Outcome, Placed, Send, Tell
from mesh.engines.receipts import PAGE_RANGES, TELL, ReceiptConfig
from mesh.errors import ConfigError
from mesh.frames import Stored
from mesh.log.holdings import Holdings
from mesh.log.log import Run
from mesh.operations import Receipt
from mesh.types import LinkId, LogId, NodeId
from tests.engine_samples import TO_ANA, TO_BEN, TO_CY, at, held, keep, peer, set_timer, take, to_ben, to_cy
from tests.receipt_samples import OTHER, SEAT, from_ben, placed, receipts, told
from tests.samples import ANA, BEN, CY, Writer


def test_a_config_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="waiting_max: at least 1"):
        ReceiptConfig(0)
    with pytest.raises(ConfigError, match="gather_ms: not negative"):
        ReceiptConfig(gather_ms=-1)
    with pytest.raises(ConfigError, match="session_waiting_max: at least 1"):
        ReceiptConfig(session_waiting_max=0)
    assert ReceiptConfig(1, 0, 1).waiting_max == 1


# --- levels ----------------------------------------------------------------------------------------------------------


def test_a_publish_is_told_local_when_this_node_has_stored_it() -> None:
    ana, holdings = Writer(), Holdings()
    batch = ana.write(2)
    take(holdings, batch)
    one = receipts(holdings=holdings)

    one.on_placed(placed(ana.log, 1, 2))
    assert one.tell_publishers() == []
    holdings.store(batch)
    one.on_stored_here(ana.log, 1, 3)
    assert one.tell_publishers() == [told(ana.log, 1, 2, 1, 1)]
    one.check_all()
    assert one.waiting.lines == {}
    assert one.tell_publishers() == []


def test_a_receipt_rises_with_each_node_and_region_until_what_was_asked_for_is_reached() -> None:
    ana = Writer()
    one = receipts(to_ben(near=False), to_cy(), holdings=held(ana.write(2)))
    one.on_placed(placed(ana.log, 1, 2, copies=3, regions=2))

    local = one.tell_publishers()
    one.on_stored_there(TO_CY, Stored(CY, "eu", ((ana.log, 1, 2),)))
    two = one.tell_publishers()
    one.check_all()
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 2)))
    three = one.tell_publishers()

    assert local == [told(ana.log, 1, 2, 1, 1)]
    assert two == [told(ana.log, 1, 2, 2, 1)]
    assert three == [told(ana.log, 1, 2, 3, 2)]
    assert one.waiting.count == 0
    one.check_all()


def test_what_a_peer_has_of_our_own_and_we_have_not_is_noticed_once() -> None:
    ana, ben = Writer(), Writer(BEN)
    one = receipts(to_ben(near=False), holdings=held(ana.write(), ben.write()))
    lost, forgotten = LogId(ANA, 7 << 20), LogId(ANA, 8 << 20)
    one.holdings.gone[forgotten] = 0

    assert not one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 1), (ben.log, 1, 2), (forgotten, 1, 1)))
    assert one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 2), (forgotten, 1, 1)))
    assert not one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 2)))
    assert one.on_stored_there(TO_BEN, from_ben((lost, 1, 1)))


@pytest.mark.parametrize(("copies", "regions"), [(2, 1), (1, 2)])
def test_both_copies_and_regions_are_waited_for(copies: int, regions: int) -> None:
    ana = Writer()
    one = receipts(to_ben(near=False), holdings=held(ana.write()))
    one.on_placed(placed(ana.log, 1, 1, copies=copies, regions=regions))
    one.tell_publishers()

    assert one.waiting.count == 1
    one.check_all()
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 1)))
    assert one.tell_publishers() == [told(ana.log, 1, 1, 2, 2)]
    assert one.waiting.count == 0


def test_what_others_hold_beyond_the_end_of_a_forked_log_is_not_counted() -> None:
    ana = Writer()
    one = receipts(to_ben(near=False), holdings=held(ana.write(2), ana.write()))
    one.holdings.fork(ana.log, 2)
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 3)))

    one.on_placed(placed(ana.log, 1, 2, copies=2))
    one.on_placed(placed(ana.log, 3, 3, copies=2))

    assert one.tell_publishers() == [told(ana.log, 1, 2, 2, 2), told(ana.log, 3, 3, 1, 1)]
    assert one.waiting.count == 1
    one.check_all()


def test_others_are_not_counted_before_this_node_has_stored() -> None:
    ana, holdings = Writer(), Holdings()
    batch = ana.write()
    take(holdings, batch)
    one = receipts(to_ben(near=False), holdings=holdings)
    one.on_placed(placed(ana.log, 1, 1))
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 1)))

    assert one.tell_publishers() == []
    holdings.store(batch)
    one.on_stored_here(ana.log, 1, 3)
    assert one.tell_publishers() == [told(ana.log, 1, 1, 2, 2)]


def test_a_level_that_was_told_stays_told_though_the_disk_lost_it() -> None:
    ana = Writer()
    holdings = held(ana.write())
    one = receipts(to_ben(near=False), holdings=holdings)
    one.on_placed(placed(ana.log, 1, 1, copies=3))
    one.tell_publishers()
    holdings.lose(ana.log, 1, 1)
    keep(holdings, Writer(epoch=9).write())

    one.on_stored_here(ana.log, 1, 3)

    assert one.tell_publishers() == []
    one.check_all()


def test_runs_that_follow_one_another_at_one_level_are_told_in_one_receipt() -> None:
    ana = Writer()
    one = receipts(to_ben(near=False), holdings=held(ana.write(9)))
    one.on_stored_there(TO_BEN, from_ben((ana.log, 5, 9)))
    for run in (placed(ana.log, 1, 2), placed(ana.log, 3, 4), placed(ana.log, 5, 5), placed(ana.log, 7, 7)):
        one.on_placed(run)
    one.on_placed(placed(ana.log, 8, 8, session=OTHER))
    one.on_placed(placed(ana.log, 9, 9, session=SEAT))

    assert one.tell_publishers() == [
        told(ana.log, 1, 4, 1, 1),
        told(ana.log, 5, 5, 2, 2),
        told(ana.log, 7, 7, 2, 2),
        told(ana.log, 8, 8, 2, 2, OTHER),
        told(ana.log, 9, 9, 2, 2),
    ]


def test_logs_are_told_in_order_and_those_that_nobody_waits_for_not_at_all() -> None:
    one_log, two_log, idle = Writer(epoch=1), Writer(epoch=2), Writer(epoch=3)
    one = receipts(holdings=held(two_log.write(), one_log.write(), idle.write()))
    one.on_placed(placed(two_log.log, 1, 1))
    one.on_placed(placed(one_log.log, 1, 1))
    one.on_stored_here(idle.log, 1, 3)

    assert one.tell_publishers() == [told(one_log.log, 1, 1, 1, 1), told(two_log.log, 1, 1, 1, 1)]


# --- whom to believe -------------------------------------------------------------------------------------------------


def test_a_node_speaks_for_itself_only() -> None:
    ana = Writer()
    one = receipts(to_ben(near=False), peer(TO_ANA, ANA), holdings=held(ana.write()))
    one.on_placed(placed(ana.log, 1, 1, copies=2))
    one.tell_publishers()

    one.on_stored_there(TO_BEN, Stored(CY, "asia", ((ana.log, 1, 1),)))
    one.on_stored_there(TO_CY, Stored(CY, "asia", ((ana.log, 1, 1),)))
    one.on_stored_there(TO_ANA, Stored(ANA, "asia", ((ana.log, 1, 1),)))

    assert one.tell_publishers() == []
    assert one.elsewhere == {}


def test_a_region_is_that_of_the_certificate_and_not_what_the_frame_says() -> None:
    ana = Writer()
    one = receipts(to_ben(), holdings=held(ana.write()))
    one.on_placed(placed(ana.log, 1, 1, copies=2, regions=2))

    one.on_stored_there(TO_BEN, Stored(BEN, "mars", ((ana.log, 1, 1),)))

    assert one.tell_publishers() == [told(ana.log, 1, 1, 2, 1)]


def test_of_logs_that_nobody_here_knows_nothing_is_kept() -> None:
    ana, ben, waited = Writer(), Writer(BEN), Writer(CY)
    one = receipts(to_ben(), holdings=held(ana.write()))
    one.on_placed(placed(waited.log, 1, 1))

    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 1), (ben.log, 1, 1), (waited.log, 1, 1)))

    assert list(one.elsewhere) == [ana.log, waited.log]


def test_what_was_told_before_raises_nothing() -> None:
    ana = Writer()
    one = receipts(to_ben(), holdings=held(ana.write(3)))
    one.on_placed(placed(ana.log, 1, 3, copies=3))
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 2)))
    assert one.risen == VersionVector([(ana.log, [(1, 3)])]), "from when it was placed"
    one.risen = VersionVector()

    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 2)))
    assert one.risen == VersionVector()
    one.on_stored_there(TO_BEN, from_ben((ana.log, 2, 3)))
    assert one.risen == VersionVector([(ana.log, [(3, 3)])])


def test_nothing_rises_in_a_log_on_which_nobody_waits() -> None:
    ana = Writer()
    one = receipts(to_ben(), holdings=held(ana.write(3)))

    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 3)))
    one.on_stored_here(ana.log, 1, 3)

    assert (one.risen, one.moved) == (VersionVector(), {ana.log})


def test_a_log_that_vanished_is_forgotten() -> None:
    ana = Writer()
    one = receipts(to_ben(), holdings=held(ana.write()))
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 1)))
    one.on_placed(placed(ana.log, 1, 1, copies=9))

    one.expire([ana.log])

    assert (one.elsewhere, one.waiting.lines, one.waiting.count) == ({}, {}, 0)
    assert one.tell_publishers() == []
    one.check_all()


def test_a_log_that_was_lost_and_never_came_again_is_forgotten_with_others() -> None:
    ana, ben = Writer(), Writer(BEN)
    one = receipts(to_ben(), holdings=held(ana.write(), ben.write()))
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 1), (ben.log, 1, 1)))
    one.holdings.lose(ana.log, 1, 1)

    one.expire([])

    assert list(one.elsewhere) == [ben.log]


# --- telling peers ---------------------------------------------------------------------------------------------------


def test_the_node_whose_log_it_is_is_told_at_once_and_the_others_a_little_later() -> None:
    ben = Writer(BEN)
    one = receipts(to_ben(), to_cy(), holdings=held(ben.write(2), ben.write()))
    one.on_stored_here(ben.log, 1, 3)
    stored = Stored(ANA, "eu", ((ben.log, 1, 3),))

    assert one.tell_peers(at(5)) == [Send((TO_BEN,), stored), set_timer(TELL, ms=1_005)]
    assert one.tell_gathered() == [Send((TO_CY,), stored)]
    assert one.tell_gathered() == []


def test_everyone_is_told_at_once_of_our_own_logs() -> None:
    ana = Writer()
    one = receipts(to_ben(), to_cy(), holdings=held(ana.write(2)))
    one.on_stored_here(ana.log, 1, 3)

    assert one.tell_peers(at()) == [Send((TO_BEN, TO_CY), Stored(ANA, "eu", ((ana.log, 1, 2),)))]
    assert one.tell_peers(at()) == []
    assert one.tell_gathered() == []


def test_what_gathers_is_told_once_to_each_who_does_not_know_all_of_it() -> None:
    ben, cy = Writer(BEN), Writer(CY)
    one = receipts(to_ben(), to_cy(), holdings=held(ben.write(), cy.write()), gather_ms=200)
    outcomes: list[Outcome] = []
    for ms, log in ((0, ben.log), (100, ben.log), (150, cy.log)):
        one.on_stored_here(log, 1, 1)
        outcomes += one.tell_peers(at(ms))

    assert outcomes == [
        Send((TO_BEN,), Stored(ANA, "eu", ((ben.log, 1, 1),))),
        set_timer(TELL, ms=200),
        Send((TO_BEN,), Stored(ANA, "eu", ((ben.log, 1, 1),))),
        Send((TO_CY,), Stored(ANA, "eu", ((cy.log, 1, 1),))),
    ]
    ranges = tuple(sorted([(ben.log, 1, 1), (cy.log, 1, 1)]))
    assert one.tell_gathered() == [Send((TO_BEN, TO_CY), Stored(ANA, "eu", ranges))]


def test_of_two_logs_at_once_each_node_is_told_of_its_own_and_nobody_else_of_either() -> None:
    ben, cy = Writer(BEN), Writer(CY)
    third = peer(LinkId(9), NodeId(b"d" * 32))
    one = receipts(third, to_cy(), to_ben(), holdings=held(ben.write(), cy.write()), gather_ms=200)
    for log in (ben.log, cy.log):
        one.on_stored_here(log, 1, 1)

    assert one.tell_peers(at()) == [
        Send((TO_CY,), Stored(ANA, "eu", ((cy.log, 1, 1),))),
        Send((TO_BEN,), Stored(ANA, "eu", ((ben.log, 1, 1),))),
        set_timer(TELL, ms=200),
    ]


def test_a_log_that_vanished_before_the_others_were_told_is_not_told() -> None:
    ben = Writer(BEN)
    one = receipts(to_cy(), holdings=held(ben.write()))
    one.on_stored_here(ben.log, 1, 3)
    one.tell_peers(at())

    one.expire([ben.log])

    assert one.tell_gathered() == []


def test_one_peer_is_told_of_every_log_and_all_its_runs() -> None:
    ana, ben = Writer(), Writer(BEN)
    ana_batches = [ana.write() for _ in range(3)]
    one = receipts(to_ben(), to_cy(), holdings=held(ana_batches[0], ana_batches[2], ben.write()))

    ranges = sorted([(ana.log, 1, 1), (ana.log, 3, 3), (ben.log, 1, 1)])
    assert one.tell_all(TO_CY) == [Send((TO_CY,), Stored(ANA, "eu", tuple(ranges)))]


def test_nobody_is_told_by_a_lone_node_and_nothing_by_an_empty_one() -> None:
    ana = Writer()
    lone = receipts(holdings=held(ana.write()))
    lone.on_stored_here(ana.log, 1, 3)

    assert lone.tell_peers(at()) == []
    assert (lone.moved, lone.untold) == (set(), set())
    assert receipts(to_ben()).tell_all(TO_BEN) == []


def test_many_runs_are_told_in_pages() -> None:
    log, holdings = Writer().log, Holdings()
    runs = tuple(Run(2 * i + 1, 2 * i + 1, b"", b"x") for i in range(PAGE_RANGES + 1))
    holdings.recover(log, runs, 5, 6)

    pages = receipts(to_ben(), holdings=holdings).tell_all(TO_BEN)

    ranges = tuple((log, run.first, run.last) for run in runs)
    assert pages == [
        Send((TO_BEN,), Stored(ANA, "eu", ranges[:PAGE_RANGES])),
        Send((TO_BEN,), Stored(ANA, "eu", ranges[PAGE_RANGES:])),
    ]


# --- for any order of news -------------------------------------------------------------------------------------------

news = st.lists(st.tuples(st.sampled_from(["here", "ben", "cy", "place"]), st.integers(1, 6), st.integers(0, 3)))


@given(news, st.integers(1, 3), st.integers(1, 2))
def test_levels_only_rise_and_never_say_more_than_is_stored(
    story: list[tuple[str, int, int]], copies: int, regions: int
) -> None:
    ana, holdings = Writer(), Holdings()
    batches = [ana.write() for _ in range(9)]
    one = receipts(to_ben(near=False), to_cy(), holdings=holdings, waiting_max=1_000)
    where: dict[str, set[int]] = {"here": set(), "ben": set(), "cy": set()}
    highest: dict[int, tuple[int, int]] = {}
    for kind, first, more in story:
        last = first + more
        if kind == "place":
            highest.pop(first, None)
            one.on_placed(placed(ana.log, first, first, copies=copies, regions=regions))
        elif kind == "here":
            keep(holdings, *(b for b in batches[first - 1 : last] if not holdings.has(b.log, b.first, b.last)))
            one.on_stored_here(ana.log, 1, 3)
        else:
            link, node, region = (TO_BEN, BEN, "us") if kind == "ben" else (TO_CY, CY, "eu")
            one.on_stored_there(link, Stored(node, region, ((ana.log, first, last),)))
        if kind != "place":
            where[kind] |= set(range(first, last + 1))

        for outcome in one.tell_publishers():
            assert isinstance(outcome, Tell)
            receipt = outcome.operation
            assert isinstance(receipt, Receipt)
            for number in range(receipt.first, receipt.last + 1):
                holders = [name for name, have in where.items() if number in have]
                spread = {"us" if name == "ben" else "eu" for name in holders}
                assert "here" in holders
                assert (receipt.copies, receipt.regions) <= (len(holders), len(spread))
                assert (receipt.copies, receipt.regions) >= highest.get(number, (1, 1))
                highest[number] = receipt.copies, receipt.regions
        one.check_all()


@given(news, st.integers(1, 3))
def test_nobody_waits_for_what_is_stored(story: list[tuple[str, int, int]], copies: int) -> None:
    """Only those whose range ends where something is new are looked at; what any range has come to is told all the same."""
    ana, holdings = Writer(), Holdings()
    batches = [ana.write() for _ in range(9)]
    take(holdings, *batches)
    one = receipts(to_ben(), to_cy(), holdings=holdings, waiting_max=1_000)
    where: dict[str, set[int]] = {"here": set(), "ben": set(), "cy": set()}
    for number, (kind, first, more) in enumerate(story, 1):
        positions = set(range(first, first + more + 1))
        if kind == "place":
            one.on_placed(Placed(SEAT, number, number, ana.log, first, first + more, copies, 1))
        elif kind == "here":
            for batch in batches[first - 1 : first + more]:
                if not holdings.stored_of(ana.log).covers(batch.first, batch.last):
                    holdings.store(batch)
            one.on_stored_here(ana.log, first, first + more)
        else:
            link, node = (TO_BEN, BEN) if kind == "ben" else (TO_CY, CY)
            one.on_stored_there(link, Stored(node, "eu", ((ana.log, first, first + more),)))
        if kind != "place":
            where[kind] |= positions
        one.tell_publishers()

        for waiting in one.waiting.of(SEAT):
            spot = set(range(waiting.from_position, waiting.to_position + 1))
            holders = sum(spot <= have for have in where.values()) if spot <= where["here"] else 0
            assert waiting.told == (holders, 1 if holders else 0)
