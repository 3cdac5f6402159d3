"""What crossed in a recorded run, in lines: all of it up to a time (`transcript`), or the story of one message (`explain`).

The story names the exact positions at which the message stands, from the diaries of those who were shown it and from the
batches on disks, and tells only what concerned these: who sealed it, who stored it when and who told whom, what was under
way meanwhile, and why it did not reach those whom it did not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches

import msgpack

from mesh.errors import DecodeError
from mesh.log.batch import batch_from_parts
from mesh.types import LogId
from sim.diary import Diary, Entry, Name, name_of, say_name
from sim.errors import SimError
from sim.heap import Play
from sim.recorder import PENDING, Crossing, Place, Read, Recorder
from sim.stage import LASTS
from sim.workload import App

LINES_MAX = 20_000
STORY_MAX = 40
FAULTS_MAX = 6
Position = tuple[LogId, int]


def _second(us: int) -> str:
    return f"{us / 1e6:10.6f}"


def _log(place: Place) -> str:
    log, first, last = place
    return f"{log.node.hex()[:4]}:{first}" + (f"-{last}" if last > first else "")


def _crossed(crossing: Crossing) -> str:
    places = " ".join(_log(place) for place in crossing.places[:4])
    came = "never arrived" if crossing.arrived_us == PENDING else f"arrived {_second(crossing.arrived_us).strip()}"
    return f"{_second(crossing.sent_us)} {crossing.source}->{crossing.target} {crossing.kind} {places} {came}".rstrip()


def _read(read: Read) -> str:
    if not read.node:
        return f"{read.client} asks for page {read.page} of history"
    return f"{read.client} is shown page {read.page} of history by {read.node}, {len(read.shown)} messages"


def transcript(play: Play, until_us: int) -> list[str]:
    """Everything up to a time of the run, in order: faults, frames, what was published, shown, and read of the past."""
    assert play.recorder is not None
    lines = [
        (crossing.sent_us, _crossed(crossing)) for crossing in play.recorder.crossings if crossing.sent_us <= until_us
    ]
    for line in play.stage.story:
        at_us = int(float(line[:9]) * 1e6)
        if at_us <= until_us:
            lines.append((at_us, f"{_second(at_us)} -- {line[10:]}"))
    for name, entry in play.watch.ledger.items():
        if entry.at_us <= until_us:
            lines.append(
                (entry.at_us, f"{_second(entry.at_us)} {name[0]} publishes {say_name(name)} on {entry.channel}")
            )
    for app in play.apps.values():
        for diary in app.books:
            lines += [
                (each.at_us, f"{_second(each.at_us)} {app.name} is shown {say_name(name_of(each.record))}")
                for each in diary.shown
                if each.at_us <= until_us
            ]
    lines += [
        (read.at_us, f"{_second(read.at_us)} {_read(read)}") for read in play.recorder.reads if read.at_us <= until_us
    ]
    lines.sort(key=lambda line: line[0])
    said = [line for _, line in lines[:LINES_MAX]]
    return said if len(lines) <= LINES_MAX else [*said, f"… and {len(lines) - LINES_MAX} more lines"]


# --- where a message stands ------------------------------------------------------------------------------------------------


def positions_of(play: Play, name: Name) -> list[Position]:
    """Every position at which a message stands: more than one where its publish was retried at another node."""
    found = {
        (shown.log, shown.position)
        for app in play.apps.values()
        for diary in app.books
        if name in diary.seen
        for shown in diary.shown
        if name_of(shown.record) == name
    }
    for machine in play.world.machines.values():
        for log, rows in machine.disk.image.rows.items():
            for run in machine.disk.image.names.values():
                if run.log == log and (run.publisher, run.incarnation) == name[:2] and run.first <= name[2] <= run.last:
                    within = [
                        first
                        for first, row in rows.items()
                        if first <= run.to_position and row.last >= run.from_position
                    ]
                    found |= {place for first in within for place in _found(rows[first].packed, name)}
    return sorted(found)


def _found(packed: bytes, name: Name) -> list[Position]:
    try:
        batch = batch_from_parts(msgpack.unpackb(packed))
    except DecodeError:
        return []  # a damaged row
    if batch.body is None:
        return []
    return [(batch.log, batch.first + index) for index, record in enumerate(batch.records()) if name_of(record) == name]


def _covers(places: tuple[Place, ...], at: Position) -> bool:
    return any(log == at[0] and first <= at[1] <= last for log, first, last in places)


# --- the story of one message ----------------------------------------------------------------------------------------------

FIRST, ALWAYS, ASKED, TOLD, HEARD_OF = range(5)
"""What weighs most stays where there is too much to tell: then what happened to it, questions, receipts, announcements."""
MANY = 8
"""So many nodes or subscriptions still have a line each."""


@dataclass
class _Story:
    """Lines with their times and weights, as they are found."""

    play: Play
    recorder: Recorder
    name: Name
    entry: Entry
    lines: list[tuple[int, int, str]] = field(default_factory=list)
    has: dict[str, int] = field(default_factory=dict)
    """When each node stored it first, at any position."""

    def add(self, at_us: int, what: str, weight: int = ALWAYS) -> None:
        """One more line."""
        self.lines.append((at_us, weight, what))


def explain(play: Play, message: str) -> list[str]:
    """The story of one message in at most 40 lines. Raises `SimError` for one that there is not."""
    assert play.recorder is not None
    name = _named(play, message)
    story = _Story(play, play.recorder, name, play.watch.ledger[name])
    _publishing(story)
    places = positions_of(play, name)
    for place in places:
        _storing(story, place)
    needless = sum(_telling(story, place) for place in places)
    if needless:
        story.add(play.world.now_us, f"{needless} pushes of it were sent to nodes that had it already")
    _meanwhile(story)
    _nodes_without(story, places)
    _showing(story, places)
    for breach in play.watch.breaches:
        if say_name(name) in breach.about.split():
            story.add(play.world.now_us, f"broken: {breach.promise} – {breach.about}", FIRST)
    where = " and ".join(f"{log.node.hex()[:4]}:{position}" for log, position in places) or "no disk"
    return [f"{say_name(name)} stands at {where}:", *_cut_short(story.lines)]


def _showing(story: _Story, places: list[Position]) -> None:
    """Who was shown it when, and why others were not."""
    shown: list[tuple[int, str, str]] = []
    for app in story.play.apps.values():
        for diary in app.books:
            to = f"({' '.join(diary.patterns)})"
            if story.name in diary.seen:
                shown.append((diary.seen[story.name], app.name, f"is shown it {to}"))
            elif diary.matches(story.entry.channel):
                why = _why_not_shown(story, app, diary, places)
                story.add(story.play.world.now_us, f"{app.name} was never shown it {to}: {why}", FIRST)
    _gather(story, shown, "subscriptions are shown it")
    read = [
        (
            each.at_us,
            each.client,
            f"is shown it on page {each.page} of history by {each.node}, at {_log((log, at, at))}",
        )
        for each in story.recorder.reads
        for name, log, at in each.shown
        if name == story.name
    ]
    _gather(story, read, "pages of history show it")


def _gather(story: _Story, found: list[tuple[int, str, str]], words: str) -> None:
    """A line for each of a few; where they are many, one line for all."""
    if len(found) <= MANY:
        for at_us, who, what in found:
            story.add(at_us, f"{who} {what}")
        return
    found.sort()
    (begin_us, first, _), (end_us, last, _) = found[0], found[-1]
    story.add(begin_us, f"{len(found)} {words}, {first} first, the last at {end_us / 1e6:.6f}: {last}")


def _cut_short(lines: list[tuple[int, int, str]]) -> list[str]:
    lines.sort(key=lambda line: line[0])
    kept = sorted(range(len(lines)), key=lambda index: (lines[index][1], index))[: STORY_MAX - 2]
    said = [f"{_second(lines[index][0])} {lines[index][2]}" for index in sorted(kept)]
    more = len(lines) - len(kept)
    return [*said, f"           … and {more} lines that weigh less (--until prints all that crossed)"] if more else said


def _publishing(story: _Story) -> None:
    entry, name = story.entry, story.name
    where = f"attached to {entry.gateway}" if entry.gateway else "attached nowhere: it waits in its outbox"
    story.add(entry.at_us, f"{name[0]} publishes it on {entry.channel}, {where}", FIRST)
    if entry.first_told_us >= 0:
        copies, regions = entry.level
        is_raised = entry.told_us > entry.first_told_us
        first = "is told that it is durable" if is_raised else f"is told copies:{copies} regions:{regions}"
        story.add(entry.first_told_us, f"{name[0]} {first}", FIRST)
        if is_raised:
            story.add(
                entry.told_us, f"{name[0]} is told copies:{copies} regions:{regions}, the most that it ever is", FIRST
            )
    if entry.refused:
        story.add(entry.at_us, f"it is refused: {entry.refused}", FIRST)
    if entry.expires_us and entry.expires_us <= story.play.world.now_us:
        story.add(entry.expires_us, "it expires", FIRST)
    if entry.undated:
        words = "clocks that were wrong and agreed were believed while it lived: it is owed to nobody, and may be shown dead"
        story.add(story.play.world.now_us, words)
    elif entry.misdated:
        story.add(
            story.play.world.now_us, "a node dated it that was alone with a wrong clock: nobody knows when it dies"
        )
    elif entry.is_excused:
        lost = f"{', '.join(entry.disks_lost)} lost it with the disk, the node that accepted it among them"
        levels = f"copies:{entry.level[0]} regions:{entry.level[1]}"
        story.add(story.play.world.now_us, f"{lost}: {levels} need not survive that")


def _storing(story: _Story, at: Position) -> None:
    """Who stored it first when, as an answered append or as what a disk held at a start."""
    owner = _owner(story.play, at)
    times: dict[str, tuple[int, str]] = {}
    for kept in story.recorder.kept:
        if _covers((kept.place,), at) and kept.node not in times:
            times[kept.node] = kept.at_us, f"stores it, in the batch {_log(kept.place)}"
    for life in story.recorder.lives:
        if _covers(life.held, at) and life.at_us < times.get(life.node, (life.at_us + 1, ""))[0]:
            times[life.node] = life.at_us, "finds it on its disk as it starts"
    for node, (at_us, what) in times.items():
        if node == owner:
            story.add(at_us, f"{node} has sealed it, and {what}", FIRST)
        story.has[node] = min(at_us, story.has.get(node, at_us))
    others = [(at_us, node, what) for node, (at_us, what) in times.items() if node != owner]
    _gather(story, others, "other nodes store it")


def _owner(play: Play, at: Position) -> str:
    return next((name for name, machine in play.world.machines.items() if machine.node_id == at[0].node), "")


def _telling(story: _Story, at: Position) -> int:
    """Frames about it, those that left a node together in one line; each kind once between two nodes.

    Returned are the pushes to nodes that had it already.
    """
    owner = _owner(story.play, at)
    groups: dict[tuple[int, str, str], list[Crossing]] = {}
    seen: set[tuple[str, str, str]] = set()
    needless = 0
    for crossing in story.recorder.crossings:
        if not _covers(crossing.places, at):
            continue
        kind, source, target = crossing.kind, crossing.source, crossing.target
        had_it = story.has.get(target, crossing.sent_us + 1) <= crossing.sent_us
        if kind == "Push" and had_it:
            needless += 1
        if (kind, source, target) in seen or (kind in ("Push", "IHave") and had_it):
            continue
        if kind == "Stored" and target != owner:
            continue
        if crossing.arrived_us != PENDING:
            seen.add((kind, source, target))
        groups.setdefault((crossing.sent_us, source, kind), []).append(crossing)
    for (sent_us, source, kind), crossings in groups.items():
        words, weight = SAYS.get(kind, (f"sends {kind} about it to", ASKED))
        story.add(sent_us, f"{source} {words} {_targets(crossings)}", weight)
    return needless


SAYS = {
    "Push": ("pushes it to", ALWAYS),
    "IHave": ("announces it to", HEARD_OF),
    "Graft": ("grafts it from", ASKED),
    "Want": ("wants it from", ASKED),
    "NotFound": ("has not found it, and says so to", ASKED),
    "Busy": ("is too busy for it, and says so to", ASKED),
    "Stored": ("says that it has it to", TOLD),
    "Forked": ("proves that its log has two histories to", TOLD),
}


def _targets(crossings: list[Crossing]) -> str:
    arrived = [each for each in crossings if each.arrived_us != PENDING]
    lost = [each.target for each in crossings if each.arrived_us == PENDING]
    said = []
    if arrived:
        first, last = min(each.arrived_us for each in arrived), max(each.arrived_us for each in arrived)
        when = f"at {first / 1e6:.6f}" + (f" to {last / 1e6:.6f}" if last > first else "")
        said.append(f"{', '.join(each.target for each in arrived)}: arrives {when}")
    if lost:
        said.append(f"{', '.join(lost)}: never arrives")
    return "; ".join(said)


def _meanwhile(story: _Story) -> None:
    """What was under way between the publish and the last time that somebody stored it or was shown it."""
    begin_us = story.entry.at_us
    seen = [diary.seen.get(story.name, 0) for app in story.play.apps.values() for diary in app.books]
    is_everywhere = all(node in story.has for node in story.play.cast.nodes)
    end_us = max([*story.has.values(), *seen, begin_us]) if is_everywhere else story.play.world.now_us
    found = [
        band
        for band in story.play.stage.bands
        if band.begin_us <= end_us
        and (band.end_us == LASTS or band.end_us >= begin_us)
        and band.end_us != band.begin_us
    ]
    for band in found[:FAULTS_MAX]:
        until = "to the end" if band.end_us == LASTS else f"until {band.end_us / 1e6:.3f}"
        story.add(band.begin_us, f"-- {band.what}, {until}")
    if len(found) > FAULTS_MAX:
        story.add(end_us, f"-- {len(found) - FAULTS_MAX} more faults lay upon the time", ASKED)


def _nodes_without(story: _Story, places: list[Position]) -> None:
    """Nodes that never stored it, and why."""
    play = story.play
    for node in play.cast.nodes:
        if node in story.has or not places:
            continue
        sent = [each for each in story.recorder.crossings if each.kind == "Push" and each.target == node]
        about = [each for each in sent if any(_covers(each.places, at) for at in places)]
        if play.world.machines[node].node is None:
            why = f"it is down {_since(story, node)}"
        elif about and all(each.arrived_us == PENDING for each in about):
            why = f"no push of it arrived, the first sent by {about[0].source} at {about[0].sent_us / 1e6:.6f}"
        elif about:
            why = f"it was pushed it at {about[0].arrived_us / 1e6:.6f}, and did not store it"
        else:
            why = "nobody pushed it there"
        cuts = [
            band.what for band in play.stage.bands if band.end_us == LASTS and node in re.findall(r"[\w-]+", band.what)
        ]
        story.add(play.world.now_us, f"{node} never stored it: {'; '.join([why, *cuts])}", FIRST)


def _since(story: _Story, node: str) -> str:
    downs = [life.at_us for life in story.recorder.lives if life.node == node and not life.is_up]
    return f"since {downs[-1] / 1e6:.6f}" if downs else "from the beginning"


def _why_not_shown(story: _Story, app: App, diary: Diary, places: list[Position]) -> str:
    entry, now_us = story.entry, story.play.world.now_us
    for missed in diary.missed:
        if any(missed.log == log and missed.first <= position <= missed.last for log, position in places):
            return f"it was told of a gap there ({missed.reason})"
    if entry.refused:
        return "it was refused"
    if not places:
        return "no node holds it"
    if entry.expires_us and entry.expires_us <= now_us:
        return f"it expired at {entry.expires_us / 1e6:.3f}"
    if not diary.began:
        return "its subscription never began"
    if diary.left_us >= 0:
        return f"it left its subscription at {diary.left_us / 1e6:.3f}"
    if not diary.whole:
        return "its subscription began later than the message"
    if app.session is None or app.home is None:
        return "it is attached to no node"
    home = app.home.name
    if home not in story.has:
        return f"its gateway {home} never stored it"
    return f"its gateway {home} has it since {story.has[home] / 1e6:.6f}"


def _named(play: Play, message: str) -> Name:
    names: dict[str, Name] = {}
    for name in play.watch.ledger:
        names.setdefault(say_name(name), name)
        names.setdefault(f"{name[0]}/{name[2]}", name)
    if message in names:
        return names[message]
    near = get_close_matches(message, names, n=4, cutoff=0.5) or list(names)[:4]
    raise SimError(f"no message is called {message!r}; expected one such as {', '.join(near) or 'none at all'}")
