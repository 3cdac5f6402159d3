"""The conditions of a scenario, as the weather of proxies."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from mesh.rng import Rng
from sim.network import Condition, Delay, Network
from sim.proxy import Weather
from sim.proxy.udp import UdpProxy
from sim.real.stage import RealStage, set_path, weather_of
from sim.scenario.cast import Cast
from sim.scenario.reading import from_tables

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


# --- what counts ---------------------------------------------------------------------------------------------------------


@dataclass
class Process:
    """A node's process as the stage knows it: whether it is wished to be there, and all that was done to it."""

    name: str
    is_wanted: bool = True
    done: list[str] = field(default_factory=list)

    def kill(self) -> None:
        self.is_wanted = False

    drain = kill

    def start(self) -> None:
        self.is_wanted = True

    again = start

    @property
    def is_up(self) -> bool:
        """It takes a moment to start."""
        return self.is_wanted and "started" in self.done

    def pause(self, *, is_paused: bool) -> None:
        self.done.append(f"paused {is_paused}")

    def ill(self, fault: str, says: str | None) -> None:
        self.done.append(f"{fault} {says}")


def counted(*events: dict[str, Any]) -> dict[str, int]:
    """What a stage counts of events that happen one after another, all over at the end."""
    topology = {"links": "star", "node": [{"name": name} for name in ("ana", "ben", "cy")]}
    timeline = [{"at": f"{at}s", **event} for at, event in enumerate(events)]
    cast = Cast(from_tables({"title": "t", "promise": "p", "topology": topology, "timeline": timeline}))
    built = Network()
    built.closed = {("ben", "cy"), ("cy", "ben")}
    machines: Any = {name: Process(name) for name in cast.nodes}

    async def played() -> RealStage:
        proxy = UdpProxy(list(cast.nodes), Rng(b"seed"))
        stage = RealStage(cast, built, proxy, machines, {}, lambda: 0, lambda _: None)
        for event in cast.scenario.timeline:
            stage.do(event)
            while event.for_ and stage.under_way:
                await asyncio.sleep(0)
            for machine in machines.values():
                machine.done += ["started"] if machine.is_wanted else []
        stage.heal()
        return stage

    return asyncio.run(played()).coverage


CRASH = {"crash": ["ben"]}


@pytest.mark.parametrize(
    ("events", "counts"),
    [
        ([CRASH], {"fault/crash": 1}),
        ([CRASH, CRASH, {"restart": ["ben"]}, {"drain": ["ben"]}, {"pause": ["ben"]}], {"fault/crash": 1}),
        ([{"restart": ["ben"]}, {"drain": ["ben"]}], {"fault/restart": 1, "fault/drain": 1}),
        ([{"pause": ["ben"]}, {"pause": ["ben"]}], {"fault/pause": 1}),
        ([{"io-error": ["ben"]}], {"fault/io-error": 1}),
        ([CRASH, {"io-error": ["ben"]}], {"fault/crash": 1}),
        ([{**CRASH, "for": "10ms"}, {"io-error": ["ben"]}], {"fault/crash": 1, "fault/io-error": 1}),
        ([{"partition": [["ana"], ["ben"]]}, {"isolate": ["ben"]}], {"fault/partition": 1}),
        ([{"partition": [["cy"], ["ben"]]}], {}),
        ([{"link": {"between": [["ana"], ["ben"]], "latency": "20ms", "jitter": "2ms"}}], {}),
    ],
)
def test_a_fault_counts_if_somebody_felt_it(events: list[dict[str, Any]], counts: dict[str, int]) -> None:
    assert counted(*events) == counts
