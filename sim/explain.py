"""What crossed in a recorded run, in lines: all of it up to a time (`transcript`), or the story of one message (`explain`).

The story names the exact positions at which the message stands, from the diaries of those who were shown it and from the
batches on disks, and tells only what concerned these: who sealed it, who stored it when and who told whom, what was under
way meanwhile, and why it did not reach those whom it did not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase

from mesh.clocks.vector import VersionVector
from sim.diary import Diary, Entry, Name, name_of, say_name
from sim.errors import SimError
from sim.heap import Play
from sim.recorder import PENDING, Crossing, Place, Read, Recorder
from sim.stage import LASTS, Band
from sim.stays import (
    FINDS,
    FOR_EVER,
    LOST,
    STARTS_WITHOUT,
    STORES,
    STORES_AGAIN,
    Event,
    Position,
    Stay,
    Stays,
    positions_of,
    touched,
)
from sim.workload import App

LINES_MAX = 20_000
STORY_MAX = 40
FAULTS_MAX = 6
PLACES_MAX = 4
"""So many of the places at which a message stands are named."""


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


# --- the story of one message ----------------------------------------------------------------------------------------------

OWED, FIRST, ALWAYS, ASKED, TOLD, HEARD_OF = range(6)
"""What weighs most stays where there is too much to tell: what its publisher and subscribers know, and what promises broke,
who has it and who has not, then what happened to it, questions, receipts, announcements."""
MANY = 8
"""So many nodes or subscriptions still have a line each."""
LOSES = frozenset({"bit-rot", "fsync-lies", "misdirect", "restore", "scrub", "wipe"})
"""The faults that take from a disk what it had."""


@dataclass
class _Story:
    """Lines with their times and weights, as they are found."""

    play: Play
    recorder: Recorder
    name: Name
    entry: Entry
    places: list[Position]
    lines: list[tuple[int, int, str]] = field(default_factory=list)
    logs: VersionVector = field(init=False)
    """The same places by log."""
    stays: Stays = field(init=False)

    def __post_init__(self) -> None:
        """Find who had it from when to when."""
        self.logs = VersionVector()
        for log, position in self.places:
            self.logs.add(log, position, position)
        self.stays = Stays(self.recorder, self.logs)

    def add(self, at_us: int, what: str, weight: int = ALWAYS) -> None:
        """One more line."""
        self.lines.append((at_us, weight, what))


def explain(play: Play, message: str) -> list[str]:
    """The story of one message in at most 40 lines. Raises `SimError` for one that there is not."""
    assert play.recorder is not None
    name = _named(play, message)
    story = _Story(play, play.recorder, name, play.watch.ledger[name], positions_of(play, name))
    _publishing(story)
    _meanwhile(story)
    _storing(story)
    needless = _telling(story)
    if needless:
        story.add(play.world.now_us, f"{needless} pushes of it were sent to nodes that had it already")
    _nodes_without(story)
    _showing(story)
    about = {say_name(name), f"{say_name(name)},"}
    broken = [each for each in play.watch.breaches if not about.isdisjoint(each.about.split())]
    said = list(dict.fromkeys(f"broken: {breach.promise} – {breach.about}" for breach in broken))
    for line in said if len(said) <= MANY else [*said[:MANY], f"broken: {len(said) - MANY} more promises about it"]:
        story.add(play.world.now_us, line, OWED)
    return [f"{say_name(name)} stands at {_standing(story)}:", *_cut_short(story.lines)]


def _standing(story: _Story) -> str:
    """The first places in each log, and how many more there are."""
    chosen = [(log, first) for log, runs in story.logs.items() for first, _ in runs][:PLACES_MAX]
    if len(story.places) <= PLACES_MAX:
        chosen = story.places
    said = [f"{log.node.hex()[:4]}:{position}" for log, position in sorted(chosen)]
    more = len(story.places) - len(chosen)
    return " and ".join([*said, *([f"{more} more"] if more else [])]) or "no disk"


def _showing(story: _Story) -> None:
    """Who was shown it when, and why others were not."""
    shown: list[tuple[int, str, str]] = []
    never: dict[str, list[tuple[int, str, str]]] = {}
    for app in story.play.apps.values():
        for diary in app.books:
            to = f"({' '.join(diary.patterns)})"
            if story.name in diary.seen:
                shown.append((diary.seen[story.name], app.name, f"is shown it {to}"))
            elif diary.matches(story.entry.channel):
                why = _why_not_shown(story, app, diary)
                line = story.play.world.now_us, app.name, f"was never shown it {to}: {why}"
                never.setdefault(why, []).append(line)
    _gather(story, shown, "subscriptions are shown it", OWED)
    if sum(len(each) for each in never.values()) <= MANY:
        never = {"": [line for each in never.values() for line in each]}
    for why, each in list(never.items())[:MANY]:
        _gather(story, each, "subscriptions were never shown it", OWED, f": {why}", 1 if why else MANY)
    more = sum(len(each) for each in list(never.values())[MANY:])
    if more:
        story.add(story.play.world.now_us, f"{more} more subscriptions were never shown it", OWED)
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


def _gather(
    story: _Story,
    found: list[tuple[int, str, str]],
    words: str,
    weight: int = ALWAYS,
    why: str = "",
    many: int = MANY,
) -> None:
    """A line for each of a few; where they are many, one line for all."""
    if len(found) <= many:
        for at_us, who, what in found:
            story.add(at_us, f"{who} {what}", weight)
        return
    found.sort()
    (begin_us, first, _), (end_us, last, _) = found[0], found[-1]
    who = f"{first} first, the last at {end_us / 1e6:.6f}: {last}" if end_us > begin_us else f"such as {first}"
    story.add(begin_us, f"{len(found)} {words}, {who}{why}", weight)


def _cut_short(lines: list[tuple[int, int, str]]) -> list[str]:
    lines = sorted(dict.fromkeys(lines), key=lambda line: line[0])
    kept = sorted(range(len(lines)), key=lambda index: (lines[index][1], index))[: STORY_MAX - 2]
    said = [f"{_second(lines[index][0])} {lines[index][2]}" for index in sorted(kept)]
    more = len(lines) - len(kept)
    return [*said, f"           … and {more} lines that weigh less (--until prints all that crossed)"] if more else said


def _publishing(story: _Story) -> None:
    entry, name = story.entry, story.name
    where = f"attached to {entry.gateway}" if entry.gateway else "attached nowhere: it waits in its outbox"
    story.add(entry.at_us, f"{name[0]} publishes it on {entry.channel}, {where}", OWED)
    if entry.first_told_us >= 0:
        copies, regions = entry.level
        is_raised = entry.told_us > entry.first_told_us
        first = "is told that it is durable" if is_raised else f"is told copies:{copies} regions:{regions}"
        story.add(entry.first_told_us, f"{name[0]} {first}", OWED)
        if is_raised:
            story.add(
                entry.told_us, f"{name[0]} is told copies:{copies} regions:{regions}, the most that it ever is", OWED
            )
    if entry.refused:
        story.add(entry.at_us, f"it is refused: {entry.refused}", OWED)
    if entry.expires_us and entry.expires_us <= story.play.world.now_us:
        story.add(entry.expires_us, "it expires", OWED)
    if entry.undated:
        words = "clocks that were wrong and agreed were believed while it lived: it is owed to nobody, and may be shown dead"
        story.add(story.play.world.now_us, words)
    elif entry.misdated:
        story.add(
            story.play.world.now_us, "a node dated it that was alone with a wrong clock: nobody knows when it dies"
        )
    elif entry.is_excused:
        bad = [name for name in entry.disks_lost if story.play.world.machines[name].is_bad]
        lost = f"{', '.join(entry.disks_lost)} lost it with the disk, whoever told a level among them"
        if bad:
            lost += f" (a bad host counts as a lost disk: {', '.join(bad)})"
        levels = f"copies:{entry.level[0]} regions:{entry.level[1]}"
        story.add(story.play.world.now_us, f"{lost}: {levels} need not survive that")


def _storing(story: _Story) -> None:
    """Who stored it when, as an answered append or as what a disk held at a start; and who lost it."""
    found: dict[int, list[tuple[int, str, str]]] = {}
    sealed: dict[str, list[tuple[int, str, str]]] = {}
    for event in story.stays.events:
        node = event.node
        if event.kind == STORES and node == _owner(story.play, event):
            sealed.setdefault(node, []).append((event.at_us, node, f"has sealed it, and {_does(event)}"))
        else:
            found.setdefault(event.kind, []).append((event.at_us, node, _does(event)))
    for node, lines in sealed.items():
        _gather(story, lines, f"batches with it are sealed and stored by {node}", FIRST)
    for kind, lines in found.items():
        if kind in (STORES, STORES_AGAIN) and len(lines) > MANY:  # of the copies of a node the first
            firsts: dict[str, tuple[int, str, str]] = {}
            for line in lines:
                firsts.setdefault(line[1], line)
            _gather(story, list(firsts.values()), GATHERED[kind], ALWAYS if kind == STORES else FIRST)
        else:
            _gather(story, lines, GATHERED[kind], ALWAYS if kind == STORES else FIRST)


GATHERED = {
    STORES: "other nodes store it",
    STORES_AGAIN: "nodes store it again",
    FINDS: "times it is found on a disk at a start",
    STARTS_WITHOUT: "starts on disks that hold it no longer",
    LOST: "disks hold it no longer at the end",
}


def _does(event: Event) -> str:
    """What a node does with it, or comes upon."""
    if event.place is not None:
        return f"stores it{' again' if event.kind == STORES_AGAIN else ''}, in the batch {_log(event.place)}"
    if event.kind == FINDS:
        return "finds it on its disk as it starts"
    return (
        "starts, and its disk holds it no longer" if event.kind == STARTS_WITHOUT else "holds it no longer at the end"
    )


def _owner(play: Play, event: Event) -> str:
    assert event.place is not None
    return _owner_of(play, event.place[0].node)


def _owner_of(play: Play, node_id: bytes) -> str:
    return next((name for name, machine in play.world.machines.items() if machine.node_id == node_id), "")


def _telling(story: _Story) -> int:
    """Frames about it, those that left a node together in one line; each kind once between two nodes, until one has lost it.

    Returned are the pushes to nodes that had it already.
    """
    stays = story.stays
    groups: dict[tuple[int, str, str], list[Crossing]] = {}
    seen: set[tuple[str, str, str, int, int]] = set()
    needless = 0
    for crossing in story.recorder.crossings:
        logs = touched(story.logs, crossing.places)
        if not logs:
            continue
        kind, source, target, at_us = crossing.kind, crossing.source, crossing.target, crossing.sent_us
        had_it = stays.has(target, at_us)
        if kind == "Push" and had_it:
            needless += 1
        between = kind, source, target, stays.losses(source, at_us), stays.losses(target, at_us)
        if between in seen or (kind in ("Push", "IHave") and had_it):
            continue
        if kind == "Stored" and target not in {_owner_of(story.play, log.node) for log in logs}:
            continue
        if crossing.arrived_us != PENDING:
            seen.add(between)
        groups.setdefault((at_us, source, kind), []).append(crossing)
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
    """What took it from disks, and what was under way from the publish to the last time that it was stored or shown."""
    begin_us, stays, bands = story.entry.at_us, story.stays, story.play.stage.bands
    seen = [diary.seen.get(story.name, 0) for app in story.play.apps.values() for diary in app.books]
    is_everywhere = all(stays.since_us(node) is not None for node in story.play.cast.nodes)
    stored = [event.at_us for event in stays.events]
    end_us = max([*stored, *seen, begin_us]) if is_everywhere else story.play.world.now_us
    ended = [(node, stay) for node, each in stays.of.items() for stay in each if stay.until_us < FOR_EVER]
    to_blame = [band for band in bands if any(_may_take(story.play, band, node, stay) for node, stay in ended)]
    found = [
        band
        for band in bands
        if band.begin_us <= end_us
        and (band.end_us == LASTS or band.end_us >= begin_us)
        and band.end_us != band.begin_us
        and band not in to_blame
    ]
    for weight, some in ((FIRST, to_blame), (ALWAYS, found)):
        for band in some[:FAULTS_MAX]:
            until = "to the end" if band.end_us == LASTS else f"until {band.end_us / 1e6:.3f}"
            story.add(band.begin_us, f"-- {band.what}" + (f", {until}" if band.end_us != band.begin_us else ""), weight)
    more = sum(max(0, len(some) - FAULTS_MAX) for some in (to_blame, found))
    if more:
        story.add(end_us, f"-- {more} more faults lay upon the time", ASKED)


def _may_take(play: Play, band: Band, node: str, stay: Stay) -> bool:
    """Whether a fault may have taken it from a node's disk."""
    is_meanwhile = band.begin_us <= stay.until_us and (band.end_us == LASTS or band.end_us >= stay.begin_us)
    return band.verb in LOSES and is_meanwhile and _is_about(play, band, node)


