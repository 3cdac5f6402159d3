"""Batches: the unit of storage, gossip and repair.

A batch is a signed header and a body. The header names the log, the first position, the length in records, the last
stamp, the latest expiry, the log's floor, the previous batch and the hash of the body; its BLAKE2b-256 is the batch's
*name*. So batches chain, and each verifies alone, in any order: it carries its epoch's key, which the node's key
signed. A batch is encoded once; the same bytes are stored, pushed and served. One that has expired keeps all but its
body.

Checked on arrival by `verify`; on reading from a disk by `Batch.matches_name`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import msgpack

from mesh.clocks.hybrid import stamp_ms
from mesh.crypto import NAME_BYTES, PUBLIC_BYTES, SIGNATURE_BYTES, Signer, Suite, name_of
from mesh.errors import DecodeError
from mesh.log.record import RECORD_BYTES_MAX, TTL_MS_MAX, UNPACK_ERRORS, Record, decode_records, unpacked
from mesh.types import NODE_ID_BYTES, LogId, NodeId, log_of

FORMAT = 1
BATCH_BYTES_MAX = 64 << 10
"""A batch closes at 64 KiB (bodies before compression), unless one record is larger."""
BATCH_RECORDS_MAX = 4096
HEADER_BYTES_MAX = 512
BODY_BYTES_MAX = RECORD_BYTES_MAX + BATCH_BYTES_MAX
CODEC_PLAIN, CODEC_ZLIB = 0, 1
COMPRESS_BYTES_MIN = 256
SAMPLED_BYTES_MIN = 64 << 10
"""From here on, samples are compressed first: in vain, a megabyte takes 25 ms, and nothing else is done meanwhile."""
SAMPLES = 8
SAMPLE_BYTES = 2 << 10
NUMBER_MAX = 1 << 63
"""Numbers lie below it, so that every store can hold them."""
POSITION_MAX = 1 << 53
NO_NAME = bytes(NAME_BYTES)
"""The previous name in a log's first batch."""
OVERHEAD_BYTES = 512
"""What a batch costs a link's credit beside its body: header, signatures and framing, rounded up."""
KeyProven = tuple[bytes, bytes]
"""An epoch's key, and its node's signature over it."""
OTHER_KEY = "the epoch has another key"
"""Why a batch is refused whose epoch was opened under a key that was seen before, and is not its."""


class Header(NamedTuple):
    """What is signed. `stamp` is the last record's; `expires_ms` the latest one; `floor` the least position kept."""

    log: LogId
    first: int
    length: int
    stamp: int
    expires_ms: int
    floor: int
    previous: bytes
    body_hash: bytes
    codec: int

    @property
    def last(self) -> int:
        """The position of the last record."""
        return self.first + self.length - 1


@dataclass(frozen=True, slots=True)
class Epoch:
    """A stretch of one process's life: its number, its key, and the node's signature that makes it the node's."""

    node: NodeId
    number: int
    public: bytes
    proof: bytes


def epoch_statement(mesh: bytes, node: NodeId, number: int, public: bytes) -> bytes:
    """What the node's key signs to open an epoch."""
    return b"gossamer-epoch-1" + mesh + node + number.to_bytes(8, "big") + public


