"""Links: HELLO, what drops a link, two links to one node, credit and silence."""

from dataclasses import dataclass, replace

import pytest

from mesh.certificates import Identity, solo_identity
from mesh.codes import Code
from mesh.effects import (
    Count,
    CreditCame,
    Hangup,
    LinkUp,
    Outcome,
    PeerBack,
    PeerDown,
    PeerSilent,
    PeerUp,
    Report,
    Send,
    SetTimer,
)
from mesh.engines.links import AddressBook, AddressConfig, LinkConfig, Links
from mesh.engines.links.addresses import DIAL
from mesh.engines.links.core import ALIVE, CONTROL_BURST_S, GREETING, VERSION, hello_statement
from mesh.errors import ConfigError
from mesh.frames import Alive, Credit, Hello, IHave
from mesh.log.batch import BODY_BYTES_MAX
from mesh.peers import Peers
from mesh.rng import Rng
from mesh.types import Address, LinkId
from tests.engine_samples import LIFE, TO_BEN, TO_CY, at, identity, no_timer, set_timer
from tests.samples import ANA, BEN, SIGNER_OF, SUITE, WALL_MS

ME, BENS, CYS = identity("ana"), identity("ben"), identity("cy", "us")
SECOND = LinkId(22)
BINDING = b"b" * 32
AT_BEN, AT_ME = Address("ben", 1), Address("ana", 1)
CONFIG = LinkConfig()
MY_LIFE = 9
FRAME = IHave(())


@dataclass
class Net:
    """A links engine with its book and peers."""

    links: Links
    book: AddressBook
    peers: Peers


def net(config: LinkConfig = CONFIG, me: Identity = ME) -> Net:
    peers = Peers()
    book = AddressBook(AddressConfig(), peers, Rng(b"book"), AT_ME)
    return Net(Links(config, me, SUITE, peers, book, MY_LIFE, AT_ME), book, peers)


def up(link: LinkId = TO_BEN, dialed: Address | None = None) -> LinkUp:
    return LinkUp(link, BINDING, dialed)


def hello(
    who: Identity = BENS,
    *,
    dialler: bool = True,
    life: int = LIFE,
    address: Address | None = None,
    wall_ms: int = WALL_MS,
) -> Hello:
    """What another node says on this connection."""
    proof = SIGNER_OF[who.node].sign(hello_statement(dialler, who.mesh, who.node, BINDING))
    return Hello(VERSION, who.mesh, who.certificate_raw, life, wall_ms, proof, address)


def mine(*, dialler: bool, ms: float = 0) -> Hello:
    """What Ana says of herself."""
    return hello(ME, dialler=dialler, life=MY_LIFE, address=AT_ME, wall_ms=at(ms).wall_ms)


def alive(ms: float) -> SetTimer:
    return set_timer(ALIVE, ms=ms)


def greeted(config: LinkConfig = CONFIG, who: Identity = BENS, me: Identity = ME) -> Net:
    """A node that somebody dialled and said HELLO to."""
    one = net(config, me)
    one.links.on_link_up(up(), at())
    one.links.on_frame(TO_BEN, hello(who), at())
    one.links.on_hello(TO_BEN, hello(who), at())
    one.links.check()
    return one


def double(me: Identity = ME) -> Net:
    """A node to which one life of Ben has two links, the second the newer."""
    one = greeted(me=me)
    one.links.on_link_up(up(SECOND, AT_BEN), at())
    one.links.on_frame(SECOND, hello(dialler=False), at())
    one.links.on_hello(SECOND, hello(dialler=False), at())
    one.links.check()
    return one


