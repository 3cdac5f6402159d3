"""Frames on the wire: every field typed and bounded, the missing defaulted, the surplus ignored, the unknown skipped."""

from dataclasses import replace
from typing import Any

import msgpack
import pytest

from mesh import frames as f
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.errors import DecodeError
from mesh.log.batch import BODY_BYTES_MAX
from mesh.log.log import UNKNOWN_NAME
from mesh.types import Address, LogId
from mesh.wire.frames import (
    FRAME_BYTES_MAX,
    PAGE_INTERVALS_MAX,
    PAGE_LOGS_MAX,
    WALL_MS_MAX,
    array,
    blob,
    decode_frame,
    encode_frame,
    flag,
    interval,
    log_id,
    number,
    plain,
    text,
    vector_of,
    vector_parts,
)
from tests.samples import ANA, BEN
from tests.vectors.examples import BATCH

NAME, SIGNATURE = b"n" * 32, b"s" * 64
LOG = [ANA, 5, ""]


def frame(*parts: object) -> f.Frame | None:
    return decode_frame(msgpack.packb(parts))


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


# --- one value -------------------------------------------------------------------------------------------------------


def test_a_value_may_be_as_large_and_as_deep_as_the_limits_and_no_more() -> None:
    assert plain(msgpack.packb(b"12345678"), 10) == b"12345678"
    with pytest.raises(DecodeError, match="larger than 9 bytes"):
        plain(msgpack.packb(b"12345678"), 9)
    assert plain(msgpack.packb(nested(8)), 100) == nested(8)
    with pytest.raises(DecodeError, match="nested too deeply"):
        plain(msgpack.packb(nested(9)), 100)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\xc1",
        b"\x92\x01",
        b"\xa2\xff\xff",  # text that is no UTF-8
        b"\x81\x01\x01",  # a map's keys are text or bytes
        b"\xdc\x10\x01" + b"\x00" * 4_097,  # an array of 4,097
        b"\xdd\xff\xff\xff\xff",  # ... and one of four thousand million
        b"\xc7\x01\x05\x00",  # an extension type
        b"\xd6\xff\x00\x00\x00\x00",  # a timestamp
        b"\x91" * 2_000,
    ],
)
def test_what_is_no_value_within_the_limits_is_refused(packed: bytes) -> None:
    with pytest.raises(DecodeError, match="no MessagePack"):
        plain(packed, 10_000)


def test_an_extension_type_without_bytes_is_refused_too() -> None:
    for packed in (b"\xc7\x00\x05", b"\x91\xc7\x00\x05"):
        with pytest.raises(DecodeError, match="extension types are not used"):
            plain(packed, 100)


def test_the_offset_says_where_decoding_gave_up() -> None:
    with pytest.raises(DecodeError) as surplus:
        plain(b"\x93\x01\x02\x03\x04", 100)
    with pytest.raises(DecodeError) as broken:
        plain(b"\x01\xc1"[1:], 100)

    assert (surplus.value.offset, str(surplus.value)) == (4, "bytes follow the value (at byte 4)")
    assert broken.value.offset in (0, 1)


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (number, [0, (1 << 64) - 1], [-1, 1 << 64, True, False, 1.0, "1", None]),
        (text, ["", "x" * 1_024], ["x" * 1_025, b"x", 1, None]),
        (blob, [b"", b"x" * 9_999], ["x", None, 1, [1]]),
        (flag, [True, False], [1, 0, None, "true"]),
        (array, [[], [1] * 4_096], [[1] * 4_097, (1,), {}, "x", None]),
    ],
)
def test_fields_are_what_they_are_and_nothing_like_it(read: Any, good: list[object], bad: list[object]) -> None:
    assert [read(value) for value in good] == good
    for value in bad:
        with pytest.raises(DecodeError, match="expected"):
            read(value)


def test_no_clock_shows_what_no_stamp_could_hold() -> None:
    assert decode_frame(encode_frame(f.Alive(WALL_MS_MAX - 1))) == f.Alive(WALL_MS_MAX - 1)
    hello = f.Hello(1, bytes(32), b"c", 5, WALL_MS_MAX - 1, bytes(64))
    assert decode_frame(encode_frame(hello)) == hello
    for frame in (f.Alive(WALL_MS_MAX), replace(hello, wall_ms=WALL_MS_MAX)):
        with pytest.raises(DecodeError, match="below 2\\^46"):
            decode_frame(encode_frame(frame))


def test_sizes_are_exact_where_they_are_given() -> None:
    assert blob(b"xx", 2) == b"xx"
    assert array([1, 2], 2, 2) == [1, 2]
    for value in (b"x", b"xxx", b""):
        with pytest.raises(DecodeError, match="expected 2 bytes"):
            blob(value, 2)
    for items in ([1], [1, 2, 3]):
        with pytest.raises(DecodeError, match="expected an array of 2 to 2"):
            array(items, 2, 2)


