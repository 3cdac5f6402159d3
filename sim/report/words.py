"""Figures as a person reads them."""

from __future__ import annotations

CLOCK = ((259_200, 86_400, "d"), (7_200, 3_600, "h"), (600, 60, "min"))
"""From how many seconds on, of how many seconds, a unit of an axis."""


def say_time(us: int) -> str:
    """A time; an en dash where there was nothing to measure."""
    if us < 0:
        return "–"
    if us < 1_000:
        return f"{us} µs"
    return f"{us / 1_000:.3g} ms" if us < 999_500 else f"{us / 1e6:,.2f} s"


def say_size(size: float) -> str:
    """Bytes, in the unit that keeps the number short."""
    for unit, word in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {word}"
    return f"{size:.0f} B"


def say_count(count: float) -> str:
    """A number with its thousands apart, and no more digits behind the point than it needs."""
    return f"{count:,.0f}" if count == int(count) else f"{count:,.2f}"


def clock_unit(span_s: float) -> tuple[int, str]:
    """The unit in which the axis of so long a time is told: its seconds, and its word."""
    return next(((unit, word) for least, unit, word in CLOCK if span_s >= least), (1, "s"))


def say_ms(ms: float) -> str:
    """A round time in milliseconds, as axes have it."""
    return f"{ms:g} ms" if ms < 1_000 else f"{ms / 1_000:g} s"


def size_step(most: float) -> float:
    """The unit in which sizes up to the largest are told on an axis, so that its ticks are round."""
    return next((unit for unit in (1 << 30, 1 << 20, 1 << 10) if most >= unit), 1)


def shorten(name: str, most: int) -> str:
    """A name in so many letters at most. Its middle is left out: names of one kind differ at their ends."""
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return f"{name[: most - 1 - tail]}…{name[-tail:]}"
