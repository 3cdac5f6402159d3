"""Repair: what a peer is told of what we have, and what of it a second time."""

from mesh.effects import Send, Served
from mesh.engines.repair import PAGE_LOGS, PAGE_RUNS
from mesh.frames import Lane, LogState, RepairEqual, RepairHello, Vector
from mesh.log.holdings import Holdings
from mesh.log.log import Run
from mesh.types import LogId
from tests.engine_samples import (
    TO_ANA,
    TO_BEN,
    TO_CY,
    at,
    held,
    keep,
    state,
    take,
    to_ben,
    to_cy,
)
from tests.repair_samples import CONFIG, asked, desk, engine, hello, run_of, shared, vector, wanted
from tests.repair_samples import told as telling
from tests.samples import ANA, BEN, Writer


def test_equal_digests_end_a_session_in_one_round_trip() -> None:
    holdings = held(Writer().write())
    repair = desk(to_ben(), holdings=holdings).engine

    assert repair.on_repair_hello(TO_BEN, RepairHello(4, holdings.digest), at()) == [Send((TO_BEN,), RepairEqual(4))]


def test_a_peer_that_differs_is_told_what_is_stored_and_asked_for_its_own() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    one, _, three = run_of(ana, 3)
    holdings = held(one, three, ben.write(2))
    take(holdings, ben.write())
    repair = desk(to_ben(), holdings=holdings).engine

    outcomes = repair.on_repair_hello(TO_BEN, RepairHello(4, 1), at())

    ben_state = LogState(ben.log, ben.batches[0].head.stamp, ((1, 2, ben.batches[0].name),))
    ana_state = LogState(ana.log, three.head.stamp, ((1, 1, one.name), (3, 3, three.name)))
    assert outcomes == [telling(TO_BEN, Vector(4, (ana_state, ben_state), more=False, answer=True))]
    assert repair.on_repair_hello(TO_CY, RepairHello(4, 1), at()) == []


def test_only_what_changed_is_told_again_on_one_link_and_all_of_it_on_another() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    holdings = held(ana.write())
    repair = desk(to_ben(), to_cy(), holdings=holdings).engine
    repair.on_repair_hello(TO_BEN, RepairHello(1, 1), at())
    keep(holdings, ben.write())

    to_one = repair.on_repair_hello(TO_BEN, RepairHello(2, 2), at())
    to_other = repair.on_repair_hello(TO_CY, RepairHello(2, 2), at())
    again = repair.on_repair_hello(TO_BEN, RepairHello(3, 3), at())

    assert to_one == [telling(TO_BEN, vector(state(ben, (1, 1)), session=2, answer=True))]
    assert to_other == [telling(TO_CY, vector(state(ana, (1, 1)), state(ben, (1, 1)), session=2, answer=True))]
    all_of_it = vector(state(ana, (1, 1)), state(ben, (1, 1)), session=3, answer=True)
    assert again == [telling(TO_BEN, all_of_it)]  # it was told all, and differs still: it may not have heard


def test_a_peer_that_has_still_the_same_after_it_was_told_something_is_told_all_of_it() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    holdings = held(ana.write())
    repair = desk(to_ben(), holdings=holdings).engine
    repair.on_repair_hello(TO_BEN, RepairHello(1, 1), at())
    keep(holdings, ben.write())

    again = repair.on_repair_hello(TO_BEN, RepairHello(2, 1), at())

    everything = vector(state(ana, (1, 1)), state(ben, (1, 1)), session=2, answer=True)
    assert again == [telling(TO_BEN, everything)]


def test_a_peer_that_begins_anew_on_the_same_link_is_told_everything_once_more() -> None:
    ana = Writer(ANA)
    holdings = held(ana.write())
    repair = desk(to_ben(), holdings=holdings).engine
    repair.on_repair_hello(TO_BEN, RepairHello(1, 1), at())
    keep(holdings, ana.write())
    changed = vector(state(ana, (1, 2)), session=2, answer=True)
    assert repair.on_repair_hello(TO_BEN, RepairHello(2, 2), at()) == [telling(TO_BEN, changed)]

    # A newer link stood in for this one and fell: what the peer knew of us went with it.
    again = repair.on_repair_hello(TO_BEN, RepairHello(1, 1), at())

    told = telling(TO_BEN, vector(state(ana, (1, 2)), answer=True))
    assert again == [*hello(TO_BEN, 2, holdings.digest), told]


