"""What was there when a fault ended is held against what each node has, as time passes."""

import pytest

from sim.calm import LOOK_US, Calm, difference
from sim.checkers import Watch
from sim.contract import Backlog
from sim.network import Condition, Network
from sim.workload import App
from sim.world import World

BOUND_US = 2_000_000


STORY = ["    1.000 something", "    9.000 something later"]


def apart() -> tuple[World, dict[int, object], Watch, Calm]:
    """Ana and ben, cut from each other, who took a message each."""
    world = World(5, Network.even(delay_us=10_000))
    world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    world.run(1)
    world.cut(["ana"], ["ben"])
    for name in ("ana", "ben"):
        App(world, f"at-{name}", [name]).publish("room/1", b"x")
    world.run(1)
    faults, watch = dict[int, object](), Watch(lambda: world.now_us)
    return world, faults, watch, Calm(world, watch, faults, STORY, [("ana", "ben")], lambda *_: BOUND_US)


def heal(world: World) -> None:
    for condition in list(world.network.conditions):
        world.lift(condition)


def test_from_the_end_of_a_fault_it_is_told_how_long_it_took() -> None:
    world, _, watch, calm = apart()
    heal(world)

    calm.on_change()
    world.run(4)

    assert watch.breaches == []
    assert watch.evaluated == {"converges": 1}
    assert LOOK_US <= calm.took_us <= BOUND_US
    assert difference(world, ["ana", "ben"]) == []


def test_what_does_not_come_within_the_bound_is_told_with_who_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _, watch, calm = apart()
    monkeypatch.setattr(Network, "silence_us", lambda *_: 2_500_000)

    calm.on_change()
    world.run(4)

    (breach,) = watch.breaches
    assert breach.kind == "calm"
    assert "ana has not got at-ben/" in breach.about
    assert (
        "2.25 s after the last fault ended, though ben has it; the bound is 2.00 s; ana and ben may hear nothing"
        in breach.about
    )
    assert len(breach.witness) == 2 and breach.witness[0] == "    1.000 something"
    assert "and ben has" in difference(world, ["ana", "ben"])[0]
    assert calm.took_us == -1


def test_what_comes_late_is_told_once_and_timed_all_the_same() -> None:
    world, _, watch, calm = apart()
    calm.on_change()
    world.run(5)
    heal(world)
    world.run(20)
    calm.finish()

    assert [breach.kind for breach in watch.breaches] == ["calm"]
    assert watch.evaluated == {"converges": 1}
    assert 5_000_000 < calm.took_us < 12_000_000
    assert calm.bound_us == BOUND_US


def test_another_fault_begins_it_anew_and_nothing_is_asked_while_it_lasts() -> None:
    world, faults, watch, calm = apart()
    calm.on_change()
    world.run(1)

    faults[1] = object()
    calm.on_change()
    world.run(4)
    calm.finish()

    assert (watch.breaches, watch.evaluated, calm.took_us) == ([], {}, -1)


def test_who_is_down_or_bad_or_out_of_reach_is_not_asked() -> None:
    for hurt in ("down", "bad", "paused", "apart"):
        world, _, watch, calm = apart()
        ben = world.machines["ben"]
        if hurt == "down":
            world.crash(ben)
        elif hurt == "apart":
            calm.pairs.clear()
        ben.is_bad, ben.paused = hurt == "bad", hurt == "paused"

        calm.on_change()
        world.run(4)

        assert (watch.breaches, calm.took_us) == ([], -1), hurt


def test_the_run_ends_before_it_was_looked_at() -> None:
    world, _, _, calm = apart()
    calm.on_change()
    calm.finish()
    missing = calm.took_us
    heal(world)
    world.run(0.2)
    while not world.converged():
        world.run(0.05)

    calm.finish()

    assert missing == -1
    assert 0 < calm.took_us < BOUND_US


def test_a_fault_has_ended_once_what_it_slowed_has_come() -> None:
    """A link is a stream: what leaves after it comes no sooner."""
    world, _, watch, calm = apart()
    heal(world)
    world.run(2)
    slow = Condition(frozenset({("ana", "ben"), ("ben", "ana")}), extra_us=4_000_000)
    world.impose(slow)
    world.run(10)
    App(world, "slow", ["ana"]).publish("room/1", b"x")
    world.run(1)
    world.lift(slow)

    calm.on_change()
    world.run(2)
    assert not world.converged(["ana", "ben"])
    world.run(8)

    assert watch.breaches == []
    assert 0 <= calm.took_us <= BOUND_US
    assert world.links.held_up_us(["ana", "ben"]) == 0


def test_what_comes_meanwhile_has_its_share_of_the_links_and_of_the_bound() -> None:
    world, _, watch, calm = apart()
    asked: list[Backlog] = []

    def bound_us_of(_: list[str], backlog: Backlog) -> int:
        asked.append(backlog)
        return BOUND_US * backlog.positions

    calm.bound_us_of = bound_us_of
    calm.on_change()
    for _ in range(3):
        world.run(1)
        App(world, f"later-{world.now_us}", ["ana"]).publish("room/1", b"y")
    world.run(12)

    (breach,) = watch.breaches
    assert breach.about.endswith("; the bound is 8.00 s"), "two that were lacking lack one each; three came since"
    assert [each.positions for each in asked] == [1, 3, 4, 4]
    assert asked[-1].size > asked[0].size
