"""What nodes hold for a session is counted from outside; each kind of thing, one beyond what is allowed, is told once."""

from collections import deque
from collections.abc import Callable

import pytest

from mesh.engines.delivery.history import PAGES_WAITING_MAX
from mesh.engines.delivery.readers import Reader
from mesh.node import Node
from mesh.operations import SlowPolicy
from mesh.publisher import REFUSED_RUNS_MAX, Publisher
from mesh.types import LogId, SessionId
from mesh.waiting import Waiters, Waiting
from sim.checkers import Watch
from sim.limits import LOOK_US, Limits
from sim.network import Network
from sim.units import MILLION
from sim.workload import App
from sim.world import World
from tests.samples import ANA

OTHERS = SessionId(1 << 40)
STORY = ["    1.000 one", "    2.000 two", "    3.000 three", "    4.000 four"]


def looked_into() -> tuple[World, Watch, Limits, App]:
    """A node with an application, and who looks into it."""
    world = World(5, Network.even(delay_us=10_000))
    world.add("ana", "eu")
    watch = Watch(lambda: world.now_us)
    limits = Limits(world, watch, STORY)
    app = App(world, "app", ["ana"])
    world.run(0.5)
    return world, watch, limits, app


def node_of(world: World) -> Node:
    node = world.machines["ana"].node
    assert node is not None
    return node


def waits(node: Node, session: SessionId, count: int) -> None:
    """In two logs, and more of somebody else's: all together are too many, and only one session has more than it may."""
    node.receipts.waiting = Waiters()
    for number, who in enumerate([session] * count + [OTHERS] * 5):
        node.receipts.waiting.add(Waiting(who, 1, 1, LogId(ANA, 1 + number % 2), 1, 1 + number % 3, 9, 1, (1, 1)))


def retries(node: Node, session: SessionId, count: int) -> None:
    publisher, other = Publisher(session, "app", 7), Publisher(OTHERS, "other", 7)
    node.intake.waiting["app", 7, 1] = [(other, 1, 1), *[(publisher, 1, 1)] * count]
    node.intake.waiting["app", 7, 2] = [(publisher, 1, 1)]


def subscribes(node: Node, session: SessionId, count: int) -> None:
    for who, number in [(session, each) for each in range(count)] + [(OTHERS, each) for each in range(5)]:
        node.delivery.readers[who, number] = Reader(who, number, ("a",), SlowPolicy.ALL, 0, 0)


def matches(node: Node, session: SessionId, count: int) -> None:
    for who, number, patterns in ((session, 1, count - 1), (session, 2, 1), (OTHERS, 1, 5)):
        node.delivery.readers[who, number] = Reader(who, number, ("a",) * patterns, SlowPolicy.ALL, 0, 0)


def reads(node: Node, session: SessionId, count: int) -> None:
    node.histories.pages[session] = deque([None] * count)  # type: ignore[list-item]  # only their number counts


def is_refused(node: Node, session: SessionId, count: int) -> None:
    refused = node.intake.publishers[session].refused
    for each in range(count):
        refused.add(2 * each + 1, 2 * each + 1)


Grow = Callable[[Node, SessionId, int], None]
KINDS: dict[str, tuple[Grow, int]] = {
    "places among those who wait for receipts": (waits, 16_384),
    "retries of one message that waits for the disk": (retries, 1),
    "subscriptions": (subscribes, 1_024),
    "patterns": (matches, 8_192),
    "pages of history in the making": (reads, PAGES_WAITING_MAX),
    "runs of refused messages": (is_refused, REFUSED_RUNS_MAX),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_more_than_a_session_may_have_is_told_once(kind: str) -> None:
    world, watch, limits, app = looked_into()
    grow, most = KINDS[kind]
    assert app.session is not None
    grow(node_of(world), app.session, most)
    limits.look()
    assert watch.breaches == []

    grow(node_of(world), app.session, most + 1)
    limits.look()
    limits.look()

    (breach,) = watch.breaches
    what = f"ana holds {most + 1:,} {kind} for one session of app"
    assert (breach.promise, breach.kind) == ("invariants", kind)
    assert breach.about == f"{what}, which may have {most:,} at most"
    assert breach.witness == (*STORY[1:], f"0.500000 s: ana holds {most + 1:,} {kind} for app")


def test_nodes_are_looked_into_again_and_again_whatever_they_do() -> None:
    world, watch, _, _ = looked_into()
    world.run(1.5 * LOOK_US / MILLION)
    reads(node_of(world), OTHERS, PAGES_WAITING_MAX + 1)
    assert watch.breaches == []

    world.run(LOOK_US / MILLION)

    assert [breach.about for breach in watch.breaches] == [
        "ana holds 65 pages of history in the making for one session of a stranger, which may have 64 at most"
    ]


def test_who_has_not_begun_or_has_ended_holds_nothing() -> None:
    world, watch, limits, _ = looked_into()
    reads(node_of(world), OTHERS, PAGES_WAITING_MAX + 1)
    world.crash(world.machines["ana"])
    world.add("ben", "us")

    limits.look()

    assert watch.breaches == []


def trace(*, is_looked_into: bool) -> tuple[str, int, int]:
    world = World(5, Network.even(delay_us=10_000))
    world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    if is_looked_into:
        Limits(world, Watch(lambda: world.now_us), STORY)
    app = App(world, "app", ["ana"])
    for number in range(20):
        app.publish("room/1", b"%d" % number, copies=2)
        world.run(0.2)
    return world.trace, world.events, world.ticks


def test_who_looks_changes_nothing() -> None:
    assert trace(is_looked_into=True) == trace(is_looked_into=False)
