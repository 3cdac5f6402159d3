"""What a run held is gone once nobody has the run any more: sweeps and hunts play thousands in one process."""

import gc
import weakref
from typing import Any

import pytest

from sim.disk import KEPT
from sim.heap import Play
from sim.links import decoded, told
from sim.scenario.model import Scenario
from sim.scenario.reading import from_tables

LARGE_BYTES = 500_000


def three(size: int) -> Scenario:
    """Three nodes, and an application at each; the first says something."""
    tables: dict[str, Any] = {
        "title": "t",
        "promise": "p",
        "duration": "3s",
        "topology": {"node": [{"name": name, "region": name} for name in ("ana", "ben", "cy")]},
        "client": [{"name": "app", "count": 3, "subscribe": [{"to": "#"}]}],
        "timeline": [{"at": "1s", "publish": {"client": "app-1", "channel": "a", "count": 3, "bytes": size}}],
    }
    return from_tables(tables)


def test_a_run_is_gone_with_its_last_holder_and_not_when_somebody_looks_for_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        play = Play(three(8), 1)
        held = [weakref.ref(each) for each in (play, play.world, play.stage, *play.apps.values())]

        outcome = play.run()
        del play

        assert outcome.breaches == []
        assert [ref() for ref in held] == [None] * len(held)
    finally:
        gc.enable()


def test_who_keeps_the_world_alone_is_told_that_it_is_gone() -> None:
    world = Play(three(8), 1).world

    with pytest.raises(AttributeError):
        world.run(1)


def test_large_messages_are_not_kept_beyond_their_run() -> None:
    play = Play(three(LARGE_BYTES), 1)

    outcome = play.run()
    kept = [each.cache_info().currsize for each in (decoded, told, *KEPT)]
    del play

    assert outcome.breaches == []
    # the last is filled by who asks for names, and nobody does here
    assert all(kept[:-1]), "nothing was kept: this test shows nothing"
    assert [each.cache_info().currsize for each in (decoded, told, *KEPT)] == [0] * len(kept)
