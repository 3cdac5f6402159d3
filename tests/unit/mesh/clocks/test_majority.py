"""Several clocks that differ: which is believed, what most say, and how long that holds."""

import pytest

from mesh.clocks.hybrid import ALIKE_MS, LONE_DOUBT_MS, SKEW_MAX_MS, ClockGuard
from mesh.types import NodeId, Now
from tests.clock_samples import WALL, now, told
from tests.samples import ANA, BEN, CY


@pytest.mark.parametrize("sign", [1, -1])
def test_of_three_clocks_that_all_differ_none_is_followed_and_nothing_dead_lives_again(sign: int) -> None:
    guard = ClockGuard()
    at = now(5, WALL)
    guard.on_now(at)
    told(guard, at, WALL + sign * 600_000, WALL + sign * 3_600_000)

    guard.on_now(at)

    assert guard.agreed_ms(at) is None
    assert not guard.trusted(at)
    assert guard.wall_ms(at) == WALL
    assert guard.expiry_ms == WALL


def test_what_most_of_two_neighbors_or_more_say_is_agreed() -> None:
    at, wrong = now(5, WALL), WALL - 3_600_000
    for offsets, agreed_ms in (
        ((0, 0), WALL),  # both
        ((0, ALIKE_MS), WALL),  # each may be right
        ((0, ALIKE_MS + 1), None),
        ((0, 0, 9_000_000), WALL),  # two of three, where ours would be the median
        ((0, 0, -600_000), WALL),
        ((-SKEW_MAX_MS, 0, SKEW_MAX_MS), WALL),
        ((0,), None),  # of two that differ neither knows
        ((), None),
    ):
        guard = ClockGuard()
        told(guard, now(5, wrong), *(WALL + offset for offset in offsets))

        assert guard.agreed_ms(Now(at.mono_us, wrong)) == agreed_ms, offsets


def test_half_of_the_neighbors_is_not_most_of_them() -> None:
    guard = ClockGuard()
    at = now(5, WALL)
    told(guard, at, WALL + 600_000, WALL + 600_000, WALL + 3_600_000)
    assert guard.agreed_ms(at) == WALL + 600_000

    guard.observe(NodeId(bytes(32)), WALL + 7_200_000, at)

    assert guard.agreed_ms(at) is None


def test_a_clock_sixty_seconds_from_the_others_is_right_and_one_beyond_stamps_by_them() -> None:
    for sign in (1, -1):
        guard = ClockGuard()
        told(guard, now(5, WALL), WALL + sign * SKEW_MAX_MS, WALL + sign * SKEW_MAX_MS)
        assert guard.trusted(now(5, WALL))
        assert guard.wall_ms(now(5, WALL)) == WALL

        told(guard, now(5, WALL), WALL + sign * (SKEW_MAX_MS + 1), WALL + sign * (SKEW_MAX_MS + 1))
        assert not guard.trusted(now(5, WALL))
        assert guard.wall_ms(now(5, WALL)) == WALL + sign * (SKEW_MAX_MS + 1)


def test_one_wrong_neighbor_of_two_does_not_matter() -> None:
    guard = ClockGuard()
    told(guard, now(5, WALL), WALL + 9_000_000, WALL + 20)

    assert guard.trusted(now(5, WALL))


@pytest.mark.parametrize(
    ("offsets", "trusted"),
    [
        ((SKEW_MAX_MS, 9_000_000), True),
        ((SKEW_MAX_MS + 1, 9_000_000), False),
        ((-9_000_000, 9_000_000), False),  # in the middle, and nobody agrees
        ((-600_000, -600_000, 9_000_000), False),  # in the middle, and most say that it is wrong
        ((0, 600_000, 600_000), True),  # two against two
        ((0, 600_000, 600_000, 600_000), False),
    ],
)
def test_a_clock_is_trusted_where_half_of_all_agree_with_it_and_another(
    offsets: tuple[int, ...], trusted: bool
) -> None:
    guard = ClockGuard()
    for peer, offset in zip((ANA, BEN, CY, NodeId(bytes(32))), offsets, strict=False):
        guard.observe(peer, WALL + offset, now(5, WALL))

    assert guard.trusted(now(5, WALL)) == trusted


