"""Links that stand: two to one node, credit and silence."""

import pytest

from mesh.certificates import Identity
from mesh.codes import Code
from mesh.effects import (
    Count,
    CreditCame,
    Hangup,
    Outcome,
    PeerBack,
    PeerDown,
    PeerSilent,
    PeerUp,
    Send,
)
from mesh.engines.links.addresses import DIAL
from mesh.engines.links.core import ALIVE, GREETING
from mesh.frames import Alive, Credit
from mesh.log.batch import BODY_BYTES_MAX, OVERHEAD_BYTES
from tests.engine_samples import LIFE, TO_BEN, TO_CY, at, no_timer
from tests.link_samples import BENS, FRAME, ME, SECOND, Net, alive, double, dropped, greeted, hello, net, up
from tests.samples import ANA, BEN

# --- two links -------------------------------------------------------------------------------------------------------


def test_the_newer_of_two_links_is_written_to_and_both_are_read() -> None:
    one = double()

    assert [peer.link for peer in one.peers] == [SECOND]
    first, second = one.links.reading(TO_BEN), one.links.reading(SECOND)
    assert first is not None
    assert first is second


def test_two_lives_of_one_node_stand_side_by_side() -> None:
    one = greeted()
    one.links.on_link_up(up(SECOND), at())
    one.links.on_hello(SECOND, hello(life=LIFE + 1), at())

    assert [peer.link for peer in one.peers] == [TO_BEN, SECOND]
    assert one.links.on_frame(one.links.links[SECOND], FRAME, 0, at()) == []


SMALLER, LARGER = (ME, BENS) if ANA < BEN else (BENS, ME)


def pair(me: Identity) -> Net:
    """Two links between me and the other of Ana and Ben."""
    other = BENS if me is ME else ME
    one = greeted(me=me, who=other)
    one.links.on_link_up(up(SECOND), at())
    one.links.on_hello(SECOND, hello(other), at())
    one.links.check_all()
    return one


def test_the_smaller_closes_the_older_once_the_newer_has_carried_and_compares_what_was_under_way() -> None:
    one = pair(SMALLER)

    outcomes = one.links.on_frame(one.links.links[SECOND], FRAME, 0, at())

    closed = [Hangup(TO_BEN, Code.LINK_SUPERSEDED), Count(f"links_dropped_total/{Code.LINK_SUPERSEDED}")]
    assert outcomes == [*closed, no_timer(DIAL), PeerBack(SECOND, anew=True)]
    assert list(one.links.links) == [SECOND]
    assert one.links.on_frame(one.links.links[SECOND], FRAME, 0, at()) == []
    one.links.check_all()


def test_the_smaller_writes_to_the_older_again_if_that_has_carried_first() -> None:
    one = pair(SMALLER)

    outcomes = one.links.on_frame(one.links.links[TO_BEN], FRAME, 0, at())

    closed = [Hangup(SECOND, Code.LINK_SUPERSEDED), Count(f"links_dropped_total/{Code.LINK_SUPERSEDED}")]
    assert outcomes == [*closed, PeerDown(SECOND), no_timer(DIAL), PeerUp(TO_BEN)]
    assert [peer.link for peer in one.peers] == [TO_BEN]
    one.links.check_all()


def test_the_larger_waits_for_the_other_to_close_and_compares_then() -> None:
    one = pair(LARGER)

    assert one.links.on_frame(one.links.links[SECOND], FRAME, 0, at()) == []
    assert one.links.on_link_down(TO_BEN, at()) == [no_timer(GREETING, TO_BEN), PeerBack(SECOND, anew=True)]
    one.links.check_all()


def test_where_the_newer_dies_the_older_is_written_to_again() -> None:
    one = double()

    outcomes = one.links.on_link_down(SECOND, at())

    assert outcomes == [no_timer(GREETING, SECOND), PeerDown(SECOND), PeerUp(TO_BEN), no_timer(DIAL)]
    assert [peer.link for peer in one.peers] == [TO_BEN]
    one.links.check_all()


# --- credit ----------------------------------------------------------------------------------------------------------