def test_a_peer_that_begins_anew_and_has_the_same_is_told_everything_when_it_differs_later() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    holdings = held(ana.write())
    repair = desk(to_ben(), holdings=holdings).engine
    repair.on_repair_hello(TO_BEN, RepairHello(1, 1), at())
    equal = Send((TO_BEN,), RepairEqual(1))
    again = repair.on_repair_hello(TO_BEN, RepairHello(1, holdings.digest), at())
    assert again == [*hello(TO_BEN, 2, holdings.digest), equal]
    keep(holdings, ben.write())

    told = repair.on_repair_hello(TO_BEN, RepairHello(2, 1), at())

    assert told == [telling(TO_BEN, vector(state(ana, (1, 1)), state(ben, (1, 1)), session=2, answer=True))]


def test_what_was_asked_of_a_peer_that_begins_anew_is_asked_again() -> None:
    repair, ana = shared()
    repair.on_repair_hello(TO_BEN, RepairHello(1, 1), at())
    repair.on_repair_hello(TO_BEN, RepairHello(1, 1), at(1))
    assert asked(repair) == {TO_BEN: [], TO_CY: []}

    outcomes = repair.on_vector(TO_BEN, vector(session=2, answer=True), at(2))

    assert outcomes == [telling(TO_BEN, vector(session=2)), *wanted(TO_BEN, (ana.log, 1, 3), now_ms=2)]


def test_a_session_whose_answers_may_be_lost_is_over_and_another_begins() -> None:
    repair, ana = shared()

    assert repair.on_peer_back(TO_BEN, at(1), anew=True) == hello(TO_BEN, 2, 0, 1)
    assert asked(repair) == {TO_BEN: [], TO_CY: []}
    outcomes = repair.on_vector(TO_BEN, vector(session=2, answer=True), at(2))
    assert outcomes == [telling(TO_BEN, vector(session=2)), *wanted(TO_BEN, (ana.log, 1, 3), now_ms=2)]
    assert repair.on_peer_back(TO_ANA, at(), anew=True) == []


def test_the_first_session_is_one_that_a_question_began() -> None:
    ana = Writer(ANA)
    ana.write()
    repair = engine(to_ben())
    repair.on_disk_blocked(at(5).mono_us)
    assert repair.on_peer_up(TO_BEN, at()) == []
    repair.on_vector(TO_BEN, vector(state(ana, (1, 1))), at(6))  # unasked
    repair.on_received(ana.log, 1, 1, at(7))

    outcomes = repair.compare(TO_BEN, at(8))

    assert outcomes == hello(TO_BEN, 1, 0, now_ms=8)


def test_a_log_that_is_gone_is_told_as_empty() -> None:
    ana = Writer(ANA)
    holdings = held(ana.write())
    holdings.forget(ana.log)
    repair = desk(to_ben(), holdings=holdings).engine

    assert repair.on_repair_hello(TO_BEN, RepairHello(1, 1), at()) == [
        telling(TO_BEN, vector(LogState(ana.log, 0, ()), answer=True))
    ]


def test_a_vector_is_told_in_pages_of_so_many_logs_of_which_the_last_asks() -> None:
    holdings = Holdings()
    logs = [LogId(ANA, number) for number in range(1, PAGE_LOGS + 2)]
    for log in logs:
        holdings.recover(log, (Run(1, 1, b"", b"x"),), 5, 6)
    repair = desk(to_ben(), holdings=holdings).engine

    outcomes = repair.on_repair_hello(TO_BEN, RepairHello(1, 1), at())

    states = tuple(LogState(log, 5, ((1, 1, b"x"),)) for log in logs)
    assert outcomes == [
        telling(TO_BEN, Vector(1, states[:PAGE_LOGS], more=True, answer=False)),
        telling(TO_BEN, Vector(1, states[PAGE_LOGS:], more=False, answer=True)),
    ]


