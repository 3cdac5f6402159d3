"""Repair: what is asked of whom, what progress is, and what becomes of what a peer cannot give."""

from dataclasses import replace

import pytest

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.effects import Count
from mesh.engines.repair import DUE, PAGE_LOGS, STALL, Partner, RepairConfig
from mesh.frames import Busy, LogState, NotFound, RepairEqual
from mesh.log.holdings import Holdings
from mesh.peers import Peers
from mesh.types import LogId
from tests.engine_samples import (
    TO_ANA,
    TO_BEN,
    TO_CY,
    at,
    held,
    no_timer,
    set_timer,
    state,
    take,
    to_ana,
    to_ben,
    to_cy,
)
from tests.repair_samples import CONFIG, SMALL, Desk, asked, desk, run_of, shared, vector, wanted
from tests.samples import ANA, BEN, CY, Writer

# --- asking ----------------------------------------------------------------------------------------------------------


def test_the_log_with_the_newest_stamp_is_asked_first_and_each_oldest_first() -> None:
    ana, ben, cy = Writer(ANA), Writer(BEN), Writer(CY)
    for writer in (ana, ben, cy):
        writer.write(2)
    repair = desk(to_cy()).engine

    outcomes = repair.on_vector(
        TO_CY, vector(state(ana, (1, 2), stamp=1), state(ben, (1, 2), stamp=3), state(cy, (1, 2), stamp=1)), at()
    )

    tied = sorted([(ana.log, 1, 2), (cy.log, 1, 2)])
    assert outcomes == wanted(TO_CY, (ben.log, 1, 2), *tied)


def test_no_position_is_asked_of_two() -> None:
    ana = Writer(ANA)
    run_of(ana, 6)
    repair = desk(to_ben(), to_cy(), config=SMALL).engine

    first = repair.on_vector(TO_BEN, vector(state(ana, (1, 6))), at())
    second = repair.on_vector(TO_CY, vector(state(ana, (1, 6))), at())

    assert first == wanted(TO_BEN, (ana.log, 1, 4))
    assert second == wanted(TO_CY, (ana.log, 5, 6))
    repair.check_all()


def test_a_peer_is_asked_for_more_once_half_of_its_share_has_come() -> None:
    ana = Writer(ANA)
    batches = run_of(ana, 9)
    holdings = Holdings()
    repair = desk(to_ben(), holdings=holdings, config=SMALL).engine
    repair.on_vector(TO_BEN, vector(state(ana, (1, 9))), at())

    take(holdings, batches[0])
    one = repair.on_received(ana.log, 1, 1, at(1))
    take(holdings, batches[1])
    two = repair.on_received(ana.log, 2, 2, at(2))

    assert one == []
    assert two == wanted(TO_BEN, (ana.log, 5, 6))[:1]  # who is asked for more has given nothing by that
    repair.check_all()


def test_half_of_an_odd_share_is_rounded_down() -> None:
    ana = Writer(ANA)
    batches = run_of(ana, 9)
    holdings = Holdings()
    repair = desk(to_ben(), holdings=holdings, config=RepairConfig(want_positions_max=5)).engine
    repair.on_vector(TO_BEN, vector(state(ana, (1, 9))), at())
    take(holdings, *batches[:2])

    outcomes = repair.on_received(ana.log, 1, 2, at())

    assert outcomes == wanted(TO_BEN, (ana.log, 6, 7))[:1]


def test_a_share_is_filled_from_several_logs_to_its_last_position() -> None:
    ana, ben, cy = Writer(ANA), Writer(BEN), Writer(CY)
    for writer in (ana, ben, cy):
        writer.write(3)
    repair = desk(to_cy(), config=SMALL).engine
    states = state(ana, (1, 3), stamp=3), state(ben, (1, 3), stamp=2), state(cy, (1, 3), stamp=1)

    assert repair.on_vector(TO_CY, vector(*states), at()) == wanted(TO_CY, (ana.log, 1, 3), (ben.log, 1, 1))


def test_a_want_names_at_most_a_page_of_ranges() -> None:
    log = LogId(ANA, 1)
    runs = tuple((2 * i + 1, 2 * i + 1, b"x") for i in range(PAGE_LOGS + 1))
    repair = desk(to_ben()).engine

    outcomes = repair.on_vector(TO_BEN, vector(LogState(log, 5, runs)), at())

    assert outcomes == wanted(TO_BEN, *((log, first, last) for first, last, _ in runs[:PAGE_LOGS]))
    assert repair.partners[TO_BEN].asked.count == PAGE_LOGS


