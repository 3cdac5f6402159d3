"""Batches: sealed, verified alone, in any order; whatever was changed on the way does not pass."""

import zlib
from typing import Any

import msgpack
import pytest

from mesh.clocks.hybrid import stamp_ms, stamp_of
from mesh.crypto import name_of
from mesh.errors import DecodeError
from mesh.log import batch as b
from mesh.log.batch import (
    BATCH_RECORDS_MAX,
    BODY_BYTES_MAX,
    CODEC_PLAIN,
    CODEC_ZLIB,
    HEADER_BYTES_MAX,
    NO_NAME,
    NUMBER_MAX,
    OVERHEAD_BYTES,
    POSITION_MAX,
    Batch,
    Header,
    KeyProven,
    agreed,
    batch_from_parts,
    contradict,
    decode_header,
    encode_header,
    expires_after,
    stamp_wall_ms,
    verify,
)
from mesh.log.record import TTL_MS_MAX, Record
from mesh.types import LogId
from tests.samples import ANA, BEN, DAY_MS, MESH, SIGNER_OF, SUITE, WALL_MS, Writer, received, record, rekeyed

HEAD = Header(LogId(ANA, 9, "s"), 5, 3, 77, 88, 2, b"p" * 32, b"h" * 32, CODEC_PLAIN)


def judged(batch: Batch, mesh: bytes = MESH) -> str:
    return verify(batch, mesh, SUITE, {})


def resigned(batch: Batch, writer: Writer, body: bytes | None = None, **fields: Any) -> Batch:
    """A batch whose header was changed and signed again: what a hostile node could seal."""
    if body is not None:
        fields["body_hash"] = name_of(body)
    header = encode_header(batch.head._replace(**fields))
    new_body = batch.body if body is None else body
    return Batch(header, new_body, writer.signer.sign(header), batch.epoch_public, batch.epoch_proof)


# --- sealing ---------------------------------------------------------------------------------------------------------


def test_a_sealed_batch_says_what_it_holds() -> None:
    records = [record(1, stamp=stamp_of(WALL_MS), ttl_ms=9), record(2, stamp=stamp_of(WALL_MS) + 5, ttl_ms=4)]
    writer = Writer()

    batch = writer.seal(records, floor=1)

    body = records[0].raw + records[1].raw
    stamp = stamp_of(WALL_MS) + 5
    assert batch.head == Header(writer.log, 1, 2, stamp, WALL_MS + 9, 1, NO_NAME, name_of(body), CODEC_PLAIN)
    assert (batch.log, batch.first, batch.last, batch.head.last) == (writer.log, 1, 2, 2)
    assert (batch.body, batch.size) == (body, OVERHEAD_BYTES + len(body))
    assert batch.name == name_of(batch.header)
    assert batch.records() is records
    assert batch.earliest_expiry_ms() == WALL_MS + 4
    assert stamp_wall_ms(batch) == WALL_MS
    assert repr(batch) == f"Batch({writer.epoch}:1..2)"


def test_batches_chain_by_name_and_place() -> None:
    writer = Writer()

    first, second = writer.write(3), writer.write(2)

    assert (first.head.previous, second.head.previous) == (NO_NAME, first.name)
    assert (second.first, second.last) == (4, 5)


def test_the_floor_is_signed_with_the_header() -> None:
    assert Writer().seal([record()], floor=7).head.floor == 7
    assert Writer().write().head.floor == 1


def test_nothing_is_below_the_floor_unless_it_is_said() -> None:
    writer = Writer()

    batch = b.seal(writer.log, 1, NO_NAME, [record()], writer.signer, writer.opened)

    assert batch.head.floor == 1


def test_what_opens_an_epoch_is_the_same_in_every_version() -> None:
    assert b.epoch_statement(b"m" * 32, type(ANA)(b"n" * 32), 258, b"p" * 32) == (
        b"gossamer-epoch-1" + b"m" * 32 + b"n" * 32 + b"\0\0\0\0\0\0\1\2" + b"p" * 32
    )


# --- travelling ------------------------------------------------------------------------------------------------------


def test_a_batch_travels_as_five_byte_strings() -> None:
    batch = Writer().write(3)

    again = batch_from_parts(msgpack.unpackb(msgpack.packb(batch.parts())))

    assert again == batch
    assert hash(again) == hash(batch) == hash(batch.name)
    assert again.records() == batch.records()
    assert again.parts() == [batch.header, batch.body, batch.signature, batch.epoch_public, batch.epoch_proof]


def test_surplus_parts_are_ignored() -> None:
    batch = Writer().write()

    assert batch_from_parts([*batch.parts(), "later"]) == batch


