"""Timers: named values with a time each; setting one again replaces it."""

from __future__ import annotations

import heapq

from mesh.effects import SetTimer, Timer

STALE_MAX = 1_024
"""Entries on the heap that were moved or taken away, beyond as many as there are timers."""


class Timers:
    """All timers of a node, on a heap by (time, order of setting)."""

    def __init__(self) -> None:
        """Start with none."""
        self._set: dict[Timer, tuple[int, int]] = {}
        self._heap: list[tuple[int, int, Timer]] = []
        self._count = 0

    def set(self, wish: SetTimer) -> None:
        """Set a timer, or take it away."""
        if wish.at_us is None:
            self._set.pop(wish.timer, None)
            return
        if len(self._heap) > 2 * len(self._set) + STALE_MAX:  # what was moved or taken away stays on the heap till then
            self._heap = [(at_us, number, timer) for timer, (at_us, number) in self._set.items()]
            heapq.heapify(self._heap)
        self._count += 1
        self._set[wish.timer] = wish.at_us, self._count
        heapq.heappush(self._heap, (wish.at_us, self._count, wish.timer))

    def due(self, mono_us: int) -> list[Timer]:
        """The timers that are due, earliest first. `take` each before firing it: another's firing may have moved it."""
        if not self._heap or self._heap[0][0] > mono_us:
            return []
        due: list[Timer] = []
        while self._heap and self._heap[0][0] <= mono_us:
            at_us, number, timer = heapq.heappop(self._heap)
            if self._set.get(timer) == (at_us, number):
                due.append(timer)
        return due

    def take(self, timer: Timer, mono_us: int) -> bool:
        """Take a due timer away; False if it was moved or taken since."""
        at = self._set.get(timer)
        if at is None or at[0] > mono_us:
            return False
        del self._set[timer]
        return True

    def next_us(self) -> int | None:
        """When the first timer is due."""
        while self._heap:
            at_us, number, timer = self._heap[0]
            if self._set.get(timer) == (at_us, number):
                return at_us
            heapq.heappop(self._heap)
        return None