def test_a_share_of_one_is_asked_for_one_after_the_other() -> None:
    ana = Writer(ANA)
    batches = run_of(ana, 2)
    holdings = Holdings()
    repair = desk(to_ben(), holdings=holdings, config=RepairConfig(want_positions_max=1)).engine
    first = repair.on_vector(TO_BEN, vector(state(ana, (1, 2))), at())
    take(holdings, batches[0])

    second = repair.on_received(ana.log, 1, 1, at())

    assert first == wanted(TO_BEN, (ana.log, 1, 1))
    assert second == wanted(TO_BEN, (ana.log, 2, 2))
    assert repair.compare(TO_BEN, at()) == []


# --- progress --------------------------------------------------------------------------------------------------------


def test_the_last_batch_that_was_missing_ends_every_session_that_wanted_it() -> None:
    repair, ana = shared()
    one = Desk(repair)
    for partner in repair.partners.values():
        partner.incomplete = 1
    take(repair.holdings, *ana.batches)

    outcomes = repair.on_received(ana.log, 1, 3, at(6))

    assert outcomes == [*one.finished(TO_BEN, 5_000, 6), *one.finished(TO_CY, 5_000, 6)]
    assert [partner.incomplete for partner in repair.partners.values()] == [0, 0]
    assert asked(repair) == {TO_BEN: [], TO_CY: []}
    repair.check_all()


def test_a_batch_that_nobody_told_of_changes_no_session() -> None:
    repair, ana = shared()
    other = Writer(CY)

    assert repair.on_received(other.log, 1, 1, at()) == []
    assert repair.on_received(ana.log, 4, 4, at()) == []
    assert repair.partners[TO_BEN].active


def test_a_batch_that_comes_outside_a_session_is_noted_without_a_word() -> None:
    repair, ana = shared()
    repair.partners[TO_BEN].active = repair.partners[TO_CY].active = False
    take(repair.holdings, *ana.batches)

    assert repair.on_received(ana.log, 1, 3, at()) == []
    assert [p.missing.count for p in repair.partners.values()] == [0, 0]


def test_partners_are_looked_at_again_once_a_range_that_they_have_was_lost() -> None:
    repair, ana = shared()
    take(repair.holdings, *ana.batches)
    for link in (TO_BEN, TO_CY):
        for batch in ana.batches:
            repair.on_answer(link, batch.log, batch.first, batch.last, at())
    repair.on_received(ana.log, 1, 3, at())
    repair.on_received(ana.log, 1, 3, at())
    assert not repair.seeks

    repair.on_lost(ana.log, 2, 2)
    assert (repair.seeks, repair.partners[TO_CY].missing.count) == (True, 1)
    repair.check_all()

    repair.seeks = False
    with pytest.raises(AssertionError):
        repair.check_all()
    repair.seeks = True
    repair.on_received(ana.log, 2, 2, at())
    assert [p.missing.count for p in repair.partners.values()] == [0, 0]


def test_a_batch_ends_a_session_behind_a_peer_that_never_had_it() -> None:
    ana = Writer(ANA)
    ana.write()
    one = desk(to_ben(), to_cy())
    one.engine.on_vector(TO_CY, vector(state(ana, (1, 1))), at())
    take(one.engine.holdings, *ana.batches)

    assert one.engine.on_received(ana.log, 1, 1, at()) == one.finished(TO_CY, 5_000, 0)


def test_a_batch_ends_a_session_behind_a_peer_that_has_none() -> None:
    repair, ana = shared()
    one = Desk(repair)
    repair.partners[TO_BEN].active = False
    take(repair.holdings, *ana.batches)

    assert repair.on_received(ana.log, 1, 3, at()) == one.finished(TO_CY, 5_000, 0)


def test_a_session_without_progress_is_given_up_and_others_are_asked() -> None:
    repair, ana = shared()
    one = Desk(repair)

    outcomes = repair.on_stall_timer(TO_BEN, at(5_000))

    given_up = [*one.finished(TO_BEN, 5_000, 5_000), Count("repair_incomplete_total")]
    assert outcomes == [*given_up, *wanted(TO_CY, (ana.log, 1, 3), now_ms=5_000)]
    assert repair.partners[TO_BEN].incomplete == 1
    assert repair.partners[TO_BEN].missing.count == 3
    repair.check_all()


