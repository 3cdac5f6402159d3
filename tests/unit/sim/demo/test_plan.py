"""The timetable: in order, long enough to mean something, short enough for who waits."""

import pytest

from sim.demo.judge import ACKNOWLEDGED_LEAST, ISOLATED_LEAST, RETRIED_LEAST, RETRY_MARGIN_S, SIDE_LEAST
from sim.demo.plan import (
    CUT_MOST_S,
    ISOLATED_S,
    RATE_PER_S,
    SECONDS_DEFAULT,
    SECONDS_LEAST,
    SECONDS_MOST,
    SWALLOWED_S,
    plan,
)

SILENT_S = 3.0
"""After so long a link is not pushed to, and only repair brings what it missed."""


@pytest.mark.parametrize("seconds", [SECONDS_LEAST, SECONDS_DEFAULT, 60, SECONDS_MOST])
def test_episodes_follow_one_another_and_end_in_time(seconds: int) -> None:
    ours = plan(seconds)

    assert 0 < ours.cut_s < ours.move_s < ours.isolate_s < ours.isolate_s + ISOLATED_S < ours.heal_s
    assert ours.heal_s - ours.cut_s <= CUT_MOST_S
    assert ours.heal_s < ours.swallow_s < ours.swallow_s + SWALLOWED_S < ours.end_s < seconds


@pytest.mark.parametrize("seconds", [SECONDS_LEAST, SECONDS_DEFAULT])
def test_enough_can_happen_with_half_as_much_to_spare(seconds: int) -> None:
    ours = plan(seconds)

    assert 3 * RATE_PER_S * ours.end_s > 1.5 * ACKNOWLEDGED_LEAST
    assert RATE_PER_S * (ours.heal_s - ours.cut_s) > 1.5 * SIDE_LEAST
    assert RATE_PER_S * ISOLATED_S > 1.5 * ISOLATED_LEAST
    assert RATE_PER_S * (SWALLOWED_S - RETRY_MARGIN_S) > 1.5 * RETRIED_LEAST
    assert ours.heal_s - ours.cut_s > 1.5 * SILENT_S
