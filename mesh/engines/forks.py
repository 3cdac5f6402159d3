"""Forks: a log of which its node signed two histories ends, for everybody, where they part.

Two batches that cannot both stand in one log are a proof (a cloned memory, or a hostile node); two headers and their
signatures are enough, so it travels alone. Who finds that a batch contradicts what is held reads the other one from the
disk and proves it; every node that learns of a proof verifies it, keeps it, and passes it on once. Of several proofs of
one log the one that lies first counts: so all nodes come to the same *end*. Nothing beyond it is taken any more, told,
compared or fetched (`holdings.forked`); what is stored beyond it stays where it is and is shown there, for it was
published, and perhaps acknowledged. Up to it the log is replicated like any other.

A proof may lie far behind the place where the histories part. Its finder asks the peer for what lies before, twice as far
back each time, as long as the names before the two batches differ.

Of a log of its own a node rescues what lies beyond the end, on its own disk and on its peers': it seals the same records
under the same names in its present log, where everybody takes them, and copies are known by their names. It does so only
while its disk takes publishes, and so many bytes at a time; after a failed append it begins anew.

Proofs are kept in memory, so many of each node's logs: both histories lie on disks, and whoever compares them finds the
proof again. Only where an end changes what this node tells of its log are the peers compared with anew.

Invariants, checked by `check`: every forked log has its proof, which says where it ends; all of it is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from mesh.codes import Code
from mesh.crypto import Suite
from mesh.effects import (
    Count,
    ForkFound,
    Load,
    Loaded,
    Outcome,
    Ranges,
    RepairDue,
    Report,
    Rescued,
    Send,
    SetTimer,
    Timer,
)
from mesh.frames import Forked, Want
from mesh.log.batch import POSITION_MAX, Batch, agreed, contradict, verify
from mesh.log.holdings import DEAD_LOG_MARGIN_MS, Holdings
from mesh.log.record import TTL_MS_MAX, Record
from mesh.peers import Peers
from mesh.types import US_PER_MS, LinkId, LogId, NodeId, Now

TELL = "forks.tell"
RESCUE = "forks.rescue"
RESCUE_MS = 250
"""How often it is looked whether there is room to go on rescuing."""
TELL_MS = 100
"""Proofs are told so often at most: of a log whose end moves again and again only the last is."""
TELL_MAX = 8
"""Of how many logs a link is told at a time."""
FORKS_MAX = 64
"""Logs of one node whose proof is kept, about 1 KB each: who signs for more of them takes no room of other nodes' logs. What it
forks beyond stays different where it was stored differently, as all forks would without proofs."""
ACCUSED_MAX = 64
"""Batches for which the other one is being read from the disk."""
LOAD_BYTES = 4 << 20
TAIL_BYTES = 1 << 18
"""What is read at a time of what has to be rescued."""
RESCUED_MAX = 65_536
REACH = 64
"""How many positions back the place where histories part is looked for at first."""
REACH_MAX = 65_536
REQUEST_STEP = 4
"""Reads of the node's own are numbered 0 modulo 4; 0 itself asks for names."""