def test_a_session_that_is_over_or_gone_does_not_stall() -> None:
    repair, _ = shared()
    repair.partners[TO_BEN].active = False

    assert repair.on_stall_timer(TO_BEN, at()) == []
    assert repair.on_stall_timer(TO_ANA, at()) == []
    assert repair.partners[TO_BEN].incomplete == 0


def test_what_comes_from_others_is_no_progress_of_a_peer_and_what_it_sends_is_whoever_sent_it_before() -> None:
    repair, ana = shared()
    batch = ana.write(2)
    repair.on_vector(TO_BEN, vector(state(ana, (1, 5))), at())
    ben = repair.partners[TO_BEN]

    take(repair.holdings, ana.batches[0])
    from_cy = [*repair.on_answer(TO_CY, ana.log, 1, 3, at(4)), *repair.on_received(ana.log, 1, 3, at(4))]
    unasked = repair.on_answer(TO_BEN, ana.log, 9, 9, at(5))
    stranger = repair.on_answer(TO_ANA, ana.log, 1, 3, at(5))
    late = repair.on_answer(TO_BEN, ana.log, 1, 3, at(6))

    assert [each for each in from_cy if each == set_timer(STALL, TO_BEN, ms=5_004)] == []
    assert (unasked, stranger, late) == ([], [], [set_timer(STALL, TO_BEN, ms=5_006)])
    assert list(ben.owes.get(ana.log)) == [(batch.first, batch.last)]
    assert repair.on_answer(TO_BEN, ana.log, 1, 3, at(7)) == []
    ben.active = False
    ben.incomplete = 2
    assert repair.on_answer(TO_BEN, ana.log, 4, 5, at(8)) == []
    assert (ben.moved_us, ben.incomplete) == (at(8).mono_us, 0)


def test_a_session_that_goes_on_for_too_long_is_given_up_however_it_moves_and_is_no_failure() -> None:
    repair, ana = shared()
    one = Desk(repair)
    last_ms = CONFIG.session_max_ms

    before = repair.on_answer(TO_BEN, ana.log, 1, 1, at(last_ms - 1))
    after = repair.on_answer(TO_BEN, ana.log, 2, 2, at(last_ms))
    outcomes = repair.on_stall_timer(TO_BEN, at(last_ms + 4_999))

    assert (before, after) == ([set_timer(STALL, TO_BEN, ms=last_ms + 4_999)], [])
    one.finished(TO_BEN, 5_000, 0)
    assert outcomes == [
        no_timer(STALL, TO_BEN),
        set_timer(DUE, TO_BEN, ms=last_ms + 4_999),
        Count("repair_incomplete_total"),
        *wanted(TO_CY, (ana.log, 1, 3), now_ms=last_ms + 4_999),
    ]
    assert repair.partners[TO_BEN].incomplete == 0


def test_a_peer_whose_turn_has_not_come_does_not_stall() -> None:
    repair, _ = shared()
    cy = repair.partners[TO_CY]
    cy.heard = cy.session

    outcomes = repair.on_stall_timer(TO_CY, at(5_000))

    assert outcomes == [set_timer(STALL, TO_CY, ms=10_000)]
    assert (cy.active, cy.incomplete) == (True, 0)


def test_a_peer_that_has_not_told_what_it_has_stalls() -> None:
    one = desk(to_ben())

    assert one.engine.on_stall_timer(TO_BEN, at(5_000))[-1] == Count("repair_incomplete_total")


def test_a_peer_whose_session_stalled_is_asked_only_for_what_no_other_has() -> None:
    repair, ana = shared()
    repair.on_stall_timer(TO_BEN, at(5_000))
    repair.on_not_found(TO_CY, Busy(((ana.log, 1, 3),)), at(5_001))
    ana.write()
    ben = repair.partners[TO_BEN]

    repair.compare(TO_BEN, at(6_000))
    ben.trust()
    told = repair.on_vector(TO_BEN, vector(state(ana, (1, 4)), session=ben.session), at(6_000))
    repair.check_all()
    after = repair.on_stall_timer(TO_CY, at(10_000))

    assert told == wanted(TO_BEN, (ana.log, 4, 4), now_ms=6_000)
    assert after[-1] == wanted(TO_BEN, (ana.log, 1, 3))[0]