def test_of_an_even_count_the_middle_one_nearer_to_ours_is_what_most_say() -> None:
    at = now(5, WALL)
    ahead, behind = ClockGuard(), ClockGuard()
    told(ahead, at, WALL + 100, WALL + 200)
    told(behind, at, WALL - 100, WALL - 200)

    assert ahead.agreed_ms(at) == WALL + 100
    assert behind.agreed_ms(at) == WALL - 100


WRONG_MS = 3_600_000


def outvoted() -> ClockGuard:
    """A guard whose clock is an hour ahead, which two neighbors showed it at once; they have gone since."""
    guard, first = ClockGuard(), now(0, WALL + WRONG_MS)
    guard.on_now(first)
    told(guard, first, WALL, WALL + 20)
    guard.on_now(first)
    guard.keep(lambda _: False)
    return guard


def test_what_most_said_holds_when_they_have_gone() -> None:
    guard = outvoted()
    alone = now(1_000, WALL + 1_000 + WRONG_MS)

    guard.on_now(alone)

    assert not guard.trusted(alone)
    assert guard.wall_ms(alone) == WALL + 1_020
    assert guard.expiry_ms == WALL + 20


@pytest.mark.parametrize("wrong_ms", [0, WRONG_MS])
def test_until_the_clock_is_set_right_or_somebody_agrees_with_it(wrong_ms: int) -> None:
    guard = outvoted()
    then = now(1_000, WALL + 1_000 + wrong_ms)
    if wrong_ms:
        guard.observe(CY, then.wall_ms, then)

    guard.on_now(then)

    assert guard.trusted(then)
    assert guard.expiry_ms == then.wall_ms


def test_or_it_has_run_for_an_hour_and_nobody_came() -> None:
    guard = outvoted()
    for ms, trusted in ((LONE_DOUBT_MS - 1, False), (LONE_DOUBT_MS, True)):
        then = now(ms, WALL + ms + WRONG_MS)
        guard.on_now(then)
        assert guard.trusted(then) == trusted


def test_after_an_hour_without_them_the_clock_is_its_own_whoever_comes_and_differs() -> None:
    guard = outvoted()
    for ms, stamp_ms in ((LONE_DOUBT_MS - 1, WALL + 20), (LONE_DOUBT_MS, WALL + WRONG_MS)):
        then = now(ms, WALL + ms + WRONG_MS)
        told(guard, then, WALL + ms + 7_200_000)
        guard.on_now(then)
        assert not guard.trusted(then)
        assert guard.wall_ms(then) == stamp_ms + ms

    again = now(LONE_DOUBT_MS + 5, WALL + LONE_DOUBT_MS + 5 + WRONG_MS)
    guard.keep(lambda _: False)
    guard.on_now(again)
    assert guard.trusted(again)


def test_a_leap_after_that_hour_is_one_though_somebody_still_differs() -> None:
    guard = outvoted()
    for ms, leap_ms, stamp_ms in (
        (LONE_DOUBT_MS, 0, WRONG_MS),  # it is its own again
        (LONE_DOUBT_MS + 1_000, 9_000_000, WRONG_MS),
        (LONE_DOUBT_MS + 2_000, 9_000_000, WRONG_MS),
    ):
        then = now(ms, WALL + ms + WRONG_MS + leap_ms)
        told(guard, then, WALL + ms)
        guard.on_now(then)
        assert not guard.trusted(then)
        assert guard.wall_ms(then) == WALL + ms + stamp_ms


def test_an_hour_that_is_over_says_nothing_of_a_later_leap() -> None:
    guard = outvoted()
    set_right = now(1_000, WALL + 1_000)
    guard.on_now(set_right)

    leapt = now(2 * LONE_DOUBT_MS, WALL + 2 * LONE_DOUBT_MS + WRONG_MS)
    guard.on_now(leapt)

    assert not guard.trusted(leapt)
    assert guard.wall_ms(leapt) == WALL + 2 * LONE_DOUBT_MS


