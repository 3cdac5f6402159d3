"""History: the past of some channels at a cut, in one total order that is the same on every node.

The first page fixes the cut, a version vector; all pages show exactly its records, by (stamp, node, epoch, position),
in either direction. `after` is what earlier pages are through with. Each log of the cut is read in order and the logs are
merged; of equal copies in several logs the one is shown that comes first as they are read, for as long as it lives: what
is left out for it was shown before, though another node goes on.

The cut is all that was published before, as far as its node knows, holes and all; another may lack more of it, and a disk
lose what was here. The stamps of what is not here are unknown, so it may belong before whatever comes next: the page passes
it over, names it, and the order holds. Whoever wants it asks again, at what was missing as a cut of its own. Where times are
asked for, the disk says first between which places of a log they lie; what is missing elsewhere is not missed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sortedcontainers import SortedList

from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.codes import Code
from mesh.effects import Load, Loaded, OfChannels, Outcome, Since, Tell
from mesh.engines.delivery.twins import Twins
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.log.record import Record
from mesh.operations import UNTIL_ALWAYS_MS, History, HistoryPage, Refused
from mesh.types import LogId, SessionId, pattern_matches

REQUEST_STEP = 4
PAGE_BYTES_MAX = 1 << 20
"""A page ends when its records have so many bytes, encoded and with their headers."""
PAGES_WAITING_MAX = 64
"""Pages that a session may wait for at a time."""
RUNS_WAITING_MAX = 131_072
"""Runs that the cuts of those pages may have together, beyond which no other waits beside one."""
RETRY_MS = 100
LOADS_MAX = 8
"""Logs that are read at a time for one page."""


Head = tuple[int, LogId, int]
"""A record's stamp and place, as history is ordered."""


@dataclass(slots=True)
class Stream:
    """One log of a cut: records that were read and wait to be merged, and what is still to be read."""

    left: IntervalSet
    """Of the cut, what was held here as the page was asked for, and has not been read: looked for once, however many runs."""
    ready: deque[tuple[int, Record]] = field(default_factory=deque)

    def ahead(self, *, backwards: bool) -> int | None:
        """The position that it shows next, or reads next; None at its end."""
        if self.ready:
            return self.ready[0][0]
        return self.left.edge(last=backwards)[backwards] if self.left else None


@dataclass
class Page:
    """A page in the making."""

    session: SessionId
    operation: History
    cut: VersionVector
    after: VersionVector
    streams: dict[LogId, Stream] = field(default_factory=dict)
    absent: dict[LogId, IntervalSet] = field(default_factory=dict)
    """Of the cut, what was not here as it was asked for, or has been lost before it was read."""
    bounds: list[tuple[int, bool]] = field(default_factory=list)
    """Times, in ms since 1970, of which the disk has to say first where they lie; and whether what is asked for begins so."""
    records: list[Record] = field(default_factory=list)
    places: list[tuple[LogId, int]] = field(default_factory=list)
    size: int = 0
    loads: int = 0
    heads: SortedList[Head] = field(default_factory=SortedList)
    """Of each log of which something waits to be merged, what comes next."""
    dry: deque[LogId] = field(default_factory=deque)
    """Logs of which nothing waits, but something is still to be read, in the order in which they ran dry."""


