"""The table of peers: what each may be sent."""

from mesh.peers import Peer, Peers
from mesh.types import LinkId
from tests.samples import ANA, BEN, CY


def peer(link: int = 1, node: bytes = ANA, life: int = 5) -> Peer:
    return Peer(LinkId(link), type(ANA)(node), life, "eu", near=True)


def test_credit_is_spent_to_the_last_byte_and_not_beyond() -> None:
    ana = peer()
    ana.credit_until = 100

    assert ana.can_take(100)
    assert not ana.can_take(101)
    assert ana.spend(60)
    assert not ana.spend(41)
    assert ana.sent == 60
    assert ana.spend(40)
    assert (ana.sent, ana.can_take(1)) == (100, False)


def test_a_peer_is_behind_while_it_is_starved_or_silent() -> None:
    ana = peer()

    assert not ana.behind
    ana.starved = True
    assert ana.behind
    ana.starved, ana.silent = False, True
    assert ana.behind


def test_peers_stand_in_the_order_of_their_coming_and_are_found_by_link_node_and_life() -> None:
    peers = Peers()
    ben, ana, reborn = peer(9, BEN), peer(1), peer(2, life=6)
    for one in (ben, ana, reborn):
        peers.add(one)

    assert list(peers) == [ben, ana, reborn]
    assert len(peers) == 3
    assert (LinkId(9) in peers, LinkId(3) in peers) == (True, False)
    assert (peers.get(LinkId(9)), peers.get(LinkId(3))) == (ben, None)
    assert (peers.of(ANA, 6), peers.of(ANA, 7), peers.of(BEN, 6)) == (reborn, None, None)
    assert (list(peers.lives_of(ANA)), list(peers.lives_of(CY))) == ([ana, reborn], [])
    assert (peers.linked(BEN), peers.linked(type(ANA)(b"x" * 32))) == (True, False)


def test_a_link_is_removed_once_even_while_peers_are_looked_through() -> None:
    peers = Peers()
    peers.add(peer(1))
    peers.add(peer(2, life=6))

    removed = [peers.remove(one.link) for one in peers]

    assert [one.link for one in removed if one] == [1, 2]
    assert peers.remove(LinkId(1)) is None
    assert len(peers) == 0
    assert (peers.linked(ANA), list(peers.lives_of(ANA)), peers.of(ANA, 6)) == (False, [], None)


def test_a_node_speaks_while_any_of_its_lives_does() -> None:
    peers = Peers()
    silent, other = peer(1), peer(2, life=6)
    silent.silent = True
    peers.add(silent)
    assert not peers.speaks(ANA)

    peers.add(other)

    assert peers.speaks(ANA)
    assert not peers.speaks(BEN)
