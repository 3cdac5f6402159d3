"""What is written down in a run, whatever engine performs it: what was published, and what each subscription was shown.

A *ledger* holds, for each message by its name, how durable its publisher was told that it is; a *diary* holds what one
subscription was shown and what it was told is missing. `sim.checkers` holds the one against the other. Times are
microseconds of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mesh.client import effects as fx
from mesh.clocks.vector import VersionVector
from mesh.log.record import Record
from mesh.operations import SlowPolicy
from mesh.types import LogId, pattern_matches

Name = tuple[str, int, int]
"""A message's name: publisher, incarnation, sequence."""


DROPS = (SlowPolicy.DROP_OLDEST, SlowPolicy.LATEST)
"""What lets a reader that is slow miss something; to who wants all, or would rather be sent away, all of it is owed."""


def name_of(record: Record) -> Name:
    """A message's name, as ledgers have it."""
    return record.publisher, record.incarnation, record.sequence


def say_name(name: Name) -> str:
    """A name as a person reads it; the incarnation is a large random number, of which four digits tell."""
    publisher, incarnation, sequence = name
    return f"{publisher}/{incarnation % 10_000:04d}/{sequence}"


@dataclass(slots=True)
class Entry:
    """A publish in the ledger. `level` is the highest that was told: copies and regions; (0, 0): nothing was."""

    channel: str
    payload: bytes
    level: tuple[int, int] = (0, 0)
    refused: str = ""
    mortal: bool = False
    """It was given a time to live of its own, and may have expired before it was shown."""
    at_us: int = 0
    gateway: str = ""
    """Where its publisher was attached when it was published; empty where it was attached nowhere."""
    first_told_us: int = -1
    is_retried: bool = False
    """Its publisher was attached anew before it had its level, and sent it again: a node may have had it for a while."""
    told_us: int = -1
    """When the level was told."""
    wanted: tuple[int, int] = (1, 1)
    """The level that was asked for: copies and regions ..."""
    reached_us: int = -1
    """... and when it was told."""
    expires_us: int = 0
    """After this it may be gone; 0: not within any run."""
    disks_lost: tuple[str, ...] = ()
    """Whose disks were lost that held it, and in which regions ..."""
    regions_lost: tuple[str, ...] = ()
    sealed_lost: bool = False
    """... and whether that of the node was which stamped it: what none of its levels need survive is excused."""
    misdated: bool = False
    """It dies, and a node took it that was alone with a wrong clock: to others it may be dead from its birth."""
    undated: bool = False
    """It dies, and clocks that are wrong alike were believed while it lived: it may be dead to anybody, or live on."""
    headers: dict[str, str] = field(default_factory=dict)
    flags: int = 0
    """What the payload is, as its publisher says."""
    ttl_ms: int = 0
    """How long it lives from its stamp, if its publisher said so."""
    strange: bool = False
    """A bad host or client wrote it, and no application of the scenario: it may be shown, and counts for no figure."""
    said: tuple[int, int] = (0, 0)
    """The highest level that a node said, whether its publisher has heard of it or not ..."""
    said_us: int = -1
    """... and when one first said any, where that is known ..."""
    said_by: tuple[str, ...] = ()
    """... and which nodes did, each for itself: with no other than the disk of each of these is its level lost."""

    def rise(self, copies: int, regions: int, now_us: int) -> bool:
        """Its publisher is told of a level; whether that is more than was told before."""
        level = max(self.level[0], copies), max(self.level[1], regions)
        if self.first_told_us < 0:
            self.first_told_us = now_us
        if self.reached_us < 0 and level[0] >= self.wanted[0] and level[1] >= self.wanted[1]:
            self.reached_us = now_us
        if level == self.level:
            return False
        self.level, self.told_us = level, now_us
        return True

    def lose(self, disk: str, region: str) -> None:
        """A disk that may have held it is lost."""
        if disk not in self.disks_lost:
            self.disks_lost = (*self.disks_lost, disk)
        if region not in self.regions_lost:
            self.regions_lost = (*self.regions_lost, region)

    @property
    def is_acknowledged(self) -> bool:
        """Whether its publisher was told that it is durable anywhere."""
        return self.level > (0, 0)

    @property
    def is_excused(self) -> bool:
        """Whether nobody knows when it dies, or its levels need not survive the disks that were lost.

        `local` needs the disk of the node that told it, `copies:N` outlives any N-1 of them, `regions:N` those of any N-1
        regions; and whoever was told one of these was told `local`, too. Where a publisher moved, several nodes have told it.
        """
        copies, regions = self.level
        has_gone = set(self.said_by) <= set(self.disks_lost) if self.said_by else self.sealed_lost
        is_lost = has_gone and len(self.disks_lost) >= copies and len(self.regions_lost) >= regions
        return self.misdated or self.undated or is_lost


Ledger = dict[Name, Entry]


@dataclass(slots=True)
class Shown:
    """A message in a diary."""

    log: LogId
    position: int
    record: Record
    late: bool
    at_us: int = 0
    gateway: str = ""
    """Who showed it, where that is known ..."""
    told_us: int = -1
    """... and when; -1: as it came."""


