"""What a bad host makes of the frames that leave its node."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import shake_256

import pytest

from mesh import frames as f
from mesh.config import sim
from mesh.engines.receipts import ReceiptConfig
from mesh.log.batch import verify
from mesh.types import LinkId, LogId, NodeId
from mesh.wire.frames import decode_frame, encode_frame
from sim.contract import Backlog, held_to_us
from sim.hostile import BOAST_POSITIONS, FLOOD_TIMES, REPEATS, Hostiles, _of_tomorrow, _said_by
from sim.links import Pipe
from sim.network import Network
from sim.scenario.cast import Cast
from sim.scenario.reading import from_tables
from sim.workload import App
from sim.world import Machine, World
from tests.link_samples import hello
from tests.samples import ANA, MESH, SUITE, Writer


def test_a_host_of_tomorrow_says_more_than_is_understood_and_all_that_is() -> None:
    for frame in (hello(), f.Alive(7), f.IHave(()), f.Credit(3)):
        changed, new = _of_tomorrow(encode_frame(frame))

        later = replace(frame, version=frame.version + 1) if isinstance(frame, f.Hello) else frame
        assert decode_frame(changed) == later
        assert len(changed) > len(encode_frame(frame))
        assert decode_frame(new) is None


def test_a_host_of_the_past_greets_with_a_version_of_the_past_and_says_the_rest_as_it_is() -> None:
    assert _said_by("past", hello()) == [replace(hello(), version=0)]
    assert _said_by("past", f.Alive(7)) == [f.Alive(7)]


def test_a_host_that_tampers_spoils_the_payload_or_the_proof_of_the_epoch_and_never_the_signature() -> None:
    writer = Writer()

    for batch, fault in (
        (writer.write(), "the body is not the one that was signed"),
        (writer.write(), "the epoch is not signed by its node"),
        (writer.write().stripped(), "the epoch is not signed by its node"),
    ):
        (changed,) = _said_by("tamper", f.Push(batch))
        assert isinstance(changed, f.Push)
        assert (changed.batch.header, changed.batch.signature) == (batch.header, batch.signature)
        assert verify(changed.batch, MESH, SUITE, {}) == fault


# --- several deeds of one node ----------------------------------------------------------------------------------------


def two() -> tuple[World, Hostiles, Callable[[f.Frame], list[bytes]]]:
    """Eve, who may go bad, linked to ana; and what leaves her host of a frame for ana."""
    world = World(5, Network.even(delay_us=10_000))
    world.add("ana", "eu")
    world.add("eve", "us", ("ana",))
    world.run(1)
    hostiles, eve = Hostiles(world, {}), world.machines["eve"]
    (pipe,) = (pipe for pipe in eve.links.values() if isinstance(pipe, Pipe))
    return world, hostiles, lambda frame: hostiles._leave(eve, pipe, encode_frame(frame))


def test_deeds_of_one_node_that_overlap_are_all_done_and_each_ends_by_itself() -> None:
    world, hostiles, leaves = two()
    seen: list[str] = []
    end_flood = hostiles.turn("eve", "flood", 1_000_000, lambda: seen.append("flood"))
    end_withhold = hostiles.turn("eve", "withhold", 1_000_000, lambda: seen.append("withhold"))

    assert leaves(f.IHave(())) == []
    assert leaves(f.Alive(1)) == FLOOD_TIMES * [encode_frame(f.Alive(1))]
    assert seen == ["flood", *FLOOD_TIMES * ["withhold"], "flood"]
    end_flood()
    assert (leaves(f.IHave(())), leaves(f.Alive(1))) == ([], [encode_frame(f.Alive(1))])
    assert world.mangle is not None
    end_withhold()
    assert leaves(f.IHave(())) == [encode_frame(f.IHave(()))]
    assert (world.mangle, hostiles.deeds) == (None, {})


def test_a_host_that_boasts_gives_receipts_for_what_it_has_not_also_in_the_name_of_a_third() -> None:
    world, hostiles, leaves = two()
    eve, log = NodeId(world.machines["eve"].node_id), LogId(ANA, 1)
    stored = f.Stored(eve, "us", ((log, 1, 5),))
    hostiles.turn("eve", "boast", 1_000_000)

    alone = leaves(stored)
    world.add("ben", "ap")
    beside = leaves(stored)

    claimed = replace(stored, ranges=((log, 1, 5 + BOAST_POSITIONS),))
    ben = replace(claimed, node=NodeId(world.machines["ben"].node_id), region="ap")
    assert alone == [encode_frame(claimed)]
    assert beside == [encode_frame(claimed), encode_frame(ben)]


@pytest.mark.parametrize(("deed", "waits"), [("withhold", True), ("deny", True), ("boast", True), ("flood", False)])
def test_others_wait_longer_for_who_may_have_kept_something_back_and_for_nobody_else(deed: str, waits: bool) -> None:
    world, hostiles, _ = two()
    members = [{"name": "ana", "region": "eu"}, {"name": "eve", "region": "us"}]
    cast = Cast(from_tables({"title": "two", "promise": "none", "topology": {"node": members}}))

    def within_us() -> int:
        return held_to_us(cast, world, [("ana", "eve")], ["ana", "eve"], Backlog())

    before_us = within_us()

    hostiles.turn("eve", deed, 1_000_000)()

    after_us = within_us()
    stall_ms = max(machine.config.repair.stall_ms for machine in world.machines.values())
    assert after_us == before_us if not waits else after_us > before_us + stall_ms * 1_000


def test_one_deed_twice_is_two_of_which_one_may_end() -> None:
    _, hostiles, leaves = two()
    ends = [hostiles.turn("eve", "flood", 1_000_000) for _ in range(2)]

    assert len(leaves(f.Alive(1))) == FLOOD_TIMES**2
    ends[1]()
    assert len(leaves(f.Alive(1))) == FLOOD_TIMES


def test_what_a_deed_has_broken_passes_the_others_as_it_is() -> None:
    _, hostiles, leaves = two()
    hostiles.turn("eve", "future", 1_000_000)
    for deed in ("withhold", "future", "eclipse"):
        hostiles.turn("eve", deed, 1_000_000)

    left = leaves(f.Alive(1))

    assert len(left) >= 3
    assert any(decode_frame(each) is None for each in left)


def test_garbled_frames_pass_other_deeds() -> None:
    _, hostiles, leaves = two()
    for deed in ("garble", "withhold", "future", "eclipse"):
        hostiles.turn("eve", deed, 1_000_000)

    assert all(leaves(f.Alive(number)) for number in range(200))


# --- the credit of a stream -------------------------------------------------------------------------------------------


def keeping(share_ppm: int) -> tuple[World, Machine, Machine, Callable[[], None], App]:
    """Eve, whose host keeps batches from ana; with an application at hers that has published ten megabytes meanwhile."""
    world, hostiles, _ = two()
    app = App(world, "app", ["eve"])
    world.run(1)
    end = hostiles.turn("eve", "withhold", share_ppm)
    for number in range(200):
        app.publish("room/1", shake_256(b"%d" % number).digest(50_000))  # which does not compress
        world.run(0.05)
    world.run(5)
    return world, world.machines["ana"], world.machines["eve"], end, app


def test_what_a_host_keeps_back_costs_its_node_no_credit() -> None:
    world, ana, eve, end, app = keeping(1_000_000)
    assert eve.node is not None and ana.node is not None
    (peer,) = eve.node.peers
    (link,) = ana.node.links.links.values()
    assert (link.got, peer.starved) == (0, False)
    assert peer.sent > 2 * link.granted_until

    end()
    app.publish("room/1", b"honest again")

    assert world.run_until(world.converged, 60)
    assert not any(label.startswith("hangup/") for label in world.coverage)


def test_a_node_whose_host_keeps_some_batches_back_hears_of_as_much_more_credit() -> None:
    world, ana, eve, end, _ = keeping(300_000)
    assert eve.node is not None and ana.node is not None
    (peer,) = eve.node.peers
    (link,) = ana.node.links.links.values()
    step = eve.config.links.credit_step_bytes

    kept = peer.sent - link.got

    assert kept > step
    assert link.granted_until > eve.config.links.credit_ahead_bytes
    assert link.granted_until + kept - step < peer.credit_until <= link.granted_until + kept
    end()
    assert world.run_until(world.converged, 60)


def test_the_books_of_a_link_begin_with_a_grant_that_is_on_its_way() -> None:
    world, hostiles, _ = two()
    eve = world.machines["eve"]
    assert eve.node is not None
    (peer,) = eve.node.peers
    step = eve.config.links.credit_step_bytes
    hostiles._keep_back(eve, peer.link, 1)
    peer.credit_until += 5 * step

    hostiles._keep_back(eve, peer.link, step)
    world.run(0.01)

    assert peer.credit_until == eve.config.links.credit_ahead_bytes + 6 * step + 1


def test_a_link_that_is_written_to_no_more_has_no_books() -> None:
    _, hostiles, _ = two()
    eve = hostiles.world.machines["eve"]

    hostiles._keep_back(eve, LinkId(99), 1)

    assert hostiles._books == {}


# --- clients ----------------------------------------------------------------------------------------------------------


def visited(**slow: int) -> tuple[World, Machine, Hostiles]:
    """Ana, whose sessions may wait for a hundred runs each, and who has two appends under way; and who may come to her."""
    world = World(5, Network.even(delay_us=10_000))
    ana = world.add("ana", "eu", (), replace(sim(), receipts=ReceiptConfig(session_waiting_max=100)))
    world.add("ben", "us", ("ana",))
    app = App(world, "app", ["ana"])
    world.run(1)
    ana.slow_disk_us = slow.get("slow_us", 0)
    for payload in (b"first", b"second"):
        app.publish("room/1", payload)
        world.run(0.01)
    return world, ana, Hostiles(world, {})


def test_a_client_that_repeats_itself_publishes_once_and_takes_one_place() -> None:
    world, ana, hostiles = visited()
    assert hostiles.client(ana, "repeat", 3)
    world.run(1)

    ((name, entry),) = hostiles.ledger.items()
    assert ana.node is not None
    records = [
        record for log in ana.disk.image.rows.values() for row in log.values() for record in row.batch().records()
    ]
    assert [record.channel for record in records if record.name == name] == [entry.channel]
    assert [bytes(record.payload) for record in records] == [b"first", b"second", entry.payload]
    assert entry.wanted[0] > 10_000 and not entry.is_acknowledged
    waiting = ana.node.receipts.waiting
    assert waiting._number > REPEATS, "it asked for one each time"
    assert [each.first for own in waiting.sessions.values() for each in own.values()] == [name[2]]
    assert world.converged()
    assert world.coverage["hostile/repeat"] == 1


def test_what_a_client_repeats_while_the_disk_is_slow_is_gathered_once() -> None:
    world, ana, hostiles = visited(slow_us=1_000_000)
    assert hostiles.client(ana, "repeat", 3)
    world.run(0.1)

    ((name, _),) = hostiles.ledger.items()
    assert ana.node is not None
    assert len(ana.node.journal.pending) == 2
    assert {each: len(again) for each, again in ana.node.intake.waiting.items()} == {name: 1}


def test_no_client_comes_to_a_node_that_does_not_run() -> None:
    world, ana, hostiles = visited()
    world.crash(ana)

    assert not hostiles.client(ana, "repeat", 1)
    assert (hostiles.ledger, ana.sessions) == ({}, {})
