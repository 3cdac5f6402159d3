"""Records: a message as it stands in a log.

A record is a MessagePack array `[channel, publisher, incarnation, sequence, stamp, ttl_ms, flags, causes, headers,
payload]`. Its place is `(log, position)`; its *name* is `(publisher, incarnation, sequence)` and belongs to the
publisher, so that one message that was published twice is known as one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgpack

from mesh.clocks.hybrid import stamp_ms
from mesh.crypto import name_of
from mesh.errors import DecodeError
from mesh.types import channel_fault

RECORD_BYTES_MAX = 1 << 20
"""A record, encoded. Protocol limit (protocol.md, 2): with it a frame stays under 1.25 MiB."""
TTL_MS_MAX = 400 * 86_400_000
"""No record lives over 400 days."""
COUNT_MAX = (1 << 63) - 1
HEADERS_MAX = 64
PUBLISHER_BYTES_MAX = 128
NESTING_MAX = 8
RECORD_NESTING_MAX = NESTING_MAX - 2
"""A record lies in an array of records in an operation: what is deeper could be stored, and delivered to nobody."""

CONTENT_BYTES, CONTENT_TEXT, CONTENT_JSON, CONTENT_MSGPACK = 0, 1, 2, 3
CONTENT_MASK = 0b111
"""The low flag bits say what the payload is; the publisher sets them. Higher bits are the accepting node's."""
TTL_DEFAULTED = 0b1000
"""The publisher named no time to live: this one is the accepting node's default, and no part of the message."""


class MessageName(NamedTuple):
    """What a publisher calls a message: the same on every node, however often it is retried."""

    publisher: str
    incarnation: int
    sequence: int


class Record(NamedTuple):
    """A record's fields, and the bytes (`raw`) that it was decoded from."""

    channel: str
    publisher: str
    incarnation: int
    sequence: int
    stamp: int
    ttl_ms: int
    flags: int
    causes: list[Any]
    headers: dict[str, str]
    payload: bytes
    raw: bytes

    @property
    def name(self) -> MessageName:
        """The publisher's name for it."""
        return MessageName(self.publisher, self.incarnation, self.sequence)

    @property
    def expires_ms(self) -> int:
        """When it dies: its stamp plus its time to live, in ms since 1970."""
        return stamp_ms(self.stamp) + self.ttl_ms

    def same_message(self, other: Record) -> bool:
        """Whether both agree in all that the publisher sent: all but the stamp, and what a node sets."""
        same_flags = not (self.flags ^ other.flags) & (CONTENT_MASK | TTL_DEFAULTED)
        same_ttl = self.ttl_ms == other.ttl_ms or self.flags & TTL_DEFAULTED
        return bool(same_flags and same_ttl) and self[:4] == other[:4] and self[7:10] == other[7:10]

    def content(self) -> bytes:
        """A digest of all that the publisher sent but the name: of two records of one name, equal where both are one message.

        Not the other way round: numbers that are equal in another form, deep in causes, are not the same here.
        """
        ttl_ms = 0 if self.flags & TTL_DEFAULTED else self.ttl_ms
        flags = self.flags & (CONTENT_MASK | TTL_DEFAULTED)
        return name_of(_pack((self.channel, flags, ttl_ms, self.causes, sorted(self.headers.items()), self.payload)))


_pack = msgpack.Packer(autoreset=True, use_bin_type=True).pack


def encode_record(fields: tuple[Any, ...]) -> bytes:
    """Encode the ten fields of a record (`Record` without `raw`)."""
    packed: bytes = _pack(fields)
    return packed


_LIMITS: dict[str, Any] = {"max_array_len": 4096, "max_map_len": 4096, "max_ext_len": 0, "strict_map_key": True}
"""What a MessagePack reader builds at most. Text and bytes are bounded by what is fed."""
UNPACK_ERRORS = (msgpack.UnpackException, ValueError, RecursionError)
"""What a reader raises for what it cannot read."""