def _is_about(play: Play, band: Band, node: str) -> bool:
    """Whether the words of a fault name a node, by its name, a pattern, or its region."""
    region = f"@{play.cast.nodes[node].region}" if node in play.cast.nodes else ""
    words = re.findall(r"[@\w*?-]+", band.what)
    return any(word == region or fnmatchcase(node, word) for word in words)


def _nodes_without(story: _Story) -> None:
    """Nodes that never stored it, or lost it and did not get it again; and why."""
    play = story.play
    for node in play.cast.nodes:
        if story.stays.since_us(node) is not None or not story.places:
            continue
        stays = story.stays.of.get(node)
        begin_us = stays[-1].end_us if stays else 0
        about = [
            each
            for each in story.recorder.crossings
            if each.kind == "Push"
            and each.target == node
            and each.sent_us >= begin_us
            and touched(story.logs, each.places)
        ]
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
        words = "did not store it again" if stays else "never stored it"
        story.add(play.world.now_us, f"{node} {words}: {'; '.join([why, *cuts])}", FIRST)


def _since(story: _Story, node: str) -> str:
    downs = [life.at_us for life in story.recorder.lives if life.node == node and not life.is_up]
    return f"since {downs[-1] / 1e6:.6f}" if downs else "from the beginning"


def _why_not_shown(story: _Story, app: App, diary: Diary) -> str:
    entry, now_us, places = story.entry, story.play.world.now_us, story.places
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
    since_us = story.stays.since_us(home)
    if since_us is None:
        return f"its gateway {home} {'has lost it' if story.stays.losses(home) else 'never stored it'}"
    return f"its gateway {home} has it since {since_us / 1e6:.6f}"


def _named(play: Play, message: str) -> Name:
    names: dict[str, Name] = {}
    for name in play.watch.ledger:
        names.setdefault(say_name(name), name)
        names.setdefault(f"{name[0]}/{name[2]}", name)
    if message in names:
        return names[message]
    near = get_close_matches(message, names, n=4, cutoff=0.5) or list(names)[:4]
    raise SimError(f"no message is called {message!r}; expected one such as {', '.join(near) or 'none at all'}")
