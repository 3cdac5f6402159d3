"""Cursors: their text, how they compare, and what is damaged."""

import zlib
from base64 import urlsafe_b64encode

import msgpack
import pytest

from mesh.client.seen import Seen
from mesh.clocks.vector import Order, VersionVector
from mesh.codes import Code
from mesh.types import LogId, NodeId
from nodes.sdk.cursor import CURSOR_BYTES_MAX, PREFIX, Cursor
from nodes.sdk.messages import GossamerError
from tests.samples import record

LOG = LogId(NodeId(b"a" * 32), 7, "")
OTHER = LogId(NodeId(b"b" * 32), 1 << 60, "")


def vector(*spans: tuple[LogId, int, int]) -> VersionVector:
    found = VersionVector()
    for log, first, last in spans:
        found.add(log, first, last)
    return found


def test_the_text_of_a_cursor_is_one_word_and_gives_the_cursor() -> None:
    seen = Seen()
    seen.note(record(sequence=9))
    cursor = Cursor(vector((LOG, 1, 5), (LOG, 8, 9), (OTHER, 1, 1)), seen)

    again = Cursor.parse(f" {cursor}\n")

    assert str(cursor).startswith(PREFIX) and str(cursor).replace("-", "a").replace("_", "a").isalnum()
    assert again == cursor
    assert again.vector == cursor.vector
    assert again.seen.parts() == seen.parts()
    assert hash(again) == hash(cursor)
    assert repr(again) == "<Cursor 8 records of 2 logs>"


def test_cursors_compare_as_vectors() -> None:
    low, high, aside = (Cursor(vector((LOG, 1, n))) for n in (1, 2, 3))
    aside = Cursor(vector((OTHER, 1, 1)))

    assert (low.compare(high), high.compare(low)) == (Order.BEFORE, Order.AFTER)
    assert (low.compare(aside), low.compare(low)) == (Order.CONCURRENT, Order.EQUAL)
    assert low not in (high, "gsc1-")


def test_a_cursor_does_not_change_with_what_it_was_made_of() -> None:
    mine = vector((LOG, 1, 1))
    cursor = Cursor(mine)

    mine.add(LOG, 2, 2)
    cursor.vector.add(LOG, 3, 3)

    assert cursor == Cursor(vector((LOG, 1, 1)))


def folded(raw: bytes) -> str:
    return PREFIX + urlsafe_b64encode(zlib.compress(raw)).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gsc1-",
        "gsc1-!!!",
        str(Cursor(VersionVector())).removeprefix(PREFIX),
        str(Cursor(vector((LOG, 1, 5))))[:-6],
        folded(b"\xc1"),
        folded(msgpack.packb([])),
        folded(msgpack.packb([[], 5])),
        folded(b"\0" * (CURSOR_BYTES_MAX + 1)),
    ],
)
def test_a_damaged_cursor_is_refused(text: str) -> None:
    with pytest.raises(GossamerError) as caught:
        Cursor.parse(text)

    assert caught.value.code == Code.FIELD_INVALID


def test_names_make_way_when_a_cursor_grows_too_large() -> None:
    seen = Seen(1 << 16)
    for number in range(6_000):
        seen.note(record(publisher=f"{number:060}", sequence=1))

    again = Cursor.parse(str(Cursor(vector((LOG, 1, 5)), seen)))

    assert again.vector == vector((LOG, 1, 5))
    assert 0 < len(again.seen.parts()) < 6_000
