"""Links: HELLO, and what ends a link."""

from dataclasses import replace

import pytest

from mesh.certificates import solo_identity
from mesh.codes import Code
from mesh.effects import (
    Hangup,
    PeerDown,
    PeerUp,
    Report,
    Send,
)
from mesh.engines.links import LinkConfig
from mesh.engines.links.addresses import DIAL
from mesh.engines.links.core import CONTROL_BURST_S, GREETING
from mesh.errors import ConfigError
from mesh.frames import Credit, Hello, Push
from mesh.log.batch import BODY_BYTES_MAX, OVERHEAD_BYTES
from tests.engine_samples import LIFE, TO_BEN, TO_CY, at, no_timer, set_timer
from tests.link_samples import (
    AT_BEN,
    CONFIG,
    CYS,
    FRAME,
    ME,
    MY_LIFE,
    SECOND,
    alive,
    dropped,
    greeted,
    hello,
    mine,
    net,
    up,
)
from tests.samples import BEN, SUITE, WALL_MS, Writer


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"alive_ms": 0}, "alive_ms < silent_ms < dead_ms must hold"),
        ({"alive_ms": 3_000}, "alive_ms < silent_ms < dead_ms must hold"),
        ({"silent_ms": 60_000}, "alive_ms < silent_ms < dead_ms must hold"),
        ({"credit_step_bytes": 0}, "credit_step_bytes: half the credit at most"),
        ({"credit_step_bytes": (2 << 20) + 1}, "credit_step_bytes: half the credit at most"),
        (
            {"credit_ahead_bytes": BODY_BYTES_MAX, "credit_step_bytes": 1},
            "two of the largest batches, 2229248, at least",
        ),
        ({"credit_ahead_bytes": 2 * BODY_BYTES_MAX}, "two of the largest batches, 2229248, at least"),
        ({"credit_ahead_bytes": 2 * (BODY_BYTES_MAX + OVERHEAD_BYTES) - 1}, "two of the largest batches"),
        ({"links_max": 0}, "links_max"),
        ({"greeting_timeout_ms": 0}, "greeting_timeout_ms"),
        ({"control_bytes_per_s": 0}, "control_bytes_per_s: positive"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        LinkConfig(**fields)


def test_the_least_credit_holds_the_largest_batch_though_half_of_it_is_not_granted_yet() -> None:
    """With 512 bytes less for each of the two, what has to be read for a peer waited for credit that never came."""
    largest = BODY_BYTES_MAX + OVERHEAD_BYTES
    config = LinkConfig(credit_ahead_bytes=2 * largest, credit_step_bytes=largest)
    one = greeted(config)
    one.links.on_credit(TO_BEN, Credit(config.credit_ahead_bytes))
    peer = one.peers.by_link[TO_BEN]

    assert one.links.on_batch(TO_BEN, largest, at()) == []
    assert one.links.on_batch_done(TO_BEN, largest - 1) == []
    peer.sent = largest - 1  # and the other side grants no more either

    assert peer.can_take_old(largest)
    assert one.links.on_batch_done(TO_BEN, 1) == [Send((TO_BEN,), Credit(3 * largest))]


def test_nobody_is_done_with_more_than_came() -> None:
    one = greeted()
    assert one.links.on_batch(TO_BEN, 10, at()) == []

    with pytest.raises(AssertionError, match="more is done with than came"):
        one.links.on_batch_done(TO_BEN, 11)


# --- greeting --------------------------------------------------------------------------------------------------------


def test_the_dialler_says_hello_and_waits_for_the_other() -> None:
    one = net()

    assert one.links.on_link_up(up(dialed=AT_BEN), at(1)) == [
        Send((TO_BEN,), mine(dialler=True, ms=1)),
        set_timer(GREETING, TO_BEN, ms=5_001),
        alive(60_001),
    ]


def test_the_acceptor_answers_hello_grants_credit_and_begins_to_write() -> None:
    one = net()
    assert one.links.on_link_up(up(), at()) == [set_timer(GREETING, TO_BEN, ms=5_000), alive(60_000)]
    assert one.links.on_frame(one.links.links[TO_BEN], hello(), 0, at(10)) == []

    outcomes = one.links.on_hello(TO_BEN, hello(address=AT_BEN), at(10))

    assert outcomes == [
        no_timer(GREETING, TO_BEN),
        Send((TO_BEN,), mine(dialler=False, ms=10)),
        Send((TO_BEN,), Credit(4 << 20)),
        PeerUp(TO_BEN),
        no_timer(DIAL),
        no_timer(DIAL),
        alive(1_010),
    ]
    peer = one.peers.get(TO_BEN)
    assert peer is not None
    assert (peer.node, peer.life, peer.region, peer.near, peer.address) == (BEN, LIFE, "eu", True, AT_BEN)
    assert one.book.places[AT_BEN].node == BEN
    one.links.check_all()


def test_the_dialler_does_not_say_hello_twice() -> None:
    one = net()
    one.book.on_found(None, AT_BEN, "seed", at())
    one.links.on_link_up(up(TO_CY, AT_BEN), at())

    outcomes = one.links.on_hello(TO_CY, hello(CYS, dialler=False), at())

    assert outcomes == [
        no_timer(GREETING, TO_CY),
        Send((TO_CY,), Credit(4 << 20)),
        PeerUp(TO_CY),
        no_timer(DIAL),
        alive(1_000),
    ]
    assert [peer.near for peer in one.peers] == [False]


def test_who_does_not_say_hello_in_time_is_dropped() -> None:
    one = net()
    one.links.on_link_up(up(), at())

    assert one.links.on_greeting_timer(TO_BEN, at(5_000)) == dropped(TO_BEN, Code.GREETING_LATE)
    assert one.links.links == {}
    assert greeted().links.on_greeting_timer(TO_BEN, at(5_000)) == []


def test_nothing_is_accepted_before_hello() -> None:
    one = net()
    one.links.on_link_up(up(), at())

    assert one.links.on_frame(one.links.links[TO_BEN], FRAME, 0, at()) == dropped(TO_BEN, Code.HELLO_MISSING, "IHave")


OTHER_MESH = solo_identity(SUITE, b"x", b"other", "eu", WALL_MS)
BAD_PROOF = "the proof is not of this connection"


@pytest.mark.parametrize(
    ("said", "code", "about"),
    [
        (replace(hello(), version=0), Code.VERSION_UNKNOWN, "version 0"),
        (replace(hello(), mesh=OTHER_MESH.mesh), Code.MESH_WRONG, f"mesh {OTHER_MESH.mesh.hex()[:16]}"),
        (replace(hello(), certificate=b"\xc1"), Code.CERTIFICATE_INVALID, "a certificate does not decode"),
        (replace(hello(), certificate=CYS.certificate_raw), Code.HELLO_FORGED, BAD_PROOF),
        (hello(dialler=False), Code.HELLO_FORGED, BAD_PROOF),
    ],
)
def test_who_cannot_prove_to_be_a_member_is_dropped(said: Hello, code: Code, about: str) -> None:
    one = net()
    one.links.on_link_up(up(), at())

    assert one.links.on_hello(TO_BEN, said, at()) == dropped(TO_BEN, code, about)
    assert len(one.peers) == 0


def test_hello_is_said_once() -> None:
    one = greeted()

    outcomes = one.links.on_hello(TO_BEN, hello(), at())

    gone = dropped(TO_BEN, Code.HELLO_FORGED, "HELLO was said twice", peer=BEN)
    assert outcomes == [*gone, PeerDown(TO_BEN), no_timer(DIAL)]


def test_a_node_that_dials_itself_remembers_the_address() -> None:
    one = net()
    one.book.on_found(None, AT_BEN, "seed", at())
    one.links.on_link_up(up(dialed=AT_BEN), at())
    said = hello(ME, dialler=False, life=MY_LIFE)

    outcomes = one.links.on_hello(TO_BEN, said, at())

    assert outcomes[:2] == [Hangup(TO_BEN, Code.LINK_SUPERSEDED, "this is myself"), no_timer(GREETING, TO_BEN)]
    assert one.book.places[AT_BEN].is_self


def test_another_process_with_our_identity_raises_an_alarm_and_is_linked() -> None:
    one = net()
    one.links.on_link_up(up(), at())

    outcomes = one.links.on_hello(TO_BEN, hello(ME, life=3), at())

    assert outcomes[1] == Report(Code.IDENTITY_TWICE, {"link": TO_BEN, "life": 3})
    assert PeerUp(TO_BEN) in outcomes
    one.links.check_all()


def test_too_many_links_are_refused_and_the_address_is_tried_again_later() -> None:
    one = greeted(replace(CONFIG, links_max=1))
    one.book.on_found(None, AT_BEN, "seed", at())

    refused = one.links.on_link_up(up(TO_CY), at())
    dialed = one.links.on_link_up(up(SECOND, AT_BEN), at())

    assert refused == [Hangup(TO_CY, Code.LINKS_TOO_MANY)]
    assert dialed[0] == Hangup(SECOND, Code.LINKS_TOO_MANY)
    assert one.book.places[AT_BEN].failures == 1


def test_a_node_that_stops_closes_its_links_and_takes_none() -> None:
    one = greeted()

    assert one.links.drain() == [Hangup(TO_BEN, Code.NODE_STOPPING)]
    assert one.links.on_link_up(up(TO_CY), at()) == [Hangup(TO_CY, Code.NODE_STOPPING)]


# --- what ends a link ------------------------------------------------------------------------------------------------


def test_a_link_that_is_gone_ends_its_peer() -> None:
    one = greeted()

    assert one.links.on_link_down(TO_BEN, at()) == [no_timer(GREETING, TO_BEN), PeerDown(TO_BEN), no_timer(DIAL)]
    assert one.links.on_link_down(TO_BEN, at()) == []
    assert len(one.peers) == 0


def test_a_link_that_was_never_greeted_and_is_gone_counts_as_a_failed_dial() -> None:
    one = net()
    one.book.on_found(None, AT_BEN, "seed", at())
    one.links.on_link_up(up(dialed=AT_BEN), at())

    outcomes = one.links.on_link_down(TO_BEN, at())

    assert outcomes[0] == no_timer(GREETING, TO_BEN)
    assert one.book.places[AT_BEN].failures == 1


@pytest.mark.parametrize("code", [Code.FRAME_UNDECODABLE, Code.FRAME_TOO_LARGE, Code.BATCH_INVALID])
def test_a_link_on_which_nonsense_came_is_dropped(code: Code) -> None:
    one = greeted()

    assert one.links.on_broken(TO_BEN, code, "nonsense", at()) == [
        *dropped(TO_BEN, code, "nonsense", peer=BEN),
        PeerDown(TO_BEN),
        no_timer(DIAL),
    ]
    assert one.links.on_broken(TO_BEN, code, "nonsense", at()) == []


def test_a_flood_of_control_frames_is_cut_off_and_a_rate_within_its_limit_is_not() -> None:
    one = greeted(replace(CONFIG, control_bytes_per_s=1_000))
    left = one.links.links[TO_BEN].budget
    assert left == 1_000 * CONTROL_BURST_S - 16  # HELLO counts, too

    assert one.links.on_frame(one.links.links[TO_BEN], FRAME, left - 16, at()) == []
    assert one.links.on_frame(one.links.links[TO_BEN], FRAME, 1, at()) == []
    assert one.links.links[TO_BEN].budget == 0
    assert (
        one.links.on_frame(one.links.links[TO_BEN], Push(Writer().write(1)), 1 << 20, at()) == []
    )  # batches have their own credit
    assert one.links.on_frame(one.links.links[TO_BEN], FRAME, 100, at(100)) == []
    flooded = dropped(TO_BEN, Code.CONTROL_FLOOD, peer=BEN)
    assert one.links.on_frame(one.links.links[TO_BEN], FRAME, 1, at(100)) == [
        *flooded,
        PeerDown(TO_BEN),
        no_timer(DIAL),
    ]


def test_a_pause_does_not_save_up_for_more_than_a_burst() -> None:
    one = greeted(replace(CONFIG, control_bytes_per_s=1_000))

    one.links.on_frame(one.links.links[TO_BEN], FRAME, 20, at(50_000))

    assert one.links.links[TO_BEN].budget == 1_000 * CONTROL_BURST_S - 20
