"""What the tests of forks talk about: two histories of one log, the engine of who meets them, and what it answers."""

from __future__ import annotations

from mesh.codes import Code
from mesh.effects import ForkFound, Load, Outcome, Ranges, Report, Rescued, Send
from mesh.engines.forks import (
    LOAD_BYTES,
    TAIL_BYTES,
    TELL,
    Forks,
)
from mesh.frames import Forked, Want
from mesh.log.batch import POSITION_MAX, Batch
from mesh.log.holdings import Holdings
from mesh.peers import Peer
from mesh.types import LinkId, LogId, Now
from tests.engine_samples import set_timer, table, to_ben, to_cy
from tests.samples import ANA, BEN, CY, MESH, SUITE, Writer, received


def room(_: Now) -> int:
    """There is always room to rescue something."""
    return 1 << 20


def forks(*peers: Peer, holdings: Holdings | None = None) -> Forks:
    return Forks(
        MESH, SUITE, holdings or Holdings(), table(*(peers or (to_ben(), to_cy()))), {ANA, BEN}.__contains__, CY, room
    )


def held(*batches: Batch, recent_bytes: int = 1 << 20, pending: tuple[Batch, ...] = ()) -> Holdings:
    """Holdings that have stored these, and received those that are pending."""
    holdings = Holdings(recent_bytes)
    for batch in batches:
        holdings.receive(received(batch))
        holdings.store(received(batch))
    for batch in pending:
        holdings.receive(received(batch))
    return holdings


def histories(common: int = 1, count: int = 3, node: bytes = ANA) -> tuple[Writer, Writer]:
    """Two histories of one log, in batches of one record, that agree on the first so many."""
    one, other = Writer(node), Writer(node)  # type: ignore[arg-type]
    for writer, payload in ((one, b"one"), (other, b"other")):
        for _ in range(common):
            writer.write()
        for _ in range(count):
            writer.write(payload=payload)
    return one, other


def proof(one: Batch, other: Batch) -> Forked:
    return Forked(*sorted((one.stripped(), other.stripped()), key=lambda batch: (batch.first, batch.name)))


def found(log: LogId, end: int, ms: float = 0) -> list[Outcome]:
    """What the first proof of a log is followed by."""
    about = {"node": log.node.hex()[:16], "epoch": log.epoch, "position": end + 1}
    return [ForkFound(log, end), set_timer(TELL, ms=ms + 100), Report(Code.LOG_FORKED, about)]


def load(request: int, log: LogId, *ranges: tuple[int, int]) -> list[Outcome]:
    return [Load(request, Ranges(log, ranges), LOAD_BYTES)]


def checked(one: Forks) -> Forks:
    one.check()
    one.check_all()
    one.holdings.check_all()
    return one


def owner(*batches: Batch, peers: tuple[Peer, ...] = (to_ben(), to_cy())) -> Forks:
    """The engine of Ana, who has stored batches of her own log."""
    return Forks(MESH, SUITE, held(*batches), table(*peers), {ANA, BEN}.__contains__, ANA, room)


def asked(log: LogId, first: int, *links: LinkId) -> Send:
    return Send(links, Want(((log, first, POSITION_MAX - 1),)))


def tail(request: int, log: LogId, first: int, last: int) -> Load:
    return Load(request, Ranges(log, ((first, last),)), TAIL_BYTES)


def rescued(*batches: Batch) -> list[Outcome]:
    return [Rescued(tuple(batch.records())) for batch in batches]