@dataclass(slots=True)
class Forks:
    """Finds, keeps and passes on the proofs that logs have two histories."""

    mesh: bytes
    suite: Suite
    holdings: Holdings
    peers: Peers
    is_member: Callable[[NodeId], bool]
    own: NodeId
    room: Callable[[Now], int]
    """How many bytes of records may be rescued now; none while the disk takes no publishes."""
    proofs: dict[LogId, Forked] = field(default_factory=dict)
    untold: dict[LinkId, dict[LogId, None]] = field(default_factory=dict)
    """What each link has still to be told."""
    accused: dict[int, tuple[LinkId, Batch]] = field(default_factory=dict)
    """Batches that contradict something on the disk, by the read that looks for it, and who sent them."""
    across: dict[LogId, LinkId] = field(default_factory=dict)
    """Logs of which it has still to be looked whether a batch here lies on both sides of their end, and who told that."""
    reach: dict[LogId, int] = field(default_factory=dict)
    tails: dict[int, tuple[LogId, int]] = field(default_factory=dict)
    """Reads of what lies beyond the end of our own logs, and how far that goes."""
    unread: dict[LogId, int] = field(default_factory=dict)
    """From where on the tails of our own logs have still to be read ..."""
    unasked: dict[LogId, dict[LinkId, int]] = field(default_factory=dict)
    """... and peers have to be asked for theirs."""
    waiting: bool = False
    """The timer for rescuing is set."""
    rescued: dict[bytes, None] = field(default_factory=dict)
    """Batches of ours that were rescued, by name: every peer that is asked may have them."""
    forked: Counter[NodeId] = field(default_factory=Counter)
    """How many logs of each node have a proof."""
    learnt_ms: dict[LogId, int] = field(default_factory=dict)
    """When the first proof of a log was learnt, by our clock."""
    due: dict[LogId, None] = field(default_factory=dict)
    """Logs of which we tell less since they ended: it is time to compare once the proof was told."""
    telling: bool = False
    """The timer for telling is set."""
    next_request: int = REQUEST_STEP
    fault: str = ""
    """What was wrong with the last proof."""

    # --- finding -----------------------------------------------------------------------------------------------------

    def on_conflict(self, link: LinkId, batch: Batch, now: Now) -> list[Outcome]:
        """A batch that verifies cannot stand beside what is held: find what it contradicts."""
        if self.holdings.is_beyond(batch):
            return self._on_others(link, batch, now) if batch.log.node == self.own and self._holds(batch) else []
        if not self._has_room(batch.log):  # before anything is read
            return [Count("forks_dropped_total")]
        near = (self.holdings.at_hand(batch.log, batch.first), self.holdings.at_hand(batch.log, batch.last + 1))
        for held in (*near, *self.holdings.pending.values()):
            if held is not None and contradict(batch, held):
                return self._prove(link, batch, held, now)
        return self._read_beside(link, batch) if len(self.accused) < ACCUSED_MAX else []

    def _read_beside(self, link: LinkId, batch: Batch) -> list[Outcome]:
        """Read what is stored where a batch wants to stand, and on both sides of that."""
        request, self.next_request = self.next_request, self.next_request + REQUEST_STEP
        self.accused[request] = link, batch
        ranges = [(max(1, batch.first - 1), batch.last + 1)]
        lowest = next((first for first, _ in self.holdings.stored_of(batch.log)), ranges[0][0])
        if lowest < ranges[0][0]:  # of an epoch with two keys whatever is held may be the proof
            ranges.insert(0, (lowest, lowest))
        elif lowest > ranges[0][1]:
            ranges.append((lowest, lowest))
        return [Load(request, Ranges(batch.log, tuple(ranges)), LOAD_BYTES)]

    def on_loaded(self, loaded: Loaded, now: Now) -> list[Outcome]:
        """The disk gave what lies where a batch wanted to stand, or beyond the end of a log of ours."""
        if loaded.request in self.tails:
            return self._on_tail(loaded, now)
        link, batch = self.accused.pop(loaded.request)
        held = next((each for each in loaded.batches if contradict(batch, each)), None)
        outcomes = self._prove(link, batch, held, now) if held is not None else []
        return [*outcomes, *self._look_across(now)]

    def _look_across(self, now: Now) -> list[Outcome]:
        """Where a batch here lies on both sides of an end, it makes a lower one, with what proved the first.

        Nobody else takes it, for it reaches beyond the end: what its holder told of it would differ for ever.
        """
        outcomes: list[Outcome] = []
        while self.across and len(self.accused) < ACCUSED_MAX:
            log, link = self.across.popitem()
            proof, end = self.proofs[log], self.holdings.forked[log]
            lowest = min(proof.one, proof.other, key=lambda each: each.first)
            held = next((each for each in self.holdings.pending.values() if contradict(lowest, each)), None)
            if held is not None and agreed(lowest, held) < end:
                outcomes += self._prove(link, lowest, held, now)
            elif self.holdings.stored_of(log).covers(end, end + 1) and not self.holdings.at_hand(log, end + 1):
                outcomes += self._read_beside(link, lowest)
        return outcomes

    def _prove(self, link: LinkId, batch: Batch, held: Batch, now: Now) -> list[Outcome]:
        one, other = sorted((batch, held), key=lambda each: (each.first, each.name))
        outcomes = self._learn(None, Forked(one.stripped(), other.stripped()), now)
        if outcomes and held.first > batch.first:  # else none of ours lies across the place before it
            self.across[batch.log] = link
            outcomes += self._look_across(now)
        end = self.holdings.forked.get(batch.log, 0)
        if not outcomes or not end or (one.first == other.first and one.head.previous == other.head.previous):
            return outcomes
        reach = self.reach[batch.log] = min(2 * self.reach.get(batch.log, REACH // 2), REACH_MAX)
        return [*outcomes, Send((link,), Want(((batch.log, max(1, end - reach + 1), end),)))]

    # --- passing on --------------------------------------------------------------------------------------------------

    def on_forked(self, link: LinkId, frame: Forked, now: Now) -> list[Outcome]:
        """A peer tells a proof: it goes on to the others if it is new and holds. `fault` says why it does not."""
        self.fault = ""
        one, other = frame.one, frame.other
        if not contradict(one, other):
            self.fault = "two batches that contradict nothing"
            return []
        if self._is_known(frame) or not self.is_member(one.log.node):
            if self.holdings.forked.get(one.log) == agreed(one, other):  # who tells it needs not be told
                self._told(link, one.log)
            return []
        if not self._has_room(one.log):  # before two keys and two signatures are looked at
            return [Count("forks_dropped_total")]
        self.fault = verify(one, self.mesh, self.suite, {}) or verify(other, self.mesh, self.suite, {})
        if self.fault:
            return []
        self.across[one.log] = link
        return [*self._learn(link, frame, now), *self._look_across(now)]

    def _is_known(self, proof: Forked) -> bool:
        log = proof.one.log
        end = self.holdings.forked.get(log)
        stamp = max(proof.one.head.stamp, proof.other.head.stamp)
        return self.holdings.is_gone(log, stamp) or (end is not None and end <= agreed(proof.one, proof.other))

    def _has_room(self, log: LogId) -> bool:
        return log in self.proofs or self.forked[log.node] < FORKS_MAX

    def _told(self, link: LinkId, log: LogId) -> None:
        """A link knows the proof of a log, or need not know it any more."""
        logs = self.untold.get(link, {})
        logs.pop(log, None)
        if not logs:
            self.untold.pop(link, None)

    def _learn(self, sender: LinkId | None, proof: Forked, now: Now) -> list[Outcome]:
        log, end = proof.one.log, agreed(proof.one, proof.other)
        if self._is_known(proof):
            return []
        if not self._has_room(log):
            return [Count("forks_dropped_total")]
        is_new = log not in self.proofs
        if is_new:
            self.forked[log.node] += 1
            self.learnt_ms[log] = now.wall_ms
        self.proofs[log] = proof
        self.holdings.fork(log, end)
        if log in self.holdings.stored and self.holdings.stored_of(log).last >= end:
            self.due[log] = None
        if sender is not None:
            self._told(sender, log)
        for other in self.peers.links():
            if other != sender:
                self.untold.setdefault(other, {})[log] = None
        outcomes: list[Outcome] = [ForkFound(log, end), *self._tell_soon(now)]
        if log.node == self.own:
            outcomes += self._rescue_all((log,), tuple(self.peers.links()), now)
        if is_new:
            about = {"node": log.node.hex()[:16], "epoch": log.epoch, "position": end + 1}
            outcomes.append(Report(Code.LOG_FORKED, about))
        return outcomes

    def _tell_soon(self, now: Now) -> list[Outcome]:
        if self.telling or not (self.untold or self.due):
            return []
        self.telling = True
        return [SetTimer(Timer(TELL), now.mono_us + TELL_MS * US_PER_MS)]

    def on_peer_up(self, link: LinkId, now: Now) -> list[Outcome]:
        """A link stands: tell it all proofs, and ask for what it has beyond the ends of our own logs."""
        if not self.proofs:
            return []
        self.untold[link] = dict.fromkeys(sorted(self.proofs))
        return [*self._tell_soon(now), *self._rescue_all((), (link,), now)]

    def on_peer_down(self, link: LinkId) -> None:
        """A link is gone."""
        self.untold.pop(link, None)
        for links in self.unasked.values():
            links.pop(link, None)

    def on_timer(self, kind: str, now: Now) -> list[Outcome]:
        """It is time to tell, or to go on rescuing."""
        if kind == TELL:
            return self.on_tell_timer(now)
        self.waiting = False
        return self._go_on(now)

    def on_tell_timer(self, now: Now) -> list[Outcome]:
        """Tell every link some of what it has not been told; then it is time to compare what we tell less of now."""
        self.telling = False
        outcomes: list[Outcome] = []
        for link, logs in list(self.untold.items()):
            for log in list(logs)[:TELL_MAX]:
                del logs[log]
                outcomes.append(Send((link,), self.proofs[log]))
            if not logs:
                del self.untold[link]
        told = [log for log in self.due if not any(log in logs for logs in self.untold.values())]
        for log in told:
            del self.due[log]
        return [*outcomes, *([RepairDue()] if told else []), *self._tell_soon(now)]

    # --- rescuing ----------------------------------------------------------------------------------------------------

    def _rescue_all(self, anew: tuple[LogId, ...], links: tuple[LinkId, ...], now: Now) -> list[Outcome]:
        """Rescue what lies beyond the ends of our own logs: of these what is here, and of all what these links have.

        Logs are asked for at those links alone that were not asked for them, where they were forked before.
        """
        for log in anew or [log for log in sorted(self.proofs) if log.node == self.own]:
            first = self.holdings.forked[log] + 1
            if log in anew:
                self.unread[log] = first
            if links:
                self.unasked.setdefault(log, {}).update(dict.fromkeys(links, first))
        return self._go_on(now)

    def on_append_failed(self, now: Now) -> list[Outcome]:
        """Something that was rescued is in no log now: begin anew, when the disk takes something again."""
        self.rescued.clear()
        own = tuple(log for log in sorted(self.proofs) if log.node == self.own)
        return self._rescue_all(own, tuple(self.peers.links()), now)

    def _go_on(self, now: Now) -> list[Outcome]:
        """Ask and read what is still to be rescued, if there is room for it; else look again in a moment."""
        if not self.unread and not any(self.unasked.values()):
            return []
        if self.room(now) <= 0:
            if self.waiting:
                return []
            self.waiting = True
            return [SetTimer(Timer(RESCUE), now.mono_us + RESCUE_MS * US_PER_MS)]
        outcomes: list[Outcome] = []
        for log, links in self.unasked.items():
            for first in sorted(set(links.values())):
                asked = tuple(link for link, position in links.items() if position == first)
                outcomes.append(Send(asked, Want(((log, first, POSITION_MAX - 1),))))
        self.unasked.clear()
        while self.unread and not self.tails:
            log = next(iter(self.unread))
            first, last = self.unread.pop(log), self.holdings.stored_of(log).last
            if first <= last:  # it is not lost or gone meanwhile
                request, self.next_request = self.next_request, self.next_request + REQUEST_STEP
                self.tails[request] = log, last
                outcomes.append(Load(request, Ranges(log, ((first, last),)), TAIL_BYTES))
        return outcomes

    def _on_tail(self, loaded: Loaded, now: Now) -> list[Outcome]:
        log, last = self.tails.pop(loaded.request)
        outcomes: list[Outcome] = []
        room = self.room(now)
        for batch in loaded.batches:
            records = self._to_rescue(batch)
            if records and room <= 0:
                self.unread.setdefault(log, batch.first)
                break
            room -= sum(len(record.raw) for record in records)
            outcomes += self._rescue(batch, records)
        else:
            if not loaded.complete and loaded.batches and loaded.batches[-1].last < last:
                self.unread.setdefault(log, loaded.batches[-1].last + 1)
        return [*outcomes, *self._go_on(now)]

    def _on_others(self, link: LinkId, batch: Batch, now: Now) -> list[Outcome]:
        """A peer shows a batch of ours beyond the end of its log: rescue it now, or ask for it again when there is room."""
        records = self._to_rescue(batch)
        if records and self.room(now) <= 0:
            links = self.unasked.setdefault(batch.log, {})
            links[link] = min(links.get(link, batch.first), batch.first)
            return self._go_on(now)
        return self._rescue(batch, records)

    def _holds(self, batch: Batch) -> bool:
        return not verify(batch, self.mesh, self.suite, {})

    def _to_rescue(self, batch: Batch) -> list[Record]:
        """The messages of a batch that stand nowhere else where others can have them."""
        if batch.name in self.rescued:
            return []
        return [record for record in batch.records() if not self._stands_elsewhere(record, batch.log)]

    def _stands_elsewhere(self, record: Record, log: LogId) -> bool:
        runs = self.holdings.names.copies_elsewhere(*record.name, log)
        return any(
            run.place_at_most(record.sequence) <= self.holdings.forked.get(run.log, POSITION_MAX) for run in runs
        )

    def _rescue(self, batch: Batch, records: list[Record]) -> list[Outcome]:
        """Have these messages of a batch sealed anew."""
        self.rescued[batch.name] = None
        while len(self.rescued) > RESCUED_MAX:
            del self.rescued[next(iter(self.rescued))]
        return [Rescued(tuple(records))] if records else []

    # --- forgetting --------------------------------------------------------------------------------------------------

    def expire(self, dead_ms: int) -> None:
        """Forget the proofs of logs that are gone, once nothing that they forbid can live.

        A stamp may be a lie: what nobody has brought for as long as a message may live at most is proved again if it comes.
        """
        for log, proof in list(self.proofs.items()):
            expires_ms = max(proof.one.head.expires_ms, proof.other.head.expires_ms)
            expires_ms = min(expires_ms, self.learnt_ms[log] + TTL_MS_MAX)
            if log not in self.holdings.received and expires_ms + DEAD_LOG_MARGIN_MS <= dead_ms:
                del self.proofs[log], self.holdings.forked[log], self.learnt_ms[log]
                self.forked[log.node] -= 1
                if not self.forked[log.node]:
                    del self.forked[log.node]
                self.reach.pop(log, None)
                for waits in (self.due, self.unread, self.unasked, self.across):
                    waits.pop(log, None)
                for link in list(self.untold):
                    self._told(link, log)

    def check(self) -> None:
        """Assert that all is bounded."""
        assert len(self.proofs) == len(self.holdings.forked) == len(self.learnt_ms)
        assert max(self.forked.values(), default=0) <= FORKS_MAX
        assert len(self.accused) <= ACCUSED_MAX
        assert len(self.tails) <= 1

    def check_all(self) -> None:
        """Assert that every forked log has a proof that says where it ends."""
        assert {log: agreed(p.one, p.other) for log, p in self.proofs.items()} == self.holdings.forked
        assert all(log in self.proofs for logs in self.untold.values() for log in logs)
        assert self.forked == Counter(log.node for log in self.proofs)
        assert (
            self.reach.keys() | self.across.keys() | self.due.keys() | self.unread.keys() | self.unasked.keys()
            <= self.proofs.keys()
        )
        assert all(self.untold.values())
