"""A full address book: who told an address, who was met there, and what is forgotten for what."""

from mesh.effects import Dial
from mesh.engines.links.addresses import DIAL
from mesh.engines.links.shares import KNOWN_MAX, TELLERS_MAX
from mesh.types import Address, NodeId
from tests.address_samples import ME, ONE, THREE, TWO, Book, book, dialing
from tests.engine_samples import at, no_timer, set_timer, to_ben
from tests.samples import BEN, CY

EVE, DAN = NodeId(b"e" * 32), NodeId(b"d" * 32)


def place(number: int) -> Address:
    return Address(f"place-{number}", 7421)


def full(*tellers: NodeId, most: int = 4) -> Book:
    """A book that a few nodes have filled, each with as many claims as the next."""
    one = book(addresses_max=most)
    for number in range(most):
        one.book.on_told([(CY, place(number))], tellers[number % len(tellers)], at())
    return one


def test_a_full_book_forgets_the_oldest_claim_of_a_teller_for_its_newest_once_that_came_to_nothing() -> None:
    one = full(EVE)

    assert one.book.on_told([(CY, place(7))], EVE, at()) == []
    one.book.on_timer(at())
    assert one.book.on_told([(CY, place(7))], EVE, at()) == []  # it is being dialled
    one.book.on_failed(place(0), at())
    assert one.book.on_told([(CY, place(7))], EVE, at()) == [set_timer(DIAL, ms=0)]

    assert list(one.book.places) == [place(1), place(2), place(3), place(7)]
    one.book.on_self(place(1))
    one.book.places[place(1)].dialing = False
    one.book.on_told([(CY, place(8))], EVE, at())
    assert list(one.book.places) == [place(2), place(3), place(7), place(8)]
    one.book.check_all()


def test_who_tells_ever_more_drives_out_what_nobody_else_told() -> None:
    one = full(BEN, EVE)

    for number in range(10, 50):
        for known in list(one.book.places.values()):
            known.dialing, known.failures = False, known.failures + 1
        one.book.on_told([(DAN, place(number))], EVE, at())
        one.book.check_all()

    assert list(one.book.places) == [place(0), place(2), place(48), place(49)]


def test_who_has_told_less_is_listened_to_though_nothing_has_failed() -> None:
    one = full(EVE)

    assert one.book.on_told([(CY, place(7))], BEN, at()) == [set_timer(DIAL, ms=0)]
    assert list(one.book.places) == [place(1), place(2), place(3), place(7)]
    assert one.book.on_told([(CY, place(8)), (CY, place(9))], BEN, at()) == [set_timer(DIAL, ms=0)]
    assert list(one.book.places) == [place(2), place(3), place(7), place(8)]
    one.book.check_all()


def test_what_several_told_goes_when_all_of_them_told_too_much() -> None:
    one = full(EVE)
    one.book.on_told([(CY, place(0)), (CY, place(0))], BEN, at())

    one.book.on_told([(CY, place(7))], DAN, at())

    assert list(one.book.places) == [place(0), place(2), place(3), place(7)]
    assert list(one.book.shares.told_by[place(0)]) == [BEN]
    one.book.check_all()


def test_of_those_who_tell_an_address_only_some_are_written_down() -> None:
    one = book()

    for number in range(TELLERS_MAX + 3):
        one.book.on_told([(CY, ONE)], NodeId(bytes([number]) * 32), at())

    assert len(one.book.shares.told_by[ONE]) == TELLERS_MAX
    one.book.check_all()


def test_where_a_node_answered_is_never_forgotten_for_what_is_told() -> None:
    """A member sends ever new addresses while an honest peer is behind a cut, and dialling it fails most often of all."""
    one = book(addresses_max=4)
    one.book.on_told([(BEN, ONE)], EVE, at())
    one.book.on_answered(ONE, BEN, at())
    one.book.on_lost(ONE, BEN, near=True, now=at())
    one.book.places[ONE].failures = 99

    for number in range(20):
        for told in list(one.book.places.values()):
            told.dialing, told.failures = False, told.failures + 1
        one.book.on_told([(CY, place(number))], EVE, at())
        one.book.on_told([(BEN, ONE)], EVE, at())
        one.book.check_all()

    assert list(one.book.places) == [ONE, place(17), place(18), place(19)]


