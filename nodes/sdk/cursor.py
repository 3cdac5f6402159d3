"""Cursors: where a subscriber is, exactly, on every node of the mesh."""

from __future__ import annotations

import base64
import binascii
import zlib

import msgpack

from mesh.clocks.vector import Order, VersionVector
from mesh.codes import Code
from mesh.errors import DecodeError
from mesh.wire.frames import plain, vector_of, vector_parts
from nodes.sdk.messages import GossamerError

PREFIX = "gsc1-"
CURSOR_BYTES_MAX = 256 << 10
"""What a cursor's text may unfold to (protocol.md, 11)."""


class Cursor:
    """All that a subscription has been told: a version vector. Immutable; `str` gives its text."""

    def __init__(self, vector: VersionVector) -> None:
        """Keep a copy of a vector."""
        self._vector = vector.copy()

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
            return cls(vector_of(plain(raw, CURSOR_BYTES_MAX)))
        except (binascii.Error, ValueError, zlib.error, DecodeError) as error:
            raise GossamerError(Code.FIELD_INVALID, f"the cursor is damaged: {error}") from error

    @property
    def vector(self) -> VersionVector:
        """The vector, as a copy of your own."""
        return self._vector.copy()

    def compare(self, other: Cursor) -> Order:
        """Before, after, equal or concurrent."""
        return self._vector.compare(other._vector)

    def __str__(self) -> str:
        packed: bytes = msgpack.packb(vector_parts(self._vector))
        return PREFIX + base64.urlsafe_b64encode(zlib.compress(packed, 9)).decode("ascii").rstrip("=")

    def __repr__(self) -> str:
        return f"<Cursor {self._vector.count} records of {len(self._vector)} logs>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cursor) and self._vector == other._vector

    def __hash__(self) -> int:
        return hash(str(self))
