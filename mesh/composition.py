"""What a node is made of: its engines, made together when it starts, and what they say of themselves.

`Composition` makes each engine with what it may read of the others' state, checks all of them, and describes them for
`status`. Who hears what is the node's (`mesh.node`).
"""

from __future__ import annotations

from typing import Protocol

from mesh.certificates import Identity
from mesh.clocks.hybrid import ClockGuard, HybridClock
from mesh.codes import Code
from mesh.config import NodeConfig
from mesh.crypto import Suite
from mesh.effects import Load, Outcome, Ranges, Started, Tell
from mesh.engines.delivery import Delivery, Histories
from mesh.engines.dissemination import Dissemination
from mesh.engines.forks import Forks
from mesh.engines.intake import Intake
from mesh.engines.journal import Journal
from mesh.engines.links import AddressBook, Links
from mesh.engines.receipts import Receipts
from mesh.engines.repair import Repair
from mesh.engines.roster import Roster
from mesh.engines.serving import Serving
from mesh.engines.sessions import Sessions
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.operations import Refused
from mesh.peers import Peers
from mesh.rng import Rng
from mesh.status import holdings_status, links_status, sessions_status
from mesh.types import LogId, Now, node_text
from mesh.waiting import Waiting

LIFE_SHIFT = 20
"""A life is numbered by the wall clock (ms) and so many random bits: never by a counter that was loaded."""
NAMES_REQUEST = 0
"""Loads of the node's own; those of engines are 1, 2 or 3 modulo 4."""
NAMES_ASKED_MAX = 1_024


class Checked(Protocol):
    """What has invariants."""

    def check(self) -> None:
        """Assert those that the last tick may have broken: it costs what that tick changed."""

    def check_all(self) -> None:
        """Assert all of them: it costs what there is."""


