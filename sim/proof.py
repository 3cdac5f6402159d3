"""The events that prove what only a figure says: the slowest message, what is waited for, and frames that nobody needs."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mesh.types import pattern_matches
from mesh.wire.frames import decode_frame
from sim.diary import Diary, name_of

if TYPE_CHECKING:
    from sim.checkers import Watch
    from sim.reader import Past
    from sim.workload import App
    from sim.world import World

OVERHEARD_MAX = 4
"""How many of the last frames a witness names."""
WAITS = frozenset({"acknowledge_p99_us", "unavailable_us"})
"""Figures of what a publisher waits for; the other times are those of what is shown."""

LEADING = re.compile(r"([\d.]+) s: ")
"""The time of a witness's line."""


def _second(us: int) -> str:
    return f"{us / 1e6:.6f} s"


def in_order(lines: Iterable[str]) -> list[str]:
    """Lines of a witness by the seconds that they begin with; one that has none stays behind the one before it."""
    timed: list[tuple[float, str]] = []
    for line in lines:
        begins = LEADING.match(line)
        timed.append((float(begins[1]) if begins else timed[-1][0] if timed else 0.0, line))
    return [line for _, line in sorted(timed, key=lambda each: each[0])]


def of_time(figure: str, watch: Watch, diaries: Iterable[Diary]) -> list[str]:
    """The events of the message that took longest, for the figure of a time; nothing for one that counts."""
    if figure in WAITS:
        return slowest_told(watch)
    if figure == "reach_p99_us":
        return slowest_reached(watch)
    return slowest_shown(watch, diaries) if figure.endswith("_us") else []


def slowest_shown(watch: Watch, diaries: Iterable[Diary], pattern: str = "#") -> list[str]:
    """The message that took longest until it was shown, on the channels that a pattern means."""
    slowest = max(
        (
            (shown.at_us - watch.ledger[name].at_us, name, shown, diary.owner)
            for diary in diaries
            for shown in diary.shown
            if (name := name_of(shown.record)) in watch.ledger
            and not watch.ledger[name].strange
            and pattern_matches(pattern, shown.record.channel)
        ),
        key=lambda each: each[0],
        default=None,
    )
    if slowest is None:
        return []
    _, name, shown, owner = slowest
    seen = f"{_second(shown.at_us)}: {owner} is shown it{', late' if shown.late else ''}"
    return in_order([*watch.events_of(name), seen])


def slowest_told(watch: Watch) -> list[str]:
    """The message whose publisher waited longest until it was told anything."""
    waits = ((e.first_told_us - e.at_us, name) for name, e in watch.ledger.items() if e.first_told_us >= 0)
    slowest = max(waits, default=None)
    if slowest is None:
        return []
    first_us = watch.ledger[slowest[1]].first_told_us
    return [watch.events_of(slowest[1])[0], f"{_second(first_us)}: {slowest[1][0]} is told that it is durable"]


def slowest_reached(watch: Watch) -> list[str]:
    """The message whose publisher waited longest until it was told the level that it had asked for."""
    waits = ((e.reached_us - e.at_us, name) for name, e in watch.ledger.items() if e.reached_us >= 0)
    slowest = max(waits, default=None)
    if slowest is None:
        return []
    entry = watch.ledger[slowest[1]]
    first = f"{_second(entry.first_told_us)}: {slowest[1][0]} is told that it is durable"
    asked = f"{_second(entry.reached_us)}: {slowest[1][0]} is told copies:{entry.wanted[0]} regions:{entry.wanted[1]}, as asked"
    return [watch.events_of(slowest[1])[0], first, asked]


def of_receipt(app: App, sequence: int, watch: Watch) -> list[str]:
    """A publisher waits for a receipt: what it published, what it was told, and where it is attached."""
    return [*watch.events_of((app.name, app.client.incarnation, sequence)), _still(app, "waits for more")]


def of_beginning(app: App, diary: Diary) -> list[str]:
    """A subscription has not begun: what its client did last, and where it is attached."""
    asked = f"{_second(max(diary.asked_us, 0))}: {app.name} subscribes to {' '.join(diary.patterns)}"
    return [asked, *([f"before that: {app.states[-2]}"] if len(app.states) > 1 else []), _still(app, "has not begun")]


def of_page(app: App, past: Past) -> list[str]:
    """A client waits for a page of history: when it asked for it, and where it is attached."""
    return [*past.reading.asked, _still(app, "waits for it")]


def _still(app: App, what: str) -> str:
    if app.session is None or app.home is None:
        return f"{_second(app.world.now_us)}: {app.name}, {app.client.state}, {what}"
    home = app.home
    how = "is down" if home.node is None else "stands still" if home.paused else "runs"
    return f"{_second(app.world.now_us)}: {app.name}, attached to {home.name}, which {how}, {what}"


@contextmanager
def overheard(world: World, kinds: frozenset[str]) -> Iterator[deque[str]]:
    """The last frames of some kinds that nodes send meanwhile, as lines."""
    lines: deque[str] = deque(maxlen=OVERHEARD_MAX)
    before = world.filter

    def hear(source: str, target: str, packed: bytes) -> bool:
        kind = type(decode_frame(packed)).__name__
        if kind in kinds:
            lines.append(f"{_second(world.now_us)}: {source} sends {target} {kind}")
        return before is None or before(source, target, packed)

    world.filter = hear
    try:
        yield lines
    finally:
        world.filter = before
