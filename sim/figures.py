"""Measures of a run, from diaries, ledgers and counts; and the scenario's own bounds held against them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mesh.types import pattern_matches
from sim import proof
from sim.diary import Diary, Ledger, name_of
from sim.outcome import Figures, Outcome
from sim.scenario.model import Guarantees
from sim.units import say_measured, say_us

if TYPE_CHECKING:
    from sim.checkers import Watch
    from sim.heap import Play

HEARTBEATS = frozenset({"Hello", "Alive", "Credit", "Members", "RepairHello", "RepairEqual", "Vector", "Stored"})
"""Frames that a mesh sends though there is nothing to say."""
BUSY = frozenset({"Push", "IHave", "Graft", "NotFound", "Want", "Busy", "Forked"})
"""Frames that a converged and idle mesh has no reason to send."""

PARTS_MAX = 4
"""What proves a bound on a number says of so many what they have of it, the most first."""


def percentile(values: list[int], per_cent: int) -> int:
    """A percentile of sorted values (nearest rank); -1 of none."""
    if not values:
        return -1
    return values[max(0, -(-len(values) * per_cent // 100) - 1)]


def measure_books(figures: Figures, ledger: Ledger, diaries: Iterable[Diary]) -> None:
    """Fill in what ledgers and diaries tell, whatever engine wrote them."""
    figures.messages = sum(not entry.strange for entry in ledger.values())
    figures.acknowledged = sum(entry.is_acknowledged for entry in ledger.values())
    figures.deliveries = figures.late = figures.gaps = 0
    delays: list[int] = []
    for diary in diaries:
        figures.deliveries += len(diary.shown)
        figures.late += sum(shown.late for shown in diary.shown)
        figures.gaps += len(diary.missed)
        for shown in diary.shown:
            entry = ledger.get(name_of(shown.record))
            if entry is not None and not entry.strange:
                delays.append(shown.at_us - entry.at_us)
    delays.sort()
    waits = sorted(e.first_told_us - e.at_us for e in ledger.values() if e.first_told_us >= 0)
    figures.median_us, figures.p99_us = percentile(delays, 50), percentile(delays, 99)
    figures.slowest_us = delays[-1] if delays else -1
    figures.acknowledge_p99_us = percentile(waits, 99)
    reached = sorted(e.reached_us - e.at_us for e in ledger.values() if e.reached_us >= 0)
    figures.reach_p99_us = percentile(reached, 99)
    figures.unavailable_us = waits[-1] if waits else -1


def measure(play: Play, figures: Figures) -> None:
    """Fill in what a run has come to until now."""
    world = play.world
    measure_books(figures, play.watch.ledger, [d for app in play.apps.values() for d in app.books])
    sent = {kind.removeprefix("frame/"): n for kind, n in world.coverage.items() if kind.startswith("frame/")}
    if figures.messages:
        spoken = sum(count for kind, count in sent.items() if kind not in HEARTBEATS)
        figures.frames_per_message = round(spoken / figures.messages, 3)
    needed = world.coverage.get("batch/sealed", 0) * max(1, len(play.cast.nodes) - 1) + play.stage.atlas.rows_lost
    figures.copies_per_message = round(sent.get("Push", 0) / needed, 3) if needed else 0.0
    machines = world.machines.values()
    repeats = sum(machine.counts.get("batches_refused_total/duplicate", 0) for machine in machines)
    figures.repeats = round(repeats / needed, 3) if needed else 0.0
    figures.dials = world.links.dials
    nodes = [machine.node for machine in machines if machine.node is not None and machine.node.started]
    figures.logs = max((max(len(n.holdings.received), len(n.receipts.elsewhere)) for n in nodes), default=0)
    figures.repair_sessions = sum(m.counts.get("repair_sessions_total", 0) for m in machines)
    figures.connects = sum(app.attempts for app in play.apps.values())
    if figures.messages:
        figures.asks_per_message = round(world.coverage.get("ask/Publish", 0) / figures.messages, 3)
    figures.rows = max((sum(not row.stripped for row in m.disk.rows.values()) for m in machines), default=0)
    figures.names = max((len(node.holdings.names) for node in nodes), default=0)
    region = {name: member.region for name, member in play.cast.nodes.items()}
    figures.wide_bytes = sum(
        size for (source, target), size in world.links.sent.items() if region[source] != region[target]
    )


def judge(guarantees: Guarantees, outcome: Outcome, play: Play) -> None:
    """Hold the bounds of a scenario against its figures; a bound that is not kept is a broken promise of that name."""
    figures, watch = outcome.figures, play.watch
    diaries = [diary for app in play.apps.values() for diary in app.books]
    for name, bound in bounds_of(guarantees).items():
        found = getattr(figures, name)
        watch.look("bounds")
        if found > bound or found == -1:
            shown, most = (say_measured(found), say_us(int(bound))) if name.endswith("_us") else (found, bound)
            proved = proof.of_time(name, watch, diaries) or counted(name, play)
            _unbounded(watch, name.removesuffix("_us").replace("_", " "), found, shown, most, proved)
    for pattern, most_us in guarantees.slowest_on.items():
        watch.look("bounds")
        slowest_us = slowest_on(pattern, watch.ledger, diaries)
        if slowest_us > most_us or slowest_us == -1:
            proved = proof.slowest_shown(watch, diaries, pattern)
            _unbounded(watch, f"slowest on {pattern}", slowest_us, say_measured(slowest_us), say_us(most_us), proved)
    for label in guarantees.see:
        watch.look("bounds")
        if not play.world.coverage.get(label):
            watch.broken("bounds", f"{label} never happened, so this run proves nothing", kind=f"see {label}")
    for label in guarantees.never:
        watch.look("bounds")
        times = play.world.coverage.get(label)
        if times:
            watch.broken("bounds", f"{label} must never happen, and did ({times:,})", kind=f"never {label}")


def _unbounded(watch: Watch, what: str, found: float, shown: object, most: object, proved: list[str]) -> None:
    """A bound is not kept; or nothing was measured, which proves nothing, and is another failure."""
    if found == -1:
        watch.broken("bounds", f"nothing was measured of {what}, which must be at most {most}", kind=f"no {what}")
    else:
        watch.broken("bounds", f"{what} is {shown}, and must be at most {most}", *proved, kind=what)


def counted(figure: str, play: Play) -> list[str]:
    """What a figure that counts is made of: who or what has most of it. Nothing for one that nobody in particular has."""
    world, machines = play.world, play.world.machines
    sent = {label.removeprefix("frame/"): n for label, n in world.coverage.items() if label.startswith("frame/")}
    sealed = world.coverage.get("batch/sealed", 0)
    nodes = {name: machine.node for name, machine in machines.items() if machine.node is not None}
    parts: dict[str, dict[str, int]] = {
        "frames_per_message": {f"{kind} frames": n for kind, n in sent.items() if kind not in HEARTBEATS},
        "copies_per_message": {
            "pushes": sent.get("Push", 0), "batches sealed": sealed, "nodes": len(machines),
            "batches lost with a disk": play.stage.atlas.rows_lost,
        },
        "repeats": _counts(play, "batches_refused_total/duplicate", "batches that it had, come to"),
        "repair_sessions": _counts(play, "repair_sessions_total", "sessions begun by"),
        "connects": {f"connections of {app.name}": app.attempts for app in play.apps.values()},
        "logs": {f"logs known to {name}": len(node.holdings.received) for name, node in nodes.items()},
        "names": {f"runs of names known to {name}": len(node.holdings.names) for name, node in nodes.items()},
        "rows": {f"rows on the disk of {name}": len(machine.disk.rows) for name, machine in machines.items()},
    }  # fmt: skip
    most = sorted(parts.get(figure, {}).items(), key=lambda part: -part[1])
    return [f"{what}: {n:,}" for what, n in most[:PARTS_MAX] if n]


def _counts(play: Play, metric: str, what: str) -> dict[str, int]:
    return {f"{what} {name}": machine.counts.get(metric, 0) for name, machine in play.world.machines.items()}


def slowest_on(pattern: str, ledger: Ledger, diaries: Iterable[Diary]) -> int:
    """The longest from publish to deliver on the channels that a pattern means, in µs; -1 where nothing was shown."""
    shown = [each for diary in diaries for each in diary.shown if pattern_matches(pattern, each.record.channel)]
    names = ((each.at_us, ledger.get(name_of(each.record))) for each in shown)
    return max((at_us - entry.at_us for at_us, entry in names if entry is not None and not entry.strange), default=-1)


def bounds_of(guarantees: Guarantees) -> dict[str, float]:
    """The figures that are bounded, by their names."""
    table: dict[str, float | None] = {
        "median_us": guarantees.median,
        "p99_us": guarantees.p99,
        "slowest_us": guarantees.slowest,
        "acknowledge_p99_us": guarantees.acknowledge_p99,
        "reach_p99_us": guarantees.reach_p99,
        "unavailable_us": guarantees.unavailable,
        "frames_per_message": guarantees.frames_per_message,
        "copies_per_message": guarantees.copies_per_message,
        "repeats": guarantees.repeats,
        "idle_frames": guarantees.idle_frames,
        "dials": guarantees.dials,
        "logs": guarantees.logs,
        "repair_sessions": guarantees.repair_sessions,
        "connects": guarantees.connects,
        "asks_per_message": guarantees.asks_per_message,
        "rows": guarantees.rows,
        "names": guarantees.names,
    }
    return {name: bound for name, bound in table.items() if bound is not None}
