"""What each durability level survives on a topology, wherever the copies of a message may be.

`copies:N` says nothing of regions; but where a region has fewer than N nodes, N copies stand in several. `regions:N` says that
N regions have a copy each, hence N disks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sim.topology.graph import Graph
from sim.topology.report import Level, Loss

LEVELS_MAX = 5
"""`copies:N` and `regions:N` are told up to this, and the most that there can be."""


def levels(graph: Graph, losses: list[Loss]) -> list[Level]:
    """All levels that make sense on this mesh. `losses` are the single ones."""
    sizes = sorted(Counter(graph.regions.values()).values(), reverse=True)
    found = [_copies("local", 1, graph, sizes, losses)]
    found += [_copies(f"copies:{count}", count, graph, sizes, losses) for count in _counts(len(graph.regions))]
    found += [_regions(count, graph, losses) for count in _counts(len(sizes))]
    return found


def _counts(most: int) -> list[int]:
    counts = list(range(2, min(most, LEVELS_MAX) + 1))
    return counts if most <= LEVELS_MAX else [*counts, most]


def _copies(name: str, count: int, graph: Graph, sizes: list[int], losses: list[Loss]) -> Level:
    reachable = _most(graph.parts(), None) >= count
    stays = all(_most(loss.parts, None) >= count for loss in losses)
    fewest_regions, room = 0, 0
    while room < count:  # the copies stand in the largest regions, at worst
        room += sizes[fewest_regions]
        fewest_regions += 1
    return Level(name, reachable, count - 1, fewest_regions - 1, reachable and stays)


def _regions(count: int, graph: Graph, losses: list[Loss]) -> Level:
    reachable = _most(graph.parts(), graph) >= count
    stays = all(_most(loss.parts, graph) >= count for loss in losses)
    return Level(f"regions:{count}", reachable, count - 1, count - 1, reachable and stays)


def _most(parts: Iterable[tuple[str, ...]], graph: Graph | None) -> int:
    """How many nodes the best part has, or, with a graph, how many regions."""
    if graph is None:
        return max((len(part) for part in parts), default=0)
    return max((len({graph.regions[node] for node in part}) for part in parts), default=0)