def test_an_interval_runs_from_a_first_to_a_last_below_2_to_the_53() -> None:
    assert interval(1, 1) == (1, 1)
    assert interval(1, (1 << 53) - 1) == (1, (1 << 53) - 1)
    for first, last in ((0, 1), (2, 1), (1, 1 << 53), (True, 2), (1, None)):
        with pytest.raises(DecodeError):
            interval(first, last)


def test_a_log_is_a_node_an_epoch_and_a_space() -> None:
    assert log_id([ANA, (1 << 63) - 1, "s"]) == LogId(ANA, (1 << 63) - 1, "s")
    for value in ([ANA, 1], [ANA, 1, "", 1], [ANA[1:], 1, ""], [ANA, -1, ""], [ANA, 1, b""], None):
        with pytest.raises(DecodeError):
            log_id(value)
    with pytest.raises(DecodeError, match="an epoch lies below 2"):
        log_id([ANA, 1 << 63, ""])  # no store could hold it


# --- vectors ---------------------------------------------------------------------------------------------------------


def parts_of(vector: VersionVector) -> list[Any]:
    parts = vector_parts(vector)
    assert vector_of(msgpack.unpackb(msgpack.packb(parts))) == vector
    for page in parts:
        assert len(page) <= PAGE_LOGS_MAX
        assert sum(len(edges) // 2 for _, edges in page) <= PAGE_INTERVALS_MAX
    return parts


def test_an_empty_vector_has_no_page_and_a_small_one_one() -> None:
    small = VersionVector([(LogId(ANA, 1), IntervalSet([(1, 5), (7, 7)])), (LogId(BEN, 1, "s"), IntervalSet([(2, 2)]))])

    assert parts_of(VersionVector()) == []
    assert parts_of(small) == [[[[ANA, 1, ""], [1, 5, 7, 7]], [[BEN, 1, "s"], [2, 2]]]]


def test_a_vector_of_more_logs_than_an_array_may_have_travels_in_pages() -> None:
    """In one array it could be sent and never read: its reader's limit is 4,096 elements."""
    vector = VersionVector((LogId(ANA, epoch), IntervalSet([(1, 2)])) for epoch in range(5_000))

    assert [len(page) for page in parts_of(vector)] == [1_024, 1_024, 1_024, 1_024, 904]


def test_a_log_of_more_runs_than_an_array_may_have_is_continued_on_the_next_page() -> None:
    holes = IntervalSet((n, n) for n in range(1, 2 * 5_000, 2))
    vector = VersionVector([(LogId(ANA, 1), IntervalSet([(1, 1)])), (LogId(ANA, 2), holes)])

    pages = parts_of(vector)

    assert [[(log[1], len(edges) // 2) for log, edges in page] for page in pages] == [
        [(1, 1), (2, 2_047)],
        [(2, 2_048)],
        [(2, 905)],
    ]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1],
        [[1]],
        [[[LOG]]],
        [[[LOG, [1]]]],
        [[[LOG, [1, 2, 3]]]],
        [[[LOG, [2, 1]]]],
        [[[LOG, [0, 1]]]],
        [[[LOG, [1, 1 << 53]]]],
        [[[LOG, [1, 2], 3]]],
        [[[LOG, [1] * 4_098]]],
        [[[LOG, [1, 1]]] * 1_025],
    ],
)
def test_what_is_no_vector_is_refused(value: object) -> None:
    with pytest.raises(DecodeError):
        vector_of(value)


# --- frames ----------------------------------------------------------------------------------------------------------


def test_an_unknown_frame_is_none_and_no_frame_an_error() -> None:
    assert frame(99, "whatever") is None
    for packed in (b"\x90", b"\x01", b"\x80", msgpack.packb(["5"]), msgpack.packb([True, 1])):
        with pytest.raises(DecodeError):
            decode_frame(packed)


def test_missing_trailing_elements_take_their_default_and_surplus_ones_are_ignored() -> None:
    assert frame(1, 1, NAME, b"c", 5, 6, SIGNATURE) == f.Hello(1, NAME, b"c", 5, 6, SIGNATURE)
    assert frame(1, 1, NAME, b"c", 5, 6, SIGNATURE, None, 9) == f.Hello(1, NAME, b"c", 5, 6, SIGNATURE)
    assert frame(4, [b"c"]) == f.Members((b"c",))
    assert frame(4, [], [[BEN, None]]) == f.Members(())
    assert frame(12, 3, []) == f.Vector(3, ())
    assert frame(*(12, 3, [], True)) == f.Vector(3, (), more=True)
    assert frame(14, [[LOG, 1, 2]]) == f.Busy(((LogId(*LOG), 1, 2),), 1_000)  # type: ignore[arg-type]
    assert frame(2, 5, "later") == f.Alive(5)


