"""A repair engine with links up, and what it says: for the tests of repair."""

from dataclasses import dataclass, field

from mesh.effects import Count, Outcome, Send, SetTimer, Timer
from mesh.engines.repair import DUE, STALL, Repair, RepairConfig
from mesh.frames import Lane, LogState, RepairHello, Vector, Want
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.peers import Peer
from mesh.rng import Rng
from mesh.types import LinkId, LogId
from tests.engine_samples import TO_BEN, TO_CY, at, no_timer, set_timer, state, table, to_ben, to_cy
from tests.samples import ANA, Writer

CONFIG = RepairConfig()
SMALL = RepairConfig(want_positions_max=4)


@dataclass
class Desk:
    """An engine with its holdings and peers, and a twin of its random numbers."""

    engine: Repair
    rng: Rng = field(default_factory=lambda: Rng(b"repair"))

    def finished(self, link: LinkId, interval_ms: int, now_ms: float) -> list[Outcome]:
        """The timers of a session that is over, with the next one drawn from half to one and a half of the interval."""
        wait_us = self.rng.between(interval_ms // 2, interval_ms * 3 // 2) * 1_000
        return [no_timer(STALL, link), SetTimer(Timer(DUE, (link,)), at(now_ms).mono_us + wait_us)]


def engine(*peers: Peer, holdings: Holdings | None = None, config: RepairConfig = CONFIG) -> Repair:
    return Repair(config, holdings or Holdings(), table(*peers), Rng(b"repair"))


def desk(*peers: Peer, holdings: Holdings | None = None, config: RepairConfig = CONFIG) -> Desk:
    """An engine whose links are all up, with a session under way on each."""
    one = Desk(engine(*peers, holdings=holdings, config=config))
    for peer in peers:
        one.engine.on_peer_up(peer.link, at())
    one.engine.check()
    one.engine.check_all()
    return one


def hello(link: LinkId, session: int, digest: int, now_ms: float = 0) -> list[Outcome]:
    """What begins a session."""
    return [
        Send((link,), RepairHello(session, digest)),
        Count("repair_sessions_total"),
        set_timer(STALL, link, ms=now_ms + 5_000),
    ]


def wanted(link: LinkId, *ranges: tuple[LogId, int, int], now_ms: float = 0) -> list[Outcome]:
    """What asks a peer for ranges."""
    return [Send((link,), Want(ranges)), set_timer(STALL, link, ms=now_ms + 5_000)]


def vector(*states: LogState, session: int = 1, more: bool = False, answer: bool = False) -> Vector:
    return Vector(session, states, more, answer)


def told(link: LinkId, frame: Vector) -> Send:
    """A page of our vector, behind what was pushed."""
    return Send((link,), frame, Lane.LIVE)


def run_of(writer: Writer, count: int) -> list[Batch]:
    return [writer.write() for _ in range(count)]


def asked(repair: Repair) -> dict[LinkId, list[tuple[LogId, list[tuple[int, int]]]]]:
    """What is asked of whom."""
    return {link: [(log, list(runs)) for log, runs in p.asked.items()] for link, p in repair.partners.items()}


def shared(config: RepairConfig = CONFIG) -> tuple[Repair, Writer]:
    """Ben and Cy both have three records of Ana's that we miss; Ben was asked for them."""
    ana = Writer(ANA)
    ana.write(3)
    repair = desk(to_ben(), to_cy(), config=config).engine
    repair.on_vector(TO_BEN, vector(state(ana, (1, 3))), at())
    repair.on_vector(TO_CY, vector(state(ana, (1, 3))), at())
    assert asked(repair) == {TO_BEN: [(ana.log, [(1, 3)])], TO_CY: []}
    return repair, ana
