"""What the tests of the engines talk about: links to Ana, Ben and Cy, and holdings with batches in them."""

from __future__ import annotations

from mesh.certificates import Identity, found_mesh, invite, join
from mesh.effects import Outcome, SetTimer, Timer
from mesh.frames import LogState
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.peers import Peer, Peers
from mesh.types import LinkId, NodeId, Now
from tests.samples import ANA, BEN, CY, NODE_SIGNERS, SUITE, WALL_MS, Writer, received

TO_ANA, TO_BEN, TO_CY = LinkId(1), LinkId(2), LinkId(3)
LIFE = 5
CREDIT = 1 << 30
GENESIS = found_mesh(SUITE, [b"k" * 32], label="tests", salt=b"s" * 16)


def identity(name: str, region: str = "eu", wall_ms: int = WALL_MS) -> Identity:
    """Ana, Ben or Cy as a member of one mesh."""
    ticket = invite(GENESIS, [SUITE.signer(b"k" * 32)], SUITE, b"t" * 32, wall_ms=wall_ms)
    return join(ticket, NODE_SIGNERS[name], region, SUITE, wall_ms)


def at(ms: float = 0, wall_ms: int | None = None) -> Now:
    """So many milliseconds after the tests began."""
    return Now(int(ms * 1_000), WALL_MS + int(ms) if wall_ms is None else wall_ms)


def peer(link: LinkId, node: NodeId, *, near: bool = True, credit: int = CREDIT, life: int = LIFE) -> Peer:
    """A peer that was greeted, with credit; `near` is in our own region."""
    return Peer(link, node, life, "eu" if near else "us", near, credit_until=credit)


def table(*peers: Peer) -> Peers:
    """Peers in this order."""
    found = Peers()
    for one in peers:
        found.add(one)
    return found


def to_ana(**fields: object) -> Peer:
    return peer(TO_ANA, ANA, **fields)  # type: ignore[arg-type]


def to_ben(**fields: object) -> Peer:
    return peer(TO_BEN, BEN, **fields)  # type: ignore[arg-type]


def to_cy(**fields: object) -> Peer:
    return peer(TO_CY, CY, **fields)  # type: ignore[arg-type]


def take(holdings: Holdings, *batches: Batch) -> None:
    """Receive batches as a peer sends them."""
    for batch in batches:
        holdings.receive(received(batch))


def keep(holdings: Holdings, *batches: Batch) -> None:
    """Receive batches and have them stored."""
    for batch in batches:
        mine = received(batch)
        holdings.receive(mine)
        holdings.store(mine)


def held(*batches: Batch, recent_bytes: int = 1 << 20) -> Holdings:
    """Holdings that have stored these."""
    holdings = Holdings(recent_bytes)
    keep(holdings, *batches)
    return holdings


def state(writer: Writer, *runs: tuple[int, int], stamp: int | None = None) -> LogState:
    """What a peer that holds these runs of a log says of it."""
    heads = {batch.last: batch.name for batch in writer.batches}
    at_stamp = writer.batches[-1].head.stamp if stamp is None else stamp
    return LogState(writer.log, at_stamp, tuple((first, last, heads[last]) for first, last in runs))


def set_timer(kind: str, *key: object, ms: float) -> SetTimer:
    """A timer that is set to go off so many milliseconds after the tests began."""
    return SetTimer(Timer(kind, key), int(ms * 1_000))


def no_timer(kind: str, *key: object) -> Outcome:
    """A timer that is taken away."""
    return SetTimer(Timer(kind, key), None)
