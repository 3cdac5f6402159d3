"""Operations as JSON objects by name (`gossamer.v1.json`): for people, and for whoever has no MessagePack.

`op` names the operation. Logs, epochs, stamps, incarnations and cursors are strings, for they exceed what JSON numbers
hold; a cursor maps logs to runs, `"1-5,7-9"`. A payload stands under `text`, `json` or, whatever it is, under
`base64` with its `content` beside it, so that every payload comes out with the bytes that went in.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, assert_never

from mesh import operations as o
from mesh.clocks.vector import VersionVector
from mesh.errors import DecodeError, RemoteError
from mesh.log.record import (
    CONTENT_BYTES,
    CONTENT_JSON,
    CONTENT_MASK,
    CONTENT_MSGPACK,
    CONTENT_TEXT,
    Record,
)
from mesh.types import LogId, log_from_text, log_text, node_text
from mesh.wire.frames import CURSOR_RUNS_MAX, array, flag, interval, number, text
from mesh.wire.operations import DRAFTS_MAX, OPERATION_BYTES_MAX, PATTERNS_MAX, moment, policy_of

CONTENTS = {"bytes": CONTENT_BYTES, "text": CONTENT_TEXT, "json": CONTENT_JSON, "msgpack": CONTENT_MSGPACK}
CONTENT_NAMES = {value: name for name, value in CONTENTS.items()}
JSON_NESTING_MAX = 64
"""Depth of a JSON payload; the operation around it is bounded like any other."""


def _dump(value: Any, *, ascii_only: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"), allow_nan=False)


def _no_constant(name: str) -> Any:
    raise DecodeError(f"{name} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DecodeError("an object names a key twice")
    return found


def _load(message: str, size_max: int) -> dict[str, Any]:
    if len(message) > size_max:
        raise DecodeError(f"larger than {size_max} characters")
    try:
        value = json.loads(message, parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"no JSON: {error}", getattr(error, "pos", 0)) from error
    if type(value) is not dict or type(value.get("op")) is not str:
        raise DecodeError('an operation is an object with "op"')
    _bounded(value, JSON_NESTING_MAX)
    return value


def _bounded(value: Any, depth: int) -> None:
    if isinstance(value, dict | list):
        if depth == 0:
            raise DecodeError("nested too deeply")
        for item in value.values() if isinstance(value, dict) else value:
            _bounded(item, depth - 1)


def _number(value: Any) -> int:
    """A whole number, or one written as text."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= 20:
        return number(int(value))
    return number(value)


