"""Holdings: everything that this node has, received and stored, with the names that it knows.

*Received* is verified and in memory; *stored* is fsynced. A batch enters by `receive`, waits in `pending` until its
append is answered, and then either is stored (`store`) or was never here (`take_back`). `lose` removes what a disk
gave back damaged. Every engine reads the holdings; only the node's batch path writes them.

The stored digest is Σ mod 2^64 over the logs' digests, kept up as logs change; `changed_since` lists the logs that
changed after a revision, newest last, which is how vectors are exchanged without naming every log every time.

Invariants, checked by `check`: stored ⊆ received; received less stored is what `pending` holds.
"""

from __future__ import annotations

from collections import OrderedDict

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log.batch import Batch
from mesh.log.log import UNKNOWN_NAME, Log, Run
from mesh.log.names import NameIndex, NameRun
from mesh.types import LogId

_DIGEST_MASK = (1 << 64) - 1
_NOTHING = IntervalSet()
DEAD_LOG_MARGIN_MS = 7_200_000
"""A log vanishes two hours after all of it has expired (protocol.md, 3)."""
GONE_MAX = 65_536
"""Wholly expired logs that are remembered; a peer's vector forgets them within hours."""


class RecentBatches:
    """The batches of the last moments, by log and first position: what is read a little late costs no disk."""

    __slots__ = ("_batches", "_bytes_max", "bytes")

    def __init__(self, bytes_max: int) -> None:
        """Keep at most so many bytes; 0 keeps nothing."""
        self._batches: OrderedDict[tuple[LogId, int], Batch] = OrderedDict()
        self._bytes_max = bytes_max
        self.bytes = 0

    def keep(self, batch: Batch) -> None:
        """Keep a batch, and let go of the oldest beyond the limit."""
        place = batch.log, batch.first
        before = self._batches.pop(place, None)
        self.bytes += batch.size - (before.size if before else 0)
        self._batches[place] = batch
        while self.bytes > self._bytes_max:
            _, old = self._batches.popitem(last=False)
            self.bytes -= old.size

    def drop(self, log: LogId, first: int) -> None:
        """Let go of one batch."""
        batch = self._batches.pop((log, first), None)
        self.bytes -= batch.size if batch else 0

    def get(self, log: LogId, first: int) -> Batch | None:
        """The batch that begins at a position, if it is still here."""
        return self._batches.get((log, first))


