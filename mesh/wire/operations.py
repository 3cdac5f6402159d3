"""Operations on the wire: MessagePack arrays by position (`gossamer.v1.msgpack`).

The JSON form (`gossamer.v1.json`) is in `mesh.wire.text`. Records inside `Messages` and `HistoryPage` are the bytes of
the log, spliced in as they are: what was encoded once by the accepting node is what every subscriber decodes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, assert_never

import msgpack

from mesh import operations as o
from mesh.clocks.vector import VersionVector
from mesh.errors import DecodeError
from mesh.log.record import CONTENT_MASK, Record, typed_record
from mesh.types import NODE_ID_BYTES, NodeId
from mesh.wire.frames import (
    NUMBER_MAX,
    array,
    blob,
    cursor_of,
    flag,
    interval,
    log_id,
    log_parts,
    number,
    plain,
    text,
    vector_of,
    vector_parts,
)

OPERATION_BYTES_MAX = 4 << 20
"""What a WebSocket message may hold; the record's own limit of 1 MiB lies below and has its coded error."""
DRAFTS_MAX = 4096
SIGNED_MAX = 1 << 63
PATTERNS_MAX = 256

_pack = msgpack.Packer(autoreset=True, use_bin_type=True).pack


def _array_header(length: int) -> bytes:
    return bytes((0x90 | length,)) if length < 16 else b"\xdc" + length.to_bytes(2, "big")


def _spliced(*parts: Any) -> bytes:
    """An array of values of which any `bytes` tuple of records is spliced in as an array of raw records."""
    packed = [_array_header(len(parts))]
    for part in parts:
        if type(part) is tuple:
            packed.append(_array_header(len(part)))
            packed.extend(record.raw for record in part)
        else:
            packed.append(_pack(part))
    return b"".join(packed)


def encode_operation(operation: o.ClientOperation | o.NodeOperation) -> bytes:
    """Encode an operation."""
    match operation:
        case o.Messages(subscription, log, first, last, positions, records, late, conflicts):
            offsets = [] if len(positions) == last - first + 1 else [place - first for place in positions]
            marks = [list(late), list(conflicts)] if conflicts else [list(late)]
            return _spliced(25, subscription, log_parts(log), first, last, offsets, records, *marks)
        case o.HistoryPage(request, cut, places_, records, after, missing):
            places = [[log_parts(log), position] for log, position in places_]
            lacks = [vector_parts(missing)] if missing else []
            return _spliced(27, request, vector_parts(cut), places, records, _optional_vector(after), *lacks)
        case _:
            packed: bytes = _pack(_parts(operation))
            return packed


_Whole = o.ClientOperation | o.Attached | o.Receipt | o.Refused | o.Subscribed | o.Gap | o.Status | o.GoAway | o.Goodbye
"""Operations into which nothing is spliced."""


def _optional_vector(vector: VersionVector | None) -> list[Any] | None:
    return None if vector is None else vector_parts(vector)


def _draft_parts(draft: o.Draft) -> list[Any]:
    parts: list[Any] = [draft.channel, draft.sequence, draft.payload, draft.flags]
    if draft.ttl_ms or draft.headers:
        parts += [draft.ttl_ms, draft.headers or {}]
    return parts


def _parts(operation: _Whole) -> list[Any]:  # a table in the form of a match
    match operation:
        case o.Attach(client, incarnation, token):
            return [1, client, incarnation, token]
        case o.Publish(drafts, copies, regions):
            return [2, [_draft_parts(draft) for draft in drafts], copies, regions]
        case o.Subscribe(subscription, patterns, cursor, since_ms, policy, messages, size):
            return [3, subscription, list(patterns), _optional_vector(cursor), since_ms, policy.value, messages, size]
        case o.Unsubscribe(subscription):
            return [4, subscription]
        case o.CreditGrant(subscription, messages, size):
            return [5, subscription, messages, size]
        case o.History(request, patterns, limit, since_ms, until_ms, backwards, cut, after, missing):
            vectors = [_optional_vector(cut), _optional_vector(after), *([vector_parts(missing)] if missing else [])]
            return [6, request, list(patterns), limit, since_ms, until_ms, backwards, *vectors]
        case o.Inspect(request):
            return [7, request]
        case o.Attached(node, region, version, gateways, ttl_ms):
            return [21, node, region, version, list(gateways), ttl_ms]
        case o.Receipt(first, last, copies, regions, log, through):
            return [22, first, last, copies, regions, log_parts(log), through]
        case o.Refused(code, about, request, first, last, retry_ms):
            return [23, code, about, request, first, last, retry_ms]
        case o.Subscribed(subscription, cursor):
            return [24, subscription, vector_parts(cursor)]
        case o.Gap(subscription, log, first, last, reason, may_fill):
            return [26, subscription, log_parts(log), first, last, reason.value, may_fill]
        case o.Status(request, about):
            return [28, request, about]
        case o.GoAway(gateways, within_ms):
            return [29, list(gateways), within_ms]
        case o.Goodbye(code, about):
            return [30, code, about]
        case _:
            assert_never(operation)


