"""A host gone bad makes what it can make without others' keys: lies that verification finds, each kind of them."""

import tracemalloc

import pytest

from mesh import frames as f
from mesh.engines.journal import Journal, Verdict
from mesh.errors import DecodeError
from mesh.log.batch import BODY_BYTES_MAX, contradict, verify
from mesh.types import LinkId, NodeId
from mesh.wire.frames import decode_frame
from sim.forger import CLAIMS, COMMON, COPIES, CROWD, EVERY_US, UNFOLDED_BYTES, Forger
from sim.network import Network
from sim.workload import App
from sim.world import World

ROUNDS = 40


def forger(world: World, name: str) -> Forger:
    return Forger(world, world.machines[name], world.rng.fork("forger"), {})


def two() -> World:
    """Ana, to whom somebody publishes, and Eve, who is bad."""
    world = World(5, Network.even(delay_us=10_000))
    world.add("ana", "eu")
    world.add("eve", "us", ("ana",))
    world.run(1)
    App(world, "app", ["ana"]).publish("room/1", b"the truth")
    world.run(1)
    return world


def journal_of(world: World, *members: str) -> Journal:
    """What judges batches for Ana, who knows these members."""
    ana = world.machines["ana"].node
    assert ana is not None
    known = {NodeId(world.machines[name].node_id) for name in members}
    return Journal(ana.identity.mesh, world.suite, ana.holdings, known.__contains__, pending_max=2)


def test_each_kind_of_forged_batch_is_refused_for_what_it_is() -> None:
    world = two()
    eve, journal = forger(world, "eve"), journal_of(world, "ana")
    found = set()

    for _ in range(ROUNDS):
        world.now_us += EVERY_US
        for frame in eve.forged():
            assert isinstance(frame, f.Push)
            verdict = journal.on_push(LinkId(1), frame.batch, 0, world.machines["ana"].clock.now(world.now_us))
            found.add((verdict, journal.fault if verdict is Verdict.INVALID else ""))

    assert found == {
        (Verdict.INVALID, "the epoch is not signed by its node"),
        (Verdict.INVALID, "the signature does not verify"),
        (Verdict.STRANGER, ""),
    }


def test_what_others_have_published_is_written_down_again_and_again_and_each_peer_is_shown_all_of_it() -> None:
    world = two()
    eve, journal = forger(world, "eve"), journal_of(world, "ana", "eve")
    shown = []
    for _ in range(3):
        world.now_us += EVERY_US
        shown += [frame.batch for frame in eve.copies_for("ana") if isinstance(frame, f.Push)]
        assert eve.copies_for("ana") == []

    now = world.machines["ana"].clock.now(world.now_us)
    assert [journal.on_push(LinkId(1), batch, 0, now) for batch in shown] == [Verdict.TAKEN] * 3
    (genuine,) = world.machines["ana"].disk.batches()
    (message,) = genuine.records()
    assert all(len(batch.records()) == COPIES and message.same_message(batch.records()[-1]) for batch in shown)
    assert [frame.batch for frame in eve.copies_for("ben") if isinstance(frame, f.Push)] == shown


def test_a_host_that_has_nothing_of_others_or_does_not_run_copies_nothing() -> None:
    world = two()
    eve, ana = forger(world, "eve"), forger(world, "ana")
    assert ana.copies_for("eve") == []

    world.machines["eve"].node = None
    assert eve.copies_for("ana") == []


