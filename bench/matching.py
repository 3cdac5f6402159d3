"""How long it takes to find whom a channel concerns that was never seen: `python -m bench.matching`.

Groups of readers with wildcards, nearly all different, at one node; a channel that was seen is remembered and costs one
look-up in a table. Beside it, asking each pattern, which is what a list of them would cost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from mesh.engines.delivery.readers import Groups, Reader
from mesh.operations import SlowPolicy
from mesh.types import SessionId, pattern_matches

SIZES = (1_000, 10_000, 100_000)
CHANNELS = 200
ASKED_EACH = 5
"""Of the channels, so many are held against each pattern."""


@dataclass(frozen=True)
class Figure:
    """Microseconds a channel."""

    patterns: int
    tree_us: float
    each_us: float


def patterns_of(size: int) -> list[str]:
    """Half follow a site, a quarter one kind of device anywhere, a quarter a number anywhere."""
    shapes = ("site/{}/+", "site/{}/#", "+/+/device-{}", "+/{}/#")
    return [shapes[number % len(shapes)].format(number) for number in range(size)]


def measure() -> list[Figure]:
    """For some sizes."""
    figures = []
    for size in SIZES:
        groups, patterns = Groups(), patterns_of(size)
        for number, pattern in enumerate(patterns):
            groups.join(Reader(SessionId(number), 1, (pattern,), SlowPolicy.ALL, 1, 1), {})
        channels = [f"site/{number * 7 % size}/device-{number * 3 % size}" for number in range(CHANNELS)]
        began = time.perf_counter()
        for channel in channels:
            groups.concerned(channel)
        tree_s = time.perf_counter() - began
        began = time.perf_counter()
        for channel in channels[:ASKED_EACH]:
            found = {pattern for pattern in patterns if pattern_matches(pattern, channel)}
            assert found == {group.key[0][0] for group in groups.concerned(channel)}
        each_s = time.perf_counter() - began
        figures.append(Figure(size, tree_s / CHANNELS * 1e6, each_s / ASKED_EACH * 1e6))
    return figures


def main() -> None:
    """Measure and print."""
    for figure in measure():
        print(
            f"{figure.patterns:>8,} patterns: {figure.tree_us:>6.1f} µs a new channel; "
            f"{figure.each_us:>10,.0f} µs asking each"
        )


if __name__ == "__main__":
    main()