def test_a_silent_peer_keeps_nothing_from_being_asked_of_one_whose_session_stalled() -> None:
    repair, ana = shared()
    repair.on_stall_timer(TO_BEN, at(5_000))
    ben, cy = repair.partners[TO_BEN], repair.partners[TO_CY]
    peer = repair.peers.get(TO_CY)
    assert peer is not None
    cy.asked = VersionVector()
    peer.silent = True

    repair.compare(TO_BEN, at(6_000))
    ben.trust()

    assert repair.compare(TO_BEN, at(6_000)) == wanted(TO_BEN, (ana.log, 1, 3), now_ms=6_000)


def test_what_a_peer_that_has_the_same_said_to_have_besides_is_not_there_unless_it_was_lost_here() -> None:
    repair, ana = shared()
    repair.on_lost(ana.log, 1, 1)
    ben, cy = repair.partners[TO_BEN], repair.partners[TO_CY]
    cy.lost_since = 0

    repair.on_equal(TO_BEN, RepairEqual(1), at())
    repair.on_equal(TO_CY, RepairEqual(1), at())

    assert [list(ben.missing.get(ana.log)), list(ben.theirs.get(ana.log))] == [[(1, 3)], [(1, 3)]]
    assert [list(cy.missing.get(ana.log)), list(cy.theirs.get(ana.log)), cy.asked.count] == [[], [], 0]


def test_equal_digests_forgive_sessions_without_progress() -> None:
    one = desk(to_ben())
    one.engine.partners[TO_BEN].incomplete = 2

    one.engine.on_equal(TO_BEN, RepairEqual(1), at())

    assert one.engine.partners[TO_BEN].incomplete == 0


# --- what a peer cannot give -----------------------------------------------------------------------------------------


def test_what_a_peer_does_not_have_after_all_is_asked_of_another() -> None:
    repair, ana = shared()
    one = Desk(repair)

    outcomes = repair.on_not_found(TO_BEN, NotFound(((ana.log, 1, 3),)), at(4))

    assert outcomes == [*wanted(TO_CY, (ana.log, 1, 3), now_ms=4), *one.finished(TO_BEN, 5_000, 4)]
    assert list(repair.partners[TO_BEN].theirs.get(ana.log)) == []
    assert repair.on_not_found(TO_ANA, NotFound(((ana.log, 1, 3),)), at()) == []
    repair.check_all()


def test_a_peer_that_lacks_a_part_still_owes_the_rest() -> None:
    repair, ana = shared()

    outcomes = repair.on_not_found(TO_BEN, NotFound(((ana.log, 1, 1),)), at(4))

    assert outcomes == wanted(TO_CY, (ana.log, 1, 1), now_ms=4)
    assert asked(repair) == {TO_BEN: [(ana.log, [(2, 3)])], TO_CY: [(ana.log, [(1, 1)])]}
    assert repair.partners[TO_BEN].active


def test_what_a_peer_denied_is_asked_of_it_again_once_a_vector_of_it_leaves_the_log_as_it_told_it() -> None:
    ana = Writer(ANA)
    run_of(ana, 6)
    repair = desk(to_ben()).engine
    ben = repair.partners[TO_BEN]
    repair.on_vector(TO_BEN, vector(state(ana, (1, 4))), at())
    repair.on_not_found(TO_BEN, NotFound(((ana.log, 1, 3),)), at())

    before = repair.can_fill(ana.log, 1, 3)
    repair.on_vector(TO_BEN, vector(session=9, more=True), at())
    repair.check_all()
    again = repair.on_vector(TO_BEN, vector(session=9), at())

    assert (before, repair.can_fill(ana.log, 1, 3)) == (False, False)
    assert again == wanted(TO_BEN, (ana.log, 1, 3))[:1]
    assert ben.denied.count == 0
    repair.on_not_found(TO_BEN, NotFound(((ana.log, 1, 4),)), at())
    assert list(ben.denied.get(ana.log)) == [(1, 4)]
    repair.on_vector(TO_BEN, vector(state(ana, (5, 6))), at())
    assert (ben.denied.count, list(ben.missing.get(ana.log))) == (0, [(5, 6)])


def test_what_was_denied_by_one_that_has_the_same_is_not_asked_for_again() -> None:
    repair, ana = shared()
    repair.on_not_found(TO_BEN, NotFound(((ana.log, 1, 3),)), at())
    repair.compare(TO_BEN, at())
    repair.on_equal(TO_BEN, RepairEqual(repair.partners[TO_BEN].session), at())

    assert repair.on_vector(TO_BEN, vector(session=9), at()) == []