def test_without_its_body_a_batch_keeps_its_name_and_has_no_records() -> None:
    batch = Writer().write(3)

    bare = batch.stripped()

    assert bare.parts() == [batch.header, None, batch.signature, batch.epoch_public, batch.epoch_proof]
    assert (bare.name, bare.head, bare.size) == (batch.name, batch.head, OVERHEAD_BYTES)
    assert (bare.records(), bare.earliest_expiry_ms(), bare.matches_name()) == ([], 0, True)
    assert bare != batch
    assert bare == batch_from_parts(bare.parts())
    assert repr(bare).endswith("1..3 stripped)")


def test_batches_equal_only_batches() -> None:
    batch = Writer().write()

    assert batch != batch.parts()


@pytest.mark.parametrize(
    ("index", "value", "why"),
    [
        (0, "text", "a batch is an array of five byte strings"),
        (1, "text", "a batch's body is too large"),
        (1, bytes(BODY_BYTES_MAX + 1), "a batch's body is too large"),
        (2, None, "a batch is an array of five byte strings"),
        (2, b"s" * 63, "a batch's key or signature has the wrong size"),
        (3, b"k" * 33, "a batch's key or signature has the wrong size"),
        (3, 5, "a batch is an array of five byte strings"),
        (4, b"p" * 65, "a batch's key or signature has the wrong size"),
        (4, [], "a batch is an array of five byte strings"),
    ],
)
def test_parts_are_typed_and_bounded(index: int, value: object, why: str) -> None:
    parts = Writer().write().parts()
    parts[index] = value

    with pytest.raises(DecodeError, match=f"^{why}$"):
        batch_from_parts(parts)


@pytest.mark.parametrize("parts", [None, {}, [], [b"", b"", b"", b""], "12345"])
def test_fewer_than_five_parts_are_no_batch(parts: object) -> None:
    with pytest.raises(DecodeError, match="a batch is an array of five byte strings"):
        batch_from_parts(parts)


def test_the_largest_body_travels() -> None:
    parts = Writer().write().parts()
    parts[1] = bytes(BODY_BYTES_MAX)

    assert batch_from_parts(parts).body == bytes(BODY_BYTES_MAX)


# --- headers ---------------------------------------------------------------------------------------------------------


def test_a_header_is_read_as_it_was_written() -> None:
    assert decode_header(encode_header(HEAD)) == HEAD
    assert (HEAD.last, HEAD._replace(length=1).last) == (7, 5)


def header_with(index: int, value: object) -> bytes:
    fields = msgpack.unpackb(encode_header(HEAD))
    fields[index] = value
    return msgpack.packb(fields)


NO_NUMBERS = [-1, NUMBER_MAX, True, 1.0, "1", None]


@pytest.mark.parametrize(
    ("index", "values", "why"),
    [
        (0, [0, 2, True, 1.0, "1", None], "a header has another format"),
        (1, [b"n" * 31, b"n" * 33, "n" * 32], "a header's names are invalid"),
        (2, NO_NUMBERS, "a header's numbers are invalid"),
        (3, [None, b"s", 1], "a header's names are invalid"),
        (4, NO_NUMBERS, "a header's numbers are invalid"),
        (5, NO_NUMBERS, "a header's numbers are invalid"),
        (6, NO_NUMBERS, "a header's numbers are invalid"),
        (7, NO_NUMBERS, "a header's numbers are invalid"),
        (8, NO_NUMBERS, "a header's numbers are invalid"),
        (9, [b"p" * 31, None], "a header's names are invalid"),
        (10, [b"h" * 33, "h" * 32], "a header's names are invalid"),
        (11, NO_NUMBERS, "a header's numbers are invalid"),
        (4, [0, POSITION_MAX - 2, POSITION_MAX], "a header's place or codec is invalid"),
        (5, [0, BATCH_RECORDS_MAX + 1], "a header's place or codec is invalid"),
        (11, [2], "a header's place or codec is invalid"),
    ],
)
def test_every_field_of_a_header_is_typed_and_bounded(index: int, values: list[object], why: str) -> None:
    for value in values:
        with pytest.raises(DecodeError, match=f"^{why}$"):
            decode_header(header_with(index, value))


@pytest.mark.parametrize(
    ("index", "value"),
    [(2, NUMBER_MAX - 1), (4, 1), (4, POSITION_MAX - 3), (5, 1), (5, BATCH_RECORDS_MAX), (6, 0), (8, 0), (11, 1)],
)
def test_the_bounds_of_a_header_are_within(index: int, value: int) -> None:
    assert msgpack.unpackb(encode_header(decode_header(header_with(index, value))))[index] == value


def test_the_last_position_stays_where_frames_can_name_it() -> None:
    """A batch beyond would be stored, and then every vector that names it would break the link it is sent on."""
    assert decode_header(header_with(4, POSITION_MAX - 3)).last == POSITION_MAX - 1


