"""Timers: named values with a time each; setting one again replaces it."""

from __future__ import annotations

import heapq

from mesh.effects import SetTimer, Timer

NEVER_US = 1 << 63
STALE_MAX = 1_024
"""Entries on the heap that were moved or taken away, beyond as many as there are timers."""


class Timers:
    """All timers of a node, on a heap by (time, order of setting)."""

    def __init__(self) -> None:
        """Start with none."""
        self._set: dict[Timer, list[int]] = {}
        self._heap: list[tuple[int, int, list[int], Timer]] = []
        """For each setting: when, its number, the number that now holds for its timer (in a list, for it changes), and
        which that is. What was moved or taken away is known without a look-up by name."""
        self._count = 0
        self.soonest_us = NEVER_US
        """No timer is due before; it may be too early, where one was moved or taken away."""
        self.moved = False
        """Something was set, or taken away, since it was asked what is next."""

    def set(self, wish: SetTimer) -> None:
        """Set a timer, or take it away."""
        self.moved = True
        timer, at_us = wish.timer, wish.at_us
        if at_us is None:
            holds = self._set.pop(timer, None)
            if holds is not None:
                holds[0] = 0
            return
        if len(self._heap) > 2 * len(self._set) + STALE_MAX:  # what was moved or taken away stays on the heap till then
            self._heap = [entry for entry in self._heap if entry[2][0] == entry[1]]
            heapq.heapify(self._heap)
        self._count = number = self._count + 1
        holds = self._set.get(timer)
        if holds is None:
            holds = self._set[timer] = [number, at_us]
        else:
            holds[:] = number, at_us
        heapq.heappush(self._heap, (at_us, number, holds, timer))
        if at_us < self.soonest_us:  # noqa: PLR1730  # without a call, for each timer
            self.soonest_us = at_us

    def due(self, mono_us: int) -> list[Timer]:
        """The timers that are due, earliest first. `take` each before firing it: another's firing may have moved it."""
        self.moved = True
        heap = self._heap
        due: list[Timer] = []
        while heap and heap[0][0] <= mono_us:
            _, number, holds, timer = heapq.heappop(heap)
            if holds[0] == number:
                due.append(timer)
        self.soonest_us = heap[0][0] if heap else NEVER_US
        return due

    def take(self, timer: Timer, mono_us: int) -> bool:
        """Take a due timer away; False if it was moved or taken since."""
        holds = self._set.get(timer)
        if holds is None or holds[1] > mono_us:
            return False
        del self._set[timer]
        holds[0] = 0
        return True

    def next_us(self) -> int | None:
        """When the first timer is due."""
        self.moved = False
        heap = self._heap
        while heap:
            at_us, number, holds, _ = heap[0]
            if holds[0] == number:
                self.soonest_us = at_us
                return at_us
            heapq.heappop(heap)
        self.soonest_us = NEVER_US
        return None
