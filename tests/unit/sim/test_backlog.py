"""What has gathered during a cut, and the time that it may take over a narrow link."""

from dataclasses import replace
from functools import partial

import pytest

from mesh.config import NodeConfig
from mesh.log.batch import BODY_BYTES_MAX, OVERHEAD_BYTES
from sim.contract import Backlog, backlog_of, convergence_us, held_to_us
from sim.heap import Play
from sim.network import RETRANSMIT_US, Network
from sim.scenario.reading import from_tables
from sim.topology import analyse
from sim.topology.analysis import counted_on
from sim.topology.played import graph_of, question_of
from sim.units import MILLION
from sim.workload import App
from sim.world import World


def narrow(guarantees: dict[str, object], duration: str = "8s") -> Play:
    """Ana's publisher goes on for 4 s during a cut: 4 s of five times what the link carries."""
    tables = {
        "title": "A backlog",
        "promise": "It comes as fast as the link carries it.",
        "duration": duration,
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
    apart = backlog_of(world, ["ana", "ben"])
    (row,) = next(iter(world.machines["ana"].disk.image.rows.values())).values()

    for condition in list(world.network.conditions):
        world.lift(condition)
    world.run(20)

    assert apart == Backlog(len(row.packed), 1, 1, len(row.packed))
    for rows in world.machines["ben"].disk.image.rows.values():
        for first in rows:
            rows[first].damaged = True
    assert backlog_of(world, ["ana"]) == Backlog()
    again = backlog_of(world, ["ana", "ben"])
    assert (again.positions, again.ranges, again.size > apart.size) == (2, 2, True), "what is damaged has to come again"
    for rows in world.machines["ben"].disk.image.rows.values():
        for first in rows:
            rows[first].damaged = False
    assert backlog_of(world, ["ana"]) == backlog_of(world, ["ana", "ben"]) == Backlog()


def test_what_cannot_be_asked_for_at_once_takes_a_round_trip_more_each_time() -> None:
    play = narrow({})
    names, usual = ["ana", "ben"], play.config

    def beyond_us(positions: int, ranges: int, config: NodeConfig = usual) -> int:
        least, found = (
            convergence_us(play.cast, play.world.network, play.pairs, names, [usual, config], backlog)
            for backlog in (Backlog(), Backlog(0, positions, ranges))
        )
        return found - least

    few = replace(usual, repair=replace(usual.repair, want_positions_max=16))
    busy = replace(usual, repair=replace(usual.repair, ranges_waiting_max=2, stall_ms=700))
    round_trip_us = play.world.network.longest_us("ana", "ben")
    assert 80_000 < round_trip_us <= 84_000, "with its jitter"
    assert [beyond_us(count, 1) for count in (0, 1, 65_536, 65_537, 131_073)] == [
        0,
        0,
        0,
        round_trip_us,
        2 * round_trip_us,
    ]
    assert [beyond_us(1, count) for count in (1, 1_024, 1_025, 2_049)] == [0, 0, round_trip_us, 2 * round_trip_us]
    assert beyond_us(65_537, 2_049) == 3 * round_trip_us, "some may be full of one, and others of the other"
    assert [beyond_us(count, 1, few) for count in (16, 17, 33)] == [0, round_trip_us, 2 * round_trip_us]
    assert [beyond_us(9, count, busy) for count in (2, 3, 5)] == [
        0,
        700_000 + round_trip_us,
        2 * (700_000 + round_trip_us),
    ]


def test_what_crosses_a_far_link_is_bounded_by_what_may_be_under_way() -> None:
    play = narrow({})
    names, usual = ["ana", "ben"], play.config

    def bound_us(size: int, *configs: NodeConfig) -> int:
        return convergence_us(play.cast, Network.even(500_000, 0), play.pairs, names, configs, Backlog(size))

    sure, more = counted_on(usual.links), replace(usual, links=replace(usual.links, credit_ahead_bytes=8 << 20))
    largest = BODY_BYTES_MAX + OVERHEAD_BYTES
    least = replace(usual.links, credit_ahead_bytes=2 * largest, credit_step_bytes=largest)
    assert sure == usual.links.credit_ahead_bytes // 4, (
        "some is for what is new, some for what is large, some is told late"
    )
    assert counted_on(more.links) == 5 * sure - largest
    assert counted_on(least) == largest // 2, "half of what is read at all, however long the steps"
    assert bound_us(10 * sure, usual) - bound_us(0, usual) == 10 * MILLION, "so much each round trip of 1 s"
    assert bound_us(10 * counted_on(more.links), more) - bound_us(0, more) == 10 * MILLION
    assert bound_us(10 * sure, more, usual) == bound_us(10 * sure, usual)