class Batch:
    """A sealed run of records. Immutable; what is reckoned from it, its records first of all, is kept once it was asked for.

    `body` is None where it has expired and been dropped.
    """

    __slots__ = (
        "_channels",
        "_earliest_ms",
        "_fault",
        "_is_named",
        "_records",
        "body",
        "epoch_proof",
        "epoch_public",
        "first",
        "head",
        "header",
        "last",
        "log",
        "name",
        "signature",
        "size",
    )

    def __init__(
        self, header: bytes, body: bytes | None, signature: bytes, epoch_public: bytes, epoch_proof: bytes
    ) -> None:
        """Decode the header. Raises `DecodeError`; verifies nothing."""
        self.header = header
        self.body = body
        self.signature = signature
        self.epoch_public = epoch_public
        self.epoch_proof = epoch_proof
        self.head = head = decode_header(header)
        self.name = name_of(header)
        self.log: LogId = head.log
        """The log that it belongs to ..."""
        self.first = head.first
        """... and the positions of its first record ..."""
        self.last = head.first + head.length - 1
        """... and its last."""
        self.size = OVERHEAD_BYTES + (len(body) if body is not None else 0)
        """What it costs a link's credit, in bytes."""
        self._records: list[Record] | None = None
        self._earliest_ms = -1
        self._channels: tuple[str, ...] | None = None
        self._is_named: bool | None = None
        self._fault: str | None = None

    def plain_body(self) -> bytes:
        """The records' bytes back to back. Raises `DecodeError` if they do not unfold, or to too many bytes."""
        assert self.body is not None
        if self.head.codec == CODEC_PLAIN:
            return self.body
        unfold = zlib.decompressobj()
        try:
            plain = unfold.decompress(self.body, BODY_BYTES_MAX)
        except zlib.error as error:
            raise DecodeError(f"a body does not unfold: {error}") from error
        if not unfold.eof or unfold.unconsumed_tail or unfold.unused_data:
            raise DecodeError("a body unfolds to more than a batch may hold")
        return plain

    def records(self) -> list[Record]:
        """Its records in order; none where the body has been dropped. Raises `DecodeError`."""
        if self._records is None:
            self._records = [] if self.body is None else decode_records(self.plain_body(), self.head.length)
        return self._records

    def earliest_expiry_ms(self) -> int:
        """When the first of its records dies; before then none needs to be looked at. Kept once it was asked for."""
        if self._earliest_ms < 0:
            self._earliest_ms = min((record.expires_ms for record in self.records()), default=0)
        return self._earliest_ms

    def channels(self) -> tuple[str, ...]:
        """The channels of its records, each once, in the order in which they come. Raises `DecodeError`."""
        if self._channels is None:
            self._channels = tuple(dict.fromkeys([record.channel for record in self.records()]))
        return self._channels

    def stripped(self) -> Batch:
        """The same batch without its body, as it stands after it has expired."""
        return Batch(self.header, None, self.signature, self.epoch_public, self.epoch_proof)

    def matches_name(self) -> bool:
        """Whether the body is the one that the header names (one that was dropped is not missed)."""
        if self._is_named is None:
            self._is_named = self.body is None or name_of(self.body) == self.head.body_hash
        return self._is_named

    def content_fault(self) -> str:
        """Whether the header tells the truth about the records: what it says wrong; empty if nothing. Raises `DecodeError`."""
        if self._fault is None:
            self._fault = _content_fault(self.head, self.records())
        return self._fault

    def parts(self) -> list[Any]:
        """The fields that travel, in order."""
        return [self.header, self.body, self.signature, self.epoch_public, self.epoch_proof]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Batch) and (
            self.header == other.header
            and self.body == other.body
            and self.signature == other.signature
            and self.epoch_public == other.epoch_public
            and self.epoch_proof == other.epoch_proof
        )

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Batch({self.head.log.epoch}:{self.first}..{self.last}{'' if self.body is not None else ' stripped'})"


def batch_from_parts(parts: Any) -> Batch:
    """Read what `Batch.parts` gave, typed and bounded. Raises `DecodeError`."""
    if type(parts) is not list or len(parts) < 5 or any(type(part) is not bytes for part in (parts[0], *parts[2:5])):
        raise DecodeError("a batch is an array of five byte strings")
    header, body, signature, public, proof = parts[:5]
    if body is not None and (type(body) is not bytes or len(body) > BODY_BYTES_MAX):
        raise DecodeError("a batch's body is too large")
    if len(signature) != SIGNATURE_BYTES or len(proof) != SIGNATURE_BYTES or len(public) != PUBLIC_BYTES:
        raise DecodeError("a batch's key or signature has the wrong size")
    return Batch(header, body, signature, public, proof)


_pack = msgpack.Packer(autoreset=True, use_bin_type=True).pack


def encode_header(head: Header) -> bytes:
    """Encode a header; these bytes are signed and hashed."""
    log = head.log
    packed: bytes = _pack([FORMAT, log.node, log.epoch, log.space, *head[1:]])
    return packed


def decode_header(header: bytes) -> Header:
    """Decode a header, every field typed. Raises `DecodeError`."""
    if len(header) > HEADER_BYTES_MAX:
        raise DecodeError("a header is too large")
    try:
        fields = unpacked(header)
    except msgpack.ExtraData as error:
        raise DecodeError("bytes follow the header", len(header) - len(error.extra)) from error
    except UNPACK_ERRORS as error:
        raise DecodeError(f"a header does not decode: {str(error) or type(error).__name__}") from error
    if type(fields) is not list or len(fields) != 12 or (type(fields[0]), fields[0]) != (int, FORMAT):
        raise DecodeError("a header has another format")
    node, epoch, space, first, count, stamp, expires_ms, floor, previous, body_hash, codec = fields[1:]
    if (
        not type(epoch)
        is type(first)
        is type(count)
        is type(stamp)
        is type(expires_ms)
        is type(floor)
        is type(codec)
        is int
    ):
        raise DecodeError("a header's numbers are invalid")
    if min(epoch, first, count, stamp, expires_ms, floor, codec) < 0:
        raise DecodeError("a header's numbers are invalid")
    if max(epoch, first, count, stamp, expires_ms, floor, codec) >= NUMBER_MAX:
        raise DecodeError("a header's numbers are invalid")
    if not type(node) is type(previous) is type(body_hash) is bytes or type(space) is not str:
        raise DecodeError("a header's names are invalid")
    if len(node) != NODE_ID_BYTES or not len(previous) == len(body_hash) == NAME_BYTES:
        raise DecodeError("a header's names are invalid")
    if not 0 < first <= POSITION_MAX - count or not 0 < count <= BATCH_RECORDS_MAX or codec > CODEC_ZLIB:
        raise DecodeError("a header's place or codec is invalid")
    log = log_of(NodeId(node), epoch, space)
    return Header(log, first, count, stamp, expires_ms, floor, previous, body_hash, codec)


