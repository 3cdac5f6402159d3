"""Where a gap stands among the messages of a page: as early as it may belong."""

import asyncio
from dataclasses import replace

import pytest

from mesh.clocks.vector import VersionVector
from mesh.log.record import Record
from mesh.operations import GapReason, History, HistoryPage
from mesh.types import LogId, log_text
from nodes.sdk.messages import Gap, Message
from nodes.sdk.pages import in_order, read_page, read_pages, turned_round
from tests.samples import ANA, BEN, record

LOGS = {"a": LogId(ANA, 1), "b": LogId(BEN, 1)}
NAMES = {log_text(log): name for name, log in LOGS.items()}


def message(text: str) -> Message:
    return Message(LOGS[text[0]], int(text[1:]), record())


def gap(text: str) -> Gap:
    first, _, last = text[1:].partition("-")
    return Gap(log_text(LOGS[text[0]]), int(first), int(last), GapReason.MISSING, may_fill=True)


def shown(item: Message | Gap) -> str:
    if isinstance(item, Gap):
        return f"{NAMES[item.log]}{item.first}-{item.last}"
    return f"{NAMES[item.log]}{item.position}"


@pytest.mark.parametrize(
    ("expected", "backwards"),
    [
        ("a1 b1 a2", False),
        ("a1 a2-3 a4 a5", False),
        ("a1-3 a4 a5", False),
        ("a1 a2 a3-9", False),
        ("a1 a2-2 b1 b2 a3", False),
        ("a2-2 b1 b2 a3", False),
        ("b4-9 a1 a2", False),
        ("a1 a2-2 b1 b2-3 a3 b4 b5-5", False),
        ("a1 a2-2 a4-5 b1 a7", False),
        ("a5 a4 a2-3 a1", True),
        ("a4-9 a3 a2", True),
        ("a3 a2 a1-1", True),
        ("a3 a2-2 b2 b1 a1", True),
        ("b4-9 a2 a1", True),
        ("a7 a4-5 a2-2 b1 a1", True),
        ("a8-9 a6-6 b5 b3-4 a1", True),
        ("a1-9", False),
        ("a4-5 a1-2", True),
    ],
)
def test_a_gap_stands_as_early_as_it_may_belong(expected: str, backwards: bool) -> None:
    rows = [message(text) for text in expected.split() if "-" not in text]
    gaps = [gap(text) for text in expected.split() if "-" in text]

    for told in (gaps, gaps[::-1]):
        assert " ".join(map(shown, in_order(rows, told, backwards=backwards))) == expected


@pytest.mark.parametrize(("backwards", "expected"), [(False, "a1 a2-3 a4 a5-6"), (True, "a5-6 a4 a2-3 a1")])
def test_a_page_is_read_with_what_it_misses(backwards: bool, expected: str) -> None:
    rows = [(1, record(1)), (4, record(2, b"four"))]
    rows = rows[::-1] if backwards else rows
    log = LOGS["a"]
    places = tuple((log, position) for position, _ in rows)
    records: tuple[Record, ...] = tuple(each for _, each in rows)
    missing = VersionVector([(log, [(2, 3), (5, 6)])])

    items = list(read_page(HistoryPage(1, VersionVector(), places, records, None, missing), backwards=backwards))

    assert " ".join(map(shown, items)) == expected
    assert [item.payload for item in items if isinstance(item, Message)] == [each.payload for each in records]


@pytest.mark.parametrize(
    ("backwards", "forwards"),
    [
        ("a3 a2-2 b2 b1 a1", "a1 a2-2 b1 b2 a3"),
        ("a4 a2-3 b1", "a2-3 b1 a4"),
        ("a9-9 b4-5 b3 a7-8 a6 b1-1", "b1-1 a6 a7-8 a9-9 b3 b4-5"),
    ],
)
def test_a_reading_turned_round_has_its_gaps_where_they_belong_from_there(backwards: str, forwards: str) -> None:
    items = [gap(text) if "-" in text else message(text) for text in backwards.split()]

    assert " ".join(map(shown, turned_round(items))) == forwards


def vector(text: str) -> VersionVector:
    return VersionVector((LOGS[part[0]], [(int(part[1]), int(part[3]))]) for part in text.split())


@pytest.mark.parametrize(
    ("limit", "limits", "expected"),
    [
        (None, [500, 500, 500], "a1 a2-2 a3 b1-2 a4 a5-5 b4 b5-5"),
        (9, [9, 7, 6], "a1 a2-2 a3 b1-2 a4 a5-5 b4 b5-5"),
        (4, [4, 2, 1], "a1 a2-2 a3 b1-2 a4 a5-5 b4"),
        (3, [3, 1], "a1 a2-2 a3 b1-2 a4"),
        (2, [2], "a1 a2-2 a3"),
        (0, [], ""),
    ],
)
def test_each_page_is_asked_for_with_all_that_was_missing_before_and_nothing_behind_the_last_message_is_told(
    limit: int | None, limits: list[int], expected: str
) -> None:
    cut = vector("a1-5 b1-5")

    def page(rows: str, following: str, missing: str) -> HistoryPage:
        places = tuple((LOGS[row[0]], int(row[1])) for row in rows.split())
        after = vector(following) if following else None
        return HistoryPage(1, cut, places, (record(),) * len(places), after, vector(missing))

    pages = [page("a1 a3", "a1-3", "a2-2"), page("a4", "a1-5 b1-3", "a5-5 b1-2"), page("b4", "", "b5-5")]
    asked: list[History] = []

    async def ask(request: History) -> HistoryPage:
        asked.append(request)
        return pages[len(asked) - 1]

    async def read() -> list[Message | Gap]:
        return [item async for item in read_pages(ask, History(0, ("#",)), limit)]

    assert " ".join(map(shown, asyncio.run(read()))) == expected
    followed = [
        History(0, ("#",)),
        History(0, ("#",), cut=cut, after=vector("a1-3"), missing=vector("a2-2")),
        History(0, ("#",), cut=cut, after=vector("a1-5 b1-3"), missing=vector("a2-2 a5-5 b1-2")),
    ]
    assert asked == [replace(each, limit=size) for each, size in zip(followed, limits, strict=False)]