def test_what_is_no_header_is_refused_and_says_where() -> None:
    whole = encode_header(HEAD)
    for broken in (b"", whole[:-1], b"\xc1", b"\x9c" + b"\x91" * 400):
        with pytest.raises(DecodeError, match="a header does not decode"):
            decode_header(broken)
    for other in (b"\x80", b"\x01", msgpack.packb([1] * 11), msgpack.packb([1] * 13)):
        with pytest.raises(DecodeError, match="a header has another format"):
            decode_header(other)
    with pytest.raises(DecodeError, match=r"^bytes follow the header") as caught:
        decode_header(whole + b"\x00")
    assert caught.value.offset == len(whole)


def test_the_reason_is_told_even_where_the_reader_has_no_words() -> None:
    with pytest.raises(DecodeError, match="a header does not decode: Unpack failed: incomplete input"):
        decode_header(b"")
    with pytest.raises(DecodeError, match="a header does not decode: FormatError"):
        decode_header(b"\xc1")


def test_a_header_has_its_largest_size() -> None:
    space = "s" * (HEADER_BYTES_MAX - len(encode_header(HEAD._replace(log=LogId(ANA, 9, "s" * 256)))) + 256)
    largest = encode_header(HEAD._replace(log=LogId(ANA, 9, space)))
    assert len(largest) == HEADER_BYTES_MAX

    assert decode_header(largest).log.space == space
    with pytest.raises(DecodeError, match=r"^a header is too large$"):
        decode_header(encode_header(HEAD._replace(log=LogId(ANA, 9, space + "s"))))


# --- bodies ----------------------------------------------------------------------------------------------------------


def packed_batch(body: bytes, length: int = 1) -> Batch:
    writer = Writer()
    return resigned(writer.write(), writer, body, codec=CODEC_ZLIB, length=length)


def test_a_body_that_does_not_unfold_is_found() -> None:
    for body in (b"no zlib", b"", zlib.compress(record().raw)[:-1], zlib.compress(record().raw) + b"x"):
        with pytest.raises(DecodeError, match="unfold"):
            packed_batch(body).plain_body()


def test_a_bomb_is_not_unfolded() -> None:
    with pytest.raises(DecodeError, match=r"^a body unfolds to more than a batch may hold$"):
        packed_batch(zlib.compress(bytes(BODY_BYTES_MAX + 1))).plain_body()
    assert len(packed_batch(zlib.compress(bytes(BODY_BYTES_MAX - 1))).plain_body()) == BODY_BYTES_MAX - 1


def test_records_are_decoded_once() -> None:
    batch = received(Writer().write(2))

    assert batch.records() is batch.records()
    assert batch.earliest_expiry_ms() == min(r.expires_ms for r in batch.records())
    batch._records = []
    assert batch.earliest_expiry_ms() == WALL_MS + DAY_MS


# --- verifying -------------------------------------------------------------------------------------------------------


def test_what_its_node_sealed_verifies_and_its_epoch_is_remembered() -> None:
    writer = Writer()
    known: dict[Any, KeyProven] = {}

    assert verify(received(writer.write(3)), MESH, SUITE, known) == ""
    assert known == {(ANA, writer.epoch): (writer.signer.public, writer.opened.proof)}
    assert verify(received(writer.write(1)), b"another mesh", SUITE, known) == "", "a proof is not checked again"


def test_without_its_body_a_batch_verifies() -> None:
    assert judged(Writer().write(3).stripped()) == ""


def test_an_epoch_that_the_node_did_not_sign_is_refused_and_not_remembered() -> None:
    writer = Writer()
    batch = writer.write()
    forged = Batch(batch.header, batch.body, batch.signature, batch.epoch_public, SIGNER_OF[BEN].sign(b"me too"))
    known: dict[Any, KeyProven] = {}

    assert verify(forged, MESH, SUITE, known) == "the epoch is not signed by its node"
    assert known == {}
    assert judged(batch, mesh=b"n" * 32) == "the epoch is not signed by its node"


def test_the_epoch_of_a_batch_that_does_not_pass_is_not_remembered() -> None:
    batch = Writer().write(3)
    known: dict[Any, KeyProven] = {}
    unsigned = Batch(batch.header, batch.body, bytes(64), batch.epoch_public, batch.epoch_proof)
    altered = Batch(batch.header, b"other", batch.signature, batch.epoch_public, batch.epoch_proof)

    assert verify(unsigned, MESH, SUITE, known) == "the signature does not verify"
    assert verify(altered, MESH, SUITE, known) == "the body is not the one that was signed"
    assert known == {}


def test_without_its_body_a_batch_says_no_later_expiry_than_a_record_may_have() -> None:
    writer = Writer()
    batch = writer.write()
    longest = stamp_ms(batch.head.stamp) + TTL_MS_MAX

    for expires_ms, fault in ((longest, ""), (longest + 1, "the header's expiry is later than any record's")):
        header = encode_header(batch.head._replace(expires_ms=expires_ms))
        signature = writer.signer.sign(header)
        assert judged(Batch(header, None, signature, batch.epoch_public, batch.epoch_proof)) == fault


