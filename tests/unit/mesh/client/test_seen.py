"""Names that were seen: each message new once, late where its successor came before, and never more than fits."""

from typing import Any

import pytest

from mesh.client.seen import RUNS_MAX, Seen
from mesh.errors import DecodeError
from tests.samples import record

NEW, LATE, AGAIN = (True, False), (True, True), (False, False)


def note(seen: Seen, *sequences: int, publisher: str = "p", channel: str = "a") -> list[tuple[bool, bool]]:
    return [seen.note(record(n, publisher=publisher, channel=channel)) for n in sequences]


def test_a_message_is_new_once_whatever_its_channel() -> None:
    seen = Seen()

    assert note(seen, 1, 2, 1, 3) == [NEW, NEW, AGAIN, NEW]
    assert note(seen, 3, channel="b") == [AGAIN]
    assert seen.note(record(3, publisher="p", incarnation=8)) == NEW
    assert note(seen, 3, publisher="q") == [NEW]
    assert not seen.forgot


def test_a_message_is_late_after_its_successor_in_its_channel() -> None:
    seen = Seen()

    assert note(seen, 5, channel="a") == [NEW]
    assert note(seen, 3, channel="b") == [NEW]
    assert note(seen, 4, 6, channel="a") == [LATE, NEW]
    assert note(seen, 5, channel="b") == [AGAIN]


def test_beyond_the_limit_the_publisher_heard_longest_ago_is_forgotten_and_it_is_said() -> None:
    seen = Seen(3)
    note(seen, 1, publisher="p")
    note(seen, 1, publisher="q")
    note(seen, 2, publisher="p")
    note(seen, 4, publisher="p")
    assert (seen.runs, seen.forgot) == (3, False)

    assert note(seen, 1, publisher="r") == [NEW]

    assert (seen.runs, seen.forgot) == (3, True)
    assert note(seen, 1, publisher="q") == [NEW]
    assert note(seen, 1, publisher="r") == [AGAIN]


def test_of_a_publisher_that_is_alone_the_lower_half_goes() -> None:
    """A subscriber of one of its channels sees every other sequence: a run for each, for ever."""
    seen = Seen(10)

    for sequence in range(1, 2_000, 2):
        assert note(seen, sequence) == [NEW]
        assert seen.runs == len(seen._seen["p", 7]) <= 10

    assert seen.forgot
    assert note(seen, 1_999, 1_997) == [AGAIN, AGAIN]
    assert note(seen, 1) == [LATE]


def test_runs_are_joined_and_counted() -> None:
    seen = Seen()
    note(seen, 1, 3)
    assert seen.runs == 2

    note(seen, 2)

    assert seen.runs == 1


def test_channels_are_bounded_too() -> None:
    seen = Seen(5)

    for sequence in range(1, 101):
        note(seen, sequence, channel=f"c/{sequence}")

    assert len(seen._newest) == 5
    assert (seen.runs, seen.forgot) == (1, False)
    assert RUNS_MAX == 65_536


def test_a_copy_lives_its_own_life() -> None:
    seen = Seen(5)
    note(seen, 1, 5)

    twin = seen.copy()
    note(twin, 2, 9)

    assert note(seen, 2, 9) == [LATE, NEW]
    assert (twin.runs, seen.runs) == (3, 3)
    assert twin._runs_max == 5


def test_what_was_seen_is_kept_beside_a_cursor_and_read_again() -> None:
    seen = Seen()
    note(seen, 1, 2, 5, channel="a")
    note(seen, 4, publisher="q", channel="b")

    parts = seen.parts()

    assert parts == [["q", 7, [[4, 4]], {"b": 4}], ["p", 7, [[1, 2], [5, 5]], {"a": 5}]]
    again = Seen.from_parts(parts)
    assert again.parts() == parts
    assert again.runs == seen.runs == 3
    assert note(again, 2, 3, 6) == [AGAIN, LATE, NEW]


def test_a_channel_of_a_publisher_that_was_forgotten_is_not_kept() -> None:
    seen = Seen(1)
    note(seen, 1, publisher="p")
    note(seen, 1, publisher="q", channel="b")

    assert seen.parts() == [["q", 7, [[1, 1]], {"b": 1}]]


def test_what_is_read_is_bounded_by_the_newest() -> None:
    parts = [["q", 7, [[4, 4]], {"b": 4}], ["p", 7, [[1, 2], [5, 5]], {"a": 5}]]

    some = Seen.from_parts(parts, 2)

    assert some.parts() == [parts[0]]
    assert some.forgot
    assert len(Seen.from_parts([["q", 7, [[1, 1]], {"a": 1, "b": 2, "c": 3}]], 2)._newest) == 2


@pytest.mark.parametrize(
    "parts",
    [
        5,
        [5],
        [["p", 7, []]],
        [[b"p", 7, [], {}]],
        [["p", True, [], {}]],
        [["p", 7, [[1]], {}]],
        [["p", 7, [[0, 1]], {}]],
        [["p", 7, [[2, 1]], {}]],
        [["p", 7, [["1", 2]], {}]],
        [["p", 7, 5, {}]],
        [["p", 7, [], []]],
        [["p", 7, [], {5: 1}]],
        [["p", 7, [], {"a": "1"}]],
    ],
)
def test_what_was_not_written_so_is_refused(parts: Any) -> None:
    with pytest.raises(DecodeError, match="names that were seen do not decode"):
        Seen.from_parts(parts)
