"""What a node drops of what has expired: when it vanishes, and when it stays."""

import pytest

from mesh import effects as e
from mesh import frames as f
from mesh.clocks.hybrid import LONE_DOUBT_MS
from mesh.config import sim
from mesh.effects import Append, Count, Marks
from mesh.log.holdings import DEAD_LOG_MARGIN_MS
from mesh.node import Node
from mesh.operations import Draft, Publish
from tests.engine_samples import TO_BEN
from tests.node_samples import BINDING, ME, Host, ben, hello, linked, started
from tests.samples import SUITE, WALL_MS, received


def test_what_has_wholly_expired_vanishes_from_memory_and_disk() -> None:
    host = linked()
    batch = ben().write(ttl_ms=1_000)
    host.frame(f.Push(received(batch)))
    host.stored()
    later_ms = DEAD_LOG_MARGIN_MS + 200_000

    host.tick(e.LinkDown(TO_BEN, "gone"))
    effects = host.tick(ms=later_ms)

    append = effects[0]
    assert isinstance(append, Append)
    assert append.marks == Marks(strip_before_ms=WALL_MS + later_ms - 60_000, forget_logs=(batch.log,))
    assert host.node.holdings.stored == {}


def test_what_has_expired_by_a_clock_that_nobody_has_confirmed_stays_on_the_disk_for_an_hour() -> None:
    host = started()
    host.attach()
    host.say(Publish((Draft("a", 1, b"", ttl_ms=1_000),)))
    host.stored()

    def dropped(ms: int) -> list[Marks]:
        return [effect.marks for effect in host.tick(ms=ms) if isinstance(effect, Append)]

    assert dropped(LONE_DOUBT_MS - 1) == []
    assert dropped(LONE_DOUBT_MS + 60_000) == [Marks(strip_before_ms=WALL_MS + LONE_DOUBT_MS)]


@pytest.mark.parametrize("ahead_ms", [0, 36_000_000])
def test_what_lives_by_a_neighbors_clock_is_not_taken_bare_by_a_node_that_doubts_its_own(ahead_ms: int) -> None:
    host = Host(Node(sim(), ME, SUITE))
    bare = received(ben().write(ttl_ms=18_000_000).stripped())
    effects: list[e.Effect] = []

    for event in (
        e.Started(e.Recovered(), b"e" * 32),
        e.LinkUp(TO_BEN, BINDING, None),
        e.FrameReceived(TO_BEN, hello(), 50),
        e.FrameReceived(TO_BEN, f.Push(bare), 50),
    ):
        effects += host.tick(event, wall_ms=WALL_MS + ahead_ms)

    assert Count("batches_refused_total/stripped") in effects
    assert host.node.holdings.pending == {}


def test_our_own_log_stays_while_it_is_written_to() -> None:
    host = started()
    host.attach()
    host.say(Publish((Draft("a", 1, b"", ttl_ms=1_000),)))
    host.stored()

    host.tick(ms=DEAD_LOG_MARGIN_MS + 200_000)

    assert len(host.node.holdings.stored) == 1
