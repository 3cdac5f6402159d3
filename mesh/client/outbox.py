"""The outbox: publishes that are not yet as durable as was asked for, in order, under their names.

A publish stays until a receipt says that it has reached its level. After a reconnection, to whatever gateway, all that
stay are sent again under the names that they were first tried with, so that none is lost and none doubled. A refusal
for now stops the sending at that publish until its time has come, so that order is kept.

A publish that a node has taken, and whose time to live is over before it has reached its level, is given up: the mesh
drops it, and once its name is forgotten, a retry would be another message.

Invariants, checked by `check`: sequences rise; what is sent is a prefix of what waits; bytes are counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from mesh.operations import Draft, Publish, Receipt
from mesh.types import US_PER_MS

DEATHS_US = 1_000_000
"""What has outlived its time is looked for so often at most, for that looks at all that is held."""
DRAFT_OVERHEAD_BYTES = 64
PUBLISH_DRAFTS_MAX = 1_024
PUBLISH_BYTES_MAX = 256 << 10
"""An operation holds so many drafts and bytes, unless one draft is larger."""


def content_bytes(draft: Draft) -> int:
    """What a draft holds: payload, channel and headers. Less than the record that becomes of it."""
    headers = sum(len(k.encode()) + len(v.encode()) for k, v in draft.headers.items()) if draft.headers else 0
    return len(draft.payload) + len(draft.channel.encode()) + headers


Outlived = tuple[int, int, int]
"""A publish that was given up: its sequence, and how many copies, in how many regions, were told of."""


@dataclass(slots=True)
class Held:
    """A publish in the outbox."""

    draft: Draft
    copies: int
    regions: int
    size: int
    """What it takes of the outbox, in bytes."""
    reached: tuple[int, int] = (0, 0)
    is_here: bool = False
    """Whether the node of this session has said that it has it."""
    dies_us: int = 0
    """When it is dead for certain: its time to live is counted from its first receipt, later than nodes do. 0: not known."""

    @property
    def is_done(self) -> bool:
        """Whether it has reached the level that was asked for."""
        return self.reached[0] >= self.copies and self.reached[1] >= self.regions


class Outbox:
    """Publishes in order. `next_sequence` is the next one's."""

    def __init__(self, messages_max: int, bytes_max: int, window_bytes: int) -> None:
        """Hold so much, and have at most `window_bytes` under way without a first receipt."""
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._window_bytes = window_bytes
        self._held: dict[int, Held] = {}
        self._unsent: deque[int] = deque()
        self._in_flight: dict[int, int] = {}
        self.bytes = 0
        self.flight_bytes = 0
        self.next_sequence = 1
        self.paused_until_us = 0
        self.ttl_ms = 0
        """How long lives what does not say so itself, as the node of this session says; 0: that is not known."""
        self.dies_us = 0
        """When something may have outlived its time; 0 where nothing can."""
        self._looked_us = -DEATHS_US

    def __len__(self) -> int:
        return len(self._held)

    def has_room(self, size: int) -> bool:
        """Whether another publish of so many bytes (`content_bytes`) fits."""
        return len(self._held) < self._messages_max and self.bytes + size + DRAFT_OVERHEAD_BYTES <= self._bytes_max

    def put(self, draft: Draft, copies: int, regions: int) -> int:
        """Keep a publish under the next sequence, and return that."""
        sequence = self.next_sequence
        self.next_sequence += 1
        size = content_bytes(draft) + DRAFT_OVERHEAD_BYTES
        numbered = Draft(draft.channel, sequence, draft.payload, draft.flags, draft.ttl_ms, draft.headers)
        held = Held(numbered, copies, regions, size)
        self._held[sequence] = held
        self._unsent.append(sequence)
        self.bytes += held.size
        return sequence

    def resend_all(self, mono_us: int) -> list[Outlived]:
        """A new session begins: everything that stays is sent again. What has outlived its time does not, and is returned."""
        dead = self.expire(mono_us, anew=True)
        self._unsent = deque(sorted(self._held))
        for held in self._held.values():
            held.is_here = False
        self._in_flight.clear()
        self.flight_bytes = 0
        self.paused_until_us = 0
        return dead

    def expire(self, mono_us: int, *, anew: bool = False) -> list[Outlived]:
        """Give up what has outlived its time; return which publishes, and what they had reached.

        What the node of this session has not, or has refused, stays until one begins `anew`: that takes nothing that follows
        before it comes again.
        """
        if not self.dies_us:
            return []
        mortal = [(sequence, held) for sequence, held in self._held.items() if held.dies_us]
        dead = [
            (sequence, *held.reached) for sequence, held in mortal if held.dies_us <= mono_us and (anew or held.is_here)
        ]
        for sequence, _, _ in dead:
            self._landed(sequence)
            self._forget(sequence)
        self._looked_us = mono_us
        self.dies_us = 0
        for sequence, held in mortal:
            if sequence in self._held:
                self._dies(held.dies_us)
        return dead

    def _dies(self, dies_us: int) -> None:
        """A publish dies at that time: it is looked for then, or a while after the last look."""
        due_us = max(dies_us, self._looked_us + DEATHS_US)
        self.dies_us = min(self.dies_us, due_us) if self.dies_us else due_us

    def take(self, mono_us: int) -> list[Publish]:
        """What may be sent now, in order, as few operations as possible."""
        if mono_us < self.paused_until_us:
            return []
        self.paused_until_us = 0
        operations: list[Publish] = []
        drafts: list[Draft] = []
        level, size = (0, 0), 0
        while self._unsent and self.flight_bytes < self._window_bytes:
            sequence = self._unsent.popleft()
            held = self._held.get(sequence)
            if held is None:
                continue
            full = len(drafts) >= PUBLISH_DRAFTS_MAX or size + held.size > PUBLISH_BYTES_MAX
            if drafts and (full or level != (held.copies, held.regions) or drafts[-1].sequence + 1 != sequence):
                operations.append(Publish(tuple(drafts), *level))
                drafts, size = [], 0
            level = held.copies, held.regions
            drafts.append(held.draft)
            size += held.size
            self._in_flight[sequence] = held.size
            self.flight_bytes += held.size
        if drafts:
            operations.append(Publish(tuple(drafts), *level))
        return operations

    def on_receipt(self, receipt: Receipt, mono_us: int) -> bool:
        """A receipt came: what has reached its level is done. Whether it told anything new."""
        news = False
        for sequence in range(receipt.first, min(receipt.last, self.next_sequence - 1) + 1):
            self._landed(sequence)
            held = self._held.get(sequence)
            if held is None:
                continue
            reached = max(held.reached[0], receipt.copies), max(held.reached[1], receipt.regions)
            news = news or reached != held.reached
            held.reached, held.is_here = reached, True
            if held.is_done:
                self._forget(sequence)
            elif not held.dies_us and (ttl_ms := held.draft.ttl_ms or self.ttl_ms):
                held.dies_us = mono_us + ttl_ms * US_PER_MS
                self._dies(held.dies_us)
        return news

    def _landed(self, sequence: int) -> None:
        self.flight_bytes -= self._in_flight.pop(sequence, 0)

    def _forget(self, sequence: int) -> None:
        self.bytes -= self._held.pop(sequence).size

    def on_refused(self, first: int, last: int, retry_us: int | None) -> list[int]:
        """Publishes were refused: for now (they are sent again, in order, after `retry_us`), or for good (returned)."""
        refused = [s for s in range(first, min(last, self.next_sequence - 1) + 1) if s in self._held]
        for sequence in refused:
            self._landed(sequence)
        if retry_us is None:
            for sequence in refused:
                self._forget(sequence)
            return refused
        for sequence in refused:
            self._held[sequence].is_here = False
        self._unsent = deque(sorted({*self._unsent, *refused}))
        self.paused_until_us = max(self.paused_until_us, retry_us)
        return []

    def drop(self, sequence: int) -> None:
        """Nobody waits for this publish any more: it goes as soon as the node of this session has it.

        Not before, though another has it: a node that has refused it for now takes nothing that follows until it comes again.
        """
        held = self._held.get(sequence)
        if held is None:
            return
        held.copies = held.regions = 1
        if held.is_here:
            self._forget(sequence)

    @property
    def wakes_us(self) -> int | None:
        """When sending may go on, if it pauses."""
        return self.paused_until_us if self._unsent and self.paused_until_us else None

    def check(self) -> None:
        """Assert the invariants, as far as that is cheap however much is held."""
        assert len(self._in_flight) <= len(self._held)
        assert 0 <= self.flight_bytes <= self.bytes

    def check_all(self) -> None:
        """Assert the invariants."""
        self.check()
        assert self.bytes == sum(held.size for held in self._held.values())
        assert self.flight_bytes == sum(self._in_flight.values())
        assert list(self._held) == sorted(self._held)
