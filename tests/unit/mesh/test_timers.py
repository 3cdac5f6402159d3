"""Timers: the earliest first, set again replaces, and nothing piles up."""

from mesh.effects import SetTimer, Timer
from mesh.timers import NEVER_US, Timers

ALARM, BELL = Timer("alarm"), Timer("bell", (3, "x"))


def fire(timers: Timers, mono_us: int) -> list[Timer]:
    return [timer for timer in timers.due(mono_us) if timers.take(timer, mono_us)]


def test_timers_fire_at_their_time_the_earliest_first_and_once() -> None:
    timers = Timers()
    timers.set(SetTimer(ALARM, 200))
    timers.set(SetTimer(BELL, 100))

    assert timers.next_us() == 100
    assert fire(timers, 99) == []
    assert fire(timers, 200) == [BELL, ALARM]
    assert fire(timers, 900) == []
    assert timers.next_us() is None


def test_of_timers_for_one_moment_the_one_set_first_fires_first() -> None:
    timers = Timers()
    timers.set(SetTimer(BELL, 5))
    timers.set(SetTimer(ALARM, 5))

    assert fire(timers, 5) == [BELL, ALARM]


def test_setting_again_replaces_earlier_or_later() -> None:
    timers = Timers()
    for at_us in (100, 300, 200):
        timers.set(SetTimer(ALARM, at_us))

    assert timers.next_us() == 200
    assert fire(timers, 199) == []
    assert fire(timers, 1_000) == [ALARM]


def test_a_timer_that_is_taken_away_does_not_fire() -> None:
    timers = Timers()
    timers.set(SetTimer(ALARM, 100))

    timers.set(SetTimer(ALARM, None))
    timers.set(SetTimer(BELL, None))

    assert timers.next_us() is None
    assert fire(timers, 100) == []


def test_a_due_timer_that_another_moved_or_took_away_meanwhile_does_not_fire() -> None:
    timers = Timers()
    for timer in (ALARM, BELL):
        timers.set(SetTimer(timer, 100))

    due = timers.due(100)
    timers.set(SetTimer(ALARM, 150))
    timers.set(SetTimer(BELL, None))

    assert due == [ALARM, BELL]
    assert [timers.take(timer, 100) for timer in due] == [False, False]
    assert fire(timers, 150) == [ALARM]


def test_a_timer_that_is_moved_at_every_frame_does_not_pile_up() -> None:
    timers = Timers()
    timers.set(SetTimer(BELL, 7))

    for at_us in range(10, 1_000):
        timers.set(SetTimer(ALARM, at_us))

    assert [entry[2] for entry in timers._order] == [ALARM, BELL]
    assert fire(timers, 1_000) == [BELL, ALARM]
    assert (timers._order, timers._set) == ([], {})


def test_a_timer_that_was_set_again_for_now_and_taken_does_not_fire_once_more() -> None:
    timers = Timers()
    timers.set(SetTimer(ALARM, 100))
    timers.set(SetTimer(BELL, 100))

    due = timers.due(100)
    timers.set(SetTimer(BELL, 90))  # the first of the two moved the other, which is due all the same
    fired = [timers.take(timer, 100) for timer in due]

    assert fired == [True, True]
    assert timers.next_us() is None
    assert fire(timers, 1_000) == []


def test_no_timer_is_due_before_the_soonest() -> None:
    timers = Timers()
    assert timers.soonest_us == NEVER_US

    timers.set(SetTimer(ALARM, 300))
    timers.set(SetTimer(BELL, 200))
    assert timers.soonest_us == 200

    assert fire(timers, 200) == [BELL]
    assert timers.soonest_us == 300

    timers.set(SetTimer(ALARM, 400))  # too early now, till somebody asks
    assert (timers.soonest_us, timers.next_us(), timers.soonest_us) == (300, 400, 400)

    timers.set(SetTimer(ALARM, None))
    assert (timers.next_us(), timers.soonest_us) == (None, NEVER_US)
