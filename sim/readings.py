"""What is always so of history as a node shows it, whoever reads it, and when.

A *reading* is page after page at one cut. Its rows stand in the order of stamps, each message once, none beyond the cut, and
nothing is invented or dead, or stamped outside the times that were asked for; no page is larger than was asked for, and each
takes away something of the cut. Whoever shows a page answers for all of the cut that it passes: what its disk has not got it
names, unless it certainly lies outside those times, and nothing else. Once the reading has come
to its end, nothing is left out that lives, and lay on the disk of a node that passed it as that was asked.
`sim.historian` reads when all is calm, `sim.reader` while things go wrong; there a place that the node's disk did not hold all
the while proves nothing: what was lost and came again may come twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log.record import Record
from mesh.operations import UNTIL_ALWAYS_MS, HistoryPage
from mesh.types import LogId, pattern_matches
from sim.checkers import Watch
from sim.clock import WALL_MS
from sim.diary import Diary, Name, Shown, name_of, say_name
from sim.proof import in_order

if TYPE_CHECKING:
    from sim.machine import Machine
    from sim.world import World

EVERYTHING = ("#",)
Row = tuple[LogId, int, Record]
Key = tuple[int, LogId, int]
"""A row's stamp and place: as history is ordered."""
Stood = Callable[[LogId, int], bool]
"""Whether a place was on the disk of the node that shows it ever since the reading began there."""


Showing = tuple[int, str, int]
"""When a row was shown, by which node, and on which page."""


class Moments(NamedTuple):
    """When a page was asked for, and when a node told it, in true time."""

    asked: int
    told: int


def _always(_log: LogId, _position: int) -> bool:
    return True


@dataclass(frozen=True)
class Passed:
    """A message that a node had as it passed its place."""

    node: str
    log: LogId
    position: int
    record: Record


@dataclass
class Reading:
    """What a node showed, in its order, and whether that was all."""

    node: str
    cut: VersionVector
    backwards: bool
    rows: list[Row] = field(default_factory=list)
    whole: bool = False
    patterns: tuple[str, ...] = EVERYTHING
    since_ms: int = 0
    until_ms: int = UNTIL_ALWAYS_MS
    """Between these times, in ms since 1970, the stamps lie that it was asked for."""
    asked: tuple[str, ...] = ()
    """Who asked for it, and when, as a witness says it."""
    page: int = 1
    """The page that has come last."""
    held: int = 0
    """So many of its rows were held against what is always so."""
    places: dict[tuple[LogId, int], Showing] = field(default_factory=dict)
    """Where rows stand, and when each was shown first."""
    seen: dict[tuple[Name, bytes], tuple[LogId, int]] = field(default_factory=dict)
    """Where each message was shown, by the node that shows it now."""
    before: Key | None = None
    """The last row which has an order."""
    missing: VersionVector = field(default_factory=VersionVector)
    """What nodes said that they have not got."""
    passed: dict[Name, Passed] = field(default_factory=dict)
    """What they had, and may have shown."""

    @property
    def title(self) -> str:
        """What breaches call it."""
        return f"history at {self.node}"

    @property
    def is_dated(self) -> bool:
        """Whether it was asked for a part of the past alone."""
        return self.since_ms > 0 or self.until_ms < UNTIL_ALWAYS_MS

    def is_asked_for(self, record: Record) -> bool:
        """Whether the times that it was asked for are those of a record."""
        return self.since_ms <= stamp_ms(record.stamp) < self.until_ms

    def shown_at(self, place: tuple[LogId, int]) -> str:
        """That a place was shown first, as a witness says it."""
        at_us, node, page = self.places[place]
        return _shows(at_us, node, page, place)

    def goes_on_at(self, node: str) -> None:
        """Another node, or another life of it, shows what follows: of it alone is known which copies it holds."""
        self.node = node
        self.seen.clear()


def _shows(at_us: int, node: str, page: int, place: tuple[LogId, int]) -> str:
    log, position = place
    return f"{at_us / 1e6:.6f} s: {node} shows it on page {page}, from {log.node.hex()[:8]}:{position}"


