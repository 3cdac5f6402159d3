"""What the tests of the lower layers talk about: Ana, Ben and Cy, their logs, and batches that chain.

Keys are the simulator's, so that a signature costs nothing; what is signed and chained is as real as can be.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.clocks.hybrid import stamp_of
from mesh.crypto import SimSuite
from mesh.log.batch import NO_NAME, Batch, Epoch, epoch_statement, seal
from mesh.log.record import Record, encode_record
from mesh.types import LogId, NodeId

SUITE = SimSuite()
MESH = b"m" * 32
NODE_SIGNERS = {name: SUITE.signer(name.encode()) for name in ("ana", "ben", "cy")}
ANA, BEN, CY = (NodeId(signer.public) for signer in NODE_SIGNERS.values())
SIGNER_OF = {NodeId(signer.public): signer for signer in NODE_SIGNERS.values()}
WALL_MS = 1_800_000_000_000
DAY_MS = 86_400_000


def record(
    sequence: int = 1,
    payload: bytes = b"hello",
    *,
    channel: str = "room/1",
    publisher: str = "pub",
    incarnation: int = 7,
    stamp: int | None = None,
    ttl_ms: int = DAY_MS,
    flags: int = 1,
    causes: list[object] | None = None,
    headers: dict[str, str] | None = None,
) -> Record:
    """A record as it stands in a log, with the bytes that it would be decoded from."""
    at = stamp_of(WALL_MS) + sequence if stamp is None else stamp
    fields = (channel, publisher, incarnation, sequence, at, ttl_ms, flags, causes or [], headers or {}, payload)
    return Record._make((*fields, encode_record(fields)))


@dataclass
class Writer:
    """Seals the batches of one log, each after the one before it."""

    node: NodeId = ANA
    epoch: int = 1 << 20
    position: int = 0
    head: bytes = NO_NAME
    sequence: int = 0
    mesh: bytes = MESH
    _stamp: int = stamp_of(WALL_MS)
    batches: list[Batch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signer = SUITE.signer(b"epoch %d" % self.epoch + self.node)
        statement = epoch_statement(self.mesh, self.node, self.epoch, self.signer.public)
        proof = SIGNER_OF[self.node].sign(statement)
        self.opened = Epoch(self.node, self.epoch, self.signer.public, proof)

    @property
    def log(self) -> LogId:
        return LogId(self.node, self.epoch)

    def write(self, count: int = 1, **fields: object) -> Batch:
        """Seal the next `count` records of one publisher."""
        records = []
        for _ in range(count):
            self.sequence += 1
            self._stamp += 1
            records.append(record(self.sequence, stamp=self._stamp, **fields))  # type: ignore[arg-type]
        return self.seal(records)

    def seal(self, records: list[Record], floor: int = 1) -> Batch:
        """Seal these very records."""
        batch = seal(self.log, self.position + 1, self.head, records, self.signer, self.opened, floor)
        self.position, self.head = batch.last, batch.name
        self._stamp = max(self._stamp, batch.head.stamp)
        self.batches.append(batch)
        return batch


def rekeyed(node: NodeId = ANA, epoch: int = 1 << 20, mesh: bytes = MESH) -> Writer:
    """A writer of the same log as `Writer(node, epoch)`, under another key that the node signed, too."""
    writer = Writer(node, epoch, mesh=mesh)
    writer.signer = SUITE.signer(b"another key")
    proof = SIGNER_OF[node].sign(epoch_statement(mesh, node, epoch, writer.signer.public))
    writer.opened = Epoch(node, epoch, writer.signer.public, proof)
    return writer


def received(batch: Batch) -> Batch:
    """The batch as a peer has it: the same bytes, nothing decoded yet."""
    return Batch(batch.header, batch.body, batch.signature, batch.epoch_public, batch.epoch_proof)
