"""What the tests of receipts talk about: two sessions, publishes that were placed, and what is told of them."""

from mesh.effects import Placed, Tell
from mesh.engines.receipts import ReceiptConfig, Receipts
from mesh.frames import Stored
from mesh.log.holdings import Holdings
from mesh.operations import Receipt
from mesh.peers import Peer
from mesh.types import LogId, SessionId
from tests.engine_samples import table
from tests.samples import ANA, BEN

SEAT, OTHER = SessionId(1), SessionId(2)


def receipts(
    *peers: Peer, holdings: Holdings | None = None, waiting_max: int = 100, gather_ms: int = 1_000
) -> Receipts:
    """The receipts of Ana in region eu."""
    one = Receipts(ReceiptConfig(waiting_max, gather_ms), ANA, "eu", holdings or Holdings(), table(*peers))
    for each in peers:
        one.on_peer_up(each.link)
    return one


def placed(
    log: LogId, first: int, last: int, *, session: SessionId = SEAT, copies: int = 1, regions: int = 1
) -> Placed:
    """Publishes that stand at positions equal to their sequences."""
    return Placed(session, first, last, log, first, last, copies, regions)


def told(log: LogId, first: int, last: int, copies: int, regions: int, session: SessionId = SEAT) -> Tell:
    """Of publishes at those positions: their session hears of a level."""
    return Tell((session,), Receipt(first, last, copies, regions, log, last))


def from_ben(*ranges: tuple[LogId, int, int]) -> Stored:
    """What Ben says that it has stored."""
    return Stored(BEN, "us", ranges)
