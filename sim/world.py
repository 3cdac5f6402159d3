"""The world: many nodes, one thread, one seed.

What happens lies on an agenda (`sim.agenda`). Each node has a drawn service time: what arrives while it is busy forms its
next tick, so ticks of one event and of many both happen. Frames cross links as bytes of the real codec, operations too. A
disk keeps what was answered and, at a crash, what the seed says of the rest. Every draw comes from a stream forked by
label and stands on a tape (`sim.tape`); `trace` is a rolling hash of all that happened; `coverage` counts what did.

`check()` of the node runs after each tick, `check_all()` after every 1,000 of its ticks and at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from heapq import heappush
from typing import TYPE_CHECKING

from mesh.certificates import solo_identity
from mesh.clocks.hybrid import SKEW_MAX_MS
from mesh.config import NodeConfig
from mesh.config import sim as sim_config
from mesh.crypto import SimSuite, Suite
from mesh.effects import (
    Append,
    Count,
    Dial,
    DiskSpace,
    Drained,
    Draining,
    Effect,
    Event,
    Hangup,
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
from mesh.frames import Lane
from mesh.node import Node
from mesh.operations import ClientOperation, Goodbye, NodeOperation, Refused
from mesh.types import Address, SessionId
from mesh.wire.frames import encode_frame
from mesh.wire.operations import decode_client, encode_operation
from sim.agenda import Agenda
from sim.clock import WALL_MS as WALL_MS
from sim.labels import ASK, EVENT, FRAME, TELL
from sim.links import Links, Pipe, told
from sim.machine import PORT, Heard
from sim.machine import Machine as Machine
from sim.network import Condition, Network
from sim.tape import Tape

if TYPE_CHECKING:
    from sim.recorder import Recorder

SUITE = SimSuite()
SERVICE_US = (20, 400)
SERVICE_LOW_US, SERVICE_SPREAD = SERVICE_US[0], SERVICE_US[1] - SERVICE_US[0] + 1
"""How long a node is busy with a tick, and the disk with an append or a read."""
APPEND_US = (300, 3_000)
LOAD_US = (100, 1_000)
ATTACHED_US = 500
"""From a node to an application beside it."""
CHECK_ALL_TICKS = 1_000
"""Of one machine."""
WAKEUP = Wakeup()
REPORTS_MAX = 10_000
NOTED_MAX = 100
"""Pieces that the trace takes in at once; each may be a megabyte."""


class World(Agenda):
    """A mesh in a thread. `run` lets time pass; everything else happens at the present moment."""

    def __init__(
        self, seed: int, network: Network | None = None, *, tape: Tape | None = None, suite: Suite = SUITE
    ) -> None:
        """Begin at time zero with nobody."""
        super().__init__()
        self.tape = tape or Tape()
        self.rng = self.tape.stream(b"world/%d" % seed, "world")
        self.seed = seed
        self.suite = suite
        self.network = network or Network()
        self.events = 0
        self.machines: dict[str, Machine] = {}
        self.coverage: dict[str, int] = {}
        """How often each thing happened: `frame/Push`, `report/GSM-…`, `tick/over-16`, …"""
        self.filter: Callable[[str, str, bytes], bool] | None = None
        """Says whether a frame from one node to another passes; for transcripts and hostile networks."""
        self.mangle: Callable[[Machine, Pipe, bytes], list[bytes]] | None = None
        """What leaves a node in place of a frame; for members gone bad."""
        self.witness: Callable[[Machine, Effect], None] | None = None
        """Sees every effect before it is performed."""
        self.on_fsync_failed: Callable[[Machine], None] = self.crash
        """Ends a process whose disk does not know what it has kept."""
        self.recorder: Recorder | None = None
        """Keeps what crossed, for reports; costs time, and changes nothing."""
        self.listener: Callable[[list[bytes]], None] | None = None
        """Hears what is noted, piece by piece; the list is not its own."""
        self._sessions = 0
        self._trace = blake2b(digest_size=16)
        self._noted: list[bytes] = []  # what the trace has still to take in: hashing it one by one costs more
        self.links = Links(self, self.network)
        self._ticking = self._tick  # kept, for each look at a method makes an object

    # --- what is kept of it ------------------------------------------------------------------------------------------

    @property
    def trace(self) -> str:
        """A hash of all that has happened; equal seeds give equal traces."""
        self._hash_noted()
        return self._trace.hexdigest()

    @property
    def ticks(self) -> int:
        """How many all nodes have had."""
        return sum(machine.ticks for machine in self.machines.values())

    def _hash_noted(self) -> None:
        if self.listener is not None:
            self.listener(self._noted)
        self._trace.update(b"".join(self._noted))
        self._noted.clear()

    def cover(self, what: str, by: int = 1) -> None:
        """Something happened that a sweep wants to have seen."""
        self.coverage[what] = self.coverage.get(what, 0) + by

    def note(self, line: bytes) -> None:
        """Make something part of the trace."""
        self._noted.append(line)

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
        rng = self.rng.fork(f"machine/{name}")
        machine = Machine(name, region, config, rng, rng.fork("disk"), label=name.encode())
        self.machines[name] = machine
        self.start(machine)
        return machine

    def start(self, machine: Machine) -> None:
        """Start a node on what its disk holds."""
        assert machine.node is None, "it runs already"
        machine.begin(self.now_us)
        identity = solo_identity(self.suite, machine.name.encode(), b"world", machine.region, WALL_MS)
        machine.node = Node(machine.config, identity, self.suite)
        machine.node_id = identity.node
        if self.recorder is not None:
            self.recorder.on_life(machine, is_up=True)
        self.hear(machine, Started(machine.disk.recover(), machine.rng.bytes(32), machine.disk.free_bytes))

    def crash(self, machine: Machine, *, silent: bool = False) -> None:
        """Cut the power. Peers hear at once that the process is gone, or (`silent`) only that they hear nothing any more."""
        assert machine.node is not None
        machine.lose_power()
        self._off(machine, silent=silent)

    def _end(self, machine: Machine, life: int) -> None:
        if machine.life == life and machine.node is not None:
            self._off(machine, silent=False)

    def _off(self, machine: Machine, *, silent: bool) -> None:
        machine.node, machine.inbox, machine.ticking, machine.alarm_us = None, [], False, -1
        machine.appending = []
        if self.recorder is not None:
            self.recorder.on_life(machine, is_up=False)
        for link in list(machine.links):
            self.links.close(machine, link, "crash", silent=silent)
        for session in list(machine.sessions):
            machine.sessions.pop(session)(Goodbye("", "crash"))

    def restart(self, machine: Machine) -> None:
        """Crash, and start again."""
        self.crash(machine)
        self.start(machine)

    def pause(self, machine: Machine) -> None:
        """A process stands still: it hears everything once it goes on."""
        machine.paused = True

    def resume(self, machine: Machine) -> None:
        """It goes on."""
        machine.paused = False
        if machine.dropped_us >= 0:  # of what its disk dropped meanwhile it hears now
            machine.dropped_us = self.now_us
        if machine.inbox and not machine.ticking:  # of a node that runs: what is over hears nothing
            self.plan(machine)

    def drain(self, machine: Machine, seconds: float = 5) -> None:
        """Ask a node to stop in good order."""
        machine.draining = True
        self.hear(machine, Draining(machine.clock.mono_us(self.now_us) + int(seconds * 1_000_000)))

    # --- ticks -------------------------------------------------------------------------------------------------------

    def hear(self, machine: Machine, event: Event) -> None:
        """An event reaches a node; it is part of its next tick."""
        if machine.node is None:
            return
        machine.inbox.append(event)
        if not machine.ticking and not machine.paused:
            self.plan(machine)

    def plan(self, machine: Machine) -> None:
        """Its next tick begins once it has served so long."""
        machine.ticking = True
        at_us = self.now_us + (SERVICE_LOW_US + machine.rng.below(SERVICE_SPREAD)) * machine.slowness
        if at_us < self._near_us:  # as `due` does, without a call, for nearly all ticks
            self._number = number = self._number + 1
            heappush(self._near, (at_us, number, self._ticking, machine, machine.node))
        else:
            self.due(at_us, self._ticking, machine, machine.node)

    def _tick(self, machine: Machine, node: Node) -> None:
        if machine.node is not node:  # it is over, or in another life
            return
        machine.ticking = False
        if machine.paused:
            return
        events, machine.inbox = machine.inbox, []
        count = len(events)
        machine.ticks += 1
        self.events += count
        if count == 1:  # as nearly always
            heard = b"%d %s 1%s" % (self.now_us, machine.label, EVENT[type(events[0])])
        else:
            if count > 16:
                self.cover("tick/over-16")
            called = b"".join([EVENT[type(event)] for event in events])
            heard = b"%d %s %d%s" % (self.now_us, machine.label, count, called)
        noted = self._noted
        noted.append(heard)
        if len(noted) > NOTED_MAX:
            self._hash_noted()
        effects = node.tick(events, machine.clock.now(self.now_us))
        if machine.ticks % CHECK_ALL_TICKS:
            node.check()
        else:
            node.check_all()
        witness = self.witness
        for effect in effects:
            if witness is not None:
                witness(machine, effect)
            if type(effect) is Send:  # by far the most frequent two
                self._send_all(machine, effect)
            elif type(effect) is Count:
                machine.counts[effect.metric] = machine.counts.get(effect.metric, 0) + effect.by
            else:
                self._perform(machine, effect)
        if machine.node is node:
            deadline_us = node.deadline_us
            if deadline_us != machine.alarm_us and deadline_us is not None:
                machine.alarm_us = deadline_us
                self.due(max(machine.clock.true_us(deadline_us), self.now_us), self._ring, machine, deadline_us)

    def check_all(self) -> None:
        """Assert every invariant of every node that runs."""
        for machine in self.machines.values():
            if machine.node is not None and machine.node.started:
                machine.node.check_all()

    def _ring(self, machine: Machine, deadline_us: int) -> None:
        if machine.alarm_us == deadline_us:
            machine.alarm_us = -1
            self.hear(machine, WAKEUP)

    # --- effects -----------------------------------------------------------------------------------------------------

    def _send_all(self, machine: Machine, send: Send) -> None:
        packed = encode_frame(send.frame)
        self._noted.append(packed)
        what = FRAME[type(send.frame)]
        self.coverage[what] = self.coverage.get(what, 0) + len(send.links)
        if self.filter is None and self.mangle is None and self.recorder is None:
            self.links.send_all(machine, send.links, packed, send.lane)
            return
        for link in send.links:
            pipe = machine.links.get(link)
            if pipe is not None:
                self._send(machine, pipe, packed, send.lane)

    def _perform(self, machine: Machine, effect: Effect) -> None:
        if type(effect) is Append:
            self._begin_append(machine, effect)
            return
        match effect:
            case Tell(sessions, operation):
                packed = encode_operation(operation)
                self._noted.append(packed)
                self.cover(TELL[type(operation)])
                if isinstance(operation, Refused):
                    self.cover(f"refused/{operation.code}")
                for session in sessions:
                    self._tell(machine, session, packed)
            case Load():
                cost_us = machine.disk_rng.between(*LOAD_US) + machine.slow_disk_us
                self.after(cost_us, self._read, machine, machine.life, effect)
            case Dial(address):
                self.links.dial(machine, address)
            case Hangup(link, code):
                self.cover(f"hangup/{code}")
                self.links.close(machine, link, code)
            case Report(code):
                self.cover(f"report/{code}")
                if len(machine.reports) < REPORTS_MAX:
                    machine.reports.append(effect)
            case Drained():
                machine.drained = machine.disk.clean = True
                self.after(0, self._end, machine, machine.life)
            case _:
                assert isinstance(effect, Send | Count | Append), "these were performed before"

    def _send(self, machine: Machine, pipe: Pipe, packed: bytes, lane: Lane) -> None:
        if self.filter is not None and not self.filter(pipe.path.source, pipe.path.target, packed):
            return
        for each in [packed] if self.mangle is None else self.mangle(machine, pipe, packed):
            if self.recorder is not None:
                self.recorder.on_sent(pipe, each)
            self.links.send(pipe, each, lane)

    # --- the disk ----------------------------------------------------------------------------------------------------

    def _begin_append(self, machine: Machine, append: Append) -> None:
        machine.appending.append(append)
        for batch in append.batches:
            if batch.log.node == machine.node_id:
                self.cover("batch/sealed")
        cost_us = machine.disk_rng.between(*APPEND_US) + machine.slow_disk_us
        self.due(self.now_us + cost_us, self._answer, machine, append)

    def _read(self, machine: Machine, life: int, load: Load) -> None:
        if machine.life == life:
            loaded = machine.disk.load(load)
            if loaded.corrupt:
                machine.on_dropped(loaded.corrupt, self.now_us)
            self.hear(machine, loaded)

    def _answer(self, machine: Machine, append: Append) -> None:
        """The disk answers an append of this life, in order; after a failed one it fails all behind it."""
        if not machine.appending:
            return
        if machine.appending[0] is not append:  # a slower one is before it
            if any(append is each for each in machine.appending):
                self.due(self.now_us + 100, self._answer, machine, append)
            return
        disk = machine.disk
        if disk.fsync_fails:  # nothing that the system says of that data can be believed now
            self.cover("disk/fsync-failed")
            self.on_fsync_failed(machine)
            return
        if disk.fault:
            failed, machine.appending = machine.appending, []
            for each in failed:
                self.hear(machine, StoreFailed(each.append, disk.fault, 0 if disk.full else disk.free_bytes))
            return
        machine.appending.pop(0)
        disk.write(append, self.now_us)
        if self.recorder is not None:
            self.recorder.on_stored(machine, append)
        self.hear(machine, Stored(append.append, disk.free_bytes))

    def space(self, machine: Machine, free_bytes: int) -> None:
        """The disk's free space changes."""
        machine.disk.free_bytes, machine.disk.full = free_bytes, free_bytes == 0
        self.hear(machine, DiskSpace(free_bytes))

    def scrub(self, machine: Machine) -> None:
        """The store's background check comes to its end."""
        found = machine.disk.scrub()
        if found:
            machine.on_dropped(found, self.now_us)
            self.hear(machine, RowsCorrupt(found))

    # --- partitions --------------------------------------------------------------------------------------------------

    def cut(self, *sides: list[str]) -> None:
        """Let nothing pass between the sides, until `heal`."""
        pairs = {(a, b) for side in sides for other in sides if other is not side for a in side for b in other}
        self.impose(Condition(frozenset(pairs), cut=True))

    def impose(self, condition: Condition) -> None:
        """A condition begins."""
        self.note(b"impose")
        self.links.impose(condition)

    def lift(self, condition: Condition) -> None:
        """A condition ends, if it has not yet."""
        self.note(b"lift")
        self.links.lift(condition)

    def heal(self) -> None:
        """All conditions end."""
        self.note(b"heal")
        for condition in list(self.network.conditions):
            self.links.lift(condition)

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
        packed = encode_operation(operation)
        decoded = decode_client(packed)
        assert decoded == operation, (decoded, operation)
        self.cover(ASK[type(operation)])
        self.hear(machine, Requested(session, operation))

    def disconnect(self, machine: Machine, session: SessionId) -> None:
        """Close a session without a word."""
        if machine.sessions.pop(session, None) is not None:
            self.hear(machine, SessionClosed(session))

    def _tell(self, machine: Machine, session: SessionId, packed: bytes) -> None:
        operation = told(packed)
        assert operation is not None
        self.after(ATTACHED_US, self._heard, machine, (machine.life, machine.ticks), session, operation)

    def _heard(self, machine: Machine, said: tuple[int, int], session: SessionId, operation: NodeOperation) -> None:
        heard, (life, machine.said_tick) = machine.sessions.get(session), said
        if heard is None or machine.life != life:
            return
        heard(operation)
        if isinstance(operation, Goodbye):
            self.disconnect(machine, session)

    def converged(self, names: list[str] | None = None) -> bool:
        """Whether all running nodes, or all of those named, have stored the same of all that lives.

        Logs that have wholly expired are forgotten by each node in its own time, and count no more.
        """
        machines = list(self.machines.values()) if names is None else [self.machines[name] for name in names]
        nodes = [machine.node for machine in machines if machine.node is not None]
        if len({node.holdings.digest for node in nodes}) == 1:
            return True
        dead_ms = WALL_MS + self.now_us // 1_000 - SKEW_MAX_MS
        alive = [
            {log: held.runs for log, held in node.holdings.stored.items() if held.expires_ms > dead_ms}
            for node in nodes
        ]
        return all(held == alive[0] for held in alive)
