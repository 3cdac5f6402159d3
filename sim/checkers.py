"""The delivery contract, held against ledgers and diaries; each broken promise names the message that proves it.

A subscription is *owed* what was acknowledged, has not expired, and matches: all of it if it began at the beginning, else
what lies beyond the cursor with which it began. The promises and their words are those of docs/concepts/contract.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log.record import Record
from mesh.operations import SlowPolicy
from mesh.types import pattern_matches
from sim.workload import App, Diary, Entry
from sim.world import World

Name = tuple[str, int, int]
Ledger = dict[Name, Entry]


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that was broken, and how it is known."""

    promise: str
    about: str


def name_of(record: Record) -> Name:
    """A message's name, as ledgers have it."""
    return record.publisher, record.incarnation, record.sequence


def whole_ledger(apps: Iterable[App]) -> Ledger:
    """What all applications published."""
    return {name: entry for app in apps for name, entry in app.ledger.items()}


def nothing_lost(ledger: Ledger, diary: Diary) -> list[Breach]:
    """What was acknowledged and matches was shown. For a subscription from the beginning, when all is quiet."""
    shown = {name_of(shown.record) for shown in diary.shown}
    return [
        Breach("nothing lost", f"{name} on {entry.channel} was acknowledged at {entry.level} and never shown")
        for name, entry in ledger.items()
        if entry.level > (0, 0) and not entry.mortal and _matches(diary, entry.channel) and name not in shown
    ]


def honest_about_gaps(ledger: Ledger, diary: Diary, world: World) -> list[Breach]:
    """What was acknowledged and matches was shown, or a gap names its place. For subscriptions from the beginning."""
    shown = {name_of(shown.record) for shown in diary.shown}
    told = VersionVector((gap.log, IntervalSet([(gap.first, gap.last)])) for gap in diary.missed)
    breaches = []
    for name, entry in ledger.items():
        if entry.level == (0, 0) or not _matches(diary, entry.channel) or name in shown:
            continue
        places = [
            run for m in world.machines.values() if m.node is not None for run in m.node.holdings.names.find(*name)
        ]
        if not any(told.get(run.log).touches(run.from_position, run.to_position) for run in places):
            breaches.append(Breach("honest about gaps", f"{name} was neither shown nor told as a gap ({diary.policy})"))
    return breaches


def nothing_invented(ledger: Ledger, diary: Diary) -> list[Breach]:
    """What was shown was published so, and was not refused."""
    breaches = []
    for shown in diary.shown:
        record = shown.record
        entry = ledger.get(name_of(record))
        if entry is None or (entry.channel, entry.payload) != (record.channel, record.payload):
            breaches.append(Breach("nothing invented", f"{name_of(record)} was shown, and never published so"))
        elif entry.refused:
            breaches.append(Breach("nothing invented", f"{name_of(record)} was refused, and shown"))
        elif not _matches(diary, record.channel):
            breaches.append(Breach("nothing invented", f"{record.channel} matches none of {diary.patterns}"))
    return breaches


def once(diary: Diary) -> list[Breach]:
    """No message was shown twice."""
    seen: set[Name] = set()
    breaches = []
    for shown in diary.shown:
        name = name_of(shown.record)
        if name in seen:
            breaches.append(Breach("once", f"{name} was shown twice, the second time at {shown.position}"))
        seen.add(name)
    return breaches


def in_order(diary: Diary) -> list[Breach]:
    """Each publisher's messages came in order within a channel, or were marked late."""
    newest: dict[tuple[str, int, str], int] = {}
    breaches = []
    for shown in diary.shown:
        record = shown.record
        key = record.publisher, record.incarnation, record.channel
        before = newest.get(key, 0)
        if record.sequence < before and not shown.late:
            breaches.append(Breach("in order", f"{name_of(record)} came after {before} and was not marked late"))
        newest[key] = max(before, record.sequence)
    return breaches


def everything(apps: Iterable[App]) -> list[Breach]:
    """All promises, for subscriptions that began at the beginning, once all is quiet."""
    apps = sorted(apps, key=lambda app: app.name)
    ledger = whole_ledger(apps)
    breaches: list[Breach] = []
    for app in apps:
        for diary in app.diaries.values():
            if diary.policy in (SlowPolicy.ALL, SlowPolicy.DISCONNECT):
                breaches += nothing_lost(ledger, diary)
            breaches += honest_about_gaps(ledger, diary, app.world)
            breaches += nothing_invented(ledger, diary)
            breaches += once(diary)
            breaches += in_order(diary)
    return breaches


def _matches(diary: Diary, channel: str) -> bool:
    return any(pattern_matches(pattern, channel) for pattern in diary.patterns)
