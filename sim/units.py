"""Times, sizes, rates and shares as people write them, and the integers that they mean.

A time is whole microseconds, a size bytes, a rate bits a second, a share parts per million: a simulation has no
fractions that could differ between machines.
"""

from __future__ import annotations

import re
from decimal import Decimal

TIMES_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
SIZES = {"B": 1, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
RATES = {"bit/s": 1, "kbit/s": 1_000, "Mbit/s": 1_000_000, "Gbit/s": 1_000_000_000}
MILLION = 1_000_000
TIME_MAX_US = 3_650 * TIMES_US["d"]
"""Ten years: no run is longer, and no clock more wrong."""
SIZE_MAX, RATE_MAX = 1 << 50, 1_000 * RATES["Gbit/s"]
A_TIME = 'a time such as "250ms", "10s" or "5m"'
WORDS_MAX = 40
"""Characters of what people write so; what is longer is a slip."""

_QUANTITY = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)\s*([A-Za-z/%]+)")


def _quantity(text: object, units: dict[str, int], example: str) -> int:
    short = isinstance(text, str) and len(text) <= WORDS_MAX
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) and short else None
    if match is None or match[2] not in units:
        raise ValueError(f"{_shown(text)} is not {example}")
    return int(Decimal(match[1]) * units[match[2]])


def _shown(text: object) -> str:
    if isinstance(text, str):
        return repr(text if len(text) <= WORDS_MAX else f"{text[: WORDS_MAX - 1]}…")
    is_short = text is None or isinstance(text, bool | float) or (isinstance(text, int) and abs(text) < 10**WORDS_MAX)
    return repr(text) if is_short else f"a value of the type {type(text).__name__}"


def time_us(text: object) -> int:
    """Microseconds of a time such as "250ms", "10s", "5m", "3h", "30d"; it may be negative. Raises `ValueError`."""
    us = _quantity(text, TIMES_US, A_TIME)
    if abs(us) > TIME_MAX_US:
        raise ValueError(f"{text!r} is not within {say_us(TIME_MAX_US)}")
    return us


def offset_us(text: object) -> int:
    """The same, which may also say that it is not negative: "+4s"."""
    has_sign = isinstance(text, str) and text[:1] == "+" and text[1:2] != "-"
    return time_us(text[1:] if isinstance(text, str) and has_sign else text)


def duration_us(text: object) -> int:
    """Microseconds of a time that is not negative. Raises `ValueError`."""
    us = time_us(text)
    if us < 0:
        raise ValueError(f"{text!r} is negative")
    return us


def size_bytes(text: object) -> int:
    """Bytes of a size such as 17 or "64KiB". Raises `ValueError`."""
    what = 'a size such as 512, "64KiB" or "10MB"'
    size = text if isinstance(text, int) and not isinstance(text, bool) else _quantity(text, SIZES, what)
    if size < 0:
        raise ValueError(f"{_shown(text)} is negative; expected {what}")
    if size > SIZE_MAX:
        raise ValueError(f"{_shown(text)} is not at most {say_bytes(SIZE_MAX)}")
    return size


def rate_bps(text: object) -> int:
    """Bits a second of a rate such as "64kbit/s"; there is none of nothing. Raises `ValueError`."""
    rate = _quantity(text, RATES, 'a rate such as "64kbit/s" or "10Mbit/s"')
    if not 0 < rate <= RATE_MAX:
        raise ValueError(f"{text!r} is not from 1bit/s to {say_rate(RATE_MAX)}")
    return rate


def share_ppm(text: object) -> int:
    """Parts per million of a share such as "30%" or "0.5%". Raises `ValueError`."""
    ppm = _quantity(text, {"%": 10_000}, 'a share such as "30%"')
    if not 0 <= ppm <= MILLION:
        raise ValueError(f"{_shown(text)} is not between 0% and 100%")
    return ppm


def say_us(us: int) -> str:
    """A time as a person reads it, exactly: the largest unit that divides it."""
    for unit in ("d", "h", "m", "s", "ms"):
        if us and us % TIMES_US[unit] == 0:
            return f"{us // TIMES_US[unit]}{unit}"
    return f"{us}us" if us else "0s"


def say_seconds(us: int) -> str:
    """A time in seconds, to a hundredth; one that is shorter, as it is."""
    return f"{us / MILLION:.2f} s" if us == 0 or us >= 10_000 else f"{us / MILLION:.6f}".rstrip("0") + " s"


def say_measured(us: int) -> str:
    """A time that was measured, as a person reads it: to a hundredth of the unit that fits it."""
    for unit, factor in (("s", 1_000_000), ("ms", 1_000)):
        if us >= factor:
            return f"{us / factor:.2f} {unit}"
    return f"{us} us"


def say_ppm(ppm: int) -> str:
    """A share as a person reads it, exactly."""
    return f"{Decimal(ppm) / 10_000:f}%"


def say_rate(bps: int) -> str:
    """A rate, exactly."""
    for unit in ("Gbit/s", "Mbit/s", "kbit/s"):
        if bps and bps % RATES[unit] == 0:
            return f"{bps // RATES[unit]}{unit}"
    return f"{bps}bit/s"


def say_bytes(size: int) -> int | str:
    """A size, exactly."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % SIZES[unit] == 0:
            return f"{size // SIZES[unit]}{unit}"
    return size