def _unicode(value: Any) -> str:
    """Text of any length: half a surrogate pair can be written in JSON, and in nothing else."""
    if type(value) is not str:
        raise DecodeError(f"expected text, found {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DecodeError("text is valid Unicode") from error
    return value


def _text(value: Any) -> str:
    return _unicode(text(value))


def _log(value: Any) -> LogId:
    name = _text(value)
    try:
        return log_from_text(name)
    except RemoteError as error:
        raise DecodeError(str(error)) from error


# --- vectors ---------------------------------------------------------------------------------------------------------


def vector_text(vector: VersionVector) -> dict[str, str]:
    """A version vector: logs to runs."""
    return {log_text(log): ",".join(f"{lo}-{hi}" for lo, hi in runs) for log, runs in vector.items()}


def vector_from_text(value: Any) -> VersionVector:
    """Read a version vector. Raises `DecodeError`."""
    if type(value) is not dict:
        raise DecodeError("a cursor maps logs to runs")
    if sum(1 + runs.count(",") for runs in value.values() if type(runs) is str) > CURSOR_RUNS_MAX:
        raise DecodeError(f"a cursor has at most {CURSOR_RUNS_MAX} logs and runs")
    return VersionVector((_log(log), _runs(runs)) for log, runs in value.items())


def _runs(value: Any) -> list[tuple[int, int]]:
    if type(value) is not str:
        raise DecodeError('runs are written "1-5,7-9"')
    runs = []
    for part in value.split(",") if value else []:
        first, _, last = part.partition("-")
        runs.append(interval(_number(first), _number(last or first)))
    return runs


def _maybe_vector(value: Any) -> VersionVector | None:
    return None if value is None else vector_from_text(value)


def _maybe_text(vector: VersionVector | None) -> dict[str, str] | None:
    return None if vector is None else vector_text(vector)


# --- payloads --------------------------------------------------------------------------------------------------------


def payload_parts(payload: bytes, flags: int) -> dict[str, Any]:
    """A payload under the name of what it is; as base64 where that would not give the same bytes back."""
    content = flags & CONTENT_MASK
    try:
        if content == CONTENT_TEXT:
            return {"text": payload.decode("utf-8")}
        if content == CONTENT_JSON:
            value = json.loads(payload, parse_constant=_no_constant)
            if _dump(value).encode() == payload:
                return {"json": value}
    except (ValueError, RecursionError, DecodeError):
        pass  # it says that it is what it is not: its bytes are carried all the same
    name = CONTENT_NAMES.get(content, "bytes")
    return {"content": name, "base64": base64.b64encode(payload).decode("ascii")}


def _payload(value: dict[str, Any]) -> tuple[bytes, int]:
    given = [name for name in ("text", "json", "base64") if name in value]
    if len(given) != 1:
        raise DecodeError("a message has one of text, json, base64")
    if given == ["text"]:
        return _unicode(value["text"]).encode(), CONTENT_TEXT
    if given == ["json"]:
        return _json_bytes(value["json"]), CONTENT_JSON
    content = value.get("content", "bytes")
    if content not in CONTENTS or type(value["base64"]) is not str:
        raise DecodeError(f"content is one of {', '.join(CONTENTS)}")
    try:
        return base64.b64decode(value["base64"], validate=True), CONTENTS[content]
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"no base64: {error}") from error


def _json_bytes(value: Any) -> bytes:
    """A JSON payload; half a surrogate pair, which UTF-8 cannot hold, stays an escape."""
    try:
        return _dump(value).encode()
    except UnicodeEncodeError:
        return _dump(value, ascii_only=True).encode()
    except ValueError as error:
        raise DecodeError(f"a number is too large: {error}") from error


# --- client to node --------------------------------------------------------------------------------------------------


def _draft(value: Any) -> o.Draft:
    if type(value) is not dict or type(value.get("channel")) is not str:
        raise DecodeError("a message has a channel")
    payload, content = _payload(value)
    headers = value.get("headers")
    if headers is not None and type(headers) is not dict:
        raise DecodeError("headers are an object")
    for pair in headers.items() if headers else ():
        _unicode(pair[0])
        _unicode(pair[1])
    sequence, ttl_ms = _number(value.get("sequence")), _number(value.get("ttl_ms", 0))
    return o.Draft(value["channel"], sequence, payload, content, ttl_ms, headers or None)


def _patterns(value: Any) -> tuple[str, ...]:
    patterns = array(value, 1, PATTERNS_MAX)
    if any(type(pattern) is not str for pattern in patterns):
        raise DecodeError("patterns are text")
    return tuple(patterns)


def _subscribe(v: dict[str, Any]) -> o.Subscribe:
    since = v.get("since_ms")
    return o.Subscribe(
        number(v.get("subscription")),
        _patterns(v.get("patterns")),
        _maybe_vector(v.get("cursor")),
        None if since is None else moment(_number(since)),
        policy_of(v.get("policy", "all")),
        number(v.get("credit_messages", 4096)),
        number(v.get("credit_bytes", 4 << 20)),
    )


def _history(v: dict[str, Any]) -> o.History:
    return o.History(
        number(v.get("request")),
        _patterns(v.get("patterns")),
        number(v.get("limit", 100)),
        moment(_number(v.get("since_ms", 0))),
        moment(_number(v.get("until_ms", o.UNTIL_ALWAYS_MS)), o.UNTIL_ALWAYS_MS),
        flag(v.get("backwards", False)),
        _maybe_vector(v.get("cut")),
        _maybe_vector(v.get("after")),
        _maybe_vector(v.get("missing")) or VersionVector(),
    )