def test_what_was_denied_and_came_from_another_is_not_asked_for() -> None:
    repair, ana = shared()
    repair.on_not_found(TO_BEN, NotFound(((ana.log, 1, 3),)), at())
    take(repair.holdings, *ana.batches)
    repair.on_received(ana.log, 1, 3, at())

    assert repair.on_vector(TO_BEN, vector(session=9), at()) == []
    assert repair.partners[TO_BEN].denied.count == repair.partners[TO_BEN].missing.count == 0


def test_what_a_peer_lacks_outside_a_session_plans_nothing() -> None:
    repair, ana = shared()
    repair.partners[TO_CY].active = False

    assert repair.on_not_found(TO_CY, NotFound(((ana.log, 1, 3),)), at()) == []


def test_several_others_share_what_a_peer_does_not_have() -> None:
    ana = Writer(ANA)
    run_of(ana, 6)
    repair = desk(to_ben(), to_cy(), to_ana(), config=RepairConfig(want_positions_max=6)).engine
    for link in (TO_BEN, TO_CY, TO_ANA):
        repair.on_vector(link, vector(state(ana, (1, 6))), at())
    repair.config = SMALL

    outcomes = repair.on_not_found(TO_BEN, NotFound(((ana.log, 1, 6),)), at())

    assert outcomes[:4] == [*wanted(TO_CY, (ana.log, 1, 4)), *wanted(TO_ANA, (ana.log, 5, 6))]


def test_a_busy_peer_is_asked_again_when_its_session_stalls() -> None:
    repair, ana = shared()

    outcomes = repair.on_not_found(TO_BEN, Busy(((ana.log, 2, 3),)), at())

    assert outcomes == []
    assert asked(repair) == {TO_BEN: [(ana.log, [(1, 1)])], TO_CY: []}
    assert repair.partners[TO_BEN].missing.count == 3
    assert repair.can_fill(ana.log, 2, 3)


def test_a_batch_that_the_disk_refused_is_asked_for_again() -> None:
    ana = Writer(ANA)
    ana.write(2)
    one = desk(to_ben())
    one.engine.on_vector(TO_BEN, vector(state(ana, (1, 2))), at())

    one.engine.on_blocked(ana.log, 1, 2)

    assert asked(one.engine) == {TO_BEN: []}
    assert one.engine.compare(TO_BEN, at(1_000)) == wanted(TO_BEN, (ana.log, 1, 2), now_ms=1_000)


def test_after_a_session_that_stalled_the_next_follows_soon_however_leisurely_the_clock() -> None:
    ana = Writer(ANA)
    ana.write(2)
    far = replace(to_ben(), near=False)
    one = desk(far)
    one.engine.on_vector(TO_BEN, vector(state(ana, (1, 2))), at())

    outcomes = one.engine.on_stall_timer(TO_BEN, at(5_000))

    assert outcomes == [*one.finished(TO_BEN, CONFIG.stall_ms, 5_000), Count("repair_incomplete_total")]
    assert one.engine.partners[TO_BEN].interval_ms == CONFIG.far_ms


def test_what_was_lost_here_is_missing_again_from_whoever_has_it() -> None:
    ana = Writer(ANA)
    batches = run_of(ana, 4)
    holdings = held(*batches)
    one = desk(to_ben(), to_cy(), holdings=holdings)
    one.engine.on_vector(TO_BEN, vector(state(ana, (1, 3))), at())
    holdings.lose(ana.log, 2, 4)

    one.engine.on_lost(ana.log, 2, 4)

    assert [list(p.missing.get(ana.log)) for p in one.engine.partners.values()] == [[(2, 3)], []]
    assert one.engine.on_received(ana.log, 2, 2, at()) == []


# --- the invariants --------------------------------------------------------------------------------------------------


def test_check_sees_a_position_that_is_asked_of_two_or_not_missing_and_a_partner_without_a_link() -> None:
    repair, ana = shared()
    repair.partners[TO_CY].asked.add(ana.log, 3, 3)
    with pytest.raises(AssertionError):
        repair.check_all()
    repair.partners[TO_CY].asked = VersionVector()
    repair.partners[TO_BEN].missing.replace(ana.log, IntervalSet([(1, 2)]))
    with pytest.raises(AssertionError):
        repair.check_all()
    repair.partners = {TO_ANA: Partner(1)}
    with pytest.raises(AssertionError):
        repair.check_all()


def test_whoever_cannot_be_reached_can_fill_nothing() -> None:
    repair, ana = shared()

    assert repair.can_fill(ana.log, 3, 3)
    repair.peers = Peers()
    assert not repair.can_fill(ana.log, 3, 3)