def test_an_epoch_has_one_key() -> None:
    writer = Writer()
    known = {(ANA, writer.epoch): b"k" * 32}

    assert verify(writer.write(), MESH, SUITE, known) == "the epoch has another key"


def test_a_first_batch_has_none_before_it() -> None:
    writer = Writer()
    batch = writer.write()

    assert judged(resigned(batch, writer, previous=b"p" * 32)) == "a first batch has none before it"
    assert judged(resigned(batch, writer, previous=b"p" * 32, first=2)) == ""


# --- contradictions --------------------------------------------------------------------------------------------------


def cuts(*counts: int, payload: bytes = b"one") -> list[Batch]:
    """A history of one log, cut into batches of so many records."""
    writer = Writer()
    return [writer.write(count, payload=payload) for count in counts]


def test_what_one_node_sealed_in_one_log_contradicts_nothing() -> None:
    one, two, three = cuts(1, 2, 1)

    assert not any(contradict(a, b) for a in (one, two, three) for b in (one, two, three))
    assert not contradict(one, Writer(BEN).write(payload=b"other"))
    assert not contradict(one, received(one).stripped())


@pytest.mark.parametrize(
    ("ours", "theirs", "end"),
    [
        ((1,), (1,), 0),  # each its first
        ((2, 1), (2, 1), 2),  # the same places
        ((1, 1), (5,), 0),  # one within the other
        ((3,), (2, 2), 0),  # they overlap by one
    ],
)
def test_different_batches_at_one_place_contradict_each_other(
    ours: tuple[int, ...], theirs: tuple[int, ...], end: int
) -> None:
    one, other = cuts(*ours)[-1], cuts(*theirs, payload=b"other")[-1]

    assert contradict(one, other)
    assert contradict(other, one)
    assert agreed(one, other) == agreed(other, one) == end


def test_a_batch_that_follows_another_than_the_one_before_it_contradicts_that_one() -> None:
    (one, two, _), (_, _, three) = cuts(1, 2, 1), cuts(1, 2, 1, payload=b"other")

    assert contradict(two, three)
    assert contradict(three, two)
    assert agreed(two, three) == agreed(three, two) == 1
    assert not contradict(one, three)


def test_two_keys_of_one_epoch_contradict_each_other_wherever_they_signed() -> None:
    one = cuts(1)[0]
    writer = rekeyed()
    writer.write(5)

    assert contradict(one, writer.write())
    assert agreed(one, writer.batches[1]) == 0


def test_a_changed_header_or_signature_is_found() -> None:
    writer = Writer()
    batch = writer.write()
    header = encode_header(batch.head._replace(floor=2))

    changed = Batch(header, batch.body, batch.signature, batch.epoch_public, batch.epoch_proof)
    unsigned = Batch(batch.header, batch.body, bytes(64), batch.epoch_public, batch.epoch_proof)

    assert judged(changed) == judged(unsigned) == "the signature does not verify"


def test_another_body_is_found() -> None:
    batch = Writer().write()
    other = Batch(batch.header, record(1, b"hullo").raw, batch.signature, batch.epoch_public, batch.epoch_proof)

    assert not other.matches_name()
    assert judged(other) == "the body is not the one that was signed"


def test_a_signed_body_that_holds_no_records_is_refused() -> None:
    writer = Writer()
    batch = resigned(writer.write(2), writer, b"\xc1")

    assert judged(batch).startswith("a record does not decode")


@pytest.mark.parametrize("fields", [{"stamp": 5}, {"expires_ms": 5}])
def test_a_header_that_lies_about_its_records_is_refused(fields: dict[str, int]) -> None:
    writer = Writer()

    assert judged(resigned(writer.write(2), writer, **fields)) == "the header's stamp or expiry is not the records'"


def sealed_with_stamps(*stamps: int) -> Batch:
    records: list[Record] = [record(n, stamp=stamp) for n, stamp in enumerate(stamps, 1)]
    return received(Writer().seal(records))


def test_stamps_rise_within_a_batch() -> None:
    base = stamp_of(WALL_MS)

    assert judged(sealed_with_stamps(base, base + 1, base + 9)) == ""
    assert judged(sealed_with_stamps(base, base)) == "the stamps do not rise"
    assert judged(sealed_with_stamps(base + 1, base, base + 2)) == "the stamps do not rise"


def test_a_batch_is_alive_while_any_of_its_records_is() -> None:
    batch = Writer().write(1)
    dies = batch.head.expires_ms

    assert expires_after(batch, dies - 1)
    assert not expires_after(batch, dies)
