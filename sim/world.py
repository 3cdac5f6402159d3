"""The world: many nodes, one thread, one seed.

Events lie on a heap by (time, number). Each node has a drawn service time: what arrives while it is busy forms its next
tick, so ticks of one event and of many both happen. Frames cross links as bytes of the real codec, operations too. A
disk keeps what was answered and, at a crash, what the seed says of the rest. Every draw comes from a stream forked by
label, so that one more draw here disturbs nothing there; `trace` is a rolling hash of all that crossed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from mesh.certificates import solo_identity
from mesh.codes import Code
from mesh.config import NodeConfig
from mesh.config import sim as sim_config
from mesh.crypto import SimSuite
from mesh.effects import (
    Append,
    Count,
    Dial,
    DialFailed,
    DiskSpace,
    Drained,
    Draining,
    Effect,
    Event,
    FrameReceived,
    Hangup,
    LinkBroken,
    LinkDown,
    LinkUp,
    Load,
    Report,
    Requested,
    RowsCorrupt,
    Send,
    SessionClosed,
    SessionOpened,
    Started,
    Stored,
    StoreFailed,
    Tell,
    Wakeup,
)
from mesh.errors import DecodeError
from mesh.node import Node
from mesh.operations import ClientOperation, Goodbye, NodeOperation
from mesh.rng import Rng
from mesh.types import Address, LinkId, Now, SessionId
from mesh.wire.frames import decode_frame, encode_frame
from mesh.wire.operations import decode_client, decode_node, encode_operation
from sim.disk import Disk
from sim.network import RETRANSMIT_US, Network, Pipe

WALL_MS = 1_700_000_000_000
"""When every world begins (14 November 2023)."""
PORT = 7421
IDLE_US = 60_000_000
"""A connection over which nothing came for so long is gone, at both ends."""
DIAL_TIMEOUT_US = 5_000_000
SUITE = SimSuite()

Heard = Callable[[NodeOperation], None]


@dataclass
class Machine:
    """A node, its disk and its clock."""

    name: str
    region: str
    config: NodeConfig
    rng: Rng
    disk: Disk = field(default_factory=Disk)
    node: Node | None = None
    clock_ms: int = 0
    """What its wall clock is ahead of the world's."""
    inbox: list[Event] = field(default_factory=list)
    ticking: bool = False
    alarm_us: int = -1
    life: int = 0
    """How often it was started; what belongs to an earlier life is dropped."""
    appending: list[Append] = field(default_factory=list)
    links: dict[LinkId, Pipe] = field(default_factory=dict)
    sessions: dict[SessionId, Heard] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    drained: bool = False
    node_id: bytes = b""
    slow_disk_us: int = 0
    paused: bool = False

    @property
    def address(self) -> Address:
        """Where it is dialled."""
        return Address(self.name, PORT)


