"""What happens when in a world: time, and what is due in it, by (time, number).

What is due in the slot of time that is under way lies on a heap, which stays small. What comes later lies in its own slot,
unsorted, until that begins: a plan of thousands of steps and all frames under way cost those before them nothing.

Invariants: what is due before the end of the slot under way is near, and in no slot; each slot that is not under way is on
the heap of slots once, and not empty.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

Due = tuple[int, int, Callable[[Any, Any], None], Any, Any]
"""The time, a number that tells equal times apart, what is called, and with which two arguments."""

SLOT_BITS = 11
"""A slot is 2,048 µs: of 1 to 8 ms it was the fastest for a mesh of 25 nodes, by a little (measured)."""


def call(action: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """For what has not two arguments, as nearly everything has: a call that unpacks them costs more than one that does not."""
    action(*arguments)


class Agenda:
    """Time, from zero on. `run` lets it pass; what is due happens one by one."""

    def __init__(self) -> None:
        """Begin at time zero, with nothing to do."""
        self.now_us = 0
        self._number = 0
        self._near: list[Due] = []
        """A heap: the slot under way."""
        self._near_us = 1 << SLOT_BITS
        """When that slot ends."""
        self._later: dict[int, list[Due]] = {}
        self._slots: list[int] = []
        """A heap: the numbers of the slots that are not under way."""

    def at(self, t_us: int, action: Callable[..., None], *arguments: Any) -> None:
        """Do something at a time."""
        self.due(max(t_us, self.now_us), call, action, arguments)

    def after(self, delay_us: int, action: Callable[..., None], *arguments: Any) -> None:
        """Do something later."""
        self.due(self.now_us + delay_us if delay_us > 0 else self.now_us, call, action, arguments)

    def every(self, period_us: int, action: Callable[[], None]) -> None:
        """Do something again and again, from so much later on."""
        self.after(period_us, self._again, period_us, action)

    def _again(self, period_us: int, action: Callable[[], None]) -> None:
        action()
        self.every(period_us, action)

    def due(self, t_us: int, action: Callable[[Any, Any], None], one: Any, other: Any) -> None:
        """The same for what happens all the time: with two arguments nothing is packed. Not before now."""
        self._number = number = self._number + 1
        if t_us < self._near_us:
            heappush(self._near, (t_us, number, action, one, other))
            return
        slot = t_us >> SLOT_BITS
        later = self._later.get(slot)
        if later is None:
            later = self._later[slot] = []
            heappush(self._slots, slot)
        later.append((t_us, number, action, one, other))

    @property
    def pending(self) -> int:
        """How much is due, now or later."""
        return len(self._near) + sum(map(len, self._later.values()))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.run_to(self.now_us + int(seconds * 1_000_000))

    def run_to(self, until_us: int) -> None:
        """Let time pass up to a moment, which is not before now."""
        near = self._near
        while self._near_us <= until_us:  # whole slots, in which nobody asks for the end
            # With the condition at its head Python 3.11 would not specialise the loop: it counts only jumps back there.
            while True:
                if not near:
                    break
                self.now_us, _, action, one, other = heappop(near)
                action(one, other)
            if not self._next_slot():
                break
        while near and near[0][0] <= until_us:
            self.now_us, _, action, one, other = heappop(near)
            action(one, other)
        self.now_us = until_us

    def run_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until something holds; False if it does not within so long."""
        until_us = self.now_us + int(seconds * 1_000_000)
        while not condition():
            if not (self._near or self._next_slot()) or self._near[0][0] > until_us:
                self.now_us = until_us
                return condition()
            self.now_us, _, action, one, other = heappop(self._near)
            action(one, other)
        return True

    def _next_slot(self) -> bool:
        """Begin the next slot, now that nothing is left in the one under way; False if there is none."""
        if not self._slots:
            return False
        slot = heappop(self._slots)
        self._near_us = (slot + 1) << SLOT_BITS
        self._near += self._later.pop(slot)
        heapify(self._near)
        return True
