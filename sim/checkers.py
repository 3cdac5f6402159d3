"""The delivery contract, held against ledgers and diaries; each broken promise comes with the few events that prove it.

`Watch` checks as things happen: *once*, *in order*, *nothing invented* and *stays dead* cost a look-up for each message
shown. What is owed (*nothing lost*, *honest about gaps*) is judged when all is quiet. A subscription is owed what was
acknowledged, has not expired, and matches, unless more disks were lost than the level of that message survives. The
promises and their words are those of docs/concepts/contract.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log.record import CONTENT_MASK
from sim.clock import WALL_MS
from sim.diary import DROPS, Diary, Entry, Ledger, Matcher, Matching, Name, Shown, say_name
from sim.diary import name_of as name_of
from sim.labels import PROMISES as PROMISES
from sim.proof import in_order

if TYPE_CHECKING:
    from mesh.types import LogId
    from sim.workload import App
    from sim.world import World

SKEW_US = 60_000_000
"""How far clocks may differ before a node distrusts its own: nothing is shown longer than that after its expiry."""
SAME_US = 1_000_000
"""How far apart nodes may judge where all clocks are right: by what a tick waits for its turn."""
BREACHES_MAX = 1_000
"""So many are noted, and of each kind that had none among them the first."""

Places = Callable[[Name], list[tuple[object, int, int]]]
"""Where nodes hold a message: the log, and the first and last position that it may be at."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that was broken, and how it is known: the events that prove it, in order."""

    promise: str
    about: str
    witness: tuple[str, ...] = ()
    kind: str = ""
    """Which of several things that one promise says; a smaller run has to break the same."""


class Breaches(list[Breach]):
    """What broke, as it was noticed: `BREACHES_MAX`, and of each kind the first; beside them `unlisted` more."""

    def __init__(self, breaches: Iterable[Breach] = ()) -> None:
        """Begin with some."""
        super().__init__(breaches)
        self.unlisted = 0
        self._kinds = {(each.promise, each.kind) for each in self}

    def note(self, breach: Breach) -> None:
        """Add one, where it still has room."""
        kind = breach.promise, breach.kind
        if len(self) < BREACHES_MAX or kind not in self._kinds:
            self._kinds.add(kind)
            self.append(breach)
        else:
            self.unlisted += 1


CONTENTS = "channel", "payload", "headers", "content type"


def _content(entry: Entry) -> tuple[str, bytes, dict[str, str], int]:
    """What has to be shown as it was given."""
    return entry.channel, entry.payload, entry.headers, entry.flags


def _second(us: int) -> str:
    return f"{us / 1e6:.6f} s"


def _published(name: Name, entry: Entry) -> str:
    where = f"attached to {entry.gateway}" if entry.gateway else "attached nowhere"
    return f"{_second(entry.at_us)}: {name[0]} publishes {say_name(name)} on {entry.channel}, {where}"


def _told(name: Name, entry: Entry) -> str:
    copies, regions = entry.level
    return f"{_second(entry.told_us)}: {name[0]} is told copies:{copies} regions:{regions}"


