"""What a page of history holds, in the order in which it is read: messages, and gaps where they may belong."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from mesh.operations import GapReason, History, HistoryPage, Status
from mesh.types import log_text
from nodes.sdk.messages import Gap, Message

PAGE = 500
"""Messages that are asked for at a time."""


async def read_pages(
    ask: Callable[[History], Awaitable[HistoryPage | Status]], first: History, limit: int | None
) -> AsyncIterator[Message | Gap]:
    """Page after page, to the end, or to so many messages."""
    asked, given = first, 0
    while limit is None or given < limit:
        page = await ask(replace(asked, limit=PAGE if limit is None else min(limit - given, PAGE)))
        assert isinstance(page, HistoryPage)
        for item in read_page(page, backwards=first.backwards):
            yield item
            given += isinstance(item, Message)
            if given == limit:  # gaps behind it are of what nobody asked for
                return
        if page.next is None:
            return
        missing = asked.missing.copy()
        missing.merge(page.missing)
        asked = replace(asked, cut=page.cut, after=page.next, missing=missing)


def read_page(page: HistoryPage, *, backwards: bool) -> Iterator[Message | Gap]:
    """All of a page, in the order of the reading."""
    rows = [Message(log, at, record) for (log, at), record in zip(page.places, page.records, strict=True)]
    gaps = [
        Gap(log_text(log), first, last, GapReason.MISSING, may_fill=True)
        for log, runs in page.missing.items()
        for first, last in runs
    ]
    return in_order(rows, gaps, backwards=backwards)


def in_order(rows: Sequence[Message], gaps: Iterable[Gap], *, backwards: bool) -> Iterator[Message | Gap]:
    """Rows as they stand, and each gap as early as it may belong: whoever stops at a gap has read nothing past it.

    That is right after the row of its log that is next to it on the side that is read first; before everything where
    there is none, for of other logs nobody knows on which side of it they stand.
    """
    told = sorted(gaps, key=lambda gap: gap.first, reverse=backwards)
    if not told:
        yield from rows
        return
    places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for index, row in enumerate(rows, 1):
        places[row.log].append((-row.position if backwards else row.position, index))
    behind: defaultdict[int, list[Gap]] = defaultdict(list)
    for gap in told:
        of_log = places[gap.log]  # in order: a log is read in its own
        found = bisect_left(of_log, (-gap.last if backwards else gap.first, 0))
        behind[of_log[found - 1][1] if found else 0].append(gap)
    yield from behind[0]
    for index, row in enumerate(rows, 1):
        yield row
        yield from behind[index]


def turned_round(items: Sequence[Message | Gap]) -> Iterator[Message | Gap]:
    """What was read backwards, the oldest first: rows the other way, and gaps where they may belong from there."""
    rows = [item for item in reversed(items) if isinstance(item, Message)]
    return in_order(rows, [item for item in items if isinstance(item, Gap)], backwards=False)
