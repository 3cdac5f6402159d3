"""The guard that tells which clock is wrong: leaps, neighbors that come and go, and what may expire."""

import pytest

from mesh.clocks.hybrid import LONE_DOUBT_MS, SKEW_MAX_MS, ClockGuard
from mesh.types import Now
from tests.clock_samples import WALL, now, told
from tests.samples import ANA, BEN


def test_alone_a_clock_is_trusted_and_things_expire_by_it() -> None:
    guard = ClockGuard()

    guard.on_now(now(1, WALL))

    assert guard.trusted(now(1, WALL))
    assert guard.wall_ms(now(1, WALL)) == WALL
    assert guard.expiry_ms == WALL


def test_a_clock_is_sure_while_nothing_was_said_since_it_agreed() -> None:
    guard = ClockGuard()
    guard.on_now(now(1, WALL))
    assert not guard.is_sure  # it has been judged now, and is from the next tick on

    guard.on_now(now(2, WALL + 1))
    assert guard.is_sure

    guard.observe(ANA, WALL + 2 * SKEW_MAX_MS, now(2, WALL + 1))
    assert not guard.is_sure
    assert not guard.trusted(now(2, WALL + 1))

    guard.on_now(now(3, WALL + 2))
    assert not guard.is_sure

    guard.keep(lambda _: False)
    guard.on_now(now(4, WALL + 3))
    guard.on_now(now(5, WALL + 4))
    assert guard.is_sure

    guard.keep(lambda _: False)
    assert not guard.is_sure

    for ms in (6, 7):
        guard.on_now(now(ms, WALL + ms - 1))
    assert guard.is_sure

    guard.on_now(now(8, WALL + 7 + 2 * SKEW_MAX_MS))
    assert not guard.is_sure


def test_before_any_tick_nothing_expires() -> None:
    assert ClockGuard().expiry_ms == 0


def test_what_expired_stays_expired_where_the_clock_steps_back_a_little() -> None:
    guard = ClockGuard()
    guard.on_now(now(1, WALL))

    guard.on_now(now(2, WALL + 1 - SKEW_MAX_MS))

    assert guard.trusted(now(2, WALL + 1 - SKEW_MAX_MS))
    assert guard.expiry_ms == WALL


def test_a_leap_against_the_monotonic_clock_stops_expiry_until_it_is_undone() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL))

    leap = now(1_000, WALL + 1_000 + SKEW_MAX_MS + 1)
    guard.on_now(leap)
    assert not guard.trusted(leap)
    assert guard.expiry_ms == WALL
    assert guard.wall_ms(leap) == WALL + 1_000  # there is no median: as it ran before

    guard.on_now(now(2_000, WALL + 2_000))
    assert guard.trusted(now(2_000, WALL + 2_000))
    assert guard.expiry_ms == WALL + 2_000


@pytest.mark.parametrize("offset_ms", [SKEW_MAX_MS, -SKEW_MAX_MS, 0])
def test_what_a_node_declared_dead_alone_lives_once_its_clock_is_right_and_a_neighbor_agrees(offset_ms: int) -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL + 3_600_000))  # it began with a wrong clock, and nobody was there
    guard.on_now(now(1_000, WALL + 1_000))  # which was set right

    told(guard, now(1_001, WALL + 1_001), WALL + 1_001 + offset_ms)
    guard.on_now(now(1_002, WALL + 1_002))

    assert guard.trusted(now(1_002, WALL + 1_002))
    assert guard.expiry_ms == WALL + 1_002


def test_what_expired_does_not_live_again_because_a_neighbor_is_a_minute_behind() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL + SKEW_MAX_MS))
    told(guard, now(1, WALL), WALL)

    guard.on_now(now(1, WALL))

    assert guard.expiry_ms == WALL + SKEW_MAX_MS


def test_what_a_node_declared_dead_stays_so_while_its_one_neighbor_differs() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL + 3_600_000))
    told(guard, now(1, WALL), WALL)

    guard.on_now(now(1, WALL + 3_600_001))

    assert guard.expiry_ms == WALL + 3_600_000


def test_a_leap_of_sixty_seconds_exactly_is_none_in_either_direction() -> None:
    for leap_ms in (SKEW_MAX_MS, -SKEW_MAX_MS):
        guard = ClockGuard()
        guard.on_now(now(0, WALL))

        guard.on_now(now(10, WALL + 10 + leap_ms))

        assert guard.trusted(now(10, WALL + 10 + leap_ms))


def test_slow_drift_is_no_leap() -> None:
    guard = ClockGuard()

    for minute in range(10):
        at = now(minute * 60_000, WALL + minute * 100_000)
        guard.on_now(at)
        assert guard.trusted(at)


