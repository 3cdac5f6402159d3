"""What is told beside messages, held against the world: gaps and their reasons, and that something comes late.

A gap says that places are not shown, and why. `dropped` is told to those alone who let slow readers drop; `expired` where
nothing lives any more; `lost` where no disk has it; and none of what was shown before, or is shown after it, but for what
was `missing` or `lost`, may fill, and comes late. What is marked late comes behind something: a successor, or a place of
its log that was told already. Where a judge cannot know, because a host is bad or a clock alone, it finds no fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from mesh.client import effects as fx
from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import IntervalSet
from mesh.operations import GapReason, SlowPolicy
from sim.checkers import SKEW_US, Watch
from sim.clock import WALL_MS
from sim.diary import DROPS, Diary, Entry, Matching, Name, Shown, name_of, say_name
from sim.machine import TAKEN_IN_US

if TYPE_CHECKING:
    from mesh.log.record import Record
    from mesh.types import LogId
    from sim.disk import Row
    from sim.world import Machine, World

HONEST, ORDER = "honest about gaps", "in order"
EDGE_MS = 1_000
"""What was stamped so shortly before or after the moment that a subscription begins at may be shown or not: a batch is
shown whole."""
FILLS = (GapReason.MISSING, GapReason.LOST)


def on_missed(watch: Watch, world: World, home: Machine | None, diary: Diary, gap: fx.Missed, told_us: int) -> None:
    """A gap is heard, that a node told at a moment: what it says is so."""
    heard, log = diary.heard, gap.log
    watch.look(HONEST)
    if gap.reason is GapReason.DROPPED and diary.policy not in DROPS:
        _false(watch, diary, gap, f"and {diary.policy.value} lets nothing be dropped")
    before = heard.shown.get(log).within(gap.first, gap.last)
    if before and not (watch.undated and gap.reason is GapReason.EXPIRED):  # a log may have been forgotten
        at = next(shown for shown in diary.shown if shown.log == log and shown.position == before[0][0])
        line = f"{at.at_us / 1e6:.6f} s: {diary.who} is shown {say_name(name_of(at.record))}, from {_place(log, at.position)}"
        _false(watch, diary, gap, f"and {before[0][0]} was shown before", line)
    if gap.reason is GapReason.EXPIRED and not (home is not None and home.may_call_dead(world.now_us)):
        living = _living(watch, world, diary, gap)
        if living:
            _false(watch, diary, gap, f"and {living} lives")
    if gap.reason is GapReason.EXPIRED:
        diary.told_dead.update(_names(world, gap))
    if gap.reason is GapReason.LOST:
        machines = world.machines.values()
        holders = [each.name for each in machines if each.replaced_us < told_us and any(_rows(each, gap))]
        if holders:
            _false(watch, diary, gap, f"and {' '.join(holders)} has it")
    if gap.reason is GapReason.MISSING and home is not None:
        taken_us = told_us - TAKEN_IN_US  # an earlier image may have brought it back
        lies = next((row for row in _rows(home, gap) if max(row.since_us, home.replaced_us) < taken_us), None)
        if lies is not None:
            line = f"{lies.since_us / 1e6:.6f} s: it lies on {home.name}’s disk"
            _false(watch, diary, gap, f"and {home.name}, which told it so, has it", line)
    heard.reached[log] = max(heard.reached.get(log, 0), gap.last)
    if gap.reason in FILLS:
        if IntervalSet(heard.awaited.get(log).within(gap.first, gap.last)).minus(heard.behind.get(log)):
            _false(watch, diary, gap, "and was told so before, since it last began")
        heard.awaited.add(log, gap.first, gap.last)
        for row in _rows(home, gap) if home is not None and home.replaced_us < told_us else ():
            if row.since_us < told_us:
                first, last = row.batch().first, row.last
                heard.held.add(log, max(first, gap.first), min(last, gap.last))
    else:
        heard.closed.add(log, gap.first, gap.last)


def on_covered(
    watch: Watch, home: Machine | None, diary: Diary, log: LogId, first: int, last: int, told_us: int
) -> None:
    """Places are said to be of no concern, or shown: they lie on the disk of the node that told so, or did as it did.

    Of a hole nothing is known; who takes it for covered is never shown what fills it.
    """
    if home is None or home.node is None or home.is_bad or log in home.node.holdings.gone:
        return
    if home.dropped_us > told_us - TAKEN_IN_US:  # it was in memory, and had not heard yet that the disk had dropped it
        return
    held = home.disk.image.held.get(log)
    if held is None or not held.positions.covers(first, last):
        line = f"{watch.now_us() / 1e6:.6f} s: {diary.who} is told to have all of {_place(log, first)} to {last}"
        what = f"{diary.who} was told by {home.name} to have what that has not got, and is never told of it"
        watch.broken(HONEST, what, line, kind="covered")


def on_shown(watch: Watch, world: World, diary: Diary, shown: Shown) -> None:
    """A message is shown: no gap has said that it would not be, and it is late if it is marked so."""
    heard, log, at, record = diary.heard, shown.log, shown.position, shown.record
    key = record.publisher, record.incarnation
    if heard.closed.covers(log, at, at):
        _denied(watch, diary, shown, "is not shown")
    elif heard.awaited.covers(log, at, at) and not shown.late:  # it may be so in its order, but not where it was there
        is_late = heard.held.covers(log, at, at) or at < heard.passed.get(log, 0)
        if is_late:
            _denied(watch, diary, shown, "is missing")
    if shown.late:
        if heard.behind.covers(log, at, at):
            world.cover("hole/filled-behind-a-cursor")
        is_behind = at <= heard.reached.get(log, 0) or record.sequence < heard.newest.get(key, 0)
        if not is_behind and not _has_moved(world, key):
            line = f"{shown.at_us / 1e6:.6f} s: {diary.who} is shown it, marked late, from {_place(log, at)}"
            what = f"{diary.who} was shown {say_name(name_of(record))} as late, and nothing that comes after it before"
            watch.broken(ORDER, what, *watch.publish_of(name_of(record)), line, kind="late")
    _in_its_log(watch, world, diary, shown)
    entry = watch.ledger.get(name_of(record))
    if entry is not None and not entry.ttl_ms:
        machines = world.machines.values()
        takers = [machine for machine in machines if machine.node_id == log.node and not machine.is_bad]
        if record.ttl_ms not in {each.config.intake.ttl_default_ms for each in takers or machines}:
            what = (
                f"{say_name(name_of(record))} was published to live as long as nodes say, and lives {record.ttl_ms} ms"
            )
            line = f"{shown.at_us / 1e6:.6f} s: {diary.who} is shown it, from {_place(log, at)}"
            watch.broken("nothing invented", what, *watch.publish_of(name_of(record)), line, kind="ttl")
    had = diary.before[2].get(log)
    if (at in had or (diary.since_ms is None and at < had.last)) and _is_from_before(watch, diary, record):
        line = f"{shown.at_us / 1e6:.6f} s: {diary.who} is shown it, from {_place(log, at)}"
        since = "now" if diary.since_ms is None else f"{_moment_us(diary.since_ms) / 1e6:.6f} s"
        asked = f"{diary.asked_us / 1e6:.6f} s: {diary.who} asks for what comes from {since} on, and {diary.before[0]} has it"
        what = (
            f"{diary.who} asked for what comes from {since} on, and was shown {say_name(name_of(record))} from before"
        )
        watch.broken("once", what, *watch.publish_of(name_of(record)), asked, line, kind="before")
    low, high = watch.stamps.get(name_of(record), (record.stamp, record.stamp))
    watch.stamps[name_of(record)] = min(low, record.stamp), max(high, record.stamp)
    heard.shown.add(log, at, at)
    heard.late += at <= heard.reached.get(log, 0)
    heard.pass_to(log, at)
    heard.newest[key] = max(heard.newest.get(key, 0), record.sequence)


def _is_from_before(watch: Watch, diary: Diary, record: Record) -> bool:
    """Whether what its node had as it was asked lies before what it was asked for: from a time on, stamps say so."""
    if diary.since_ms is None:
        return True
    return watch.skew_us < SKEW_US and stamp_ms(record.stamp) < diary.since_ms - EDGE_MS


def _moment_us(wall_ms: int) -> int:
    return (wall_ms - WALL_MS) * 1_000


def owed_of(watch: Watch, world: World, diary: Diary, matching: Matching) -> Matching:
    """What of all that it matches may be owed to a subscription, by where it began.

    From a time on it is what was stamped then or later: what was published then is, and what waited to be sent is where
    its only stamp says so. Where clocks may be wrong it is what was published once the subscription stood.
    """
    if diary.since_ms is None or watch.skew_us >= SKEW_US:
        return diary.owed_of(matching)
    from_ms = diary.since_ms + EDGE_MS

    def is_owed(name: Name, entry: Entry) -> bool:
        low, _ = watch.stamps.get(name, (0, 0))
        is_later = stamp_ms(low) >= from_ms and not _has_moved(world, name[:2])
        return entry.at_us >= _moment_us(from_ms) or is_later

    return [(name, entry) for name, entry in matching if is_owed(name, entry)] if diary.began else []


def on_left(watch: Watch, diary: Diary, who: str) -> None:
    """Something is told or shown of a subscription that its client has left, after whoever does so heard of that."""
    left = f"{diary.left_us / 1e6:.6f} s: {diary.owner} leaves its subscription to {' '.join(diary.patterns)}"
    line = f"{watch.now_us() / 1e6:.6f} s: {who} what matches it, and has heard of that"
    what = f"{diary.owner} left its subscription to {' '.join(diary.patterns)}, and {who} more of it"
    watch.broken("nothing invented", what, left, line, kind="left")


def _in_its_log(watch: Watch, world: World, diary: Diary, shown: Shown) -> None:
    """A node takes a publisher's messages in their order: places in a log rise with sequences, late or not.

    So do they as they are shown, but for what fills a gap that was told. The log of a member gone bad says what it likes.
    """
    record, place = shown.record, shown.position
    key = shown.log, record.publisher, record.incarnation
    at, sequence = diary.heard.foremost.get(key, (0, 0))
    if record.sequence > sequence:
        diary.heard.foremost[key] = place, record.sequence
    is_filling = record.sequence < sequence and place < at and diary.heard.awaited.covers(shown.log, place, place)
    is_next = record.sequence > sequence and place > at
    is_same = record.sequence == sequence or place == at
    if not (is_next or is_filling or is_same) and not _is_bad(world, shown.log):
        line = f"{shown.at_us / 1e6:.6f} s: {diary.who} is shown it, from {_place(shown.log, place)}"
        what = (
            f"{say_name(name_of(record))}, at {_place(shown.log, place)}, is shown after {sequence} of it, at {at}, "
            "and no gap was told of it"
        )
        watch.broken(ORDER, what, *watch.publish_of(name_of(record)), line, kind="log")


def _is_bad(world: World, log: LogId) -> bool:
    return any(machine.is_bad and machine.node_id == log.node for machine in world.machines.values())


def newest_unseen(watch: Watch, diary: Diary, matching: Matching, room: int, room_bytes: int) -> Matching:
    """What is to be shown even to who lets things be dropped, and was not.

    With `latest` that is the newest of each channel, if they fit, with `drop-oldest` so many of the newest as fit, in number
    and in payload bytes. Which is newer, stamps say; where copies have several, it may be open.
    """
    stamped = [(*watch.stamps[name], name, entry) for name, entry in matching if name in watch.stamps]
    groups: dict[str, list[tuple[int, int, Name, Entry]]] = {}
    for each in stamped:
        groups.setdefault(each[3].channel if diary.policy is SlowPolicy.LATEST else "", []).append(each)
    unseen: Matching = []
    largest = sum(max(len(entry.payload) for *_, entry in group) for group in groups.values())
    fits = len(groups) <= room and (diary.policy is SlowPolicy.DROP_OLDEST or largest <= room_bytes)
    for group in groups.values() if fits else ():
        group.sort(key=lambda each: each[0], reverse=True)
        sizes = accumulate(len(entry.payload) for *_, entry in group[:room])
        fit = 1 if diary.policy is SlowPolicy.LATEST else max(1, sum(size <= room_bytes for size in sizes))
        floor = max((high for _, high, *_ in group[fit:]), default=0)
        for low, _, name, entry in group[:fit]:
            dies = entry.mortal or (entry.expires_us and watch.now_us() + watch.skew_us > entry.expires_us)
            is_owed = low > floor and entry.is_acknowledged and not entry.is_excused and not dies
            if is_owed and name not in diary.seen:
                unseen.append((name, entry))
    return unseen


def _place(log: LogId, position: int) -> str:
    return f"{log.node.hex()[:8]}:{position}"


def _say(diary: Diary, gap: fx.Missed) -> str:
    places = str(gap.first) if gap.first == gap.last else f"{gap.first}..{gap.last}"
    return f"{diary.who} was told that {gap.log.node.hex()[:8]}:{places} is {gap.reason.value}"


def _false(watch: Watch, diary: Diary, gap: fx.Missed, but: str, *witness: str) -> None:
    line = f"{watch.now_us() / 1e6:.6f} s: {_say(diary, gap)} ({diary.policy.value})"
    watch.broken(HONEST, f"{_say(diary, gap)}, {but}", *witness, line, kind=gap.reason.value)


def _denied(watch: Watch, diary: Diary, shown: Shown, said: str) -> None:
    """Something is shown that a gap had said would not be, or not in its order."""
    at = shown.position
    gap = next(gap for gap in diary.missed if gap.log == shown.log and gap.first <= at <= gap.last)
    name = say_name(name_of(shown.record))
    line = f"{shown.at_us / 1e6:.6f} s: {diary.who} is shown {name}, from {_place(shown.log, at)}, not marked late"
    told = f"before that: {_say(diary, gap)}"
    what = f"{diary.who} was told that {_place(shown.log, at)} {said}, and then shown it: {name}"
    watch.broken(HONEST, what, *watch.publish_of(name_of(shown.record)), told, line, kind="shown after all")


def _rows(machine: Machine, gap: fx.Missed) -> Iterator[Row]:
    """What an honest machine's disk holds of a gap."""
    if machine.is_bad or machine.disk.kept is not None:
        return
    for first, row in machine.disk.image.rows.get(gap.log, {}).items():
        if first <= gap.last and row.last >= gap.first and not row.damaged:
            yield row


