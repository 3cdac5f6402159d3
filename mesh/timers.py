"""Timers: named values with a time each; setting one again replaces it."""

from __future__ import annotations

from bisect import bisect_left, insort

from mesh.effects import SetTimer, Timer

NEVER_US = 1 << 63

Entry = tuple[int, int, Timer]
"""When, and the number of the setting, both negative, for what is due first stands last; and whose it is."""


class Timers:
    """All timers of a node, in the order of (time, order of setting).

    There are some twenty. Of a heap, taking the first looks at most of its entries, which lie anywhere; and what is moved or
    taken away, as most are, would stay on it till its time.
    """

    __slots__ = ("_count", "_order", "_set", "moved", "soonest_us")

    def __init__(self) -> None:
        """Start with none."""
        self._set: dict[Timer, Entry] = {}
        self._order: list[Entry] = []
        """The same, without those that `due` has given out."""
        self._count = 0
        self.soonest_us = NEVER_US
        """No timer is due before; it may be too early, where one was moved or taken away."""
        self.moved = False
        """Something was set, or taken away, since it was asked what is next."""

    def set(self, wish: SetTimer) -> None:
        """Set a timer, or take it away."""
        self.moved = True
        timer, at_us = wish.timer, wish.at_us
        before = self._set.get(timer)
        if before is not None:
            self._leave(before)
        if at_us is None:
            self._set.pop(timer, None)
            return
        self._count += 1
        entry = self._set[timer] = -at_us, -self._count, timer
        insort(self._order, entry)
        if at_us < self.soonest_us:  # noqa: PLR1730  # without a call, for each timer
            self.soonest_us = at_us

    def _leave(self, entry: Entry) -> None:
        at = bisect_left(self._order, entry)
        if at < len(self._order) and self._order[at] is entry:
            del self._order[at]

    def due(self, mono_us: int) -> list[Timer]:
        """The timers that are due, earliest first. `take` each before firing it: another's firing may have moved it."""
        self.moved = True
        order = self._order
        due: list[Timer] = []
        while order and order[-1][0] >= -mono_us:
            due.append(order.pop()[2])
        self.soonest_us = -order[-1][0] if order else NEVER_US
        return due

    def take(self, timer: Timer, mono_us: int) -> bool:
        """Take a due timer away; False if it was moved or taken since."""
        entry = self._set.get(timer)
        if entry is None or -entry[0] > mono_us:
            return False
        del self._set[timer]
        self._leave(entry)  # set again meanwhile, for now
        return True

    def next_us(self) -> int | None:
        """When the first timer is due."""
        self.moved = False
        if not self._order:
            self.soonest_us = NEVER_US
            return None
        self.soonest_us = at_us = -self._order[-1][0]
        return at_us