def test_what_varies_and_what_is_lost_make_a_round_trip_longer() -> None:
    play = narrow({})
    names, usual = ["ana", "ben"], play.config

    def bound_us(size: int, network: Network) -> int:
        return convergence_us(play.cast, network, play.pairs, names, [usual], Backlog(size))

    still, varies, loses = Network.even(500_000, 0), Network.even(500_000, 250_000), Network.even(500_000, 0, 10_000)
    sure = counted_on(usual.links)
    longest_us = varies.longest_us("ana", "ben")

    assert 1_499_000 < longest_us <= 1_500_000
    assert bound_us(0, varies) - bound_us(0, still) == 5 * (longest_us - 1_000_000)
    assert bound_us(2 * sure, varies) - bound_us(0, varies) == 2 * longest_us
    again_us = 1_000_000 + RETRANSMIT_US  # a packet is sent up to twice, and one of a frame as large as any three times
    assert bound_us(0, loses) - bound_us(0, still) == 5 * again_us
    assert bound_us(2 * sure, loses) - bound_us(0, loses) == 2 * (1_000_000 + 2 * again_us)


def test_over_several_hops_what_is_passed_on_waits_for_the_largest_at_each() -> None:
    play = Play(
        from_tables(
            {
                "title": "t", "promise": "p", "duration": "2s",
                "topology": {"links": "line", "rate": "64kbit/s", "node": [{"name": "n", "count": 4}]},
            }
        ),
        0,
    )  # fmt: skip

    def bound_us(largest: int) -> int:
        backlog = Backlog(90_000, 3, 1, largest)
        return convergence_us(play.cast, play.world.network, play.pairs, list(play.cast.nodes), [play.config], backlog)

    assert bound_us(40_000) - bound_us(0) == 2 * 2 * 40_000 * 8 * MILLION // 64_000, "three hops: two more than one"
    assert Backlog(1, 2, 3, 4) + Backlog(10, 20, 30, 3) == Backlog(11, 22, 33, 4)
    assert Backlog(1, 20, 3, 4) | Backlog(10, 2, 30, 3) == Backlog(10, 20, 30, 4)


def test_each_dial_that_may_fail_is_counted() -> None:
    play = narrow({})
    config, far = play.config, [Network.even(1_500_000, 0, loss_ppm) for loss_ppm in (0, 50_000)]

    sure_us, late_us = (convergence_us(play.cast, network, play.pairs, ["ana", "ben"], [config]) for network in far)

    longest_us = far[1].longest_us("ana", "ben")
    each_us = (config.addresses.backoff_known_far_ms + config.links.greeting_timeout_ms) * 1_000 + 3 * longest_us
    assert late_us - sure_us == 5 * (longest_us - 3_000_000) + 5 * each_us


def test_who_may_have_died_before_its_first_word_is_waited_for_as_long_as_for_a_greeting() -> None:
    """Whom a node has not heard since it greeted it calls silent after five seconds, and dials after that alone."""
    play = narrow({})
    world = play.world
    held_us = partial(held_to_us, play.cast, world, play.pairs, ["ana", "ben"], Backlog())
    carried_us = partial(convergence_us, play.cast, world.network, play.pairs, ["ana", "ben"], [play.config])
    ana = world.machines["ana"]

    def links() -> list[bool]:
        return [link.carried for link in ana.node.links.links.values()] if ana.node and ana.node.started else []

    assert world.run_until(lambda: links() == [False], 10)
    new_us = held_us()
    assert world.run_until(lambda: links() == [True], 10)
    world.run(1)

    far_ms, waited_ms = play.config.addresses.backoff_known_far_ms, play.config.links.greeting_timeout_ms
    assert far_ms > waited_ms, "between regions the wait before a dial is longer anyhow"
    assert new_us == held_us() == carried_us()
    near = replace(play.config, addresses=replace(play.config.addresses, backoff_known_far_ms=3_000))
    for machine in world.machines.values():
        machine.config = near
    old_us = held_us()
    next(iter(ana.node.links.links.values())).carried = False
    assert held_us() - old_us == (waited_ms - near.links.silent_ms) * 1_000