def hold(watch: Watch, world: World, reading: Reading, told_us: int = -1, stood: Stood = _always) -> None:
    """Hold the rows that have come since the last time against what is always so; `told_us`: when the node said them.

    In a log of a member gone bad stamps may fall, and nodes differ about one with two histories: they stand in no other's way.
    """
    bad = _gone_bad(world)
    forked = {
        log for machine in world.machines.values() if machine.node is not None for log in machine.node.holdings.forked
    }
    diary = Diary(reading.patterns, owner=reading.title)
    watch.look("in order")
    watch.look("once")
    rows, reading.held = reading.rows[reading.held :], len(reading.rows)
    for log, position, record in rows:
        name, place = name_of(record), (log, position)
        shown = Shown(log, position, record, late=False, at_us=world.now_us, gateway=reading.node, told_us=told_us)
        count = len(watch.breaches)
        watch.not_invented(diary, name, shown)
        if len(watch.breaches) > count:
            watch.prove(count, *reading.asked)
            watch.breaches[count:] = [
                replace(each, witness=tuple(in_order(each.witness))) for each in watch.breaches[count:]
            ]
        earlier = reading.seen.setdefault((name, record.payload), place)
        is_again = place in reading.places
        is_one = not {log, earlier[0]} & forked  # else another node may have shown another message there
        is_twice = earlier != place and is_one and stood(*earlier) and stood(log, position)
        if is_again or is_twice:
            first = reading.shown_at(place if is_again else earlier)
            watch.broken(
                "once", f"{reading.title} shows {say_name(name)} twice", *_proof(watch, reading, name, place, first)
            )
        reading.places.setdefault(place, (world.now_us, reading.node, reading.page))
        if not reading.cut.covers(log, position, position):
            what = f"{reading.title} shows {say_name(name)}, which lies beyond its cut"
            watch.broken("in order", what, *_proof(watch, reading, name, place), kind="cut")
        if not reading.is_asked_for(record):
            what = f"{reading.title} shows {say_name(name)}, which lies outside the times that were asked for"
            watch.broken("in order", what, *_proof(watch, reading, name, place), kind="times")
        if log.node in bad or log in forked or is_again:
            continue
        key, before = (record.stamp, log, position), reading.before
        if before is None or (key < before if reading.backwards else key > before):
            reading.before = key
        else:
            what = f"{reading.title} shows {say_name(name)} out of the order of stamps"
            first = reading.shown_at(before[1:]).replace("shows it", "shows another")
            watch.broken("in order", what, *_proof(watch, reading, name, place, first))
            reading.before = key


def _proof(watch: Watch, reading: Reading, name: Name, place: tuple[LogId, int], *first: str) -> list[str]:
    """What proves that something is wrong with a row that is shown now; `first` is what was shown before."""
    now = _shows(watch.now_us(), reading.node, reading.page, place)
    return in_order([*watch.publish_of(name), *first, *reading.asked, now])


def at_one_cut(watch: Watch, reading: Reading, number: int, cut: VersionVector) -> None:
    """A page comes, and names its cut: that of the reading."""
    if cut != reading.cut:
        what = f"{reading.node} was asked for history at one cut, and answers at another"
        line = f"{watch.now_us() / 1e6:.6f} s: {reading.node} answers with page {number}, at another cut"
        watch.broken("in order", what, *reading.asked, line, kind="cut")


def not_too_large(watch: Watch, reading: Reading, most: int, page: HistoryPage) -> None:
    """A page comes: it holds no more than was asked for, and what follows it is less than what it began with."""
    count = len(page.records)
    line = f"{watch.now_us() / 1e6:.6f} s: {reading.node} answers with page {reading.page}"
    if count > most:
        what = f"{reading.title} has {count} messages on page {reading.page}, and was asked for {most} at the most"
        watch.broken("available", what, *reading.asked, f"{line}, and {count} messages on it", kind="pages")
    if page.next is not None and reading.page > reading.cut.count:
        what = f"{reading.title} has no end after page {reading.page}, and {reading.cut.count} places in its cut"
        watch.broken("available", what, *reading.asked, f"{line}, and says how to go on", kind="pages")