def test_a_leap_that_the_neighbors_confirm_is_believed() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL))
    after = now(1_000, WALL + 3_600_000)
    told(guard, after, after.wall_ms, after.wall_ms)

    guard.on_now(after)

    assert guard.trusted(after)
    assert guard.expiry_ms == after.wall_ms


def test_a_leap_that_the_neighbors_deny_is_not() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL))
    after = now(1_000, WALL + 3_600_000)
    told(guard, after, WALL + 1_000, WALL + 1_002)

    guard.on_now(after)

    assert not guard.trusted(after)
    assert guard.wall_ms(after) == WALL + 1_002
    assert guard.expiry_ms == WALL


LEAP_MS = 7_200_000


def leapt(*leaps: tuple[int, int]) -> ClockGuard:
    """A lone guard whose clock leaps at these times (ms), each time by so much."""
    guard, ahead = ClockGuard(), 0
    guard.on_now(now(0, WALL))
    for at_ms, leap_ms in leaps:
        ahead += leap_ms
        guard.on_now(now(at_ms, WALL + at_ms + ahead))
    return guard


@pytest.mark.parametrize("leap_ms", [LEAP_MS, -LEAP_MS])
def test_a_node_that_is_alone_believes_its_clock_an_hour_after_it_leapt(leap_ms: int) -> None:
    guard = leapt((1_000, leap_ms))
    shortly, then = (now(ms, WALL + ms + leap_ms) for ms in (999 + LONE_DOUBT_MS, 1_000 + LONE_DOUBT_MS))

    guard.on_now(shortly)
    assert not guard.trusted(shortly)
    assert guard.expiry_ms == WALL
    guard.on_now(then)

    assert guard.trusted(then)
    assert guard.expiry_ms == max(WALL, then.wall_ms)
    guard.on_now(now(2_000 + LONE_DOUBT_MS, WALL + LONE_DOUBT_MS + 2_000 + leap_ms))
    assert guard.trusted(now(2_000 + LONE_DOUBT_MS, WALL + LONE_DOUBT_MS + 2_000 + leap_ms))


def test_a_clock_that_leaps_again_is_doubted_anew() -> None:
    guard = leapt((1_000, LEAP_MS), (1_800_000, SKEW_MAX_MS + 1))
    ahead = LEAP_MS + SKEW_MAX_MS + 1
    shortly, then = (now(ms, WALL + ms + ahead) for ms in (1_799_999 + LONE_DOUBT_MS, 1_800_000 + LONE_DOUBT_MS))

    guard.on_now(shortly)
    assert not guard.trusted(shortly)
    guard.on_now(then)

    assert guard.trusted(then)


def test_a_clock_that_moves_by_sixty_seconds_has_not_leapt_again() -> None:
    guard = leapt((1_000, LEAP_MS), (1_800_000, SKEW_MAX_MS))
    then = now(1_000 + LONE_DOUBT_MS, WALL + 1_000 + LONE_DOUBT_MS + LEAP_MS + SKEW_MAX_MS)

    guard.on_now(then)

    assert guard.trusted(then)


def test_a_leap_that_was_judged_once_stays_judged_while_nobody_says_anything_else() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL))
    told(guard, now(0, WALL), WALL, WALL)

    for ms in (1_000, 2_000, 3_000):
        guard.on_now(now(ms, WALL + ms + 3_600_000))

    assert not guard.trusted(now(3_000, WALL + 3_603_000))
    assert guard.expiry_ms == WALL


def test_a_clock_that_was_set_right_is_believed_at_once() -> None:
    guard = leapt((1_000, LEAP_MS), (2_000, -LEAP_MS))

    assert guard.trusted(now(2_000, WALL + 2_000))
    assert guard.expiry_ms == WALL + 2_000


def test_a_neighbor_that_denies_a_leap_is_remembered_for_an_hour() -> None:
    guard = leapt((1_000, LEAP_MS))
    denied = now(3_000_000, WALL + 3_000_000 + LEAP_MS)
    told(guard, denied, WALL + 3_000_000)
    guard.on_now(denied)
    guard.keep(lambda _: False)
    shortly, then = (now(3_000_000 + ms, denied.wall_ms + ms) for ms in (LONE_DOUBT_MS - 1, LONE_DOUBT_MS))

    guard.on_now(shortly)
    assert not guard.trusted(shortly)
    guard.on_now(then)

    assert guard.trusted(then)


def test_of_two_clocks_that_differ_neither_is_believed_and_each_stamps_by_its_own() -> None:
    guard = ClockGuard()
    at = now(5, WALL)
    guard.on_now(at)
    told(guard, at, WALL + SKEW_MAX_MS + 1)

    guard.on_now(now(6, WALL + 1))

    assert not guard.trusted(at)
    assert guard.wall_ms(at) == WALL
    assert guard.expiry_ms == WALL