def test_each_kind_of_bomb_is_refused_and_takes_no_more_memory_than_a_batch_may_hold() -> None:
    world = two()
    eve, journal = forger(world, "eve"), journal_of(world, "eve")
    bombs = set()
    for _ in range(ROUNDS):
        world.now_us += EVERY_US
        bombs.update(eve.bombs("ana"))
        assert eve.bombs("ana") == []
    now, found = world.machines["ana"].clock.now(world.now_us), set()

    tracemalloc.start()
    for packed in sorted(bombs - set(CLAIMS)):
        frame = decode_frame(packed)
        assert isinstance(frame, f.Push)
        found.add((journal.on_push(LinkId(1), frame.batch, 0, now), journal.fault))
    for packed in CLAIMS:
        with pytest.raises(DecodeError):
            decode_frame(packed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert bombs >= set(CLAIMS)
    assert found == {(Verdict.INVALID, "a body unfolds to more than a batch may hold")}
    assert max(map(len, bombs)) < UNFOLDED_BYTES // 100
    assert peak < 3 * BODY_BYTES_MAX


def test_a_forger_writes_no_faster_than_it_can_and_not_while_its_node_is_down_or_alone() -> None:
    world = two()
    eve = forger(world, "eve")

    assert len(eve.forged()) == 1
    assert eve.forged() == []
    world.crash(world.machines["eve"])
    world.now_us += EVERY_US
    assert eve.forged() == []
    alone = World(5)
    alone.add("eve")
    assert forger(alone, "eve").forged() == []


def test_a_forger_without_a_batch_of_its_victim_certifies_a_log_itself() -> None:
    world = World(5, Network.even(delay_us=10_000))
    world.add("ana", "eu")
    world.add("eve", "us", ("ana",))
    world.run(1)
    eve = forger(world, "eve")

    for _ in range(ROUNDS):
        world.now_us += EVERY_US
        (frame,) = eve.forged()
        assert isinstance(frame, f.Push)
        assert frame.batch.first == 1


def test_lies_about_addresses_put_everybody_at_the_liar_and_the_liar_at_everybody() -> None:
    world = two()
    ana, eve = world.machines["ana"], world.machines["eve"]

    (frame,) = forger(world, "eve").misled((b"certificate",))

    assert frame == f.Members(
        (b"certificate",), ((NodeId(ana.node_id), eve.address), (NodeId(eve.node_id), ana.address))
    )


def test_a_crowd_is_ever_new_addresses_of_nobody_for_each_peer() -> None:
    world = two()
    eve = forger(world, "eve")

    (first,), (second,) = eve.crowd("ana"), eve.crowd("ben")
    assert eve.crowd("ana") == []
    world.now_us += EVERY_US
    (third,) = eve.crowd("ana")

    told = [each for frame in (first, second, third) if isinstance(frame, f.Members) for each in frame.addresses]
    assert len(set(told)) == len({node for node, _ in told}) == len({address for _, address in told}) == 3 * CROWD


@pytest.mark.parametrize("keys", [1, 2])
def test_two_histories_verify_each_and_contradict_each_other_from_where_they_part(keys: int) -> None:
    world = two()
    world.add("ben", "eu", ("eve",))
    world.run(1)
    several = (Forger(world, world.machines["eve"], world.rng.fork(f"forger-{n}"), {}) for n in range(ROUNDS))
    eve = next(each for each in several if len(written(world, each)) == keys)
    mesh = world.machines["eve"].node.identity.mesh  # type: ignore[union-attr]

    left, right = (eve.shown_to(name) for name in ("ana", "ben"))

    assert [eve.shown_to(name) for name in ("ana", "ben")] == [[], []]
    for a, b in zip(left, right, strict=True):
        assert isinstance(a, f.Push)
        assert isinstance(b, f.Push)
        assert verify(a.batch, mesh, world.suite, {}) == verify(b.batch, mesh, world.suite, {}) == ""
        assert contradict(a.batch, b.batch) == (a.batch.first > COMMON or keys == 2)
        names = {record.name for batch in (a.batch, b.batch) for record in batch.records()}
        assert names <= set(eve.ledger)


def written(world: World, eve: Forger) -> list[object]:
    """The keys under which a forger has written a few batches of either history, shown to nobody."""
    for _ in range(2 * COMMON):
        world.now_us += EVERY_US
        eve._write_on()
    eve.next_us = {"": world.now_us + EVERY_US}
    return eve._epochs  # type: ignore[return-value]


def test_a_forger_whose_node_is_down_shows_nothing() -> None:
    world = two()
    eve = forger(world, "eve")
    world.crash(world.machines["eve"])

    assert eve.shown_to("ana") == []