def test_what_a_peer_grants_may_be_sent_and_totals_never_fall() -> None:
    one = greeted()
    peer = one.peers.get(TO_BEN)
    assert peer is not None

    assert one.links.on_credit(TO_BEN, Credit(100)) == [CreditCame(TO_BEN)]
    assert one.links.on_credit(TO_BEN, Credit(100)) == []
    assert one.links.on_credit(TO_BEN, Credit(99)) == []
    assert peer.credit_until == 100


@pytest.mark.parametrize(("silent", "back"), [(False, [PeerBack(TO_BEN)]), (True, [])])
def test_a_starved_peer_is_back_when_it_has_credit_unless_it_is_silent(silent: bool, back: list[Outcome]) -> None:
    one = greeted()
    peer = one.peers.get(TO_BEN)
    assert peer is not None
    peer.starved, peer.silent = True, silent

    assert one.links.on_credit(TO_BEN, Credit(100)) == [CreditCame(TO_BEN), *back]
    assert not peer.starved


def test_credit_that_comes_on_the_older_link_is_kept_for_when_it_is_written_to_again() -> None:
    one = double()
    older = one.links.links[TO_BEN].peer
    assert older is not None
    older.starved = True

    assert one.links.on_credit(TO_BEN, Credit(100)) == []
    assert (older.credit_until, older.starved) == (100, False)


@pytest.mark.parametrize(
    ("granted", "reserve"),
    [
        (64 << 20, 16 << 20),
        (4 << 20, (2 << 20) - BODY_BYTES_MAX - OVERHEAD_BYTES),
        (2 * BODY_BYTES_MAX, 0),
    ],
)
def test_what_is_old_leaves_to_what_is_new_a_part_of_what_was_granted_first_and_room_for_any_batch(
    granted: int, reserve: int
) -> None:
    one = greeted()
    peer = one.peers.get(TO_BEN)
    assert peer is not None

    one.links.on_credit(TO_BEN, Credit(granted))
    one.links.on_credit(TO_BEN, Credit(2 * granted))

    assert peer.reserve == reserve
    assert granted // 2 - reserve >= min(BODY_BYTES_MAX + OVERHEAD_BYTES, granted // 2)


def test_credit_before_hello_means_nothing() -> None:
    one = net()
    one.links.on_link_up(up(), at())

    assert one.links.on_credit(TO_BEN, Credit(100)) == []
    assert one.links.reading(TO_BEN) is None


def test_who_sends_more_than_was_granted_is_dropped() -> None:
    one = greeted()

    assert one.links.on_batch(TO_BEN, 4 << 20, at()) == []
    outcomes = one.links.on_batch(TO_BEN, 1, at())

    assert outcomes == [*dropped(TO_BEN, Code.CREDIT_EXCEEDED, peer=BEN), PeerDown(TO_BEN), no_timer(DIAL)]


def test_credit_is_told_in_steps_as_batches_are_done_with() -> None:
    one = greeted()
    one.links.on_batch(TO_BEN, 2 << 20, at())

    assert one.links.on_batch_done(TO_BEN, (1 << 20) - 1) == []
    assert one.links.on_batch_done(TO_BEN, 1) == [Send((TO_BEN,), Credit(5 << 20))]
    assert one.links.on_batch_done(TO_CY, 1) == []
    one.links.check_all()


# --- silence ---------------------------------------------------------------------------------------------------------


def test_where_we_were_quiet_for_a_second_we_say_that_we_live() -> None:
    one = greeted()

    assert one.links.on_alive_timer(at(999)) == [alive(1_000)]
    assert one.links.on_alive_timer(at(1_000)) == [Send((TO_BEN,), Alive(at(1_000).wall_ms)), alive(2_000)]


def test_links_that_are_nearly_due_are_told_with_the_one_that_is_and_from_then_on_together() -> None:
    one = double()
    one.links.on_sent((SECOND,), at(500))
    both = tuple(sorted((TO_BEN, SECOND), key=list(one.links.links).index))

    assert one.links.on_alive_timer(at(999)) == [alive(1_000)]
    assert one.links.on_alive_timer(at(1_000)) == [Send(both, Alive(at(1_000).wall_ms)), alive(2_000)]


