"""Repair: when sessions begin and end, and what is told and heard in them."""

import pytest

from mesh.clocks.vector import VersionVector
from mesh.effects import Send
from mesh.engines.repair import DUE, STALL, RepairConfig
from mesh.errors import ConfigError
from mesh.frames import LogState, RepairEqual, Want
from mesh.log.batch import BATCH_BYTES_MAX
from mesh.log.holdings import Holdings
from mesh.log.log import UNKNOWN_NAME
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
from tests.repair_samples import asked, desk, engine, hello, run_of, shared, vector, wanted
from tests.repair_samples import told as telling
from tests.samples import ANA, BEN, Writer

# --- the config ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"near_ms": 0},
        {"near_ms": 2, "near_max_ms": 1},
        {"far_ms": 0},
        {"far_ms": 2, "far_max_ms": 1},
        {"fresh_ms": 0},
        {"slow_ms": 0},
        {"ranges_waiting_max": 0},
        {"stall_ms": 0},
        {"session_max_ms": 4_999},
        {"busy_retry_ms": 0},
        {"want_positions_max": 0},
        {"incomplete_alarm": 0},
        {"want_bytes": BATCH_BYTES_MAX - 1},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields: dict[str, int]) -> None:
    words = {
        "near_ms": "intervals must rise",
        "far_ms": "intervals must rise",
        "want_bytes": "want_bytes must hold a batch",
        "session_max_ms": "stall_ms <= session_max_ms must hold",
    }
    expected = words.get(next(iter(fields)), "limits are positive")

    with pytest.raises(ConfigError, match=f"^{expected}$"):
        RepairConfig(**fields)


def test_the_least_config_is_one_of_ones() -> None:
    ones = dict.fromkeys(
        ("near_ms", "near_max_ms", "far_ms", "far_max_ms", "ranges_waiting_max", "stall_ms", "busy_retry_ms"), 1
    )

    config = RepairConfig(**ones, want_positions_max=1, incomplete_alarm=1, want_bytes=BATCH_BYTES_MAX)

    assert {getattr(config, name) for name in ones} == {config.want_positions_max, config.incomplete_alarm} == {1}


# --- when ------------------------------------------------------------------------------------------------------------


def test_a_link_that_comes_up_is_compared_at_once() -> None:
    holdings = held(Writer().write())
    repair = engine(to_ben(), holdings=holdings)

    outcomes = repair.on_peer_up(TO_BEN, at(7))

    assert outcomes == hello(TO_BEN, 1, holdings.digest, 7)
    repair.check_all()


def test_a_link_that_nobody_writes_to_is_not_compared() -> None:
    repair = engine(to_ben())

    assert repair.on_peer_up(TO_ANA, at()) == []
    assert repair.partners == {}


def test_a_session_under_way_is_not_begun_anew_but_goes_on() -> None:
    one = desk(to_ben())

    assert one.engine.compare(TO_BEN, at()) == []
    assert one.engine.partners[TO_BEN].session == 1


def test_a_session_under_way_asks_for_what_others_no_longer_owe() -> None:
    ana = Writer(ANA)
    ana.write(3)
    repair = desk(to_ben(), to_cy()).engine
    repair.on_vector(TO_BEN, vector(state(ana, (1, 3))), at())
    repair.on_vector(TO_CY, vector(state(ana, (1, 3))), at())
    repair.partners[TO_BEN].asked = VersionVector()

    assert repair.compare(TO_CY, at(5)) == wanted(TO_CY, (ana.log, 1, 3), now_ms=5)


def test_nobody_is_compared_with_who_is_gone_or_silent() -> None:
    ben = to_ben()
    repair = desk(ben).engine
    repair.partners[TO_BEN].active = False
    ben.silent = True

    assert repair.compare(TO_BEN, at()) == []
    assert repair.compare(TO_CY, at()) == []
    repair.peers.remove(TO_BEN)
    assert repair.compare(TO_BEN, at()) == []
    assert not repair.partners[TO_BEN].active


def test_all_are_compared_when_something_is_missing() -> None:
    repair = desk(to_ben(), to_cy(), to_ana()).engine
    for partner in repair.partners.values():
        partner.active = False
    repair.partners[TO_CY].active = True

    outcomes = repair.compare_all(at(9))

    assert outcomes == [*hello(TO_BEN, 2, 0, 9), *hello(TO_ANA, 2, 0, 9)]


def test_the_clock_begins_a_session() -> None:
    one = desk(to_ben())
    one.engine.on_equal(TO_BEN, RepairEqual(1), at())

    assert one.engine.on_due_timer(TO_BEN, at(6_000)) == hello(TO_BEN, 2, 0, 6_000)