def _publish(v: dict[str, Any]) -> o.Publish:
    drafts = tuple(_draft(item) for item in array(v.get("messages"), 1, DRAFTS_MAX))
    return o.Publish(drafts, number(v.get("copies", 1)), number(v.get("regions", 1)))


_FROM_CLIENT: dict[str, Callable[[dict[str, Any]], o.ClientOperation]] = {
    "attach": lambda v: o.Attach(_text(v.get("client")), _number(v.get("incarnation")), _text(v.get("token", ""))),
    "publish": _publish,
    "subscribe": _subscribe,
    "unsubscribe": lambda v: o.Unsubscribe(number(v.get("subscription"))),
    "credit": lambda v: o.CreditGrant(number(v.get("subscription")), number(v.get("messages")), number(v.get("bytes"))),
    "history": _history,
    "inspect": lambda v: o.Inspect(number(v.get("request"))),
}


def decode_client_text(message: str) -> o.ClientOperation | None:
    """Decode what a client sent; None if the operation is unknown. Raises `DecodeError`."""
    value = _load(message, OPERATION_BYTES_MAX)
    decoder = _FROM_CLIENT.get(value["op"])
    return None if decoder is None else decoder(value)


# --- node to client --------------------------------------------------------------------------------------------------


def _message(log: LogId, position: int, record: Record) -> dict[str, Any]:
    message: dict[str, Any] = {
        "channel": record.channel,
        "publisher": record.publisher,
        "incarnation": str(record.incarnation),
        "sequence": record.sequence,
        "stamp": str(record.stamp),
        "ttl_ms": record.ttl_ms,
        "log": log_text(log),
        "position": position,
        **payload_parts(record.payload, record.flags),
    }
    return {**message, "headers": record.headers} if record.headers else message


def encode_node_text(operation: o.NodeOperation) -> str:
    """Encode what a node says."""
    return _dump(_node_parts(operation))


def _node_parts(operation: o.NodeOperation) -> dict[str, Any]:
    match operation:
        case o.Messages(subscription, log, first, last, positions, records, late, conflicts):
            messages = [_message(log, position, record) for position, record in zip(positions, records, strict=True)]
            for index in late:
                messages[index]["late"] = True
            for index in conflicts:
                messages[index]["conflict"] = True
            place = {"log": log_text(log), "first": first, "last": last}
            return {"op": "messages", "subscription": subscription, **place, "messages": messages}
        case o.Attached(node, region, version, gateways, ttl_ms):
            about = {"node": node_text(node), "region": region, "version": version}
            return {"op": "attached", **about, "gateways": list(gateways), "ttl_ms": ttl_ms}
        case o.Receipt(first, last, copies, regions, log, through):
            level = {"copies": copies, "regions": regions}
            return {"op": "receipt", "first": first, "last": last, **level, "log": log_text(log), "through": through}
        case o.Refused(code, about, request, first, last, retry_ms):
            which = {"request": request, "first": first, "last": last}
            return {"op": "refused", "code": code, "text": about, **which, "retry_ms": retry_ms}
        case o.Subscribed(subscription, cursor):
            return {"op": "subscribed", "subscription": subscription, "cursor": vector_text(cursor)}
        case o.Gap(subscription, log, first, last, reason, may_fill):
            place = {"log": log_text(log), "first": first, "last": last}
            return {"op": "gap", "subscription": subscription, **place, "reason": reason.value, "may_fill": may_fill}
        case o.HistoryPage(request, cut, places, records, after, missing):
            found = [_message(log, at, record) for (log, at), record in zip(places, records, strict=True)]
            page = {"cut": vector_text(cut), "messages": found, "next": _maybe_text(after)}
            if missing:
                page["missing"] = vector_text(missing)
            return {"op": "history", "request": request, **page}
        case o.Status(request, about):
            return {"op": "status", "request": request, "about": about}
        case o.GoAway(gateways, within_ms):
            return {"op": "go_away", "gateways": list(gateways), "within_ms": within_ms}
        case o.Goodbye(code, about):
            return {"op": "goodbye", "code": code, "text": about}
        case _:
            assert_never(operation)
