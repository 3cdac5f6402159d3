"""What is done to a world, and whether anything came of it: a kill of the dead, or an image that nobody took, is no fault."""

from __future__ import annotations

from collections import deque
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


def labels_of(timeline: Iterable[Event]) -> list[tuple[str, Event]]:
    """What the coverage table calls the events of a timeline: by their number, from 1."""
    return [(f"timeline/{number}", event) for number, event in enumerate(timeline, 1)]


class Labels:
    """Those labels, each given once: of equal events, whose order a plan keeps, the first has the first."""

    def __init__(self, timeline: Iterable[Event]) -> None:
        """None is given yet."""
        self._left: dict[Event, deque[str]] = {}
        for label, event in labels_of(timeline):
            self._left.setdefault(event, deque()).append(label)

    def of(self, event: Event) -> str:
        """The label of an event that is being done; empty for one that was drawn."""
        left = self._left.get(event)
        return left.popleft() if left else ""
