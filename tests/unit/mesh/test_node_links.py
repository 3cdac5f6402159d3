"""A node and its links: who is greeted, dropped, compared with, and where each frame goes."""

from dataclasses import replace

import pytest

from mesh import effects as e
from mesh import frames as f
from mesh import operations as o
from mesh.clocks.hybrid import stamp_ms
from mesh.codes import Code
from mesh.config import sim
from mesh.effects import Append, Count, Marks, Report, Send, Tell
from mesh.log.batch import NUMBER_MAX
from mesh.log.record import TTL_MS_MAX
from mesh.operations import Draft, Publish
from mesh.types import Address
from mesh.wire.frames import WALL_MS_MAX
from tests.engine_samples import TO_BEN, TO_CY
from tests.node_samples import BENS, BINDING, CREDIT, CYS, SEAT, SEED, ben, hello, linked, sent, started
from tests.samples import ANA, BEN, CY, WALL_MS, received

# --- links -----------------------------------------------------------------------------------------------------------


def test_a_peer_that_comes_up_is_told_members_compared_with_and_told_what_is_stored() -> None:
    host = started()
    host.attach()
    host.say(Publish((Draft("a", 1, b""),)))
    host.stored()
    host.tick(e.LinkUp(TO_BEN, BINDING, None))

    effects = host.frame(hello())

    log = next(iter(host.node.holdings.stored))
    mine = effects[0]
    assert isinstance(mine, Send)
    assert isinstance(mine.frame, f.Hello)
    assert effects[1:] == [
        sent(f.Credit(CREDIT)),
        sent(f.Members(tuple(raw for _, raw in sorted(host.node.roster.raw.items())))),
        sent(f.RepairHello(1, host.node.holdings.digest)),
        Count("repair_sessions_total"),
        sent(f.Stored(ANA, "eu", ((log, 1, 1),))),
        Append(3, (), Marks(members=(BENS.certificate_raw,))),
    ]


def test_a_node_that_learns_no_addresses_neither_dials_nor_tells_what_peers_say_of_others() -> None:
    config = sim()
    host = linked(replace(config, addresses=replace(config.addresses, learns_addresses=False)))

    told = host.frame(f.Members((CYS.certificate_raw,), ((CY, Address("cy", 1)),)))
    host.tick(e.LinkUp(TO_CY, BINDING, None))
    greeted = host.frame(replace(hello("cy"), address=Address("cy", 1)), link=TO_CY)

    assert [type(effect) for effect in told] == [Append]
    assert host.tick(ms=1) == []
    assert [one.frame.addresses for one in greeted if isinstance(one, Send) and isinstance(one.frame, f.Members)] == [
        ()
    ]


def test_who_says_hello_wrongly_is_dropped_and_taught_to_nobody() -> None:
    host = started()
    host.tick(e.LinkUp(TO_BEN, BINDING, None))

    effects = host.frame(replace(hello(), proof=b"x" * 64))

    assert effects[0] == e.Hangup(TO_BEN, Code.HELLO_FORGED, "the proof is not of this connection")
    assert list(host.node.roster.members) == [ANA]


def test_frames_before_hello_drop_the_link() -> None:
    host = started()
    host.tick(e.LinkUp(TO_BEN, BINDING, None))

    assert host.frame(f.Alive(WALL_MS))[0] == e.Hangup(TO_BEN, Code.HELLO_MISSING, "Alive")


def test_a_flood_of_control_frames_drops_the_link() -> None:
    host = linked()
    host.node.links.links[TO_BEN].budget = 0

    assert host.frame(f.Alive(WALL_MS))[0] == e.Hangup(TO_BEN, Code.CONTROL_FLOOD)


@pytest.mark.parametrize("code", [Code.FRAME_UNDECODABLE, Code.FRAME_TOO_LARGE])
def test_what_the_host_cannot_read_drops_the_link(code: Code) -> None:
    assert linked().tick(e.LinkBroken(TO_BEN, code, "junk"))[0] == e.Hangup(TO_BEN, code, "junk")


def test_who_does_not_greet_in_time_is_dropped() -> None:
    host = started()
    host.tick(e.LinkUp(TO_BEN, BINDING, None))

    assert host.tick(ms=5_000)[0] == e.Hangup(TO_BEN, Code.GREETING_LATE)


