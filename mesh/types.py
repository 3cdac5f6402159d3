"""The shared nouns: nodes, logs, time, addresses, channels.

Everything here is plain data. A `NodeId` is a public key, a `LogId` names one append-only log, a `Now` is the only
time that the core ever sees. Channel names and patterns are checked here, once, for every door into the node.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, NewType, TypeVar, dataclass_transform

from mesh.errors import RemoteError

NodeId = NewType("NodeId", bytes)
"""A node's public key, 32 bytes."""

LinkId = NewType("LinkId", int)
"""A connection to a peer, numbered by the host; never used twice in one life of a node."""

SessionId = NewType("SessionId", int)
"""A client's connection, numbered by the host; never used twice in one life of a node."""

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make a class of plain values: slots, equality, a hash. Immutable by type check alone.

    Frames, events and effects are made by the million. A frozen dataclass sets each field by a call, which takes three
    times as long (0.28 against 0.08 µs for three fields, measured).
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


DEFAULT_SPACE = ""
NODE_ID_BYTES = 32
EPOCH_MAX = 1 << 63
"""Epochs lie below it, so that every store can hold them."""
CHANNEL_BYTES_MAX = 255
CHANNEL_LEVELS_MAX = 16
US_PER_MS = 1_000
US_PER_S = 1_000_000


class LogId(NamedTuple):
    """One log: the records that one node published in one epoch to one space."""

    node: NodeId
    epoch: int
    space: str = DEFAULT_SPACE


node_of = lru_cache(maxsize=4_096)(NodeId)
"""The same object for the same node, for what comes from outside: a key that *is* the one in a table is not compared with it
byte by byte, and what nodes of one simulation have in common is there once."""


@lru_cache(maxsize=16_384)
def log_of(node: NodeId, epoch: int, space: str) -> LogId:
    """The same object for the same log, likewise."""
    return LogId(node_of(node), epoch, space)


@value
class Now:
    """The time as the host tells it: `mono_us` never goes backwards, `wall_ms` (since 1970) may."""

    mono_us: int
    wall_ms: int


class Address(NamedTuple):
    """Where a node listens (UDP)."""

    host: str
    port: int

    def __str__(self) -> str:
        """`host:port`, with an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def node_text(node: NodeId) -> str:
    """Write a node's identity as 52 lower-case base32 characters."""
    return base64.b32encode(node).decode("ascii").rstrip("=").lower()


def node_short(node: NodeId) -> str:
    """Write the first 8 characters of a node's identity, for tables and logs."""
    return node_text(node)[:8]


def node_from_text(text: str) -> NodeId:
    """Read what `node_text` wrote. Raises `RemoteError` if it is no identity."""
    try:
        raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError:
        raw = b""
    if len(raw) != NODE_ID_BYTES or node_text(NodeId(raw)) != text.lower():  # one identity, one text
        raise RemoteError(f"a node's identity is 52 base32 characters, found {text[:60]!r}")
    return NodeId(raw)


def log_text(log: LogId) -> str:
    """Write a log's identity as `node.epoch.space`: text, for it exceeds what JSON numbers hold."""
    return f"{node_text(log.node)}.{log.epoch}.{log.space}"


def log_from_text(text: str) -> LogId:
    """Read what `log_text` wrote. Raises `RemoteError` if it is no log."""
    node, _, rest = text.partition(".")
    epoch, dot, space = rest.partition(".")
    if not dot or not epoch.isascii() or not epoch.isdigit() or len(epoch) > 19 or int(epoch) >= EPOCH_MAX:
        raise RemoteError(f"a log is written node.epoch.space, found {text[:80]!r}")
    return LogId(node_from_text(node), int(epoch), space)


def _levels_fault(text: str, what: str) -> str:
    """Say what is wrong with the levels of a channel or pattern; empty if nothing is."""
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return f"a {what} is valid UTF-8"
    if not text:
        return f"a {what} is not empty"
    if size > CHANNEL_BYTES_MAX:
        return f"a {what} has at most {CHANNEL_BYTES_MAX} bytes, found {size}"
    levels = text.split("/")
    if len(levels) > CHANNEL_LEVELS_MAX:
        return f"a {what} has at most {CHANNEL_LEVELS_MAX} levels, found {len(levels)}"
    if "" in levels:
        return f"a {what} has no empty level"
    if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text):
        return f"a {what} has no control characters"
    return ""


def channel_fault(channel: str) -> str:
    """Say what is wrong with a channel's name; empty if it is valid."""
    if len(channel) > CHANNEL_BYTES_MAX:  # no cache keeps what a stranger made too long
        return _levels_fault(channel, "channel")
    return _channel_fault(channel)


@lru_cache(maxsize=65_536)
def _channel_fault(channel: str) -> str:
    fault = _levels_fault(channel, "channel")
    if fault:
        return fault
    if channel.startswith("$"):
        return "a channel does not begin with $ (reserved)"
    if "+" in channel or "#" in channel:
        return "a channel holds no + or # (they are wildcards)"
    return ""


def pattern_fault(pattern: str) -> str:
    """Say what is wrong with a pattern (as in MQTT: `+` one level, `#` the rest); empty if it is valid."""
    if len(pattern) > CHANNEL_BYTES_MAX:
        return _levels_fault(pattern, "pattern")
    return _pattern_fault(pattern)


@lru_cache(maxsize=4_096)
def _pattern_fault(pattern: str) -> str:
    fault = _levels_fault(pattern, "pattern")
    if fault:
        return fault
    levels = pattern.split("/")
    if any("+" in level and level != "+" for level in levels):
        return "+ stands for one whole level"
    if any("#" in level and level != "#" for level in levels) or "#" in levels[:-1]:
        return "# stands alone, as the last level"
    return ""


@lru_cache(maxsize=65_536)
def pattern_matches(pattern: str, channel: str) -> bool:
    """Whether a valid pattern matches a valid channel. `a/#` matches `a` too; no wildcard matches a leading `$`."""
    if channel.startswith("$") and pattern[0] in "+#":
        return False
    wanted, levels = pattern.split("/"), channel.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)
