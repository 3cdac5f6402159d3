"""Memory of runs: when it is looked through, and when it is given back."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sim.disk import KEPT
from sim.links import decoded, told

if TYPE_CHECKING:
    from sim.world import World


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles, which looks through all that lives again and again; `Play` calls it now and then."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def take_apart(world: World) -> None:
    """Nothing in a world refers to anything in a circle any more, so that all of it is gone at once.

    So is what was kept because it was decoded: a frame may be a megabyte, and thousands are kept.
    """
    for machine in world.machines.values():
        machine.node = None
        machine.sessions.clear()
        machine.links.clear()
    vars(world.links).clear()
    vars(world).clear()
    for kept in (decoded, told, *KEPT):
        kept.cache_clear()