@dataclass
class Histories:
    """All pages in the making; one for each session at a time, the others wait."""

    holdings: Holdings
    twins: Twins
    load_bytes: int
    known: Callable[[], VersionVector]
    """All that was published before what comes, as far as this node knows: the cut that it fixes."""
    pages: dict[SessionId, deque[Page]] = field(default_factory=dict)
    reads: dict[int, tuple[Page, LogId, int, int]] = field(default_factory=dict)
    comparing: dict[int, Page] = field(default_factory=dict)
    dating: dict[int, tuple[Page, dict[LogId, IntervalSet]]] = field(default_factory=dict)
    """Pages for which the disk finds a time, and what it had stored as it was asked of logs that have something missing."""
    expiry_ms: int = 0
    next_request: int = 3

    def ask(self, session: SessionId, operation: History, expiry_ms: int) -> list[Outcome]:
        """A client asks for a page."""
        self.expiry_ms = expiry_ms
        waiting = self.pages.get(session, ())
        runs_waiting = sum(page.operation.runs for page in waiting) + operation.runs
        if len(waiting) >= PAGES_WAITING_MAX or (waiting and runs_waiting > RUNS_WAITING_MAX):
            text = (
                f"{len(waiting)} pages of this session are in the making, at cuts of {runs_waiting} runs with this one"
            )
            return [Tell((session,), Refused(Code.OVERLOADED, text, operation.request, retry_ms=RETRY_MS))]
        cut = operation.cut if operation.cut is not None else self.known()
        after = operation.after if operation.after is not None else VersionVector()
        page = Page(session, operation, cut, after)
        for log, runs in cut.items():
            self._look_for(page, log, runs.minus(after.get(log)))
        if page.absent:
            bounds = (operation.since_ms, True), (operation.until_ms, False)
            page.bounds = [(ms, is_begin) for ms, is_begin in bounds if 0 < ms < UNTIL_ALWAYS_MS]
        queue = self.pages.setdefault(session, deque())
        queue.append(page)
        return self._go_on(page) if len(queue) == 1 else []

    def _look_for(self, page: Page, log: LogId, wanted: IntervalSet) -> None:
        """Tell what is here of a log from what is not, as far as it may lie within the times."""
        held = self.holdings.stored.get(log)
        if held is None:
            if wanted and log not in self.holdings.gone:
                page.absent[log] = wanted
            return
        here, is_old = held.positions, stamp_ms(held.stamp) < page.operation.since_ms
        left = IntervalSet() if is_old else IntervalSet(run for lo, hi in wanted for run in here.within(lo, hi))
        if left:
            page.streams[log] = Stream(left)
            page.dry.append(log)
        first = here.last + 1 if is_old else 1  # stamps rise in a log
        absent = IntervalSet(run for lo, hi in wanted for run in here.missing(max(lo, first), hi))
        if absent:
            page.absent[log] = absent

    def on_lost(self, log: LogId, first: int, last: int) -> None:
        """The disk lost a range: pages in the making that have not read it lack it."""
        for page in (each for queue in self.pages.values() for each in queue):
            stream = page.streams.get(log)
            for lo, hi in stream.left.within(first, last) if stream is not None else ():
                page.absent.setdefault(log, IntervalSet()).add(lo, hi)
        for _, stored in self.dating.values():  # the disk looks for where times begin among what is left
            if log in stored:
                stored[log].remove(first, last)

    def on_session_closed(self, session: SessionId) -> None:
        """Nobody wants the pages any more; reads under way come to nothing."""
        self.pages.pop(session, None)

    def _request(self) -> int:
        request, self.next_request = self.next_request, self.next_request + REQUEST_STEP
        return request

    def _is_wanted(self, page: Page) -> bool:
        queue = self.pages.get(page.session)
        return queue is not None and queue[0] is page

    def _go_on(self, page: Page) -> list[Outcome]:
        """Merge what can be merged; read where a log has run dry; finish when the page is full or all is read."""
        if page.bounds:
            request = self._request()
            self.dating[request] = page, {log: self.holdings.stored_of(log).copy() for log in page.absent}
            return [Load(request, Since(page.bounds[-1][0]), self.load_bytes)]
        outcomes: list[Outcome] = []
        while True:
            if len(page.records) >= page.operation.limit or page.size >= PAGE_BYTES_MAX:
                return outcomes + self._finish(page)
            while page.dry and page.loads < LOADS_MAX:
                outcomes.append(self._read(page, page.dry.popleft()))
            if page.loads:
                return outcomes
            least = self._least(page)
            if least is None:
                return outcomes + self._finish(page)
            position, record = page.streams[least].ready[0]
            if self._take(page, least, position, record):
                continue
            request = self._request()
            self.comparing[request] = page
            return [*outcomes, self.twins.ask([record.name], request)]

    def _least(self, page: Page) -> LogId | None:
        """The log whose next record comes next in the order of the page."""
        return page.heads[-1 if page.operation.backwards else 0][1] if page.heads else None

    def _read(self, page: Page, log: LogId) -> Load:
        """Read the next run of a log."""
        backwards = page.operation.backwards
        run = page.streams[log].left.edge(last=backwards)
        page.loads += 1
        request = self._request()
        self.reads[request] = page, log, *run
        query = OfChannels(page.operation.patterns, log, run[0] - 1, run[1], backwards)
        return Load(request, query, self.load_bytes)

    def _wait(self, page: Page, log: LogId) -> None:
        """A log waits to be merged, or to be read where nothing of it does."""
        stream = page.streams[log]
        if stream.ready:
            position, record = stream.ready[0]
            page.heads.add((record.stamp, log, position))
        elif stream.left:
            page.dry.append(log)

    def _take(self, page: Page, log: LogId, position: int, record: Record) -> bool:
        """Show a record, or leave it out; False where copies have to be compared before that can be said.

        With an older copy all die that were sealed while it lived. Of those that live the one that is read first is shown.
        """
        copies = self.twins.others(record, (log, position))
        if copies is None:
            return False
        mine = (record.stamp, log, position)
        page.streams[log].ready.popleft()
        page.heads.remove(mine)
        self._wait(page, log)
        has_died = any(each[:3] < mine and stamp_ms(record.stamp) < each[3] <= self.expiry_ms for each in copies)
        earlier = (
            each for each in copies if (each[:3] > mine) is page.operation.backwards and each[3] > self.expiry_ms
        )
        is_one = not has_died and not self.twins.repeats(record, (log, position))
        if is_one and not any(self._shows(page, stamp, there, at) for stamp, there, at, _ in earlier):
            page.records.append(record)
            page.places.append((log, position))
            page.size += len(record.raw)
        return True

    def _shows(self, page: Page, stamp: int, log: LogId, position: int) -> bool:
        """Whether what comes before has been shown, as far as this node can tell.

        It lies in the cut and within the times, and is here, and no page has named it missing; beyond where its log has two
        histories another message may have been shown there. It is better shown twice, by its name, than not at all.
        """
        absent, end = page.absent.get(log), self.holdings.forked.get(log, position)
        is_asked_for = page.operation.since_ms <= stamp_ms(stamp) < page.operation.until_ms
        is_here = page.cut.covers(log, position, position) and position in self.holdings.stored_of(log)
        was_here = (absent is None or position not in absent) and position not in page.operation.missing.get(log)
        return is_asked_for and is_here and position <= end and was_here

    def on_loaded(self, loaded: Loaded, expiry_ms: int) -> list[Outcome]:
        """The disk answered: fill a stream, or know the copies of a name. What died meanwhile is not shown."""
        self.expiry_ms = expiry_ms
        if loaded.request in self.comparing:
            page = self.comparing.pop(loaded.request)
            outcomes = self.twins.on_loaded(loaded)
            return outcomes + (self._go_on(page) if self._is_wanted(page) else [])
        if loaded.request in self.dating:
            page, stored = self.dating.pop(loaded.request)
            _, is_begin = page.bounds.pop()
            _date(page, stored, dict(loaded.positions), is_begin=is_begin)
            return self._go_on(page) if self._is_wanted(page) else []
        page, log, first, last = self.reads.pop(loaded.request)
        if not self._is_wanted(page):
            return []
        stream = page.streams[log]
        page.loads -= 1
        if not loaded.complete and loaded.batches:
            if page.operation.backwards:
                first = max(first, loaded.batches[-1].first)
            else:
                last = min(last, loaded.batches[-1].last)
        stream.left.remove(first, last)
        for batch in loaded.batches:
            self._fill(page, stream, batch, first, last)
        self._wait(page, log)
        return self._go_on(page)

    def _fill(self, page: Page, stream: Stream, batch: Batch, first: int, last: int) -> None:
        """Take the matching, living records of a batch into a stream, in the order of the page."""
        operation = page.operation
        found = [
            (position, record)
            for position, record in enumerate(batch.records(), batch.first)
            if first <= position <= last
            and operation.since_ms <= stamp_ms(record.stamp) < operation.until_ms
            and record.expires_ms > self.expiry_ms
            and any(pattern_matches(pattern, record.channel) for pattern in operation.patterns)
        ]
        stream.ready.extend(reversed(found) if operation.backwards else found)

    def _finish(self, page: Page) -> list[Outcome]:
        """Answer, and begin the page that waits behind this one."""
        rest = any(stream.ready or stream.left for stream in page.streams.values())
        missing, after = VersionVector(), _merged(page.after, page, page.cut.sets) if rest else None
        if page.absent:
            missing = _merged(missing, page, page.absent)
        found = zip(page.places, page.records, strict=True)
        alive = [each for each in found if each[1].expires_ms > self.expiry_ms]  # a page may have waited for reads
        places, records = tuple(place for place, _ in alive), tuple(record for _, record in alive)
        answer = HistoryPage(page.operation.request, page.cut, places, records, after, missing)
        queue = self.pages[page.session]
        queue.popleft()
        outcomes: list[Outcome] = [Tell((page.session,), answer)]
        if queue:
            return outcomes + self._go_on(queue[0])
        del self.pages[page.session]
        return outcomes

    def check(self) -> None:
        """Assert that there are no more sessions with pages than pages that wait."""
        assert len(self.pages) <= len(self.reads) + len(self.comparing) + len(self.dating)

    def check_all(self) -> None:
        """Assert that a page that is wanted waits for something."""
        reading = [page for page, *_ in (*self.reads.values(), *self.dating.values())]
        waiting = {id(page) for page in (*reading, *self.comparing.values())}
        assert all(id(queue[0]) in waiting for queue in self.pages.values())