def passes(
    watch: Watch, reading: Reading, home: Machine, page: HistoryPage, after: VersionVector | None, us: Moments
) -> None:
    """A page comes from a node whose disk is known: of all of the cut that it passes, it says what it has not got.

    `after` is what earlier pages passed; None on a first page at a cut of its own: that ends with what is stored there, or was.
    What a node had is kept, to be looked for when the reading has come to its end.
    """
    assert home.node is not None
    holdings = home.node.holdings
    reading.missing.merge(page.missing)
    asked = reading.cut.difference(after or VersionVector())
    passed = asked if page.next is None else asked.difference(asked.difference(page.next))
    shows = VersionVector()  # what it shows it had, whatever becomes of it meanwhile
    for log, position in page.places:
        shows.add(log, position, position)
    for log, runs in passed.items():
        missing, held = page.missing.get(log), home.disk.image.held.get(log)
        unheard = runs.minus(missing).minus(shows.get(log))
        unheard = unheard if held is None else unheard.minus(held.positions)
        if reading.is_dated:
            unheard = (
                unheard.minus(_outside(reading, home, log, us.told + 1))
                if home.dropped_us < us.asked
                else IntervalSet()
            )
        if unheard and log not in holdings.gone and home.dropped_us <= us.told:
            _breaks_word(watch, reading, home, log, unheard, "passes over {} without a word, which it has not got")
        here = IntervalSet(
            (first, row.last)
            for first, row in home.disk.image.rows.get(log, {}).items()
            if row.since_us < us.asked and not row.damaged and missing.touches(first, row.last)
        )
        denied = missing.minus(missing.minus(here)).minus(missing.minus(holdings.stored_of(log)))
        if denied:
            _breaks_word(watch, reading, home, log, denied, "says that it has not got {}, which it has")
        undue = missing.minus(missing.minus(_outside(reading, home, log, us.asked)))
        if undue and home.dropped_us < us.asked:
            _breaks_word(watch, reading, home, log, undue, "names {} as missing, which lies outside its times")
        for position, record in _lying(reading, home, log, runs.minus(missing), us.asked):
            reading.passed[name_of(record)] = Passed(home.name, log, position, record)
    if after is None:
        _fixes(watch, reading, home, us.asked)
    for log, runs in page.missing.difference(passed).items():
        _breaks_word(watch, reading, home, log, runs, "names {} as missing, which was not asked for")


def _fixes(watch: Watch, reading: Reading, home: Machine, asked_us: int) -> None:
    """A first page fixes its cut: all that its node knows to have been published before it was asked, holes and all.

    Of each log that is every place through the last that the node has stored, or had delivered before it was lost.
    """
    assert home.node is not None
    holdings, disk = home.node.holdings, home.disk.image
    for log in sorted({*reading.cut.logs(), *disk.held, *home.had} - holdings.gone.keys()):
        runs, held, had = reading.cut.get(log), disk.held.get(log), home.had.get(log)
        last = max(held.positions.last if held is not None else 0, had.last if had is not None else 0)
        unstored = IntervalSet(runs.within(last + 1, runs.last))
        if unstored:
            _breaks_word(watch, reading, home, log, unstored, "fixes a cut with {}, which it has not stored")
        stored = holdings.stored_of(log)
        rows = disk.rows.get(log, {}).values()
        known = max((row.last for row in rows if row.since_us < asked_us and row.last in stored), default=0)
        known = max(known, runs.last, had.through if had is not None and had.at_us < asked_us else 0)
        unsaid = IntervalSet(runs.missing(1, known))
        if unsaid:
            _breaks_word(watch, reading, home, log, unsaid, "fixes a cut without {} that it knows of", "something")


