"""Framing: frames on one stream, in three lanes.

What is on the stream is *pieces*: four bytes of head (lane and flags in the first byte, then the length), and at most
32 KiB of a frame. A frame that is larger, or than what the stream takes at the moment, travels as several pieces of its
lane, of which the last says so; between them pieces of a more urgent lane may go. So a control frame never waits for more
than one piece of a backfill, and over a narrow link such a piece is short.

The reader bounds what it keeps: a frame's size, a first frame's, and all bytes until HELLO was accepted.
"""

from __future__ import annotations

from collections import deque

from mesh.codes import Code
from mesh.errors import RemoteError
from mesh.frames import Lane
from mesh.wire.frames import FRAME_BYTES_MAX

PIECE_BYTES_MAX = 32 << 10
PIECE_BYTES_LEAST = 1_024
"""No frame is cut into smaller pieces, so that small ones stay whole."""
HEAD_BYTES = 4
LAST = 0x80
"""Set in the first byte of a frame's last piece."""
LANES = len(Lane)
GREETING_BYTES_MAX = 16 << 10
"""What may come before the first frame, which must be HELLO, is whole."""
AHEAD_BYTES_MAX = FRAME_BYTES_MAX
"""What may come in all before HELLO was accepted: a peer that has accepted ours says more in the same breath."""


class FramingError(RemoteError):
    """Bytes that are no pieces, or too many; `code` says which. The stream cannot be read on."""

    def __init__(self, code: Code, message: str) -> None:
        """Keep the code."""
        super().__init__(message)
        self.code = code


class FrameReader:
    """Puts frames together from what a stream brings, in whatever portions."""

    def __init__(self) -> None:
        """Begin before HELLO."""
        self.greeted = False
        """HELLO was accepted: as much may come as there is credit for."""
        self._spoken = False
        """A first frame has come."""
        self._buffer = bytearray()
        self._parts: list[bytearray] = [bytearray() for _ in range(LANES)]
        self._got = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes; return the frames that they complete. Raises `FramingError`."""
        self._got += len(chunk)
        buffer = self._buffer
        buffer += chunk
        frames: list[bytes] = []
        at = 0
        while len(buffer) - at >= HEAD_BYTES:
            first = buffer[at]
            length = int.from_bytes(buffer[at + 1 : at + HEAD_BYTES], "big")
            lane = first & ~LAST
            if lane >= LANES or not 0 < length <= PIECE_BYTES_MAX:
                raise FramingError(Code.FRAME_UNDECODABLE, f"no piece of a frame: lane {lane}, {length} bytes")
            end = at + HEAD_BYTES + length
            if len(buffer) < end:
                break
            frame = self._piece(lane, memoryview(buffer)[at + HEAD_BYTES : end], last=bool(first & LAST))
            if frame is not None:
                frames.append(frame)
            at = end
        del buffer[:at]
        if not self.greeted:
            self._bound(frames)
        return frames

    def _bound(self, frames: list[bytes]) -> None:
        """Refuse what is too much for a stranger."""
        if frames and not self._spoken:
            self._spoken = True
            if len(frames[0]) > GREETING_BYTES_MAX:
                raise FramingError(Code.FRAME_TOO_LARGE, f"a greeting of more than {GREETING_BYTES_MAX} bytes")
        limit = AHEAD_BYTES_MAX if self._spoken else GREETING_BYTES_MAX
        if self._got > limit:
            raise FramingError(Code.FRAME_TOO_LARGE, f"more than {limit} bytes before HELLO")

    def _piece(self, lane: int, piece: memoryview, *, last: bool) -> bytes | None:
        parts = self._parts[lane]
        if len(parts) + len(piece) > FRAME_BYTES_MAX:
            raise FramingError(Code.FRAME_TOO_LARGE, f"a frame of more than {FRAME_BYTES_MAX} bytes")
        if last and not parts:
            frame = bytes(piece)
            piece.release()
            return frame
        parts += piece
        piece.release()
        if not last:
            return None
        frame = bytes(parts)
        parts.clear()
        return frame


class FrameWriter:
    """Queues frames by lane, and gives out as many bytes as the stream can take."""

    def __init__(self) -> None:
        """Start with nothing to send."""
        self._queues: tuple[deque[bytes], ...] = tuple(deque() for _ in range(LANES))
        self._offsets = [0] * LANES
        self.waiting = 0
        """Bytes of frames that wait."""

    def put(self, frame: bytes, lane: Lane) -> None:
        """Queue an encoded frame."""
        self._queues[lane].append(frame)
        self.waiting += len(frame)

    def take(self, size: int) -> bytes:
        """Give out at least one piece if any waits, and whole pieces up to about `size` bytes, urgent lanes first."""
        out = bytearray()
        is_narrow = size < PIECE_BYTES_MAX
        for lane, queue in enumerate(self._queues):
            while queue and len(out) < size:
                frame, at = queue[0], self._offsets[lane]
                room = max(PIECE_BYTES_LEAST, size - len(out)) if is_narrow else PIECE_BYTES_MAX
                piece = frame[at : at + room]
                last = at + len(piece) == len(frame)
                out.append(lane | (LAST if last else 0))
                out += len(piece).to_bytes(HEAD_BYTES - 1, "big")
                out += piece
                self.waiting -= len(piece)
                if last:
                    queue.popleft()
                    self._offsets[lane] = 0
                else:
                    self._offsets[lane] = at + len(piece)
        return bytes(out)