def test_sessions_grow_rare_while_nothing_differs_up_to_a_limit_for_each_distance() -> None:
    config = RepairConfig(near_ms=10, near_max_ms=30, far_ms=20, far_max_ms=31)
    one = desk(to_ben(), to_cy(near=False), config=config)

    for session, (near_ms, far_ms) in enumerate([(15, 30), (22, 31), (30, 31), (30, 31)], 1):
        assert one.engine.on_equal(TO_BEN, RepairEqual(session), at(4)) == one.finished(TO_BEN, near_ms, 4)
        assert one.engine.on_equal(TO_CY, RepairEqual(session), at(4)) == one.finished(TO_CY, far_ms, 4)
        one.engine.compare_all(at(4))


def test_an_answer_of_another_session_ends_nothing() -> None:
    one = desk(to_ben())

    assert one.engine.on_equal(TO_BEN, RepairEqual(2), at()) == []
    assert one.engine.on_equal(TO_ANA, RepairEqual(1), at()) == []
    assert one.engine.partners[TO_BEN].active
    assert one.engine.on_equal(TO_BEN, RepairEqual(1), at()) == one.finished(TO_BEN, 7_500, 0)
    assert one.engine.on_equal(TO_BEN, RepairEqual(1), at()) == []
    assert not one.engine.partners[TO_BEN].active


def test_what_was_missed_during_a_session_is_compared_as_soon_as_it_is_over() -> None:
    one = desk(to_ben())

    assert one.engine.on_peer_back(TO_BEN, at(1)) == []
    one.finished(TO_BEN, 7_500, 2)
    assert one.engine.on_equal(TO_BEN, RepairEqual(1), at(2)) == [no_timer(STALL, TO_BEN), set_timer(DUE, TO_BEN, ms=2)]
    assert one.engine.on_due_timer(TO_BEN, at(2)) == hello(TO_BEN, 2, 0, 2)
    assert one.engine.on_equal(TO_BEN, RepairEqual(2), at(3)) == one.finished(TO_BEN, 11_250, 3)


def test_a_peer_that_is_back_outside_a_session_is_compared_at_once() -> None:
    one = desk(to_ben())
    one.engine.on_equal(TO_BEN, RepairEqual(1), at(2))
    one.finished(TO_BEN, 7_500, 2)

    assert one.engine.on_peer_back(TO_BEN, at(3)) == hello(TO_BEN, 2, 0, 3)
    assert one.engine.on_equal(TO_BEN, RepairEqual(2), at(4)) == one.finished(TO_BEN, 11_250, 4)
    assert one.engine.on_peer_back(TO_CY, at()) == []


# --- links that die or fall silent -----------------------------------------------------------------------------------


def test_what_was_asked_of_a_lost_link_is_asked_of_others() -> None:
    repair, ana = shared()
    repair.peers.remove(TO_BEN)

    outcomes = repair.on_peer_down(TO_BEN, at(8))

    again = wanted(TO_CY, (ana.log, 1, 3), now_ms=8)
    assert outcomes == [no_timer(DUE, TO_BEN), no_timer(STALL, TO_BEN), *again]
    assert list(repair.partners) == [TO_CY]
    repair.check_all()


def test_a_link_that_was_never_compared_goes_without_a_word() -> None:
    repair, _ = shared()

    assert repair.on_peer_down(TO_ANA, at()) == []


def test_what_was_asked_of_a_silent_peer_is_asked_of_others_and_its_session_is_over() -> None:
    repair, ana = shared()
    ben = repair.peers.get(TO_BEN)
    assert ben is not None
    ben.silent = True

    outcomes = repair.on_peer_silent(TO_BEN, at(8))

    again = wanted(TO_CY, (ana.log, 1, 3), now_ms=8)
    assert outcomes == [no_timer(DUE, TO_BEN), no_timer(STALL, TO_BEN), *again]
    assert not repair.partners[TO_BEN].active
    assert asked(repair) == {TO_BEN: [], TO_CY: [(ana.log, [(1, 3)])]}
    assert repair.on_peer_silent(TO_ANA, at()) == []


def test_a_silent_peer_is_asked_for_nothing_until_it_is_back() -> None:
    repair, ana = shared()
    for link in (TO_BEN, TO_CY):
        peer = repair.peers.get(link)
        assert peer is not None
        peer.silent = True

    assert repair.on_peer_silent(TO_BEN, at()) == [no_timer(DUE, TO_BEN), no_timer(STALL, TO_BEN)]
    assert not repair.can_fill(ana.log, 1, 3)


# --- hearing ---------------------------------------------------------------------------------------------------------


