"""What has gathered during a cut, and the time that it may take over a narrow link."""

from sim.contract import backlog_bytes
from sim.heap import Play
from sim.network import Network
from sim.scenario.reading import from_tables
from sim.units import MILLION
from sim.workload import App
from sim.world import World


def narrow(guarantees: dict[str, object]) -> Play:
    """Ana's publisher goes on for 4 s during a cut: 4 s of five times what the link carries."""
    tables = {
        "title": "A backlog",
        "promise": "It comes as fast as the link carries it.",
        "duration": "8s",
        "topology": {
            "latency": "40ms",
            "rate": "64kbit/s",
            "node": [{"name": "ana", "region": "eu"}, {"name": "ben", "region": "us"}],
        },
        "client": [
            {"name": "app", "at": "ana", "gateways": "ana"},
            {"name": "reader", "at": "ben", "gateways": "ben", "subscribe": [{}]},
        ],
        "workload": [{"clients": "app", "rate": 10, "bytes": [4_000, 4_000], "from": "1s", "until": "5s"}],
        "timeline": [{"at": "1s", "for": "4s", "partition": [["ana"], ["ben"]]}],
        "guarantees": guarantees,
    }
    return Play(from_tables(tables), 0)


def test_a_backlog_is_the_most_that_one_node_lacks_of_what_others_have() -> None:
    world = World(5, Network.even(delay_us=10_000))
    world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    world.run(1)
    world.cut(["ana"], ["ben"])
    for name, size in (("ana", 5_000), ("ben", 1_000)):
        App(world, f"at-{name}", [name]).publish("room/1", bytes(range(200)) * (size // 200))
    world.run(1)
    apart = backlog_bytes(world, ["ana", "ben"])
    (row,) = next(iter(world.machines["ana"].disk.image.rows.values())).values()

    for condition in list(world.network.conditions):
        world.lift(condition)
    world.run(20)

    assert apart == len(row.packed)
    assert backlog_bytes(world, ["ana"]) == backlog_bytes(world, ["ana", "ben"]) == 0


def test_a_narrow_link_is_given_the_time_that_a_backlog_takes_at_half_of_what_it_carries() -> None:
    play = narrow({})
    outcome = play.run()
    figures, published = outcome.figures, sum(len(entry.payload) for entry in play.watch.ledger.values())
    carries_us = published * 8 * MILLION // 64_000

    assert outcome.breaches == []
    assert figures.deliveries == figures.messages > 30
    assert carries_us < figures.converged_us < figures.bound_us
    assert figures.bound_us > 15 * MILLION + 2 * carries_us


def test_a_bound_of_its_own_holds_a_scenario_to_less() -> None:
    outcome = narrow({"converge": "5s"}).run()

    assert [breach.promise for breach in outcome.breaches if breach.promise != "nothing lost"] == ["converges"] * 2
    assert "the bound is 5.00 s" in outcome.breaches[0].about
