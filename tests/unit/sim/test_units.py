from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import units


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("10s", 10_000_000),
        ("250ms", 250_000),
        ("1.5m", 90_000_000),
        ("-1h", -3_600_000_000),
        ("7us", 7),
        ("30d", 2_592_000_000_000),
    ],
)
def test_times_are_microseconds(text: str, us: int) -> None:
    assert units.time_us(text) == us


@pytest.mark.parametrize("text", ["", "10", "10 parsecs", "s", 10, None, "1e3s", "10s20", "+4s", "٤s", " 4s", "4s\n"])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        units.time_us(text)


def test_an_offset_may_say_that_it_is_none_back() -> None:
    assert (units.offset_us("+4s"), units.offset_us("4s"), units.offset_us("-4s")) == (4_000_000, 4_000_000, -4_000_000)
    for text in ("+-4s", "++4s", "+", "+٤s"):
        with pytest.raises(ValueError, match="is not a time"):
            units.offset_us(text)


def test_sizes_rates_and_shares() -> None:
    assert (units.size_bytes(17), units.size_bytes("64KiB"), units.size_bytes("10MB")) == (17, 65_536, 10_000_000)
    assert (units.rate_bps("64kbit/s"), units.share_ppm("0.5%"), units.share_ppm("100%")) == (64_000, 5_000, 1_000_000)


@pytest.mark.parametrize("text", ["101%", "-1%"])
def test_a_share_is_a_part_of_the_whole(text: str) -> None:
    with pytest.raises(ValueError, match="between 0% and 100%"):
        units.share_ppm(text)


def test_no_duration_is_negative() -> None:
    with pytest.raises(ValueError, match="'-1s' is negative"):
        units.duration_us("-1s")


@pytest.mark.parametrize(
    ("read", "text", "problem"),
    [
        (units.time_us, "99999999999h", "'99999999999h' is not within 3650d"),
        (units.time_us, "-3651d", "'-3651d' is not within 3650d"),
        (units.time_us, "9" * 10_000_000 + "s", f"'{'9' * (units.WORDS_MAX - 1)}…' is not a time"),
        (units.time_us, 10**5_000, "a value of the type int is not a time"),
        (units.size_bytes, "-5KiB", "'-5KiB' is negative; expected a size"),
        (units.size_bytes, -5, "-5 is negative; expected a size"),
        (units.size_bytes, -(10**5_000), "a value of the type int is negative"),
        (units.size_bytes, "9999999GiB", "is not at most 1048576GiB"),
        (units.size_bytes, True, "True is not a size"),
        (units.rate_bps, "0bit/s", "'0bit/s' is not from 1bit/s to 1000Gbit/s"),
        (units.rate_bps, "-5kbit/s", "is not from 1bit/s"),
        (units.rate_bps, "1001Gbit/s", "is not from 1bit/s"),
    ],
    ids=lambda part: str(part)[:30] if isinstance(part, str) else "",
)
def test_what_cannot_be_is_refused(read: Callable[[object], int], text: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read(text)


@given(st.integers(1, units.TIME_MAX_US))
def test_what_is_said_is_read_as_the_same(number: int) -> None:
    assert units.duration_us(units.say_us(number)) == number
    rate = 1 + number % units.RATE_MAX
    assert units.rate_bps(units.say_rate(rate)) == rate
    assert units.size_bytes(units.say_bytes(number)) == number
    assert units.share_ppm(units.say_ppm(number % 1_000_001)) == number % 1_000_001


def test_seconds_are_told_to_a_hundredth_and_what_is_shorter_is_not_nothing() -> None:
    said = [units.say_seconds(us) for us in (0, 1, 1_000, 9_999, 10_000, 5_418_000)]

    assert said == ["0.00 s", "0.000001 s", "0.001 s", "0.009999 s", "0.01 s", "5.42 s"]