class World:
    """A mesh in a thread. `run` lets time pass; everything else happens at the present moment."""

    def __init__(self, seed: int, network: Network | None = None) -> None:
        """Begin at time zero with nobody."""
        self.rng = Rng(b"world/%d" % seed)
        self.seed = seed
        self.network = network or Network()
        self.now_us = 0
        self.events = 0
        self.machines: dict[str, Machine] = {}
        self.filter: Callable[[str, str, bytes], bool] | None = None
        """Says whether a frame from one node to another passes; for transcripts and hostile networks."""
        self.witness: Callable[[Machine, Effect], None] | None = None
        """Sees every effect before it is performed."""
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._links = 0
        self._sessions = 0
        self._trace = blake2b(digest_size=16)
        self._net_rng = self.rng.fork("network")

    # --- time --------------------------------------------------------------------------------------------------------

    @property
    def trace(self) -> str:
        """A hash of all that has happened; equal seeds give equal traces."""
        return self._trace.hexdigest()

    def at(self, t_us: int, action: Callable[[], None]) -> None:
        """Do something at a time."""
        self._number += 1
        heapq.heappush(self._heap, (max(t_us, self.now_us), self._number, action))

    def after(self, delay_us: int, action: Callable[[], None]) -> None:
        """Do something later."""
        self.at(self.now_us + delay_us, action)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until_us = self.now_us + int(seconds * 1_000_000)
        while self._heap and self._heap[0][0] <= until_us:
            self.now_us, _, action = heapq.heappop(self._heap)
            action()
        self.now_us = until_us

    def run_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until something holds; False if it does not within so long."""
        until_us = self.now_us + int(seconds * 1_000_000)
        while not condition():
            if not self._heap or self._heap[0][0] > until_us:
                self.now_us = until_us
                return condition()
            self.now_us, _, action = heapq.heappop(self._heap)
            action()
        return True

    # --- machines ----------------------------------------------------------------------------------------------------

    def add(
        self, name: str, region: str = "eu", seeds: tuple[str, ...] = (), config: NodeConfig | None = None
    ) -> Machine:
        """Add a node and start it; it dials the nodes named as seeds."""
        config = replace(
            config or sim_config(),
            advertise=Address(name, PORT),
            seeds=tuple(Address(seed, PORT) for seed in seeds),
        )
        machine = Machine(name, region, config, self.rng.fork(f"machine/{name}"))
        self.machines[name] = machine
        self.start(machine)
        return machine

    def start(self, machine: Machine) -> None:
        """Start a node on what its disk holds."""
        assert machine.node is None, "it runs already"
        machine.life += 1
        identity = solo_identity(SUITE, machine.name.encode(), b"world", machine.region, WALL_MS)
        machine.node = Node(machine.config, identity, SUITE)
        machine.node_id = identity.node
        machine.drained = False
        self.hear(machine, Started(machine.disk.recover(), machine.rng.bytes(32), machine.disk.free_bytes))

    def crash(self, machine: Machine) -> None:
        """Cut the power: of what was not answered, each append in turn may have been kept, then none."""
        assert machine.node is not None
        for append in machine.appending:
            if machine.rng.below(2):
                break
            machine.disk.write(append)
        self._off(machine)

    def _end(self, machine: Machine, life: int) -> None:
        if machine.life == life and machine.node is not None:
            self._off(machine)

    def _off(self, machine: Machine) -> None:
        machine.node, machine.inbox, machine.ticking, machine.alarm_us = None, [], False, -1
        machine.appending = []
        for link in list(machine.links):
            self._close(machine, link, "crash", 0)
        for session in list(machine.sessions):
            machine.sessions.pop(session)(Goodbye("", "crash"))

    def restart(self, machine: Machine) -> None:
        """Crash, and start again."""
        self.crash(machine)
        self.start(machine)

    def hear(self, machine: Machine, event: Event) -> None:
        """An event reaches a node; it is part of its next tick."""
        if machine.node is None:
            return
        machine.inbox.append(event)
        self._plan(machine)

    def _plan(self, machine: Machine) -> None:
        if machine.ticking or machine.node is None or machine.paused:
            return
        machine.ticking = True
        life = machine.life
        self.after(machine.rng.between(20, 400), lambda: self._tick(machine, life))

    def _tick(self, machine: Machine, life: int) -> None:
        if machine.life != life or machine.node is None:
            return
        machine.ticking = False
        events, machine.inbox = machine.inbox, []
        now = Now(self.now_us, WALL_MS + self.now_us // 1_000 + machine.clock_ms)
        self.events += len(events)
        self._note(f"{self.now_us} {machine.name} {' '.join(type(event).__name__ for event in events)}".encode())
        effects = machine.node.tick(events, now)
        machine.node.check()
        for effect in effects:
            self._perform(machine, effect)
        self._set_alarm(machine)

    def _set_alarm(self, machine: Machine) -> None:
        assert machine.node is not None
        deadline_us = machine.node.deadline_us()
        if deadline_us is None or deadline_us == machine.alarm_us:
            return
        machine.alarm_us = deadline_us
        life = machine.life

        def ring() -> None:
            if machine.life == life and machine.alarm_us == deadline_us:
                machine.alarm_us = -1
                self.hear(machine, Wakeup())

        self.at(deadline_us, ring)

    def _note(self, line: bytes) -> None:
        self._trace.update(line)

    # --- effects -----------------------------------------------------------------------------------------------------

    def _perform(self, machine: Machine, effect: Effect) -> None:
        if self.witness is not None:
            self.witness(machine, effect)
        match effect:
            case Send(links, frame):
                packed = encode_frame(frame)
                self._note(packed)
                for link in links:
                    if link in machine.links:
                        self._send(machine.links[link], packed)
            case Append():
                machine.appending.append(effect)
                life = machine.life
                cost = machine.rng.between(300, 3_000) + machine.slow_disk_us
                self.after(cost, lambda: self._answer(machine, life, effect))
            case Load():
                life = machine.life
                delay_us = machine.rng.between(100, 1_000)
                self.after(delay_us, lambda: self._read(machine, life, effect))
            case Tell(sessions, operation):
                packed = encode_operation(operation)
                self._note(packed)
                for session in sessions:
                    self._tell(machine, session, packed)
            case Dial(address):
                self._dial(machine, address)
            case Hangup(link, code):
                self._close(machine, link, code, self.network.delay_us)
            case Count(metric, by):
                machine.counts[metric] = machine.counts.get(metric, 0) + by
            case Report():
                machine.reports.append(effect)
            case Drained():
                machine.drained = machine.disk.clean = True
                life = machine.life
                self.after(0, lambda: self._end(machine, life))

    def _hear_in(self, machine: Machine, life: int, event: Event) -> None:
        """An event reaches a node, unless it has been started anew since."""
        if machine.life == life:
            self.hear(machine, event)

    def _read(self, machine: Machine, life: int, load: Load) -> None:
        if machine.life == life:
            self.hear(machine, machine.disk.load(load))

    def _answer(self, machine: Machine, life: int, append: Append) -> None:
        """The disk answers an append, in order; after a failed one it fails all behind it."""
        if machine.life != life or append not in machine.appending:
            return
        if machine.appending[0] is not append:  # a slower one is before it
            self.after(100, lambda: self._answer(machine, life, append))
            return
        if machine.disk.full:
            failed, machine.appending = machine.appending, []
            for each in failed:
                self.hear(machine, StoreFailed(each.append, "the disk is full", 0))
            return
        machine.appending.pop(0)
        machine.disk.write(append)
        self.hear(machine, Stored(append.append, machine.disk.free_bytes))

    def space(self, machine: Machine, free_bytes: int) -> None:
        """The disk's free space changes."""
        machine.disk.free_bytes, machine.disk.full = free_bytes, free_bytes == 0
        self.hear(machine, DiskSpace(free_bytes))

    def scrub(self, machine: Machine) -> None:
        """The store's background check comes to its end."""
        found = machine.disk.scrub()
        if found:
            self.hear(machine, RowsCorrupt(found))

    # --- links -------------------------------------------------------------------------------------------------------

    def _dial(self, machine: Machine, address: Address) -> None:
        target = self.machines.get(address.host)
        delay_us = self.network.delay(machine.name, address.host)
        life = machine.life

        def arrive() -> None:
            if machine.life != life:
                return
            if target is None or target.node is None or self.network.is_cut(machine.name, target.name):
                self.after(DIAL_TIMEOUT_US, lambda: self._hear_in(machine, life, DialFailed(address, "")))
                return
            self._links += 2
            mine, theirs = LinkId(self._links - 1), LinkId(self._links)
            machine.links[mine] = Pipe(machine.name, target.name, mine, theirs)
            target.links[theirs] = Pipe(target.name, machine.name, theirs, mine)
            binding = self._net_rng.bytes(32)
            self.hear(machine, LinkUp(mine, binding, address))
            self.hear(target, LinkUp(theirs, binding, None))

        self.after(3 * delay_us, arrive)

    def _send(self, pipe: Pipe, packed: bytes) -> None:
        if self.filter is not None and not self.filter(pipe.source, pipe.target, packed):
            return
        if self.network.is_cut(pipe.source, pipe.target):
            pipe.held.append(packed)
            return
        network, rng = self.network, self._net_rng
        delay_us = network.delay(pipe.source, pipe.target) + (rng.below(network.jitter_us) if network.jitter_us else 0)
        while network.loss_per_mille and rng.below(1000) < network.loss_per_mille:
            delay_us += 2 * network.delay(pipe.source, pipe.target) + RETRANSMIT_US
        pipe.free_us = max(pipe.free_us, self.now_us + delay_us)
        self.at(pipe.free_us, lambda: self._arrive(pipe, packed))

    def _arrive(self, pipe: Pipe, packed: bytes) -> None:
        target = self.machines[pipe.target]
        if pipe.target_link not in target.links:
            return
        if self.network.is_cut(pipe.source, pipe.target):  # it was in flight when the cut came
            pipe.held.append(packed)
            return
        try:
            frame = decode_frame(packed)
        except DecodeError as error:
            self.hear(target, LinkBroken(pipe.target_link, Code.FRAME_UNDECODABLE, str(error)))
            return
        if frame is not None:
            self.hear(target, FrameReceived(pipe.target_link, frame, len(packed)))

    def _close(self, machine: Machine, link: LinkId, why: str, delay_us: int) -> None:
        pipe = machine.links.pop(link, None)
        if pipe is None:
            return
        self.hear(machine, LinkDown(link, why))
        target = self.machines[pipe.target]

        def far_end() -> None:
            if target.links.pop(pipe.target_link, None) is not None:
                self.hear(target, LinkDown(pipe.target_link, why))

        if not self.network.is_cut(machine.name, pipe.target):
            self.after(delay_us, far_end)
        else:
            self.after(IDLE_US, far_end)

    def cut(self, *sides: list[str]) -> None:
        """Let nothing pass between the sides."""
        for index, side in enumerate(sides):
            for other in sides[index + 1 :]:
                self.network.cuts |= {frozenset((a, b)) for a in side for b in other}
        self._note(b"cut")

    def heal(self) -> None:
        """Let everything pass again; what was held back is sent again."""
        self.network.cuts.clear()
        self._note(b"heal")
        for machine in self.machines.values():
            for pipe in machine.links.values():
                held, pipe.held = pipe.held, []
                for packed in held:
                    self._send(pipe, packed)

    # --- clients -----------------------------------------------------------------------------------------------------

    def connect(self, machine: Machine, heard: Heard) -> SessionId:
        """Open a session; what the node tells it is heard."""
        self._sessions += 1
        session = SessionId(self._sessions)
        machine.sessions[session] = heard
        self.hear(machine, SessionOpened(session, "sim"))
        return session

    def request(self, machine: Machine, session: SessionId, operation: ClientOperation) -> None:
        """Send an operation over the wire."""
        decoded = decode_client(encode_operation(operation))
        assert decoded == operation, (decoded, operation)
        self.hear(machine, Requested(session, operation))

    def disconnect(self, machine: Machine, session: SessionId) -> None:
        """Close a session without a word."""
        if machine.sessions.pop(session, None) is not None:
            self.hear(machine, SessionClosed(session))

    def _tell(self, machine: Machine, session: SessionId, packed: bytes) -> None:
        operation = decode_node(packed)
        assert operation is not None
        life = machine.life

        def arrive() -> None:
            heard = machine.sessions.get(session)
            if heard is None or machine.life != life:
                return
            heard(operation)
            if isinstance(operation, Goodbye):
                self.disconnect(machine, session)

        self.after(500, arrive)

    def drain(self, machine: Machine, seconds: float = 5) -> None:
        """Ask a node to stop in good order."""
        self.hear(machine, Draining(self.now_us + int(seconds * 1_000_000)))

    # --- questions ---------------------------------------------------------------------------------------------------

    def converged(self) -> bool:
        """Whether all running nodes have stored the same."""
        return (
            len({machine.node.holdings.digest for machine in self.machines.values() if machine.node is not None}) == 1
        )