def test_a_hop_has_a_second_or_as_long_as_nodes_may_say_nothing() -> None:
    play = narrow({})

    def bound_us(alive_ms: int) -> int:
        links = replace(play.config.links, alive_ms=alive_ms, silent_ms=60_000, dead_ms=90_000)
        slow = replace(play.config, links=links)
        return convergence_us(play.cast, play.world.network, play.pairs, ["ana", "ben"], [play.config, slow])

    assert [bound_us(alive_ms) - bound_us(1_000) for alive_ms in (200, 20_000)] == [0, 19 * MILLION]


def test_the_slowest_node_sets_the_bound() -> None:
    play = narrow({})
    usual = play.config
    slow = replace(
        usual,
        addresses=replace(usual.addresses, backoff_known_far_ms=40_000),
        dissemination=replace(usual.dissemination, graft_ms=2_000),
    )

    few, many = (
        convergence_us(play.cast, play.world.network, play.pairs, ["ana", "ben"], configs)
        for configs in ([usual], [usual, slow, usual])
    )

    dissemination = usual.dissemination
    assert many - few == (40_000 - usual.addresses.backoff_known_far_ms + 2 * (2_000 - dissemination.graft_ms)) * 1_000


def test_what_clients_bring_after_the_heal_has_its_time_too() -> None:
    """Half a megabyte waits in an outbox until the heal, and takes more than the bound of what lies on disks."""
    tables = {
        "title": "An outbox", "promise": "It comes as fast as the link carries it.", "duration": "40s",
        "topology": {
            "latency": "40ms", "rate": "64kbit/s",
            "node": [{"name": "ana"}, {"name": "ben", "profile": {"repair.want-positions-max": 100}}],
        },
        "client": [{"name": "app", "at": "ana", "gateways": "ana"}],
        "workload": [{"clients": "app", "rate": 10, "bytes": [1_200, 1_200]}],
        "timeline": [{"at": "1s", "for": "38s", "offline": "app"}],
    }  # fmt: skip
    outcome = Play(from_tables(tables), 0).run()

    assert outcome.breaches == []
    assert outcome.figures.converged_us > 40 * MILLION


def test_a_narrow_link_is_given_the_time_that_a_backlog_takes_at_half_of_what_it_carries() -> None:
    play = narrow({})
    outcome = play.run()
    figures, published = outcome.figures, sum(len(entry.payload) for entry in play.watch.ledger.values())
    carries_us = published * 8 * MILLION // 64_000

    assert outcome.breaches == []
    assert figures.deliveries == figures.messages > 30
    assert carries_us < figures.converged_us < figures.bound_us
    assert figures.bound_us > 15 * MILLION + 2 * carries_us


def test_a_bound_of_its_own_holds_a_scenario_to_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Network, "silence_us", lambda *_: 2_500_000)
    outcome = narrow({"converge": "5s"}).run()

    assert [breach.promise for breach in outcome.breaches if breach.promise != "nothing lost"] == ["converges"] * 2
    assert "the bound is 5.00 s; ana and ben may hear nothing" in outcome.breaches[0].about
    assert "the bound is 5.00 s; ana and ben may hear nothing" in outcome.breaches[-1].about


def test_what_took_longer_under_a_longer_bound_does_not_hide_what_took_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cut's backlog had its time, and took it; from the heal on the mesh has only what a mesh without one has."""
    play = narrow({}, duration="60s")
    heal = play._heal

    def and_differ() -> None:
        heal()
        healed_us, converged = play.world.now_us, play.world.converged
        monkeypatch.setattr(
            play.world, "converged", lambda names: play.world.now_us > healed_us + 18 * MILLION and converged(names)
        )

    monkeypatch.setattr(play, "_heal", and_differ)
    outcome = play.run()

    assert 0 < play.calm.took_us <= play.calm.bound_us
    assert outcome.figures.converged_us > outcome.figures.bound_us < play.calm.bound_us
    assert [breach.promise for breach in outcome.breaches] == ["converges"]


