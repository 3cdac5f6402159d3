"""What each durability level survives on a topology, wherever the copies of a message may be, and where it can be told.

`copies:N` says nothing of regions; but where a region has fewer than N nodes, N copies stand in several. `regions:N` says that
N regions have a copy each, hence N disks. A node counts its own disk and those of the nodes that it is linked with, for
it believes a receipt from nobody but the node whose disk it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from sim.topology.graph import Graph
from sim.topology.report import Kind, Level, Loss

LEVELS_MAX = 5
"""`copies:N` and `regions:N` are told up to this, and the most that there can be."""

Count = Callable[[Collection[str]], int]
"""Counts what is asked for among nodes: the nodes, or their regions."""


def levels(graph: Graph, losses: list[Loss]) -> list[Level]:
    """All levels that make sense on this mesh. `losses` are the single ones."""
    sizes = sorted(Counter(graph.regions.values()).values(), reverse=True)
    near = {node: {node, *(other for other, _ in others)} for node, others in graph.near().items()}
    lost = [_nodes_of(graph, loss) for loss in losses if loss.kind is not Kind.LINK]

    def level(name: str, asked: int, count: Count, regions_survived: int) -> Level:
        at = tuple(node for node, those in near.items() if count(those) >= asked)
        stays = all(any(node not in gone and count(near[node] - gone) >= asked for node in at) for gone in lost)
        cut = all(
            any(_without_link(near, node, each.pair, count) >= asked for node in at)
            for each in (
                graph.links if len(at) < 3 else ()
            )  # a link is of two nodes, and a third does not feel its loss
        )
        return Level(name, bool(at), asked - 1, regions_survived, stays and cut and bool(at), at)

    def of_regions(nodes: Collection[str]) -> int:
        return len({graph.regions[node] for node in nodes})

    found = [level("local", 1, len, 0)]
    found += [level(f"copies:{count}", count, len, _fewest_regions(count, sizes) - 1) for count in _counts(len(near))]
    found += [level(f"regions:{count}", count, of_regions, count - 1) for count in _counts(len(sizes))]
    return found


def _counts(most: int) -> list[int]:
    counts = list(range(2, min(most, LEVELS_MAX) + 1))
    return counts if most <= LEVELS_MAX else [*counts, most]


def _nodes_of(graph: Graph, loss: Loss) -> set[str]:
    """The nodes that are lost with a node, or with a region."""
    return {node for what in loss.what for node in ([what] if loss.kind is Kind.NODE else graph.nodes_of(what))}


def _without_link(near: dict[str, set[str]], node: str, pair: tuple[str, str], count: Count) -> int:
    """What a node counts once a link is lost."""
    return count(near[node] - (set(pair) - {node} if node in pair else set()))


def _fewest_regions(count: int, sizes: list[int]) -> int:
    """In how many regions so many copies stand at the least: at worst, in the largest."""
    regions = room = 0
    while room < count:
        room += sizes[regions]
        regions += 1
    return regions
