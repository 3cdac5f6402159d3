"""Partner: what repair knows of the other end of a link, and what it has asked there.

A link is an ordered stream, and whoever is asked answers in order: so what was asked of a link that stands comes, however
slow the link is, and need not be asked for again. What was asked before a session began is *doubtful*, for the answers
may have been lost with another link, until the last page of the peer's vector has come, which travels behind all of
them, or until nothing has come for long.

A peer may tell of any number of logs, and of such as nobody has. So of logs that we have nothing of, so many runs are
believed at a time. Where it told of more than those it is asked for everything once more when half of them have come, or
were taken back: it begins a picture anew, as one does who has none.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sized
from dataclasses import dataclass, field

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.types import LogId, Now

CLAIMS_MAX = 16_384
"""Runs that are believed to be there of logs that we have nothing of; each costs some 600 bytes. Honest nodes have as many
only for one that comes back after long, or that is new, and for those the rest is told next."""


@dataclass(slots=True)
class Partner:
    """What is known of the other end of a link."""

    interval_ms: int
    theirs: VersionVector = field(default_factory=VersionVector)
    missing: VersionVector = field(default_factory=VersionVector)
    """What it has and we have not received."""
    asked: VersionVector = field(default_factory=VersionVector)
    """What we have asked it for since the session began; a part of `missing`, as the next is."""
    doubtful: VersionVector = field(default_factory=VersionVector)
    """What we had asked it for before: it is not asked for that again until it has sent the last page of its vector."""
    owes: VersionVector = field(default_factory=VersionVector)
    """What it was asked for and has not answered, though others may have sent it since: what tells whether it answers."""
    denied: VersionVector = field(default_factory=VersionVector)
    """What it told that it has, and had not when it was asked: if its next vector leaves that log out, it has it still."""
    given_up: bool = False
    """It was silent, or stalled: others may be asked for what is doubtful."""
    moved_us: int = 0
    """When it was asked for something while it owed nothing, or it last sent something that it was asked for."""
    began_us: int = 0
    """When the session began."""
    heard: int = 0
    """The last session of which the last page of its vector has come."""
    due: int = 0
    """It waits for the last page of our vector, in this session."""
    stamps: dict[LogId, int] = field(default_factory=dict)
    room: int = CLAIMS_MAX
    """For how many more runs of unknown logs, since that was last measured."""
    crowded: bool = False
    """It told of more than that since it last told everything."""
    retells: bool = False
    """It was asked for everything anew, and that has not come to its end: what else it says is a part."""
    doubted: set[LogId] = field(default_factory=set)
    """Logs of which it named another head than ours, and was asked to show it."""
    session: int = 0
    """The first begins with a RepairHello, by which the other end knows that it has to tell all that it has."""
    active: bool = False
    """A session of ours is under way."""
    again: bool = False
    """Something was missed since that session began: the next follows at once."""
    told_revision: int = 0
    asked_with: int = -1
    """Its digest as it last asked whether both have the same, and had not."""
    has_begun: bool = False
    """The other end has begun its first session."""
    incomplete: int = 0
    """Sessions that stalled since one came to its end, or it gave anything."""
    failed_us: int = 0
    """When the first of them did ..."""
    failing_us: int = 0
    """... and how much later the last."""
    compared: int = 0
    """The last session that came to its end, ..."""
    compared_us: int = -1
    """... when it had begun, ..."""
    lost_since: int = 0
    """... and the last that had begun when we last lost something: what we lost was not asked for before."""

    def measure(self) -> None:
        """Count anew how much more is believed of logs that we have nothing of."""
        self.room = CLAIMS_MAX - self.missing.runs - self.denied.runs

    def refuses(self, log: LogId, runs: Sized, known: Container[LogId]) -> bool:
        """Whether what it tells of a log is too much, where we have nothing of that; it has to be told once more."""
        more = len(runs) - len(self.missing.get(log))
        if more <= 0 or log in known:
            return False
        self.room -= more
        self.crowded |= self.room < 0
        return self.room < 0

    @property
    def is_untold(self) -> bool:
        """Whether there is room, and something to be told, that there was no room for before."""
        return self.crowded and self.missing.runs + self.denied.runs <= CLAIMS_MAX // 2

    def learn(self, log: LogId, stamp: int, theirs: IntervalSet, received: IntervalSet) -> None:
        """It tells what it has of a log, and its newest stamp; it may have lost what we asked it for."""
        self.denied.forget(log)
        self.theirs.replace(log, theirs)
        if theirs:
            self.stamps[log] = stamp
        else:
            self.stamps.pop(log, None)
        missing = theirs.minus(received)
        self.missing.replace(log, missing)
        for asked in (self.asked, self.doubtful):
            known = asked.get(log)
            asked.replace(log, known.minus(known.minus(missing)))

    @property
    def vectors(self) -> tuple[VersionVector, ...]:
        """All that is known of logs there."""
        return self.theirs, self.missing, self.asked, self.doubtful, self.denied, self.owes

    @property
    def under_way(self) -> tuple[int, int]:
        """Of how many positions, and in how many logs, it was asked for what has not come."""
        return self.asked.count + self.doubtful.count, len(self.asked) + len(self.doubtful)

    @property
    def owes_anything(self) -> bool:
        """Whether it was asked for something that has not come, from wherever."""
        return bool(self.asked) or bool(self.doubtful)

    def begin(self, now: Now) -> None:
        """A session begins: what was asked in those before may be lost. It is the first again if all has to be told.

        Not while a page of an earlier answer may be on its way, which would be taken for one of the new first session's.
        """
        self.active, self.began_us = True, now.mono_us
        self.doubt()
        if self.is_untold and self.heard == self.session:
            self.crowded, self.retells = False, True
            self.session = self.heard = self.compared = self.lost_since = 0
        self.session += 1

    def on_answered(self) -> None:
        """The last page of its answer in the session under way has come."""
        self.heard, self.retells = self.session, False

    def complete(self, *, equal: bool = False) -> None:
        """A session came to its end: it gave all that it has of what we missed as that began, unless it could not tell all.

        Where both have the same nothing is left to tell.
        """
        self.incomplete = 0
        self.crowded &= not equal
        self.retells &= not equal
        if not self.crowded and not self.retells:
            self.compared, self.compared_us = self.session, self.began_us

    def has_given(self, since_us: int) -> bool:
        """Whether a session that began after a time, and after we last lost something, came to its end, and none stalled."""
        return self.compared > self.lost_since and self.compared_us >= since_us and not self.incomplete

    def ask(self, log: LogId, first: int, last: int) -> None:
        """It is asked for a range."""
        self.asked.add(log, first, last)
        self.owes.add(log, first, last)

    def came(self, log: LogId, first: int, last: int) -> None:
        """A range need not be fetched from it any more, nor waited for."""
        self.missing.remove(log, first, last)
        self.answered(log, first, last)

    def fail(self, now: Now) -> None:
        """A session stalled: nothing that it was asked for has come for long."""
        if not self.incomplete:
            self.failed_us = now.mono_us
        self.incomplete += 1
        self.failing_us = now.mono_us - self.failed_us

    def deny(self, log: LogId, first: int, last: int) -> None:
        """It has not what it was asked for: it is not missing from it, and not expected of it, unless it tells so again."""
        for lo, hi in self.missing.get(log).within(first, last):
            self.denied.add(log, lo, hi)
        self.missing.remove(log, first, last)
        self.theirs.remove(log, first, last)

    def undeny(self, received_of: Callable[[LogId], IntervalSet]) -> None:
        """The last page of a vector has come. A log that it left out is as it was told, so it can be asked for once more."""
        for log, runs in self.denied.items():
            for first, last in runs.minus(received_of(log)):
                self.missing.add(log, first, last)
        self.denied = VersionVector()

    def unclaim(self) -> None:
        """It has nothing that we miss."""
        for log, runs in self.missing.items():
            for first, last in runs:
                self.theirs.remove(log, first, last)
        for log in (*self.missing.sets, *self.denied.sets):
            if log not in self.theirs:
                self.stamps.pop(log, None)
        self.missing, self.asked, self.doubtful, self.denied = (VersionVector() for _ in range(4))

    def answered(self, log: LogId, first: int, last: int) -> None:
        """A range that we have asked it for is not under way any more."""
        self.asked.remove(log, first, last)
        self.doubtful.remove(log, first, last)

    def doubt(self) -> None:
        """Another session begins, or none goes on: what was asked for until now may be lost."""
        self.doubtful.merge(self.asked)
        self.owes, self.asked = self.doubtful.copy(), VersionVector()

    def trust(self) -> None:
        """Whatever was under way when this session began has come: what is missing may be asked for again."""
        self.doubtful, self.given_up = VersionVector(), False

    def comes(self, log: LogId) -> IntervalSet:
        """What of a log it was asked for, and nobody else need be."""
        if self.given_up or log not in self.doubtful:
            return self.asked.get(log)
        comes = self.asked.get(log).copy()
        comes.update(self.doubtful.get(log))
        return comes

    def check(self, others: list[Partner]) -> None:
        """Assert that only what is missing is asked for, and of nobody else."""
        for log, doubtful in self.doubtful.items():
            assert self.missing.get(log).includes(doubtful), log
            assert not any(self.asked.get(log).touches(first, last) for first, last in doubtful), log
        for log, asked in self.asked.items():
            assert self.missing.get(log).includes(asked), log
            for other in others:
                assert not any(other.comes(log).touches(first, last) for first, last in asked), log
