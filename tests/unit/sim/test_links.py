"""Simulated links: streams, whose frames never overtake one another, whatever lies on the path meanwhile."""

from mesh.effects import FrameReceived
from mesh.frames import Alive
from mesh.wire.frames import encode_frame
from sim.network import Condition, Network
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