def test_a_vector_is_told_in_pages_of_so_many_runs_and_a_log_with_more_in_part() -> None:
    holdings = Holdings()
    runs = tuple(Run(2 * i + 1, 2 * i + 1, b"", b"x") for i in range(PAGE_RUNS + 1))
    counts = (1, PAGE_RUNS - 1, PAGE_RUNS + 1, 1, PAGE_RUNS - 1, 1)
    logs = [LogId(ANA, number) for number, _ in enumerate(counts, 1)]
    for log, count in zip(logs, counts, strict=True):
        holdings.recover(log, runs[:count], 5, 6)
    repair = desk(to_ben(), holdings=holdings).engine

    outcomes = repair.on_repair_hello(TO_BEN, RepairHello(1, 1), at())

    told = tuple((run.first, run.last, run.head) for run in runs[:PAGE_RUNS])
    states = tuple(LogState(log, 5, told[:count]) for log, count in zip(logs, counts, strict=True))
    assert outcomes == [
        telling(TO_BEN, Vector(1, states[:2], more=True)),
        telling(TO_BEN, Vector(1, states[2:3], more=True)),
        telling(TO_BEN, Vector(1, states[3:5], more=True)),
        telling(TO_BEN, Vector(1, states[5:], more=False, answer=True)),
    ]


# --- what is under way -----------------------------------------------------------------------------------------------


def test_the_last_page_follows_what_the_peer_has_asked_for() -> None:
    ana = Writer(ANA)
    repair = desk(to_ben(), holdings=held(ana.write())).engine
    repair.behind = lambda link: [Served(link)]

    told = repair.on_repair_hello(TO_BEN, RepairHello(4, 1), at())
    served = repair.on_served(TO_BEN)

    assert told == [telling(TO_BEN, vector(state(ana, (1, 1)), session=4, more=True, answer=True)), Served(TO_BEN)]
    assert served == [Send((TO_BEN,), vector(session=4, answer=True), Lane.BACKFILL)]
    assert repair.on_served(TO_BEN) == []
    assert repair.on_served(TO_CY) == []


def test_a_vector_that_answers_ours_has_no_page_behind_what_was_asked_for() -> None:
    ana = Writer(ANA)
    repair = desk(to_ben(), holdings=held(ana.write())).engine
    repair.behind = lambda link: [Served(link)]

    told = repair.on_vector(TO_BEN, vector(session=9, more=True, answer=True), at())

    assert told == [telling(TO_BEN, vector(state(ana, (1, 1)), session=9))]


def test_what_is_on_its_way_is_not_asked_for_again_before_the_last_page_and_what_is_new_at_once() -> None:
    repair, ana = shared()
    ana.write()
    repair.on_peer_back(TO_BEN, at(1), anew=True)

    page = repair.on_vector(TO_BEN, vector(state(ana, (1, 4)), session=2, more=True, answer=True), at(2))
    repair.check_all()
    repair.on_received(ana.log, 1, 1, at(3))
    last = repair.on_vector(TO_BEN, vector(session=2, answer=True), at(4))

    assert page == [telling(TO_BEN, vector(session=2)), wanted(TO_BEN, (ana.log, 4, 4))[0]]
    assert last == [telling(TO_BEN, vector(session=2)), wanted(TO_BEN, (ana.log, 2, 3))[0]]
    assert asked(repair) == {TO_BEN: [(ana.log, [(2, 4)])], TO_CY: []}


def test_what_is_doubtful_is_asked_of_nobody_else_unless_it_was_given_up() -> None:
    repair, ana = shared()
    repair.on_peer_back(TO_BEN, at(1), anew=True)
    assert repair.compare(TO_CY, at(1)) == []

    repair.on_stall_timer(TO_BEN, at(5_001))
    repair.check_all()

    assert asked(repair) == {TO_BEN: [], TO_CY: [(ana.log, [(1, 3)])]}
    assert list(repair.partners[TO_BEN].doubtful.get(ana.log)) == [(1, 3)]


def test_where_nothing_has_come_for_long_any_vector_lets_it_be_asked_for_again() -> None:
    ana = Writer(ANA)
    ana.write(3)
    repair = desk(to_ben()).engine
    repair.on_vector(TO_BEN, vector(state(ana, (1, 3))), at(10))
    repair.on_answer(TO_BEN, ana.log, 1, 1, at(20))
    repair.on_received(ana.log, 1, 1, at(20))
    repair.on_stall_timer(TO_BEN, at(5_020))
    late_ms = 20 + CONFIG.slow_ms

    assert repair.on_vector(TO_BEN, vector(session=8), at(late_ms - 1)) == []
    assert repair.on_vector(TO_BEN, vector(session=8), at(late_ms)) == wanted(TO_BEN, (ana.log, 2, 3), now_ms=late_ms)