# --- decoding --------------------------------------------------------------------------------------------------------


def _draft(value: Any) -> o.Draft:
    if type(value) is list and len(value) == 4:  # as our clients send nearly all, and there are many
        channel, sequence, payload, flags = value
        typed = type(channel) is str and type(payload) is bytes and type(sequence) is type(flags) is int
        if typed and 0 <= sequence < NUMBER_MAX and 0 <= flags < NUMBER_MAX:
            return tuple.__new__(o.Draft, (channel, sequence, payload, flags & CONTENT_MASK, 0, None))
    parts = array(value, 3, 64)
    headers = parts[5] if len(parts) > 5 else None
    if headers is not None and type(headers) is not dict:
        raise DecodeError("headers are a map")
    channel = parts[0]
    if type(channel) is not str:
        raise DecodeError("a channel is text")
    flags = number(parts[3]) & CONTENT_MASK if len(parts) > 3 else 0
    ttl_ms = number(parts[4]) if len(parts) > 4 else 0
    return o.Draft(channel, number(parts[1]), blob(parts[2]), flags, ttl_ms, headers or None)


def _patterns(value: Any) -> tuple[str, ...]:
    patterns = array(value, 1, PATTERNS_MAX)
    if any(type(pattern) is not str for pattern in patterns):
        raise DecodeError("patterns are text")
    return tuple(patterns)


def _maybe_vector(value: Any) -> VersionVector | None:
    return None if value is None else vector_of(value)


def _maybe_cursor(value: Any) -> VersionVector | None:
    return None if value is None else cursor_of(value)


def _publish(p: list[Any]) -> o.Publish:
    drafts = tuple(_draft(item) for item in array(p[0], 1, DRAFTS_MAX))
    return o.Publish(drafts, number(p[1]) if len(p) > 1 else 1, number(p[2]) if len(p) > 2 else 1)


def policy_of(value: Any) -> o.SlowPolicy:
    """A policy by its name. Raises `DecodeError` with the names there are."""
    try:
        return o.SlowPolicy(value)
    except ValueError:
        names = ", ".join(policy.value for policy in o.SlowPolicy)
        raise DecodeError(f"a policy is one of {names}") from None


def moment(value: Any, last: int = o.UNTIL_ALWAYS_MS - 1) -> int:
    """A wall clock in ms, at most `last`: what lies beyond any stamp fits into none. Raises `DecodeError`."""
    wall_ms = number(value)
    if wall_ms > last:
        raise DecodeError("a time is in ms since 1970, and below 2^47")
    return wall_ms


def _subscribe(p: list[Any]) -> o.Subscribe:
    since = moment(p[3]) if len(p) > 3 and p[3] is not None else None
    policy = policy_of(p[4]) if len(p) > 4 else o.SlowPolicy.ALL
    credit = [number(item) for item in p[5:7]]
    return o.Subscribe(
        number(p[0]), _patterns(p[1]), _maybe_cursor(p[2] if len(p) > 2 else None), since, policy, *credit
    )


def _history(p: list[Any]) -> o.History:
    limit = number(p[2]) if len(p) > 2 else 100
    since_ms = moment(p[3]) if len(p) > 3 else 0
    until_ms = moment(p[4], o.UNTIL_ALWAYS_MS) if len(p) > 4 else o.UNTIL_ALWAYS_MS
    backwards = flag(p[5]) if len(p) > 5 else False
    cut = _maybe_cursor(p[6]) if len(p) > 6 else None
    after = _maybe_cursor(p[7]) if len(p) > 7 else None
    missing = (_maybe_cursor(p[8]) if len(p) > 8 else None) or VersionVector()
    return o.History(number(p[0]), _patterns(p[1]), limit, since_ms, until_ms, backwards, cut, after, missing)


def _records(value: Any) -> tuple[Record, ...]:
    return tuple(typed_record(fields, b"") for fields in array(value, 0, DRAFTS_MAX))


