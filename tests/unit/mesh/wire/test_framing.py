"""Framing: frames in pieces of 32 KiB, three lanes on one stream, and a bound on what a stranger may send."""

import pytest

from mesh.codes import Code
from mesh.frames import Lane
from mesh.wire.frames import FRAME_BYTES_MAX
from mesh.wire.framing import (
    AHEAD_BYTES_MAX,
    GREETING_BYTES_MAX,
    HEAD_BYTES,
    LAST,
    PIECE_BYTES_LEAST,
    PIECE_BYTES_MAX,
    FrameReader,
    FrameWriter,
    FramingError,
)


def piece(lane: int, content: bytes, *, last: bool = True) -> bytes:
    return bytes([lane | (LAST if last else 0)]) + len(content).to_bytes(3, "big") + content


def greeted() -> FrameReader:
    reader = FrameReader()
    reader.greeted = True
    return reader


def test_a_small_frame_is_one_piece() -> None:
    writer = FrameWriter()

    writer.put(b"hello", Lane.LIVE)

    assert writer.waiting == 5
    assert writer.take(1) == piece(1, b"hello")
    assert (writer.take(1_000), writer.waiting) == (b"", 0)


def test_where_there_is_no_room_nothing_is_given_out() -> None:
    writer = FrameWriter()
    writer.put(b"hello", Lane.LIVE)

    assert (writer.take(0), writer.waiting) == (b"", 5)


def test_a_large_frame_travels_in_pieces_of_which_the_last_says_so() -> None:
    writer = FrameWriter()
    large = bytes(PIECE_BYTES_MAX) + b"rest"
    writer.put(large, Lane.BACKFILL)

    first, second = writer.take(1 << 20), writer.take(1)

    assert first == piece(2, large[:PIECE_BYTES_MAX], last=False) + piece(2, b"rest")
    assert second == b""
    assert greeted().feed(first) == [large]


def test_where_there_is_little_room_pieces_are_short_and_small_frames_stay_whole() -> None:
    writer = FrameWriter()
    large, small = bytes(range(250)) * 12, bytes(PIECE_BYTES_LEAST)
    writer.put(large, Lane.BACKFILL)

    first = writer.take(1_500)
    writer.put(small, Lane.LIVE)
    second, third = writer.take(1), writer.take(1)
    rest = writer.take(1 << 20)

    assert first == piece(2, large[:1_500], last=False)
    assert second == piece(1, small)
    assert third == piece(2, large[1_500 : 1_500 + PIECE_BYTES_LEAST], last=False)
    assert rest == piece(2, large[1_500 + PIECE_BYTES_LEAST :])
    assert greeted().feed(first + second + third + rest) == [small, large]


def test_a_frame_of_whole_pieces_has_no_empty_one_at_its_end() -> None:
    writer = FrameWriter()
    large = bytes(2 * PIECE_BYTES_MAX)
    writer.put(large, Lane.LIVE)

    stream = writer.take(1 << 20)

    assert len(stream) == len(large) + 2 * HEAD_BYTES
    assert greeted().feed(stream) == [large]


def test_pieces_are_given_out_until_there_are_enough_bytes() -> None:
    writer = FrameWriter()
    for _ in range(3):
        writer.put(b"x" * 96, Lane.LIVE)

    assert len(writer.take(100)) == 100
    assert len(writer.take(101)) == 200
    assert writer.waiting == 0


def test_control_goes_before_live_and_live_between_the_pieces_of_a_backfill() -> None:
    writer = FrameWriter()
    backfill = bytes(PIECE_BYTES_MAX) + b"end"
    writer.put(backfill, Lane.BACKFILL)
    started = writer.take(PIECE_BYTES_MAX)
    writer.put(b"live", Lane.LIVE)
    writer.put(b"control", Lane.CONTROL)

    rest = writer.take(1 << 20)

    assert rest == piece(0, b"control") + piece(1, b"live") + piece(2, b"end")
    assert greeted().feed(started + rest) == [b"control", b"live", backfill]


