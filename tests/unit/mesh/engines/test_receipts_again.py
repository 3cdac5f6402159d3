"""Receipts that were given up: who waited for them is asked to send again, a part at a time, and nothing waits for ever."""

from dataclasses import replace

import pytest

from mesh.codes import Code
from mesh.effects import Count, Outcome, SetTimer, Tell
from mesh.engines.receipts import AGAIN, AGAIN_TEXT, ReceiptConfig, Receipts
from mesh.errors import ConfigError
from mesh.operations import Receipt, Refused
from mesh.types import SessionId
from mesh.waiting import Dropped
from tests.engine_samples import TO_BEN, at, held, set_timer, to_ben
from tests.receipt_samples import OTHER, SEAT, from_ben, placed, receipts, told
from tests.samples import Writer


def asked(first: int, last: int, session: SessionId = SEAT) -> Tell:
    """A session is asked to send these again."""
    return Tell((session,), Refused(Code.RECEIPTS_DROPPED, AGAIN_TEXT, 0, first, last, 0))


def limited(ana: Writer, number: int = 40, **limits: int) -> Receipts:
    """Receipts that hold few, over a log of Ana's that is stored here."""
    one = receipts(to_ben(), holdings=held(ana.write(number)))
    one.config = replace(one.config, **limits)
    return one


def again(ms: float) -> SetTimer:
    return set_timer(AGAIN, ms=ms)


def test_a_config_that_makes_no_sense_is_refused() -> None:
    for again_ms, patience_ms in ((0, 1), (2, 1)):
        with pytest.raises(ConfigError, match="0 < again_ms <= patience_ms"):
            ReceiptConfig(again_ms=again_ms, patience_ms=patience_ms)
    assert ReceiptConfig(again_ms=1, patience_ms=1).patience_ms == 1


def test_what_was_given_up_comes_again_when_half_of_the_places_are_free() -> None:
    ana = Writer()
    one = limited(ana, session_waiting_max=8)
    for each in range(1, 12):
        one.on_placed(placed(ana.log, each, each, copies=2))
    assert one.settle(at(0)) == [told(ana.log, 1, 11, 1, 1), Count("receipts_dropped_total", 4), again(100)]
    assert one.dropped == {SEAT: Dropped(1, 4, None, 0, at(10_000).mono_us)}
    one.check_all()
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 7)))
    assert one.settle(at(99)) == [told(ana.log, 5, 7, 2, 1), again(100)], "not so soon, and not never"

    assert one.ask_again(at(100)) == [asked(1, 4)]
    assert one.dropped == {}
    for each in range(1, 5):
        one.on_placed(placed(ana.log, each, each, copies=2))
    assert one.settle(at(101)) == [told(ana.log, 1, 4, 2, 1)], "at once what it had reached in between"
    assert one.ask_again(at(400)) == []


def test_what_is_given_up_between_two_parts_is_asked_for_too() -> None:
    ana = Writer()
    one = limited(ana, session_waiting_max=8)
    for first, last in ((1, 9), (10, 12)):
        for each in range(first, last + 1):
            one.on_placed(placed(ana.log, each, each, copies=2))
        one.settle(at(first))
    one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 12)))
    one.settle(at(20))
    assert one.dropped == {SEAT: Dropped(1, 2, (3, 5), 1_000, at(10_000).mono_us)}
    assert one.ask_again(at(101)) == [asked(1, 2), again(201)]
    assert one.ask_again(at(201)) == [asked(3, 5)]


def test_a_part_at_a_time_is_asked_for() -> None:
    ana = Writer()
    one = limited(ana, session_waiting_max=200, waiting_max=600)
    one.dropped[SEAT] = Dropped(101, 450)
    for each in range(51, 101):
        one.on_placed(placed(ana.log, each, each, copies=9))
    found = [one.ask_again(at(100 * number)) for number in range(3)]
    assert found == [[asked(101, 250), again(100)], [asked(251, 400), again(200)], [asked(401, 450)]]