def test_nodes_that_are_cut_off_together_are_held_to_what_they_lacked_at_the_heal() -> None:
    """The core needs as long as they do, so that nothing of theirs is left when it is their turn to be judged."""
    nodes = ["a", "b", "c", "d"]
    flows = [
        {
            "clients": f"at-{at}",
            "channels": f"{at}/{{n}}",
            "rate": rate,
            "bytes": [900, 1000],
            "from": "5s",
            "until": "58s",
        }
        for at, rate in (("a", 7), ("c", 8))
    ]
    tables = {
        "title": "Two and two",
        "promise": "Each two become equal.",
        "duration": "60s",
        "core": ["a", "b"],
        "topology": {
            "latency": "20ms",
            "rate": "64kbit/s",
            "links": [["a", "b"], ["b", "c"], ["c", "d"]],
            "node": [{"name": name} for name in nodes],
        },
        "client": [{"name": f"at-{at}", "at": at, "gateways": at} for at in ("a", "c")],
        "workload": flows,
        "timeline": [{"at": "2s", "for": "57s", "partition": [[name] for name in nodes]}],
    }
    outcome = Play(from_tables(tables), 3).run()

    assert outcome.breaches == []
    assert outcome.figures.converged_us > 60 * MILLION


def test_what_a_node_that_is_lost_was_told_is_brought_again_and_counts() -> None:
    """Ana alone has what app was told of; to ben it comes anew, over a link that carries little."""
    names = ("ana", "ben", "cy")
    tables = {
        "title": "Told, and brought again",
        "promise": "It has its time.",
        "duration": "20s",
        "core": ["ben", "cy"],
        "topology": {
            "latency": "40ms",
            "node": [{"name": name, "region": "eu"} for name in names],
            "link": [{"between": ["ben", "cy"], "latency": "20ms", "rate": "64kbit/s"}],
        },
        "client": [{"name": "app", "at": "ana", "gateways": ["ana", "ben"]}],
        "workload": [{"rate": 5, "bytes": [1_200, 1_200], "copies": [2]}],
        "timeline": [
            {"at": "0s", "for": "20s", "partition": [["ana"], ["ben", "cy"]]},
            {"at": "15s", "for": "5s", "offline": "app"},
        ],
    }

    for seed in range(3):
        outcome = Play(from_tables(tables), seed).run()

        assert outcome.breaches == []
        assert outcome.figures.converged_us > 5 * MILLION
        assert outcome.figures.bound_us > 20 * MILLION


def test_nodes_that_never_were_linked_dial_each_other_as_strangers() -> None:
    """Cut before their first greeting: after a minute and a half they wait for up to a minute."""
    tables = {
        "title": "Strangers",
        "promise": "They have their time.",
        "duration": "94s",
        "topology": {
            "latency": "1s",
            "jitter": "0s",
            "node": [{"name": "ana", "region": "eu"}, {"name": "ben", "region": "us"}],
        },
        "client": [{"name": "app", "at": "ana", "gateways": "ana"}],
        "workload": [{"rate": 1}],
        "timeline": [{"at": "0s", "for": "93s", "partition": [["ana"], ["ben"]]}],
    }

    found = [Play(from_tables(tables), seed).run() for seed in range(4)]

    assert [outcome.breaches for outcome in found] == [[]] * 4
    assert max(outcome.figures.converged_us for outcome in found) > 25 * MILLION
    assert {outcome.figures.bound_us // MILLION for outcome in found} == {71}
    tables["timeline"] = [{"at": "20s", "for": "73s", "partition": [["ana"], ["ben"]]}]
    assert Play(from_tables(tables), 0).run().figures.bound_us // MILLION == 26, "who was linked is known"


@pytest.mark.parametrize("cut_s", [8, 15])
@pytest.mark.parametrize("latency", ["50ms", "1s", "2s"])
def test_links_that_outlive_a_cut_need_no_redial(latency: str, cut_s: int) -> None:
    """They keep the lesser of the two bounds that `topology` tells, though the silent were dialled beside them."""
    tables = {
        "title": "t", "promise": "p", "duration": f"{cut_s + 12}s",
        "topology": {"latency": latency, "jitter": "0s", "node": [{"name": each, "region": each} for each in ("a", "b")]},
        "client": [{"name": "app", "at": "a", "gateways": "a"}],
        "workload": [{"clients": "app", "rate": 0.5}],
        "timeline": [{"at": "11s", "for": f"{cut_s}s", "partition": [["a"], ["b"]]}],
    }  # fmt: skip
    scenario = from_tables(tables)
    within_us = analyse(graph_of(scenario), question_of(scenario)).span.bound_us

    plays = [Play(scenario, seed) for seed in range(4)]
    for play in plays:
        play.run()

    assert within_us is not None
    assert all(0 < play.calm.took_us < within_us for play in plays)
