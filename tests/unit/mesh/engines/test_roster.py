"""The roster: members by certificate, who is told of whom, and what is kept on the disk."""

from dataclasses import replace

import pytest

from mesh.certificates import GRACE_MS, LIFE_MS, Certificate, Identity
from mesh.codes import Code
from mesh.effects import Count, Report, Send
from mesh.engines import roster as module
from mesh.engines.roster import Roster
from mesh.frames import Members
from mesh.peers import Peer
from mesh.types import Address, NodeId
from tests.engine_samples import TO_BEN, TO_CY, identity, table, to_ben, to_cy
from tests.samples import ANA, BEN, CY, DAY_MS, SUITE, WALL_MS

ME, BENS, CYS = identity("ana"), identity("ben"), identity("cy", "us")
LATER_MS = WALL_MS + LIFE_MS + GRACE_MS + 1
"""By this time every certificate has ended."""


def roster(*peers: Peer, me: Identity = ME) -> Roster:
    return Roster(me, SUITE, table(*peers))


def raws(*identities: Identity) -> tuple[bytes, ...]:
    return tuple(one.certificate_raw for one in identities)


def refused(link: int, count: int) -> list[object]:
    about = {"link": link, "certificates": count}
    return [Count("certificates_refused_total", count), Report(Code.CERTIFICATE_INVALID, about)]


def test_a_node_is_a_member_itself_and_has_that_kept() -> None:
    one = roster()

    assert list(one.members) == [ANA]
    assert one.take_learnt() == raws(ME)
    assert one.take_learnt() == ()
    assert (one.region(ANA), one.region(BEN)) == ("eu", "")
    one.check_all()


def test_what_the_store_held_is_recovered_and_not_kept_again() -> None:
    one, other = roster(), roster()

    one.recover(raws(ME, CYS), WALL_MS)
    other.recover(raws(CYS), WALL_MS)

    assert one.members.keys() == {ANA, CY}
    assert one.take_learnt() == ()
    assert other.take_learnt() == raws(ME)
    assert one.region(CY) == "us"


def test_certificates_that_ended_meanwhile_are_left_out() -> None:
    one = roster()

    one.recover(raws(ME, CYS), LATER_MS)

    assert list(one.members) == [ANA]


def test_a_member_that_says_hello_is_made_known_to_the_others() -> None:
    one = roster(to_ben(), to_cy())
    one.take_learnt()

    assert one.on_hello(TO_BEN, BENS.certificate_raw, WALL_MS) == [Send((TO_CY,), Members(raws(BENS)))]
    assert one.on_hello(TO_BEN, BENS.certificate_raw, WALL_MS) == []
    assert one.take_learnt() == raws(BENS)


def test_a_lone_peer_has_nobody_to_be_made_known_to() -> None:
    assert roster(to_ben()).on_hello(TO_BEN, BENS.certificate_raw, WALL_MS) == []


def test_new_members_go_on_to_the_others_and_known_ones_do_not() -> None:
    one = roster(to_ben(), to_cy())

    outcomes = one.on_members(TO_BEN, Members(raws(ME, BENS, CYS)), WALL_MS)

    assert outcomes == [Send((TO_CY,), Members(raws(BENS, CYS)))]
    assert one.on_members(TO_BEN, Members(raws(ME, BENS, CYS)), WALL_MS) == []
    one.check_all()


def test_certificates_that_do_not_hold_are_refused_and_told() -> None:
    one = roster(to_ben(), to_cy())

    outcomes = one.on_members(TO_BEN, Members((b"junk", *raws(CYS), b"more")), WALL_MS)

    assert outcomes == [*refused(TO_BEN, 2), Send((TO_CY,), Members(raws(CYS)))]


def test_a_certificate_that_ends_later_takes_the_place_of_the_older() -> None:
    renewed = identity("ben", wall_ms=WALL_MS - 1)
    one = roster(to_cy())
    one.on_members(TO_CY, Members(raws(renewed)), WALL_MS)
    assert renewed.certificate.not_after_ms < BENS.certificate.not_after_ms

    one.on_members(TO_CY, Members(raws(BENS)), WALL_MS)

    assert one.raw[BEN] == BENS.certificate_raw
    assert one.on_members(TO_CY, Members(raws(renewed)), WALL_MS) == refused(TO_CY, 1)
    assert one.raw[BEN] == BENS.certificate_raw