def test_of_two_clocks_that_agree_within_sixty_seconds_both_are_trusted() -> None:
    for offset in (SKEW_MAX_MS, -SKEW_MAX_MS):
        guard = ClockGuard()
        told(guard, now(5, WALL), WALL + offset)

        assert guard.trusted(now(5, WALL))


def test_neighbors_clocks_run_on_between_their_frames() -> None:
    guard = ClockGuard()
    told(guard, now(1_000, WALL), WALL + 5, WALL + 7)

    assert guard.agreed_ms(now(61_000, WALL)) == WALL + 60_005


def test_a_neighbor_that_is_gone_has_no_say() -> None:
    guard = ClockGuard()
    told(guard, now(5, WALL), WALL + 100_000)
    assert not guard.trusted(now(5, WALL))

    guard.keep(lambda peer: peer == ANA)
    kept = dict(guard.offsets)
    guard.keep(lambda peer: peer != ANA)

    assert list(kept) == [ANA]
    assert guard.offsets == {}
    assert guard.trusted(now(5, WALL))


def test_what_a_wrong_clock_declared_dead_lives_again_once_two_neighbors_prove_it_wrong() -> None:
    guard = ClockGuard()
    wrong = now(0, WALL + 3_600_000)
    guard.on_now(wrong)
    assert guard.expiry_ms == WALL + 3_600_000
    told(guard, wrong, WALL, WALL + 10)

    guard.on_now(wrong)

    assert guard.expiry_ms == WALL + 10


def test_a_clock_that_is_slow_declares_nothing_dead_by_the_others() -> None:
    guard = ClockGuard()
    at = now(0, WALL)
    guard.on_now(at)
    told(guard, at, WALL + 3_600_000, WALL + 3_600_000)

    guard.on_now(at)

    assert guard.expiry_ms == WALL


def test_parts_of_a_millisecond_do_not_count() -> None:
    guard = ClockGuard()
    guard.on_now(Now(0, WALL))
    guard.on_now(Now(999, WALL - SKEW_MAX_MS))
    assert guard.trusted(Now(999, WALL - SKEW_MAX_MS))

    guard.observe(ANA, WALL + SKEW_MAX_MS, Now(1_999, WALL))
    assert guard.offsets == {ANA: WALL + SKEW_MAX_MS - 1}
    assert guard.trusted(Now(1_999, WALL))

    guard.observe(BEN, WALL + 5, Now(1_999, WALL))
    assert guard.agreed_ms(Now(2_999, WALL)) == WALL + 6


def test_words_of_a_clock_that_were_held_up_do_not_set_it_back_and_one_that_says_so_again_does() -> None:
    """A link outlived a cut of minutes: what a neighbor said meanwhile comes in a heap, each word as old as it is."""
    guard = ClockGuard()
    for peer in (ANA, BEN):
        guard.observe(peer, WALL, now(0, WALL))

    for age_ms in (300_000, 240_000, 180_000, 120_000, 61_000):
        guard.observe(ANA, WALL + 400_000 - age_ms, now(400_000, WALL + 400_000))
        assert guard.offsets[ANA] == WALL, age_ms
    guard.observe(ANA, WALL + 400_000 - 60_000, now(400_000, WALL + 400_000))
    assert guard.offsets[ANA] == WALL - 60_000, "as old as clocks may differ by"
    guard.observe(ANA, WALL + 401_000, now(401_000, WALL + 401_000))
    assert guard.offsets[ANA] == WALL

    for at_ms, believed in ((410_000, WALL), (470_000, WALL - 3_600_000 + 1_000)):
        guard.observe(BEN, WALL + at_ms - 3_600_000 + at_ms // 470, now(at_ms, WALL + at_ms))
        assert guard.offsets[BEN] == believed, "it was set back by an hour"
    guard.observe(ANA, WALL, now(500_000, WALL + 500_000))
    guard.keep(lambda peer: peer == BEN)
    assert (list(guard.offsets), guard._behind) == ([BEN], {})


def test_words_of_seconds_that_come_in_a_heap_agree_and_are_not_believed_before_they_are_said_again() -> None:
    guard = ClockGuard()
    guard.observe(ANA, WALL, now(0, WALL))

    for word in range(8):
        guard.observe(ANA, WALL + 100_000 + 1_000 * word, now(200_000 + word, WALL + 200_000 + word))
        assert guard.offsets[ANA] == WALL, word

    for at_ms, believed in ((205_005, WALL), (205_006, WALL - 94_000)):
        guard.observe(ANA, WALL - 94_000 + at_ms, now(at_ms, WALL + at_ms))
        assert guard.offsets[ANA] == believed, at_ms
