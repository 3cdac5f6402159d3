"""Whether a link comes up: nodes hang up on whom they have not heard greet within `greeting_timeout_ms`, and dial again.

The dialler greets first and the other answers, so that a link needs a round trip with both greetings in it. One whose
round trip varies, or that loses what it carries, may fail several times in a row.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from sim.network import RETRANSMIT_US
from sim.units import MILLION

if TYPE_CHECKING:
    from sim.network import Network

HELLO_BYTES = 500
"""What a greeting with its certificate comes to."""
FAILURES_MAX = 100
"""A link of which so many dials in a row may fail counts for nothing."""


def greeting_us(round_trip_us: int, rates_bps: tuple[int | None, int | None] = (None, None)) -> int:
    """A round trip with a greeting each way."""
    return round_trip_us + sum(HELLO_BYTES * 8 * MILLION // rate for rate in rates_bps if rate)


def least_us(network: Network, one: str, other: str) -> int:
    """What two nodes take at the least to hear each other's greeting, by what a person has said of their delay."""
    ways = network.path(one, other), network.path(other, one)
    delays_us = (way.delay.measured_us[0] if way.delay.measured_us else way.delay.base_us for way in ways)
    return greeting_us(sum(delays_us), (ways[0].rate_bps, ways[1].rate_bps))


def failures(network: Network, one: str, other: str, within_us: int) -> int:
    """How many dials between two nodes may fail in a row, all but once in a million; `FAILURES_MAX` is for ever."""
    there, back = network.path(one, other), network.path(other, one)
    needed_us = greeting_us(0, (there.rate_bps, back.rate_bps))
    ways = there.delay.possible, back.delay.possible
    spare_us = within_us - needed_us - ways[0][-1] - ways[1][-1]
    late_ppm = _late_ppm(*ways, within_us - needed_us) if spare_us <= 0 else 0
    lost = max(1, -(-spare_us // (network.round_trip_us(one, other) + RETRANSMIT_US)))
    late_ppm = min(MILLION, late_ppm + _lost_ppm(max(there.loss_ppm, back.loss_ppm), lost))
    count = 0
    while count < FAILURES_MAX and late_ppm ** (count + 1) > MILLION**count:  # one more, oftener than once in a million
        count += 1
    return count


def coming_up(network: Network, pairs: list[tuple[str, str]], within_us: int) -> list[tuple[str, str]]:
    """The links of these that may come up at all."""
    return [(one, other) for one, other in pairs if failures(network, one, other, within_us) < FAILURES_MAX]


def _lost_ppm(loss_ppm: int, count: int) -> int:
    """How often two frames are lost so many times and more together (negative binomial), of a million."""
    share_ppm = MILLION
    for _ in range(count):
        share_ppm = share_ppm * loss_ppm // MILLION
        if not share_ppm:
            break
    return share_ppm * (MILLION + count * (MILLION - loss_ppm)) // MILLION


def _late_ppm(one: tuple[int, ...], other: tuple[int, ...], within_us: int) -> int:
    """How many of a million pairs of delays, each sorted, come to so much or more."""
    late = sum(len(other) - bisect_left(other, within_us - each) for each in one)
    return -(-late * MILLION // (len(one) * len(other)))
