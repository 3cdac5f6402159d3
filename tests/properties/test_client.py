"""A client among gateways that cut it off, refuse it, and know different things: nothing is lost, nothing shown twice.

The gateways are naive: each has a log of its own, copies the others' logs now and then, answers a name that it holds with a
receipt, and delivers what the cursor does not cover without looking for copies. What is under way is lost with the
connection, before or after the gateway saw it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.client import Client, ClientConfig
from mesh.client import effects as fx
from mesh.client.machine import ATTACHED, CONNECTING
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log.record import Record
from mesh.operations import (
    Attach,
    Attached,
    ClientOperation,
    CreditGrant,
    Draft,
    Messages,
    NodeOperation,
    Publish,
    Receipt,
    Refused,
    Subscribe,
    Subscribed,
)
from mesh.rng import Rng
from mesh.types import LogId, NodeId
from tests.samples import ANA, BEN, record

CONFIG = ClientConfig(window_bytes=200, credit_messages=4, credit_bytes=1_000)
RETRY_MS = 50


@dataclass
class Gateway:
    """A node as a client sees it."""

    node: NodeId
    logs: dict[LogId, list[Record]] = field(default_factory=dict)
    cursor: VersionVector | None = None
    credit: int = 0
    refuse: int = 0
    """So many of the next publishes are refused for now."""
    held_back: int = 0

    def names(self) -> set[int]:
        return {one.sequence for log in self.logs.values() for one in log}

    def reset(self) -> None:
        self.cursor, self.credit, self.held_back = None, 0, 0

    def on(self, operation: ClientOperation) -> list[NodeOperation]:
        match operation:
            case Attach():
                return [Attached(self.node, "eu", "1")]
            case Publish(drafts):
                return [answer for draft in drafts for answer in self.publish(draft)]
            case Subscribe(_, _, cursor, _, _, credit):
                self.cursor, self.credit = cursor or VersionVector(), credit
                return [Subscribed(1, self.cursor.copy())]
            case CreditGrant(_, messages):
                self.credit += messages
                return []
            case _:
                raise AssertionError(operation)

    def publish(self, draft: Draft) -> list[NodeOperation]:
        log = LogId(self.node, 1)
        sequence = draft.sequence
        if sequence not in self.names():
            if self.refuse or (self.held_back and sequence > self.held_back):
                self.refuse = max(self.refuse - 1, 0)
                self.held_back = min(self.held_back or sequence, sequence)
                return [Refused("GSM-2110", "later", 0, sequence, sequence, RETRY_MS)]
            self.logs.setdefault(log, []).append(record(sequence, draft.payload))
        if self.held_back == sequence:
            self.held_back = 0
        return [Receipt(sequence, sequence, 1, 1, log, 1)]

    def deliver(self, count: int) -> list[NodeOperation]:
        """The next positions of one log that the cursor does not cover, as far as the credit goes."""
        if self.cursor is None or not self.credit:
            return []
        for log, records in sorted(self.logs.items()):
            missing = self.cursor.get(log).missing(1, len(records)) if records else []
            if missing:
                first, last = missing[0]
                last = min(last, first + min(count, self.credit) - 1)
                self.credit -= last - first + 1
                self.cursor.add(log, first, last)
                return [Messages(1, log, first, last, tuple(range(first, last + 1)), tuple(records[first - 1 : last]))]
        return []


class World:
    """One client publishes and subscribes to what it publishes."""

    def __init__(self, seed: bytes) -> None:
        self.gateways = {"ws://ana": Gateway(ANA), "ws://ben": Gateway(BEN)}
        self.client = Client(CONFIG, "me", 7, list(self.gateways), Rng(seed))
        self.now_us = 0
        self.to_node: deque[ClientOperation] = deque()
        self.to_client: deque[NodeOperation] = deque()
        self.connected = False
        self.shown: list[int] = []
        self.untaken: deque[Record] = deque()
        self.acknowledged: set[int] = set()
        self.told = VersionVector()
        self.published = 0
        self.client.subscribe(("#",), since_ms=0)
        self.perform(self.client.start(0))

    @property
    def gateway(self) -> Gateway:
        return self.gateways[self.client.gateway]

    def perform(self, effects: list[fx.ClientEffect]) -> None:
        for effect in effects:
            match effect:
                case fx.Transmit(operation):
                    assert self.connected
                    self.to_node.append(operation)
                case fx.Disconnect():
                    self.cut_now()
                case fx.Delivered(_, log, first, position, one):
                    assert not self.told.get(log).touches(position, position), "shown twice"
                    self.told.add(log, first, position)
                    self.shown.append(one.sequence)
                    self.untaken.append(one)
                case fx.Covered(_, log, first, last):
                    self.told.add(log, first, last)
                case fx.Reached(receipt):
                    self.acknowledged.update(range(receipt.first, receipt.last + 1))
                case fx.Connect() | fx.Changed() | fx.Began():
                    pass
                case _:
                    raise AssertionError(effect)

    def cut_now(self) -> None:
        self.to_node.clear()
        self.to_client.clear()
        self.connected = False
        self.perform(self.client.on_disconnected("cut", self.now_us))

    # --- what may happen ---------------------------------------------------------------------------------------------

    def publish(self, count: int) -> None:
        for _ in range(count):
            self.published += 1
            assert self.client.publish(Draft("room/1", 0, b"x" * 20), 1, 1) == self.published
        self.perform(self.client.flush(self.now_us))

    def connect(self, count: int) -> None:
        if self.client.state != CONNECTING:
            return
        if count == 1:
            self.perform(self.client.on_disconnected("refused", self.now_us))
            return
        self.connected = True
        self.gateway.reset()
        self.perform(self.client.on_connected(self.now_us))

    def node_hears(self, count: int) -> None:
        for _ in range(min(count, len(self.to_node))):
            self.to_client.extend(self.gateway.on(self.to_node.popleft()))

    def client_hears(self, count: int) -> None:
        for _ in range(count):
            if self.to_client:
                self.perform(self.client.on_operation(self.to_client.popleft(), self.now_us))

    def node_delivers(self, count: int) -> None:
        if self.connected:
            self.to_client.extend(self.gateway.deliver(count))

    def cut(self, count: int) -> None:
        if self.connected:
            self.cut_now()

    def refuse(self, count: int) -> None:
        list(self.gateways.values())[count % 2].refuse = count

    def replicate(self, count: int) -> None:
        one, other = list(self.gateways.values())[:: 1 if count % 2 else -1]
        for log, records in one.logs.items():
            if len(records) > len(other.logs.get(log, [])):
                other.logs[log] = records[:]

    def application_takes(self, count: int) -> None:
        for _ in range(min(count, len(self.untaken))):
            self.perform(self.client.consumed(1, 1, len(self.untaken.popleft().payload)))

    def time_passes(self, count: int) -> None:
        self.now_us += count * 20_000
        self.perform(self.client.on_timer(self.now_us))

    # --- what must hold ----------------------------------------------------------------------------------------------

    def sound(self) -> None:
        self.client.check_all()
        assert len(self.shown) == len(set(self.shown)), "a message was shown twice"
        assert len(self.untaken) <= CONFIG.credit_messages, "more was delivered than the application has room for"
        stored = self.gateways["ws://ana"].names() | self.gateways["ws://ben"].names()
        assert self.acknowledged <= stored, "acknowledged, and nowhere stored"

    def heal(self) -> None:
        """Everything works again: then all that was published is acknowledged, and was shown once."""
        for gateway in self.gateways.values():
            gateway.refuse = 0
        for _ in range(400):
            for act in (self.replicate, self.connect, self.node_hears, self.node_delivers, self.client_hears):
                act(4)
                act(5)
            self.application_takes(4)
            self.time_passes(1)
            self.sound()
            if self.is_settled():
                break
        everything = list(range(1, self.published + 1))
        assert self.client.state == ATTACHED
        assert sorted(self.shown) == everything, "not all was shown"
        assert self.acknowledged == set(everything), "not all was acknowledged"
        assert len(self.client.outbox) == 0
        held = VersionVector((log, IntervalSet([(1, len(all_of))])) for log, all_of in self.gateway.logs.items())
        assert self.client.cursor(1) == self.told == held

    def is_settled(self) -> bool:
        done = self.client.state == ATTACHED and not self.to_node and not self.to_client and not len(self.client.outbox)
        seen = self.client.cursor(1)
        return (
            done
            and seen is not None
            and all(seen.covers(log, 1, len(all_of)) for log, all_of in self.gateway.logs.items())
        )


OFTEN = [World.publish, World.connect, World.node_hears, World.client_hears, World.node_delivers]
ACTIONS = [*OFTEN, *OFTEN, World.application_takes, World.cut, World.refuse, World.replicate, World.time_passes]


@settings(max_examples=300)
@given(
    st.binary(max_size=2), st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(1, 5)), min_size=40, max_size=160)
)
def test_whatever_happens_between_all_is_acknowledged_and_shown_once(
    seed: bytes, actions: list[tuple[Callable[[World, int], None], int]]
) -> None:
    world = World(seed)
    for act, count in actions:
        act(world, count)
        world.sound()

    world.heal()
