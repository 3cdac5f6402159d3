"""Twins: equal copies of one message in two logs, of which a subscription sees one.

A publish that was retried at another node stands in two logs under one name. Which positions hold equal copies cannot
be known from the names alone, for a name may have been used twice for different messages: those are both delivered,
and reported. So the copies of a name are read and compared, once; the answer is remembered for the latest names.

No node that is honest writes a name twice into a log, so of each log few copies are looked at; of many logs a node may well
have written one in each, while its disk fails. What lies beyond them is a copy of those that it equals, which its digest
tells. Where it equals none, or one reading of a name does not reach it, that name counts elsewhere as used for different
messages, so that nobody takes the message that its publisher sent for a copy of another.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from mesh.codes import Code
from mesh.effects import Load, Loaded, OfNames, Outcome, Report
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.log.record import MessageName, Record
from mesh.types import LogId

Place = tuple[LogId, int]
Copy = tuple[int, LogId, int, int]
"""A copy's stamp and place, ordered as history is; and when it expires, in ms since 1970."""
TWINS_MAX = 65_536
"""Names whose copies are remembered."""
LOAD_BYTES = 8 << 20
"""What is read to compare the copies of a run of names; a message has few copies."""
NAMES_MAX = 64
"""Names that are compared at a time."""
COPIES_MAX = 4
"""Copies of a name that are compared of each log: with no limit, who writes one name n times makes others compare n² times.

An honest node has one in each log at most. Another log costs a member a key and a row of its own.
"""


@dataclass(slots=True)
class Compared:
    """The copies of a name, as they were when they were compared."""

    groups: dict[Place, list[Copy]] = field(default_factory=dict)
    """For each copy all that are equal to it, itself too: one list for all of them."""
    logs: set[LogId] = field(default_factory=set)
    """Where the name stood, whether or not a copy was found there."""
    crowding: set[LogId] = field(default_factory=set)
    """Logs that hold the name more often than is looked at ..."""
    strange: set[LogId] = field(default_factory=set)
    """... and those of them where what is beyond equals nothing that was, or was not read."""
    contents: dict[bytes, list[Copy]] = field(default_factory=dict)
    """Where there are any, by content: what each copy equals that was not looked at."""
    differ: bool = False
    """Whether the name was used for different messages."""