def dropped(link: LinkId, code: Code, about: str = "", *, peer: bytes = b"") -> list[Outcome]:
    facts: dict[str, object] = {"link": link, "why": about} if about else {"link": link}
    if peer:
        facts["peer"] = peer.hex()[:16]
    return [
        Hangup(link, code, about),
        Count(f"links_dropped_total/{code}"),
        Report(code, facts),
        no_timer(GREETING, link),
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"alive_ms": 0}, "alive_ms < silent_ms < dead_ms must hold"),
        ({"alive_ms": 3_000}, "alive_ms < silent_ms < dead_ms must hold"),
        ({"silent_ms": 60_000}, "alive_ms < silent_ms < dead_ms must hold"),
        ({"credit_step_bytes": 0}, "credit_step_bytes: half the credit at most"),
        ({"credit_step_bytes": (2 << 20) + 1}, "credit_step_bytes: half the credit at most"),
        ({"credit_ahead_bytes": BODY_BYTES_MAX, "credit_step_bytes": 1}, "credit"),
        ({"links_max": 0}, "links_max"),
        ({"greeting_timeout_ms": 0}, "greeting_timeout_ms"),
        ({"control_bytes_per_s": 0}, "control_bytes_per_s: positive"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        LinkConfig(**fields)


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
    assert one.links.on_frame(TO_BEN, hello(), at(10)) == []

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
    one.links.check()


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

    assert one.links.on_frame(TO_BEN, FRAME, at()) == dropped(TO_BEN, Code.HELLO_MISSING, "IHave")
    assert one.links.on_frame(TO_BEN, FRAME, at()) == []


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
    one.links.check()


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
    burst = 1_000 * CONTROL_BURST_S

    assert one.links.on_control(TO_BEN, burst - 16, at()) == []
    assert one.links.on_control(TO_BEN, 1, at()) == []
    one.links.on_frame(TO_BEN, FRAME, at(100))
    assert one.links.on_control(TO_BEN, 100, at(100)) == []
    flooded = dropped(TO_BEN, Code.CONTROL_FLOOD, peer=BEN)
    assert one.links.on_control(TO_BEN, 1, at(100)) == [*flooded, PeerDown(TO_BEN), no_timer(DIAL)]


def test_a_pause_does_not_save_up_for_more_than_a_burst() -> None:
    one = greeted(replace(CONFIG, control_bytes_per_s=1_000))

    one.links.on_frame(TO_BEN, FRAME, at(50_000))

    assert one.links.links[TO_BEN].budget == 1_000 * CONTROL_BURST_S


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
    assert one.links.on_frame(SECOND, FRAME, at()) == []


SMALLER, LARGER = (ME, BENS) if ANA < BEN else (BENS, ME)


def pair(me: Identity) -> Net:
    """Two links between me and the other of Ana and Ben."""
    other = BENS if me is ME else ME
    one = greeted(me=me, who=other)
    one.links.on_link_up(up(SECOND), at())
    one.links.on_hello(SECOND, hello(other), at())
    one.links.check()
    return one


def test_the_smaller_closes_the_older_once_the_newer_has_carried_and_compares_what_was_under_way() -> None:
    one = pair(SMALLER)

    outcomes = one.links.on_frame(SECOND, FRAME, at())

    closed = [Hangup(TO_BEN, Code.LINK_SUPERSEDED), Count(f"links_dropped_total/{Code.LINK_SUPERSEDED}")]
    assert outcomes == [*closed, no_timer(DIAL), PeerBack(SECOND)]
    assert list(one.links.links) == [SECOND]
    assert one.links.on_frame(SECOND, FRAME, at()) == []
    one.links.check()


def test_the_smaller_writes_to_the_older_again_if_that_has_carried_first() -> None:
    one = pair(SMALLER)

    outcomes = one.links.on_frame(TO_BEN, FRAME, at())

    closed = [Hangup(SECOND, Code.LINK_SUPERSEDED), Count(f"links_dropped_total/{Code.LINK_SUPERSEDED}")]
    assert outcomes == [*closed, PeerDown(SECOND), no_timer(DIAL), PeerUp(TO_BEN)]
    assert [peer.link for peer in one.peers] == [TO_BEN]
    one.links.check()


def test_the_larger_waits_for_the_other_to_close_and_compares_then() -> None:
    one = pair(LARGER)

    assert one.links.on_frame(SECOND, FRAME, at()) == []
    assert one.links.on_link_down(TO_BEN, at()) == [no_timer(GREETING, TO_BEN), PeerBack(SECOND)]
    one.links.check()


def test_where_the_newer_dies_the_older_is_written_to_again() -> None:
    one = double()

    outcomes = one.links.on_link_down(SECOND, at())

    assert outcomes == [no_timer(GREETING, SECOND), PeerDown(SECOND), PeerUp(TO_BEN), no_timer(DIAL)]
    assert [peer.link for peer in one.peers] == [TO_BEN]
    one.links.check()


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
    one.links.check()


# --- silence ---------------------------------------------------------------------------------------------------------


def test_where_we_were_quiet_for_a_second_we_say_that_we_live() -> None:
    one = greeted()

    assert one.links.on_alive_timer(at(999)) == [alive(1_000)]
    assert one.links.on_alive_timer(at(1_000)) == [Send((TO_BEN,), Alive(at(1_000).wall_ms)), alive(2_000)]


def test_whatever_we_send_counts() -> None:
    one = greeted()

    one.links.on_sent((TO_BEN, TO_CY), at(500))

    assert one.links.on_alive_timer(at(1_000)) == [alive(1_500)]


def test_a_peer_that_says_nothing_for_three_seconds_is_silent_until_it_speaks() -> None:
    one = greeted()
    one.links.on_sent((TO_BEN,), at(3_000))
    peer = one.peers.get(TO_BEN)
    assert peer is not None

    silent = one.links.on_alive_timer(at(3_000))
    one.links.on_sent((TO_BEN,), at(3_500))
    still = one.links.on_alive_timer(at(3_500))
    one.links.links[TO_BEN].carried = True
    back = one.links.on_frame(TO_BEN, FRAME, at(3_600))

    assert silent == [PeerSilent(TO_BEN), no_timer(DIAL), alive(4_000)]
    assert still == [alive(4_500)]
    assert back == [alive(4_500), PeerBack(TO_BEN)]
    assert not peer.silent


def test_a_peer_that_speaks_again_without_credit_stays_behind() -> None:
    one = greeted()
    one.links.on_alive_timer(at(3_000))
    peer = one.peers.get(TO_BEN)
    assert peer is not None
    peer.starved = True
    one.links.links[TO_BEN].carried = True

    assert one.links.on_frame(TO_BEN, FRAME, at(3_600)) == [alive(4_000)]


def test_a_link_that_is_silent_for_a_minute_is_closed() -> None:
    one = greeted()

    outcomes = one.links.on_alive_timer(at(60_000))

    gone = [no_timer(GREETING, TO_BEN), PeerDown(TO_BEN), no_timer(DIAL)]
    assert outcomes == [Hangup(TO_BEN, Code.LINK_SILENT), *gone, no_timer(ALIVE)]


def test_a_silent_link_is_closed_once_its_node_speaks_in_another_life() -> None:
    one = greeted()
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