@dataclass
class Watch:
    """Checks a run as it goes. `now_us` tells the time; `wall_us` of a message's expiry is compared with it."""

    now_us: Callable[[], int] = lambda: 0
    ledger: Ledger = field(default_factory=dict)
    breaches: Breaches = field(default_factory=Breaches)
    evaluated: dict[str, int] = field(default_factory=dict)
    """How often each promise was looked at: one that never was is not proved."""
    matcher: Matcher = field(default_factory=Matcher)
    stamps: dict[Name, tuple[int, int]] = field(default_factory=dict)
    """The least and the greatest stamp that each message was shown with."""
    places: dict[Name, dict[LogId, int]] = field(default_factory=dict)
    """Where messages stand in logs, as far as a node said how durable they are."""
    vouched: set[tuple[Name, str, int]] = field(default_factory=set)
    """Which node, in which of its lives, has said that it has a message."""
    skew_us: int = SKEW_US
    """How far clocks may be apart: `SAME_US` where none is ever wrong, nor anybody who tells what it shows."""
    reach_us: int = -1
    """By how much clocks were wrong at most that agreed and were believed (`sim.undated`); -1: none are, nor were lately."""
    since_us: int = 0
    """When they began to be believed."""
    undated: int = 0
    """How many messages such clocks may have reached: until those are dead, nodes differ."""
    doubts_since_us: Callable[[str, int], int] = lambda _node, _at_us: -1
    """Since when a node may doubt its clock, at a moment, and let nothing expire; -1: it does not."""
    came_us: Callable[[LogId, int], int] = lambda _log, _position: -1
    """Since when a place of a log lies on a disk, the first that has it; -1: on none."""
    steady: Collection[bytes] = ()
    """Nodes whose clocks are right, and not to be outvoted: what they stamp is not far ahead of the time, whoever else's is."""

    def is_reached(self, expires_us: int) -> bool:
        """Whether what expires then may be dead to some by such clocks, or live on, or was stamped by them."""
        margin_us = self.reach_us + SKEW_US
        return (
            self.reach_us >= 0
            and expires_us > 0
            and self.since_us - margin_us <= expires_us <= self.now_us() + margin_us
        )

    def follow(self, told: Watch) -> None:
        """Judge by the same clocks as another does."""
        self.skew_us, self.steady = told.skew_us, told.steady
        self.doubts_since_us, self.came_us = told.doubts_since_us, told.came_us

    def broken(self, promise: str, about: str, *witness: str, kind: str = "") -> None:
        """Note a breach, and what proves it in the order in which it happened."""
        self.breaches.note(Breach(promise, about, tuple(in_order(witness)), kind))

    def prove(self, begin: int, *witness: str) -> None:
        """Add to what proves the breaches from one on."""
        self.breaches[begin:] = [
            replace(each, witness=tuple(in_order((*each.witness, *witness)))) for each in self.breaches[begin:]
        ]

    def look(self, promise: str, times: int = 1) -> None:
        """A promise is looked at."""
        self.evaluated[promise] = self.evaluated.get(promise, 0) + times

    def publish_of(self, name: Name) -> list[str]:
        """That it was published, as a witness says it; nothing where it was not."""
        return [_published(name, self.ledger[name])] if name in self.ledger else []

    def events_of(self, name: Name) -> list[str]:
        """That it was published, and the level that its publisher was told, if any."""
        entry = self.ledger.get(name)
        told = [_told(name, entry)] if entry is not None and entry.is_acknowledged else []
        return [*self.publish_of(name), *told]

    # --- as it goes --------------------------------------------------------------------------------------------------

    def on_shown(self, diary: Diary, shown: Shown) -> None:
        """A message is shown: it was published so, it is shown once, in order, and while it lives."""
        record = shown.record
        name = name_of(record)
        self.look("once")
        first_us = diary.seen.get(name)
        if first_us is not None:
            self._twice(diary, name, first_us, shown)
        else:
            diary.seen[name] = shown.at_us
        key = record.publisher, record.incarnation, record.channel
        before = diary.newest.get(key, 0)
        self.look("in order")
        if record.sequence < before:
            if not shown.late:
                self._disordered(diary, name, before, shown)
        else:
            diary.newest[key] = record.sequence
        self.not_invented(diary, name, shown)

    def _twice(self, diary: Diary, name: Name, first_us: int, shown: Shown) -> None:
        entry = self.ledger.get(name)
        self.broken(
            "once",
            f"{diary.who} was shown {say_name(name)} twice, the second time at {shown.position}",
            *([_published(name, entry)] if entry else []),
            f"{_second(first_us)}: {diary.who} is shown it",
            f"{_second(shown.at_us)}: {diary.who} is shown it again, from {shown.log.node.hex()[:8]}:{shown.position}",
        )

    def _disordered(self, diary: Diary, name: Name, before: int, shown: Shown) -> None:
        earlier = (name[0], name[1], before)
        self.broken(
            "in order",
            f"{diary.who} was shown {say_name(name)} after {before}, and it was not marked late",
            *[_published(each, self.ledger[each]) for each in (name, earlier) if each in self.ledger],
            f"{_second(diary.seen.get(earlier, 0))}: {diary.who} is shown {say_name(earlier)}",
            f"{_second(shown.at_us)}: {diary.who} is shown {say_name(name)}, not marked late",
        )

    def not_invented(self, diary: Diary, name: Name, shown: Shown) -> None:
        """What is shown was published, with these bytes, and has not expired for long."""
        record, entry = shown.record, self.ledger.get(name)
        self.look("nothing invented")
        line = f"{_second(shown.at_us)}: {diary.who} is shown {say_name(name)} on {record.channel}"
        if entry is None:
            self.broken("nothing invented", f"{say_name(name)} was shown to {diary.who}, and never published", line)
            return
        given, found = _content(entry), (record.channel, record.payload, record.headers, record.flags & CONTENT_MASK)
        if given != found:
            at = next(at for at, (one, other) in enumerate(zip(given, found, strict=True)) if one != other)
            was, shown_as = (
                f"{each[:32]!r}" if isinstance(each, bytes) else str(each) for each in (given[at], found[at])
            )
            what = f"{say_name(name)} was published as {was}, and shown as {shown_as}"
            self.broken("nothing invented", what, _published(name, entry), line, kind=CONTENTS[at])
        elif entry.refused:
            what = f"{say_name(name)} was refused ({entry.refused}), and shown to {diary.who}"
            self.broken("nothing invented", what, _published(name, entry), line)
        elif not diary.matches(record.channel):
            self.broken("nothing invented", f"{record.channel} matches none of {diary.patterns}", line)
        if record.ttl_ms != entry.ttl_ms > 0:
            what = (
                f"{say_name(name)} was published to live {entry.ttl_ms} ms, and shown as one that lives {record.ttl_ms}"
            )
            self.broken("nothing invented", what, _published(name, entry), line, kind="ttl")
        self._dated(name, entry, shown, line)
        expires_us = entry.expires_us
        if expires_us and not entry.ttl_ms:  # of nodes that took it, each has its own time
            expires_us = max(expires_us, entry.at_us + record.ttl_ms * 1_000)
        if expires_us:  # it lives from when it was taken, and may have waited for that
            expires_us = max(expires_us, self._taken_us(entry, shown) + record.ttl_ms * 1_000)
        told_us = shown.at_us if shown.told_us < 0 else shown.told_us
        is_late = expires_us and told_us > expires_us + self.skew_us and not entry.undated
        since_us = self.doubts_since_us(shown.gateway, told_us) if is_late else -1
        if is_late and not 0 <= since_us <= expires_us + SKEW_US:  # what dies while a clock is doubted is shown
            dead = f"{_second(expires_us)}: it expires"
            what = f"{say_name(name)} was shown to {diary.who} after it had expired"
            self.broken("stays dead", what, _published(name, entry), dead, line)

    def _taken_us(self, entry: Entry, shown: Shown) -> int:
        """When a message was taken: its stamp says so, or if a clock was ever wrong, a disk, or its node's first word."""
        if self.skew_us < SKEW_US or entry.misdated or shown.log.node in self.steady:
            return (stamp_ms(shown.record.stamp) - WALL_MS) * 1_000
        came_us = self.came_us(shown.log, shown.position)
        return came_us if came_us >= 0 else entry.said_us

    def _dated(self, name: Name, entry: Entry, shown: Shown, line: str) -> None:
        """A message is stamped after it was published and before it is shown, or where clocks are wrong, not far ahead."""
        stamped_us = (stamp_ms(shown.record.stamp) - WALL_MS) * 1_000
        if self.skew_us < SKEW_US:
            is_fine = entry.at_us - SAME_US <= stamped_us <= shown.at_us + SAME_US
        else:  # which a right clock follows so far
            is_fine = stamped_us <= shown.at_us + SKEW_US + SAME_US or shown.log.node not in self.steady
        if not is_fine:
            what = f"{say_name(name)} is stamped with {_second(stamped_us)}"
            self.broken("nothing invented", what, _published(name, entry), line, kind="stamp")

    def on_acknowledged(self, name: Name, entry: Entry, node: str, *, is_durable: bool) -> None:
        """A node acknowledges a message for the first time: it lies on its disk."""
        self.look("durable before acknowledged")
        if not is_durable:
            what = f"{say_name(name)} was acknowledged by {node}, and is not on its disk"
            line = f"{_second(self.now_us())}: {name[0]} is told by {node} that it is durable there"
            self.broken("durable before acknowledged", what, _published(name, entry), line)

    def on_refused(self, name: Name, entry: Entry, node: str, why: str) -> None:
        """A node refuses a message for good, though there is nothing wrong with it."""
        self.look("available")
        line = f"{_second(self.now_us())}: {name[0]} is told by {node}: {why}"
        what = f"{say_name(name)} was refused for good by {node}, and nothing is wrong with it: {why}"
        self.broken("available", what, _published(name, entry), line, kind="refused")

    def on_held(
        self, name: Name, entry: Entry, node: str, level: tuple[int, int], holders: set[str], regions: set[str]
    ) -> None:
        """A node says that a message is stored so many times, in so many regions: it lies on as many disks."""
        self.look("durable before acknowledged")
        if len(holders) < level[0] or len(regions) < level[1]:
            said = f"copies:{level[0]} regions:{level[1]}"
            there = f"at {', '.join(sorted(holders))} in {', '.join(sorted(regions))}" if holders else "nowhere"
            what = f"{say_name(name)} was acknowledged by {node} at {said}, and lies {there}"
            line = f"{_second(self.now_us())}: {name[0]} is told {said} by {node}"
            self.broken("durable before acknowledged", what, _published(name, entry), line)

    def look_at_the_dead(self) -> None:
        """The run ends: of what has expired by now, and of nothing else, it was seen whether it stays dead."""
        dead = sum(0 < entry.expires_us <= self.now_us() for entry in self.ledger.values())
        if dead:
            self.look("stays dead", dead)

    # --- when all is quiet -------------------------------------------------------------------------------------------

    def nothing_lost(
        self, diary: Diary, is_owed: Callable[[Name], bool] = lambda _: True, matching: Matching | None = None
    ) -> None:
        """What was acknowledged, lives and matches was shown."""
        now_us, held = self.now_us(), 0
        for name, entry in self.matcher.of(self.ledger, [diary])[0] if matching is None else matching:
            if not entry.is_acknowledged:
                continue
            if name in diary.seen:
                held += 1
                continue
            dies = now_us + self.skew_us > entry.expires_us if entry.expires_us else entry.mortal
            if dies or entry.is_excused:
                continue
            if is_owed(name):
                held += 1
                self.never_shown(diary, name, entry)
        self.look("nothing lost", held)

    def never_shown(self, diary: Diary, name: Name, entry: Entry, what: str = "") -> None:
        """Something that was owed was not shown; `what` says why, where it is not that everything was."""
        about = f"{say_name(name)}, {what}," if what else say_name(name)
        self.broken(
            "nothing lost",
            f"{about} was acknowledged at copies:{entry.level[0]} and never shown to {diary.who}",
            _published(name, entry),
            _told(name, entry),
            f"{_second(self.now_us())}: all is quiet, and {diary.who} was never shown it",
            kind="newest" if what else "",
        )

    def honest_about_gaps(
        self,
        diary: Diary,
        places: Places,
        is_owed: Callable[[Name], bool] = lambda _: True,
        matching: Matching | None = None,
    ) -> None:
        """What was acknowledged and matches was shown, or a gap names its place."""
        told = VersionVector((gap.log, IntervalSet([(gap.first, gap.last)])) for gap in diary.missed)
        held = 0
        for name, entry in self.matcher.of(self.ledger, [diary])[0] if matching is None else matching:
            if not entry.is_acknowledged:
                continue
            if name in diary.seen:
                held += 1
                continue
            found = places(name)
            if not found and (entry.expires_us and self.now_us() > entry.expires_us + SKEW_US):
                continue  # it is dead and forgotten: whoever asked in time was told
            if entry.is_excused or not is_owed(name):
                continue
            held += 1
            is_told = any(told.get(log).touches(first, last) for log, first, last in found)  # type: ignore[arg-type]
            if not is_told and name not in diary.told_dead:
                self.broken(
                    "honest about gaps",
                    f"{say_name(name)} was neither shown to {diary.who} nor told as a gap ({diary.policy})",
                    _published(name, entry),
                    _told(name, entry),
                    f"{_second(self.now_us())}: all is quiet, and {diary.who} was told of no gap there",
                )
        self.look("honest about gaps", held)


