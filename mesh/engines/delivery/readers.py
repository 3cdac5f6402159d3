"""Readers: a subscription's place in the log, and the groups of readers that stand at the same place.

A reader *at the tail* has read all that may be delivered; all readers at the tail with the same patterns under the same
number form a group, and one encoded delivery serves them all. A reader that is *behind* has a cursor of its own and is
read from the log as its credit allows; it costs nothing while it has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.clocks.vector import VersionVector
from mesh.engines.delivery.patterns import Patterns
from mesh.engines.delivery.skim import Skim
from mesh.log.record import Record
from mesh.operations import SlowPolicy
from mesh.types import LogId, SessionId, pattern_matches

Key = tuple[tuple[str, ...], int]
"""What a group has in common: patterns, and the number of the subscription."""
CHANNELS_MAX = 65_536
"""Channels whose readers are remembered; beyond, the memory starts anew."""


@dataclass(slots=True)
class Reader:
    """A subscription. `cursor` is what it has been told; while it is at the tail it is None, and `extra` stands in."""

    session: SessionId
    subscription: int
    patterns: tuple[str, ...]
    policy: SlowPolicy
    credit_messages: int
    credit_bytes: int
    cursor: VersionVector | None = None
    extra: VersionVector = field(default_factory=VersionVector)
    """At the tail: what its cursor holds beyond what may be delivered here."""
    todo: dict[LogId, None] = field(default_factory=dict)
    """Behind: the logs that may hold something for it."""
    revision: int = 0
    """Behind: `todo` is complete up to this change of what may be delivered."""
    request: int = 0
    """A read that is under way for it."""
    missed: int = 0
    """Behind, where it is to be ended if it is too slow: matching records that passed, less those that it had credit for."""
    told_missing: VersionVector = field(default_factory=VersionVector)
    """Holes that it was told of."""
    fell: bool = False
    """It stood at the tail, and is behind since: if its credit ends before it is back, it is too slow."""
    skim: Skim | None = None
    """It was too slow and does not want everything: what it gets when it has reached the tail."""

    @property
    def key(self) -> Key:
        """The group that it belongs to when it is at the tail."""
        return self.patterns, self.subscription

    @property
    def has_credit(self) -> bool:
        """Whether anything may be sent to it."""
        return self.credit_messages > 0 and self.credit_bytes > 0

    def spend(self, messages: int, size: int) -> None:
        """Spend credit on a delivery; bytes may go below zero by one delivery."""
        self.credit_messages -= messages
        self.credit_bytes -= size

    def matches(self, channel: str) -> bool:
        """Whether any of its patterns matches a channel."""
        return any(pattern_matches(pattern, channel) for pattern in self.patterns)


@dataclass(slots=True)
class Group:
    """Readers at the tail with the same patterns under the same number."""

    key: Key
    number: int
    """Groups are served in the order of their making."""
    told: dict[LogId, int]
    """For each log, the last position that they were told of; a log that is not named begins at 0."""
    readers: dict[SessionId, Reader] = field(default_factory=dict)
    positions: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    size: int = 0
    expired: list[tuple[int, int]] = field(default_factory=list)
    """Positions that concerned them and are dead."""
    stalled: dict[SessionId, Reader] = field(default_factory=dict)
    """Readers that fell behind and want to be ended when they have missed too much."""

    def collect(self, position: int, record: Record) -> None:
        """A record that matches passes by."""
        self.positions.append(position)
        self.records.append(record)
        self.size += len(record.payload)

    def clear(self) -> None:
        """What was collected has been told."""
        self.positions, self.records, self.expired, self.size = [], [], [], 0


class Groups:
    """All groups, and which of them a channel concerns."""

    __slots__ = ("_channels", "_literal", "_number", "_wild", "beyond", "due", "groups")

    def __init__(self) -> None:
        """Start without readers."""
        self.groups: dict[Key, Group] = {}
        self.due: dict[Key, Group] = {}
        """Those for which something was collected."""
        self.beyond: dict[Key, Group] = {}
        """Those of which a reader may know more than may be delivered here."""
        self._number = 0
        self._literal: dict[str, dict[Key, Group]] = {}
        self._wild: Patterns[Key] = Patterns()
        self._channels: dict[str, tuple[Group, ...]] = {}

    def join(self, reader: Reader, told: dict[LogId, int]) -> None:
        """A reader has reached the tail; `told` is where the tail is, should the group be new."""
        group = self.groups.get(reader.key)
        if group is None:
            self._number += 1
            group = self.groups[reader.key] = Group(reader.key, self._number, dict(told))
            if _is_wild(reader.patterns):
                for pattern in reader.patterns:
                    self._wild.add(pattern, reader.key)
                self._channels.clear()
            else:
                for pattern in reader.patterns:
                    self._literal.setdefault(pattern, {})[reader.key] = group
                    self._channels.pop(pattern, None)
        group.readers[reader.session] = reader
        group.stalled.pop(reader.session, None)
        if reader.extra:
            self.beyond[reader.key] = group

    def stall(self, reader: Reader) -> None:
        """A reader leaves the tail that is to be ended if it is too slow; what passes is counted against it."""
        group = self.groups[reader.key]
        del group.readers[reader.session]
        group.stalled[reader.session] = reader

    def leave(self, reader: Reader) -> None:
        """A reader is at the tail no more; a group without readers vanishes."""
        group = self.groups.get(reader.key)
        if group is None:
            return
        group.readers.pop(reader.session, None)
        group.stalled.pop(reader.session, None)
        if group.readers or group.stalled:
            return
        del self.groups[reader.key]
        self.due.pop(reader.key, None)
        self.beyond.pop(reader.key, None)
        if _is_wild(reader.patterns):
            for pattern in reader.patterns:
                self._wild.remove(pattern, reader.key)
            self._channels.clear()
            return
        for pattern in reader.patterns:
            groups = self._literal.get(pattern, {})
            groups.pop(reader.key, None)
            if not groups:
                self._literal.pop(pattern, None)
            self._channels.pop(pattern, None)

    def concerned(self, channel: str) -> tuple[Group, ...]:
        """The groups that a channel matches: those without wildcards, then the others, each in the order of their making."""
        found = self._channels.get(channel)
        if found is None:
            if len(self._channels) >= CHANNELS_MAX:
                self._channels.clear()
            literal = self._literal.get(channel, {}).values()
            wild = [self.groups[key] for key in self._wild.matching(channel)]
            found = self._channels[channel] = (*literal, *sorted(wild, key=_number))
        return found

    def take_due(self) -> list[Group]:
        """The groups that must be looked at, in the order of their making; `due` is empty afterwards."""
        self.beyond = {key: group for key, group in self.beyond.items() if any(r.extra for r in group.readers.values())}
        found = sorted({**self.due, **self.beyond}.values(), key=_number)
        self.due = {}
        return found

    def __contains__(self, reader: Reader) -> bool:
        group = self.groups.get(reader.key)
        return group is not None and reader.session in group.readers

    def check(self) -> None:
        """Assert that nothing is left to tell."""
        assert not self.due

    def check_all(self) -> None:
        """Assert that every group has readers at the tail, and nothing left to tell."""
        self.check()
        for group in self.groups.values():
            assert (group.readers or group.stalled) and not group.records and not group.expired
            assert all(reader.cursor is None for reader in group.readers.values())
            assert group.key in self.beyond or not any(reader.extra for reader in group.readers.values())


def _is_wild(patterns: tuple[str, ...]) -> bool:
    return any("+" in pattern or "#" in pattern for pattern in patterns)


def _number(group: Group) -> int:
    return group.number
