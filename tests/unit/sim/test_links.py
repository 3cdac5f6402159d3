"""Simulated links: streams, whose frames never overtake one another, whatever lies on the path meanwhile."""

from dataclasses import replace

import pytest

from mesh.effects import FrameReceived
from mesh.frames import Alive, Lane, Members
from mesh.types import LinkId
from mesh.wire.frames import encode_frame
from sim.links import AHEAD_BYTES, SUPERSEDED_US, Pipe, ahead_bytes
from sim.network import Condition, Network
from sim.units import MILLION
from sim.world import Machine, World

PAIRS = frozenset({("ana", "ben"), ("ben", "ana")})


def linked() -> World:
    """Ana and Ben are linked, and Ben's process stands still: what arrives lies in its inbox."""
    world = World(1, Network.even(delay_us=50_000, jitter_us=0))
    world.add("ana", "eu", ("ben",))
    world.add("ben", "us")
    world.run(1)
    world.pause(world.machines["ben"])
    return world


def say(world: World, number: int) -> None:
    (pipe,) = world.machines["ana"].links.values()
    world.links.send(pipe, encode_frame(Alive(number)))


def heard(machine: Machine) -> list[int]:
    frames = [event.frame for event in machine.inbox if isinstance(event, FrameReceived)]
    return [frame.wall_ms for frame in frames if isinstance(frame, Alive) and frame.wall_ms < 100]


def test_what_was_under_way_in_a_cut_comes_before_what_was_sent_in_it() -> None:
    world = linked()
    for number in (1, 2):
        say(world, number)
        world.run(0.01)
    world.cut(["ana"], ["ben"])
    for number in (3, 4):
        say(world, number)
        world.run(0.05)  # meanwhile what was under way would have come
    world.heal()
    say(world, 5)

    world.run(2)

    assert heard(world.machines["ben"]) == [1, 2, 3, 4, 5]


def test_the_order_stands_through_a_second_cut_that_begins_before_all_has_come() -> None:
    world = linked()
    say(world, 1)
    first = Condition(PAIRS, clog=True)
    world.impose(first)
    say(world, 2)
    world.run(0.1)
    world.lift(first)
    say(world, 3)
    world.run(0.02)
    second = Condition(PAIRS, clog=True)
    world.impose(second)
    say(world, 4)
    world.run(0.1)
    world.lift(second)
    say(world, 5)

    world.run(1)

    assert heard(world.machines["ben"]) == [1, 2, 3, 4, 5]


def test_what_was_under_way_and_came_after_the_cut_waits_for_what_was_lost_in_it() -> None:
    world = linked()
    say(world, 1)  # 50 ms, and lost in the cut
    slow = Condition(PAIRS, extra_us=300_000)
    world.impose(slow)
    say(world, 2)  # 350 ms, and not
    world.cut(["ana"], ["ben"])
    say(world, 3)
    world.run(0.1)
    world.heal()

    world.run(2)

    assert heard(world.machines["ben"]) == [1, 2, 3]


# --- over a narrow path ----------------------------------------------------------------------------------------------

NARROW = Condition(PAIRS, rate_bps=64_000)
LARGE = encode_frame(Members((bytes(20_000),)))
"""Two and a half seconds of a narrow path."""


def narrow() -> tuple[World, Pipe]:
    """The same over 64 kbit/s; ana's process stands still, too."""
    world = linked()
    world.pause(world.machines["ana"])
    world.impose(NARROW)
    (pipe,) = world.machines["ana"].links.values()
    return world, pipe


def heard_at(world: World, machine: Machine, until_s: float) -> list[tuple[str, float]]:
    """The kinds of frames that come, and when."""
    found: list[tuple[str, float]] = []
    begin_us = world.now_us
    while world.now_us < begin_us + until_s * 1e6:
        before = len(machine.inbox)
        world.run(0.01)
        frames = [event.frame for event in machine.inbox[before:] if isinstance(event, FrameReceived)]
        found += [(type(frame).__name__, (world.now_us - begin_us) / 1e6) for frame in frames]
    return found


def test_what_is_urgent_goes_between_the_pieces_of_what_is_not() -> None:
    world, pipe = narrow()
    world.links.send(pipe, LARGE, Lane.BACKFILL)
    world.run(0.5)
    world.links.send(pipe, LARGE, Lane.BACKFILL)
    say(world, 1)

    (kind, alive_s), (_, first_s), (_, second_s) = heard_at(world, world.machines["ben"], 6)

    assert kind == "Alive"
    assert alive_s <= 0.4
    assert 2.0 <= first_s <= 2.2
    assert 4.5 <= second_s <= 4.8


def test_a_link_that_is_closed_takes_what_waits_along() -> None:
    world, pipe = narrow()
    world.links.send(pipe, LARGE, Lane.BACKFILL)
    world.run(0.5)

    world.links.close(world.machines["ana"], pipe.source_link, "enough")
    before = pipe.path.sent_bytes
    world.run(3)

    assert pipe.path.sent_bytes == before < 8_000
    assert not pipe.waiting


def test_two_links_over_one_narrow_path_take_turns() -> None:
    world, pipe = narrow()
    other = replace(pipe, source_link=LinkId(1_001), target_link=LinkId(1_002), waiting=[], early={}, held=[])
    world.machines["ana"].links[other.source_link] = world.machines["ben"].links[other.target_link] = other
    world.links.send(pipe, LARGE, Lane.BACKFILL)
    world.run(0.3)

    world.links.send(other, encode_frame(Alive(1)))
    found = heard_at(world, world.machines["ben"], 1)

    assert [kind for kind, _ in found] == ["Alive"]
    assert found[0][1] <= 0.5


def test_a_connection_takes_ahead_what_its_path_carries_in_a_moment() -> None:
    assert ahead_bytes(0) == AHEAD_BYTES
    assert ahead_bytes(1_000_000_000) == AHEAD_BYTES
    assert ahead_bytes(1_000_000) == 12_500
    assert ahead_bytes(64_000) == 1_200


# --- the dead ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dies", "comes"), [(False, [1, 2, 3]), (True, [1])])
def test_what_was_lost_is_sent_again_and_not_by_who_is_gone(dies: bool, comes: list[int]) -> None:
    world = linked()
    say(world, 1)
    world.run(0.01)
    lossy = Condition(PAIRS, loss_ppm=MILLION)
    world.impose(lossy)
    say(world, 2)
    world.lift(lossy)
    say(world, 3)  # which nothing happens to, but for what is before it in the stream
    if dies:
        world.crash(world.machines["ana"], silent=True)

    world.run(30)

    assert heard(world.machines["ben"]) == comes


def test_who_has_several_links_to_one_node_is_named_once_neither_is_new() -> None:
    world = linked()
    ana, ben = (world.machines[name] for name in ("ana", "ben"))
    number = next(iter(ana.links))
    first = ana.links[number]
    found = [world.links.doubled(ana, {"ben"})]

    there, back = LinkId(number + 1_000), LinkId(number + 1_001)
    ana.links[there] = replace(first, source_link=there, target_link=back, began_us=world.now_us)
    found.append(world.links.doubled(ana, {"ben"}))
    ben.links[back] = replace(ana.links[there], target=ana, source_link=back, target_link=there)
    found.append(world.links.doubled(ana, {"ben"}))
    world.run((SUPERSEDED_US + 2 * 100_000) / 1e6)
    found.append(world.links.doubled(ana, {"ben"}))
    world.run(0.001)
    found += [world.links.doubled(ana, {"ben"}), world.links.doubled(ana, ())]

    assert found == [[], [], [], [], ["ben"], []]
