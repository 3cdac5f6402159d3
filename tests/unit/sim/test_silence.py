"""Links that may say nothing for longer than their nodes allow: judges and topologies name them, and the setting."""

from sim.apart import Apart
from sim.checkers import Watch
from sim.contract import in_vain
from sim.heap import Play
from sim.network import RETRANSMIT_US, Delay, Network
from sim.scenario.reading import from_tables
from sim.topology import analyse
from sim.topology.played import graph_of, question_of
from sim.units import MILLION
from sim.workload import App
from sim.world import World

ROUNDS = 4
"""Where 5 % are lost, a packet of the largest frame is sent up to four times more, but for one time in a thousand."""
FAR_S = 1 + ROUNDS * (2 * 2.0 + RETRANSMIT_US / MILLION)
SAID = f"; ana and ben may hear nothing of each other for {FAR_S:.2f} s, and dial anew after 3 s each time (links.silent-ms)"
ONLY = ": no time is promised over such a link"


def tables(latency: str, loss: str, **config: int) -> dict[str, object]:
    return {
        "title": "t",
        "promise": "p",
        "duration": "2s",
        "config": {f"links.{key.replace('_', '-')}": value for key, value in config.items()},
        "topology": {
            "latency": latency,
            "jitter": "0s",
            "loss": loss,
            "links": "line",
            "node": [{"name": name, "region": name} for name in ("ana", "ben", "cy")],
            "link": [{"between": ["ben", "cy"], "latency": "10ms"}],
        },
    }


def said(play: Play, *names: str) -> str:
    return in_vain(play.world, play.pairs, [*names])


def test_a_link_may_say_nothing_for_as_long_as_its_node_and_what_it_carries_is_held_up() -> None:
    varies, loses = Network(Delay(100_000, 0), delays={("a", "b"): Delay(0, 50_000)}), Network.even(100_000, 0, 50_000)
    shortest_us, *_, longest_us = varies.path("a", "b").delay.possible

    assert varies.silence_us("a", "b") == varies.silence_us("b", "a") == longest_us - shortest_us > 49_000
    assert loses.silence_us("a", "b") == ROUNDS * (200_000 + RETRANSMIT_US)
    assert Network.even(100_000, 0).silence_us("a", "b") == 0


def test_the_link_is_told_that_may_be_silent_longest_and_what_it_would_need() -> None:
    far = Play(from_tables(tables("2s", "5%")), 0)

    assert said(far, "ana", "ben", "cy") == said(far, "ana", "ben") == SAID + ONLY
    assert said(far, "ben", "cy") == said(far, "ana", "cy") == "", "the one is near, and the other no link"
    assert said(Play(from_tables(tables("2s", "5%", silent_ms=17_300, dead_ms=60_000)), 0), "ana", "ben") == ""
    assert said(Play(from_tables(tables("100ms", "5%")), 0), "ana", "ben") == ""


def test_a_link_is_told_that_has_more_than_half_of_its_rate_to_carry() -> None:
    world = World(5, Network(Delay(10_000, 0), rate_bps=8_000))
    world.add("ana", "eu")
    world.add("ben", "eu", ("ana",))
    world.run(10)
    there = world.network.path("ana", "ben")

    there.sent_bytes = 5_000
    assert in_vain(world, [("ana", "ben")], ["ana", "ben"]) == ""
    there.sent_bytes = 6_300
    told = "; ana has sent ben 63 % of what 8kbit/s carry: beyond half no time is promised"
    assert in_vain(world, [("ana", "ben")], ["ana", "ben"]) == told
    assert in_vain(world, [("ana", "ben")], ["ana"]) == ""


def test_a_topology_names_such_links() -> None:
    scenario = from_tables(tables("2s", "5%"))
    near = from_tables(tables("100ms", "5%"))

    found, none = (analyse(graph_of(each), question_of(each)) for each in (scenario, near))

    assert (found.silent, found.silent_us) == ((("ana – ben", round(FAR_S * MILLION)),), 3 * MILLION)
    assert (none.silent, none.silent_us) == ((), 3 * MILLION)


def test_of_nodes_that_wait_for_different_times_the_first_to_dial_counts() -> None:
    mesh = tables("2s", "5%", silent_ms=60_000, dead_ms=90_000)
    topology = mesh["topology"]
    assert isinstance(topology, dict)
    patient = from_tables(mesh)
    topology["node"][0]["profile"] = {"links.silent-ms": 10_000}
    mixed = from_tables(mesh)

    found, none = (analyse(graph_of(each), question_of(each)) for each in (mixed, patient))

    assert (found.silent, found.silent_us) == ((("ana – ben", round(FAR_S * MILLION)),), 10 * MILLION)
    assert (none.silent, none.silent_us) == ((), 60 * MILLION)
    assert "dial anew after 10 s each time" in said(Play(mixed, 0), "ana", "ben")
    assert said(Play(patient, 0), "ana", "ben") == ""


def test_who_is_far_apart_and_unequal_is_told_so() -> None:
    """Each judge of *converges* says so: here of two who are cut off together; the others where they are tested."""
    world = World(5, Network.even(2 * MILLION, 0, 50_000))
    world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    watch = Watch(lambda: world.now_us)
    App(world, "app", ["ana"]).publish("room/1", b"x")
    world.run(1)
    others = Apart(world, watch, [("ana", "ben")])
    others.begin([["ana", "ben"]], lambda _: 1)

    others.judge([])

    (breach,) = watch.breaches
    assert breach.about.endswith("; the bound is 0.000001 s" + SAID + ONLY)