def test_addresses_are_dialled_but_our_own() -> None:
    host = started()
    host.tick(e.AddressFound(ANA, SEED, "mdns"))
    assert host.tick() == []

    host.tick(e.AddressFound(None, SEED, "cli"))

    assert host.tick() == [e.Dial(SEED)]
    assert host.tick(e.DialFailed(SEED, "refused")) == []
    assert host.node.book.places[SEED].failures == 1


def test_members_and_their_addresses_are_learnt_from_peers() -> None:
    host = linked()

    effects = host.frame(f.Members((CYS.certificate_raw,), ((CY, SEED), (ANA, Address("me", 2)))))

    assert effects == [Append(3, (), Marks(members=(CYS.certificate_raw,)))]
    assert list(host.node.book.places) == [SEED]


def test_a_silent_peer_is_given_up_for_now_and_compared_with_when_it_is_back() -> None:
    host = linked()
    host.tick(ms=2_999)

    silent = host.tick(ms=3_000)
    back = host.frame(f.Alive(WALL_MS))

    assert sent(f.RepairHello(2, 0)) not in silent
    assert back == [sent(f.RepairHello(2, 0)), Count("repair_sessions_total")]


def test_the_clock_of_a_peer_is_observed_while_it_is_linked() -> None:
    host = linked()

    host.frame(f.Alive(WALL_MS + 5))
    seen = dict(host.node.guard.offsets)
    host.tick(e.LinkDown(TO_BEN, "gone"))

    assert seen == {BEN: WALL_MS + 5}
    assert host.node.guard.offsets == {}


def test_a_node_lives_and_publishes_whatever_its_neighbors_clocks_show() -> None:
    host = linked()
    host.tick(e.LinkUp(TO_CY, BINDING, None))
    host.frame(hello("cy"), link=TO_CY)
    for link in (TO_BEN, TO_CY):
        host.frame(f.Alive(WALL_MS_MAX - 1), link=link)
    host.attach()

    host.say(Publish((Draft("a", 1, b"", ttl_ms=TTL_MS_MAX),)))

    (batch,) = host.appends[-1].batches
    assert stamp_ms(batch.head.stamp) == WALL_MS_MAX - 1
    assert batch.head.expires_ms < NUMBER_MAX


def test_credit_lets_what_is_owed_go_out() -> None:
    host = linked()
    batch = ben().write()
    host.frame(f.Push(received(batch)))
    host.stored()
    peer = host.node.peers.get(TO_BEN)
    assert peer is not None
    peer.sent = peer.credit_until

    asked = host.frame(f.Want(((batch.log, 1, 1),)))
    granted = host.tick(e.FrameReceived(TO_BEN, f.Credit(2 * CREDIT), 50), wall_ms=WALL_MS + 1_000)

    assert asked == []
    assert granted == [sent(f.Push(received(batch)), f.Lane.BACKFILL)]


# --- frames go where they belong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ask", "fresh_ms"), [(f.Graft, 5_000), (f.Want, 1_000)])
def test_grafts_and_wants_are_answered_in_the_lane_of_what_is_new_or_old(
    ask: type[f.Graft | f.Want], fresh_ms: int
) -> None:
    host = linked()
    batch = ben().write()
    host.frame(f.Push(received(batch)))
    host.stored()
    both = ask(((batch.log, 1, 2),))

    new = host.tick(e.FrameReceived(TO_BEN, both, 50), wall_ms=WALL_MS + fresh_ms - 1)
    old = host.tick(e.FrameReceived(TO_BEN, both, 50), wall_ms=WALL_MS + fresh_ms)

    absent = sent(f.NotFound(((batch.log, 2, 2),)))
    assert new == [absent, sent(f.Push(received(batch)), f.Lane.LIVE)]
    assert old == [absent, sent(f.Push(received(batch)), f.Lane.BACKFILL)]


def test_what_is_asked_on_the_older_of_two_links_is_asked_again_on_the_newer() -> None:
    host = linked()
    batch = ben().write()
    host.frame(f.Push(received(batch)))
    host.stored()
    host.tick(e.LinkUp(TO_CY, BINDING, None))
    host.frame(hello(), link=TO_CY)
    newer = host.node.peers.get(TO_CY)
    assert newer is not None
    newer.credit_until = CREDIT

    older = host.frame(f.Want(((batch.log, 1, 1),)), f.Graft(((batch.log, 1, 1),)))

    assert older == []
    assert Send((TO_CY,), f.Push(received(batch)), f.Lane.LIVE) in host.frame(f.Want(((batch.log, 1, 1),)), link=TO_CY)


