"""Whether a node that started with a wrong clock can know better is asked of its links and of clocks, not of the node."""

from collections.abc import Callable

import pytest

from mesh.clocks.hybrid import SKEW_MAX_MS
from mesh.engines.links import ALIVE_BUSY
from sim.heap import Play
from sim.machine import TAKEN_IN_US
from sim.network import Network
from sim.scenario.reading import from_tables
from sim.units import MILLION
from sim.world import Machine, World


def world_of(*others: str) -> tuple[World, Machine]:
    """Ana, who was started with a wrong clock, and others who are linked with her."""
    world = World(3, Network.even(delay_us=5_000))
    ana = world.add("ana", "eu", others)
    ana.began_wrong = True
    for name in others:
        world.add(name, "eu", ("ana",))
    return world, ana


def is_excused(world: World, machine: Machine) -> bool:
    return machine.has_only_a_wrong_clock(world.now_us)


def test_who_is_alone_has_only_its_own_clock() -> None:
    world, ana = world_of()
    world.run(10)

    assert is_excused(world, ana)
    ana.began_wrong = False
    assert not is_excused(world, ana), "it began with a right one"
    ana.began_wrong, ana.node = True, None
    assert not is_excused(world, ana), "it does not run"


def test_two_neighbors_show_it_once_they_have_been_heard_for_a_moment() -> None:
    world, ana = world_of("ben", "cy")
    ana.clock_ms = 10 * SKEW_MAX_MS
    while sum(pipe.heard_us >= 0 for name in ("ben", "cy") for pipe in world.machines[name].links.values()) < 3:
        world.run_to(world.now_us + 10_000)

    assert is_excused(world, ana), "they have only just said so"
    world.run_to(world.now_us + TAKEN_IN_US)
    assert not is_excused(world, ana)
    world.links.close(ana, next(link for link, pipe in ana.links.items() if pipe.target.name == "cy"), "test")
    assert is_excused(world, ana), "of two that differ, neither knows who is right"


def test_of_several_neighbors_most_have_to_be_right_to_show_it_and_one_once_its_own_is() -> None:
    world, ana = world_of("ben", "cy", "dan", "eve")
    world.run(10)
    ana.clock_ms = 10 * SKEW_MAX_MS
    others = [world.machines[name] for name in ("ben", "cy", "dan", "eve")]

    excused = []
    for wrong, other in enumerate([*others, None], 1):
        own_is_wrong = is_excused(world, ana)
        ana.clock_ms = 0
        excused.append((own_is_wrong, is_excused(world, ana)))
        ana.clock_ms = 10 * SKEW_MAX_MS
        if other is not None:
            other.clock_ms = wrong * 100 * SKEW_MAX_MS

    assert excused == [(False, False), (False, False), (True, False), (True, True), (True, True)]


@pytest.mark.parametrize(("wrong", "excused"), [(10, True), (20, False)])
def test_one_that_is_wrong_alike_makes_half_of_four_with_it(wrong: int, excused: bool) -> None:
    world, ana = world_of("ben", "cy", "dan")
    world.run(10)
    ana.clock_ms = 10 * SKEW_MAX_MS
    world.machines["dan"].clock_ms = wrong * SKEW_MAX_MS

    assert is_excused(world, ana) == excused


@pytest.mark.parametrize("whose", ["ana", "ben"])
def test_one_neighbor_shows_it_once_both_are_right_and_have_said_so(whose: str) -> None:
    world, ana = world_of("ben")
    world.run(10)
    assert not is_excused(world, ana), "both are right, and nobody turned them"

    machine = world.machines[whose]
    machine.clock_ms, machine.turned_us = -10 * SKEW_MAX_MS, world.now_us
    assert is_excused(world, ana)
    machine.clock_ms = 0
    assert is_excused(world, ana), "the other has not heard of it"
    world.run_to(world.now_us + TAKEN_IN_US + 2 * ALIVE_BUSY * ana.config.links.alive_ms * 1_000 + MILLION)
    assert not is_excused(world, ana)


@pytest.mark.parametrize(
    ("own", "neighbors", "may_call_dead", "is_misled"),
    [
        (0, [0, 0], False, False),
        (10, [0, 0], False, False),  # two show it, and agree
        (10, [0, 20], False, True),  # two that do not agree: it lets nothing expire
        (10, [20], False, True),
        (10, [0, 10], True, True),
        (10, [0, 0, 10], True, True),
        (10, [0, 0, 0, 10], False, False),
        (10, [0, 0, 0, 20], False, False),
        (0, [0, 10], False, False),
        (0, [10, 20], False, False),  # nobody agrees with anybody, and it has its own
        (0, [10, 10], False, True),  # it stamps by them, and lets nothing expire
        (0, [10], False, False),
        (0, [10, 10, 0], False, False),
        (0, [10, 10, 10, 0], False, True),
        (0, [10, 10, 20, 0], False, False),
    ],
)
def test_who_began_right_is_misled_where_clocks_are_wrong_together(
    own: int, neighbors: list[int], may_call_dead: bool, is_misled: bool
) -> None:
    names = ("ben", "cy", "dan", "eve")[: len(neighbors)]
    world, ana = world_of(*names)
    ana.began_wrong = False
    world.run(10)
    for machine, ahead in zip([ana, *map(world.machines.__getitem__, names)], [own, *neighbors], strict=True):
        machine.clock_ms = ahead * SKEW_MAX_MS

    assert ana.may_call_dead(world.now_us) == may_call_dead
    assert ana.is_misled(world.now_us) == is_misled
    assert not ana.has_only_a_wrong_clock(world.now_us)


