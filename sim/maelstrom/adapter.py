"""The adapter: a host for one node that speaks Maelstrom's protocol; lines in, lines out, time as an argument.

A `broadcast` is published through a client attached to this node (`mesh.client`, as every SDK), and acknowledged when its
receipt says `local`. A `read` answers with all that a subscription on this node has been shown, twice if it was shown twice.
Between nodes cross frames of `mesh.wire`. The store is the simulator's disk, in memory: nothing here survives its process,
and Maelstrom's broadcast workload kills none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from mesh.certificates import solo_identity
from mesh.client import Client, ClientConfig
from mesh.client import effects as fx
from mesh.client.effects import ClientEffect
from mesh.clocks.vector import VersionVector
from mesh.crypto import SimSuite
from mesh.effects import (
    Append,
    Count,
    Dial,
    Drained,
    Effect,
    Event,
    Hangup,
    Load,
    Report,
    Requested,
    Send,
    SessionClosed,
    SessionOpened,
    Started,
    Stored,
    Tell,
    Wakeup,
)
from mesh.errors import DecodeError, RemoteError, UsageError
from mesh.frames import Alive, Frame, IHave, Members, RepairHello
from mesh.frames import Stored as StoredFrame
from mesh.node import Node
from mesh.operations import Draft
from mesh.rng import Rng
from mesh.types import US_PER_MS, Address, LinkId, Now, SessionId
from mesh.wire.frames import encode_frame
from sim.disk import Disk
from sim.maelstrom import packets
from sim.maelstrom.config import AdapterConfig, node_config
from sim.maelstrom.packets import Entry, Kind
from sim.maelstrom.protocol import ErrorCode, Message, answer, parse, refuse
from sim.maelstrom.switch import Switch
from sim.maelstrom.wires import PORT, Wires

SUITE = SimSuite()
CHANNEL = "maelstrom"
GATEWAY = "here"
SESSION_FIRST = 1
PACKET = "gossamer"
"""The type of our messages between nodes."""
PATIENT = (Alive, IHave, Members, RepairHello, StoredFrame)
"""Frames that may wait for company: nobody waits for them, or only a second net does."""
TURN_TICKS_MAX = 64
"""Ticks of one turn: each answers what the one before gave rise to, and such chains are short."""

Log = Callable[[str], None]


def nobody(text: str) -> None:
    """Nobody listens."""


@dataclass
class Gathered:
    """Receipts for other nodes that wait to be told, per set of links."""

    due_us: int
    frame: StoredFrame
    ranges: VersionVector


@dataclass
class Member:
    """This node of the mesh, once `init` has said which it is."""

    own: str
    names: list[str]
    node: Node
    client: Client
    switch: Switch
    wires: Wires
    disk: Disk = field(default_factory=Disk)
    inbox: list[Event] = field(default_factory=list)
    session: SessionId = field(default=SessionId(0))


@dataclass
class Adapter:
    """One node under Maelstrom. Feed it lines and call `turn`; take what it says from `out`. `entropy`: 32 random bytes."""

    entropy: bytes
    config: AdapterConfig = field(default_factory=AdapterConfig)
    log: Log = nobody
    out: list[bytes] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    """All that the subscription was shown, in order."""
    counts: dict[str, int] = field(default_factory=dict)
    member: Member | None = None
    _publishes: dict[int, Message] = field(default_factory=dict)
    """Broadcasts that wait for their receipt, by sequence."""
    _topologies: list[Message] = field(default_factory=list)
    _linked_by_us: int = 0
    _receipts: dict[tuple[LinkId, ...], Gathered] = field(default_factory=dict)
    _connect_us: int | None = None

    # --- lines in ----------------------------------------------------------------------------------------------------

    def on_line(self, line: bytes, now: Now) -> None:
        """A line came; `turn` does what follows from it."""
        try:
            message = parse(line)
        except RemoteError as error:
            self.log(f"a line was no message: {error}")
            return
        if message.kind == PACKET and self.member is not None:
            self._on_packet(self.member, message, now)
        elif message.kind == "init":
            self._on_init(message, now)
        elif self.member is None:
            self._refuse(message, ErrorCode.TEMPORARILY_UNAVAILABLE, "init comes first")
        else:
            self._on_request(self.member, message, now)

    def _on_request(self, member: Member, message: Message, now: Now) -> None:
        match message.kind:
            case "topology":
                self._topologies.append(message)
                self._linked_by_us = now.mono_us + self.config.linked_within_ms * US_PER_MS
            case "broadcast":
                self._on_broadcast(member, message, now)
            case "read":
                self.out += answer(member.own, message, "read_ok", messages=self.values)
            case kind if message.number is not None:
                self._refuse(message, ErrorCode.NOT_SUPPORTED, f"nothing is known of {kind[:60]!r}")
            case _:
                pass  # an answer, or nothing that wants one

    def _refuse(self, message: Message, code: ErrorCode, text: str) -> None:
        own = self.member.own if self.member is not None else str(message.body.get("node_id", ""))
        self.out += refuse(own, message, code, text)

    def _on_broadcast(self, member: Member, message: Message, now: Now) -> None:
        if "message" not in message.body:
            self._refuse(message, ErrorCode.MALFORMED_REQUEST, "a broadcast has a message")
            return
        payload = json.dumps(message.body["message"], separators=(",", ":")).encode()
        try:
            sequence = member.client.publish(Draft(CHANNEL, 0, payload), 1, 1)
        except UsageError as error:
            self._refuse(message, ErrorCode.TEMPORARILY_UNAVAILABLE, str(error))
            return
        self._publishes[sequence] = message
        self._client(member, member.client.flush(now.mono_us), now)

    def _on_packet(self, member: Member, message: Message, now: Now) -> None:
        try:
            entries = packets.unpack(message.body.get("packet"))
            sender = member.names.index(message.source)
        except (DecodeError, ValueError) as error:
            self.log(f"a packet of {message.source[:60]!r} was none: {error}")
            return
        for entry, target in member.switch.on_packet(sender, entries, now.mono_us):
            member.wires.on_entry(entry, target, now.mono_us)

    def _on_init(self, message: Message, now: Now) -> None:
        own, names = message.body.get("node_id"), message.body.get("node_ids")
        if self.member is not None or not isinstance(own, str) or not isinstance(names, list) or own not in names:
            self._refuse(message, ErrorCode.MALFORMED_REQUEST, "init comes once, with node_id, one of node_ids")
            return
        number = names.index(own)
        identity = solo_identity(SUITE, own.encode(), b"maelstrom", "maelstrom", now.wall_ms)
        # Whoever comes later in the list dials: one dial for each pair.
        seeds = tuple(Address(str(other), PORT) for other in range(number))
        node = Node(replace(node_config(len(names)), seeds=seeds), identity, SUITE)
        rng = Rng(self.entropy + own.encode())
        client = Client(ClientConfig(), f"{CHANNEL}/{own}", 1 + rng.below(1 << 62), [GATEWAY], rng.fork("client"))
        switch = Switch(self.config, number, len(names), now.mono_us)
        wires = Wires(self.config, number, rng.bytes(32))
        member = self.member = Member(own, [str(name) for name in names], node, client, switch, wires)
        member.inbox.append(Started(member.disk.recover(), rng.bytes(32), member.disk.free_bytes))
        self._client(member, client.start(now.mono_us), now)
        _, effects = client.subscribe((CHANNEL,), cursor=VersionVector())
        self._client(member, effects, now)
        self.out += answer(own, message, "init_ok")

    # --- turns -------------------------------------------------------------------------------------------------------

    def deadline_us(self) -> int | None:
        """When `turn` must be called, if no line comes before."""
        if self.member is None:
            return None
        member = self.member
        due = [member.node.deadline_us if member.node.started else None, member.client.deadline_us()]
        due += [member.switch.due_us(), member.wires.due_us(), self._connect_us]
        due += [gathered.due_us for gathered in self._receipts.values()]
        due.append(self._linked_by_us if self._topologies else None)
        return min((at_us for at_us in due if at_us is not None), default=None)

    def turn(self, now: Now) -> None:
        """Do all that is due: ticks until nothing follows from them, then the packets whose time has come."""
        if self.member is None:
            return
        member = self.member
        member.wires.on_time(now.mono_us)
        self._due(member, now)
        for _ in range(TURN_TICKS_MAX):
            member.inbox += member.wires.events
            member.wires.events.clear()
            self._send_entries(member, now)
            deadline_us = member.node.deadline_us if member.node.started else None
            if not member.inbox and (deadline_us is None or deadline_us > now.mono_us):
                break
            events, member.inbox = member.inbox or [Wakeup()], []
            for effect in member.node.tick(events, now):
                self._perform(member, effect, now)
        self._tell_receipts(member, now)
        self._answer_topology(member, now)
        for hop, entries in member.switch.take(now.mono_us):
            body = packets.pack(entries)
            self.out.append(
                b'{"src":"%s","dest":"%s","body":{"type":"%s","packet":"%s"}}\n'
                % (member.own.encode(), member.names[hop].encode(), PACKET.encode(), body.encode())
            )

    def _due(self, member: Member, now: Now) -> None:
        """The client's own times."""
        if self._connect_us is not None and self._connect_us <= now.mono_us:
            self._connect_us = None
            member.session = SessionId(member.session + 1)
            member.inbox.append(SessionOpened(member.session, CHANNEL))
            self._client(member, member.client.on_connected(now.mono_us), now)
        deadline_us = member.client.deadline_us()
        if deadline_us is not None and deadline_us <= now.mono_us:
            self._client(member, member.client.on_timer(now.mono_us), now)

    def _answer_topology(self, member: Member, now: Now) -> None:
        """Links stand, or it has been waited for them for long enough: whoever asked may begin."""
        peers = member.node.peers
        linked = len(peers) >= len(member.names) - 1 and all(peer.credit_until for peer in peers)
        if self._topologies and (linked or now.mono_us >= self._linked_by_us):
            for message in self._topologies:
                self.out += answer(member.own, message, "topology_ok")
            self._topologies.clear()

    # --- what the node wants -----------------------------------------------------------------------------------------

    def _perform(self, member: Member, effect: Effect, now: Now) -> None:
        match effect:
            case Send(links, frame):
                self._send(member, links, frame, now)
            case Append(append):
                member.disk.write(effect)
                member.inbox.append(Stored(append, member.disk.free_bytes))
            case Load():
                member.inbox.append(member.disk.load(effect))
            case Tell(sessions, operation):
                if member.session in sessions:
                    self._client(member, member.client.on_operation(operation, now.mono_us), now)
            case Dial(address):
                member.wires.dial(address, now.mono_us)
            case Hangup(link, code):
                member.wires.hangup(link, code)
            case Count(metric, by, gauge):
                self.counts[metric] = by if gauge else self.counts.get(metric, 0) + by
            case Report(code, about):
                self.log(f"{code} {dict(about)}")
            case Drained():
                pass  # nobody asks it to stop
            case _:
                assert_never(effect)

    def _send(self, member: Member, links: tuple[LinkId, ...], frame: Frame, now: Now) -> None:
        if isinstance(frame, StoredFrame):
            gathered = self._receipts.get(links)
            if gathered is None:
                due_us = now.mono_us + self.config.receipts_ms * US_PER_MS
                gathered = self._receipts[links] = Gathered(due_us, frame, VersionVector())
            for log, first, last in frame.ranges:
                gathered.ranges.add(log, first, last)
            return
        self._send_now(member, links, frame, now)

    def _send_now(self, member: Member, links: tuple[LinkId, ...], frame: Frame, now: Now) -> None:
        targets = member.wires.targets(links)
        if targets:
            patient = isinstance(frame, PATIENT)
            entry = Entry(Kind.FRAME, member.switch.own, patient, targets, encode_frame(frame))
            member.switch.send(entry, now.mono_us)

    def _send_entries(self, member: Member, now: Now) -> None:
        entries, member.wires.entries = member.wires.entries, []
        for entry in entries:
            member.switch.send(entry, now.mono_us)

    def _tell_receipts(self, member: Member, now: Now) -> None:
        for links, gathered in list(self._receipts.items()):
            if gathered.due_us <= now.mono_us:
                del self._receipts[links]
                ranges = tuple((log, *run) for log, runs in gathered.ranges.items() for run in runs)
                self._send_now(member, links, replace(gathered.frame, ranges=ranges), now)

    # --- what the client wants ---------------------------------------------------------------------------------------

    def _client(self, member: Member, effects: list[ClientEffect], now: Now) -> None:
        for effect in effects:
            match effect:
                case fx.Connect(_, at_us):
                    self._connect_us = at_us
                case fx.Transmit(operation):
                    member.inbox.append(Requested(member.session, operation))
                case fx.Disconnect():
                    member.inbox.append(SessionClosed(member.session))
                    self._client(member, member.client.on_disconnected("closed", now.mono_us), now)
                case fx.Delivered(number, _, _, _, record):
                    self.values.append(json.loads(record.payload))
                    self._client(member, member.client.consumed(number, 1, len(record.payload)), now)
                case fx.Reached(receipt):
                    for sequence in range(receipt.first, receipt.last + 1):
                        message = self._publishes.pop(sequence, None)
                        if message is not None:
                            self.out += answer(member.own, message, "broadcast_ok")
                case fx.Rejected(_, sequence, code, text):
                    self.log(f"{code} {text}")
                    message = self._publishes.pop(sequence, None)
                    if message is not None:
                        self._refuse(message, ErrorCode.TEMPORARILY_UNAVAILABLE, f"{code} {text}")
                case fx.Missed():
                    self.log(f"a gap: {effect}")
                case fx.Began() | fx.Changed() | fx.Covered() | fx.Answered():
                    pass
                case _:
                    assert_never(effect)