class Twins:
    """Knows where the equal copies of a message are."""

    def __init__(self, holdings: Holdings) -> None:
        """Read names from the holdings."""
        self._holdings = holdings
        self._known: OrderedDict[MessageName, Compared] = OrderedDict()
        self._sought: dict[MessageName, set[Place]] = {}
        """Places that were not found when the copies of their name were compared, and are looked up once more ..."""
        self._gone: dict[MessageName, set[Place]] = {}
        """... and those that were not found then, either: nobody asks for ever."""
        self._asked: dict[int, OfNames] = {}
        self._names_max = NAMES_MAX
        """Fewer where those would be too much to be read at once: messages may be large."""

    def unknown(self, batch: Batch) -> list[MessageName]:
        """The names of a batch that have copies elsewhere which were not compared yet."""
        movers = self._holdings.names.movers
        if not movers:
            return []
        unknown = []
        for position, record in enumerate(batch.records(), batch.first):
            if (record.publisher, record.incarnation) in movers and self.others(record, (batch.log, position)) is None:
                unknown.append(record.name)
        return unknown

    def others(self, record: Record, place: Place) -> tuple[Copy, ...] | None:
        """Where else an equal copy of a record stands; None if it has to be looked up first."""
        if (record.publisher, record.incarnation) not in self._holdings.names.movers:
            return ()
        runs = self._holdings.names.find(record.publisher, record.incarnation, record.sequence)
        logs = {run.log for run in runs}
        if len(logs) < 2:
            return ()
        known = self._known.get(record.name)
        if known is None or not logs <= known.logs:
            return None
        group = known.groups.get(place)
        if group is not None:
            return tuple(copy for copy in group if copy[1:3] != place)
        if place[0] in known.crowding:
            return tuple(known.contents.get(record.content(), ()))
        if place not in self._gone.get(record.name, ()):
            self._sought.setdefault(record.name, set()).add(place)
            return None  # its row was damaged, or lost, when its copies were compared, and it has come again
        return ()

    def repeats(self, record: Record, place: Place) -> bool:
        """Whether its log holds the same message elsewhere, and more often than is looked at: this shows nothing."""
        known = self._known.get(record.name)
        if known is None or place[0] not in known.crowding or place in known.groups:
            return False
        return any(copy[1] == place[0] for copy in known.contents.get(record.content(), ()))

    def differs(self, record: Record, place: Place) -> bool:
        """Whether a copy of a record's name was compared with it and is another message. False where none was.

        Where a node has written more than is compared, and something else or who knows what, that is one: to what any other has
        written.
        """
        known = self._known.get(record.name)
        if known is None:
            return False
        may_differ = any(log.node != place[0].node for log in known.strange)
        if place in known.groups:
            return known.differ or may_differ
        return may_differ and place[0] in known.crowding and record.content() not in known.contents

    def ask(self, names: list[MessageName], request: int) -> Load:
        """Look up copies: of the first name, and of those that follow it without a gap."""
        publisher, incarnation, first = names[0]
        last = first
        for name in names[1:]:
            if name != (publisher, incarnation, last + 1) or last - first + 1 >= min(self._names_max, NAMES_MAX):
                break
            last += 1
        query = OfNames(publisher, incarnation, first, last)
        self._asked[request] = query
        return Load(request, query, LOAD_BYTES)

    def on_loaded(self, loaded: Loaded) -> list[Outcome]:
        """Compare what the disk holds, and what is in memory, of the names that were asked for.

        Where it was too much to be read at once nothing is known of any of several: fewer are asked for then.
        """
        query = self._asked.pop(loaded.request)
        if not loaded.complete and query.first < query.last:
            self._names_max = (query.last - query.first + 1) // 2
            return []
        self._names_max = min(2 * self._names_max, NAMES_MAX)
        found: dict[MessageName, dict[Place, Record]] = {}
        for batch in (*loaded.batches, *self._holdings.pending.values()):
            for position, record in enumerate(batch.records(), batch.first):
                same = (record.publisher, record.incarnation) == (query.publisher, query.incarnation)
                if same and query.first <= record.sequence <= query.last:
                    found.setdefault(record.name, {})[batch.log, position] = record
        outcomes: list[Outcome] = []
        for sequence in range(query.first, query.last + 1):
            name = MessageName(query.publisher, query.incarnation, sequence)
            outcomes += self._compare(name, found.get(name, {}), complete=loaded.complete)
        return outcomes

    def _compare(self, name: MessageName, copies: dict[Place, Record], *, complete: bool) -> list[Outcome]:
        known = Compared(logs={run.log for run in self._holdings.names.find(*name)})
        counts: Counter[LogId] = Counter()
        messages: list[tuple[Record, list[Copy]]] = []
        beyond: list[tuple[LogId, Record]] = []
        for place, record in copies.items():
            log, position = place
            known.logs.add(log)
            counts[log] += 1
            if counts[log] > COPIES_MAX:
                known.crowding.add(log)
                beyond.append((log, record))
                continue
            group = next((equal for message, equal in messages if message.same_message(record)), None)
            if group is None:
                group = []
                messages.append((record, group))
            group.append((record.stamp, log, position, record.expires_ms))
            known.groups[place] = group
        known.differ = len(messages) > 1
        if not complete:
            known.crowding |= known.logs
            known.strange |= known.logs
        if known.crowding:
            known.contents = {message.content(): group for message, group in messages}
            known.strange |= {log for log, record in beyond if record.content() not in known.contents}
        return self._remember(name, known)

    def _remember(self, name: MessageName, known: Compared) -> list[Outcome]:
        lost = self._sought.pop(name, set()) - known.groups.keys()
        if lost:
            self._gone.setdefault(name, set()).update(lost)
        self._known[name] = known
        self._known.move_to_end(name)
        while len(self._known) > TWINS_MAX:
            gone, _ = self._known.popitem(last=False)
            self._gone.pop(gone, None)
            self._sought.pop(gone, None)
        if not known.differ and not known.crowding:
            return []
        return [Report(Code.NAMES_CONFLICT, {"publisher": name.publisher, "sequence": name.sequence})]
