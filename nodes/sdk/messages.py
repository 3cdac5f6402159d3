"""What an application gets: messages, gaps, receipts, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mesh.clocks.hybrid import stamp_ms
from mesh.codes import Code
from mesh.log.record import CONTENT_JSON, CONTENT_MASK, CONTENT_MSGPACK, CONTENT_TEXT, TTL_MS_MAX, Record
from mesh.operations import GapReason
from mesh.types import LogId, log_text, node_text

SHOWN_MAX = 200
"""Characters of the content that `repr` of a message shows."""


class GossamerError(Exception):
    """Something went wrong; `code` is in the registry (`gossamer explain CODE`)."""

    def __init__(self, code: str, text: str) -> None:
        """Keep code and text."""
        super().__init__(f"{code} {text}")
        self.code = str(code)
        self.text = text


class WaitTimedOutError(GossamerError):
    """The durability asked for was not reached in time. The message stays, and its receipt can go on rising."""

    def __init__(self, text: str, receipt: Receipt | None) -> None:
        """`receipt` is what was reached; None if not even `local` was."""
        super().__init__(Code.WAIT_TIMED_OUT, text)
        self.receipt = receipt


@dataclass(frozen=True, slots=True)
class Receipt:
    """A publish is fsynced on `copies` nodes in `regions` regions. It stands in `log`, named `sequence` by this client."""

    sequence: int
    copies: int
    regions: int
    log: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Positions of a log that are not delivered, and why; `may_fill`: they may come yet, marked late."""

    log: str
    first: int
    last: int
    reason: GapReason
    may_fill: bool


@dataclass(frozen=True, slots=True)
class Message:
    """A message. `late`: it comes after its successor of the same publisher in the same channel."""

    log_id: LogId
    position: int
    record: Record
    late: bool = False

    def __repr__(self) -> str:
        shown = repr(self.data)
        shown = shown if len(shown) <= SHOWN_MAX else f"{shown[:SHOWN_MAX]}…"
        return f"<Message {self.channel} from {self.publisher}: {shown}{', late' if self.late else ''}>"

    @property
    def channel(self) -> str:
        """Where it was published."""
        return self.record.channel

    @property
    def publisher(self) -> str:
        """The client that published it, as the accepting node knew it."""
        return self.record.publisher

    @property
    def sequence(self) -> int:
        """The publisher's number for it."""
        return self.record.sequence

    @property
    def name(self) -> tuple[str, int, int]:
        """Publisher, incarnation, sequence: the same wherever it was retried."""
        return self.record.publisher, self.record.incarnation, self.record.sequence

    @property
    def payload(self) -> bytes:
        """Its bytes."""
        return self.record.payload

    @property
    def headers(self) -> dict[str, str]:
        """Its headers."""
        return self.record.headers

    @property
    def time_ms(self) -> int:
        """When it was accepted, in ms since 1970."""
        return stamp_ms(self.record.stamp)

    @property
    def node(self) -> str:
        """The node that accepted it."""
        return node_text(self.log_id.node)

    @property
    def log(self) -> str:
        """The log that it stands in."""
        return log_text(self.log_id)

    @property
    def content(self) -> str:
        """What the payload is: bytes, text, json or msgpack."""
        return {CONTENT_TEXT: "text", CONTENT_JSON: "json", CONTENT_MSGPACK: "msgpack"}.get(
            self.record.flags & CONTENT_MASK, "bytes"
        )

    @property
    def data(self) -> Any:
        """The payload as what it says it is; bytes where it is not that."""
        content = self.content
        try:
            if content == "text":
                return self.payload.decode("utf-8")
            if content == "json":
                return json.loads(self.payload)
            if content == "msgpack":
                import msgpack  # rarely

                return msgpack.unpackb(self.payload)
        except (ValueError, RecursionError):
            pass
        return self.payload


def payload_of(data: object) -> tuple[bytes, int]:
    """What an application publishes, as bytes, and the flag that says what they are."""
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), 0
    if isinstance(data, str):
        return data.encode("utf-8"), CONTENT_TEXT
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8"), CONTENT_JSON


def checked(ttl_ms: object, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """Refuse what no node would take, before it waits in the outbox: raises `GossamerError` (FIELD_INVALID)."""
    if not isinstance(ttl_ms, int) or not 0 <= ttl_ms <= TTL_MS_MAX:
        text = f"ttl_ms is 0, the node's own, or up to {TTL_MS_MAX}, which is 400 days; found {ttl_ms!r}"
        raise GossamerError(Code.FIELD_INVALID, text)
    for text in (*headers, *headers.values()):
        if not is_utf8(text):
            raise GossamerError(Code.FIELD_INVALID, f"a header is text that UTF-8 can hold, found {text!r}")
    return ttl_ms, dict(headers)


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can hold a text: an argument or a variable that was no UTF-8 has surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def level_of(durability: str) -> tuple[int, int]:
    """Copies and regions of `local`, `copies:N` or `regions:N`. Raises `GossamerError` (FIELD_INVALID)."""
    name, _, number = durability.partition(":")
    if name == "local" and not number:
        return 1, 1
    if name in ("copies", "regions") and number.isascii() and number.isdigit() and 0 < int(number) < 1 << 31:
        return (int(number), 1) if name == "copies" else (int(number), int(number))
    raise GossamerError(Code.FIELD_INVALID, f"durability is local, copies:N or regions:N, found {durability!r}")
