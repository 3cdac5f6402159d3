"""A node: composes the engines, and says who hears what.

`tick` takes all that has happened and returns what the host must do, in order. Timers that are due come first, then the
events, then the node settles once: one append, one push for each new batch, one delivery for each group of readers.
The node never blocks, and never raises because of what a peer, a client or a disk did.

The path of a batch: a publish is gathered (`intake`) and sealed, or a peer's batch is verified (`journal`); it is
*received*, pushed or announced (`dissemination`), and appended; `Stored` makes it deliverable (`delivery`),
acknowledged (`receipts`) and part of what is compared (`repair`).
"""

from __future__ import annotations

from typing import assert_never

from mesh import effects as e
from mesh import frames as f
from mesh import operations as o
from mesh.certificates import Identity
from mesh.codes import Code
from mesh.composition import Composition
from mesh.config import NodeConfig
from mesh.crypto import Suite
from mesh.effects import Effect, Event, Outcome
from mesh.engines import delivery, dissemination, forks, links, receipts, repair, sessions
from mesh.engines.journal import Verdict
from mesh.errors import UsageError
from mesh.log.batch import Batch
from mesh.peers import Peer
from mesh.timers import Timers
from mesh.types import US_PER_MS, LinkId, LogId, Now, SessionId

EXPIRE = "node.expire"
RECOVER = "node.recover"
DRAIN = "node.drain"
STARTED_ONCE = "a node is started once, by its first event"
ROUTED_BEFORE = (f.Hello, f.Push, f.IHave, f.Stored)