def _date(page: Page, stored: Mapping[LogId, IntervalSet], positions: Mapping[LogId, int], *, is_begin: bool) -> None:
    """Take out of what is missing what lies on the other side of where the times begin or end, which is at these positions.

    Stamps rise in a log: a hole below one that is stored and lies before the time does so, too, and one above where it begins
    lies behind it. What lies between the two may be either.
    """
    for log, held in stored.items():
        absent, begins = page.absent[log], positions.get(log)
        if is_begin:
            older = held.within(1, begins - 1 if begins is not None else absent.last)
            outside = (1, older[-1][1]) if older else None
        else:
            younger = held.within(begins, absent.last) if begins is not None and begins <= absent.last else []
            outside = (younger[0][0], absent.last) if younger else None
        if outside is not None:
            page.absent[log] = absent.minus(IntervalSet([outside]))
            if not page.absent[log]:
                del page.absent[log]


def _merged(vector: VersionVector, page: Page, sets: Mapping[LogId, IntervalSet]) -> VersionVector:
    """A vector and, of some positions, those behind a page. What is taken as it is belongs to both, and is read only."""
    merged = VersionVector()
    merged.sets = dict(vector.sets)
    for log, runs in sets.items():
        behind, known = _behind(page, log, runs), vector.sets.get(log)
        if known is not None:
            merged.sets[log] = IntervalSet((*known, *behind))
        elif behind:
            merged.sets[log] = behind
    return merged


def _behind(page: Page, log: LogId, runs: IntervalSet) -> IntervalSet:
    """Of positions of a log those that come, in the order of the page, before what the log shows next."""
    stream = page.streams.get(log)
    ahead = stream.ahead(backwards=page.operation.backwards) if stream is not None else None
    if ahead is None:
        return runs
    return IntervalSet(runs.within(ahead + 1, runs.last) if page.operation.backwards else runs.within(1, ahead - 1))
