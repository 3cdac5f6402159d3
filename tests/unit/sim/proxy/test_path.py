"""Datagrams between two ends: delay, order, loss, cuts, a bottleneck."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import ConfigError
from mesh.rng import Rng
from sim.proxy.path import Counts, Link, Path, Weather


def path(seed: bytes = b"seed", **weather: int) -> Path:
    return Path(Weather(**weather), Rng(seed))


def test_datagram_arrives_after_the_delay_and_not_before() -> None:
    ours = path(delay_us=45_000)

    ours.send(b"hello", 1_000)

    assert ours.next_us == 46_000
    assert ours.due(45_999) == []
    assert ours.due(46_000) == [b"hello"]
    assert ours.next_us is None
    assert ours.counts == Counts(passed=1)


@given(st.lists(st.integers(0, 20_000), max_size=40), st.integers(0, 50_000), st.integers(0, 1_000_000))
def test_jitter_keeps_the_order_and_stays_within_its_bounds(pauses: list[int], jitter_us: int, loss: int) -> None:
    ours = path(delay_us=10_000, jitter_us=jitter_us, loss_per_million=loss)
    sent: dict[bytes, int] = {}
    now_us = 0

    for number, pause_us in enumerate(pauses):
        now_us += pause_us
        sent[number.to_bytes(2)] = now_us
        ours.send(number.to_bytes(2), now_us)
    arrived: list[bytes] = []
    while (at_us := ours.next_us) is not None:
        for datagram in ours.due(at_us):
            assert sent[datagram] + 10_000 <= at_us <= now_us + 10_000 + jitter_us
            arrived.append(datagram)

    assert arrived == sorted(arrived)
    assert ours.counts.passed == len(arrived)
    assert ours.counts.passed + ours.counts.lost == len(pauses)
    assert (loss < 1_000_000 or not arrived) and (loss > 0 or len(arrived) == len(pauses))


def test_the_same_seed_loses_the_same_datagrams() -> None:
    def survivors(seed: bytes) -> list[bytes]:
        ours = path(seed, loss_per_million=300_000)
        for number in range(100):
            ours.send(bytes([number]), 0)
        return ours.due(0)

    first, again, other = survivors(b"one"), survivors(b"one"), survivors(b"two")

    assert first == again
    assert first != other
    assert 50 <= len(first) <= 90


def test_cut_drops_what_is_under_way_and_what_is_sent_into_it() -> None:
    ours = path(delay_us=100)
    ours.send(b"under way", 0)

    ours.cut()
    ours.send(b"into it", 10)
    ours.heal()
    ours.send(b"after", 20)

    assert ours.due(1_000) == [b"after"]
    assert ours.counts == Counts(passed=1, cut=2)
    assert ours.counts.dropped == 2


def test_bottleneck_delays_what_follows_and_drops_what_would_wait_too_long() -> None:
    ours = path(bytes_per_s=1_000, queue_us=150_000)

    for number in range(4):
        ours.send(bytes(100), number)

    assert ours.due(99_999) == []
    assert len(ours.due(100_000)) == 1
    assert len(ours.due(200_000)) == 1
    assert ours.due(1_000_000) == []
    assert ours.counts == Counts(passed=2, overflowed=2)


def test_link_is_cut_in_one_direction_or_in_both() -> None:
    link = Link("ana", "ben", path(), path())

    link.cut("ben")
    one_way = link.there.is_cut, link.back.is_cut, link.is_cut
    link.heal("ben")
    link.cut()
    both = link.there.is_cut, link.back.is_cut
    link.there.send(b"lost", 0)
    link.heal()
    link.back.send(b"passed", 0)

    assert one_way == (False, True, True)
    assert both == (True, True)
    assert link.back.due(0) == [b"passed"]
    assert not link.is_cut
    assert link.counts == Counts(passed=1, cut=1)


@pytest.mark.parametrize(
    "weather",
    [{"delay_us": -1}, {"jitter_us": -1}, {"loss_per_million": 1_000_001}, {"bytes_per_s": -1}, {"queue_us": -1}],
)
def test_weather_that_makes_no_sense_is_refused(weather: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        Weather(**weather)
