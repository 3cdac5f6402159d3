"""The journal: batches on their way to the disk.

A peer's batch is verified and waits for the next append beside what is sealed here. At most one append a tick, at most
so many pending; the answers come in order. After a failure nothing that was pending is here any more, and for a moment
batches are refused, for a disk that is full does not become less so by trying.

Invariants, checked by `check`: what is pending or waits is what the holdings have received and not stored; the epoch keys
that are remembered are bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from mesh.crypto import Suite
from mesh.effects import Append, Marks
from mesh.log.batch import OTHER_KEY, Batch, KeyProven, verify
from mesh.log.holdings import Holdings
from mesh.types import LinkId, LogId, NodeId, Now

EPOCHS_KNOWN_MAX = 65_536
"""Epoch keys that are remembered, of batches that passed; beyond, their proofs are checked again."""


class Verdict(Enum):
    """What became of a batch that a peer sent."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    STRANGER = "stranger"
    """Its node is not known to be a member."""
    FORKED = "forked"
    GONE = "gone"
    """Its log has wholly expired here."""
    STRIPPED = "stripped"
    """It comes without its body, and is not dead by our clock."""
    BLOCKED = "blocked"
    """The disk takes nothing for now."""


@dataclass(slots=True)
class Journal:
    """Verifies, gathers, appends, and remembers who sent what."""

    mesh: bytes
    suite: Suite
    holdings: Holdings
    is_member: Callable[[NodeId], bool]
    pending_max: int
    incoming: list[tuple[Batch, LinkId]] = field(default_factory=list)
    pending: dict[int, tuple[tuple[Batch, LinkId | None], ...]] = field(default_factory=dict)
    """The appends that the disk has not answered, by number, the oldest first."""
    appends: int = 0
    blocked_until_us: int = 0
    fault: str = ""
    """What was wrong with the last batch that was invalid or forked."""
    _epochs: dict[tuple[NodeId, int], KeyProven] = field(default_factory=dict)

    def on_push(self, link: LinkId, batch: Batch, expiry_ms: int, now: Now) -> Verdict:
        """Judge a peer's batch; one that is taken is received, and part of the next append."""
        if self.holdings.has(batch.log, batch.first, batch.last) and not self.holdings.differs(batch):
            return Verdict.DUPLICATE
        if now.mono_us < self.blocked_until_us:
            return Verdict.BLOCKED
        if self.holdings.is_gone(batch.log, batch.head.stamp):
            return Verdict.GONE
        if not self.is_member(batch.log.node):
            return Verdict.STRANGER
        if self.holdings.is_beyond(batch):
            return Verdict.FORKED
        self.fault = verify(batch, self.mesh, self.suite, self._epochs)
        if self.fault == OTHER_KEY and self._has_two_keys(batch):
            return Verdict.FORKED
        if self.fault:
            return Verdict.INVALID
        if len(self._epochs) > EPOCHS_KNOWN_MAX:
            del self._epochs[next(iter(self._epochs))]
        if batch.body is None and batch.head.expires_ms > expiry_ms:
            return Verdict.STRIPPED
        self.fault = self.holdings.fault(batch)
        if self.fault:
            return Verdict.FORKED
        self.holdings.receive(batch)
        self.incoming.append((batch, link))
        return Verdict.TAKEN

    def _has_two_keys(self, batch: Batch) -> bool:
        """Whether its node signed this key of the epoch, too: that is no fault of who carries it on.

        Where nothing of the log is held the first key means nothing: this one is as good.
        """
        other: dict[tuple[NodeId, int], KeyProven] = {}
        if verify(batch, self.mesh, self.suite, other):
            return False
        if batch.log in self.holdings.received:
            return True
        self._epochs.update(other)
        self.fault = ""
        return False

    @property
    def has_room(self) -> bool:
        """Whether another append may begin."""
        return len(self.pending) < self.pending_max

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way to the disk."""
        return not self.pending and not self.incoming

    def append(
        self, own: list[Batch], members: tuple[bytes, ...], strip_before_ms: int, forget: tuple[LogId, ...]
    ) -> Append | None:
        """Put all that waits into one append; None if nothing does."""
        if not (own or self.incoming or members or strip_before_ms or forget):
            return None
        entries: tuple[tuple[Batch, LinkId | None], ...] = (*[(batch, None) for batch in own], *self.incoming)
        self.incoming = []
        self.appends += 1
        self.pending[self.appends] = entries
        batches = tuple([batch for batch, _ in entries])
        channels = [(channel, batch.log, batch.first) for batch in batches for channel in batch.channels()]
        names = self.holdings.named()
        return Append(self.appends, batches, Marks(names, tuple(channels), members, strip_before_ms, forget))

    def on_stored(self, append: int) -> tuple[tuple[Batch, LinkId | None], ...]:
        """An append is durable: what it held, and who sent it (None: it was sealed here)."""
        entries = self.pending.pop(append)
        for batch, _ in entries:
            self.holdings.store(batch)
        return entries

    def on_failed(self, append: int, until_us: int) -> list[tuple[Batch, LinkId | None]]:
        """An append was not made: all that is pending or waits was never here; nothing if that is known already."""
        if append not in self.pending:
            return []
        self.blocked_until_us = until_us
        entries = [entry for entries in self.pending.values() for entry in entries] + list(self.incoming)
        self.pending.clear()
        self.incoming = []
        self.holdings.take_back(*(batch for batch, _ in entries))
        return entries

    def check(self) -> None:
        """Assert that what is pending or remembered is bounded, and that nothing is pending when nothing is on its way."""
        assert len(self.pending) <= self.pending_max
        assert len(self._epochs) <= EPOCHS_KNOWN_MAX
        assert self.pending or self.incoming or not self.holdings.pending

    def check_all(self) -> None:
        """Assert the invariants."""
        assert len(self.pending) <= self.pending_max
        waiting = [b for entries in self.pending.values() for b, _ in entries] + [b for b, _ in self.incoming]
        assert {(b.log, b.first) for b in waiting} == self.holdings.pending.keys()
