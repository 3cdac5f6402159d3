"""Intake: publishes are checked, named once, gathered, and sealed into batches.

What sessions publish gathers until an append may begin (at most two are pending), and is then sealed at once: that is
group commit, and the batch grows with the load. A name that is held already makes no second record; its publisher is
told where the first one stands. Publishes are refused *before* they are sealed while the disk is under its reserve,
after a failed append, when too much waits, and while an earlier one of the same session was refused for now, so that
order is kept. A sealed batch whose append failed is told as *unknown, retry*, and its log takes nothing more: a new
epoch is opened.

An epoch's key lives in memory only and dies with the process: nothing can be appended to an older log, whatever was
restored or copied. A memory that is put back twice goes on from one generator's state: what differs, the time and the bindings
of the connections made since, is mixed into it, and no epoch takes a number under which something of ours is known.

Where our log turns out to be written by another (a cloned memory), a new epoch is opened, and what stands where the two
histories differ is sealed in it once more, the same records under the same names (`mesh.engines.forks`).

Invariants, checked by `check`: what is gathered is bounded and counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from mesh.certificates import Identity
from mesh.clocks.hybrid import HybridClock
from mesh.codes import Code
from mesh.crypto import SEED_BYTES, Signer, Suite
from mesh.effects import Count, Outcome, Placed, Tell
from mesh.errors import require
from mesh.log.batch import (
    BATCH_BYTES_MAX,
    BATCH_RECORDS_MAX,
    BODY_BYTES_MAX,
    NO_NAME,
    Batch,
    Epoch,
    epoch_statement,
    seal,
)
from mesh.log.holdings import Holdings
from mesh.log.names import NameRun
from mesh.log.record import (
    HEADERS_MAX,
    RECORD_BYTES_MAX,
    TTL_DEFAULTED,
    TTL_MS_MAX,
    Record,
    encode_record,
)
from mesh.operations import Draft, Publish, Refused
from mesh.publisher import Publisher
from mesh.rng import Rng
from mesh.types import US_PER_MS, LogId, Now, SessionId, channel_fault

MS_PER_DAY = 86_400_000
RECORD_OVERHEAD_BYTES = 64
"""What a record's fixed fields take, rounded up; with it a draft's size is bounded without encoding it."""
SEQUENCE_MAX = 1 << 53
HOUR_US = 3_600_000_000
RESCUED_BYTES_MAX = 1 << 22
"""Records that wait to be sealed anew, unpacked: beyond, no more are rescued until those are sealed."""
NUMBER_STEP = 1 << 20
"""Between the numbers of two epochs: lives are numbered farther apart than the epochs of one within their time."""


@dataclass(frozen=True, slots=True)
class IntakeConfig:
    """Publishing: what is accepted, and when it is refused."""

    batch_bytes_max: int = BATCH_BYTES_MAX
    expiry_ratio_max: int = 4
    """A batch closes where the lifetimes in it would differ by more (protocol.md, 2): a body is dropped as a whole."""
    gathered_bytes_max: int = 16 << 20
    """Publishes that wait for the next append, beyond which the node says *slow down*. Guess: 0.2 s of a fast disk."""
    appends_pending_max: int = 2
    overloaded_retry_ms: int = 100
    disk_retry_ms: int = 1_000
    disk_reserve_bytes: int = 64 << 20
    """Publishes are refused while less is free, so that repair, marks and the system keep some room."""
    ttl_default_ms: int = 7 * MS_PER_DAY
    ttl_max_ms: int = TTL_MS_MAX
    epochs_per_hour_max: int = 200

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(0 < self.batch_bytes_max <= BATCH_BYTES_MAX, f"batch_bytes_max: at most {BATCH_BYTES_MAX}")
        require(self.expiry_ratio_max >= 1, "expiry_ratio_max: at least 1")
        require(self.gathered_bytes_max >= 2 * RECORD_BYTES_MAX, "gathered_bytes_max must hold two large records")
        require(self.appends_pending_max >= 1, "appends_pending_max: at least 1")
        require(0 < self.ttl_default_ms <= self.ttl_max_ms <= TTL_MS_MAX, "ttl_default_ms <= ttl_max_ms <= 400 days")
        require(self.disk_reserve_bytes >= 0 and self.epochs_per_hour_max >= 1, "limits are positive")
        require(self.overloaded_retry_ms > 0 and self.disk_retry_ms > 0, "retries are positive")


@dataclass(slots=True)
class Gathered:
    """A publish that waits to be sealed. `again` are retries of it, from wherever, that came meanwhile."""

    publisher: Publisher
    draft: Draft
    ttl_ms: int
    copies: int
    regions: int
    size: int
    """What it takes while it waits, in bytes."""


def draft_bytes(draft: Draft) -> int:
    """What a draft takes: payload, channel and headers, and what is fixed, rounded up."""
    headers = draft.headers
    more = sum(len(k.encode()) + len(v.encode()) + 6 for k, v in headers.items()) if headers else 0
    return len(draft.payload) + len(draft.channel.encode()) + RECORD_OVERHEAD_BYTES + more


def draft_fault(draft: Draft, ttl_max_ms: int) -> tuple[Code, str] | None:
    """Say why a message can never be accepted; None if it can."""
    fault = channel_fault(draft.channel)
    if fault:
        return Code.CHANNEL_INVALID, fault
    headers = draft.headers
    if headers and (
        len(headers) > HEADERS_MAX or any(type(k) is not str or type(v) is not str for k, v in headers.items())
    ):
        return Code.FIELD_INVALID, f"headers are at most {HEADERS_MAX} pairs of text"
    if draft_bytes(draft) > RECORD_BYTES_MAX // 2:
        widest: tuple[Any, ...] = (draft.channel, "x" * 128, *[1 << 63] * 5, [], headers, draft.payload)
        size = len(encode_record(widest))
        if size > RECORD_BYTES_MAX:
            return Code.RECORD_TOO_LARGE, f"a message takes at most {RECORD_BYTES_MAX} bytes, this one takes {size}"
    if draft.ttl_ms > ttl_max_ms:
        return Code.FIELD_INVALID, f"a message lives at most {ttl_max_ms} ms, this one asks for {draft.ttl_ms}"
    if not 0 < draft.sequence < SEQUENCE_MAX:
        return Code.FIELD_INVALID, "sequences start at 1 and end at 2^53"
    return None


@dataclass(slots=True)
class Intake:
    """Takes publishes in, and seals them."""

    config: IntakeConfig
    identity: Identity
    suite: Suite
    holdings: Holdings
    clock: HybridClock
    rng: Rng
    free_bytes: int
    publishers: dict[SessionId, Publisher] = field(default_factory=dict)
    gathered: list[Gathered] = field(default_factory=list)
    gathered_bytes: int = 0
    waiting: dict[tuple[str, int, int], list[tuple[Publisher, int, int]]] = field(default_factory=dict)
    """Names that are gathered, with the retries of them that came meanwhile (publisher, copies, regions)."""
    rescued: list[tuple[Record, ...]] = field(default_factory=list)
    """Messages that stand where a log of ours has two histories: they are sealed anew, as they are."""
    rescued_bytes: int = 0
    resealed: list[Batch] = field(default_factory=list)
    """Batches of such messages that may not be stored yet."""
    lost_rescued: bool = False
    """Whether the last append that failed took such messages with it."""
    epoch: Epoch | None = None
    signer: Signer | None = None
    head: bytes = NO_NAME
    position: int = 0
    life: int = 0
    """The number of this process's first epoch, unless something is known under it."""
    number: int = 0
    """The number of the last epoch that was opened; later ones go up from it by drawn steps."""
    opened_us: deque[int] = field(default_factory=deque)
    blocked_until_us: int = 0
    """The last append failed: nothing is accepted before this time."""
    draining: bool = False

    # --- taking in ---------------------------------------------------------------------------------------------------

    def on_attached(self, session: SessionId, client: str, incarnation: int) -> None:
        """A session may publish from now on."""
        self.publishers[session] = Publisher(session, client, incarnation)

    def on_session_closed(self, session: SessionId) -> None:
        """A session publishes no more; what it published goes on."""
        self.publishers.pop(session, None)

    def publish(self, session: SessionId, operation: Publish, now: Now) -> list[Outcome]:
        """Take publishes in: refusals to tell, and where names stand that are held already."""
        publisher = self.publishers[session]
        refusals: list[tuple[SessionId, Refused]] = []
        placed: list[Outcome] = []
        names = self.holdings.names
        newest = names.newest(*publisher.who)
        for draft in operation.drafts:
            was_lost, fault = False, draft_fault(draft, self.config.ttl_max_ms)
            if fault is not None:
                publisher.on_here(draft.sequence)
                refusals.append(_refused(publisher, draft.sequence, fault[0], fault[1], -1))
                continue
            if draft.sequence <= newest:
                found = names.find(publisher.client, publisher.incarnation, draft.sequence)
                runs = [run for run in found if self._holds(run, draft.sequence)]
                if runs:
                    publisher.on_here(draft.sequence)
                    placed.append(_placed(publisher.session, runs[0], draft.sequence, operation))
                    continue
                was_lost = bool(found)
                if was_lost and self.epoch and names.newest_in(*publisher.who, self._log()) >= draft.sequence:
                    self.epoch = self.signer = None  # it may come back: no log has it twice, nor behind others
            name = (publisher.client, publisher.incarnation, draft.sequence)
            again = self.waiting.get(name)
            if again is not None:
                publisher.on_here(draft.sequence)
                _wait_again(again, publisher, operation.copies, operation.regions)
                continue
            refusal = self._refusal(publisher, draft, now)
            if refusal is not None:
                publisher.on_refused(draft.sequence, draft.sequence)
                code, text, retry_ms = refusal
                refusals.append(_refused(publisher, draft.sequence, code, text, retry_ms))
                continue
            publisher.on_here(draft.sequence)
            self.waiting[name] = []
            ttl_ms = draft.ttl_ms or self.config.ttl_default_ms
            item = Gathered(publisher, draft, ttl_ms, operation.copies, operation.regions, draft_bytes(draft))
            self.gathered.insert(self._place_of(item) if was_lost else len(self.gathered), item)
            self.gathered_bytes += item.size
        return [*_tell_refusals(refusals), *placed]

    def _log(self) -> LogId:
        assert self.epoch is not None
        return LogId(self.identity.node, self.epoch.number)

    def _place_of(self, item: Gathered) -> int:
        """Where what was lost and comes again belongs among what has gathered: before what follows it."""
        who, number = item.publisher.who, item.draft.sequence
        mine = (at for at, each in enumerate(self.gathered) if each.publisher.who == who)
        return next((at for at in mine if self.gathered[at].draft.sequence > number), len(self.gathered))

    def _holds(self, run: NameRun, sequence: int) -> bool:
        """Whether all that a run of names stands for is here, where others can have it, too.

        What a damaged row took is not, nor what lies where its log has two histories: a retry brings it again.
        """
        end = self.holdings.forked.get(run.log)
        if end is not None and run.place_at_most(sequence) > end:
            return False
        return self.holdings.received_of(run.log).covers(run.from_position, run.to_position)

    def _refusal(self, publisher: Publisher, draft: Draft, now: Now) -> tuple[Code, str, int] | None:
        """Say why a new message is refused for now; None if it is taken."""
        config = self.config
        if self.draining:
            return Code.DRAINING, "the node is stopping", config.disk_retry_ms
        if publisher.held_back and draft.sequence > publisher.held_back:
            text = f"{publisher.held_back} was refused before it: send that again first"
            return Code.ORDER_WAITS, text, config.overloaded_retry_ms
        if self.free_bytes < config.disk_reserve_bytes:
            text = f"{self.free_bytes >> 20} MiB of disk are free, {config.disk_reserve_bytes >> 20} are the reserve"
            return Code.DISK_RESERVED, text, config.disk_retry_ms
        if now.mono_us < self.blocked_until_us:
            return Code.DISK_RESERVED, "the last append failed", config.disk_retry_ms
        if self.gathered_bytes + draft_bytes(draft) > config.gathered_bytes_max:
            return Code.OVERLOADED, "too many publishes wait for the disk", config.overloaded_retry_ms
        return None

    # --- rescuing ----------------------------------------------------------------------------------------------------

    def rescue_room(self, now: Now) -> int:
        """How many bytes of records may be sealed anew now: none where publishes would be refused for the disk."""
        takes = self.free_bytes >= self.config.disk_reserve_bytes and now.mono_us >= self.blocked_until_us
        return RESCUED_BYTES_MAX - self.rescued_bytes if takes and not self.draining else 0

    def rescue(self, records: tuple[Record, ...]) -> None:
        """Take messages that have to be sealed anew, as they are."""
        self.rescued.append(records)
        self.rescued_bytes += sum(len(record.raw) for record in records)

    # --- sealing -----------------------------------------------------------------------------------------------------

    def seal(self, now: Now, wall_ms: int) -> tuple[list[Batch], list[Outcome]]:
        """Seal all that has gathered: the batches, received from now on, and where each publish stands."""
        if not self.gathered and not self.rescued:
            return [], []
        outcomes: list[Outcome] = []
        must = self.epoch is None or self._is_anothers()
        if must or self.clock.runs_ahead(wall_ms):  # else it goes on above what it gave: stamps rise in a log
            if self._open_epoch(now):
                self.clock.begin(wall_ms)
                outcomes.append(Count("epochs_total"))
            elif must:
                return [], self._refuse_all(Code.OVERLOADED, "too many epochs were opened within the hour")
        batches = self._seal_rescued() if self.rescued else []
        if not self.gathered:
            return batches, outcomes
        gathered, waiting = self.gathered, self.waiting
        self.gathered, self.waiting, self.gathered_bytes = [], {}, 0
        stamp = self.clock.reserve(len(gathered), wall_ms)
        records = [_record(item, at) for at, item in enumerate(gathered, stamp)]
        start = 0
        for end in self._cuts(records):
            batch = self._seal_one(records[start:end])
            batches.append(batch)
            placed = _placed_in(batch, gathered[start:end], waiting)
            outcomes += [each for each in placed if each.session in self.publishers]  # who has gone waits for nothing
            start = end
        return batches, [*outcomes, Count("published_total", len(gathered))]

    def _seal_rescued(self) -> list[Batch]:
        """Seal what was rescued, but for what stands in a log by now: two places gave it."""
        batches: list[Batch] = []
        for records in self.rescued:
            missing = [record for record in records if not self._stands(record)]
            if missing:
                batches.append(self._seal_one(missing))
        self.rescued, self.rescued_bytes = [], 0
        pending = self.holdings.pending
        self.resealed = [batch for batch in (*self.resealed, *batches) if (batch.log, batch.first) in pending]
        return batches

    def _stands(self, record: Record) -> bool:
        runs = self.holdings.names.find(*record.name)
        return any(self._holds(run, record.sequence) for run in runs)

    def _is_anothers(self) -> bool:
        """Whether another process writes in our own log: a cloned memory does. Its log is left to it."""
        return (log := self._log()) in self.holdings.forked or self.holdings.received_of(log).last > self.position

    def _cuts(self, records: list[Record]) -> list[int]:
        """Where batches end: cut by the bytes of their records, by number, and where lifetimes differ too much."""
        cuts: list[int] = []
        start = size = shortest = longest = 0
        for index, record in enumerate(records):
            cost, ttl_ms = len(record.raw), record.ttl_ms
            low, high = min(shortest or ttl_ms, ttl_ms), max(longest, ttl_ms)
            full = size + cost > self.config.batch_bytes_max or index - start >= BATCH_RECORDS_MAX
            if index > start and (full or high > low * self.config.expiry_ratio_max):
                cuts.append(index)
                start, size, low, high = index, 0, ttl_ms, ttl_ms
            size, shortest, longest = size + cost, low, high
        return [*cuts, len(records)]

    def _seal_one(self, records: list[Record]) -> Batch:
        assert self.epoch is not None and self.signer is not None
        batch = seal(self._log(), self.position + 1, self.head, records, self.signer, self.epoch)
        self.position, self.head = batch.last, batch.name
        self.holdings.receive(batch)
        return batch

    def _open_epoch(self, now: Now) -> bool:
        """Open a log with a key of its own; False where too many were opened within the hour."""
        while self.opened_us and self.opened_us[0] + HOUR_US <= now.mono_us:
            self.opened_us.popleft()
        if len(self.opened_us) >= self.config.epochs_per_hour_max:
            return False
        self.opened_us.append(now.mono_us)
        self.rng.mix(b"%d %d" % (now.wall_ms, now.mono_us))
        self.number = number = self._free_number()
        self.signer = self.suite.signer(self.rng.bytes(SEED_BYTES))
        identity = self.identity
        statement = epoch_statement(identity.mesh, identity.node, number, self.signer.public)
        self.epoch = Epoch(identity.node, number, self.signer.public, identity.signer.sign(statement))
        self.position, self.head = 0, NO_NAME
        return True

    def _free_number(self) -> int:
        """A number for a new epoch: this memory may have been here before, and have taken those that come to mind."""
        number = self.number + 1 + self.rng.below(NUMBER_STEP) if self.number else self.life
        known = self.holdings.received, self.holdings.forked, self.holdings.gone
        while any(LogId(self.identity.node, number) in logs for logs in known):
            number += 1 + self.rng.below(NUMBER_STEP)
        return number

    # --- what the disk says ------------------------------------------------------------------------------------------

    def on_space(self, free_bytes: int) -> None:
        """The disk's free space changed."""
        self.free_bytes = free_bytes

    def on_append_failed(self, now: Now) -> list[Outcome]:
        """An append failed: nothing more is sealed in this log, and nothing is accepted for a moment."""
        self.blocked_until_us = now.mono_us + self.config.disk_retry_ms * US_PER_MS
        self.epoch = self.signer = None
        gone = [batch for batch in self.resealed if not self.holdings.has(batch.log, batch.first, batch.last)]
        self.lost_rescued = bool(self.rescued or gone)
        self.rescued, self.rescued_bytes, self.resealed = [], 0, []
        return self._refuse_all(Code.DISK_RESERVED, "the last append failed")

    def hold_back(self, session: SessionId, first: int, last: int) -> None:
        """Publishes came to an unknown end: what the session publishes after them waits until all have come again."""
        publisher = self.publishers.get(session)
        if publisher is not None:
            publisher.on_refused(first, last)

    def _refuse_all(self, code: Code, text: str) -> list[Outcome]:
        """Refuse what has gathered and was not sealed: nothing of it happened."""
        refusals: list[tuple[SessionId, Refused]] = []
        for item in self.gathered:
            sequence = item.draft.sequence
            name = (item.publisher.client, item.publisher.incarnation, sequence)
            for publisher in (item.publisher, *(again[0] for again in self.waiting[name])):
                publisher.on_refused(sequence, sequence)
                refusals.append(_refused(publisher, sequence, code, text, self.config.disk_retry_ms))
        self.gathered, self.waiting, self.gathered_bytes = [], {}, 0
        return _tell_refusals(refusals)

    def check(self) -> None:
        """Assert that what is gathered or rescued is counted, and that the latter is bounded."""
        assert self.rescued_bytes == sum(len(record.raw) for records in self.rescued for record in records)
        assert self.rescued_bytes <= RESCUED_BYTES_MAX + BODY_BYTES_MAX
        assert len(self.waiting) == len(self.gathered)
        assert bool(self.gathered_bytes) == bool(self.gathered)
        assert self.gathered_bytes <= self.config.gathered_bytes_max

    def check_all(self) -> None:
        """Assert the invariants."""
        assert self.gathered_bytes == sum(item.size for item in self.gathered)
        assert len(self.waiting) == len(self.gathered)


