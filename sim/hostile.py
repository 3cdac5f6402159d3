"""Members and clients gone bad: what leaves a compromised host in place of its node's frames, and clients that keep no rule.

A hostile member has a certificate and an honest node; its host changes what that node says. Deeds of members:
`garble` (bits of frames flip), `tamper` (payloads of batches change, or the proofs of who opened their epochs;
signatures stay), `replay` (old frames come again), `withhold` (batches, announcements and that it has none never
leave), `forget` (what repair asks and answers never leaves), `deny` (answers say that it has nothing), `boast`
(vectors claim what it has not, receipts too, also in another's name), `flood` (every frame leaves many times),
`forge` (batches in others' names), `fork` (a log of its own with two histories, one for each half of its peers),
`eclipse` (false addresses of everybody), `crowd` (ever new addresses of nobody), `bomb` (small frames that claim or
unfold to what no memory holds), `copy` (a log of its own that repeats what others have published); what these six
make stands in `sim.forger`; `past` and `future` (it speaks another version of the protocol). Deeds of clients:
`bad-fields`, `flood`, `skip-attach`, `huge`, `silent` (many connections on which nothing is ever said), and `repeat`
(one message again and again, for a level that is never reached: each time it asks for a place among those who wait for
receipts, and where the disk is slow before that is sealed).

A stream has credit, and a host that keeps its node's batches to itself has to keep the node's books: what never left was
never spent, and the node hears of so much more credit than its peer grants. Else its node would soon have nothing to say
on that link, and for ever, also once the deed has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import msgpack

from mesh import frames as f
from mesh.effects import FrameReceived, Requested
from mesh.errors import DecodeError
from mesh.log.batch import Batch
from mesh.operations import Attach, CreditGrant, Draft, Inspect, Publish, Subscribe
from mesh.types import LinkId, NodeId, SessionId
from mesh.wire.frames import decode_frame, encode_frame
from sim.diary import Entry, Ledger
from sim.forger import Forger
from sim.links import Pipe
from sim.scenario.events import FLOODS, REPEATS
from sim.tape import Stream
from sim.world import Machine, World

FLOOD_TIMES = 20
KEPT_FRAMES = 64
BOAST_POSITIONS = 1_000
FRAME_OF_TOMORROW = 1_000
HUGE_BYTES = 3 << 20
"""Above any limit on records."""
COPIES_OF_NOBODY = 1_000_000
"""More than there are nodes in any mesh."""
KEEP_WAITING = frozenset({"withhold", "forget", "deny", "boast", "garble"})
"""Deeds after which a peer may wait for an answer, or for what was never announced, though the link stands."""
STRANGER = "hostile"
REPEATED = Draft("room/1", 1, b"again")


@dataclass(eq=False, slots=True)
class Evil:
    """A deed that a node's host goes on doing."""

    what: str
    share_ppm: int
    """To how many frames in a million."""
    done: Callable[[], None]
    """Hears of it when it is done."""


@dataclass(slots=True)
class CreditBook:
    """The books of a host that keeps batches from a link. Bytes are running totals, as in `Credit`."""

    granted: int
    """What the peer lets the node send ..."""
    told: int
    """... and what the node was told that it may."""
    kept: int = 0
    """What the node believes to have sent, and never left."""