# --- the same, afterwards, for those who keep diaries by themselves ----------------------------------------------------


def whole_ledger(apps: Iterable[App]) -> Ledger:
    """What all applications published."""
    return {name: entry for app in apps for name, entry in app.ledger.items()}


def _again(ledger: Ledger, diary: Diary) -> tuple[Watch, Diary]:
    """A watch that has seen all that a diary was shown, and that diary as it would have kept it."""
    watch = Watch(ledger=ledger)
    fresh = Diary(diary.patterns, diary.policy, missed=diary.missed, owner=diary.who, told_dead=diary.told_dead)
    for shown in diary.shown:
        watch.on_shown(fresh, shown)
    return watch, fresh


def _of(watch: Watch, promise: str) -> list[Breach]:
    return [breach for breach in watch.breaches if breach.promise == promise]


def nothing_lost(ledger: Ledger, diary: Diary) -> list[Breach]:
    """What was acknowledged and matches was shown. For a subscription from the beginning, when all is quiet."""
    watch, fresh = _again(ledger, diary)
    watch.nothing_lost(fresh)
    return _of(watch, "nothing lost")


def places_in(world: World, among: Collection[str] = ()) -> Places:
    """Where the running nodes of a world hold a message, or have held it; of all, or of some."""

    def places(name: Name) -> list[tuple[object, int, int]]:
        machines = [machine for machine in world.machines.values() if not among or machine.name in among]
        nodes = [machine.node for machine in machines if machine.node is not None]
        return [(r.log, r.from_position, r.to_position) for node in nodes for r in node.holdings.names.find(*name)]

    return places


def honest_about_gaps(ledger: Ledger, diary: Diary, world: World) -> list[Breach]:
    """What was acknowledged and matches was shown, or a gap names its place. For subscriptions from the beginning."""
    watch, fresh = _again(ledger, diary)
    watch.honest_about_gaps(fresh, places_in(world))
    return _of(watch, "honest about gaps")


def everything(apps: Iterable[App]) -> list[Breach]:
    """All promises, for subscriptions that began at the beginning, once all is quiet."""
    apps = sorted(apps, key=lambda app: app.name)
    ledger = whole_ledger(apps)
    breaches: list[Breach] = []
    for app in apps:
        for diary in app.diaries.values():
            watch, fresh = _again(ledger, diary)
            if diary.policy not in DROPS:
                watch.nothing_lost(fresh)
            watch.honest_about_gaps(fresh, places_in(app.world))
            breaches += watch.breaches
    return breaches
