"""Records: what a stranger may have sealed is typed and bounded before anyone believes it."""

from typing import Any

import msgpack
import pytest

from mesh.errors import DecodeError
from mesh.log.record import (
    HEADERS_MAX,
    NESTING_MAX,
    RECORD_BYTES_MAX,
    RECORD_NESTING_MAX,
    TTL_DEFAULTED,
    TTL_MS_MAX,
    MessageName,
    Record,
    decode_records,
    encode_record,
    refuse_depth,
    unpacker,
)
from tests.samples import WALL_MS, record

FIELDS: list[Any] = ["room/1", "pub", 7, 1, WALL_MS << 16, 1_000, 1, [], {"k": "v"}, b"hello"]


def with_field(index: int, value: object) -> bytes:
    return msgpack.packb([*FIELDS[:index], value, *FIELDS[index + 1 :]])


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_records_lie_back_to_back_and_keep_their_bytes() -> None:
    one, two = record(1, b"a", headers={"k": "v"}), record(2, b"b" * 300)

    assert decode_records(one.raw + two.raw, 2) == [one, two]


def test_no_record_is_read_from_nothing() -> None:
    assert decode_records(b"", 0) == []


def test_a_record_has_a_name_and_dies_after_its_time_to_live() -> None:
    one = record(3, stamp=(WALL_MS << 16) + 9, ttl_ms=5)

    assert one.name == MessageName("pub", 7, 3)
    assert one.expires_ms == WALL_MS + 5


@pytest.mark.parametrize(("body", "offset"), [(b"", 0), (b"\x9a", 0), (b"\xc1", 0), (record(1).raw[:-1], 0)])
def test_a_record_that_is_cut_short_or_is_none_says_where(body: bytes, offset: int) -> None:
    with pytest.raises(DecodeError, match="a record does not decode") as caught:
        decode_records(body, 1)

    assert caught.value.offset == offset


def test_the_offset_is_that_of_the_record_which_fails() -> None:
    one = record(1).raw

    with pytest.raises(DecodeError, match="a record does not decode") as missing:
        decode_records(one, 2)
    with pytest.raises(DecodeError, match=r"^bytes follow the last record") as surplus:
        decode_records(one + b"\xc0", 1)

    assert (missing.value.offset, surplus.value.offset) == (len(one), len(one))


@pytest.mark.parametrize("value", [1, None, "text", {}, FIELDS[:9]])
def test_what_is_no_array_of_ten_is_no_record(value: object) -> None:
    with pytest.raises(DecodeError, match=r"^a record is an array of ten$"):
        decode_records(msgpack.packb(value), 1)


NO_NUMBERS = [-1, 1 << 63, True, 1.0, "1", None]


@pytest.mark.parametrize(
    ("index", "values", "why"),
    [
        (0, ["", "a/+", b"room", 1, "$mesh", "x" * 256], "a record's channel is invalid"),
        (1, ["", "x" * 129, "é" * 65, b"pub", None], "a record's publisher is invalid"),
        (2, NO_NUMBERS, "a record's numbers are invalid"),
        (3, NO_NUMBERS, "a record's numbers are invalid"),
        (4, NO_NUMBERS, "a record's numbers are invalid"),
        (5, [0, -1, TTL_MS_MAX + 1, True, 1.5, None], "a record's time to live is invalid"),
        (6, NO_NUMBERS, "a record's numbers are invalid"),
        (7, [None, {}, "causes"], "a record's payload, causes or headers are invalid"),
        (8, [None, [], "headers"], "a record's payload, causes or headers are invalid"),
        (9, [None, [], "text"], "a record's payload, causes or headers are invalid"),
        (8, [{"k": 1}, {"k": b"v"}, {b"k": "v"}], "headers are at most 64 pairs of text"),
        (8, [{str(n): "" for n in range(HEADERS_MAX + 1)}], "headers are at most 64 pairs of text"),
        (3, [0], "sequences start at 1"),
        (7, [nested(RECORD_NESTING_MAX)], "nested too deeply"),
        (7, [[msgpack.ExtType(5, b"")]], "extension types are not used"),
    ],
)
def test_every_field_is_typed_and_bounded(index: int, values: list[object], why: str) -> None:
    for value in values:
        with pytest.raises(DecodeError, match=f"^{why}$"):
            decode_records(with_field(index, value), 1)


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, "x" * 255),
        (1, "x" * 128),
        (1, "é" * 64),
        (1, "x"),
        (2, 0),
        (2, (1 << 63) - 1),
        (3, (1 << 63) - 1),
        (4, 0),
        (5, 1),
        (5, TTL_MS_MAX),
        (6, (1 << 63) - 1),
        (7, nested(RECORD_NESTING_MAX - 1)),
        (8, {str(n): "" for n in range(HEADERS_MAX)}),
        (9, b""),
    ],
)
def test_the_bounds_themselves_are_within(index: int, value: object) -> None:
    (found,) = decode_records(with_field(index, value), 1)

    assert list(found[:10]) == [*FIELDS[:index], value, *FIELDS[index + 1 :]]


def test_surplus_elements_are_carried_on_but_only_as_deep_as_can_be_delivered() -> None:
    """A record lies two arrays deep in `Messages`: what is deeper would cut off every subscriber that it reaches."""
    raw = msgpack.packb([*FIELDS, nested(RECORD_NESTING_MAX - 1)])

    (found,) = decode_records(raw, 1)

    assert (found.raw, list(found[:10])) == (raw, FIELDS)
    refuse_depth([[msgpack.unpackb(raw)]], NESTING_MAX)
    for surplus in (nested(RECORD_NESTING_MAX), msgpack.ExtType(5, b"")):
        with pytest.raises(DecodeError):
            decode_records(msgpack.packb([*FIELDS, surplus]), 1)


