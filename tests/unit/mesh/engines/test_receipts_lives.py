"""Receipts count what nodes have told in their present life: between two of them a disk may have been lost."""

from mesh.effects import Placed, Tell
from mesh.engines.receipts import ReceiptConfig, Receipts
from mesh.frames import Stored
from mesh.operations import Receipt
from mesh.peers import Peer
from mesh.types import LinkId, SessionId
from tests.engine_samples import LIFE, TO_BEN, TO_CY, held, peer, table, to_ben, to_cy
from tests.samples import ANA, BEN, CY, Writer

SEAT, ANEW = SessionId(1), LinkId(9)


def receipts(writer: Writer, *peers: Peer) -> Receipts:
    """The receipts of Ana, who has stored a message."""
    one = Receipts(ReceiptConfig(), ANA, "eu", held(writer.write()), table(*peers))
    for each in peers:
        one.on_peer_up(each.link)
    return one


def told(writer: Writer, copies: int) -> Tell:
    return Tell((SEAT,), Receipt(1, 1, copies, 1, writer.log, 1))


def test_what_a_node_told_in_an_earlier_life_is_not_counted() -> None:
    ana = Writer()
    one = receipts(ana, to_ben(life=1), to_cy())
    for link, node in ((TO_BEN, BEN), (TO_CY, CY)):
        one.on_stored_there(link, Stored(node, "eu", ((ana.log, 1, 1),)))
    again = peer(ANEW, BEN, life=2)
    one.peers.add(again)

    assert one.on_peer_up(ANEW) == one.tell_all(ANEW) != [], "it is told everything"
    one.on_stored_there(TO_BEN, Stored(BEN, "eu", ((ana.log, 1, 1),)))  # what was under way on its old link
    one.on_placed(Placed(SEAT, 1, 1, ana.log, 1, 1, 3, 1))
    assert one.tell_publishers() == [told(ana, 2)]
    one.on_stored_there(ANEW, Stored(BEN, "eu", ((ana.log, 1, 1),)))
    assert one.tell_publishers() == [told(ana, 3)]


def test_a_life_of_a_lower_number_is_the_present_one_once_no_link_leads_to_the_other() -> None:
    ana = Writer()
    one = receipts(ana, to_ben(life=2))
    one.on_stored_there(TO_BEN, Stored(BEN, "eu", ((ana.log, 1, 1),)))
    one.peers.add(peer(ANEW, BEN, life=1))
    one.on_peer_up(ANEW)

    one.on_stored_there(ANEW, Stored(BEN, "eu", ((ana.log, 1, 1),)))
    assert one.lives == {BEN: 2}, "the older of two speaks once more"
    one.peers.remove(TO_BEN)
    one.on_stored_there(ANEW, Stored(BEN, "eu", ()))
    assert (one.lives, one.elsewhere) == ({BEN: 1}, {ana.log: {}}), "a wiped node whose clock was set back"


def test_what_a_node_told_on_an_earlier_link_of_the_same_life_counts() -> None:
    ana = Writer()
    one = receipts(ana, to_ben(life=1))
    one.on_stored_there(TO_BEN, Stored(BEN, "eu", ((ana.log, 1, 1),)))
    one.peers.remove(TO_BEN)
    one.peers.add(peer(TO_CY, BEN, life=1))

    one.on_peer_up(TO_CY)
    one.on_placed(Placed(SEAT, 1, 1, ana.log, 1, 1, 2, 1))

    assert one.tell_publishers() == [told(ana, 2)]


def test_who_waits_for_what_was_lost_or_may_have_been_waits_no_more() -> None:
    """Who else has it may be gone for good; and of a range, another's row may have been lost by all."""
    ana = Writer()
    one = receipts(ana, to_ben(life=1))
    before, exact = Placed(SEAT, 1, 1, ana.log, 1, 1, 3, 1), Placed(SEAT, 2, 2, ana.log, 2, 2, 3, 1)
    ranged = Placed(SessionId(2), 7, 7, ana.log, 3, 9, 3, 1)
    for placed in (before, exact, ranged):
        one.on_placed(placed)

    nothing, gone = one.on_lost(ana.log, 10, 12), one.on_lost(ana.log, 2, 3)

    assert (nothing, [(each.session, each.first) for each in gone]) == ([], [(SEAT, 2), (2, 7)])
    assert [waiting.session for waiting in one.waiting.lines[ana.log]] == [SEAT]
    one.check_all()


def test_a_link_that_was_given_up_in_the_same_moment_is_told_nothing() -> None:
    one = receipts(Writer())

    assert one.on_peer_up(ANEW) == []
    assert one.lives == {}


def test_a_level_that_rises_in_regions_is_told_though_copies_have_fallen() -> None:
    """Two nodes were wiped since they counted, and one of them has it again, in another region now."""
    ana = Writer()
    one = receipts(ana, to_ben(life=1), to_cy())
    for link, node in ((TO_BEN, BEN), (TO_CY, CY)):
        one.on_stored_there(link, Stored(node, "eu", ((ana.log, 1, 1),)))
    one.on_placed(Placed(SEAT, 1, 1, ana.log, 1, 1, 1, 2))
    assert one.tell_publishers() == [told(ana, 3)]
    for anew in (peer(ANEW, BEN, life=LIFE + 1), peer(LinkId(10), CY, life=LIFE + 1, near=False)):
        one.peers.add(anew)
        one.on_peer_up(anew.link)

    one.on_stored_there(LinkId(10), Stored(CY, "us", ((ana.log, 1, 1),)))

    assert one.tell_publishers() == [Tell((SEAT,), Receipt(1, 1, 2, 2, ana.log, 1))]
    assert one.waiting.count == 0
