"""A session that publishes: who it is, and what of its publishes was refused for now and has to come again first."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.clocks.vector import IntervalSet
from mesh.types import SessionId

REFUSED_RUNS_MAX = 1_024
"""Runs of refused sequences that are told apart. Who skips sequences and has more waits for those between the last, too."""


@dataclass(slots=True)
class Publisher:
    """A session's name, and its order: nothing is taken from it that follows what was refused and has not come again.

    All that was refused counts, and not only the first: a client may send that again, and something new, before it has heard
    that what lies between was refused as well.
    """

    session: SessionId
    client: str
    incarnation: int
    held_back: int = 0
    """The least sequence that was refused and has to come again; 0: none."""
    refused: IntervalSet = field(default_factory=IntervalSet)
    """All of them."""

    @property
    def who(self) -> tuple[str, int]:
        """Its client and incarnation: its part of the names of what it publishes."""
        return self.client, self.incarnation

    def on_refused(self, first: int, last: int) -> None:
        """Publishes were refused for now."""
        refused = self.refused
        refused.add(first, last)
        if len(refused) > REFUSED_RUNS_MAX:
            (low, _), (_, high) = list(refused)[-2:]
            refused.add(low, high)
        self.held_back = next(iter(refused))[0]

    def on_here(self, sequence: int) -> None:
        """A publish needs no more waiting for: it is here, or never will be."""
        if self.held_back:
            self.refused.remove(sequence, sequence)
            self.held_back = next(iter(self.refused), (0, 0))[0]