class Holdings:
    """What this node has."""

    __slots__ = (
        "_digest",
        "_digests",
        "_named",
        "_revised",
        "_stale",
        "forked",
        "gone",
        "names",
        "pending",
        "received",
        "recent",
        "revision",
        "stored",
        "touched",
        "vanishing",
    )

    def __init__(self, recent_bytes_max: int = 16 << 20) -> None:
        """Start with nothing; `recover` brings in what a store held."""
        self.received: dict[LogId, Log] = {}
        self.stored: dict[LogId, Log] = {}
        self.names = NameIndex()
        self.pending: dict[tuple[LogId, int], Batch] = {}
        self.forked: dict[LogId, int] = {}
        """Logs that have two histories, and how far they agree: nothing beyond is taken, told or compared."""
        self.gone: OrderedDict[LogId, int] = OrderedDict()
        """Logs that have wholly expired, with their newest stamp: peers that still have them do not bring them back."""
        self.vanishing: list[LogId] = []
        """Those that the disk has not been told to drop; what comes of them meanwhile would be dropped with them."""
        self.recent = RecentBatches(recent_bytes_max)
        self.revision = 0
        self.touched: dict[LogId, bool] = {}
        """Logs of which something changed in this tick, and whether that was what is stored or delivered, for `check`; the node
        clears it as the next begins."""
        self._digest = 0
        self._digests: dict[LogId, int] = {}
        self._stale: dict[LogId, None] = {}
        """Logs whose part in the digest is that of an earlier revision: it is asked for seldom, and changes with each batch."""
        self._revised: dict[LogId, int] = {}
        """At which revision each log last changed, in that order."""
        self._named: dict[tuple[object, ...], NameRun] = {}

    def recover(self, log: LogId, runs: tuple[Run, ...], stamp: int, expires_ms: int) -> None:
        """Take in a log as the store held it."""
        if runs:
            self.received[log] = Log(log, runs, stamp, expires_ms)
            self.stored[log] = Log(log, runs, stamp, expires_ms)
            self._revise(log)

    def recover_names(self, runs: tuple[NameRun, ...]) -> None:
        """Take in the names that the store held."""
        self.names = NameIndex(runs)

    # --- questions ---------------------------------------------------------------------------------------------------

    @property
    def digest(self) -> int:
        """64 bits that are equal when two nodes have stored the same, heads included. Costs what changed since it was asked."""
        for log in self._stale:
            held = self.stored.get(log)
            self._digest -= self._digests.pop(log, 0)
            if held is not None:
                self._digests[log] = digest = self._digest_of(log)
                self._digest += digest
        self._stale.clear()
        self._digest &= _DIGEST_MASK
        return self._digest

    def has(self, log: LogId, first: int, last: int) -> bool:
        """Whether all of a range has been received."""
        held = self.received.get(log)
        return held is not None and held.positions.covers(first, last)

    def received_of(self, log: LogId) -> IntervalSet:
        """What has been received of a log. Read only."""
        held = self.received.get(log)
        return _NOTHING if held is None else held.positions

    def stored_of(self, log: LogId) -> IntervalSet:
        """What is stored of a log. Read only."""
        held = self.stored.get(log)
        return _NOTHING if held is None else held.positions

    def stored_vector(self) -> VersionVector:
        """All that is stored, as a vector of its own."""
        return VersionVector((log, held.positions) for log, held in self.stored.items())

    def at_hand(self, log: LogId, first: int) -> Batch | None:
        """The batch that begins at a position, if it is in memory."""
        return self.pending.get((log, first)) or self.recent.get(log, first)

    def changed_since(self, revision: int) -> list[LogId]:
        """The logs whose stored part changed after a revision, the latest change last."""
        changed = []
        for log, revised in reversed(self._revised.items()):
            if revised <= revision:
                break
            changed.append(log)
        return changed[::-1]

    def told(self, log: LogId) -> list[Run]:
        """The runs of a log that peers are told of: all that is stored, or of a forked log what its histories agree on."""
        held = self.stored.get(log)
        if held is None:
            return []
        end = self.forked.get(log)
        return held.runs if end is None else held.through(end)

    def is_beyond(self, batch: Batch) -> bool:
        """Whether a batch lies where its log is known to have two histories."""
        end = self.forked.get(batch.log)
        return end is not None and batch.last > end

    def dead(self, wall_ms: int) -> list[LogId]:
        """The logs of which all has expired, long enough ago that no right clock can doubt it."""
        return [
            log
            for log, held in sorted(self.stored.items())
            if held.expires_ms + DEAD_LOG_MARGIN_MS <= wall_ms and held.positions == self.received_of(log)
        ]

    # --- changes -----------------------------------------------------------------------------------------------------

    def is_gone(self, log: LogId, stamp: int) -> bool:
        """Whether a log has vanished, and a stamp is none that its origin has given since.

        An origin that published nothing until all of its log had vanished elsewhere writes on in it, and so does one
        that was cut off for as long: what is newer than what vanished lives, and the log with it.
        """
        newest = self.gone.get(log)
        return newest is not None and (stamp <= newest or log in self.vanishing)

    def fault(self, batch: Batch) -> str:
        """Say why a verified batch cannot stand at its place: it forks its log; empty if it can."""
        if self.is_beyond(batch):
            return "its log has two histories"
        held = self.received.get(batch.log)
        if held is None:
            held = Log(batch.log)
        if held.positions.touches(batch.first, batch.last):
            return "it overlaps a batch that is held"
        return held.fault(batch)

    def differs(self, batch: Batch) -> bool:
        """Whether another batch is known to stand at the place of this one, all of which has been received.

        A place's name is known while its batch or the next one is in memory, and where a run ends. Elsewhere repair
        compares names: it would cost a read of the disk here. That is worth while where a log is known to have two
        histories: there whatever is not known may differ.
        """
        log = batch.log
        here, after = self.at_hand(log, batch.first), self.at_hand(log, batch.last + 1)
        if here is not None:
            known = here.name
        else:
            known = after.head.previous if after is not None else self.received[log].name_at(batch.last)
        return log in self.forked if known == UNKNOWN_NAME else known != batch.name

    def fork(self, log: LogId, end: int) -> None:
        """A log has two histories, which agree through a position at most: what is stored beyond stays, and is shown here."""
        self.forked[log] = end
        if log in self.stored:
            self._revise(log)

    def receive(self, batch: Batch) -> None:
        """Take in a verified batch for which `fault` is empty."""
        log = batch.log
        held = self.received.get(log)
        if held is None:
            held = self.received[log] = Log(log)
            self.gone.pop(log, None)
        held.add(batch)
        self.touched.setdefault(log, False)
        self.pending[log, batch.first] = batch
        for run in self.names.note(batch, held.positions):
            self._named[run.publisher, run.incarnation, run.log, run.first, run.from_position] = run

    def named(self) -> tuple[NameRun, ...]:
        """The name runs that changed since this was asked last: they belong to the next append."""
        runs = tuple(self._named.values())
        self._named.clear()
        return runs

    def store(self, batch: Batch) -> None:
        """A received batch has become durable."""
        log = batch.log
        held = self.stored.get(log)
        if held is None:
            held = self.stored[log] = Log(log)
        held.add(batch)
        del self.pending[log, batch.first]
        self.recent.keep(batch)
        self._revise(log)

    def take_back(self, *batches: Batch) -> None:
        """The appends of received batches failed: they were never here. Given in the order in which they were received."""
        for batch in reversed(batches):
            log = batch.log
            self.touched.setdefault(log, False)
            self.received[log].remove(batch)
            if not self.received[log].positions:
                del self.received[log]
            del self.pending[log, batch.first]
            self.names.forget(batch)
        gone = VersionVector((b.log, IntervalSet([(b.first, b.last)])) for b in batches)
        for batch in batches:  # only now is it known how far the names that are left can reach
            self.names.tighten(batch, gone.get(batch.log))
        self._named.clear()

    def lose(self, log: LogId, first: int, last: int) -> None:
        """The disk gave a range back damaged and dropped it: it is neither stored nor received any more."""
        for logs in (self.stored, self.received):
            held = logs.get(log)
            if held is None:
                continue
            held.lose(first, last)
            if not held.positions:
                del logs[log]
        self.recent.drop(log, first)
        self._revise(log)

    def learn(self, batch: Batch) -> None:
        """A batch was read from the disk beside one that was damaged: its names are known again."""
        for logs in (self.stored, self.received):
            held = logs.get(batch.log)
            if held is not None:
                held.learn(batch)
        self._revise(batch.log)

    def forget(self, log: LogId) -> None:
        """A log has wholly expired and vanishes."""
        self.received.pop(log, None)
        held = self.stored.pop(log, None)
        self.gone[log] = 0 if held is None else held.stamp
        self.vanishing.append(log)
        self._revise(log)
        if len(self.gone) > GONE_MAX:
            oldest, _ = self.gone.popitem(last=False)
            self._revised.pop(oldest, None)

    def _digest_of(self, log: LogId) -> int:
        """What a log counts for in the digest: nothing where there is nothing of it that peers are told of."""
        held = self.stored.get(log)
        if held is None or log not in self.forked:
            return 0 if held is None else held.digest()
        runs = self.told(log)
        return held.digest(runs) if runs else 0

    def _revise(self, log: LogId) -> None:
        self.touched[log] = True
        self._stale[log] = None
        self.revision += 1
        # To the end. An `OrderedDict` does so too, and has an object more for each entry.
        self._revised.pop(log, None)
        self._revised[log] = self.revision

    def check(self) -> None:
        """Assert the invariants of the logs that were touched."""
        if not self.touched:
            return
        waiting = dict.fromkeys(self.touched, 0)
        for (log, _), batch in self.pending.items():
            if log in waiting:
                waiting[log] += batch.head.length
        for log, lying in waiting.items():
            received, stored = self.received.get(log), self.stored.get(log)
            here = durable = _NOTHING
            if received is not None:
                received.check()
                here = received.positions
            if stored is not None:
                durable = stored.positions
                if self.touched[log]:
                    stored.check()
            # Where nothing is on its way, as at every second look, both are the same.
            if lying or received is None or stored is None or not received.has_runs_of(stored):
                assert here.count == durable.count + lying, log
                assert here.includes(durable), log
                assert lying or received is None or stored is None or _names_agree(received, stored), log

    def check_all(self) -> None:
        """Assert the invariants."""
        self.names.check()
        for log, held in self.stored.items():
            held.check()
            assert self.received_of(log).includes(held.positions), log
        rest = VersionVector((log, held.positions.minus(self.stored_of(log))) for log, held in self.received.items())
        waiting = VersionVector((log, IntervalSet([(b.first, b.last)])) for (log, _), b in self.pending.items())
        assert rest == waiting, (rest, waiting)
        assert self.digest == sum(self._digest_of(log) for log in self.stored) & _DIGEST_MASK


def _names_agree(one: Log, other: Log) -> bool:
    """Whether two logs of the same positions have the same names beside their holes, as far as both know them."""
    pairs = [
        (a, b) for mine, theirs in zip(one.runs, other.runs, strict=True) for a, b in zip(mine, theirs, strict=True)
    ]
    return all(a == b or UNKNOWN_NAME in (a, b) for a, b in pairs)
