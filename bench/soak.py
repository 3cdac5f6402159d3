"""`python -m bench.soak [--days 30] [--trace]`: play the soak for so many simulated days, and see what grows.

It plays `sim/scenarios/soak.toml` in this process and measures once a simulated day, after a collection: the resident
memory of the process, the containers that Python keeps, and with `--trace` (three times as slow) what was allocated by
`mesh`, by `sim` and by others. The slopes are those of straight lines through the later half, so that what fills up and
then stays counts for nothing.

What a run is judged by grows with the run: the ledger of what was published, the stamps under which it was shown, and the
diaries of what was shown. Here they forget each day what expired over an hour before. A message that were shown again later
would count as invented, so nothing is excused by it. The plan of all steps is made at the start,
and shrinks.
"""

import argparse
import gc
import json
import os
import statistics
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path

import sim
from sim.diary import name_of
from sim.heap import Play
from sim.scenario.reading import read
from sim.units import MILLION

DAY_US = 86_400 * MILLION
SCENARIO = Path(sim.__file__).parent / "scenarios" / "soak.toml"
RESULTS = Path(__file__).parent / "soak.json"
FORGET_US = 3_600 * MILLION
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Day:
    """What was there at the end of a simulated day, in bytes; and counts of what may grow."""

    day: int
    resident: int
    allocated: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def place_of(filename: str) -> str:
    """Who allocated something, by the file that did: a package of ours and its module, or `other`."""
    parts = Path(filename).parts
    for package in ("mesh", "sim"):
        if package in parts:
            return package
    return "other"


def measured(play: Play, day: int) -> Day:
    """Measure now."""
    forget(play)
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    allocated: dict[str, int] = {}
    if tracemalloc.is_tracing():
        for each in tracemalloc.take_snapshot().statistics("filename"):
            place = place_of(each.traceback[0].filename)
            allocated[place] = allocated.get(place, 0) + each.size
    world = play.world
    nodes = [machine.node for machine in world.machines.values() if machine.node is not None]
    counts = {
        "events": world.events,
        "containers": len(gc.get_objects()),
        "rows on disks": sum(len(rows) for m in world.machines.values() for rows in m.disk.image.rows.values()),
        "logs held by nodes": sum(len(node.holdings.stored) for node in nodes),
        "runs of names on disks": sum(len(m.disk.image.names) for m in world.machines.values()),
        "gaps in diaries": sum(len(d.missed) for app in play.apps.values() for d in app.diaries.values()),
        "logs in cursors": sum(
            len(app.client.cursor(number) or ()) for app in play.apps.values() for number in app.diaries
        ),
        "lines of the story": len(play.stage.story) + len(play.stage.bands),
        "entries of the ledger": len(play.watch.ledger),
        "agenda of the world": world.pending,
    }
    return Day(day, resident, allocated, counts)


def forget(play: Play) -> None:
    """Take out of ledgers and diaries what has been dead for long."""
    dead_us = play.world.now_us - FORGET_US
    dead = {name for name, entry in play.watch.ledger.items() if entry.expires_us and entry.expires_us < dead_us}
    for name in dead:
        del play.watch.ledger[name]
        play.watch.stamps.pop(name, None)
        play.watch.places.pop(name, None)
    play.watch.vouched = {each for each in play.watch.vouched if each[0] not in dead}
    for app in play.apps.values():
        app.states.clear()
        app.ledger = {name: entry for name, entry in app.ledger.items() if name not in dead}
        for diary in app.diaries.values():
            diary.seen = {name: at_us for name, at_us in diary.seen.items() if name not in dead}
            diary.shown = [shown for shown in diary.shown if name_of(shown.record) not in dead]
            diary.told_dead -= dead


def slope(days: list[Day], values: list[int]) -> float:
    """How much a value grows a day, over the later half."""
    half = len(days) // 2
    if len(days) - half < 2:
        return 0.0
    return statistics.linear_regression([day.day for day in days[half:]], values[half:]).slope


def main() -> None:
    """Play, and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trace", action="store_true", help="say who allocated what")
    arguments = parser.parse_args()
    scenario = read(SCENARIO).model_copy(update={"duration": arguments.days * DAY_US})
    days: list[Day] = []
    if arguments.trace:
        tracemalloc.start()
    play = Play(scenario, arguments.seed)

    def sample() -> None:
        days.append(measured(play, len(days) + 1))
        print(json.dumps(days[-1].__dict__), flush=True)

    for day in range(1, arguments.days + 1):
        play.world.at(day * DAY_US, sample)
    outcome = play.run()
    for breach in outcome.breaches[:5]:
        print(breach.promise, breach.about, *breach.witness[-3:], sep="\n    ")
    print(f"{'kept' if outcome.is_kept else outcome.broken}: {outcome.events:,} events")
    found: dict[str, float] = {"resident bytes": slope(days, [day.resident for day in days])}
    for place in sorted(days[-1].allocated):
        found[f"allocated bytes, {place}"] = slope(days, [day.allocated.get(place, 0) for day in days])
    for what in days[-1].counts:
        found[what] = slope(days, [day.counts[what] for day in days])
    for what, a_day in found.items():
        print(f"{what:<28} {a_day:>14,.0f} a day")
    RESULTS.write_text(
        json.dumps({"days": [day.__dict__ for day in days], "slopes": found}, indent=2) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
