"""Three nodes that repair over links which die and fall silent, on disks that lose rows, end with the same logs."""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh import partner as partner_module
from mesh.effects import Count, Outcome, Report, Send, SetTimer
from mesh.engines.repair import DUE, STALL, Repair, RepairConfig
from mesh.frames import Busy, Frame, NotFound, Push, RepairEqual, RepairHello, Vector, Want
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.partner import CLAIMS_MAX
from mesh.peers import Peer, Peers
from mesh.rng import Rng
from mesh.timers import Timers
from mesh.types import LinkId, Now
from tests.samples import ANA, BEN, CY, WALL_MS, Writer, received

CONFIG = RepairConfig(want_positions_max=3, near_ms=1_000, near_max_ms=4_000, stall_ms=500)
NODES = (ANA, BEN, CY)
LOGS = 3
BATCHES = 4


@dataclass
class Site:
    """One node's repair, with all that its host and its siblings do for it. Links are numbered by who is at their end."""

    number: int
    holdings: Holdings = field(default_factory=Holdings)
    peers: Peers = field(default_factory=Peers)
    timers: Timers = field(default_factory=Timers)
    sent: list[tuple[int, int, Frame]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.repair = Repair(CONFIG, self.holdings, self.peers, Rng(b"%d" % self.number))

    def link(self, other: int) -> None:
        self.peers.add(Peer(LinkId(other), NODES[other], 1, "eu", near=True))

    def run(self, outcomes: list[Outcome]) -> None:
        """Perform what the engine says."""
        for outcome in outcomes:
            match outcome:
                case Send(links, frame):
                    self.sent += [(self.number, link, frame) for link in links]
                case SetTimer():
                    self.timers.set(outcome)
                case _:
                    assert isinstance(outcome, Count | Report)
        self.repair.check()
        self.repair.check_all()
        self.holdings.check()
        self.holdings.check_all()

    def hear(self, other: int, frame: Frame, now: Now) -> None:
        """Do with a frame what the node does with it."""
        link = LinkId(other)
        match frame:
            case RepairHello():
                self.run(self.repair.on_repair_hello(link, frame, now))
            case RepairEqual():
                self.run(self.repair.on_equal(link, frame, now))
            case Vector():
                self.run(self.repair.on_vector(link, frame, now))
            case Want(ranges):
                self.serve(link, ranges)
            case NotFound() | Busy():
                self.run(self.repair.on_not_found(link, frame, now))
            case Push(batch):
                self.take(received(batch), now)

    def serve(self, link: LinkId, ranges: tuple) -> None:  # type: ignore[type-arg]
        for log, first, last in ranges:
            for lo, hi in self.holdings.received_of(log).missing(first, last):
                self.run([Send((link,), NotFound(((log, lo, hi),)))])
            for lo, _ in self.holdings.received_of(log).within(first, last):
                at = lo
                while at <= last and (batch := self.holdings.at_hand(log, at)) is not None:
                    self.run([Send((link,), Push(batch))])
                    at = batch.last + 1

    def take(self, batch: Batch, now: Now) -> None:
        if not self.holdings.has(batch.log, batch.first, batch.last):
            assert self.holdings.fault(batch) == ""
            self.holdings.receive(batch)
            self.holdings.store(batch)
            self.run(self.repair.on_received(batch.log, batch.first, batch.last, now))

    def wake(self, now: Now) -> None:
        for timer in self.timers.due(now.mono_us):
            if self.timers.take(timer, now.mono_us):
                fire = {DUE: self.repair.on_due_timer, STALL: self.repair.on_stall_timer}[timer.kind]
                self.run(fire(timer.key[0], now))


def batches() -> list[Batch]:
    """What there is to have: batches of two records of a few logs."""
    writers = [Writer(node) for node in NODES[:LOGS]]
    return [writer.write(2) for writer in writers for _ in range(BATCHES)]


BATCH = batches()
actions = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(1, 40)),
        st.tuples(st.just("wait"), st.integers(1, 1_500)),
        st.tuples(st.just("down"), st.integers(0, 2)),
        st.tuples(st.just("up"), st.integers(0, 2)),
        st.tuples(st.just("silent"), st.integers(0, 2)),
        st.tuples(st.just("speak"), st.integers(0, 2)),
        st.tuples(st.just("damage"), st.integers(0, LOGS * BATCHES * 3 - 1)),
    ),
    max_size=60,
)
damages = st.lists(st.integers(0, LOGS * BATCHES * 3 - 1), max_size=8)
PAIRS = ((0, 1), (1, 2), (0, 2))


