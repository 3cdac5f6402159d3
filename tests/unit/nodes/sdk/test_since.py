"""From where: spans, dates, milliseconds, cursors, and what is none of these."""

import datetime as dt
import time

import pytest

from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from nodes.sdk.cursor import Cursor
from nodes.sdk.messages import GossamerError
from nodes.sdk.since import since_of


@pytest.mark.parametrize(
    ("text", "ms"),
    [("250ms", 250), ("90s", 90_000), ("1.5m", 90_000), ("1h", 3_600_000), ("2d", 172_800_000), ("1w", 604_800_000)],
)
def test_a_span_counts_back_from_now(text: str, ms: int) -> None:
    before = time.time_ns() // 1_000_000

    found = since_of(text)

    assert isinstance(found, int)
    assert before - ms <= found <= time.time_ns() // 1_000_000 - ms


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (5, 5),
        ("1700000000000", 1_700_000_000_000),
        ("2023-11-14T22:13:20+00:00", 1_700_000_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        (dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC), 1_700_000_000_000),
        ("99999999999999999w", 0),
    ],
)
def test_a_moment_is_milliseconds_since_1970(value: object, ms: int) -> None:
    assert since_of(value) == ms


@pytest.mark.parametrize("value", [None, "now", "", " "])
def test_now_is_nothing(value: object) -> None:
    assert since_of(value) is None


def test_all_is_the_cursor_that_has_seen_nothing() -> None:
    assert since_of("all") == Cursor(VersionVector())


def test_a_cursor_is_taken_as_it_is_or_as_text() -> None:
    cursor = Cursor(VersionVector())

    assert since_of(cursor) is cursor
    assert since_of(str(cursor)) == cursor


@pytest.mark.parametrize("value", ["yesterday", "1y", "-5", -5, True, 1.5, object(), "gsc1-!", "٣s"])
def test_what_is_none_of_these_is_refused(value: object) -> None:
    with pytest.raises(GossamerError) as caught:
        since_of(value)

    assert caught.value.code == Code.FIELD_INVALID
