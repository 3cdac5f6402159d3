"""The host's clock: what the node is told of the time when the machine was suspended."""

import asyncio

import pytest

from mesh.effects import Draining, Effect, Event, Wakeup
from mesh.io.host import Host, suspended_s
from mesh.types import Now


class Sleeper:
    """A machine that is suspended at will, and a node that notes when it was ticked."""

    def __init__(self) -> None:
        self.slept_s = 0.0
        self.ticks: list[tuple[list[Event], int]] = []
        self.deadline_us: int | None = None

    def tick(self, events: list[Event], now: Now) -> list[Effect]:
        self.ticks.append((events, now.mono_us))
        return []


def host(sleeper: Sleeper) -> Host:
    return Host(sleeper, None, None, reserve_bytes=0, suspended_s=lambda: sleeper.slept_s)  # type: ignore[arg-type]


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_the_node_is_told_of_the_time_that_its_machine_was_suspended() -> None:
    async def story() -> Sleeper:
        sleeper = Sleeper()
        one = host(sleeper)
        one.post(Wakeup())
        await turns()
        sleeper.slept_s = 3_600
        one.post(Wakeup())
        await turns()
        sleeper.slept_s = 0
        one.post(Wakeup())
        await turns()
        return sleeper

    before, after, clamped = (mono_us for _, mono_us in asyncio.run(story()).ticks)

    assert 3_600_000_000 <= after - before < 3_660_000_000
    assert clamped == after


def test_a_deadline_is_met_by_the_same_clock() -> None:
    async def story() -> Sleeper:
        sleeper = Sleeper()
        sleeper.slept_s = 3_600
        one = host(sleeper)
        now_us = int((asyncio.get_running_loop().time() + 3_600) * 1e6)
        sleeper.deadline_us = now_us + 1_000
        one.post(Wakeup())
        await turns()
        async with asyncio.timeout(5):
            while len(sleeper.ticks) < 2:
                await asyncio.sleep(0.001)
        return sleeper

    sleeper = asyncio.run(story())

    assert sleeper.deadline_us is not None
    assert sleeper.ticks[1][1] >= sleeper.deadline_us


def test_a_machine_has_been_suspended_for_no_less_than_no_time() -> None:
    assert suspended_s() == pytest.approx(max(suspended_s(), 0), abs=0.01)


def test_a_drain_ends_by_the_same_clock() -> None:
    async def story() -> tuple[Sleeper, int]:
        sleeper = Sleeper()
        sleeper.slept_s = 3_600
        one = host(sleeper)
        one.drain(2)
        await turns()
        return sleeper, int((asyncio.get_running_loop().time() + 3_602) * 1e6)

    sleeper, end_us = asyncio.run(story())

    ((draining,), _), *_ = sleeper.ticks
    assert isinstance(draining, Draining)
    assert end_us - 5_000_000 < draining.until_us <= end_us
