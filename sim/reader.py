"""Clients that read the past while things go wrong: page after page, and each is judged as it comes.

A reading asks for its first page, and with the cut and `next` of each page for the one that follows. Where its connection is
lost its client asks again for what it waits for, wherever it is attached then, as clients do: what follows comes from
another node, at the same cut. What is held against pages is in `sim.readings`; what that asks of disks, of the node that told
the page, if it still lives that life as the page is heard.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mesh.clocks.vector import VersionVector
from mesh.operations import UNTIL_ALWAYS_MS, History, HistoryPage
from mesh.types import LogId
from sim.checkers import Watch
from sim.clock import WALL_MS
from sim.readings import Moments, Reading, at_one_cut, hold, not_too_large, nothing_left_out, passes
from sim.scenario.events import READINGS_MAX

if TYPE_CHECKING:
    from sim.scenario.events import ReadHistory
    from sim.workload import App
    from sim.world import Machine, World

NOWHERE = "", 0


@dataclass
class Past:
    """A client's reading, as far as it has come."""

    request: History
    """What it waits for ..."""
    asked_us: int
    """... and since when."""
    reading: Reading
    at: tuple[str, int] = NOWHERE
    """Who showed the last page: a node, and which of its lives ..."""
    since_us: int = 0
    """... and since when it has been asked at the latest."""
    began_us: int = 0
    """When its first page was asked for."""
    pages: int = 0
    moves: int = 0
    """How often pages went on to come from another node, or life."""
    is_sure: bool = True
    """Whether it is known of each page what its node had, and none went by a clock that only it believes."""

    def stood(self, home: Machine, log: LogId, position: int) -> bool:
        """Whether a place was on a node's disk, and undamaged, ever since that was asked."""
        rows = home.disk.image.rows.get(log, {})
        found = next((row for first, row in rows.items() if first <= position <= row.last), None)
        return found is not None and not found.damaged and found.since_us < self.since_us


@dataclass
class Readers:
    """All clients of a world that read its past meanwhile."""

    world: World
    told: Watch
    """Hears what is broken; what was looked at is counted apart, for no subscription was."""
    faults: Collection[object]
    """What is wrong just now."""
    watch: Watch = field(init=False)
    readings: dict[tuple[str, int], dict[int, Past]] = field(default_factory=dict)
    """By client and life, and by the number of what each waits for."""

    def __post_init__(self) -> None:
        """Share the ledger."""
        self.watch = Watch(self.told.now_us, self.told.ledger, self.told.breaches)

    def waiting(self, app: App, asked_us: int | None = None) -> list[Past]:
        """The readings of a client's process that have not come to their end; of pages that it asked for until a moment."""
        pasts = self.readings.get((app.name, app.life), {}).values()
        return [past for past in pasts if asked_us is None or past.asked_us <= asked_us]

    def begin(self, app: App, what: ReadHistory) -> bool:
        """A client begins a reading, if it has not too many already; whether it does."""
        if len(self.waiting(app)) >= READINGS_MAX:
            return False
        app.readers = self
        self.watch.follow(self.told)
        since_ms = 0 if what.since is None else self._wall_ms(what.since)
        until_ms = UNTIL_ALWAYS_MS if what.until is None else self._wall_ms(what.until)
        request = History(0, what.to, what.page, since_ms, until_ms, what.backwards)
        reading = Reading("", VersionVector(), what.backwards, patterns=what.to, since_ms=since_ms, until_ms=until_ms)
        self._ask(app, Past(request, 0, reading))
        return True

    def _wall_ms(self, ago_us: int) -> int:
        return WALL_MS + (self.world.now_us - ago_us) // 1_000

    def _ask(self, app: App, past: Past) -> None:
        past.asked_us = self.world.now_us
        past.began_us = past.began_us if past.pages else past.asked_us
        past.reading.asked = (f"{past.asked_us / 1e6:.6f} s: {app.name} asks for page {past.pages + 1} of history",)
        if self.world.recorder is not None:
            self.world.recorder.on_read(app.name, past.pages + 1)
        number = app.ask(past.request)
        self.readings.setdefault((app.name, app.life), {})[number] = past

    def on_refused(self, app: App, number: int, why: str) -> None:
        """A node refuses to show a page, though nothing is wrong with what was asked."""
        past = self.readings.get((app.name, app.life), {}).pop(number, None)
        if past is not None:
            line = f"{self.world.now_us / 1e6:.6f} s: it is told: {why}"
            what = f"{app.name} was refused a page of history, and nothing is wrong with what it asked for: {why}"
            self.watch.broken("available", what, *past.reading.asked, line, kind="refused")

    def on_page(self, app: App, page: HistoryPage, told_us: int) -> None:
        """A page comes that a node told at a moment: it is judged, and the next one asked for, if there is one."""
        past = self.readings.get((app.name, app.life), {}).pop(page.request, None)
        if past is None or app.home is None:
            return
        home, reading = app.home, past.reading
        is_there = app.session in home.sessions
        self._come(past, home, told_us, is_there=is_there)
        if past.pages == 1:
            reading.cut = page.cut
        self.watch.look("available")
        at_one_cut(self.watch, reading, past.pages, page.cut)
        not_too_large(self.watch, reading, past.request.limit, page)
        places = zip(page.places, page.records, strict=True)
        rows = [(log, position, record) for (log, position), record in places]
        reading.rows += rows
        if self.world.recorder is not None:
            self.world.recorder.on_read(app.name, past.pages, home.name, rows)
        is_misled = home.is_misled(told_us) or (home.began_wrong and not is_there)
        past.is_sure = past.is_sure and is_there and not is_misled
        hold(
            self.watch,
            self.world,
            reading,
            0 if is_misled else told_us,  # by the only clock that it knows, nothing is dead yet
            lambda log, position: is_there and past.stood(home, log, position),
        )
        if is_there:
            passes(self.watch, reading, home, page, past.request.after, Moments(past.asked_us, told_us))
            if page.missing:
                self.world.cover("history/missing")
        if self.faults:
            self.world.cover("history/under-faults")
        if page.next is None:
            reading.whole = True
            self.world.cover("history/whole")
            if past.is_sure:
                nothing_left_out(self.watch, self.world, reading, past.began_us)
        elif page.next == (past.request.after or VersionVector()):
            line = f"{told_us / 1e6:.6f} s: {home.name} tells that page, and to go on where it began"
            what = f"{reading.title} has a page {past.pages} that leads to itself"
            self.watch.broken("available", what, *reading.asked, line, kind="pages")
        elif past.pages <= reading.cut.count:
            missing = past.request.missing.copy()
            missing.merge(page.missing)
            past.request = replace(past.request, cut=reading.cut, after=page.next, missing=missing)
            self._ask(app, past)

    def _come(self, past: Past, home: Machine, told_us: int, *, is_there: bool) -> None:
        """A page has come from a node: from the same life of the same as the one before, or from another."""
        past.pages += 1
        past.reading.page = past.pages
        at = (home.name, home.life) if is_there else NOWHERE
        if at == past.at and is_there:
            return
        if past.pages > 1:
            past.moves += 1
            self.world.cover("history/moved")
        past.at, past.since_us = at, past.asked_us
        past.reading.goes_on_at(home.name)
