"""A seed that is played twice: equal runs are equal, and of unequal ones the first difference is told."""

import itertools
from typing import Any

import pytest

from mesh.effects import Send
from mesh.frames import Alive
from mesh.node import Node
from sim.sweep import play_seed
from sim.twice import First, Second, play_twice, say
from sim.workload import App
from tests.sweep_samples import scenario

TICK, PUSHED = b"1500000 ana 2FrameReceivedWakeup", b"2000000 ben 1Stored"


def parting(one: list[bytes], other: list[bytes], piece: int = 2) -> str | None:
    first = First()
    second = Second(first)
    for notes, listener in ((one, first), (other, second)):
        for at in range(0, len(notes), piece):
            listener(notes[at : at + piece])
    found = second.end()
    return None if found is None else found.about


def test_equal_runs_do_not_part() -> None:
    one, other, found = play_twice(scenario(), 19)

    assert found is None
    assert (one.trace, one.coverage) == (other.trace, other.coverage)
    assert play_seed(scenario(), 19).broken == []


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_the_first_difference_is_told_with_its_time_and_its_node(piece: int) -> None:
    begin = [TICK, b"impose"]

    assert parting([*begin, PUSHED], [*begin, PUSHED], piece) is None
    assert parting([*begin, b"crash", PUSHED], [*begin, b"pause", PUSHED], piece) == (
        "at 1.500000 s on ana, after 2 equal notes: crash the first time, pause the second"
    )
    assert parting([*begin, PUSHED, TICK], [*begin, b"pause", PUSHED], piece) == (
        "at 2.000000 s on ben, after 2 equal notes: ben ticks at 2.000000 s with Stored the first time, "
        "pause the second"
    )
    assert parting([*begin, PUSHED], begin, piece) == (
        "at 2.000000 s on ben, after 2 equal notes: ben ticks at 2.000000 s with Stored the first time, "
        "nothing any more the second"
    )
    assert parting(begin, [*begin, b"pause"], piece) == (
        "at 1.500000 s on ana, after 2 equal notes: nothing any more the first time, pause the second"
    )
    assert parting([b"crash"], [b"pause"], piece) == (
        "at the beginning, after 0 equal notes: crash the first time, pause the second"
    )


def test_notes_are_told_in_words() -> None:
    assert say(TICK) == "ana ticks at 1.500000 s with FrameReceived, Wakeup"
    assert say(b"\xff\xfe") == "\\xff\\xfe"


def test_a_node_that_is_not_deterministic_is_caught_at_its_first_other_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the frames that the nodes of the second run send is another."""
    tick, sent = Node.tick, itertools.count()

    def wrong(self: Node, events: Any, now: Any) -> Any:
        effects = tick(self, events, now)
        return [
            Send(each.links, Alive(7)) if isinstance(each, Send) and next(sent) == limit else each for each in effects
        ]

    limit = -1
    monkeypatch.setattr(Node, "tick", wrong)
    play_twice(scenario(), 19)
    limit = next(sent) + next(sent) * 3 // 4
    result = play_seed(scenario(), 19)

    assert result.broken == ["deterministic"]
    assert result.about.startswith("the same seed went two ways, first at ")
    assert " equal notes: " in result.about
    assert "Alive (" in result.about
    assert [line.partition(":")[0] for line in result.witness] == ["both", "the first time", "the second time"]


def test_equal_traces_with_other_counts_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, lives = App.__post_init__, itertools.count()

    def counted(self: App) -> None:
        begun(self)
        self.world.cover("app/number", next(lives))

    monkeypatch.setattr(App, "__post_init__", counted)
    result = play_seed(scenario(), 19)

    assert result.broken == ["deterministic"]
    assert result.about == (
        "the same seed went two ways, first the traces are equal, "
        "and coverage.app/number is 31 the first time and 60 the second"
    )


def test_what_there_was_no_room_for_is_compared_by_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.twice.KEPT_BYTES_MAX", 5_000)
    assert play_twice(scenario(), 19)[2] is None
    worlds = itertools.count()
    run = App.publish

    def late(self: App, *args: Any, **kwargs: Any) -> Any:
        if next(worlds) == 15:
            self.world.note(b"luck")
        return run(self, *args, **kwargs)

    monkeypatch.setattr(App, "publish", late)
    found = play_twice(scenario(), 19)[2]

    assert found is not None
    assert "later than the first" in found.about