@dataclass
class Hostiles:
    """Who has gone bad in a world, and how."""

    world: World
    ledger: Ledger
    """Where a host that publishes by itself writes down what, and what others have published."""
    deeds: dict[str, list[Evil]] = field(default_factory=dict)
    """By node: each is done to what the one before has left."""
    rng: Stream = field(init=False)
    _kept: dict[str, deque[bytes]] = field(default_factory=dict)
    _forgers: dict[str, Forger] = field(default_factory=dict)
    _books: dict[LinkId, CreditBook] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin to look at what leaves the nodes."""
        self.rng = self.world.rng.fork("hostile")

    def turn(self, node: str, deed: str, share_ppm: int, done: Callable[[], None] = lambda: None) -> Callable[[], None]:
        """A member goes bad, or worse; what is returned ends this deed, and no other that goes on."""
        evil = Evil(deed, share_ppm, done)
        machine = self.world.machines[node]
        machine.keeps_waiting |= deed in KEEP_WAITING
        if not machine.is_bad:
            machine.is_bad = True
            for entry in self.ledger.values():
                if entry.disks_lost:  # what it said of its own, or keeps to itself, makes up for none of these
                    entry.lose(machine.name, machine.region)
        if node not in self.deeds:
            self._forgers[node] = Forger(self.world, self.world.machines[node], self.rng.fork(node), self.ledger)
        self.deeds.setdefault(node, []).append(evil)
        self.world.mangle = self._leave

        def end() -> None:
            self.deeds[node].remove(evil)
            if not self.deeds[node]:
                del self.deeds[node]
            if not self.deeds:
                self.world.mangle = None

        return end

    def _leave(self, machine: Machine, pipe: Pipe, packed: bytes) -> list[bytes]:
        deeds = self.deeds.get(machine.name)
        if deeds is None:
            return [packed]
        self._kept.setdefault(machine.name, deque(maxlen=KEPT_FRAMES)).append(packed)
        frames = [packed]
        for evil in deeds:
            frames = [left for frame in frames for left in self._done(evil, machine, pipe, frame)]
        given = _read(packed)
        if isinstance(given, f.Push) and not any(isinstance(_read(left), f.Push) for left in frames):
            self._keep_back(machine, pipe.source_link, given.batch.size)
        return frames

    def _keep_back(self, machine: Machine, link: LinkId, size: int) -> None:
        """A batch stays with the host: what the node spent on it is given back to it, in steps as a peer grants them."""
        peer = None if machine.node is None else machine.node.peers.get(link)
        if peer is None:  # it is written to no more, as another link to the same node is
            return
        books = self._books.setdefault(link, CreditBook(peer.credit_until, peer.credit_until))
        self.world.links.bend = self._hear
        if peer.credit_until > books.told:  # that grant was on its way when the books began
            books.granted = books.told = peer.credit_until
        books.kept += size
        if books.granted + books.kept - books.told >= machine.config.links.credit_step_bytes:
            books.told = books.granted + books.kept
            credit = f.Credit(books.told)
            self.world.hear(machine, FrameReceived(link, credit, len(encode_frame(credit))))

    def _hear(self, _: Machine, link: LinkId, frame: f.Frame) -> f.Frame:
        """What a node hears of its credit; the books of a link last as long as it stands, also beyond the deed."""
        books = self._books.get(link)
        if books is None or not isinstance(frame, f.Credit):
            return frame
        books.granted = max(books.granted, frame.until_bytes)
        books.told = books.granted + books.kept
        return f.Credit(books.told)

    def _done(self, evil: Evil, machine: Machine, pipe: Pipe, packed: bytes) -> list[bytes]:
        if not self.rng.chance(evil.share_ppm):
            return [packed]
        changed = self._changed(evil.what, machine, pipe, packed)
        if changed != [packed]:
            self.world.cover(f"hostile/{evil.what}")
            evil.done()
        return changed

    def _changed(self, what: str, machine: Machine, pipe: Pipe, packed: bytes) -> list[bytes]:
        match what:
            case "garble":
                at = self.rng.below(len(packed))
                return [packed[:at] + bytes([packed[at] ^ (1 + self.rng.below(255))]) + packed[at + 1 :]]
            case "replay":
                return [packed, self.rng.choice(list(self._kept[machine.name]))]
            case "flood":
                return [packed] * FLOOD_TIMES
            case "forge":
                return [packed, *map(encode_frame, self._forgers[machine.name].forged())]
            case "fork":
                return [packed, *map(encode_frame, self._forgers[machine.name].shown_to(pipe.path.target))]
            case "copy":
                return [packed, *map(encode_frame, self._forgers[machine.name].copies_for(pipe.path.target))]
            case "future":
                return _of_tomorrow(packed)
            case "eclipse":
                return self._misled(machine, pipe, packed)
            case "bomb":
                return [packed, *self._forgers[machine.name].bombs(pipe.path.target)]
            case "crowd":
                return [packed, *map(encode_frame, self._forgers[machine.name].crowd(pipe.path.target))]
            case _:
                frame = _read(packed)
                if frame is None:
                    return [packed]
                said = _said_by(what, frame)
                if what == "boast" and isinstance(frame, f.Stored):
                    said += self._in_anothers_name(machine, pipe, said)
                return [encode_frame(each) for each in said]

    def _in_anothers_name(self, machine: Machine, pipe: Pipe, said: list[f.Frame]) -> list[f.Frame]:
        """The same receipts once more, as if a member who is neither here nor there had given them."""
        others = [
            other
            for other in self.world.machines.values()
            if other.node_id and other.name not in (machine.name, pipe.path.target)
        ]
        return [
            replace(each, node=NodeId(other.node_id), region=other.region)
            for other in others[:1]
            for each in said
            if isinstance(each, f.Stored)
        ]

    def _misled(self, machine: Machine, pipe: Pipe, packed: bytes) -> list[bytes]:
        """False addresses in place of true ones, and now and then beside whatever else is said."""
        forger = self._forgers[machine.name]
        frame = _read(packed)
        if isinstance(frame, f.Members):
            return list(map(encode_frame, forger.misled(frame.certificates)))
        return [packed, *map(encode_frame, forger.misled() if forger.is_time(pipe.path.target) else ())]

    # --- clients -----------------------------------------------------------------------------------------------------

    def client(self, machine: Machine, deed: str, times: int) -> bool:
        """A client that keeps no rule comes to a gateway, does what it does so often, and stays; False if none is there."""
        if machine.node is None:
            return False
        world = self.world
        world.cover(f"hostile/{deed}")
        if deed == "silent":
            for _ in range(times):
                world.connect(machine, lambda _: None)
            return True
        session = world.connect(machine, lambda _: None)
        if deed != "skip-attach":
            incarnation = 1 + self.rng.below(1 << 40)
            world.hear(machine, Requested(session, Attach(STRANGER, incarnation)))
            if deed == "repeat":  # which is the only one that a node takes in
                wanted = COPIES_OF_NOBODY, 1
                entry = Entry(
                    REPEATED.channel,
                    REPEATED.payload,
                    at_us=world.now_us,
                    gateway=machine.name,
                    wanted=wanted,
                    strange=True,
                )
                self.ledger[STRANGER, incarnation, REPEATED.sequence] = entry
        for number in range(times):
            world.after(1_000 * (number + 1), self._bother, machine, machine.life, session, deed, number)
        return True

    def _bother(self, machine: Machine, life: int, session: SessionId, deed: str, number: int) -> None:
        if machine.life != life or session not in machine.sessions:
            return
        match deed:
            case "flood":
                self._flood(machine, session, number)
            case "huge":
                self._publish(machine, session, Draft("room/1", number + 1, bytes(HUGE_BYTES)))
            case "bad-fields":
                self._publish(machine, session, Draft("\x00/#", number + 1, b"", -1, -1))
            case "repeat":
                self.world.hear(machine, Requested(session, Publish((REPEATED,) * REPEATS, COPIES_OF_NOBODY)))
            case _:
                self._publish(machine, session, Draft("room/1", number + 1, b"unasked"))

    def _publish(self, machine: Machine, session: SessionId, draft: Draft) -> None:
        self.world.hear(machine, Requested(session, Publish((draft,))))

    def _flood(self, machine: Machine, session: SessionId, number: int) -> None:
        for each in range(FLOODS):
            self.world.hear(machine, Requested(session, Subscribe(number * FLOODS + each + 1, ("#",))))
            self.world.hear(machine, Requested(session, CreditGrant(number + 1, 1 << 40, 1 << 40)))
            self.world.hear(machine, Requested(session, Inspect((1 << 20) + each)))


def _read(packed: bytes) -> f.Frame | None:
    """A frame that leaves; None for what another deed has left of it."""
    try:
        return decode_frame(packed)
    except DecodeError:
        return None


def _of_tomorrow(packed: bytes) -> list[bytes]:
    """A frame as a later version might say it: another version in HELLO, one element more, and a frame that is new."""
    frame = _read(packed)
    if frame is None:
        return [packed]
    said = msgpack.unpackb(packed, strict_map_key=False)
    if isinstance(frame, f.Hello):
        said[1] += 1
    return [msgpack.packb([*said, "of tomorrow"]), msgpack.packb([FRAME_OF_TOMORROW, {"what": "nobody knows"}])]


def _said_by(what: str, frame: f.Frame) -> list[f.Frame]:
    """What a liar says in place of a frame."""
    match what, frame:
        case "past", f.Hello():
            return [replace(frame, version=0)]
        case "tamper", f.Push(batch):
            return [f.Push(_tampered(batch))]
        case "withhold", f.Push() | f.IHave() | f.NotFound() | f.Busy():
            return []
        case "forget", f.RepairHello() | f.RepairEqual() | f.Vector() | f.Want() | f.Graft() | f.NotFound() | f.Busy():
            return []
        case "deny", f.Push(batch):
            return [f.NotFound(((batch.log, batch.first, batch.last),))]
        case "boast", f.Vector(_, logs):
            return [replace(frame, logs=tuple(_boast(state) for state in logs))]
        case "boast", f.Stored(node, region, ranges):
            return [f.Stored(node, region, tuple((log, first, last + BOAST_POSITIONS) for log, first, last in ranges))]
        case _:
            return [frame]


def _tampered(batch: Batch) -> Batch:
    """The payload is another, or, of every second batch, the proof that its node opened the epoch."""
    if batch.body and batch.first % 2:
        body = batch.body[:-1] + bytes([batch.body[-1] ^ 1])
        return Batch(batch.header, body, batch.signature, batch.epoch_public, batch.epoch_proof)
    proof = batch.epoch_proof[:-1] + bytes([batch.epoch_proof[-1] ^ 1])
    return Batch(batch.header, batch.body, batch.signature, batch.epoch_public, proof)


def _boast(state: f.LogState) -> f.LogState:
    runs = state.runs[:-1] + tuple((first, last + BOAST_POSITIONS, b"") for first, last, _ in state.runs[-1:])
    return replace(state, runs=runs)