class Node(Composition):
    """One node of a mesh: deterministic, without input or output of its own."""

    __slots__ = ("_ahead", "_drained", "_draining", "_effects", "_strip_before_ms", "_timers", "deadline_us")

    def __init__(self, config: NodeConfig, identity: Identity, suite: Suite) -> None:
        """Build a node that waits for `Started`."""
        super().__init__(config, identity, suite)
        self._timers = Timers()
        self.deadline_us: int | None = None
        """When the host must come back with `Wakeup`, if nothing happens before (monotonic µs), by the last tick."""
        self._effects: list[Effect] = []
        self._draining = self._drained = False
        self._strip_before_ms = 0
        self._ahead: set[bytes] = set()

    # --- the boundary ------------------------------------------------------------------------------------------------

    def tick(self, events: list[Event], now: Now) -> list[Effect]:
        """Take what has happened since the last tick; return what must be done, in order."""
        self.holdings.touched.clear()
        self.peers.touched.clear()
        self.guard.on_now(now)
        if self.started:
            self.delivery.expiry_ms = self.guard.expiry_ms  # before anything is told: it may have stood still for hours
            timers, mono_us = self._timers, now.mono_us
            if timers.soonest_us <= mono_us:
                for timer in timers.due(mono_us):  # of which the firing of one may move another
                    if timers.take(timer, mono_us):
                        self._run(self._on_timer(timer, now), now)
        elif events and type(events[0]) is not e.Started:
            raise UsageError(STARTED_ONCE)
        for event in events:
            if type(event) is e.FrameReceived:  # by far the most frequent
                outcomes = self._on_frame(event.link, event.frame, event.size, now)
            else:
                outcomes = self._on_event(event, now)
            if outcomes:
                self._run(outcomes, now)
        if self.started:
            self._settle(now)
            if self._timers.moved:
                self.deadline_us = self._timers.next_us()
        effects, self._effects = self._effects, []
        return effects

    # --- timers ------------------------------------------------------------------------------------------------------

    def _on_timer(self, timer: e.Timer, now: Now) -> list[Outcome]:
        key = timer.key
        match timer.kind:
            case dissemination.ANNOUNCE:  # the most frequent first, as for frames
                return self.dissemination.on_announce_timer()
            case dissemination.GRAFT:
                return self.dissemination.on_graft_timer(key[0], key[1], now)
            case links.ALIVE:
                return self.links.on_alive_timer(now)
            case links.GREETING:
                return self.links.on_greeting_timer(key[0], now)
            case links.DIAL:
                return self.book.on_timer(now)
            case repair.DUE:
                return self.repair.on_due_timer(key[0], now)
            case repair.STALL:
                return self.repair.on_stall_timer(key[0], now)
            case receipts.TELL:
                return self.receipts.tell_gathered()
            case receipts.AGAIN:
                return self.receipts.ask_again(now)
            case forks.TELL | forks.RESCUE:
                self._doors_touched = True
                return self.forks.on_timer(timer.kind, now)
            case sessions.ATTACH:
                self._doors_touched = True
                return self.sessions.on_attach_timer(key[0])
            case delivery.HOLE:
                return self.delivery.on_hole_timer(key[0], now)
            case delivery.COVERAGE:
                return self.delivery.on_coverage_timer()
            case "node.expire":
                self._doors_touched = True
                return self._expire(now)
            case "node.recover":
                return self.repair.compare_all(now)
            case "node.drain":
                return self._finish()
            case _:
                raise AssertionError(f"a timer that nobody knows: {timer}")

    # --- who hears what ----------------------------------------------------------------------------------------------

    def _run(self, outcomes: list[Outcome], now: Now) -> None:
        """Pass effects on to the host, and facts to whoever must hear them."""
        for outcome in outcomes:
            if type(outcome) is e.Send:  # by far the most frequent two: a pattern that fits costs several times as much
                self.links.on_sent(outcome.links, now)
                self._effects.append(outcome)
                continue
            if type(outcome) is e.SetTimer:
                self._timers.set(outcome)
                continue
            match outcome:
                case e.Tell() | e.Count() | e.Append() | e.Load() | e.Dial() | e.Hangup() | e.Report() | e.Drained():
                    self._effects.append(outcome)
                case e.Placed():
                    self.receipts.on_placed(outcome)
                case e.PeerUp(link):
                    self._run(self.roster.on_peer_up(link), now)
                    self._run(self.forks.on_peer_up(link, now), now)
                    self._run(self.repair.on_peer_up(link, now), now)
                    self._run(self.dissemination.on_peer_back(link, now), now)
                    self._run(self.receipts.on_peer_up(link), now)
                case e.PeerDown(link):
                    self.dissemination.on_peer_down(link)
                    self.serving.on_peer_down(link)
                    self.forks.on_peer_down(link)
                    self._run(self.repair.on_peer_down(link, now), now)
                    self.guard.keep(self.peers.linked)
                case e.PeerSilent(link):
                    self._run(self.repair.on_peer_silent(link, now), now)
                case e.PeerBack(link, anew):
                    self._run(self.repair.on_peer_back(link, now, anew=anew), now)
                    self._run(self.dissemination.on_peer_back(link, now), now)
                    self._run(self.receipts.tell_all(link), now)
                case e.CreditCame(link):
                    self._run(self.serving.on_credit(link, self.guard.wall_ms(now)), now)
                case e.Served(link):
                    self._run(self.repair.on_served(link), now)
                case e.ForkFound(log, end):
                    self._run(self.repair.on_fork(log, end, now), now)
                case e.Rescued(records):
                    self.intake.rescue(records)
                case e.RepairDue():
                    self._run(self.repair.compare_all(now), now)
                case _:
                    assert_never(outcome)

    def _on_event(self, event: Event, now: Now) -> list[Outcome]:
        if type(event) is e.Stored:  # by far the most frequent two
            return self._on_stored(event)
        if type(event) is e.Wakeup:
            return []
        self._doors_touched = True
        assert not isinstance(event, e.FrameReceived), "it was routed before"
        match event:
            case e.Requested(session, operation):
                return self._on_request(session, operation, now)
            case e.Loaded():
                return self._on_loaded(event, now)
            case e.StoreFailed():
                return self._on_store_failed(event, now)
            case e.DiskSpace(free_bytes):
                self.intake.on_space(free_bytes)
                return []
            case e.RowsCorrupt(ranges):
                return self._on_corrupt(ranges, now)
            case e.SessionOpened(session, client_at):
                return self.sessions.on_opened(session, client_at, now)
            case e.SessionClosed(session):
                return self._on_session_closed(session)
            case e.LinkUp():
                self.intake.rng.mix(event.binding)
                return self.links.on_link_up(event, now)
            case e.LinkDown(link):
                return self.links.on_link_down(link, now)
            case e.DialFailed(address):
                return self.book.on_failed(address, now)
            case e.LinkBroken(link, code, about):
                return self.links.on_broken(link, code, about, now)
            case e.AddressFound(node, address, source):
                return [] if node == self.identity.node else self.book.on_found(node, address, source, now)
            case e.Draining(until_us):
                return self._drain(until_us)
            case e.Started():
                if self.started:
                    raise UsageError(STARTED_ONCE)
                return self._start(event, now)
            case _:
                assert_never(event)

    def _on_frame(self, link: LinkId, frame: f.Frame, size: int, now: Now) -> list[Outcome]:
        known = self.links.links.get(link)
        if known is None:
            return []  # we have hung up; what was under way does not matter
        outcomes = self.links.on_frame(known, frame, size, now)
        if outcomes:
            if link not in self.links.links:  # it may not say this now, or has said too much
                return outcomes
            self._run(outcomes, now)
        if type(frame) is f.Hello:
            return self._on_hello(link, frame, now)
        peer = self.peers.by_link.get(link) or self.links.reading(link)
        assert peer is not None, "nothing but HELLO passes before it"
        if type(frame) is f.IHave:  # by far the most frequent three
            return self.dissemination.on_ihave(peer.link, frame, now)
        if type(frame) is f.Stored:
            has_ours = self.receipts.on_stored_there(peer.link, frame)
            return self.repair.on_peer_back(peer.link, now) if has_ours else []
        if type(frame) is f.Push:
            return self._on_push(link, frame.batch, now)
        return self._on_control(link, peer, frame, now)

    def _on_hello(self, link: LinkId, frame: f.Hello, now: Now) -> list[Outcome]:
        self._doors_touched = True
        outcomes = self.links.on_hello(link, frame, now)
        peer = self.links.reading(link) if link in self.links.links else None
        if peer is None:
            return outcomes
        self.guard.observe(peer.node, frame.wall_ms, now)
        return outcomes + self.roster.on_hello(link, frame.certificate, now.wall_ms)

    def _on_control(self, came_on: LinkId, peer: Peer, frame: f.Frame, now: Now) -> list[Outcome]:
        """Route a frame of a peer, which is answered on its own link and spoke on `came_on`."""
        link = peer.link
        assert not isinstance(frame, ROUTED_BEFORE), "these were routed before"
        match frame:
            case f.Graft() | f.Want():  # the most frequent first: each case that is passed over costs
                if link != came_on:  # whoever asked begins anew on the newer link, and asks there
                    return []
                return self.serving.ask(link, frame, self.guard.wall_ms(now))
            case f.Alive(wall_ms):
                self.guard.observe(peer.node, wall_ms, now)
                return []
            case f.Credit():
                return self.links.on_credit(came_on, frame)
            case f.Members(_, addresses):
                self._doors_touched = True
                outcomes = self.roster.on_members(link, frame, now.wall_ms)
                others = [told for told in addresses if told[0] != self.identity.node]
                return outcomes + self.book.on_told(others, peer.node, now)
            case f.NotFound():
                self._doors_touched = True
                self.dissemination.on_not_found(link, frame)
                return self.repair.on_not_found(link, frame, now)
            case f.Busy():
                self._doors_touched = True
                return self.repair.on_not_found(link, frame, now)
            case f.RepairHello():
                return [*self.receipts.tell_all(link), *self.repair.on_repair_hello(link, frame, now)]
            case f.RepairEqual():
                return self.repair.on_equal(link, frame, now)
            case f.Vector():
                return self.repair.on_vector(link, frame, now)
            case f.Forked():
                self._doors_touched = True
                outcomes = self.forks.on_forked(link, frame, now)
                fault = self.forks.fault
                return self.links.on_broken(came_on, Code.BATCH_INVALID, fault, now) if fault else outcomes
            case _:
                assert_never(frame)

    def _on_push(self, link: LinkId, batch: Batch, now: Now) -> list[Outcome]:
        """A peer's batch: taken, or its room is free again at once."""
        outcomes = self.links.on_batch(link, batch.size, now)
        peer = self.links.reading(link) if link in self.links.links else None
        if peer is None:
            return outcomes
        outcomes += self.repair.on_answer(peer.link, batch.log, batch.first, batch.last, now)
        expiry_ms = self.guard.stripped_ms(now) if batch.body is None else 0
        verdict = self.journal.on_push(link, batch, expiry_ms, now)
        if verdict is Verdict.TAKEN:
            outcomes += self._observe(batch, now)
            outcomes += self.dissemination.on_received(batch, peer.link, now)
            return outcomes + self.repair.on_received(batch.log, batch.first, batch.last, now)
        outcomes.append(e.Count(f"batches_refused_total/{verdict.value}"))
        outcomes += self.links.on_batch_done(link, batch.size)
        if verdict is Verdict.BLOCKED:
            self._doors_touched = True
            self.repair.on_blocked(batch.log, batch.first, batch.last)
        if verdict is Verdict.INVALID:
            outcomes += self.links.on_broken(link, Code.BATCH_INVALID, self.journal.fault, now)
        if verdict is Verdict.FORKED:
            self._doors_touched = True
            outcomes += self.forks.on_conflict(peer.link, batch, now)
        return outcomes

    def _observe(self, batch: Batch, now: Now) -> list[Outcome]:
        """Let our clock follow a stamp, unless that lies in the future: then say so, once for each node."""
        if self.clock.observe(batch.head.stamp, self.guard.wall_ms(now)) or batch.log.node in self._ahead:
            return []
        self._ahead.add(batch.log.node)
        return [e.Report(Code.STAMP_AHEAD, {"node": batch.log.node.hex()[:16]})]

    def _on_request(self, session: SessionId, operation: o.ClientOperation, now: Now) -> list[Outcome]:
        refusal = self.sessions.admit(session, operation)
        if refusal is not None:
            seat = self.sessions.sessions.get(session)
            if seat is not None and seat.attached and session not in self.intake.publishers:
                self.intake.on_attached(session, seat.client, seat.incarnation)
            return refusal
        assert not isinstance(operation, o.Attach), "it was answered"
        match operation:
            case o.Publish():
                return self.intake.publish(session, operation, now)
            case o.Subscribe():
                return self.delivery.subscribe(session, operation)
            case o.Unsubscribe(subscription):
                return self.delivery.unsubscribe(session, subscription)
            case o.CreditGrant():
                return self.delivery.on_credit(session, operation)
            case o.History():
                return self.histories.ask(session, operation, self.guard.expiry_ms)
            case o.Inspect(request):
                return [e.Tell((session,), o.Status(request, self._status(now)))]
            case _:
                assert_never(operation)

    def _on_session_closed(self, session: SessionId) -> list[Outcome]:
        self.intake.on_session_closed(session)
        self.receipts.on_session_closed(session)
        self.histories.on_session_closed(session)
        return [*self.sessions.on_closed(session), *self.delivery.on_session_closed(session)]

    # --- the disk ----------------------------------------------------------------------------------------------------

    def _on_stored(self, event: e.Stored) -> list[Outcome]:
        self.intake.on_space(event.free_bytes)
        outcomes: list[Outcome] = []
        for batch, link in self.journal.on_stored(event.append):
            self.delivery.on_stored(batch.log, batch.first, batch.last)
            self.receipts.on_stored_here(batch.log, batch.first, batch.last)
            if link is not None:
                outcomes += self.links.on_batch_done(link, batch.size)
        return outcomes

    def _on_store_failed(self, event: e.StoreFailed, now: Now) -> list[Outcome]:
        """An append failed: what it held was never here; publishers are told that the outcome is unknown."""
        self.intake.on_space(event.free_bytes)
        retry_ms = self.config.intake.disk_retry_ms
        until_us = now.mono_us + retry_ms * US_PER_MS
        entries = self.journal.on_failed(event.append, until_us)
        if not entries:
            return []
        self.repair.on_disk_blocked(until_us)
        outcomes = self.intake.on_append_failed(now)
        if self.intake.lost_rescued:
            outcomes += self.forks.on_append_failed(now)
        for batch, link in entries:
            gone = self.receipts.on_take_back(batch.log, batch.first, batch.last)
            outcomes += self._send_again(gone, "it was sealed, but could not be written here")
            self.repair.on_lost(batch.log, batch.first, batch.last)
            if link is not None:
                outcomes += self.links.on_batch_done(link, batch.size)
        code = Code.DISK_FULL if "full" in event.why.lower() else Code.APPEND_FAILED
        outcomes.append(e.Report(code, {"why": event.why, "free_bytes": event.free_bytes}))
        return [*outcomes, e.SetTimer(e.Timer(RECOVER), until_us + 1)]

    def _on_loaded(self, event: e.Loaded, now: Now) -> list[Outcome]:
        outcomes = self._on_corrupt(event.corrupt, now) if event.corrupt else []
        match event.request % 4:
            case 1:
                return outcomes + self.serving.on_loaded(event, self.guard.wall_ms(now))
            case 2:
                return outcomes + self.delivery.on_loaded(event, now)
            case 0 if event.request:
                return outcomes + self.forks.on_loaded(event, now)
            case 0:
                return outcomes + self._learn(event.batches)
            case _:
                return outcomes + self.histories.on_loaded(event, self.guard.expiry_ms)

    def _on_corrupt(self, ranges: tuple[tuple[LogId, int, int], ...], now: Now) -> list[Outcome]:
        """The disk found damaged rows and dropped them: they are not ours any more, and wanted again."""
        outcomes: list[Outcome] = []
        for log, first, last in ranges:
            self.holdings.lose(log, first, last)
            self.delivery.on_lost(log, first, last, now)
            self.histories.on_lost(log, first, last)
            self.repair.on_lost(log, first, last)
            gone = self.receipts.on_lost(log, first, last)
            outcomes += self._send_again(gone, "it may have stood in a row that was damaged")
            about = {"node": log.node.hex()[:16], "epoch": log.epoch, "first": first, "last": last}
            outcomes.append(e.Report(Code.ROWS_CORRUPT, about))
        outcomes += [outcome for log in sorted({log for log, _, _ in ranges}) for outcome in self._ask_names(log)]
        return [*outcomes, e.RepairDue()] if ranges else outcomes

    # --- settling ----------------------------------------------------------------------------------------------------

    def _settle(self, now: Now) -> None:
        """What a tick does once: seal, push, append; then tell what has become durable. Most ticks have none of it."""
        intake = self.intake
        if intake.gathered or self.journal.incoming or intake.rescued or self.roster.learnt or self._strip_before_ms:
            self._append(now)
        if self.receipts.risen.sets:  # without a call, as nearly always
            self._run(self.receipts.settle(now), now)
        if self.receipts.moved:
            self._run(self.receipts.tell_peers(now), now)
        delivery = self.delivery
        if delivery.fresh or delivery.late or delivery.hungry or delivery.to_cover:
            self._run(delivery.settle(now), now)
        if not self.guard.is_sure and self.guard.doubts_aloud(now):
            about = {"wall_ms": now.wall_ms, "stamped_by_ms": self.guard.wall_ms(now)}
            self._effects.append(e.Report(Code.CLOCK_DOUBTED, about))
        if self._draining and not self._drained and self.journal.idle and not self.intake.gathered:
            self._run(self._finish(), now)

    def _append(self, now: Now) -> None:
        """Seal what has gathered, and give the disk all that waits for it, if it has room for another append."""
        if not self.journal.has_room:
            return
        own: list[Batch] = []
        if self.intake.gathered or self.intake.rescued:
            self._doors_touched = True
            own, outcomes = self.intake.seal(now, self.guard.wall_ms(now))
            self._run(outcomes, now)
            self._run(self.dissemination.push(own, now), now)
        strip_before_ms, self._strip_before_ms = self._strip_before_ms, 0
        append = self.journal.append(own, self.roster.take_learnt(), strip_before_ms, tuple(self.holdings.vanishing))
        self.holdings.vanishing.clear()
        if append is not None:
            self._effects.append(append)

    def _expire(self, now: Now) -> list[Outcome]:
        """Drop from the disk what has been dead for longer than clocks may differ."""
        dead_ms = self.guard.dropped_ms(now)
        if dead_ms:
            self._strip_before_ms = dead_ms
            self.holdings.names.expire(dead_ms)
            current = self.intake.epoch.number if self.intake.epoch else -1
            gone = [log for log in self.holdings.dead(dead_ms) if log != (self.identity.node, current, log.space)]
            for log in gone:
                self.holdings.forget(log)
                self.delivery.on_forget(log)
                self.repair.on_forget(log)
            self.receipts.expire(gone)
            self.forks.expire(dead_ms)
        return [e.SetTimer(e.Timer(EXPIRE), now.mono_us + self.config.expire_every_ms * US_PER_MS)]

    # --- beginning and end -------------------------------------------------------------------------------------------

    def _start(self, event: e.Started, now: Now) -> list[Outcome]:
        self._compose(event, now)
        config, recovered = self.config, event.recovered
        outcomes: list[Outcome] = [e.SetTimer(e.Timer(EXPIRE), now.mono_us + config.expire_every_ms * US_PER_MS)]
        for log, first, last in recovered.corrupt:
            about = {"node": log.node.hex()[:16], "epoch": log.epoch, "first": first, "last": last}
            outcomes.append(e.Report(Code.ROWS_CORRUPT, about))
        for marks in recovered.logs:
            outcomes += self._ask_names(marks.log)
        for seed in config.seeds:
            outcomes += self.book.on_found(None, seed, "seed", now)
        return outcomes

    def _drain(self, until_us: int) -> list[Outcome]:
        """Take nothing new, finish what is under way, and end at the latest at `until_us`."""
        if self._draining:
            return []
        self._draining = self.intake.draining = True
        return [*self.sessions.drain(), *self.book.close(), e.SetTimer(e.Timer(DRAIN), until_us)]

    def _finish(self) -> list[Outcome]:
        if self._drained:
            return []
        self._drained = True
        return [*self.receipts.tell_gathered(), *self.sessions.dismiss(), *self.links.drain(), e.Drained()]
