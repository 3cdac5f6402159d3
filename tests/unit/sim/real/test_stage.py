"""The conditions of a scenario, as the weather of proxies."""

import asyncio

import pytest

from mesh.rng import Rng
from sim.network import Condition, Delay, Network
from sim.proxy import Weather
from sim.proxy.udp import UdpProxy
from sim.real.stage import set_path, weather_of

BOTH = frozenset({("ana", "ben"), ("ben", "ana")})


def network() -> Network:
    return Network(Delay(40_000, 4_000), loss_ppm=100)


def test_path_without_conditions_is_what_the_scenario_says() -> None:
    assert weather_of(network().path("ana", "ben")) == Weather(40_000, 4_000, 100, 0, 200_000)


def test_conditions_add_up_and_end_one_by_one() -> None:
    built = network()
    slow = Condition(BOTH, delay=Delay(10_000, 0, "constant"), rate_bps=1_000_000)
    bad = Condition(BOTH, extra_us=5_000, loss_ppm=50_000)
    built.impose(slow, 0)
    (path, _) = built.impose(bad, 0)

    both = weather_of(path)
    built.lift(slow, 0)
    one = weather_of(path)

    assert both == Weather(15_000, 0, 50_100, 125_000, 200_000)
    assert one == Weather(45_000, 4_000, 50_100, 0, 200_000)


def test_slow_bottleneck_queues_as_many_packets_as_a_connection_begins_with() -> None:
    built = network()
    (path, _) = built.impose(Condition(BOTH, rate_bps=64_000), 0)

    weather = weather_of(path)

    assert weather.bytes_per_s == 8_000
    assert weather.queue_us == 16 * 1_452 * 8 * 1_000_000 // 64_000


@pytest.mark.parametrize("source", ["ana", "ben"])
def test_cut_is_one_way_and_ends_with_the_last_that_says_so(source: str) -> None:
    async def cuts() -> list[tuple[bool, bool]]:
        proxy, built = UdpProxy(["ana", "ben"], Rng(b"seed")), network()
        pair = source, "ben" if source == "ana" else "ana"
        one, other = Condition(frozenset({pair}), cut=True), Condition(frozenset({pair}), cut=True)
        seen = []
        for change in (built.impose, built.impose, built.lift, built.lift):
            condition = one if not seen or len(seen) == 2 else other
            for path in change(condition, 0):
                set_path(proxy, path)
            link = proxy.link("ana", "ben")
            seen.append((link.path(pair[0]).is_cut, link.path(pair[1]).is_cut))
        return seen

    assert asyncio.run(cuts()) == [(True, False), (True, False), (True, False), (False, False)]