def test_a_link_that_spoke_not_long_ago_is_not_told_with_the_one_that_is_due() -> None:
    one = double()
    one.links.on_sent((SECOND,), at(501))

    assert one.links.on_alive_timer(at(1_000)) == [Send((TO_BEN,), Alive(at(1_000).wall_ms)), alive(1_501)]


def test_whatever_we_send_counts() -> None:
    one = greeted()

    one.links.on_sent((TO_BEN, TO_CY), at(500))

    assert one.links.on_alive_timer(at(1_000)) == [alive(1_500)]


def test_over_a_busy_link_we_say_what_our_clock_shows_every_ten_seconds() -> None:
    one = greeted()

    def busy(ms: int) -> None:
        one.links.on_sent((TO_BEN,), at(ms))
        one.links.on_frame(one.links.links[TO_BEN], FRAME, 0, at(ms))

    busy(9_400)
    assert one.links.on_alive_timer(at(9_499)) == [alive(10_000)]
    busy(9_900)
    assert one.links.on_alive_timer(at(10_000)) == [Send((TO_BEN,), Alive(at(10_000).wall_ms)), alive(11_000)]
    busy(19_900)
    assert one.links.on_alive_timer(at(20_000)) == [Send((TO_BEN,), Alive(at(20_000).wall_ms)), alive(21_000)]


def test_a_peer_that_says_nothing_for_three_seconds_is_silent_until_it_speaks() -> None:
    one = greeted()
    one.links.links[TO_BEN].carried = True
    one.links.on_sent((TO_BEN,), at(3_000))
    peer = one.peers.get(TO_BEN)
    assert peer is not None

    silent = one.links.on_alive_timer(at(3_000))
    one.links.on_sent((TO_BEN,), at(3_500))
    still = one.links.on_alive_timer(at(3_500))
    back = one.links.on_frame(one.links.links[TO_BEN], FRAME, 0, at(3_600))

    assert silent == [PeerSilent(TO_BEN), no_timer(DIAL), alive(4_000)]
    assert still == [alive(4_500)]
    assert back == [alive(4_500), PeerBack(TO_BEN)]
    assert not peer.silent


def test_who_was_answered_with_hello_is_not_silent_before_a_greeting_would_be_late() -> None:
    one = greeted()
    one.links.on_sent((TO_BEN,), at(4_500))

    waits = one.links.on_alive_timer(at(4_999))
    silent = one.links.on_alive_timer(at(5_000))

    assert (waits, silent[0]) == ([alive(5_000)], PeerSilent(TO_BEN))


def test_a_peer_that_speaks_again_without_credit_stays_behind() -> None:
    one = greeted()
    one.links.links[TO_BEN].carried = True
    one.links.on_alive_timer(at(3_000))
    peer = one.peers.get(TO_BEN)
    assert peer is not None
    peer.starved = True

    assert one.links.on_frame(one.links.links[TO_BEN], FRAME, 0, at(3_600)) == [alive(4_000)]


def test_a_link_that_is_silent_for_a_minute_is_closed() -> None:
    one = greeted()

    outcomes = one.links.on_alive_timer(at(60_000))

    gone = [no_timer(GREETING, TO_BEN), PeerDown(TO_BEN), no_timer(DIAL)]
    assert outcomes == [Hangup(TO_BEN, Code.LINK_SILENT), *gone, no_timer(ALIVE)]


def test_a_silent_link_is_closed_once_its_node_speaks_in_another_life() -> None:
    one = greeted()
    one.links.links[TO_BEN].carried = True
    one.links.on_alive_timer(at(3_000))
    one.links.on_link_up(up(SECOND), at(4_000))
    one.links.on_hello(SECOND, hello(life=LIFE + 1), at(4_000))
    one.links.on_sent((SECOND,), at(4_500))

    outcomes = one.links.on_alive_timer(at(4_500))

    gone = [no_timer(GREETING, TO_BEN), PeerDown(TO_BEN), no_timer(DIAL)]
    assert outcomes == [Hangup(TO_BEN, Code.LINK_SILENT), *gone, alive(5_500)]
    assert list(one.links.links) == [SECOND]


def test_a_link_without_hello_is_neither_kept_alive_nor_called_silent() -> None:
    one = net()
    one.links.on_link_up(up(), at())

    assert one.links.on_alive_timer(at(4_000)) == [alive(60_000)]