def test_what_a_wrong_clock_declared_dead_lives_again_once_a_neighbor_agrees_however_often_it_was_judged() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL + WRONG_MS))  # alone, and wrong
    for ms in (1_000, 1_000 + LONE_DOUBT_MS):  # set right, and believed after an hour
        guard.on_now(now(ms, WALL + ms))
    then = now(4_000_000, WALL + 4_000_000)
    assert guard.trusted(then)
    assert guard.expiry_ms == max(WALL + WRONG_MS, WALL + 1_000 + LONE_DOUBT_MS)
    guard.expiry_ms = WALL + 9_000_000

    told(guard, then, then.wall_ms)
    assert guard.trusted(then)  # as a node asks at the end of each tick
    guard.on_now(now(4_000_001, WALL + 4_000_001))

    assert guard.expiry_ms == WALL + 4_000_001


def test_what_has_expired_goes_only_by_a_clock_that_was_confirmed_or_has_run_for_an_hour() -> None:
    guard = ClockGuard()
    for ms, goes in ((0, False), (LONE_DOUBT_MS - 1, False), (LONE_DOUBT_MS, True)):
        then = now(ms, WALL + ms)
        guard.on_now(then)
        assert guard.dropped_ms(then) == goes * (WALL + ms - SKEW_MAX_MS)

    guard = ClockGuard()
    guard.on_now(now(0, WALL))
    told(guard, now(0, WALL), WALL + SKEW_MAX_MS + 1)
    assert guard.dropped_ms(now(0, WALL)) == 0
    told(guard, now(1, WALL + 1), WALL + SKEW_MAX_MS)
    guard.on_now(now(1, WALL + 1))
    assert guard.dropped_ms(now(1, WALL + 1)) == WALL + 1 - SKEW_MAX_MS
    guard.keep(lambda _: False)
    for drift_ms, goes in ((0, True), (SKEW_MAX_MS, True), (SKEW_MAX_MS + 1, False)):
        later = now(2_000, WALL + 2_000 + drift_ms)
        guard.on_now(later)
        assert (guard.dropped_ms(later) > 0) == goes


def test_who_denies_a_clock_takes_back_what_others_said_and_begins_its_hour_anew() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL))
    told(guard, now(0, WALL), WALL)
    assert guard.dropped_ms(now(0, WALL)) == WALL - SKEW_MAX_MS  # confirmed

    half = LONE_DOUBT_MS // 2
    told(guard, now(half, WALL + half), WALL + half + WRONG_MS)
    guard.on_now(now(half, WALL + half))
    guard.keep(lambda _: False)

    for ms, goes in ((LONE_DOUBT_MS, False), (half + LONE_DOUBT_MS - 1, False), (half + LONE_DOUBT_MS, True)):
        then = now(ms, WALL + ms)
        guard.on_now(then)
        assert (guard.dropped_ms(then) > 0) == goes


def test_what_a_wrong_clock_declared_dead_does_not_go_by_one_that_was_set_right() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL + WRONG_MS * 9))
    for ms in (1_000, 1_000 + LONE_DOUBT_MS):
        guard.on_now(now(ms, WALL + ms))
    then = now(2_000 + LONE_DOUBT_MS, WALL + 2_000 + LONE_DOUBT_MS)

    guard.on_now(then)

    assert guard.expiry_ms == WALL + WRONG_MS * 9
    assert guard.dropped_ms(then) == then.wall_ms - SKEW_MAX_MS


# --- the hour of a clock ---------------------------------------------------------------------------------------------