def test_what_has_reached_its_level_is_followed_by_more_at_once_and_what_has_not_ever_later() -> None:
    """All places are taken by what is never reached: a part is asked for, and how it comes says when the next one is."""
    ana = Writer()
    one = limited(ana, 500, session_waiting_max=8, patience_ms=2_000)
    one.dropped[SEAT] = Dropped(101, 500)
    for each in range(1, 9):
        one.on_placed(placed(ana.log, each, each, copies=9))
    one.settle(at(0))
    reached, parts = 8, list[tuple[float, int]]()
    for ms in range(100, 9_100, 100):
        for outcome in one.settle(at(ms)) + one.ask_again(at(ms)):
            if isinstance(outcome, Tell) and isinstance(outcome.operation, Refused):
                parts.append((ms / 1_000, outcome.operation.first))
                for each in range(outcome.operation.first, outcome.operation.last + 1):
                    one.on_placed(placed(ana.log, each, each, copies=1 if each % 64 < reached else 9))
                one.settle(at(ms))
                reached = 8 if len(parts) < 3 else 7
        one.check_all()
    assert parts == [
        (2.0, 101), (2.1, 165), (2.2, 229), (2.3, 293), (2.5, 357), (2.9, 421), (3.7, 485), (5.3, 101), (7.3, 165),
    ]  # fmt: skip
    assert {waiting.first for waiting in one.waiting.of(SEAT)} == {*range(1, 9)}, "who has come again makes way first"


def test_those_that_wait_for_what_is_never_reached_take_turns_with_what_was_given_up() -> None:
    ana = Writer()
    one = limited(ana, 400, session_waiting_max=8, patience_ms=1_000)
    wanted = {each: 9 if each % 40 else 2 for each in range(1, 401)}
    for each, copies in wanted.items():
        one.on_placed(placed(ana.log, each, each, copies=copies))
    reached = set[int]()
    for ms in range(0, 16_000, 100):
        if ms == 1_500:
            one.on_stored_there(TO_BEN, from_ben((ana.log, 1, 400)))
        outcomes = one.settle(at(ms))
        one.check_all()
        for outcome in outcomes:
            if not isinstance(outcome, Tell):
                continue
            told_of = outcome.operation
            assert isinstance(told_of, Refused | Receipt)
            for number in range(told_of.first, told_of.last + 1):
                if isinstance(told_of, Refused):
                    one.on_placed(placed(ana.log, number, number, copies=wanted[number]))
                elif told_of.copies == 2:
                    reached.add(number)
    assert reached >= {each for each, copies in wanted.items() if copies == 2}
    assert 0 < one.waiting.count <= 8


def test_sessions_share_the_places_that_all_have() -> None:
    ana = Writer()
    one = limited(ana, 600, waiting_max=1_024)
    one.dropped = {SEAT: Dropped(1, 1_000), OTHER: Dropped(1, 3)}
    for each in range(1, 513):
        one.on_placed(placed(ana.log, each, each, session=SessionId(9), copies=9))

    assert one.ask_again(at(0)) == [asked(1, 256), asked(1, 3, OTHER), again(100)]
    one.on_placed(placed(ana.log, 513, 513, session=SessionId(9), copies=9))
    one.dropped[SEAT].came, one.dropped[SEAT].pause_us = 1, at(101).mono_us
    assert one.ask_again(at(100)) == [again(200)], "more than half are taken"


def test_where_there_is_one_place_it_goes_round() -> None:
    ana = Writer()
    one = limited(ana, waiting_max=1, session_waiting_max=1)
    for each in (1, 2):
        one.on_placed(placed(ana.log, each, each, copies=2))
    found: list[Outcome] = []
    for ms in (0, 9_900, 10_000):
        found += one.settle(at(ms))
    assert found == [
        told(ana.log, 1, 2, 1, 1),
        Count("receipts_dropped_total", 1),
        again(100),
        again(10_000),
        asked(1, 1),
    ]


def test_a_session_that_closed_is_asked_for_nothing() -> None:
    ana = Writer()
    one = limited(ana, waiting_max=1)
    for each, session in enumerate((SEAT, SEAT, OTHER, OTHER), 1):
        one.on_placed(placed(ana.log, each, each, session=session, copies=2))
        one.tell_publishers()
        one.shed()
    assert one.dropped.keys() == {SEAT, OTHER}

    one.on_session_closed(SEAT)
    assert one.dropped.keys() == {OTHER}
    one.on_session_closed(OTHER)
    assert (one.dropped, one.ask_again(at(0))) == ({}, [])
    one.check_all()


def test_check_sees_what_was_asked_for_and_is_still_kept() -> None:
    one = receipts()
    one.dropped[SEAT] = Dropped(2, 1)
    with pytest.raises(AssertionError):
        one.check_all()
