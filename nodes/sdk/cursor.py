"""Cursors: where a subscriber is, exactly, on every node of the mesh.

A cursor is a version vector, and compares as one. Beside it travel the names that were shown most recently: a message
that was published again at another node stands in two logs, and a node that lacks the one cannot know that the other
was shown.
"""

from __future__ import annotations

import base64
import binascii
import zlib

import msgpack

from mesh.client.seen import Seen
from mesh.clocks.vector import Order, VersionVector
from mesh.codes import Code
from mesh.errors import DecodeError
from mesh.wire.frames import array, plain, vector_of, vector_parts
from nodes.sdk.messages import GossamerError

PREFIX = "gsc1-"
CURSOR_BYTES_MAX = 256 << 10
"""What a cursor's text may unfold to (protocol.md, 11)."""


class Cursor:
    """All that a subscription has been told: a version vector. Immutable; `str` gives its text."""

    def __init__(self, vector: VersionVector, seen: Seen | None = None) -> None:
        """Keep copies of a vector, and of the names that were shown."""
        self._vector = vector.copy()
        self._seen = Seen() if seen is None else seen.copy()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read what `str` gave. Raises `GossamerError` (FIELD_INVALID)."""
        body = text.strip().removeprefix(PREFIX)
        try:
            packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
            unfold = zlib.decompressobj()
            raw = unfold.decompress(packed, CURSOR_BYTES_MAX)
            if not text.strip().startswith(PREFIX) or not unfold.eof:
                raise GossamerError(Code.FIELD_INVALID, f"a cursor begins with {PREFIX} and is whole")
            vector, names = array(plain(raw, CURSOR_BYTES_MAX), 2, 2)
            return cls(vector_of(vector), Seen.from_parts(names))
        except (binascii.Error, ValueError, zlib.error, DecodeError) as error:
            raise GossamerError(Code.FIELD_INVALID, f"the cursor is damaged: {error}") from error

    @property
    def vector(self) -> VersionVector:
        """The vector, as a copy of your own."""
        return self._vector.copy()

    @property
    def seen(self) -> Seen:
        """The names that were shown, as a copy of your own."""
        return self._seen.copy()

    def compare(self, other: Cursor) -> Order:
        """Before, after, equal or concurrent."""
        return self._vector.compare(other._vector)

    def __str__(self) -> str:
        vector = vector_parts(self._vector)
        names = self._seen.parts()
        packed: bytes = msgpack.packb([vector, names])
        while names and len(packed) > CURSOR_BYTES_MAX:  # who was heard longest ago is forgotten first
            del names[len(names) // 2 :]
            packed = msgpack.packb([vector, names])
        return PREFIX + base64.urlsafe_b64encode(zlib.compress(packed, 9)).decode("ascii").rstrip("=")

    def __repr__(self) -> str:
        return f"<Cursor {self._vector.count} records of {len(self._vector)} logs>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cursor) and self._vector == other._vector

    def __hash__(self) -> int:
        return hash(str(self))
