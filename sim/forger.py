"""What a host gone bad writes by itself: in others' names, two histories of one log, copies, false addresses, and bombs.

It has what its node has: the node's key, what lies on the disk, and who is linked. It has no other's key. What it
publishes in its node's own name stands in the ledger, as if a client of its own had published it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from mesh import frames as f
from mesh.clocks.hybrid import stamp_of
from mesh.crypto import SEED_BYTES, Signer, name_of
from mesh.log.batch import BODY_BYTES_MAX, CODEC_ZLIB, NO_NAME, Batch, Epoch, encode_header, epoch_statement, seal
from mesh.log.record import Record, encode_record
from mesh.types import Address, LogId, NodeId
from mesh.wire.frames import encode_frame
from sim.clock import WALL_MS
from sim.diary import Entry, Ledger
from sim.machine import Machine
from sim.tape import Stream
from sim.world import World

EVERY_US = 250_000
"""It writes something new so often, at most: a member is not faster than its processor."""
TTL_MS = 3_600_000
CHANNEL = "room/1"
CROWD = 64
"""So many addresses it makes up at once."""
COMMON = 3
"""So many batches its two histories share, if one key signs both."""
COPIES = 400
"""So many times it writes down what another has published, at once: 1 kB on the wire."""
UNFOLDED_BYTES = 16 * BODY_BYTES_MAX
"""What a body of a few kilobytes unfolds to."""
CLAIMS = (
    b"\x91" * 50_000 + b"\xc0",  # arrays of one array of one array …
    b"\x92\x06\xdd\xff\xff\xff\xff",  # an announcement of four thousand million ranges
    b"\x92\x06\xdf\xff\xff\xff\xff",  # the same as a map
    b"\x92\x05\xc6\xff\xff\xff\xff",  # a batch of four gigabytes
)
"""Frames that claim more than they hold, in MessagePack."""


@dataclass
class History:
    """One history of a log: its batches, and how far each peer was told."""

    name: str
    batches: list[Batch] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)


@dataclass
class Forger:
    """The secrets and the plans of one host."""

    world: World
    machine: Machine
    rng: Stream
    ledger: Ledger
    next_us: dict[str, int] = field(default_factory=dict)
    stamp: int = 0
    histories: tuple[History, History] = field(default_factory=lambda: (History("left"), History("right")))
    copies: History = field(default_factory=lambda: History("copies"))
    _epochs: list[tuple[Epoch, Signer]] = field(default_factory=list)
    _written: int = 0
    _crowd: int = 0

    def is_time(self, peer: str = "") -> bool:
        """Whether it may write something new, or tell a peer something again."""
        if self.world.now_us < self.next_us.get(peer, 0):
            return False
        self.next_us[peer] = self.world.now_us + EVERY_US
        return True

    def _record(self, publisher: str, incarnation: int, sequence: int) -> Record:
        """A message of nobody, or of a client of its own."""
        self.stamp = max(self.stamp + 1, stamp_of(WALL_MS + self.world.now_us // 1_000))
        fields: tuple[Any, ...] = (
            CHANNEL,
            publisher,
            incarnation,
            sequence,
            self.stamp,
            TTL_MS,
            0,
            [],
            {},
            b"by %d" % sequence,
        )
        return tuple.__new__(Record, (*fields, encode_record(fields)))

    # --- in another's name -------------------------------------------------------------------------------------------

    def forged(self) -> list[f.Frame]:
        """A batch that somebody else is said to have written, if it is time for one."""
        node = self.machine.node
        others = sorted(name for name in self.world.machines if name != self.machine.name)
        if node is None or not others or not self.is_time():
            return []
        mine = node.identity
        victim = NodeId(self.world.machines[self.rng.choice(others)].node_id)
        self._written += 1
        record = self._record("forged", 1, self._written)
        genuine = self.machine.disk.newest_of(victim)
        key = self.world.suite.signer(self.rng.bytes(SEED_BYTES))
        kind = self.rng.below(3)
        if kind == 0 and genuine is not None:  # under the epoch that its node signed, whose key only that node has
            epoch = Epoch(victim, genuine.log.epoch, genuine.epoch_public, genuine.epoch_proof)
            return [f.Push(seal(genuine.log, genuine.last + 1, genuine.name, [record], key, epoch))]
        if kind == 1:  # in the name of a node that no one has admitted
            victim = NodeId(key.public)
        number = self.rng.below(1 << 62)
        statement = epoch_statement(mine.mesh, victim, number, key.public)
        proof = key.sign(statement) if kind == 1 else mine.signer.sign(statement)
        epoch = Epoch(victim, number, key.public, proof)
        return [f.Push(seal(LogId(victim, number), 1, NO_NAME, [record], key, epoch))]

    # --- in its own name, twice --------------------------------------------------------------------------------------

    def shown_to(self, peer: str) -> list[f.Frame]:
        """What a peer has not seen yet of the history that its half of the mesh is shown."""
        if self.machine.node is None:
            return []
        if self.is_time():
            self._write_on()
        others = sorted(name for name in self.world.machines if name != self.machine.name)
        history = self.histories[2 * others.index(peer) // len(others)]
        told, history.told[peer] = history.told.get(peer, 0), len(history.batches)
        return [f.Push(batch) for batch in history.batches[told:]]

    def _write_on(self) -> None:
        """Both histories become longer; from some place on they differ."""
        left, right = self.histories
        if not self._epochs:
            self._open_epoch()
        common = COMMON if len(self._epochs) == 1 else 0
        for number, history in enumerate((left, right)):
            if history is right and len(right.batches) < common:
                right.batches.append(left.batches[-1])
                continue
            epoch, key = self._epochs[number % len(self._epochs)]
            before = history.batches[-1] if history.batches else None
            first = before.last + 1 if before else 1
            record = self._record(f"{self.machine.name}-{history.name}", 1 + epoch.number % 1_000_000, first)
            self.ledger[record.publisher, record.incarnation, first] = Entry(
                CHANNEL, record.payload, at_us=self.world.now_us, gateway=self.machine.name, ttl_ms=TTL_MS, strange=True
            )
            log = LogId(epoch.node, epoch.number)
            history.batches.append(seal(log, first, before.name if before else NO_NAME, [record], key, epoch))

    def _open_epoch(self) -> None:
        """A log of its own, by one key or, for a node can sign what it likes, by two."""
        assert self.machine.node is not None
        mine = self.machine.node.identity
        number = self.machine.node.life + 1 + self.rng.below(1 << 16)
        for _ in range(1 + self.rng.below(2)):
            key = self.world.suite.signer(self.rng.bytes(SEED_BYTES))
            proof = mine.signer.sign(epoch_statement(mine.mesh, mine.node, number, key.public))
            self._epochs.append((Epoch(mine.node, number, key.public, proof), key))

    # --- what others have published, again and again -----------------------------------------------------------------

    def copies_for(self, peer: str) -> list[f.Frame]:
        """What a peer has not seen yet of a log that repeats what others have published."""
        if self.machine.node is None:
            return []
        if self.is_time("copies"):
            self._copy()
        told, self.copies.told[peer] = self.copies.told.get(peer, 0), len(self.copies.batches)
        return [f.Push(batch) for batch in self.copies.batches[told:]]

    def _copy(self) -> None:
        """The last message of somebody else stands in the log once more, and more often than anybody would look at."""
        others = sorted(name for name in self.world.machines if name != self.machine.name)
        genuine = self.machine.disk.newest_of(self.world.machines[self.rng.choice(others)].node_id)
        if genuine is None or genuine.body is None:
            return
        if not self._epochs:
            self._open_epoch()
        epoch, key = self._epochs[0]
        message = genuine.records()[-1]
        self.stamp = max(self.stamp, stamp_of(WALL_MS + self.world.now_us // 1_000))
        records = [_stamped(message, self.stamp + at) for at in range(1, COPIES + 1)]
        self.stamp += COPIES
        before = self.copies.batches[-1] if self.copies.batches else None
        first, name = (before.last + 1, before.name) if before else (1, NO_NAME)
        self.copies.batches.append(seal(LogId(epoch.node, epoch.number), first, name, records, key, epoch))

    # --- where others are --------------------------------------------------------------------------------------------

    def misled(self, certificates: tuple[bytes, ...] = ()) -> list[f.Frame]:
        """Everybody else is said to be here, and this node to be where they are: who believes it dials nobody else."""
        here = self.machine
        others = [machine for name, machine in sorted(self.world.machines.items()) if machine is not here]
        lies = [(NodeId(other.node_id), here.address) for other in others]
        lies += [(NodeId(here.node_id), other.address) for other in others]
        return [f.Members(certificates, tuple(lies))]

    def crowd(self, peer: str) -> list[f.Frame]:
        """Nodes that nobody knows are said to be at addresses where nobody is, each time others, if it is time for it."""
        if not self.is_time(f"crowd of {peer}"):
            return []
        first, self._crowd = self._crowd, self._crowd + CROWD
        numbers = range(first, self._crowd)
        return [
            f.Members((), tuple((NodeId(number.to_bytes(32)), Address(f"nobody-{number}", 1)) for number in numbers))
        ]

    # --- bombs -------------------------------------------------------------------------------------------------------

    def bombs(self, peer: str) -> list[bytes]:
        """A frame that claims, or a batch of its own that unfolds to, more than a node may hold, if it is time for one."""
        if self.machine.node is None or not self.is_time(f"bomb for {peer}"):
            return []
        kind = self.rng.below(len(CLAIMS) + 1)
        return [CLAIMS[kind] if kind < len(CLAIMS) else encode_frame(f.Push(self._bomb()))]

    def _bomb(self) -> Batch:
        """A batch with its node's own signature, and a body that unfolds to more than any batch may hold."""
        if not self._epochs:
            self._open_epoch()
        epoch, key = self._epochs[0]
        self._written += 1
        record = self._record("bomb", 1, self._written)
        genuine = seal(LogId(epoch.node, epoch.number), 1, NO_NAME, [record], key, epoch)
        body = _folded()
        header = encode_header(genuine.head._replace(body_hash=name_of(body), codec=CODEC_ZLIB))
        return Batch(header, body, key.sign(header), epoch.public, epoch.proof)


def _stamped(message: Record, stamp: int) -> Record:
    fields = (*message[:4], stamp, *message[5:10])
    return tuple.__new__(Record, (*fields, encode_record(fields)))


@cache
def _folded() -> bytes:
    return zlib.compress(bytes(UNFOLDED_BYTES), 9)