def test_a_leap_within_the_hour_of_a_majority_begins_it_anew() -> None:
    guard, leap_ms = outvoted(), 36_000_000
    for ms, trusted in ((LONE_DOUBT_MS - 1, False), (LONE_DOUBT_MS, False), (2 * LONE_DOUBT_MS - 1, True)):
        then = now(ms, WALL + ms + leap_ms)
        guard.on_now(then)
        assert guard.trusted(then) == trusted, ms
        assert guard.expiry_ms == (then.wall_ms if trusted else WALL + 20)
        assert guard.dropped_ms(then) == (then.wall_ms - SKEW_MAX_MS if trusted else 0)


def test_a_clock_that_is_wrong_again_as_it_was_at_first_drops_nothing_for_an_hour() -> None:
    guard, first = ClockGuard(), 36_000_000
    guard.on_now(now(0, WALL + first))
    guard.on_now(now(600_000, WALL + 600_000))  # set right, which it doubts

    for ms, goes in ((LONE_DOUBT_MS, False), (2 * LONE_DOUBT_MS - 1, False), (2 * LONE_DOUBT_MS, True)):
        then = now(ms, WALL + ms + first)
        guard.on_now(then)
        assert guard.trusted(then)
        assert (guard.dropped_ms(then) > 0) == goes, ms


def test_small_steps_that_add_up_to_more_than_clocks_may_differ_by_begin_the_hour_anew() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL))
    for step in range(11):
        ms = LONE_DOUBT_MS + step * 1_000
        then = now(ms, WALL + ms + step * SKEW_MAX_MS)
        guard.on_now(then)
        assert guard.trusted(then)
        assert (guard.dropped_ms(then) > 0) == (step < 2), step


def test_who_agrees_ends_the_hour_of_a_majority_though_the_clock_moves_by_no_millisecond() -> None:
    guard = ClockGuard()
    guard.on_now(now(0, WALL))
    told(guard, now(0, WALL), WALL + WRONG_MS, WALL + WRONG_MS)
    guard.on_now(now(0, WALL))  # outvoted
    guard.keep(lambda peer: peer == ANA)
    guard.observe(ANA, WALL + 9 * WRONG_MS, now(0, WALL))
    for ms, shown in ((1_000, 9 * WRONG_MS), (2_000, WRONG_MS), (8_000, WRONG_MS)):
        then = now(ms, WALL + ms + WRONG_MS)  # it does as they said, and the one who is left denies it, then agrees
        guard.on_now(then)
        guard.observe(ANA, WALL + ms + shown, then)
        assert guard.trusted(then) == (ms == 8_000)  # as a node asks at the end of each tick
    guard.on_now(now(8_001, WALL + 8_001 + WRONG_MS))

    ms = 2 * LONE_DOUBT_MS
    leapt = now(ms, WALL + ms + 5 * WRONG_MS)
    guard.on_now(leapt)

    assert not guard.trusted(leapt)
    assert guard.wall_ms(leapt) == WALL + ms + WRONG_MS


# --- what others show while ours is doubted --------------------------------------------------------------------------


def test_what_comes_bare_has_to_be_dead_by_all_clocks_while_ours_is_doubted() -> None:
    guard, at = ClockGuard(), now(0, WALL + WRONG_MS)
    guard.on_now(at)
    assert guard.stripped_ms(at) == WALL + WRONG_MS  # alone

    told(guard, at, WALL)
    guard.on_now(at)
    assert guard.expiry_ms == WALL + WRONG_MS
    assert guard.stripped_ms(at) == WALL

    told(guard, at, WALL + WRONG_MS)
    assert guard.stripped_ms(at) == WALL + WRONG_MS

    told(guard, at, WALL + 2 * WRONG_MS)
    assert guard.stripped_ms(at) == WALL + WRONG_MS


def test_a_doubt_is_said_once_and_at_most_once_a_minute_however_often_a_neighbor_changes_its_word() -> None:
    guard, said = ClockGuard(), []
    for second in range(400):
        at = now(second * 1_000, WALL + second * 1_000)
        guard.on_now(at)
        guard.observe(ANA, at.wall_ms + WRONG_MS * (second % 24 >= 12 or second > 200), at)
        if guard.doubts_aloud(at):
            said.append(second)

    assert said == [12, 72, 132, 192, 252]