def test_what_a_peer_has_and_we_miss_is_wanted() -> None:
    ana = Writer(ANA)
    batches = run_of(ana, 6)
    holdings = held(batches[2])
    take(holdings, batches[4])
    repair = desk(to_ben(), holdings=holdings).engine

    outcomes = repair.on_vector(TO_BEN, vector(state(ana, (1, 6))), at(3))

    missing = (ana.log, 1, 2), (ana.log, 4, 4), (ana.log, 6, 6)
    assert outcomes == wanted(TO_BEN, *missing, now_ms=3)
    assert repair.can_fill(ana.log, 6, 9)
    assert not repair.can_fill(ana.log, 7, 9)
    repair.check_all()


def test_a_vector_of_which_nothing_is_missing_ends_the_session() -> None:
    ana = Writer(ANA)
    one = desk(to_ben(), holdings=held(ana.write()))
    one.engine.partners[TO_BEN].incomplete = 2
    one.engine.partners[TO_BEN].interval_ms = 50_000

    assert one.engine.on_vector(TO_BEN, vector(state(ana, (1, 1))), at(3)) == one.finished(TO_BEN, 5_000, 3)
    assert one.engine.partners[TO_BEN].incomplete == 0
    assert one.engine.on_vector(TO_BEN, vector(state(ana, (1, 1))), at(3)) == []


def test_a_vector_of_nobody_is_not_heard() -> None:
    ana = Writer(ANA)
    ana.write()
    repair = desk(to_ben()).engine

    assert repair.on_vector(TO_CY, vector(state(ana, (1, 1)), answer=True), at()) == []


def test_a_vector_that_asks_is_answered_before_anything_is_wanted() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ana.write()
    repair = desk(to_ben(), holdings=held(ben.write())).engine

    outcomes = repair.on_vector(TO_BEN, vector(state(ana, (1, 1)), session=9, answer=True), at())

    told = telling(TO_BEN, vector(state(ben, (1, 1)), session=9))
    assert outcomes == [told, *wanted(TO_BEN, (ana.log, 1, 1))]


def test_nothing_is_wanted_before_the_last_page() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ana.write()
    ben.write()
    repair = desk(to_cy()).engine

    first = repair.on_vector(TO_CY, vector(state(ana, (1, 1), stamp=1), more=True), at())
    second = repair.on_vector(TO_CY, vector(state(ben, (1, 1), stamp=2)), at())

    assert first == []
    assert second == wanted(TO_CY, (ben.log, 1, 1), (ana.log, 1, 1))


def test_an_empty_first_page_does_not_end_the_session() -> None:
    repair = desk(to_cy()).engine

    assert repair.on_vector(TO_CY, vector(more=True), at()) == []
    assert repair.partners[TO_CY].active


def test_a_log_that_has_expired_here_is_not_fetched_again() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    ben.write()
    holdings = held(ana.write())
    holdings.forget(ana.log)
    repair = desk(to_cy(), holdings=holdings).engine

    outcomes = repair.on_vector(TO_CY, vector(state(ana, (1, 1)), state(ben, (1, 1))), at())

    assert outcomes == wanted(TO_CY, (ben.log, 1, 1))


def test_a_vector_outside_any_session_begins_one_where_something_is_missing() -> None:
    ana = Writer(ANA)
    ana.write()
    one = desk(to_ben())
    one.engine.on_equal(TO_BEN, RepairEqual(1), at())

    assert one.engine.on_vector(TO_BEN, vector(state(ana, (1, 1)), session=7), at(2)) == wanted(
        TO_BEN, (ana.log, 1, 1), now_ms=2
    )
    assert one.engine.partners[TO_BEN].active
    assert one.engine.partners[TO_BEN].session == 2


def test_a_vector_that_shrinks_takes_back_what_was_asked() -> None:
    ana = Writer(ANA)
    ana.write(3)
    ana.write(2)
    one = desk(to_ben())
    one.engine.on_vector(TO_BEN, vector(state(ana, (1, 5))), at())

    lost_the_end = one.engine.on_vector(TO_BEN, vector(state(ana, (1, 3))), at())

    assert lost_the_end == []
    assert asked(one.engine) == {TO_BEN: [(ana.log, [(1, 3)])]}
    one.engine.check_all()
    lost_all = one.engine.on_vector(TO_BEN, vector(LogState(ana.log, 0, ())), at())
    assert lost_all == one.finished(TO_BEN, 5_000, 0)
    assert not one.engine.can_fill(ana.log, 1, 5)


# --- forks -----------------------------------------------------------------------------------------------------------