def test_a_record_of_a_mebibyte_passes_and_one_byte_more_does_not() -> None:
    overhead = len(record(1, bytes(RECORD_BYTES_MAX // 2)).raw) - RECORD_BYTES_MAX // 2
    largest = record(1, bytes(RECORD_BYTES_MAX - overhead))
    assert len(largest.raw) == RECORD_BYTES_MAX

    assert decode_records(largest.raw, 1) == [largest]
    with pytest.raises(DecodeError, match="a record is larger than 1048576 bytes") as caught:
        decode_records(record(1).raw + record(1, bytes(RECORD_BYTES_MAX - overhead + 1)).raw, 2)
    assert caught.value.offset == len(record(1).raw)


@pytest.mark.parametrize("value", [[{}], {"k": []}, [[]], {"k": {}}, [1, {}], [{}, 1]])
def test_depth_counts_arrays_and_maps_alike(value: object) -> None:
    refuse_depth(value, 2)
    with pytest.raises(DecodeError, match="nested too deeply"):
        refuse_depth(value, 1)


def read(value: object, size_max: int = 50_000) -> object:
    reader = unpacker(size_max)
    reader.feed(value if isinstance(value, bytes) else msgpack.packb(value))
    return reader.unpack()


def test_the_reader_builds_all_that_is_within_our_limits() -> None:
    texts = dict.fromkeys(map(str, range(4_096)), 0)

    for value in ([0] * 4_096, texts, msgpack.ExtType(5, b""), ["text", b"bytes"], {b"k": 1}):
        assert read(value) == value
    assert (read("s" * 7, 8), read(msgpack.packb(b"b" * 6), 8)) == ("s" * 7, b"b" * 6)


@pytest.mark.parametrize(
    "value",
    [
        [0] * 4_097,
        dict.fromkeys(map(str, range(4_097)), 0),
        msgpack.ExtType(5, b"1"),
        {1: 1},
    ],
)
def test_the_reader_builds_nothing_beyond_our_limits(value: object) -> None:
    with pytest.raises(ValueError, match=r"exceeds|not allowed"):
        read(value)


def test_the_reader_takes_no_more_bytes_than_it_was_told() -> None:
    for size_max, size in ((8, 8), (0, 1)):
        unpacker(size_max).feed(bytes(size))
        with pytest.raises(msgpack.BufferFull):
            unpacker(size_max).feed(bytes(size + 1))


def test_records_are_measured_one_by_one() -> None:
    one, two = record(1, bytes(600_000)), record(2, bytes(600_000))

    assert decode_records(one.raw + two.raw, 2) == [one, two]


def test_the_reason_is_told_even_where_the_reader_has_no_words() -> None:
    with pytest.raises(DecodeError, match="a record does not decode: No more data to unpack"):
        decode_records(b"", 1)
    with pytest.raises(DecodeError, match="a record does not decode: FormatError"):
        decode_records(b"\xc1", 1)
    with pytest.raises(DecodeError, match=r"^a record does not decode: .* \(at byte \d+\)$"):
        decode_records(record(1).raw + b"\xc1", 2)


def test_an_empty_array_has_a_depth_of_one() -> None:
    for value in ([], {}):
        refuse_depth(value, 1)
        with pytest.raises(DecodeError, match="nested too deeply"):
            refuse_depth(value, 0)


def test_plain_values_have_no_depth() -> None:
    for value in (1, "text", b"bytes", None, 1.5, True):
        refuse_depth(value, 0)


def test_an_extension_type_is_refused_wherever_it_stands() -> None:
    for value in (msgpack.ExtType(1, b""), [msgpack.ExtType(1, b"")], {"k": msgpack.ExtType(1, b"")}):
        with pytest.raises(DecodeError, match="extension types are not used"):
            refuse_depth(value, 3)


def changed(**fields: object) -> Record:
    return record(1)._replace(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [changed(stamp=5), changed(flags=1 | 16), changed(flags=1 | 1 << 40), changed(raw=b"other"), record(1)],
)
def test_one_message_is_known_by_all_that_its_publisher_sent(other: Record) -> None:
    assert record(1).same_message(other)
    assert other.same_message(record(1))
    assert other.content() == record(1).content()


@pytest.mark.parametrize(
    "other",
    [
        changed(channel="room/2"),
        changed(publisher="other"),
        changed(incarnation=8),
        changed(sequence=2),
        changed(ttl_ms=1),
        changed(flags=2),
        changed(flags=5),
        changed(flags=1 | TTL_DEFAULTED),
        changed(flags=1 | TTL_DEFAULTED, ttl_ms=1),
        changed(causes=[1]),
        changed(headers={"k": "v"}),
        changed(payload=b"hullo"),
    ],
)
def test_two_messages_differ_in_any_of_it(other: Record) -> None:
    assert not record(1).same_message(other)
    assert other.content() != record(1).content() or other.name != record(1).name


def test_the_order_of_headers_is_no_part_of_a_message() -> None:
    one, other = changed(headers={"a": "1", "b": "2"}), changed(headers={"b": "2", "a": "1"})

    assert one.same_message(other)
    assert one.content() == other.content()


def test_a_time_to_live_that_no_publisher_named_is_no_part_of_the_message() -> None:
    one, other = (changed(flags=1 | TTL_DEFAULTED, ttl_ms=ttl_ms) for ttl_ms in (1, 2))

    assert one.same_message(other)
    assert one.content() == other.content()
    assert not one.same_message(other._replace(flags=2 | TTL_DEFAULTED))


def test_a_record_is_encoded_as_the_array_that_it_is() -> None:
    assert msgpack.unpackb(encode_record(tuple(FIELDS))) == FIELDS
