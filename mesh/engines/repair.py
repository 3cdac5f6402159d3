"""Repair: two nodes find out what the other has and fetch what they miss.

A session asks a peer whether both have *stored* the same (8 bytes). If not, the peer sends its version vector, only
the logs that changed since it last did on this link, and asks for ours; so each keeps, for every link, a picture of
what the other end has. Whoever has none yet, or lost it while a newer link stood in for this one, begins with session 1,
and is told everything; so is who was told of the last change and still differs. What a peer has, and we have not
received nor asked of another, we want: oldest first within a log, the log with the newest stamp first. An aborted
session leaves intervals, and the next needs less; what was asked in it may be under way still, and is asked of the same
peer again once the last page of its vector has come, which travels behind (`mesh.partner`).

A peer may claim what it has not, or keep what it has. So a session goes on for as long as what was asked of a peer comes
from *that peer*, and not for ever; one that stalls is given up, and then the peer is asked only for what no other has
whose session did not; and once a few have, and time for the slowest link has passed, its claims hold up no delivery.

When: a link comes up, speaks again, has credit again; something announced did not come; rows were lost; and by the
clock, ±50 %, more rarely while nothing differs (Demers et al., *Epidemic Algorithms*, 1987).

Names are compared where both hold a run to the same end: of another name there the batch is fetched, which proves a fork.
Of a log that is known to have two histories only what they agree on is told, compared and fetched.

Invariants, checked by `check`: a position is asked of at most one peer at a time; sessions are bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mesh.clocks.vector import IntervalSet
from mesh.codes import Code
from mesh.effects import Count, Outcome, Report, Send, SetTimer, Timer
from mesh.errors import require
from mesh.frames import Busy, Lane, LogState, NotFound, RepairEqual, RepairHello, Vector, Want
from mesh.log.batch import BATCH_BYTES_MAX, POSITION_MAX
from mesh.log.holdings import Holdings
from mesh.log.log import UNKNOWN_NAME
from mesh.partner import Partner
from mesh.peers import Peer, Peers
from mesh.rng import Rng
from mesh.types import US_PER_MS, LinkId, LogId, Now

DUE = "repair.due"
STALL = "repair.stall"
PAGE_LOGS = 1_024
PAGE_RUNS = 2_048


@dataclass(frozen=True, slots=True)
class RepairConfig:
    """Anti-entropy: when, with whom, how much at a time."""

    near_ms: int = 5_000
    """Compare with a peer of the region so often, ± half; grows by half while nothing differs (protocol.md, 8) ..."""
    near_max_ms: int = 60_000
    """... up to this."""
    far_ms: int = 20_000
    far_max_ms: int = 300_000
    stall_ms: int = 5_000
    """A session in which nothing that was asked for comes for so long is given up; the next one needs less."""
    session_max_ms: int = 600_000
    """And one that goes on for so long: who gives a little now and then must not keep us from asking others. Guess: what
    is asked for at a time crosses within it, and who is slower still sends some of it twice."""
    slow_ms: int = 150_000
    """Whoever sends nothing for less may have a batch on its way: the largest takes 141 s over 64 kbit/s."""
    fresh_ms: int = 1_000
    """What is wanted and younger goes in the live lane: it was pushed or announced on a link that is not there any more."""
    want_bytes: int = 1 << 18
    """What is read from the disk for a peer at a time."""
    ranges_waiting_max: int = 65_536
    """Ranges that one peer has asked for and not got yet; beyond, `Busy`."""
    busy_retry_ms: int = 1_000
    want_positions_max: int = 65_536
    """Positions asked of one peer at a time, so that several share the work."""
    incomplete_alarm: int = 3

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(0 < self.near_ms <= self.near_max_ms and 0 < self.far_ms <= self.far_max_ms, "intervals must rise")
        require(self.ranges_waiting_max >= 1 and self.stall_ms > 0 and self.busy_retry_ms > 0, "limits are positive")
        require(self.stall_ms <= self.session_max_ms, "stall_ms <= session_max_ms must hold")
        require(self.want_positions_max >= 1 and self.incomplete_alarm >= 1, "limits are positive")
        require(self.fresh_ms > 0 and self.slow_ms > 0, "limits are positive")
        require(self.want_bytes >= BATCH_BYTES_MAX, "want_bytes must hold a batch")


@dataclass(slots=True)
class Repair:
    """Sessions with every linked peer."""

    config: RepairConfig
    holdings: Holdings
    peers: Peers
    rng: Rng
    everyone_speaks: Callable[[], bool] = lambda: False
    """Whether every member of the mesh can be reached."""
    behind: Callable[[LinkId], list[Outcome] | None] = lambda _link: None
    """Has `Served` told when all that a link asked for has left; None if nothing of it can be under way."""
    partners: dict[LinkId, Partner] = field(default_factory=dict)
    seeks: bool = False
    """Some partner may have what we miss, or owe us an answer: while none does, a batch that comes looks at none of them."""
    blocked_until_us: int = 0

    # --- when --------------------------------------------------------------------------------------------------------

    def on_peer_up(self, link: LinkId, now: Now) -> list[Outcome]:
        """A link stands: compare at once."""
        peer = self.peers.get(link)
        if peer is None:
            return []
        self.partners[link] = Partner(self._least_ms(peer))
        return self.compare(link, now)

    def _least_ms(self, peer: Peer) -> int:
        return self.config.near_ms if peer.near else self.config.far_ms

    def on_peer_down(self, link: LinkId, now: Now) -> list[Outcome]:
        """A link is gone: what was asked of it is asked of others."""
        return [] if self.partners.pop(link, None) is None else self._turn_to_others(link, now)

    def _turn_to_others(self, link: LinkId, now: Now) -> list[Outcome]:
        timers: list[Outcome] = [SetTimer(Timer(DUE, (link,)), None), SetTimer(Timer(STALL, (link,)), None)]
        return timers + [outcome for other in self.partners for outcome in self._want(other, now)]

    def on_peer_silent(self, link: LinkId, now: Now) -> list[Outcome]:
        """A peer says nothing any more: its session is over until it is back, and others are asked."""
        partner = self.partners.get(link)
        if partner is None:
            return []
        partner.active, partner.given_up = False, True
        partner.doubt()
        return self._turn_to_others(link, now)

    def _speaks(self, link: LinkId) -> bool:
        peer = self.peers.get(link)
        return peer is not None and not peer.silent

    def compare(self, link: LinkId, now: Now) -> list[Outcome]:
        """Begin a session with a peer, or let the one under way go on; one that is silent is left alone until it is back."""
        partner = self.partners.get(link)
        if partner is None or not self._speaks(link) or now.mono_us < self.blocked_until_us:
            return []
        if partner.active:
            return self._want(link, now)
        partner.begin(now)
        return [
            Send((link,), RepairHello(partner.session, self.holdings.digest)),
            Count("repair_sessions_total"),
            self._stalls(link, now),
        ]

    def _stalls(self, link: LinkId, now: Now) -> SetTimer:
        return SetTimer(Timer(STALL, (link,)), now.mono_us + self.config.stall_ms * US_PER_MS)

    def on_peer_back(self, link: LinkId, now: Now, *, anew: bool = False) -> list[Outcome]:
        """A peer may have missed something until now: compare, and again if a session that began before is under way.

        Where answers to that session may be lost (`anew`), it is over, and what was asked in it is asked again.
        """
        partner = self.partners.get(link)
        if partner is not None:
            if anew:
                partner.active = False
            partner.again = partner.active
        return self.compare(link, now)

    def compare_all(self, now: Now) -> list[Outcome]:
        """Something is missing and nobody sends it: compare with everyone."""
        return [outcome for link in list(self.partners) for outcome in self.compare(link, now)]

    def on_due_timer(self, link: LinkId, now: Now) -> list[Outcome]:
        """The clock says that it is time to compare."""
        return self.compare(link, now)

    def _finish(self, link: LinkId, partner: Partner, now: Now, *, differed: bool) -> list[Outcome]:
        """A session is over: plan the next, sooner if it found something, and soon if it came to nothing."""
        peer = self.peers.get(link)
        assert peer is not None
        least_ms = self._least_ms(peer)
        most_ms = self.config.near_max_ms if peer.near else self.config.far_max_ms
        partner.interval_ms = least_ms if differed else min(partner.interval_ms * 3 // 2, most_ms)
        interval_ms = partner.interval_ms
        if partner.incomplete:  # something is missing that it has: the clock's leisure is for those who miss nothing
            interval_ms = min(interval_ms, self.config.stall_ms)
        wait_us = self.rng.between(interval_ms // 2, interval_ms * 3 // 2) * US_PER_MS
        if partner.again or partner.is_untold:
            wait_us = 0
        partner.active = partner.again = False
        return [SetTimer(Timer(STALL, (link,)), None), SetTimer(Timer(DUE, (link,)), now.mono_us + wait_us)]

    def on_stall_timer(self, link: LinkId, now: Now) -> list[Outcome]:
        """A session made no progress, or for too long: let others be asked, and say so if it goes on without progress.

        It has not stalled if nothing is asked of the peer because all that it has is to come from others. Of one that says
        nothing, and has nothing that is missing, no person is told here: whether it lives is for its link to find.
        """
        partner = self.partners.get(link)
        if partner is None or not partner.active:
            return []
        owes_nothing = partner.heard == partner.session and not partner.owes_anything
        if owes_nothing and not any(self._free(partner, log) for log in partner.missing.logs()):
            return [self._stalls(link, now)]
        if partner.moved_us > now.mono_us - self.config.stall_ms * US_PER_MS:  # it gives, but has for too long
            partner.again = True
        else:
            partner.fail(now)
        partner.given_up = True
        partner.doubt()
        outcomes = self._finish(link, partner, now, differed=True)
        outcomes.append(Count("repair_incomplete_total"))
        if partner.missing and partner.incomplete and partner.incomplete % self.config.incomplete_alarm == 0:
            peer = self.peers.get(link)
            assert peer is not None
            about = {"peer": peer.node.hex()[:16], "missing": partner.missing.count}
            outcomes.append(Report(Code.REPAIR_STALLED, about))
        for other in self.partners:
            if other != link:
                outcomes += self._want(other, now)
        return outcomes

    # --- what --------------------------------------------------------------------------------------------------------

    def on_repair_hello(self, link: LinkId, frame: RepairHello, now: Now) -> list[Outcome]:
        """A peer asks whether both have the same: say so, or say what we have and ask for its vector.

        One that begins anew knows nothing of us any more, and what it answered on another link has gone with that: so do we.
        """
        partner = self.partners.get(link)
        if partner is None:
            return []
        outcomes: list[Outcome] = []
        if frame.session == 1:
            partner.told_revision = 0
            outcomes = self.on_peer_back(link, now, anew=True) if partner.has_begun else []
            partner.has_begun = True
        if frame.digest == self.holdings.digest:
            return [*outcomes, Send((link,), RepairEqual(frame.session))]
        if partner.told_revision == self.holdings.revision or partner.asked_with == frame.digest:
            partner.told_revision = 0  # it was told all, or nothing has changed there since: it may not have heard
        partner.asked_with = frame.digest
        return outcomes + self._tell_vector(link, partner, frame.session, answer=True)

    def on_served(self, link: LinkId) -> list[Outcome]:
        """All that a peer has asked for has left: if it waits for the last page of our vector, that follows."""
        partner = self.partners.get(link)
        if partner is None or not partner.due:
            return []
        session, partner.due = partner.due, 0
        return [Send((link,), Vector(session, (), answer=True), Lane.BACKFILL)]

    def _tell_vector(self, link: LinkId, partner: Partner, session: int, *, answer: bool) -> list[Outcome]:
        """Send the logs that changed since we last did on this link, in pages, behind what is new and was pushed.

        If the peer waits for older batches, a last page without logs follows those, so that it knows what does not come.
        """
        states = [self._state_of(log) for log in self.holdings.changed_since(partner.told_revision)]
        partner.told_revision = self.holdings.revision
        pages: list[list[LogState]] = [[]]
        runs = 0
        for state in states:
            if len(pages[-1]) >= PAGE_LOGS or (pages[-1] and runs + len(state.runs) > PAGE_RUNS):
                pages.append([])
                runs = 0
            pages[-1].append(state)
            runs += len(state.runs)
        last = len(pages) - 1
        served = self.behind(link) if answer else None
        if served is not None:
            partner.due = session
        sends: list[Outcome] = [
            Send((link,), Vector(session, tuple(page), i < last or served is not None, answer and i == last), Lane.LIVE)
            for i, page in enumerate(pages)
        ]
        return sends + (served or [])

    def _state_of(self, log: LogId) -> LogState:
        held = self.holdings.stored.get(log)
        runs = self.holdings.told(log)[:PAGE_RUNS]  # what lies beyond is told once the first holes have filled
        stamp = 0 if held is None else held.stamp
        return LogState(log, stamp, tuple((run.first, run.last, run.head) for run in runs))

    def on_equal(self, link: LinkId, frame: RepairEqual, now: Now) -> list[Outcome]:
        """Both have stored the same: what it said to have besides, it has not, unless we lost it meanwhile."""
        partner = self.partners.get(link)
        if partner is None or not partner.active or frame.session != partner.session:
            return []
        if partner.lost_since < partner.session:
            partner.unclaim()
        partner.complete(equal=True)
        return self._finish(link, partner, now, differed=False)

    def on_vector(self, link: LinkId, frame: Vector, now: Now) -> list[Outcome]:
        """A page of what a peer has: want what we miss, and answer with ours if it asks."""
        partner = self.partners.get(link)
        if partner is None:
            return []
        self.peers.touched.add(link)
        self.seeks = True
        partner.measure()
        known = self.holdings.received
        outcomes: list[Outcome] = []
        for state in frame.logs:
            if self.holdings.is_gone(state.log, state.stamp) or partner.refuses(state.log, state.runs, known):
                continue
            self.holdings.gone.pop(state.log, None)
            theirs = IntervalSet((first, last) for first, last, _ in state.runs)
            end = self.holdings.forked.get(state.log)
            if end is not None:
                theirs.remove(end + 1, POSITION_MAX)
            partner.learn(state.log, state.stamp, theirs, self.holdings.received_of(state.log))
            outcomes += self._compare_names(link, partner, state)
        if frame.answer:
            outcomes += self._tell_vector(link, partner, frame.session, answer=False)
        is_answer = frame.answer and frame.session == partner.session
        if is_answer and not frame.more:
            partner.on_answered()
        has_stalled = partner.moved_us <= now.mono_us - self.config.slow_ms * US_PER_MS
        if not frame.more and (is_answer or has_stalled):
            partner.trust()
        if not frame.more:
            partner.undeny(self.holdings.received_of)
        if not frame.more or frame.answer:
            outcomes += self._want(link, now)
        if not frame.more and partner.active and not partner.missing:
            partner.complete()
            outcomes += self._finish(link, partner, now, differed=True)
        return outcomes

    def _compare_names(self, link: LinkId, partner: Partner, state: LogState) -> list[Outcome]:
        """Another name at the end of a run that both hold may be a second history: have the batch shown that proves it.

        A peer's word proves nothing: a member that lies could stop any log. It is asked once for each log.
        """
        held = self.holdings.stored.get(state.log)
        if held is None or state.log in self.holdings.forked or state.log in partner.doubted:
            return []
        ours = {run.last: run.head for run in held.runs}
        for _, last, head in state.runs:
            known = ours.get(last, UNKNOWN_NAME)
            if UNKNOWN_NAME not in (known, head) and known != head:
                partner.doubted.add(state.log)
                return [Send((link,), Want(((state.log, last, last),)))]
        return []

    # --- fetching ----------------------------------------------------------------------------------------------------

    def _want(self, link: LinkId, now: Now) -> list[Outcome]:
        """Ask a peer for what it has, we miss, and nobody was asked for, as far as its share goes."""
        partner = self.partners[link]
        if not partner.missing or not self._speaks(link) or now.mono_us < self.blocked_until_us:
            return []
        asked, logs = partner.under_way
        room = self.config.want_positions_max - asked
        if asked and (room < self.config.want_positions_max // 2 or logs > PAGE_LOGS // 2):
            return []
        ranges: list[tuple[LogId, int, int]] = []
        newest_first = sorted(partner.missing.sets, key=lambda log: (-partner.stamps[log], log))
        for log, first, last in ((one, *run) for one in newest_first for run in self._free(partner, one)):
            if room <= 0 or len(ranges) >= PAGE_LOGS:
                break
            end = min(last, first + room - 1)
            ranges.append((log, first, end))
            partner.ask(log, first, end)
            self.peers.touched.add(link)
            room -= end - first + 1
        if not ranges:
            return []
        want: list[Outcome] = [Send((link,), Want(tuple(ranges)))]
        if asked and partner.active:  # who is asked for more has given nothing by that
            return want
        partner.moved_us = now.mono_us
        if not partner.active:  # a vector came unasked, in a session of the peer's
            partner.active, partner.began_us = True, now.mono_us
            if partner.session:  # the first is one that a RepairHello has begun
                partner.session += 1
                partner.heard = partner.session
        return [*want, self._stalls(link, now)]

    def _free(self, partner: Partner, log: LogId) -> IntervalSet:
        """What of a log a peer may be asked for: what nobody was asked for, nor, if its session stalled, another has."""
        free = partner.missing.get(log).minus(partner.doubtful.get(log))
        for link, other in self.partners.items():
            free = free.minus(other.comes(log))
            if partner.incomplete and not other.incomplete and self._speaks(link):
                free = free.minus(other.missing.get(log))
        return free

    def on_answer(self, link: LinkId, log: LogId, first: int, last: int, now: Now) -> list[Outcome]:
        """A batch came on a link: if it was asked for there, that session goes on, whoever else sent it meanwhile."""
        partner = self.partners.get(link) if self.seeks else None
        if partner is None or not partner.owes.get(log).touches(first, last):
            return []
        partner.owes.remove(log, first, last)
        partner.moved_us, partner.incomplete = now.mono_us, 0
        is_long = partner.began_us <= now.mono_us - self.config.session_max_ms * US_PER_MS
        return [self._stalls(link, now)] if partner.active and not is_long else []

    def on_received(self, log: LogId, first: int, last: int, now: Now) -> list[Outcome]:
        """A batch came, from wherever: nobody needs to be asked for it."""
        outcomes: list[Outcome] = []
        self.seeks = self.seeks and any(partner.missing or partner.owes for partner in self.partners.values())
        for link, partner in self.partners.items() if self.seeks else ():
            if not partner.missing.get(log).touches(first, last):
                continue
            self.peers.touched.add(link)
            partner.came(log, first, last)
            if partner.active and not partner.missing:
                partner.incomplete = 0
                outcomes += self._finish(link, partner, now, differed=True)
            elif partner.active:
                outcomes += self._want(link, now)
        return outcomes

    def on_not_found(self, link: LinkId, frame: NotFound | Busy, now: Now) -> list[Outcome]:
        """A peer cannot give what it was asked for: ask others, and believe its last vector no longer on this."""
        partner = self.partners.get(link)
        if partner is None:
            return []
        for log, first, last in frame.ranges:
            partner.answered(log, first, last)
            partner.owes.remove(log, first, last)
            if isinstance(frame, NotFound):
                partner.deny(log, first, last)
        outcomes: list[Outcome] = []
        if isinstance(frame, Busy):
            return outcomes  # the stall timer asks again
        for other in self.partners:
            outcomes += self._want(other, now)
        if partner.active and not partner.missing:
            outcomes += self._finish(link, partner, now, differed=True)
        return outcomes

    def on_blocked(self, log: LogId, first: int, last: int) -> None:
        """A batch came while the disk took nothing: it is still missing, and has to be asked for again.

        A session under way knows of no more than was there when it began, so another follows it at once.
        """
        for partner in self.partners.values():
            partner.again |= partner.active
            partner.answered(log, first, last)

    def on_disk_blocked(self, until_us: int) -> None:
        """The disk takes nothing before that time: whatever came would be refused, so nothing is asked for."""
        self.blocked_until_us = until_us

    def on_lost(self, log: LogId, first: int, last: int) -> None:
        """We no longer have a range that we had: peers that have it are missing it to us again."""
        self.seeks = True
        for partner in self.partners.values():
            partner.lost_since = partner.session
            for lo, hi in partner.theirs.get(log).within(first, last):
                partner.missing.add(log, lo, hi)

    def on_fork(self, log: LogId, end: int, now: Now) -> list[Outcome]:
        """A log has two histories from some place on: nothing beyond is wanted of anybody."""
        outcomes: list[Outcome] = []
        for link, partner in self.partners.items():
            was_missing = bool(partner.missing)
            for vector in partner.vectors:
                vector.remove(log, end + 1, POSITION_MAX)
            if partner.active and was_missing and not partner.missing:
                outcomes += self._finish(link, partner, now, differed=True)
        return outcomes

    def on_forget(self, log: LogId) -> None:
        """A log has wholly expired: what others have of it does not matter, even if they tell it still."""
        for partner in self.partners.values():
            for vector in partner.vectors:
                vector.forget(log)
            partner.stamps.pop(log, None)
            partner.doubted.discard(log)

    def can_fill(self, log: LogId, first: int, last: int) -> bool:
        """Whether any peer that can be reached, and does not fail for long, says that it has any of a range."""
        slow_us = self.config.slow_ms * US_PER_MS
        return any(
            (partner.incomplete < self.config.incomplete_alarm or partner.failing_us < slow_us)
            and partner.theirs.get(log).touches(first, last)
            and self._speaks(link)
            for link, partner in self.partners.items()
        )

    def has_asked_everyone(self, since_us: int) -> bool:
        """Whether every member was compared with, and gave what it has, since a time and since we last lost something."""
        return self.everyone_speaks() and all(partner.has_given(since_us) for partner in self.partners.values())

    def check(self) -> None:
        """Assert that nothing is asked of two peers, and that only what is missing is asked for, of links touched."""
        for link in self.peers.touched & self.partners.keys():
            self._check_partner(link)

    def check_all(self) -> None:
        """Assert the same of every link."""
        for link in self.partners:
            self._check_partner(link)

    def _check_partner(self, link: LinkId) -> None:
        partner = self.partners[link]
        assert link in self.peers.by_link and (self.seeks or not (partner.missing or partner.owes))
        if partner.asked.sets or partner.doubtful.sets:
            partner.check([other for other in self.partners.values() if other is not partner])