@pytest.mark.parametrize(
    ("own", "neighbors", "is_so"),
    [
        (0, [0, 0], False),
        (10, [0, 0], False),
        (10, [0, 20], False),
        (10, [20], False),
        (10, [0, 10], True),
        (-10, [0, -10], True),
        (10, [0, 12], True),  # somebody between them would agree with both
        (10, [0, 13], False),
        (1.5, [0, 0, 0.75], True),  # a clock that is nearly right bears it out
        (1.5, [0, 0, 0.25], False),
        (10, [0, 0, 0, 10], False),
        (0, [10, 10], True),
        (0, [10, 10, 0], True),  # it is half of what they hear
        (0, [10, 10, 0, 0], False),
        (0, [10], False),
    ],
)
def test_clocks_that_are_wrong_alike_are_believed_once_they_are_heard(
    own: float, neighbors: list[float], is_so: bool
) -> None:
    names = ("ben", "cy", "dan", "eve")[: len(neighbors)]
    world, ana = world_of(*names)
    world.run(10)
    for machine, ahead in zip([ana, *map(world.machines.__getitem__, names)], [own, *neighbors], strict=True):
        machine.clock_ms = int(ahead * SKEW_MAX_MS)

    assert ana.believes_wrong_ms(world.now_us) == 0, "nobody has said anything yet"
    world.run(30)
    believed = ana.believes_wrong_ms(world.now_us)

    near = [abs(each) for each in (own, *neighbors) if abs(each) > 1]
    assert (believed > 0) == is_so
    assert not is_so or min(near) * SKEW_MAX_MS - 100 <= believed <= max(near) * SKEW_MAX_MS + 100


@pytest.mark.parametrize(
    ("own", "neighbors", "is_so"),
    [
        (0, [0, 0], False),
        (2, [0, 0], True),
        (0, [], False),
        (0, [10], True),
        (0, [0, 10], False),
        (0, [0, 10, 20], False),
        (0, [0, 10, 20, 30], True),
        (0, [10, 20], True),
    ],
)
def test_who_is_wrong_or_hears_too_few_that_are_right_may_doubt_since_then(
    own: int, neighbors: list[int], is_so: bool
) -> None:
    names = ("ben", "cy", "dan", "eve")[: len(neighbors)]
    world, ana = world_of(*names)
    ana.began_wrong = False
    world.run(10)
    for machine, ahead in zip([ana, *map(world.machines.__getitem__, names)], [own, *neighbors], strict=True):
        machine.clock_ms = ahead * SKEW_MAX_MS
        machine.on_turned(world.now_us, was_right=True)
    turned_us = world.now_us
    world.run(30)

    assert ana.doubts_since_us(world.now_us) == (turned_us if is_so else -1)


def test_who_began_with_a_wrong_clock_may_doubt_it_since_ever() -> None:
    world, ana = world_of()
    world.run(10)
    ana.clock_ms = 2 * SKEW_MAX_MS
    ana.on_turned(world.now_us, was_right=True)

    assert ana.doubts_since_us(world.now_us) == 0


def test_who_is_started_alone_with_a_clock_that_is_behind_shows_what_is_dead() -> None:
    """It died more than a minute before the clock went wrong; a node that starts knows of no other time."""
    timeline = [
        {"at": "1s", "publish": {"client": "app", "channel": "x", "ttl": "1s"}},
        {"at": "70s", "for": "40s", "isolate": "ana"},
        {"at": "71s", "for": "38s", "clock": {"nodes": "ana", "offset": "-1h"}},
        {"at": "75s", "restart": "ana"},
        {"at": "90s", "subscribe": {"client": "late", "to": "#"}},
    ]
    plain = {
        "title": "t", "promise": "p", "duration": "120s", "timeline": timeline,
        "topology": {"node": [{"name": "ana"}, {"name": "ben"}]},
        "client": [{"name": name, "at": "ana", "gateways": "ana", "subscribe": []} for name in ("app", "late")],
    }  # fmt: skip
    played = Play(from_tables(plain), 0)

    outcome = played.run()

    assert outcome.breaches == []
    assert [len(diary.shown) for diary in played.apps["late"].diaries.values()] == [1]


