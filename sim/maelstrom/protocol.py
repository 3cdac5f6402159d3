"""Maelstrom's messages: one JSON object a line, `{"src", "dest", "body"}`; a body has a `type`, and a `msg_id` to answer to.

The facts are those of Maelstrom's documents `doc/protocol.md` and `doc/workloads.md`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite
from typing import Any

from mesh.errors import RemoteError

LINE_BYTES_MAX = 64 << 20
"""A longer line is no message. Guess: far above all that a run of hours answers to a read."""


class ErrorCode(IntEnum):
    """What a client may be told. All of these say that nothing happened."""

    NOT_SUPPORTED = 10
    TEMPORARILY_UNAVAILABLE = 11
    MALFORMED_REQUEST = 12


@dataclass(frozen=True, slots=True)
class Message:
    """A message that came. `number` is its `msg_id`; None if no answer is wanted."""

    source: str
    kind: str
    number: int | None
    body: dict[str, Any]


def parse(line: bytes) -> Message:
    """Read a line. Raises `RemoteError` if it is no message."""
    try:
        message = json.loads(line, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise RemoteError(f"a line is a JSON object: {error}") from None
    if not isinstance(message, dict) or not isinstance(message.get("body"), dict):
        raise RemoteError("a message has a body, which is an object")
    source, body = message.get("src"), message["body"]
    kind, number = body.get("type"), body.get("msg_id")
    if not isinstance(source, str) or not isinstance(kind, str):
        raise RemoteError("a message has a src and its body a type, which are strings")
    if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
        raise RemoteError("msg_id is an integer")
    return Message(source, kind, number, body)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _finite(digits: str) -> float:
    """What is too large for a number would be written as a word that JSON has not."""
    number = float(digits)
    return number if isfinite(number) else _no_number(digits)


def line(source: str, dest: str, body: dict[str, Any]) -> bytes:
    """Write a message as a line."""
    return (
        json.dumps({"src": source, "dest": dest, "body": body}, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    )


def answer(own: str, message: Message, kind: str, **fields: object) -> list[bytes]:
    """Answer a request; nothing if it wants no answer."""
    if message.number is None:
        return []
    return [line(own, message.source, {"type": kind, "in_reply_to": message.number, **fields})]


def refuse(own: str, message: Message, code: ErrorCode, text: str) -> list[bytes]:
    """Refuse a request; nothing if it wants no answer."""
    return answer(own, message, "error", code=int(code), text=text)