def test_a_vector_follows_what_was_pushed_and_its_last_page_what_was_asked_for() -> None:
    host = linked(replace(sim(), delivery=replace(sim().delivery, recent_bytes=0)))
    batch = ben().write()
    host.frame(f.Push(received(batch)))
    host.stored()
    (load,) = host.frame(f.Want(((batch.log, 1, 1),)))
    assert isinstance(load, e.Load)

    told = host.frame(f.RepairHello(7, 1))
    state = f.LogState(batch.log, batch.head.stamp, ((1, 1, batch.name),))
    served = host.tick(e.Loaded(load.request, (received(batch),)), wall_ms=WALL_MS + 1_000)

    assert told[1:] == [sent(f.Vector(7, (state,), more=True, answer=True), f.Lane.LIVE)]
    assert served == [
        sent(f.Push(received(batch)), f.Lane.BACKFILL),
        sent(f.Vector(7, (), answer=True), f.Lane.BACKFILL),
    ]


def test_what_is_read_for_a_peer_is_sent_to_it() -> None:
    host = linked(replace(sim(), delivery=replace(sim().delivery, recent_bytes=0)))
    batch = ben().write()
    host.frame(f.Push(received(batch)))
    host.stored()

    (load,) = host.frame(f.Want(((batch.log, 1, 1),)))
    assert isinstance(load, e.Load)
    loaded = host.tick(e.Loaded(load.request, (received(batch),)), wall_ms=WALL_MS + 1_000)

    assert loaded == [sent(f.Push(received(batch)), f.Lane.BACKFILL)]


def test_an_announced_batch_is_grafted_and_what_is_not_found_is_left_to_repair() -> None:
    host = linked()
    log = ben().log
    start = host.ms

    assert host.frame(f.IHave(((log, 1, 1),))) == []
    grafted = host.tick(ms=start + 100)
    host.frame(f.NotFound(((log, 1, 1),)))
    due = host.tick(ms=start + 200)

    assert grafted == [sent(f.Graft(((log, 1, 1),))), Count("grafts_total")]
    assert due == [sent(f.RepairHello(2, 0)), Count("repair_sessions_total")]


def test_a_session_of_repair_goes_through_all_its_frames() -> None:
    host = linked()
    writer = ben()
    batch = writer.write()
    state = f.LogState(batch.log, batch.head.stamp, ((1, 1, batch.name),))

    equal = host.frame(f.RepairHello(1, 0))
    vector = host.frame(f.Vector(1, (state,), answer=True))
    busy = host.frame(f.Busy(((batch.log, 1, 1),)))

    assert equal == [sent(f.RepairEqual(1))]
    assert vector == [sent(f.Vector(1, ()), f.Lane.LIVE), sent(f.Want(((batch.log, 1, 1),)))]
    assert busy == []
    host.frame(f.Push(received(batch)))
    assert host.node.repair.partners[TO_BEN].missing.count == 0


def test_a_peer_that_does_not_send_what_it_says_it_has_is_told_of() -> None:
    host = linked()
    log = ben().log
    reports = []
    for _ in range(3):
        session = host.node.repair.partners[TO_BEN].session
        host.frame(f.Vector(session, (f.LogState(log, 5, ((1, 1, b"n" * 32),)),), answer=True))
        for _ in range(13):
            host.frame(f.Alive(WALL_MS + int(host.ms)))
            reports += [one for one in host.tick(ms=host.ms + 1_000) if isinstance(one, Report)]

    assert reports == [Report(Code.REPAIR_STALLED, {"peer": BEN.hex()[:16], "missing": 1})]


def test_receipts_of_a_peer_raise_those_of_publishers() -> None:
    host = linked()
    host.attach()
    host.say(Publish((Draft("a", 1, b""),), 2, 1))
    host.stored()
    log = next(iter(host.node.holdings.stored))

    assert host.frame(f.Stored(BEN, "eu", ((log, 1, 1),))) == [Tell((SEAT,), o.Receipt(1, 1, 2, 1, log, 1))]


def test_announcements_of_what_came_are_told_to_the_others() -> None:
    host = linked()
    host.tick(e.LinkUp(TO_CY, BINDING, None))
    host.frame(hello("cy"), link=TO_CY)
    batch = ben().write()
    host.frame(f.Push(received(batch)))
    start = host.ms

    effects = host.tick(ms=start + 20)

    assert effects == [sent(f.IHave(((batch.log, 1, 1),)), link=TO_CY)]