def test_a_clock_that_is_turned_by_little_is_not_doubted() -> None:
    world, ana = world_of("ben", "cy")
    ana.began_wrong = False
    world.run(30)
    ana.clock_ms = SKEW_MAX_MS
    ana.on_turned(world.now_us, was_right=True)
    assert ana.doubts_since_us(world.now_us) == -1

    ana.clock_ms = SKEW_MAX_MS + 1
    ana.on_turned(world.now_us, was_right=True)
    since_us = world.now_us
    assert ana.doubts_since_us(world.now_us) == since_us
    world.run(10)
    ana.clock_ms = 0
    ana.on_turned(world.now_us, was_right=False)
    assert ana.doubts_since_us(world.now_us) == since_us, "it may not have noticed yet"
    world.run(30)
    assert ana.doubts_since_us(world.now_us) == -1


def test_who_does_not_run_hears_nothing() -> None:
    world, ana = world_of("ben")
    world.run(10)
    ana.clock_ms = world.machines["ben"].clock_ms = 10 * SKEW_MAX_MS
    world.run(30)
    assert ana.believes_wrong_ms(world.now_us) > 0
    world.crash(ana, silent=True)

    assert ana.believes_wrong_ms(world.now_us) == 0


def test_of_a_clock_that_was_turned_just_now_nobody_knows_what_others_have_heard() -> None:
    world, ana = world_of("ben", "cy")
    ana.began_wrong = False
    world.run(10)
    ana.clock_ms, world.machines["ben"].clock_ms = 10 * SKEW_MAX_MS, 20 * SKEW_MAX_MS

    assert not ana.may_call_dead(world.now_us)
    world.machines["ben"].turned_us = world.now_us
    assert ana.may_call_dead(world.now_us)
    world.machines["cy"].turned_us = world.now_us
    ana.clock_ms, ana.turned_us = 0, world.now_us
    assert ana.may_call_dead(world.now_us), "it has been right for a moment only"


def two_clocks(latency: str, ttl: str, until_s: int, *faults: tuple[str, str, str, str]) -> Play:
    """Three nodes, and two of their clocks wrong at once, each by as much as is said."""
    return Play(
        from_tables(
            {
                "title": "Two wrong clocks",
                "promise": "Nobody can know what time it is.",
                "duration": f"{until_s}s",
                "settle": "5s",
                "topology": {
                    "latency": latency,
                    "node": [{"name": name, "region": name} for name in ("ana", "ben", "cy")],
                },
                "client": [{"name": "app", "count": 3, "subscribe": [{"to": "#"}]}],
                "workload": [{"rate": 2, "ttl": ttl}],
                "timeline": [
                    {"at": at, "for": lasts, "clock": {"nodes": node, "offset": offset}}
                    for node, at, lasts, offset in faults
                ],
            }
        ),
        0,
    )


@pytest.mark.parametrize(
    "play",
    [
        lambda: two_clocks("20ms", "10m", 90, ("ben", "20s", "60s", "1h"), ("cy", "21s", "60s", "1h")),
        lambda: two_clocks(
            "2s", "30s", 110, ("ana", "15s", "93s", "90s"), ("ben", "39s", "62s", "300s"), ("ben", "40s", "16s", "130s")
        ),
        lambda: two_clocks(
            "40ms",
            "30s",
            210,
            ("ben", "108s", "36s", "1h"),
            ("cy", "110s", "99s", "90s"),
            ("ben", "140s", "36s", "10m"),
        ),
    ],
    ids=["alike", "one calls dead what lives", "one shows what is dead"],
)
def test_two_clocks_that_are_wrong_at_once_accuse_nobody(play: Callable[[], Play]) -> None:
    played = play()

    outcome = played.run()

    assert outcome.breaches == []
    assert outcome.figures.deliveries > 100


def test_a_disk_that_lost_something_need_not_hold_what_was_told_until_its_next_life_is_heard() -> None:
    world, ana = world_of("ben")
    world.run(10)
    ben = world.machines["ben"]

    def vouches() -> bool:
        return ben.vouches(9 * MILLION, ana, world.now_us, mortal=False)

    assert vouches(), "it has lost nothing"
    ben.lost_us = ben.replaced_us = world.now_us
    assert not vouches(), "ana believes what she was told"
    world.crash(ben, silent=False)
    world.start(ben)
    world.run(2)
    began_us = ana.last_heard_us(ben, world.now_us + TAKEN_IN_US)
    assert began_us > ben.replaced_us
    world.run_to(began_us + TAKEN_IN_US)
    assert vouches(), "it lives anew, and ana has heard of that"
    ben.lost_us = world.now_us
    assert not vouches(), "a row has rotted since"
