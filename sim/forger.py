"""What a host gone bad writes by itself: batches in others' names, and false addresses.

It has what its node has: the node's key, what lies on the disk, and who is linked. It has no other's key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mesh import frames as f
from mesh.clocks.hybrid import stamp_of
from mesh.crypto import SEED_BYTES
from mesh.log.batch import NO_NAME, Epoch, epoch_statement, seal
from mesh.log.record import Record, encode_record
from mesh.types import LogId, NodeId
from sim.clock import WALL_MS
from sim.machine import Machine
from sim.tape import Stream
from sim.world import World

EVERY_US = 250_000
"""It writes something new so often, at most: a member is not faster than its processor."""
TTL_MS = 3_600_000
CHANNEL = "room/1"


@dataclass
class Forger:
    """The secrets and the plans of one host."""

    world: World
    machine: Machine
    rng: Stream
    next_us: dict[str, int] = field(default_factory=dict)
    stamp: int = 0
    _written: int = 0

    def is_time(self, peer: str = "") -> bool:
        """Whether it may write something new, or tell a peer something again."""
        if self.world.now_us < self.next_us.get(peer, 0):
            return False
        self.next_us[peer] = self.world.now_us + EVERY_US
        return True

    def _record(self, publisher: str, incarnation: int, sequence: int) -> Record:
        """A message of nobody."""
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

    # --- where others are --------------------------------------------------------------------------------------------

    def misled(self, certificates: tuple[bytes, ...] = ()) -> list[f.Frame]:
        """Everybody else is said to be here, and this node to be where they are: who believes it dials nobody else."""
        here = self.machine
        others = [machine for name, machine in sorted(self.world.machines.items()) if machine is not here]
        lies = [(NodeId(other.node_id), here.address) for other in others]
        lies += [(NodeId(here.node_id), other.address) for other in others]
        return [f.Members(certificates, tuple(lies))]
