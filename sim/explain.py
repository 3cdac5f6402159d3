"""What crossed in a recorded run, in lines: all of it up to a time, or the story of one message."""

from __future__ import annotations

from sim.diary import Name, name_of, say_name
from sim.errors import SimError
from sim.heap import Play
from sim.recorder import PENDING, Crossing, Place

LINES_MAX = 20_000


def _second(us: int) -> str:
    return f"{us / 1e6:10.6f}"


def _log(place: Place) -> str:
    log, first, last = place
    return f"{log.node.hex()[:4]}:{first}" + (f"-{last}" if last > first else "")


def _crossed(crossing: Crossing) -> str:
    places = " ".join(_log(place) for place in crossing.places[:4])
    came = "never arrived" if crossing.arrived_us == PENDING else f"arrived {_second(crossing.arrived_us).strip()}"
    return f"{_second(crossing.sent_us)} {crossing.source}->{crossing.target} {crossing.kind} {places} {came}".rstrip()


def transcript(play: Play, until_us: int) -> list[str]:
    """Everything up to a time of the run, in order: faults, frames, what was published and shown."""
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
        for diary in app.diaries.values():
            lines += [
                (each.at_us, f"{_second(each.at_us)} {app.name} is shown {say_name(name_of(each.record))}")
                for each in diary.shown
                if each.at_us <= until_us
            ]
    lines.sort(key=lambda line: line[0])
    said = [line for _, line in lines[:LINES_MAX]]
    return said if len(lines) <= LINES_MAX else [*said, f"… and {len(lines) - LINES_MAX} more lines"]


def explain(play: Play, message: str) -> list[str]:
    """The story of one message: published, stored where and when, carried by which frames, shown to whom. Raises `SimError`."""
    assert play.recorder is not None
    name = _named(play, message)
    entry = play.watch.ledger[name]
    lines = [(entry.at_us, f"{name[0]} publishes it on {entry.channel}, attached to {entry.gateway or 'nothing'}")]
    if entry.first_told_us >= 0:
        lines.append((entry.told_us, f"{name[0]} is told copies:{entry.level[0]} regions:{entry.level[1]}"))
    if entry.refused:
        lines.append((entry.at_us, f"it is refused: {entry.refused}"))
    nodes = [machine.node for machine in play.world.machines.values() if machine.node is not None]
    runs = {(run.log, run.from_position, run.to_position) for node in nodes for run in node.holdings.names.find(*name)}
    for log, low, high in sorted(runs):
        lines += [
            (kept.at_us, f"{kept.node} has stored it, in {_log(kept.place)}")
            for kept in play.recorder.kept
            if kept.place[0] == log and kept.place[1] <= high and kept.place[2] >= low
        ]
        for crossing in play.recorder.crossings:
            if any(place[0] == log and place[1] <= high and place[2] >= low for place in crossing.places):
                lines.append((crossing.sent_us, _crossed(crossing)[11:]))
    for app in play.apps.values():
        for diary in app.diaries.values():
            if name in diary.seen:
                lines.append((diary.seen[name], f"{app.name} is shown it ({' '.join(diary.patterns)})"))
            elif diary.matches(entry.channel):
                lines.append((play.world.now_us, f"{app.name} was never shown it ({' '.join(diary.patterns)})"))
    lines.sort(key=lambda line: line[0])
    return [f"{say_name(name)}:", *(f"{_second(at_us)} {what}" for at_us, what in lines)]


def _named(play: Play, message: str) -> Name:
    found = [name for name in play.watch.ledger if message in (say_name(name), f"{name[0]}/{name[2]}")]
    if not found:
        some = ", ".join(say_name(name) for name in list(play.watch.ledger)[:4]) or "none at all"
        raise SimError(f"no message is called {message!r}; expected one such as {some}")
    return found[0]