def test_beyond_the_limit_no_stranger_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMBERS_MAX", 2)
    one = roster(to_ben())
    one.on_members(TO_BEN, Members(raws(identity("ben", wall_ms=WALL_MS - 1))), WALL_MS)

    assert one.on_members(TO_BEN, Members(raws(CYS)), WALL_MS) == refused(TO_BEN, 1)
    assert one.on_members(TO_BEN, Members(raws(BENS)), WALL_MS) == []
    assert one.raw[BEN] == BENS.certificate_raw


def test_everyone_speaks_when_every_other_member_is_linked_and_not_silent() -> None:
    ben, cy = to_ben(), to_cy()
    one = roster(ben, cy)
    alone = one.everyone_speaks()
    one.on_members(TO_BEN, Members(raws(BENS, CYS)), WALL_MS)

    both = one.everyone_speaks()
    cy.silent = True

    assert (alone, both, one.everyone_speaks()) == (True, True, False)


def test_who_starts_with_a_clock_by_which_nobody_is_a_member_knows_not_whether_everyone_speaks() -> None:
    one = roster(to_ben())

    one.recover(raws(ME, CYS), WALL_MS - 400 * DAY_MS)
    asked = [one.everyone_speaks()]
    one.on_peer_up(TO_BEN)
    asked.append(one.everyone_speaks())

    assert (list(one.members), asked) == ([ANA], [False, True])


def test_a_peer_is_told_of_all_members_and_addresses_and_the_others_of_its_own() -> None:
    ben, cy = to_ben(), to_cy()
    ben.address, cy.address = Address("ben", 1), Address("cy", 2)
    one = roster(ben, cy)
    one.on_members(TO_BEN, Members(raws(BENS, CYS)), WALL_MS)

    outcomes = one.on_peer_up(TO_CY)

    everyone = tuple(raw for _, raw in sorted(one.raw.items()))
    assert outcomes == [
        Send((TO_CY,), Members(everyone, ((BEN, Address("ben", 1)),))),
        Send((TO_BEN,), Members((), ((CY, Address("cy", 2)),))),
    ]


def test_addresses_that_nobody_knows_are_not_told() -> None:
    one = roster(to_ben(), to_cy())

    assert one.on_peer_up(TO_CY) == [Send((TO_CY,), Members(raws(ME)))]


def test_no_addresses_are_told_where_none_are_learnt() -> None:
    ben, cy = to_ben(), to_cy()
    ben.address, cy.address = Address("ben", 1), Address("cy", 2)
    one = roster(ben, cy)
    one.tells_addresses = False

    assert one.on_peer_up(TO_CY) == [Send((TO_CY,), Members(raws(ME)))]


def test_many_members_are_told_in_pages_the_addresses_with_the_first() -> None:
    ben = to_ben()
    ben.address = Address("ben", 1)
    one = roster(ben, to_cy())
    for number in range(module.PAGE_CERTIFICATES):
        node = NodeId(number.to_bytes(32, "big"))
        one.members[node], one.raw[node] = _copy(ME.certificate, node), b"%d" % number

    first, second = one.on_peer_up(TO_CY)

    everyone = tuple(raw for _, raw in sorted(one.raw.items()))
    assert first == Send((TO_CY,), Members(everyone[: module.PAGE_CERTIFICATES], ((BEN, Address("ben", 1)),)))
    assert second == Send((TO_CY,), Members(everyone[module.PAGE_CERTIFICATES :]))


def _copy(certificate: Certificate, node: NodeId) -> Certificate:
    return replace(certificate, node=node)


def test_check_sees_a_member_without_a_certificate() -> None:
    one = roster()
    one.raw.clear()

    with pytest.raises(AssertionError):
        one.check_all()