def unpacked(packed: bytes) -> Any:
    """Read exactly one MessagePack value within our limits. Raises `UNPACK_ERRORS`, which do not say where."""
    return msgpack.unpackb(packed, **_LIMITS)


def unpacker(size_max: int) -> msgpack.Unpacker:
    """A MessagePack reader of several values, and of where each ends; it builds nothing larger than our limits."""
    return msgpack.Unpacker(max_buffer_size=max(size_max, 1), **_LIMITS)


_LOOKED_INTO = frozenset({list, dict, msgpack.ExtType})


def refuse_depth(value: Any, depth: int) -> None:
    """Raise `DecodeError` for what is nested too deeply, and for extension types (an empty one passes the unpacker)."""
    kind = type(value)
    if kind is list or kind is dict:
        if depth == 0:
            raise DecodeError("nested too deeply")
        for item in value if kind is list else value.values():
            if type(item) in _LOOKED_INTO:
                refuse_depth(item, depth - 1)
    elif kind is msgpack.ExtType:
        raise DecodeError("extension types are not used")


def decode_records(body: bytes, count: int) -> list[Record]:
    """Decode exactly `count` records that lie back to back in `body`. Raises `DecodeError` for anything else."""
    if count == 1 and len(body) <= RECORD_BYTES_MAX:
        try:
            return [typed_record(unpacked(body), body)]
        except UNPACK_ERRORS:
            pass  # what is wrong, and where, is found below
    reader = unpacker(len(body))
    records: list[Record] = []
    start = 0
    try:
        reader.feed(body)
        for _ in range(count):
            fields = reader.unpack()
            end = reader.tell()
            if end - start > RECORD_BYTES_MAX:
                raise DecodeError(f"a record is larger than {RECORD_BYTES_MAX} bytes", start)
            records.append(typed_record(fields, body[start:end]))
            start = end
    except UNPACK_ERRORS as error:
        raise DecodeError(f"a record does not decode: {str(error) or type(error).__name__}", start) from error
    if start != len(body):
        raise DecodeError("bytes follow the last record", start)
    return records


def _fits(publisher: str) -> bool:
    return publisher.isascii() or len(publisher.encode()) <= PUBLISHER_BYTES_MAX


def typed_record(fields: Any, raw: bytes) -> Record:
    """Check the type and bounds of every field. Raises `DecodeError`."""
    if type(fields) is not list or len(fields) < 10:
        raise DecodeError("a record is an array of ten")
    channel, publisher, incarnation, sequence, stamp, ttl_ms, flags, causes, headers, payload = fields[:10]
    if type(channel) is not str or channel_fault(channel):
        raise DecodeError("a record's channel is invalid")
    if type(publisher) is not str or not 0 < len(publisher) <= PUBLISHER_BYTES_MAX or not _fits(publisher):
        raise DecodeError("a record's publisher is invalid")
    if not type(incarnation) is type(sequence) is type(stamp) is type(flags) is int:
        raise DecodeError("a record's numbers are invalid")
    if min(incarnation, sequence, stamp, flags) < 0 or max(incarnation, sequence, stamp, flags) > COUNT_MAX:
        raise DecodeError("a record's numbers are invalid")
    if type(ttl_ms) is not int or not 0 < ttl_ms <= TTL_MS_MAX:
        raise DecodeError("a record's time to live is invalid")
    if type(payload) is not bytes or type(causes) is not list or type(headers) is not dict:
        raise DecodeError("a record's payload, causes or headers are invalid")
    if headers and (
        len(headers) > HEADERS_MAX or any(type(k) is not str or type(v) is not str for k, v in headers.items())
    ):
        raise DecodeError(f"headers are at most {HEADERS_MAX} pairs of text")
    if sequence < 1:
        raise DecodeError("sequences start at 1")
    if causes or len(fields) > 10:
        refuse_depth(fields, RECORD_NESTING_MAX)
    typed = channel, publisher, incarnation, sequence, stamp, ttl_ms, flags, causes, headers, payload, raw
    return tuple.__new__(Record, typed)  # what the class's own constructor does, without its detour
