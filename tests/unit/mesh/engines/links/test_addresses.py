"""The address book: who is dialled when, how long after a failure, and which addresses are forgotten."""

import pytest

from mesh.effects import Dial, SetTimer, Timer
from mesh.engines.links import AddressConfig
from mesh.engines.links.addresses import CLAIMS_MAX, DIAL
from mesh.errors import ConfigError
from mesh.types import Address, NodeId
from tests.address_samples import ME, ONE, THREE, TWO, book, dialing
from tests.engine_samples import at, no_timer, set_timer, to_ben, to_cy
from tests.samples import BEN, CY


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"backoff_first_ms": 0}, "back-offs must rise"),
        ({"backoff_first_ms": 3_001}, "back-offs must rise"),
        ({"backoff_known_ms": 15_001}, "back-offs must rise"),
        ({"backoff_known_far_ms": 60_001}, "back-offs must rise"),
        ({"known_for_ms": 0}, "known_for_ms and addresses_max: positive"),
        ({"addresses_max": 0}, "known_for_ms and addresses_max: positive"),
        ({"stood_ms": -1}, "stood_ms: not negative"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        AddressConfig(**fields)


def test_an_address_that_was_found_is_dialled_at_once_and_all_in_parallel() -> None:
    one = book()

    found = [one.book.on_found(None, address, "seed", at(1)) for address in (ONE, TWO)]

    assert found == [[set_timer(DIAL, ms=1)]] * 2
    assert one.book.on_timer(at(1)) == [Dial(ONE), Dial(TWO), no_timer(DIAL)]
    assert one.book.on_timer(at(2)) == [no_timer(DIAL)]


@pytest.mark.parametrize("address", [ME, Address("x", 0), Address("x", 65_536)])
def test_our_own_address_and_impossible_ones_are_not_dialled(address: Address) -> None:
    one = book()

    assert one.book.on_found(None, address, "peer", at()) == []
    assert one.book.places == {}


@pytest.mark.parametrize("source", ["peer", "member", "mdns"])
def test_a_book_that_learns_no_addresses_keeps_what_an_operator_named_alone(source: str) -> None:
    one = book(learns_addresses=False)

    assert one.book.on_found(BEN, ONE, source, at()) == []
    assert one.book.on_found(None, TWO, "seed", at()) == [set_timer(DIAL, ms=0)]
    assert one.book.on_found(None, THREE, "cli", at()) == [set_timer(DIAL, ms=0)]
    assert list(one.book.places) == [TWO, THREE]


def test_a_book_that_learns_no_addresses_still_learns_who_is_at_those_it_has() -> None:
    one = book(to_ben(), learns_addresses=False)
    one.book.on_found(None, ONE, "seed", at())

    assert one.book.on_found(BEN, ONE, "peer", at()) == [set_timer(DIAL, ms=0)]
    assert one.book.places[ONE].node == BEN


def test_a_node_that_is_linked_and_speaks_is_not_dialled_and_one_that_is_silent_is() -> None:
    ben = to_ben()
    one = book(ben)

    assert one.book.on_found(BEN, ONE, "mdns", at()) == [no_timer(DIAL)]
    ben.silent = True
    assert one.book.on_timer(at(3)) == [Dial(ONE), no_timer(DIAL)]


def test_failures_are_followed_by_ever_longer_waits_up_to_a_limit() -> None:
    one = dialing(backoff_max_ms=15_000)

    for ceiling_ms in (200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000):
        assert one.book.on_failed(ONE, at()) == [one.waits(ceiling_ms)]
        place = one.book.places[ONE]
        assert not place.dialing
        one.book.on_timer(at(place.due_us / 1_000))
        assert place.dialing


def test_a_dial_to_what_is_not_in_the_book_fails_without_a_word() -> None:
    assert book().book.on_failed(ONE, at()) == []


def test_what_was_found_again_is_not_dialled_earlier_unless_it_is_another_node() -> None:
    one = dialing()
    one.book.on_failed(ONE, at())
    wait = one.waits(200)

    assert one.book.on_found(None, ONE, "mdns", at()) == [wait]
    assert one.book.on_found(BEN, ONE, "mdns", at()) == [set_timer(DIAL, ms=0)]
    assert one.book.places[ONE].node == BEN
    assert one.book.places[ONE].source == "seed"


def test_what_an_operator_names_lasts_though_it_was_found_otherwise_before() -> None:
    one = book()
    one.book.on_found(None, ONE, "mdns", at())

    one.book.on_found(None, ONE, "cli", at())

    assert one.book.places[ONE].source == "cli"


def test_a_node_that_answered_is_known_at_its_address_and_soon_looked_for_elsewhere() -> None:
    one = dialing()
    one.book.on_found(BEN, TWO, "member", at())
    one.book.on_found(CY, THREE, "member", at())
    one.book.places[THREE].failures, one.book.places[THREE].due_us = 2, at(99).mono_us
    one.book.places[TWO].failures = 3
    one.book.places[TWO].due_us = at(99).mono_us

    outcomes = one.book.on_answered(ONE, BEN, at())

    place = one.book.places[ONE]
    due = one.waits(200)
    assert outcomes == [SetTimer(Timer(DIAL), min(place.due_us, at(99).mono_us))]
    assert (place.node, place.dialing, place.failures) == (BEN, False, 0)
    assert due == SetTimer(Timer(DIAL), place.due_us)
    assert [one.book.places[address].failures for address in (TWO, THREE)] == [3, 2]
    assert [one.book.places[address].linked_us for address in (ONE, TWO, THREE)] == [at().mono_us, at().mono_us, -1]


def test_a_node_that_dialled_us_is_answered_though_no_address_is_known() -> None:
    one = book(to_ben())

    assert one.book.on_answered(None, BEN, at()) == [no_timer(DIAL)]
    assert one.book.on_answered(THREE, BEN, at()) == [no_timer(DIAL)]


@pytest.mark.parametrize(("near", "ceiling_ms"), [(True, 3_000), (False, 15_000)])
def test_a_node_that_was_linked_is_dialled_again_soon_for_an_hour(near: bool, ceiling_ms: int) -> None:
    one = dialing()
    one.book.on_answered(ONE, BEN, at())
    one.waits(200)
    one.book.on_found(BEN, TWO, "member", at())
    one.book.on_found(CY, THREE, "member", at(99))
    place = one.book.places[ONE]

    outcomes = one.book.on_lost(ONE, BEN, near, at())

    both = [one.waits(200), one.waits(200)]
    assert outcomes == [min(both, key=lambda timer: timer.at_us or 0)]  # type: ignore[attr-defined]
    place.failures = 20
    one.book.on_failed(ONE, at(1_000))
    one.waits(ceiling_ms, 1_000)
    assert place.due_us <= at(1_000 + ceiling_ms).mono_us
    one.book.on_failed(ONE, at(3_600_000))
    assert place.due_us == one.waits(60_000, 3_600_000).at_us  # type: ignore[attr-defined]


@pytest.mark.parametrize(("stood_ms", "failures"), [(999, 4), (1_000, 1)])
def test_a_link_that_fell_at_once_was_no_success_and_one_that_stood_was(stood_ms: int, failures: int) -> None:
    one = dialing()
    place = one.book.places[ONE]
    place.failures = 3
    one.book.on_answered(ONE, BEN, at())
    one.book.on_answered(ONE, BEN, at(600))  # a second link to it: the first stands as long as it stood

    one.book.on_lost(ONE, BEN, near=True, now=at(stood_ms))

    assert (place.failures, place.linked_us) == (failures, -1)


def test_who_greets_and_is_hung_up_on_again_and_again_is_dialled_ever_more_seldom() -> None:
    one = dialing()
    now_ms, dials = 0, 0
    while now_ms < 60_000:
        one.book.on_answered(ONE, BEN, at(now_ms))
        one.book.on_lost(ONE, BEN, near=True, now=at(now_ms + 50))
        now_ms = one.book.places[ONE].due_us // 1_000 + 1
        assert one.book.on_timer(at(now_ms))[:1] == [Dial(ONE)]
        dials += 1

    assert 20 < dials < 80  # at 0 to 3 s apart


# --- hearsay, and lies ------------------------------------------------------------------------------------------------


def test_a_seed_is_dialled_until_somebody_answered_whoever_is_said_to_be_there() -> None:
    """A liar that is linked says that it is where a seed is: nobody would be looked for there."""
    one = book(to_ben())
    one.book.on_found(None, ONE, "seed", at())
    one.book.on_found(BEN, ONE, "member", at())

    assert one.book.on_timer(at()) == [Dial(ONE), no_timer(DIAL)]
    assert one.book.on_failed(ONE, at()) == [one.waits(200)]
    assert one.book.on_answered(ONE, BEN, at()) == [no_timer(DIAL)]


def test_who_is_linked_hides_no_other_who_is_said_to_be_at_its_address() -> None:
    one = book(to_ben())
    one.book.on_found(BEN, ONE, "member", at())

    assert one.book.on_found(CY, ONE, "member", at(5)) == [set_timer(DIAL, ms=5)]
    assert one.book.on_found(BEN, ONE, "member", at(6)) == [set_timer(DIAL, ms=6)]
    assert one.book.on_timer(at(6)) == [Dial(ONE), no_timer(DIAL)]
    assert one.book.places[ONE].node == BEN


def test_who_answered_is_looked_for_where_it_did_though_a_liar_says_to_be_there() -> None:
    ben = to_ben()
    one = dialing(ben, to_cy())
    one.book.on_answered(ONE, BEN, at())

    assert one.book.on_found(CY, ONE, "member", at(1)) == [no_timer(DIAL)]
    assert one.book.places[ONE].linked_us == at().mono_us
    ben.silent = True
    one.book.on_silent(BEN, near=True, now=at(1))
    assert one.book.on_timer(at(9_000))[0] == Dial(ONE)


def test_what_an_answer_refuted_is_not_listened_to_again_until_who_answered_is_gone() -> None:
    one = dialing(to_ben())
    one.book.on_found(CY, ONE, "member", at())
    one.book.on_answered(ONE, BEN, at())

    assert one.book.on_found(CY, ONE, "member", at(1)) == [no_timer(DIAL)]
    assert list(one.book.places[ONE].refuted) == [CY]
    one.book.on_lost(ONE, BEN, near=True, now=at(2))
    one.book.on_found(CY, ONE, "member", at(3))
    assert list(one.book.places[ONE].said) == [CY]


def test_another_who_answers_takes_the_place_of_one_that_was_refuted() -> None:
    one = dialing(to_ben(), to_cy())
    one.book.on_found(CY, ONE, "member", at())
    one.book.on_answered(ONE, BEN, at())

    one.book.on_answered(ONE, CY, at(1))

    place = one.book.places[ONE]
    assert (place.node, list(place.said), list(place.refuted)) == (CY, [], [])


def test_one_of_several_who_are_said_to_be_at_an_address_is_dialled_again_soon_once_it_is_lost() -> None:
    one = book(to_ben())
    one.book.on_found(BEN, ONE, "member", at())
    one.book.on_found(CY, ONE, "member", at())

    one.book.on_lost(None, CY, near=True, now=at(7))

    place = one.book.places[ONE]
    assert (place.known_until_us, place.near, place.failures) == (at(3_600_007).mono_us, True, 0)


def test_of_all_that_is_said_about_an_address_only_so_much_is_listened_to() -> None:
    one = book(to_ben())
    one.book.on_found(BEN, ONE, "member", at())

    for number in range(CLAIMS_MAX + 5):
        one.book.on_found(NodeId(bytes([number]) * 32), ONE, "member", at())

    assert len(one.book.places[ONE].said) == CLAIMS_MAX


def test_a_full_book_forgets_no_address_of_a_node_that_is_linked() -> None:
    one = book(addresses_max=1)
    one.book.on_found(BEN, ONE, "member", at())
    one.book.places[ONE].failures = 7
    one.book.on_answered(None, BEN, at())

    assert one.book.on_found(CY, TWO, "member", at()) == []
    assert list(one.book.places) == [ONE]


def test_a_node_that_left_an_address_is_looked_for_where_it_was_dialled() -> None:
    one = dialing()

    one.book.on_lost(ONE, BEN, near=True, now=at())

    assert not one.book.places[ONE].dialing
    assert one.book.places[ONE].failures == 1


def test_a_silent_node_is_dialled_beside_its_link() -> None:
    ben = to_ben()
    one = book(ben, to_cy())
    one.book.on_found(BEN, ONE, "member", at())
    one.book.on_found(CY, TWO, "member", at())
    one.book.places[ONE].failures = 9
    ben.silent = True

    assert one.book.on_silent(BEN, near=True, now=at()) == [one.waits(200)]
    assert one.book.places[ONE].failures == 1


def test_an_address_that_is_our_own_is_not_dialled_until_another_node_is_found_there() -> None:
    one = dialing()
    one.book.places[ONE].dialing = False

    one.book.on_self(ONE)
    one.book.on_self(TWO)
    one.book.on_self(None)

    assert one.book.on_timer(at()) == [no_timer(DIAL)]
    one.book.on_found(BEN, ONE, "mdns", at())
    assert one.book.on_timer(at()) == [Dial(ONE), no_timer(DIAL)]
    one.book.on_self(ONE)
    one.book.on_found(BEN, ONE, "mdns", at())
    assert one.book.on_timer(at()) == [no_timer(DIAL)]


def test_a_book_that_is_closed_dials_nobody() -> None:
    one = book()
    one.book.on_found(None, ONE, "seed", at())

    assert one.book.close() == [no_timer(DIAL)]
    assert one.book.on_timer(at()) == [no_timer(DIAL)]