class Composition:
    """The engines of a node, and what they share."""

    # Of more than thirty attributes CPython 3.11 shares no keys between instances, and looks each of them up by its name.
    __slots__ = (
        "_doors",
        "_doors_touched",
        "_engines",
        "_of_links",
        "_of_logs",
        "book",
        "clock",
        "config",
        "delivery",
        "dissemination",
        "forks",
        "guard",
        "histories",
        "holdings",
        "identity",
        "intake",
        "journal",
        "life",
        "links",
        "peers",
        "receipts",
        "repair",
        "roster",
        "serving",
        "sessions",
        "started",
        "suite",
    )

    def __init__(self, config: NodeConfig, identity: Identity, suite: Suite) -> None:
        """Build what is there before a node starts."""
        self.config = config
        self.identity = identity
        self.suite = suite
        self.started = False
        self.life = 0
        self.guard = ClockGuard()
        self.clock = HybridClock()
        self.peers = Peers()
        self.holdings = Holdings(config.delivery.recent_bytes)
        self._engines: tuple[Checked, ...] = ()
        self._of_links: tuple[Checked, ...] = ()
        """What looks only at links that were touched ..."""
        self._of_logs: tuple[Checked, ...] = ()
        """... and at logs."""
        self._doors: tuple[Checked, ...] = ()
        """Those of them that only members, sessions and forks touch."""
        self._doors_touched = False

    def _compose(self, event: Started, now: Now) -> None:
        """Make the engines, on what the store held."""
        config, wants, recovered, identity = self.config, self.config.repair, event.recovered, self.identity
        rng = Rng(event.entropy)
        self.life = (now.wall_ms << LIFE_SHIFT) | rng.below(1 << LIFE_SHIFT)
        holdings, peers = self.holdings, self.peers
        for marks in recovered.logs:
            holdings.recover(marks.log, marks.runs, marks.stamp, marks.expires_ms)
            self.clock.observe(marks.stamp, now.wall_ms)
        holdings.recover_names(recovered.names)
        self.book = AddressBook(config.addresses, peers, rng.fork("addresses"), config.advertise)
        self.links = Links(config.links, identity, self.suite, peers, self.book, self.life, config.advertise)
        self.roster = Roster(identity, self.suite, peers, config.addresses.learns_addresses)
        self.roster.recover(recovered.members, now.wall_ms)
        self.journal = Journal(
            identity.mesh, self.suite, holdings, self.roster.members.__contains__, config.intake.appends_pending_max
        )
        intake_rng = rng.fork("intake")
        self.intake = Intake(
            config.intake, identity, self.suite, holdings, self.clock, intake_rng, event.free_bytes, life=self.life
        )
        self.dissemination = Dissemination(config.dissemination, holdings, peers)
        self.serving = Serving(
            wants.want_bytes,
            wants.ranges_waiting_max,
            wants.busy_retry_ms,
            config.dissemination.fresh_ms,
            wants.fresh_ms,
            holdings,
            peers,
        )
        self.repair = Repair(
            wants, holdings, peers, rng.fork("repair"), self.roster.everyone_speaks, self.serving.behind
        )
        is_member, room = self.roster.members.__contains__, self.intake.rescue_room
        self.forks = Forks(identity.mesh, self.suite, holdings, peers, is_member, identity.node, room)
        self.receipts = Receipts(config.receipts, identity.node, identity.region, holdings, peers)
        about = identity.node, identity.region, config.version, config.gateways
        self.sessions = Sessions(config.sessions, *about, config.intake.ttl_default_ms)
        self.delivery = Delivery(config.delivery, holdings, self.repair.can_fill, self.repair.has_asked_everyone)
        self.delivery.expiry_ms = self.guard.expiry_ms
        self.delivery.recover()
        self.histories = Histories(holdings, self.delivery.twins, config.delivery.load_bytes, self.delivery.known)
        self._engines = (self.journal, self.dissemination, self.receipts)
        self._of_links = (self.links, self.serving, self.repair)
        self._of_logs = (self.delivery, holdings)
        self._doors = (self.roster, self.sessions, self.histories, self.intake, self.forks)
        self.started = True

    def check(self) -> None:
        """Assert what the last tick may have broken, in every engine that it touched. Called by tests and simulations.

        A tick that touched no log and no link can have broken a bound at most, which the next that does will see.
        """
        if self._doors_touched:
            self._doors_touched = False
            for engine in self._doors:
                engine.check()
            self.repair.check_all()  # what was lost, forked, denied or refused is not asked for, of whomever
        links, logs = self.peers.touched, self.holdings.touched
        if links:
            for engine in self._of_links:
                engine.check()
        if logs:
            for engine in self._of_logs:
                engine.check()
        if links or logs:
            for engine in self._engines:
                engine.check()

    def check_all(self) -> None:
        """Assert every invariant of every engine. Called now and then, and at the end."""
        assert self.started
        for engine in (*self._engines, *self._of_links, *self._of_logs, *self._doors):
            engine.check()
            engine.check_all()
        self.book.check_all()
        heard = {*self.receipts.waiting.sessions, *self.receipts.dropped}
        heard |= {session for session, _ in self.delivery.readers}
        assert heard | self.intake.publishers.keys() <= self.sessions.sessions.keys(), (
            "somebody is gone, and still known"
        )

    def _send_again(self, gone: list[Waiting], text: str) -> list[Outcome]:
        """Publishes came to an unknown end. Those of which nothing was told have to come again before what follows them."""
        for waiting in gone:
            if waiting.told == (0, 0):
                self.intake.hold_back(waiting.session, waiting.first, waiting.last)
        retry_ms = self.config.intake.disk_retry_ms
        return [
            Tell((each.session,), Refused(Code.OUTCOME_UNKNOWN, text, 0, each.first, each.last, retry_ms))
            for each in gone
        ]

    def _learn(self, batches: tuple[Batch, ...]) -> list[Outcome]:
        """Names were read again; those that did not fit into the answer are asked for, as long as any come."""
        if not batches:
            return []
        held = self.holdings.stored.get(batches[0].log)
        before = 0 if held is None else len(held.unnamed())
        for batch in batches:
            self.holdings.learn(batch)
        return self._ask_names(batches[0].log) if held is not None and len(held.unnamed()) < before else []

    def _ask_names(self, log: LogId) -> list[Outcome]:
        """Read the neighbors of what was damaged: their names are part of what is compared, and the disk knows them."""
        held = self.holdings.stored.get(log)
        ranges = tuple((at, at) for at in (held.unnamed()[:NAMES_ASKED_MAX] if held is not None else ()))
        return [Load(NAMES_REQUEST, Ranges(log, ranges), self.config.repair.want_bytes)] if ranges else []

    def _status(self, now: Now) -> dict[str, object]:
        """What the node says of itself."""
        return {
            "node": node_text(self.identity.node),
            "region": self.identity.region,
            "version": self.config.version,
            "life": str(self.life),
            "epoch": str(self.intake.epoch.number) if self.intake.epoch else "",
            "members": len(self.roster.members),
            **links_status(self.peers, self.repair),
            **holdings_status(self.holdings),
            **sessions_status(self.sessions, self.delivery),
            "appends_pending": len(self.journal.pending),
            "publishes_waiting": len(self.intake.gathered),
            "disk_free_bytes": self.intake.free_bytes,
            "clock_trusted": self.guard.trusted(now),
            "draining": self.intake.draining,
        }