def test_frames_of_one_lane_keep_their_order() -> None:
    writer = FrameWriter()
    for number in range(5):
        writer.put(b"%d" % number, Lane.CONTROL)

    assert greeted().feed(writer.take(1 << 20)) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_stream_may_come_byte_by_byte() -> None:
    reader = greeted()
    stream = piece(0, b"a") + piece(2, b"b", last=False) + piece(1, b"c") + piece(2, b"d")

    frames = [frame for at in range(len(stream)) for frame in reader.feed(stream[at : at + 1])]

    assert frames == [b"a", b"c", b"bd"]
    assert reader.feed(b"") == []


@pytest.mark.parametrize(
    "head",
    [bytes([3, 0, 0, 1]), bytes([LAST | 3, 0, 0, 1]), bytes([0x7F, 0, 0, 1]), bytes([0, 0, 0, 0]), b"\x00\x00\x80\x01"],
)
def test_what_is_no_piece_breaks_the_stream_as_soon_as_its_head_is_there(head: bytes) -> None:
    reader = greeted()
    assert reader.feed(head[:3]) == []

    with pytest.raises(FramingError, match="no piece of a frame") as caught:
        reader.feed(head[3:])

    assert caught.value.code is Code.FRAME_UNDECODABLE


def test_a_piece_of_the_largest_size_passes() -> None:
    assert greeted().feed(piece(0, bytes(PIECE_BYTES_MAX))) == [bytes(PIECE_BYTES_MAX)]


def test_a_frame_may_have_its_largest_size_and_not_a_byte_more() -> None:
    pieces = [piece(1, bytes(PIECE_BYTES_MAX), last=False)] * (FRAME_BYTES_MAX // PIECE_BYTES_MAX - 1)
    reader = greeted()
    for one in pieces:
        assert reader.feed(one) == []
    assert len(reader.feed(piece(1, bytes(PIECE_BYTES_MAX)))[0]) == FRAME_BYTES_MAX

    for one in [*pieces, piece(1, bytes(PIECE_BYTES_MAX), last=False)]:
        assert reader.feed(one) == []
    with pytest.raises(FramingError, match="a frame of more than 1310720 bytes") as caught:
        reader.feed(piece(1, b"x"))
    assert caught.value.code is Code.FRAME_TOO_LARGE


def too_much(reader: FrameReader, chunk: bytes) -> str:
    with pytest.raises(FramingError) as caught:
        reader.feed(chunk)
    assert caught.value.code is Code.FRAME_TOO_LARGE
    return str(caught.value)


def test_before_hello_a_stranger_may_send_a_greeting_and_no_more() -> None:
    reader = FrameReader()
    assert reader.feed(piece(0, bytes(GREETING_BYTES_MAX - HEAD_BYTES), last=False)) == []

    assert too_much(reader, b"x") == "more than 16384 bytes before HELLO"
    assert too_much(FrameReader(), piece(0, bytes(GREETING_BYTES_MAX + 1))) == "a greeting of more than 16384 bytes"
    assert len(FrameReader().feed(piece(0, bytes(GREETING_BYTES_MAX)))) == 1


def test_with_its_hello_a_peer_may_say_more_than_a_greeting() -> None:
    """It has accepted our HELLO and tells at once who else there is: on loopback all that may come in one datagram."""
    more = piece(0, bytes(PIECE_BYTES_MAX))
    reader = FrameReader()

    assert reader.feed(piece(0, b"hello") + more) == [b"hello", bytes(PIECE_BYTES_MAX)]

    got = 5 + HEAD_BYTES + len(more)
    while got + len(more) <= AHEAD_BYTES_MAX:
        assert len(reader.feed(more)) == 1
        got += len(more)
    assert too_much(reader, more) == f"more than {AHEAD_BYTES_MAX} bytes before HELLO"


def test_after_hello_there_is_no_such_bound() -> None:
    reader = FrameReader()
    reader.feed(piece(0, b"hello"))
    reader.greeted = True

    for _ in range(AHEAD_BYTES_MAX // PIECE_BYTES_MAX + 1):
        assert len(reader.feed(piece(1, bytes(PIECE_BYTES_MAX)))) == 1
