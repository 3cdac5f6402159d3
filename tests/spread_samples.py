"""An engine of dissemination, what was announced to it, and what it asks: for its tests."""

from mesh.effects import Count, Outcome, Send
from mesh.engines.dissemination import GRAFT, Dissemination, DisseminationConfig
from mesh.frames import Graft, IHave
from mesh.log.holdings import Holdings
from mesh.peers import Peer
from mesh.types import LinkId, LogId
from tests.engine_samples import TO_BEN, at, set_timer, table, to_ana
from tests.samples import ANA

LOG = LogId(ANA, 1 << 20)


def engine(*peers: Peer, holdings: Holdings | None = None, **fields: int) -> Dissemination:
    return Dissemination(DisseminationConfig(**fields), holdings or Holdings(), table(*peers))


def announced(*peers: Peer, holdings: Holdings | None = None, **fields: int) -> Dissemination:
    """An engine to which Ben has announced the positions 1 to 3 of a log of Ana's, who is linked and could push them."""
    one = engine(to_ana(), *peers, holdings=holdings, **fields)
    one.on_ihave(TO_BEN, ihave((LOG, 1, 3)), at())
    one.check_all()
    return one


def ihave(*ranges: tuple[LogId, int, int]) -> IHave:
    return IHave(ranges)


def grafted(link: LinkId, *ranges: tuple[LogId, int, int], again_ms: float) -> list[Outcome]:
    """What asks an announcer; the next is asked at `again_ms`."""
    return [Send((link,), Graft(ranges)), Count("grafts_total"), set_timer(GRAFT, *ranges[0][:2], ms=again_ms)]
