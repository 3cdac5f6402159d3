"""What is done to a world, and whether anything came of it: a kill of the dead, or an image that nobody took, is no fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sim.scenario.events import Event


@dataclass
class Deed:
    """Something that is being done. It counts once, and only if it changed something."""

    event: Event
    count: Callable[[], None]
    has_happened: bool = False

    def happened(self, *, really: bool = True) -> None:
        """It changed something, if it did `really`."""
        if really and not self.has_happened:
            self.has_happened = True
            self.count()


def labels_of(timeline: Iterable[Event]) -> dict[Event, str]:
    """What the coverage table calls the events of a timeline: by their number, from 1."""
    return {event: f"timeline/{number}" for number, event in enumerate(timeline, 1)}