def seal(
    log: LogId, first: int, previous: bytes, records: list[Record], signer: Signer, epoch: Epoch, floor: int = 1
) -> Batch:
    """Seal records into the batch that follows `previous`: compress where it pays, chain, sign."""
    plain = b"".join(record.raw for record in records)
    assert len(plain) <= BODY_BYTES_MAX and len(records) <= BATCH_RECORDS_MAX, "nobody could read it"
    packed = _compressed(plain)
    body, codec = (plain, CODEC_PLAIN) if packed is None else (packed, CODEC_ZLIB)
    expires_ms = max(record.expires_ms for record in records)
    stamp = records[-1].stamp
    head = Header(log, first, len(records), stamp, expires_ms, floor, previous, name_of(body), codec)
    header = encode_header(head)
    batch = Batch(header, body, signer.sign(header), epoch.public, epoch.proof)
    batch._records = records
    return batch


def _compressed(plain: bytes) -> bytes | None:
    """None where less than a tenth is gained, or would be by samples of it: a picture is compressed already."""
    size = len(plain)
    if size < COMPRESS_BYTES_MIN:
        return None
    if size >= SAMPLED_BYTES_MIN:
        between = (size - SAMPLE_BYTES) // (SAMPLES - 1)
        sample = b"".join(plain[at : at + SAMPLE_BYTES] for at in range(0, between * SAMPLES, between))
        if len(zlib.compress(sample, 1)) >= len(sample) * 9 // 10:
            return None
    packed = zlib.compress(plain, 1)
    return packed if len(packed) < size * 9 // 10 else None


def verify(batch: Batch, mesh: bytes, suite: Suite, known_epochs: dict[tuple[NodeId, int], KeyProven]) -> str:
    """Say why a batch is not what its node sealed; empty if it is.

    `known_epochs` remembers the epoch keys of batches that passed (bounded by the caller): the same proof of the same key
    is not checked again. Another is, though the key be known: whoever takes the batch from us may not know it yet. The
    records are decoded, so that a batch which passes can be read ever after.
    """
    log = batch.log
    known = known_epochs.get((log.node, log.epoch))
    if known is not None and known[0] != batch.epoch_public:
        return OTHER_KEY
    if known is None or known[1] != batch.epoch_proof:
        statement = epoch_statement(mesh, log.node, log.epoch, batch.epoch_public)
        if not suite.verify(log.node, statement, batch.epoch_proof):
            return "the epoch is not signed by its node"
    if not suite.verify(batch.epoch_public, batch.header, batch.signature):
        return "the signature does not verify"
    if batch.first == 1 and batch.head.previous != NO_NAME:
        return "a first batch has none before it"
    if not batch.matches_name():
        return "the body is not the one that was signed"
    try:
        fault = batch.content_fault()
    except DecodeError as error:
        return str(error)
    if known is None and not fault:
        known_epochs[log.node, log.epoch] = batch.epoch_public, batch.epoch_proof
    return fault


def _content_fault(head: Header, records: list[Record]) -> str:
    if not records:
        too_late = head.expires_ms > stamp_ms(head.stamp) + TTL_MS_MAX
        return "the header's expiry is later than any record's" if too_late else ""
    expires_ms = max(record.expires_ms for record in records)
    if head.stamp != records[-1].stamp or head.expires_ms != expires_ms:
        return "the header's stamp or expiry is not the records'"
    if any(a.stamp >= b.stamp for a, b in pairwise(records)):
        return "the stamps do not rise"
    return ""


def contradict(one: Batch, other: Batch) -> bool:
    """Whether two batches of one log cannot both stand in it: their node signed two histories."""
    if one.log != other.log or one.name == other.name:
        return False
    if one.epoch_public != other.epoch_public or (one.first <= other.last and other.first <= one.last):
        return True
    before, after = (one, other) if one.first < other.first else (other, one)
    return before.last + 1 == after.first and after.head.previous != before.name


def agreed(one: Batch, other: Batch) -> int:
    """The last position at which the histories of two batches that contradict each other can agree."""
    return min(one.first, other.first) - 1 if one.epoch_public == other.epoch_public else 0


def expires_after(batch: Batch, wall_ms: int) -> bool:
    """Whether any record of the batch is alive at `wall_ms`."""
    return batch.head.expires_ms > wall_ms


def stamp_wall_ms(batch: Batch) -> int:
    """When its last record was stamped, in ms since 1970."""
    return stamp_ms(batch.head.stamp)
