"""What a node says of itself: plain maps, lists, text and numbers, and nothing that is not so."""

from mesh.clocks.vector import VersionVector
from mesh.engines.delivery import Delivery, DeliveryConfig
from mesh.engines.repair import Partner, Repair, RepairConfig
from mesh.engines.sessions import Session, SessionConfig, Sessions
from mesh.log.holdings import Holdings
from mesh.operations import Subscribe
from mesh.peers import Peer, Peers
from mesh.rng import Rng
from mesh.status import holdings_status, links_status, sessions_status
from mesh.types import Address, LinkId, LogId, SessionId, log_text, node_text
from tests.samples import ANA, BEN, CY, Writer


def holding(*writers: tuple[Writer, tuple[int, ...]]) -> Holdings:
    """Holdings that have stored some of the batches, of one record each, of these writers."""
    holdings = Holdings()
    for writer, positions in writers:
        for position in range(1, max(positions) + 1):
            batch = writer.write(1)
            if position in positions:
                holdings.receive(batch)
                holdings.store(batch)
    return holdings


def test_alone_and_empty_a_node_says_so() -> None:
    holdings = Holdings()
    repair = Repair(RepairConfig(), holdings, Peers(), Rng(b"seed"))

    assert links_status(Peers(), repair) == {"peers": [], "missing": 0}
    assert holdings_status(holdings) == {
        "digest": "0" * 16,
        "logs": 0,
        "records": 0,
        "holes": 0,
        "stored": {},
        "forked": 0,
    }


def test_each_peer_is_described_with_what_it_has_that_is_missing_here() -> None:
    peers = Peers()
    peers.add(Peer(LinkId(1), BEN, 5, "eu", near=True, address=Address("::1", 7)))
    peers.add(Peer(LinkId(2), CY, 1 << 60, "us", near=False, silent=True))
    repair = Repair(RepairConfig(), Holdings(), peers, Rng(b"seed"))
    repair.partners = {LinkId(1): Partner(5), LinkId(2): Partner(5)}
    repair.partners[LinkId(1)].missing.add(LogId(ANA, 1), 1, 3)
    repair.partners[LinkId(2)].missing.add(LogId(ANA, 1), 1, 9)

    ben = {"node": node_text(BEN), "region": "eu", "life": "5", "address": "[::1]:7", "missing": 3}
    cy = {"node": node_text(CY), "region": "us", "life": str(1 << 60), "address": "", "missing": 9}
    assert links_status(peers, repair) == {
        "peers": [{**ben, "behind": False, "silent": False}, {**cy, "behind": True, "silent": True}],
        "missing": 9,
    }


def test_what_is_stored_is_listed_with_its_holes() -> None:
    ana, ben = Writer(ANA), Writer(BEN)
    holdings = holding((ana, (1, 2, 4)), (ben, (3,)))
    holdings.fork(ben.log, 2)

    assert holdings_status(holdings) == {
        "digest": f"{holdings.digest:016x}",
        "logs": 2,
        "records": 4,
        "holes": 2,
        "stored": {log_text(ana.log): "1-2,4-4", log_text(ben.log): "3-3"},
        "forked": 1,
    }


def test_clients_are_counted_and_those_that_are_behind() -> None:
    holdings = holding((Writer(ANA), (1,)))
    sessions = Sessions(SessionConfig(), ANA, "eu", "1")
    sessions.sessions[SessionId(1)] = Session(SessionId(1), "here")
    delivery = Delivery(DeliveryConfig(), holdings, lambda *_: False)
    delivery.recover()
    delivery.subscribe(SessionId(1), Subscribe(1, ("#",)))
    delivery.subscribe(SessionId(1), Subscribe(2, ("#",), VersionVector(), credit_messages=0))

    assert sessions_status(sessions, delivery) == {"sessions": 1, "subscriptions": 2, "behind": 1}
