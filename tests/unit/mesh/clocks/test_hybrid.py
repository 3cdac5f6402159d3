"""The hybrid clock: stamps rise, follow causes, and do not follow a wrong clock."""

from mesh.clocks.hybrid import COUNTER_MAX, SKEW_MAX_MS, HybridClock, stamp_ms, stamp_of

WALL = 1_800_000_000_000


def test_a_stamp_holds_its_millisecond_and_the_least_counter() -> None:
    assert stamp_of(5) == 5 << 16
    assert stamp_ms(stamp_of(5) + COUNTER_MAX) == 5
    assert stamp_ms(stamp_of(5) + COUNTER_MAX + 1) == 6


def test_stamps_follow_the_wall_and_rise_where_it_stands_or_falls() -> None:
    clock = HybridClock()

    stamps = [clock.next(WALL), clock.next(WALL), clock.next(WALL - 9), clock.next(WALL + 1)]

    assert stamps == [stamp_of(WALL), stamp_of(WALL) + 1, stamp_of(WALL) + 2, stamp_of(WALL + 1)]


def test_reserved_stamps_are_nobody_elses() -> None:
    clock = HybridClock()

    assert clock.reserve(3, WALL) == stamp_of(WALL)
    assert clock.next(WALL) == stamp_of(WALL) + 3
    assert clock.reserve(1, WALL) == stamp_of(WALL) + 4
    assert clock.high == stamp_of(WALL) + 4


def test_an_effect_is_stamped_above_its_cause() -> None:
    clock = HybridClock()

    assert clock.observe(stamp_of(WALL + 500), WALL)

    assert clock.next(WALL) == stamp_of(WALL + 500) + 1


def test_a_stamp_of_the_past_does_not_pull_the_clock_back() -> None:
    clock = HybridClock(stamp_of(WALL))

    assert clock.observe(stamp_of(WALL - 10), WALL)

    assert clock.high == stamp_of(WALL)


def test_a_stamp_sixty_seconds_ahead_is_followed_and_one_beyond_is_not() -> None:
    clock = HybridClock()

    assert clock.observe(stamp_of(WALL + SKEW_MAX_MS) + COUNTER_MAX, WALL)
    assert not clock.observe(stamp_of(WALL + SKEW_MAX_MS + 1), WALL)

    assert clock.high == stamp_of(WALL + SKEW_MAX_MS) + COUNTER_MAX


def test_a_high_water_runs_ahead_beyond_sixty_seconds() -> None:
    clock = HybridClock(stamp_of(WALL + SKEW_MAX_MS) + COUNTER_MAX)

    assert not clock.runs_ahead(WALL)
    assert clock.runs_ahead(WALL - 1)