def _outside(reading: Reading, home: Machine, log: LogId, before_us: int) -> IntervalSet:
    """The places of a log that certainly lie outside the times of a reading, by what a disk had of it before a moment.

    Stamps rise in a log: what is below something older than the times is so, too, and what is above something younger.
    """
    outside = IntervalSet()
    if not reading.is_dated:
        return outside
    rows = home.disk.image.rows.get(log, {})
    found = sorted((first, row.last, stamp_ms(row.stamp)) for first, row in rows.items() if row.since_us < before_us)
    begins = next((first for first, _, ms in found if ms >= reading.since_ms), None)
    older = max((last for _, last, _ in found if begins is None or last < begins), default=0)
    if older and reading.since_ms:
        outside.add(1, older)
    ends = next((first for first, _, ms in found if ms >= reading.until_ms), None)
    if ends is not None:
        outside.add(ends, max(ends, reading.cut.get(log).last))
    return outside


def _breaks_word(
    watch: Watch,
    reading: Reading,
    home: Machine,
    log: LogId,
    runs: IntervalSet,
    what: str,
    part: str = "part of its cut",
) -> None:
    """A node says, or does not say, that it has something of the cut."""
    first, last = runs.edge(last=False)
    place = f"{log.node.hex()[:8]}:{first}" if first == last else f"{log.node.hex()[:8]}:{first} to {last}"
    line = f"{watch.now_us() / 1e6:.6f} s: {home.name} answers with page {reading.page}"
    about = f"{reading.title} {what.format(part)}"
    watch.broken("in order", about, *reading.asked, f"{line}, and {what.format(place)}", kind="missing")


def nothing_left_out(watch: Watch, world: World, reading: Reading, since_us: int) -> None:
    """A whole reading has shown all that matches and lives, and that nodes had as they passed it, since a moment.

    Logs with two histories prove nothing, nor do those of members gone bad; nor does what a wrong clock has dated. Of equal
    copies it does not matter which is shown, nor where another one is. What died meanwhile is covered.
    """
    shown = {name_of(record) for *_, record in reading.rows}
    wall_ms = WALL_MS + (world.now_us + watch.skew_us) // 1_000
    bad, has_died = _gone_bad(world), False
    for name, passed in reading.passed.items():
        log, entry = passed.log, watch.ledger.get(name)
        if name in shown or log.node in bad or entry is None or entry.misdated or entry.undated:
            continue
        if since_us < entry.expires_us <= world.now_us:
            has_died = True
        lives = not entry.expires_us or entry.expires_us > world.now_us + watch.skew_us
        if not lives or passed.record.expires_ms <= wall_ms:
            continue
        what = f"{reading.title} leaves out {say_name(name)}, which lies in its cut"
        place = f"{log.node.hex()[:8]}:{passed.position}"
        line = f"{world.now_us / 1e6:.6f} s: it is read to its end, and {passed.node} had it at {place}"
        watch.broken("in order", what, *in_order([*watch.publish_of(name), *reading.asked, line]), kind="left out")
        break
    if has_died:
        world.cover("history/died-while-read")


def _lying(
    reading: Reading, machine: Machine, log: LogId, runs: IntervalSet, since_us: int
) -> Iterator[tuple[int, Record]]:
    """What matches a reading in some places of a log, and has lain there, whole, on a disk since a moment."""
    assert machine.node is not None
    if log in machine.node.holdings.forked:
        return
    for first, row in machine.disk.image.rows.get(log, {}).items():
        if row.since_us >= since_us or row.damaged or row.stripped or not runs.touches(first, row.last):
            continue
        for position, record in enumerate(row.batch().records(), first):
            is_wanted = position in runs and reading.is_asked_for(record)
            if is_wanted and any(pattern_matches(each, record.channel) for each in reading.patterns):
                yield position, record


def _gone_bad(world: World) -> set[bytes]:
    """The members whose hosts do, or have done, what no honest one does."""
    return {machine.node_id for machine in world.machines.values() if machine.is_bad}