@dataclass(slots=True)
class Heard:
    """What a subscription was told of places, messages or not, where somebody follows it."""

    shown: VersionVector = field(default_factory=VersionVector)
    """The places of what it was shown."""
    passed: dict[LogId, int] = field(default_factory=dict)
    """For each log, the last position that is behind it, shown or of no concern."""
    reached: dict[LogId, int] = field(default_factory=dict)
    """The same, with gaps: a node tells those of a run before what is to be shown of it."""
    closed: VersionVector = field(default_factory=VersionVector)
    """Gaps that do not fill."""
    awaited: VersionVector = field(default_factory=VersionVector)
    """Gaps that may fill ..."""
    held: VersionVector = field(default_factory=VersionVector)
    """... those of them that the node had which told them, as it did ..."""
    behind: VersionVector = field(default_factory=VersionVector)
    """... and those of them that it had been told of when it last came back with its cursor."""
    newest: dict[tuple[str, int], int] = field(default_factory=dict)
    """The highest sequence shown of each publisher's incarnation, in whatever channel."""
    foremost: dict[tuple[LogId, str, int], tuple[int, int]] = field(default_factory=dict)
    """The same for each log, with the place where it stands."""

    late: int = 0
    """How much came behind what it was shown before."""

    @property
    def count(self) -> int:
        """How far it has come: places that it was shown, told of, or had shown already, as another copy of what it has seen."""
        return sum(self.reached.values()) + self.late

    def pass_to(self, log: LogId, last: int) -> None:
        """A log is behind it up to a position, but for holes."""
        self.passed[log] = max(self.passed.get(log, 0), last)
        self.reached[log] = max(self.reached.get(log, 0), last)


NOWHERE: tuple[str, int, VersionVector] = "", 0, VersionVector()


@dataclass
class Diary:
    """What a subscription was shown, in order, and what it was told is missing."""

    patterns: tuple[str, ...]
    policy: SlowPolicy = SlowPolicy.ALL
    shown: list[Shown] = field(default_factory=list)
    missed: list[fx.Missed] = field(default_factory=list)
    began: bool = False
    whole: bool = True
    """It began at the beginning, and is owed everything."""
    asked_us: int = -1
    """When it was first asked for."""
    from_now: bool = False
    """It is owed what is published after it stood first, which was at `began_us`."""
    began_us: int = -1
    since_ms: int | None = None
    """It is owed what was stamped from this wall clock on."""
    left_us: int = -1
    """When its client left it; from then on it is owed nothing."""
    before: tuple[str, int, VersionVector] = NOWHERE
    """What its node had stored when it asked for what comes from now on, or from a time, and in which life of which."""
    misjudged: list[fx.Missed] = field(default_factory=list)
    """Those of `missed` that a node told as expired which had begun alone, with a clock that was wrong."""
    owner: str = ""
    is_one_of_several: bool = False
    """Its owner has others."""
    told_dead: set[Name] = field(default_factory=set)
    """What it was told of as expired, wherever that stood: nodes forget where, once it is dead everywhere."""
    heard: Heard = field(default_factory=Heard)
    seen: dict[Name, int] = field(default_factory=dict)
    """When each name was shown first."""
    newest: dict[tuple[str, int, str], int] = field(default_factory=dict)
    """The highest sequence shown of each publisher's incarnation in each channel."""

    @property
    def who(self) -> str:
        """Its owner, as what is told about it names that one: with its patterns, where there are several."""
        return f"{self.owner} ({' '.join(self.patterns)})" if self.is_one_of_several else self.owner

    def owed_of(self, matching: Matching) -> Matching:
        """What of all that it matches may be owed to it, by when it began."""
        if self.whole:
            return matching
        return [(name, entry) for name, entry in matching if 0 <= self.began_us < entry.at_us]

    def matches(self, channel: str) -> bool:
        """Whether a channel is among those it wants."""
        return any(pattern_matches(pattern, channel) for pattern in self.patterns)


Matching = list[tuple[Name, Entry]]
"""What a diary's patterns match of a ledger, in its order."""


class Matcher:
    """Finds what diaries match: a pattern is held against a channel once, whoever has it, and however often it is asked.

    A judge does not ask the tree of patterns that nodes ask.
    """

    def __init__(self) -> None:
        """Know no channels yet."""
        self._channels: dict[str, int] = {}
        """In the order in which they were first published on."""
        self._known: dict[str, tuple[int, list[str]]] = {}
        """For each pattern, how many of those it was held against, and which it matches."""

    def of(self, ledger: Ledger, diaries: Sequence[Diary]) -> list[Matching]:
        """For each of many diaries what it matches of a ledger, in the ledger's order."""
        at: dict[str, list[int]] = {}
        entries = list(ledger.items())
        for index, (_, entry) in enumerate(entries):
            at.setdefault(entry.channel, []).append(index)
        for channel in at:
            self._channels.setdefault(channel, len(self._channels))
        channels = list(self._channels)
        found: list[Matching] = []
        for diary in diaries:
            matched = {channel for pattern in diary.patterns for channel in self._matched(pattern, channels)}
            indices = sorted(index for channel in matched for index in at.get(channel, ()))
            found.append([entries[index] for index in indices])
        return found

    def _matched(self, pattern: str, channels: list[str]) -> list[str]:
        seen, matched = self._known.get(pattern, (0, []))
        if seen < len(channels):
            matched += [channel for channel in channels[seen:] if pattern_matches(pattern, channel)]
            self._known[pattern] = len(channels), matched
        return matched