def _record(item: Gathered, stamp: int) -> Record:
    draft, publisher = item.draft, item.publisher
    fields: tuple[Any, ...] = (
        draft.channel,
        publisher.client,
        publisher.incarnation,
        draft.sequence,
        stamp,
        item.ttl_ms,
        draft.flags if draft.ttl_ms else draft.flags | TTL_DEFAULTED,
        [],
        draft.headers or {},
        draft.payload,
    )
    return tuple.__new__(Record, (*fields, encode_record(fields)))


def _wait_again(again: list[tuple[Publisher, int, int]], publisher: Publisher, copies: int, regions: int) -> None:
    """A retry came of what is gathered: each session waits for it once, for the most that it asked for."""
    for at, (other, *level) in enumerate(again):
        if other is publisher:
            again[at] = publisher, max(copies, level[0]), max(regions, level[1])
            return
    again.append((publisher, copies, regions))


def _placed(session: SessionId, run: NameRun, sequence: int, operation: Publish) -> Placed:
    """Where a name that is held stands, at most: positions rise with the sequences of a run."""
    first, last = run.from_position + sequence - run.first, run.to_position - (run.last - sequence)
    return Placed(session, sequence, sequence, run.log, first, last, operation.copies, operation.regions)


def _placed_in(
    batch: Batch, chunk: list[Gathered], waiting: dict[tuple[str, int, int], list[tuple[Publisher, int, int]]]
) -> list[Placed]:
    """Where the publishes of a sealed batch stand, those of one session that follow one another together."""
    placed: list[Placed] = []
    begin: tuple[Gathered, int] | None = None
    log = batch.log
    for position, item in enumerate(chunk, batch.first):
        if begin is not None:
            first, at = begin
            follows = (
                item.publisher is first.publisher
                and item.draft.sequence == first.draft.sequence + position - at
                and (item.copies, item.regions) == (first.copies, first.regions)
            )
            if not follows:
                placed.append(_run(log, first, at, position - 1))
                begin = None
        if begin is None:
            begin = item, position
        name = (item.publisher.client, item.publisher.incarnation, item.draft.sequence)
        for publisher, copies, regions in waiting[name]:
            sequence = item.draft.sequence
            placed.append(Placed(publisher.session, sequence, sequence, log, position, position, copies, regions))
    assert begin is not None
    placed.append(_run(log, *begin, batch.last))
    return placed


def _run(log: LogId, first: Gathered, at: int, to: int) -> Placed:
    sequence = first.draft.sequence
    return Placed(first.publisher.session, sequence, sequence + to - at, log, at, to, first.copies, first.regions)


def _refused(publisher: Publisher, sequence: int, code: Code, text: str, retry_ms: int) -> tuple[SessionId, Refused]:
    return publisher.session, Refused(code, text, 0, sequence, sequence, retry_ms)


def _tell_refusals(refusals: list[tuple[SessionId, Refused]]) -> list[Outcome]:
    """Tell refusals, those of sequences that follow one another for the same reason in one."""
    merged: list[tuple[SessionId, Refused]] = []
    for session, refused in refusals:
        if merged and merged[-1][0] == session:
            before = merged[-1][1]
            same = (before.code, before.text, before.retry_ms) == (refused.code, refused.text, refused.retry_ms)
            if same and before.last + 1 == refused.first:
                merged[-1] = session, replace(before, last=refused.last)
                continue
        merged.append((session, refused))
    return [Tell((session,), refused) for session, refused in merged]
