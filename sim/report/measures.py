"""What is drawn, counted from a recorded run: latency by region, copies, lag, bytes between regions. Times are µs."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh.types import LogId
from sim.diary import name_of
from sim.recorder import PENDING, Kept, Life, Place

if TYPE_CHECKING:
    from sim.heap import Play
    from sim.recorder import Recorder

LAG_POINTS_MAX = 400
COPIES_MAX = 5
"""Whoever was pushed a batch more often stands with those who were so often."""

Pair = tuple[str, str]


def recorder_of(play: Play) -> Recorder:
    """The recorder of a run that has one."""
    assert play.recorder is not None, "the run was not recorded"
    return play.recorder


def region_of(play: Play, gateway: str, client: str) -> str:
    """The region of a gateway, or of the one beside a client that was attached nowhere."""
    return play.cast.nodes[gateway or play.cast.clients[client].gateways[0]].region


def latencies(play: Play) -> dict[Pair, list[int]]:
    """How long each delivery took, by the regions of the gateways at which it was published and shown."""
    found: dict[Pair, list[int]] = {}
    for app in play.apps.values():
        for diary in app.books:
            for shown in diary.shown:
                entry = play.watch.ledger.get(name_of(shown.record))
                if entry is None:
                    continue
                here = region_of(play, entry.gateway, shown.record.publisher)
                there = region_of(play, shown.gateway, app.name)
                found.setdefault((here, there), []).append(shown.at_us - entry.at_us)
    return dict(sorted(found.items()))


def copies(play: Play) -> list[int]:
    """For 0, 1, … pushes: how many pairs of a batch and a node that did not seal it received it so often."""
    recorder = recorder_of(play)
    sealed = {machine.node_id: name for name, machine in play.world.machines.items()}
    pushed: dict[tuple[LogId, int, int], dict[str, int]] = {}
    for kept in recorder.kept:
        pushed.setdefault(kept.place, {})
    for crossing in recorder.crossings:
        if crossing.kind == "Push" and crossing.arrived_us != PENDING:
            times = pushed.setdefault(crossing.places[0], {})
            times[crossing.target] = times.get(crossing.target, 0) + 1
    counts = [0] * (COPIES_MAX + 1)
    for place, times in pushed.items():
        for node in play.cast.nodes:
            if node != sealed.get(place[0].node):
                counts[min(COPIES_MAX, times.get(node, 0))] += 1
    return counts


@dataclass(frozen=True, slots=True)
class Lag:
    """At each time, how many positions a node lacked of all that were stored anywhere by then."""

    times: list[int]
    lacks: dict[str, list[int]]


def lag(play: Play) -> Lag:
    """The lag of every node, over the run. What a node finds at its start replaces what it had."""
    recorder = recorder_of(play)
    end_us = max(1, play.world.now_us)
    times = [end_us * index // LAG_POINTS_MAX for index in range(LAG_POINTS_MAX + 1)]
    union: set[tuple[LogId, int]] = set()
    has: dict[str, set[tuple[LogId, int]]] = {name: set() for name in play.cast.nodes}
    lacks: dict[str, list[int]] = {name: [] for name in has}
    happened: list[Kept | Life] = sorted([*recorder.kept, *recorder.lives], key=lambda each: each.at_us)
    at = 0
    for time_us in times:
        while at < len(happened) and happened[at].at_us <= time_us:
            _take(happened[at], has, union)
            at += 1
        for name, own in has.items():
            lacks[name].append(len(union) - len(own))
    return Lag(times, lacks)


def _take(what: Kept | Life, has: dict[str, set[tuple[LogId, int]]], union: set[tuple[LogId, int]]) -> None:
    places: tuple[Place, ...]
    if isinstance(what, Kept):
        places = (what.place,)
    elif what.is_up:
        has[what.node] = set()
        places = what.held
    else:
        return
    for log, first, last in places:
        each = {(log, position) for position in range(first, last + 1)}
        has[what.node] |= each
        union |= each


def region_bytes(play: Play) -> dict[Pair, int]:
    """Bytes of frames that left for each other region, and within each."""
    found: dict[Pair, int] = {}
    for (source, target), size in play.world.links.sent.items():
        pair = play.cast.nodes[source].region, play.cast.nodes[target].region
        found[pair] = found.get(pair, 0) + size
    return found


def wide_rates(play: Play, slices: int = 120) -> dict[str, list[tuple[float, float]]]:
    """Bytes a second that left each region for others, as the recorder has them: (seconds, bytes a second)."""
    region = {name: member.region for name, member in play.cast.nodes.items()}
    width_us = max(1, play.world.now_us) / slices
    edges = [width_us * (index + 1) for index in range(slices)]
    sums: dict[str, list[float]] = {name: [0.0] * slices for name in play.cast.regions}
    for crossing in recorder_of(play).crossings:
        if region[crossing.source] != region[crossing.target]:
            index = min(slices - 1, bisect_right(edges, crossing.sent_us))
            sums[region[crossing.source]][index] += crossing.size
    return {
        name: [((index + 0.5) * width_us / 1e6, each / (width_us / 1e6)) for index, each in enumerate(found)]
        for name, found in sums.items()
    }