def test_what_a_peer_tells_of_itself_is_kept_and_finds_room_where_the_most_was_told() -> None:
    one = full(EVE)

    assert one.book.on_found(BEN, ONE, "peer", at()) == [set_timer(DIAL, ms=0)]

    assert list(one.book.places) == [place(1), place(2), place(3), ONE]
    assert one.book.shares.known_by == {ONE: {BEN: None}}
    one.book.check_all()


def test_an_operator_finds_room_where_the_most_was_told_and_needs_nobody_to_hold_it() -> None:
    one = full(EVE)
    one.book.on_found(BEN, place(2), "peer", at())

    one.book.on_found(None, ONE, "cli", at())
    one.book.on_found(None, place(1), "cli", at())
    one.book.on_found(None, place(2), "cli", at())
    one.book.on_answered(place(2), BEN, at())
    one.book.on_found(BEN, place(2), "mdns", at())

    assert list(one.book.places) == [place(1), place(2), place(3), ONE]
    assert list(one.book.shares.told_by) == [place(3)]
    assert one.book.shares.known_by == {}
    one.book.check_all()


def test_a_node_that_moves_on_and_on_is_looked_for_where_it_was_met_last() -> None:
    one = book()
    for number in range(KNOWN_MAX + 2):
        one.book.on_found(BEN, place(number), "peer", at())
        one.book.check_all()

    assert list(one.book.places) == [place(number) for number in range(2, KNOWN_MAX + 2)]


def test_where_another_was_met_too_is_kept_for_that_one() -> None:
    one = book()
    one.book.on_found(CY, place(0), "peer", at())
    for number in range(KNOWN_MAX + 1):
        one.book.on_found(BEN, place(number), "peer", at())

    assert place(0) in one.book.places
    assert one.book.shares.known_by[place(0)] == {CY: None}
    one.book.check_all()


def test_a_part_of_the_book_is_for_what_is_told_and_the_node_met_the_longest_ago_makes_room() -> None:
    one = book(addresses_max=4)
    met = [NodeId(bytes([number]) * 32) for number in range(5)]
    one.book.on_found(met[0], place(0), "peer", at())
    one.book.on_answered(place(0), met[0], at())  # it is linked
    one.book.on_found(met[1], place(1), "peer", at())
    one.book.on_found(met[2], place(1), "peer", at())
    one.book.on_found(met[2], place(2), "peer", at())

    one.book.on_found(met[3], place(3), "peer", at())
    assert (list(one.book.places), one.book.shares.known_by[place(1)]) == (
        [place(0), place(1), place(2), place(3)],
        {met[2]: None},
    )
    one.book.on_found(met[3], place(3), "peer", at())

    assert list(one.book.places) == [place(0), place(2), place(3)]
    one.book.check_all()


def test_a_book_of_none_but_nodes_that_are_linked_keeps_them() -> None:
    one = book(addresses_max=4)
    for number in range(4):
        one.book.on_found(NodeId(bytes([number]) * 32), place(number), "peer", at())
        one.book.on_answered(place(number), NodeId(bytes([number]) * 32), at())

    one.book.on_found(BEN, place(3), "peer", at())

    assert one.book.on_told([(CY, TWO)], EVE, at()) == []
    assert len(one.book.places) == 4
    one.book.check_all()


def test_what_fails_at_once_is_planned_each_by_itself() -> None:
    ben = to_ben()
    one = book(ben)
    one.book.on_told([(CY, ONE), (CY, TWO), (BEN, THREE)], EVE, at())
    assert one.book.on_timer(at()) == [Dial(ONE), Dial(TWO), no_timer(DIAL)]

    first, second = one.book.on_failed(ONE, at()), one.book.on_failed(TWO, at())

    drawn = [one.waits(200), one.waits(200)]
    assert first == drawn[:1]
    assert second == [min(drawn, key=lambda timer: timer.at_us or 0)]  # type: ignore[attr-defined]
    assert one.book.on_failed(THREE, at(900)) == [set_timer(DIAL, ms=900)]  # who is linked is not waited for
    assert book(ben).book.on_told([(BEN, ONE), (CY, ME)], EVE, at()) == [no_timer(DIAL)]


def test_a_dial_to_a_node_that_was_linked_meanwhile_fails_and_nothing_is_waited_for() -> None:
    one = book(to_ben())
    one.book.on_found(BEN, ONE, "mdns", at())

    assert one.book.on_failed(ONE, at()) == [no_timer(DIAL)]


def test_a_full_book_of_seeds_takes_nothing_more() -> None:
    one = dialing(addresses_max=1)
    one.book.places[ONE].failures = 9

    assert one.book.on_found(None, TWO, "seed", at()) == []
