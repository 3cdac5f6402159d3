"""Packets: what one Maelstrom message between two of our nodes carries: many entries, each for one or more links.

Maelstrom counts messages between servers, so frames of many links share one: an entry is written once for all links that
it goes to, and a relay takes it apart again.
"""

from __future__ import annotations

import base64
from enum import IntEnum
from typing import NamedTuple

import msgpack

from mesh.errors import DecodeError

COUNT_MAX = 1 << 53


class Kind(IntEnum):
    """What an entry does to its links."""

    OPEN = 0
    ACCEPT = 1
    FRAME = 2
    CLOSE = 3


class Target(NamedTuple):
    """A link that an entry is for: the node at its end, who dialled it and as which of its dials; the entry's place on it."""

    dest: int
    dialer: int
    dial: int
    sequence: int


class Entry(NamedTuple):
    """Something for links. `body`: a nonce (OPEN), a frame of `mesh.wire` (FRAME), a code (CLOSE). Nodes are numbered."""

    kind: int
    origin: int
    patient: bool
    """It may wait for a packet that goes anyway."""
    targets: tuple[Target, ...]
    body: bytes


def pack(entries: list[Entry]) -> str:
    """Write a packet as base64 text."""
    return base64.b64encode(msgpack.packb(entries)).decode("ascii")


def unpack(text: object) -> list[Entry]:
    """Read a packet. Raises `DecodeError` if it is none."""
    if not isinstance(text, str):
        raise DecodeError("a packet is base64 text")
    try:
        raw = msgpack.unpackb(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        raise DecodeError(f"a packet is base64 of MessagePack: {error}") from None
    if not isinstance(raw, list):
        raise DecodeError("a packet is a list of entries")
    return [_entry(item) for item in raw]


def _entry(item: object) -> Entry:
    if not isinstance(item, list) or len(item) != 5:
        raise DecodeError("an entry has five parts")
    kind, origin, patient, targets, body = item
    fine = isinstance(patient, bool) and isinstance(targets, list) and isinstance(body, bytes)
    if not fine or not _count(kind) or kind > Kind.CLOSE or not _count(origin):
        raise DecodeError("an entry is kind, origin, patience, targets and body")
    if not all(isinstance(target, list) and len(target) == 4 and all(map(_count, target)) for target in targets):
        raise DecodeError("a target is four counts")
    return Entry(kind, origin, patient, tuple(Target(*target) for target in targets), body)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < COUNT_MAX