def _messages(p: list[Any]) -> o.Messages:
    first, last = interval(p[2], p[3])
    records = _records(p[5])
    places = tuple(first + number(offset) for offset in array(p[4])) or tuple(range(first, first + len(records)))
    if len(places) != len(records) or any(a >= b for a, b in pairwise(places)) or (places and places[-1] > last):
        raise DecodeError("every record has a place of its own, in order")
    late = tuple(map(number, array(p[6])))
    conflicts = tuple(map(number, array(p[7]))) if len(p) > 7 else ()
    return o.Messages(number(p[0]), log_id(p[1]), first, last, places, records, late, conflicts)


def _history_page(p: list[Any]) -> o.HistoryPage:
    places = tuple((log_id(place[0]), number(place[1])) for place in (array(v, 2, 2) for v in array(p[2])))
    missing = vector_of(p[5]) if len(p) > 5 else VersionVector()
    return o.HistoryPage(number(p[0]), vector_of(p[1]), places, _records(p[3]), _maybe_vector(p[4]), missing)


def _signed(value: Any) -> int:
    if type(value) is not int or not -SIGNED_MAX < value < SIGNED_MAX:
        raise DecodeError("expected a whole number")
    return value


def _refused(p: list[Any]) -> o.Refused:
    return o.Refused(text(p[0]), text(p[1]), number(p[2]), number(p[3]), number(p[4]), _signed(p[5]))


def _gap(p: list[Any]) -> o.Gap:
    try:
        reason = o.GapReason(p[4])
    except ValueError:
        raise DecodeError("a gap has a known reason") from None
    return o.Gap(number(p[0]), log_id(p[1]), *interval(p[2], p[3]), reason, flag(p[5]))


def _status(p: list[Any]) -> o.Status:
    if type(p[1]) is not dict:
        raise DecodeError("a status is a map")
    return o.Status(number(p[0]), p[1])


def _attached(p: list[Any]) -> o.Attached:
    gateways = tuple(map(text, array(p[3]))) if len(p) > 3 else ()
    ttl_ms = number(p[4]) if len(p) > 4 else 0
    return o.Attached(NodeId(blob(p[0], NODE_ID_BYTES)), text(p[1]), text(p[2]), gateways, ttl_ms)


def _receipt(p: list[Any]) -> o.Receipt:
    return o.Receipt(*interval(p[0], p[1]), number(p[2]), number(p[3]), log_id(p[4]), number(p[5]))


_FROM_CLIENT: dict[int, tuple[int, Callable[[list[Any]], o.ClientOperation]]] = {
    1: (2, lambda p: o.Attach(text(p[0]), number(p[1]), text(p[2]) if len(p) > 2 else "")),
    2: (1, _publish),
    3: (2, _subscribe),
    4: (1, lambda p: o.Unsubscribe(number(p[0]))),
    5: (3, lambda p: o.CreditGrant(number(p[0]), number(p[1]), number(p[2]))),
    6: (2, _history),
    7: (1, lambda p: o.Inspect(number(p[0]))),
}
_FROM_NODE: dict[int, tuple[int, Callable[[list[Any]], o.NodeOperation]]] = {
    21: (3, _attached),
    22: (6, _receipt),
    23: (6, _refused),
    24: (2, lambda p: o.Subscribed(number(p[0]), vector_of(p[1]))),
    25: (7, _messages),
    26: (6, _gap),
    27: (5, _history_page),
    28: (2, _status),
    29: (2, lambda p: o.GoAway(tuple(map(text, array(p[0]))), number(p[1]))),
    30: (2, lambda p: o.Goodbye(text(p[0]), text(p[1]))),
}


def _decode(packed: bytes, table: dict[int, tuple[int, Callable[[list[Any]], Any]]], size_max: int) -> Any:
    value = array(plain(packed, size_max), 1)
    known = table.get(number(value[0]))
    if known is None:
        return None
    least, decoder = known
    if len(value) <= least:
        raise DecodeError(f"operation {value[0]} needs {least} elements, found {len(value) - 1}")
    return decoder(value[1:])


def decode_client(packed: bytes) -> o.ClientOperation | None:
    """Decode what a client sent; None if the operation is unknown. Raises `DecodeError`."""
    operation: o.ClientOperation | None = _decode(packed, _FROM_CLIENT, OPERATION_BYTES_MAX)
    return operation


def decode_node(packed: bytes) -> o.NodeOperation | None:
    """Decode what a node sent; None if the operation is unknown. Raises `DecodeError`."""
    operation: o.NodeOperation | None = _decode(packed, _FROM_NODE, 2 * OPERATION_BYTES_MAX)
    return operation
