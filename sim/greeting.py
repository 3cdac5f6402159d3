"""Whether a link comes up: nodes hang up on whom they have not heard greet within `greeting_timeout_ms`, and dial again.

The dialler greets first and the other answers, so that a link needs a round trip with both greetings in it. One whose
round trip varies, or that loses what it carries, may fail several times in a row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sim.network import RETRANSMIT_US
from sim.units import MILLION

if TYPE_CHECKING:
    from sim.network import Network

HELLO_BYTES = 500
"""What a greeting with its certificate comes to."""
HANDLED_US = 1_000
"""What two nodes take at the most to hear a greeting and to answer it."""
FAILURES_MAX = 100
"""A link of which so many dials in a row may fail, which is seven of eight and more, counts for nothing."""
LOST_MAX = 1_000
"""What is lost so often is not waited for: it is reckoned no further."""
Waits = Mapping[str, int]
"""How long each node waits for the greeting of another (µs)."""


def greeting_us(round_trip_us: int, rates_bps: tuple[int | None, int | None] = (None, None)) -> int:
    """A round trip with a greeting each way, each of which is handled."""
    return HANDLED_US + round_trip_us + _said_us(rates_bps)


def least_us(network: Network, one: str, other: str) -> int:
    """What two nodes take at the least to hear each other's greeting, by what a person has said of their delay."""
    ways = network.path(one, other), network.path(other, one)
    delays_us = (way.delay.measured_us[0] if way.delay.measured_us else way.delay.base_us for way in ways)
    return sum(delays_us) + _said_us((ways[0].rate_bps, ways[1].rate_bps))


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


def waited_us(waits: Waits, one: str, other: str) -> int:
    """How long two nodes have for their greetings: whoever waits less hangs up."""
    return min(waits[one], waits[other])


def coming_up(network: Network, pairs: list[tuple[str, str]], waits: Waits) -> list[tuple[str, str]]:
    """The links of these that count: a dial in eight of theirs succeeds, or more."""
    return [pair for pair in pairs if failures(network, *pair, waited_us(waits, *pair)) < FAILURES_MAX]


def _said_us(rates_bps: tuple[int | None, int | None]) -> int:
    """How long the bytes of both greetings take."""
    return sum(HELLO_BYTES * 8 * MILLION // rate for rate in rates_bps if rate)


def _lost_ppm(loss_ppm: int, count: int) -> int:
    """How often two frames are lost so many times and more together (negative binomial), of a million, rounded up."""
    count = min(count, LOST_MAX)
    share: int = loss_ppm**count * (MILLION + count * (MILLION - loss_ppm))
    whole: int = MILLION**count
    return -(-share // whole)


def _late_ppm(one: Sequence[int], other: Sequence[int], within_us: int) -> int:
    """How many of a million pairs of delays, each sorted, come to so much or more."""
    late = sum(len(other) - bisect_left(other, within_us - each) for each in one)
    return -(-late * MILLION // (len(one) * len(other)))