def _names(world: World, gap: fx.Missed) -> Iterator[Name]:
    """The messages in a gap, by whoever has it with its body still: of an equal copy in another log nothing more is told."""
    for machine in world.machines.values():
        for row in _rows(machine, gap):
            if not row.stripped:
                batch = row.batch()
                records = enumerate(batch.records(), batch.first)
                yield from (name_of(record) for position, record in records if gap.first <= position <= gap.last)


def _living(watch: Watch, world: World, diary: Diary, gap: fx.Missed) -> str:
    """A message in a gap that concerns a subscription and lives by the world's clock, whatever the skew; empty if none."""
    wall_ms = WALL_MS + (world.now_us + watch.skew_us) // 1_000
    for machine in world.machines.values():
        for row in _rows(machine, gap):
            if row.stripped or row.expires_ms <= wall_ms:
                continue
            batch = row.batch()
            for position, record in enumerate(batch.records(), batch.first):
                is_there = gap.first <= position <= gap.last and diary.matches(record.channel)
                if is_there and record.expires_ms > wall_ms and not _is_undated(watch, record):
                    return say_name(name_of(record))
    return ""


def _is_undated(watch: Watch, record: Record) -> bool:
    entry = watch.ledger.get(name_of(record))
    return entry is not None and (entry.undated or watch.is_reached(entry.expires_us))


def _has_moved(world: World, key: tuple[str, int]) -> bool:
    """Whether nodes know a publisher from two logs: they look at its name alone, and not at the channel."""
    nodes = [machine.node for machine in world.machines.values() if machine.node is not None]
    return any(key in node.holdings.names.movers for node in nodes)