@pytest.mark.parametrize(
    "parts",
    [
        (1, 1, NAME, b"c", 5, 6),
        (15, BATCH.stripped().parts()),
        (15, BATCH.parts(), BATCH.stripped().parts()),
        (15, BATCH.stripped().parts(), BATCH.parts()),
        (15, None, BATCH.stripped().parts()),
        (15, BATCH.stripped().parts(), 5),
        (1, 1, NAME[1:], b"c", 5, 6, SIGNATURE),
        (1, 1, NAME, b"c", 5, 6, SIGNATURE[1:]),
        (1, 1, NAME, "c", 5, 6, SIGNATURE),
        (1, 1, NAME, b"c", 5, 6, SIGNATURE, ["", 7]),
        (1, 1, NAME, b"c", 5, 6, SIGNATURE, ["h" * 256, 7]),
        (1, 1, NAME, b"c", 5, 6, SIGNATURE, ["h", 0]),
        (1, 1, NAME, b"c", 5, 6, SIGNATURE, ["h", 65_536]),
        (1, 1, NAME, b"c", 5, 6, SIGNATURE, ["h"]),
        (1, 1, NAME, b"c", 5, 6, SIGNATURE, "h:7"),
        (2,),
        (2, True),
        (3, "x"),
        (4, ["c"]),
        (4, [b"c"] * 1_025),
        (4, [], [[BEN]]),
        (4, [], [[BEN[1:], ["h", 7]]]),
        (4, [], [[BEN, ["h", 7]]] * 1_025),
        (5, None),
        (5, [b"", None, SIGNATURE, NAME, SIGNATURE]),
        (6, [[LOG, 1]]),
        (6, [[LOG, 2, 1]]),
        (7, [[LOG, 1, 2]] * 2_049),
        (8, 5),
        (9, ANA, "eu"),
        (9, ANA[1:], "eu", []),
        (9, ANA, b"eu", []),
        (9, ANA, "eu", [[LOG, 1]]),
        (9, ANA, "eu", [[LOG, 1, 2]] * 2_049),
        (10, 1),
        (10, 1, 1 << 63, "x")[:2],
        (11, -1),
        (12, 3, [[LOG, 1]]),
        (12, 3, [[LOG, 1, [[1, 2, NAME[1:]]]]]),
        (12, 3, [[LOG, 1, [[1, 2]]]]),
        (12, 3, [[LOG, 1, [[1, 2, ""]]]]),
        (12, 3, [[LOG, 1, []]] * 1_025),
        (12, 3, [], 1),
        (12, 3, [], True, 0),
        (13, [1]),
        (14, [], -1),
    ],
)
def test_a_frame_with_a_field_that_cannot_be_is_refused(parts: tuple[object, ...]) -> None:
    with pytest.raises(DecodeError):
        frame(*parts)


def test_a_frame_that_lacks_elements_says_how_many() -> None:
    with pytest.raises(DecodeError, match="frame 9 needs 3 elements, found 1"):
        frame(9, ANA)


def test_the_pages_themselves_are_within() -> None:
    log = LogId(*LOG)  # type: ignore[arg-type]
    for one in (
        f.Want(((log, 1, 2),) * PAGE_INTERVALS_MAX),
        f.Stored(ANA, "eu", ((log, 1, 5),) * PAGE_INTERVALS_MAX),
        f.Members((b"c",) * PAGE_LOGS_MAX, ((BEN, Address("h" * 255, 1)),) * PAGE_LOGS_MAX),
        f.Vector(1, (f.LogState(log, 1, ((1, 2, NAME),) * PAGE_INTERVALS_MAX),)),
    ):
        assert decode_frame(encode_frame(one)) == one


def test_a_run_whose_last_name_was_lost_with_a_damaged_row_can_be_told() -> None:
    """Otherwise one flipped bit on a disk would break every link on which its node compares what it has."""
    vector = f.Vector(1, (f.LogState(LogId(ANA, 1), 9, ((1, 2, UNKNOWN_NAME), (5, 6, NAME))),))

    assert decode_frame(encode_frame(vector)) == vector


def test_a_frame_holds_the_largest_batch_and_not_a_byte_over_a_mebibyte_and_a_quarter() -> None:
    assert FRAME_BYTES_MAX == 1_310_720
    assert FRAME_BYTES_MAX > BODY_BYTES_MAX + 1_024
    with pytest.raises(DecodeError, match="larger than 1310720 bytes"):
        decode_frame(bytes(FRAME_BYTES_MAX + 1))
