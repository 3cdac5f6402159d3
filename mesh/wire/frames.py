"""Frames on the wire: MessagePack arrays by position, the frame's number first.

Missing trailing elements take their default, surplus ones are ignored, and a frame of an unknown number decodes to
None, so that versions can meet. Every field is typed and bounded here: what comes out of `decode_frame` can be
believed in form, though not yet in content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

import msgpack

from mesh import frames as f
from mesh.clocks.vector import VersionVector
from mesh.crypto import NAME_BYTES, SIGNATURE_BYTES
from mesh.errors import DecodeError
from mesh.log.batch import batch_from_parts
from mesh.log.log import UNKNOWN_NAME
from mesh.log.record import NESTING_MAX, UNPACK_ERRORS, refuse_depth, unpacked, unpacker
from mesh.types import EPOCH_MAX, NODE_ID_BYTES, Address, LogId, NodeId, log_of, node_of

FRAME_BYTES_MAX = 1_310_720
"""1.25 MiB: a record of 1 MiB and all that goes with it (protocol.md, 2)."""
PAGE_LOGS_MAX = 1024
"""Logs in one page of a vector, a want or a cursor (MessagePack arrays end at 4,096: traps.md)."""
PAGE_INTERVALS_MAX = 2048
CURSOR_RUNS_MAX = 65_536
"""Logs and runs together that a client may name at a time: reading them takes a tenth of a second."""
NUMBER_MAX = 1 << 64
INTERVAL_MAX = 1 << 53
"""Positions lie below it."""
WALL_MS_MAX = 1 << 46
"""No clock shows the year 4200: what is stamped by it would have to fit into 63 bits for as long as a node runs."""
TEXT_MAX = 1024
"""Characters of a short text."""
HOST_TEXT_MAX = 255

_pack = msgpack.Packer(autoreset=True, use_bin_type=True).pack


def plain(packed: bytes, size_max: int) -> Any:
    """Unpack one MessagePack value within our limits, nesting and extension types refused. Raises `DecodeError`."""
    if len(packed) > size_max:
        raise DecodeError(f"larger than {size_max} bytes")
    try:
        value = unpacked(packed)
    except UNPACK_ERRORS:
        raise _explained(packed) from None
    refuse_depth(value, NESTING_MAX)
    return value


def _explained(packed: bytes) -> DecodeError:
    """Read again, slowly, what could not be read: what is wrong with it, and where."""
    reader = unpacker(len(packed))
    try:
        reader.feed(packed)
        reader.unpack()
    except UNPACK_ERRORS as error:
        return DecodeError(f"no MessagePack: {str(error) or type(error).__name__}", reader.tell())
    return DecodeError("bytes follow the value", reader.tell())


# --- typed fields ----------------------------------------------------------------------------------------------------


def number(value: Any) -> int:
    """A whole number from 0 to 2^64-1; `bool` is none. Raises `DecodeError`."""
    if type(value) is not int or not 0 <= value < NUMBER_MAX:
        raise DecodeError(f"expected a whole number, found {type(value).__name__}")
    return value


def wall_ms(value: Any) -> int:
    """What a clock shows, in ms since 1970. Raises `DecodeError`."""
    if number(value) >= WALL_MS_MAX:
        raise DecodeError("a clock is in ms since 1970, and below 2^46")
    return int(value)


def text(value: Any) -> str:
    """Text of at most 1,024 characters. Raises `DecodeError`."""
    if type(value) is not str or len(value) > TEXT_MAX:
        raise DecodeError(f"expected a short text, found {type(value).__name__}")
    return value


def blob(value: Any, size: int | None = None) -> bytes:
    """Bytes, of exactly `size` if given. Raises `DecodeError`."""
    if type(value) is not bytes or (size is not None and len(value) != size):
        raise DecodeError(f"expected {'' if size is None else size} bytes, found {type(value).__name__}")
    return value


def array(value: Any, least: int = 0, most: int = 4096) -> list[Any]:
    """An array of `least..most` elements. Raises `DecodeError`."""
    if type(value) is not list or not least <= len(value) <= most:
        raise DecodeError(f"expected an array of {least} to {most}, found {type(value).__name__}")
    return value


def flag(value: Any) -> bool:
    """A truth value. Raises `DecodeError`."""
    if type(value) is not bool:
        raise DecodeError(f"expected true or false, found {type(value).__name__}")
    return value


def log_parts(log: LogId) -> list[Any]:
    """A log as it travels."""
    return [log.node, log.epoch, log.space]


def log_id(value: Any) -> LogId:
    """A log, typed. Raises `DecodeError`."""
    node, epoch, space = array(value, 3, 3)
    if type(epoch) is not int or not 0 <= epoch < EPOCH_MAX:
        raise DecodeError("an epoch lies below 2^63")
    return log_of(blob(node, NODE_ID_BYTES), epoch, text(space))


def interval(first: Any, last: Any) -> tuple[int, int]:
    """A closed run of positions. Raises `DecodeError`."""
    if type(first) is not int or type(last) is not int or not 0 < first <= last < INTERVAL_MAX:
        raise DecodeError("a range runs from a first to a last")
    return first, last


def _address(value: Any) -> Address | None:
    if value is None:
        return None
    host, port = array(value, 2, 2)
    if not 0 < number(port) < 65_536:
        raise DecodeError("a port lies between 1 and 65535")
    if not 0 < len(text(host)) <= HOST_TEXT_MAX:
        raise DecodeError(f"a host has 1 to {HOST_TEXT_MAX} characters")
    return Address(host, port)


def _range(value: Any) -> tuple[LogId, int, int]:
    log, first, last = array(value, 3, 3)
    interval(first, last)
    return log_id(log), first, last


def _ranges(value: Any) -> tuple[tuple[LogId, int, int], ...]:
    return tuple([_range(item) for item in array(value, 0, PAGE_INTERVALS_MAX)])


def _run(value: Any) -> tuple[int, int, bytes]:
    first, last, head = array(value, 3, 3)
    return *interval(first, last), UNKNOWN_NAME if head == UNKNOWN_NAME else blob(head, NAME_BYTES)


def _log_state(value: Any) -> f.LogState:
    log, stamp, runs = array(value, 3, 3)
    return f.LogState(log_id(log), number(stamp), tuple(_run(run) for run in array(runs, 0, PAGE_INTERVALS_MAX)))


def vector_parts(vector: VersionVector) -> list[Any]:
    """A version vector as it travels: pages of `[log, [first, last, first, last …]]`, within the limits of a page."""
    pages: list[Any] = []
    room = 0
    for log, runs in vector.items():
        edges = [edge for run in runs for edge in run]
        while edges:
            if not room or len(pages[-1]) == PAGE_LOGS_MAX:
                pages.append([])
                room = PAGE_INTERVALS_MAX
            some = edges[: 2 * room]
            pages[-1].append([log_parts(log), some])
            edges = edges[len(some) :]
            room -= len(some) // 2
    return pages


def vector_of(value: Any) -> VersionVector:
    """A version vector, typed. Raises `DecodeError`."""
    return VersionVector(_log_runs(item) for page in array(value) for item in array(page, 0, PAGE_LOGS_MAX))


def cursor_of(value: Any) -> VersionVector:
    """A version vector that a client sends, with at most `CURSOR_RUNS_MAX` runs. Raises `DecodeError`."""
    pages = [array(page, 0, PAGE_LOGS_MAX) for page in array(value)]
    if sum(1 + len(array(array(item, 2, 2)[1])) // 2 for page in pages for item in page) > CURSOR_RUNS_MAX:
        raise DecodeError(f"a cursor has at most {CURSOR_RUNS_MAX} logs and runs")
    return vector_of(value)


def _log_runs(value: Any) -> tuple[LogId, list[tuple[int, int]]]:
    log, edges = array(value, 2, 2)
    ends = array(edges, 0, 2 * PAGE_INTERVALS_MAX)
    if len(ends) % 2:
        raise DecodeError("a run has two ends")
    return log_id(log), [interval(first, last) for first, last in zip(ends[::2], ends[1::2], strict=True)]


# --- the frames ------------------------------------------------------------------------------------------------------


def encode_frame(frame: f.Frame) -> bytes:
    """Encode a frame."""
    packed: bytes = _pack(_parts(frame))
    return packed


def _parts(frame: f.Frame) -> list[Any]:
    """A table, one line a frame: by far the most frequent by their types, for a pattern that fits costs more."""
    if type(frame) is f.IHave:  # tuples travel as arrays, so ranges and logs need no copy
        return [6, frame.ranges]
    if type(frame) is f.Stored:
        return [9, frame.node, frame.region, frame.ranges]
    if type(frame) is f.Push:
        return [5, frame.batch.parts()]
    if type(frame) is f.Graft:
        return [7, frame.ranges]
    match frame:
        case f.Alive(shown_ms):
            return [2, shown_ms]
        case f.Credit(until_bytes):
            return [3, until_bytes]
        case f.Hello(version, mesh, certificate, life, shown_ms, proof, address):
            return [1, version, mesh, certificate, life, shown_ms, proof, address]
        case f.Members(certificates, addresses):
            return [4, certificates, addresses]
        case f.NotFound(ranges):
            return [8, ranges]
        case f.RepairHello(session, digest):
            return [10, session, digest]
        case f.RepairEqual(session):
            return [11, session]
        case f.Vector(session, logs, more, answer):
            return [12, session, [[s.log, s.stamp, s.runs] for s in logs], more, answer]
        case f.Want(ranges):
            return [13, ranges]
        case f.Busy(ranges, retry_ms):
            return [14, ranges, retry_ms]
        case f.Forked(one, other):
            return [15, one.parts(), other.parts()]
        case _:
            assert_never(frame)


def _hello(p: list[Any]) -> f.Hello:
    address = _address(p[6]) if len(p) > 6 else None
    return f.Hello(
        number(p[0]),
        blob(p[1], NAME_BYTES),
        blob(p[2]),
        number(p[3]),
        wall_ms(p[4]),
        blob(p[5], SIGNATURE_BYTES),
        address,
    )


def _members(p: list[Any]) -> f.Members:
    certificates = tuple(blob(certificate) for certificate in array(p[0], 0, PAGE_LOGS_MAX))
    addresses = []
    for item in array(p[1], 0, PAGE_LOGS_MAX) if len(p) > 1 else []:
        node, place = array(item, 2, 2)
        address = _address(place)
        if address is not None:
            addresses.append((NodeId(blob(node, NODE_ID_BYTES)), address))
    return f.Members(certificates, tuple(addresses))


def _vector(p: list[Any]) -> f.Vector:
    states = tuple(_log_state(item) for item in array(p[1], 0, PAGE_LOGS_MAX))
    return f.Vector(number(p[0]), states, flag(p[2]) if len(p) > 2 else False, flag(p[3]) if len(p) > 3 else False)


def _forked(p: list[Any]) -> f.Forked:
    one, other = batch_from_parts(p[0]), batch_from_parts(p[1])
    if one.body is not None or other.body is not None:
        raise DecodeError("a proof needs no bodies")
    return f.Forked(one, other)


_DECODERS: dict[int, tuple[int, Callable[[list[Any]], f.Frame]]] = {
    1: (6, _hello),
    2: (1, lambda p: f.Alive(wall_ms(p[0]))),
    3: (1, lambda p: f.Credit(number(p[0]))),
    4: (1, _members),
    5: (1, lambda p: f.Push(batch_from_parts(p[0]))),
    6: (1, lambda p: f.IHave(_ranges(p[0]))),
    7: (1, lambda p: f.Graft(_ranges(p[0]))),
    8: (1, lambda p: f.NotFound(_ranges(p[0]))),
    9: (3, lambda p: f.Stored(node_of(blob(p[0], NODE_ID_BYTES)), text(p[1]), _ranges(p[2]))),
    10: (2, lambda p: f.RepairHello(number(p[0]), number(p[1]))),
    11: (1, lambda p: f.RepairEqual(number(p[0]))),
    12: (2, _vector),
    13: (1, lambda p: f.Want(_ranges(p[0]))),
    14: (1, lambda p: f.Busy(_ranges(p[0]), number(p[1]) if len(p) > 1 else 1000)),
    15: (2, _forked),
}
"""For each frame's number: the least elements it needs, and its decoder."""


def decode_frame(packed: bytes) -> f.Frame | None:
    """Decode a frame; None if its number is unknown here. Raises `DecodeError` for anything that is no frame."""
    value = array(plain(packed, FRAME_BYTES_MAX), 1)
    known = _DECODERS.get(number(value[0]))
    if known is None:
        return None
    least, decoder = known
    if len(value) <= least:
        raise DecodeError(f"frame {value[0]} needs {least} elements, found {len(value) - 1}")
    return decoder(value[1:])
