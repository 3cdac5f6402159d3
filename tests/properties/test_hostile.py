"""Whatever a linked peer or an attached client says, the node does not raise, keeps its invariants, and serves the others."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh import frames as f
from mesh import operations as o
from mesh.clocks.vector import VersionVector
from mesh.effects import FrameReceived
from mesh.log.batch import batch_from_parts
from mesh.types import LogId
from sim import checkers
from sim.network import Network
from sim.workload import App
from sim.world import World
from tests.properties.test_codec import client_operations, frames

SCRIPTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), frames | client_operations), max_size=25)
"""Who hears it, how long after (in 20 ms), and what is said."""


def at_home(frame: f.Frame, logs: list[LogId]) -> f.Frame:
    """The frame, speaking of logs that the nodes have: what is about strangers is soon dismissed."""
    match frame:
        case f.IHave(ranges) | f.Graft(ranges) | f.Want(ranges) | f.NotFound(ranges):
            return type(frame)(tuple((logs[i % len(logs)], lo, hi) for i, (_, lo, hi) in enumerate(ranges)))
        case f.Vector(session, states, more, answer):
            known = tuple(f.LogState(logs[i % len(logs)], s.stamp, s.runs) for i, s in enumerate(states))
            return f.Vector(session % 4, known, more, answer)
        case f.RepairEqual(session):
            return f.RepairEqual(session % 4)
        case _:
            return frame


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(SCRIPTS)
def test_no_word_of_a_peer_or_client_breaks_a_node(script: list[tuple[int, int, f.Frame | o.ClientOperation]]) -> None:
    world = World(3, Network.even(delay_us=10_000))
    machines = [world.add("ana", "eu"), world.add("ben", "us", ("ana",)), world.add("cy", "ap", ("ana", "ben"))]
    apps = [App(world, f"app-{machine.name}", [machine.name]) for machine in machines]
    for app in apps:
        app.subscribe("#", cursor=VersionVector())
    world.run(1)
    for app in apps:
        app.publish("room/1", b"before")
    world.run(1)
    logs = sorted({log for machine in machines for log, _ in machine.disk.rows})
    sessions = {machine.name: world.connect(machine, lambda _: None) for machine in machines}
    for machine in machines:
        world.request(machine, sessions[machine.name], o.Attach("hostile", 1))

    for who, pause, said in script:
        machine = machines[who]
        if isinstance(said, f.Frame):
            links = sorted(link for link, pipe in machine.links.items() if pipe.path.target == "cy")
            if links:  # one member is hostile: two of three clocks that lie would be believed
                world.hear(machine, FrameReceived(links[pause % len(links)], at_home(said, logs), 64))
        else:
            world.request(machine, sessions[machine.name], said)
        world.run(pause * 0.02)
    for app in apps:
        app.publish("room/1", b"after", copies=3)
    world.run(90)

    genuine = {name for app in apps for name in app.ledger}
    for app in apps:
        for diary in app.diaries.values():
            diary.shown = [shown for shown in diary.shown if checkers.name_of(shown.record) in genuine]
    assert checkers.everything(apps) == []
    assert not any(len(app.client.outbox) for app in apps)


def test_batch_that_was_tampered_with_is_never_shown() -> None:
    world = World(3, Network.even(delay_us=10_000))
    ana, ben = world.add("ana", "eu"), world.add("ben", "us", ("ana",))
    apps = [App(world, "one", ["ana"]), App(world, "two", ["ben"])]
    apps[1].subscribe("#", cursor=VersionVector())
    world.run(1)
    apps[0].publish("room/1", b"the truth")
    world.run(1)
    (batch,) = ana.disk.batches()
    header, body, *rest = batch.parts()
    assert isinstance(body, bytes)
    forged = batch_from_parts([header, body[:-1] + bytes([body[-1] ^ 1]), *rest])

    world.hear(ben, FrameReceived(min(ben.links), f.Push(forged), forged.size))
    world.run(5)

    assert [shown.record.payload for shown in apps[1].diaries[1].shown] == [b"the truth"]


def test_a_lie_about_a_name_stops_no_log() -> None:
    """A member says that another batch stands where ours does, and cannot show it."""
    world = World(3, Network.even(delay_us=10_000))
    ana, ben = world.add("ana", "eu"), world.add("ben", "us", ("ana",))
    apps = [App(world, "one", ["ana"]), App(world, "two", ["ben"])]
    apps[1].subscribe("#", cursor=VersionVector())
    world.run(1)
    apps[0].publish("room/1", b"before")
    world.run(1)
    (log,) = {log for log, _ in ana.disk.rows}

    lie = f.Vector(0, (f.LogState(log, 5, ((1, 1, b"l" * 32),)),))
    world.hear(ben, FrameReceived(min(ben.links), lie, 99))
    world.run(1)
    apps[0].publish("room/1", b"after")
    world.run(5)

    assert [shown.record.payload for shown in apps[1].diaries[1].shown] == [b"before", b"after"]
    assert ben.node is not None and not ben.node.holdings.forked