class Trio:
    """Three sites and the links between them."""

    def __init__(self, shares: list[int]) -> None:
        self.sites = [Site(number) for number in range(3)]
        self.now_us = 0
        self.flying: list[tuple[int, int, Frame]] = []
        self.up: set[tuple[int, int]] = set()
        for pair in PAIRS:
            self.raise_link(*pair)
        for batch, share in zip(BATCH, shares, strict=True):
            for number, site in enumerate(self.sites):
                if share >> number & 1:
                    site.take(received(batch), self.now)

    @property
    def now(self) -> Now:
        return Now(self.now_us, WALL_MS + self.now_us // 1_000)

    def gather(self) -> None:
        for site in self.sites:
            self.flying += [one for one in site.sent if tuple(sorted(one[:2])) in self.up]
            site.sent.clear()

    def raise_link(self, a: int, b: int) -> None:
        if (a, b) not in self.up:
            self.up.add((a, b))
            for one, other in ((a, b), (b, a)):
                self.sites[one].link(other)
                self.sites[one].run(self.sites[one].repair.on_peer_up(LinkId(other), self.now))

    def lower(self, a: int, b: int) -> None:
        if (a, b) in self.up:
            self.up.discard((a, b))
            self.flying = [one for one in self.flying if tuple(sorted(one[:2])) != (a, b)]
            for one, other in ((a, b), (b, a)):
                self.sites[one].peers.remove(LinkId(other))
                self.sites[one].run(self.sites[one].repair.on_peer_down(LinkId(other), self.now))

    def silence(self, a: int, b: int, *, silent: bool) -> None:
        peer = self.sites[a].peers.get(LinkId(b))
        if peer is None or peer.silent == silent:
            return
        peer.silent = silent
        repair = self.sites[a].repair
        said = repair.on_peer_silent(LinkId(b), self.now) if silent else repair.compare(LinkId(b), self.now)
        self.sites[a].run(said)

    def damage(self, number: int) -> None:
        """A row of a disk is lost, as long as another site has it."""
        batch, site = BATCH[number % len(BATCH)], self.sites[number // len(BATCH)]
        others = [other for other in self.sites if other is not site]
        if site.holdings.has(*_place(batch)) and any(other.holdings.has(*_place(batch)) for other in others):
            site.holdings.lose(*_place(batch))
            site.repair.on_lost(*_place(batch))
            site.run(site.repair.compare_all(self.now))

    def wait(self, ms: int) -> None:
        self.now_us += ms * 1_000
        for site in self.sites:
            site.wake(self.now)

    def act(self, kind: str, number: int) -> None:
        match kind:
            case "deliver":
                for _ in range(number):
                    if self.flying:
                        sender, receiver, frame = self.flying.pop(0)
                        self.sites[receiver].hear(sender, frame, self.now)
                        self.gather()
            case "wait":
                self.wait(number)
            case "down":
                self.lower(*PAIRS[number])
            case "up":
                self.raise_link(*PAIRS[number])
            case "silent" | "speak":
                self.silence(*PAIRS[number], silent=kind == "silent")
            case "damage":
                self.damage(number)
        self.gather()

    def settle(self) -> None:
        """From now on the network is kind."""
        for pair in PAIRS:
            self.act("up", PAIRS.index(pair))
            self.act("speak", PAIRS.index(pair))
        for _ in range(30):
            self.act("deliver", 400)
            assert not self.flying, "they never stop talking"
            self.act("wait", 500)


def _place(batch: Batch) -> tuple:  # type: ignore[type-arg]
    return batch.log, batch.first, batch.last


@pytest.mark.parametrize("believed", [CLAIMS_MAX, 2])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shares=st.lists(st.integers(1, 7), min_size=len(BATCH), max_size=len(BATCH)), story=actions, damaged=damages)
def test_whatever_the_network_does_all_end_with_all_that_anybody_has(
    believed: int, shares: list[int], story: list[tuple[str, int]], damaged: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a node believes less of a peer at a time than that has: it asks for the rest until it has all."""
    monkeypatch.setattr(partner_module, "CLAIMS_MAX", believed)
    trio = Trio(shares)
    trio.gather()
    for kind, number in story:
        trio.act(kind, number)

    trio.settle()
    for number in damaged:
        trio.act("damage", number)
    trio.settle()

    everything = {(*_place(batch),) for batch in BATCH}
    for site in trio.sites:
        assert all(site.holdings.has(*place) for place in everything)
        assert site.holdings.digest == trio.sites[0].holdings.digest
        assert not any(partner.asked for partner in site.repair.partners.values())