def test_another_name_at_the_end_of_a_run_that_both_hold_is_asked_for_and_proves_nothing_yet() -> None:
    ana, twin = Writer(ANA), Writer(ANA)
    holdings = held(ana.write())
    twin.write(payload=b"other")
    one = desk(to_ben(), holdings=holdings)

    outcomes = one.engine.on_vector(TO_BEN, vector(state(twin, (1, 1))), at())

    assert outcomes == [Send((TO_BEN,), Want(((ana.log, 1, 1),))), *one.finished(TO_BEN, 5_000, 0)]
    assert holdings.forked == {}
    assert one.engine.on_vector(TO_BEN, vector(state(twin, (1, 1))), at()) == []


def test_every_other_name_in_a_vector_that_asks_is_asked_for_and_the_vector_answered() -> None:
    mine, theirs = (Writer(ANA), Writer(BEN)), (Writer(ANA), Writer(BEN))
    holdings = held(*(writer.write() for writer in mine))
    for writer in theirs:
        writer.write(payload=b"other")
    one = desk(to_cy(), holdings=holdings)

    outcomes = one.engine.on_vector(TO_CY, vector(*(state(writer, (1, 1)) for writer in theirs), answer=True), at())

    shown = [Send((TO_CY,), Want(((writer.log, 1, 1),))) for writer in mine]
    told = telling(TO_CY, vector(*(state(writer, (1, 1)) for writer in mine)))
    assert outcomes == [*shown, told, *one.finished(TO_CY, 5_000, 0)]


def test_of_a_log_with_two_histories_only_what_they_agree_on_is_wanted() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    run_of(ana, 5)
    ben.write()
    holdings = Holdings()
    holdings.fork(ana.log, 3)
    holdings.fork(ben.log, 0)
    repair = desk(to_cy(), holdings=holdings).engine

    assert repair.on_vector(TO_CY, vector(state(ana, (1, 5)), state(ben, (1, 1), stamp=0)), at()) == wanted(
        TO_CY, (ana.log, 1, 3)
    )
    assert not repair.can_fill(ana.log, 4, 5)


def test_of_a_log_with_two_histories_only_what_they_agree_on_is_told_and_no_name_is_doubted() -> None:
    ana, twin = Writer(ANA), Writer(ANA)
    run_of(ana, 5)
    run_of(twin, 2)
    twin.write(payload=b"other")
    holdings = held(*ana.batches)
    holdings.fork(ana.log, 3)
    repair = desk(to_ben(), holdings=holdings).engine

    outcomes = repair.on_vector(TO_BEN, vector(state(twin, (1, 3)), answer=True), at())

    stamp = holdings.stored[ana.log].stamp
    assert outcomes[0] == telling(TO_BEN, vector(LogState(ana.log, stamp, ((1, 3, UNKNOWN_NAME),))))


def test_what_lies_beyond_the_end_of_a_log_is_wanted_no_more() -> None:
    ana = Writer(ANA)
    run_of(ana, 5)
    one = desk(to_ben(), to_cy(), holdings=Holdings())
    one.engine.on_vector(TO_BEN, vector(state(ana, (1, 5))), at())
    one.engine.on_vector(TO_CY, vector(state(ana, (2, 5))), at())

    assert one.engine.on_fork(ana.log, 2, at(1)) == []
    assert asked(one.engine) == {TO_BEN: [(ana.log, [(1, 2)])], TO_CY: []}
    assert one.engine.on_fork(ana.log, 1, at(2)) == one.finished(TO_CY, 5_000, 2)
    assert one.engine.partners[TO_CY].missing == VersionVector()
    assert one.engine.on_fork(ana.log, 0, at(3)) == one.finished(TO_BEN, 5_000, 3)
    one.engine.check_all()


def test_names_that_a_damaged_row_took_prove_nothing() -> None:
    ana = Writer(ANA)
    one, two, three = run_of(ana, 3)
    holdings = held(one, two, three)
    holdings.lose(ana.log, 2, 2)
    repair = desk(to_ben(), holdings=holdings).engine
    theirs = LogState(ana.log, 5, ((1, 1, one.name), (3, 3, UNKNOWN_NAME)))

    repair.on_vector(TO_BEN, vector(theirs), at())

    assert holdings.forked == {}


def test_each_run_of_a_vector_is_compared() -> None:
    ana, twin = Writer(ANA), Writer(ANA)
    one, _, three = run_of(ana, 3)
    run_of(twin, 2)
    twin.write(payload=b"other")
    holdings = held(one, three)
    repair = desk(to_ben(), holdings=holdings).engine

    outcomes = repair.on_vector(TO_BEN, vector(LogState(ana.log, 5, ((1, 1, one.name), (3, 3, twin.head)))), at())

    assert outcomes[0] == Send((TO_BEN,), Want(((ana.log, 3, 3),)))
