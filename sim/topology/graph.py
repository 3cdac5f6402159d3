"""A mesh as a graph: nodes in regions, links with a round trip and perhaps a bandwidth."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh.errors import require
from sim.greeting import FAILURES_MAX, greeting_us
from sim.regions.matrix import Pair, RegionMatrix, pair


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """Two nodes that are linked, the lesser name first. `rate_bps`: bits a second; None knows no bound."""

    one: str
    other: str
    rtt_us: int
    rate_bps: int | None = None
    varies_us: int = 0
    """So much longer a round trip is at the most ..."""
    comes_again_us: int = 0
    """... and that of much that is under way at once, for what is lost of it."""
    failures: int | None = None
    """So many dials in a row may fail, for a greeting comes too late; None where nothing varies and nothing is lost."""
    silence_us: int = 0
    """So much longer than one end says nothing, the other may hear nothing."""

    @property
    def longest_us(self) -> int:
        """The longest that a round trip takes."""
        return self.rtt_us + self.varies_us

    @property
    def window_us(self) -> int:
        """The same of much that is under way at once."""
        return self.longest_us + self.comes_again_us

    @property
    def pair(self) -> Pair:
        """The two nodes."""
        return self.one, self.other

    def comes_up(self, within_us: int) -> bool:
        """Whether two nodes that wait so long for each other's greeting may hear it."""
        if self.failures is not None:
            return self.failures < FAILURES_MAX
        return greeting_us(self.rtt_us, (self.rate_bps, self.rate_bps)) < within_us


def link(
    one: str,
    other: str,
    rtt_us: int,
    rate_bps: int | None = None,
    varies_us: int = 0,
    comes_again_us: int = 0,
    failures: int | None = None,
    silence_us: int = 0,
) -> Link:
    """A link, whichever way round its ends are given."""
    return Link(*pair(one, other), rtt_us, rate_bps, varies_us, comes_again_us, failures, silence_us)


@dataclass(frozen=True)
class Graph:
    """Nodes, each with its region, and links between them."""

    regions: Mapping[str, str]
    """The region of each node."""
    links: tuple[Link, ...]

    def __post_init__(self) -> None:
        """Refuse links to nowhere, to oneself, and twice."""
        require(bool(self.regions), "a mesh has a node")
        pairs = [each.pair for each in self.links]
        require(len(set(pairs)) == len(pairs), "two nodes have one link")
        for each in self.links:
            require(each.one in self.regions and each.other in self.regions, f"{each.one} – {each.other}: no such node")
            require(each.one < each.other, f"{each.one} – {each.other}: two nodes, the lesser name first")
            require(each.rtt_us >= 0 and (each.rate_bps is None or each.rate_bps > 0), "a link has a time and a rate")

    @property
    def nodes(self) -> list[str]:
        """Their names, sorted."""
        return sorted(self.regions)

    def nodes_of(self, region: str) -> list[str]:
        """The nodes of a region, sorted."""
        return [node for node in self.nodes if self.regions[node] == region]

    def without(self, nodes: Collection[str] = (), links: Collection[Pair] = ()) -> Graph | None:
        """What is left when these are lost; None if no node is."""
        regions = {node: region for node, region in self.regions.items() if node not in nodes}
        kept = (
            each for each in self.links if each.pair not in links and each.one not in nodes and each.other not in nodes
        )
        return Graph(regions, tuple(kept)) if regions else None

    def faster_than(self, within_us: int) -> Graph:
        """The same without links on which hardly a greeting comes in time, where nodes wait for it no longer than so."""
        return Graph(self.regions, tuple(each for each in self.links if each.comes_up(within_us)))

    def near(self) -> dict[str, list[tuple[str, int]]]:
        """For each node those that it is linked to, with the round trip."""
        near: dict[str, list[tuple[str, int]]] = {node: [] for node in self.nodes}
        for each in self.links:
            near[each.one].append((each.other, each.rtt_us))
            near[each.other].append((each.one, each.rtt_us))
        return near

    def parts(self) -> list[tuple[str, ...]]:
        """The nodes that can reach one another, the largest part first."""
        near = self.near()
        parts: list[tuple[str, ...]] = []
        seen: set[str] = set()
        for start in self.nodes:
            if start not in seen:
                part, todo = {start}, [start]
                while todo:
                    fresh = [node for node, _ in near[todo.pop()] if node not in part]
                    part.update(fresh)
                    todo += fresh
                seen |= part
                parts.append(tuple(sorted(part)))
        return sorted(parts, key=lambda part: (-len(part), part))

    def networkx(self) -> Any:
        """The same as a graph of networkx, whose edges have `rtt_us`."""
        import networkx as nx

        graph = nx.Graph()
        graph.add_nodes_from(self.nodes)
        graph.add_edges_from((each.one, each.other, {"rtt_us": each.rtt_us}) for each in sorted(self.links))
        return graph


def full_mesh(regions: Mapping[str, str], matrix: RegionMatrix, rate_bps: int | None = None) -> Graph:
    """Every node linked to every other, as the first release links up to 64 nodes."""
    nodes = sorted(regions)
    pairs = ((one, other) for index, one in enumerate(nodes) for other in nodes[index + 1 :])
    return Graph(regions, tuple(_link(one, other, regions, matrix, rate_bps) for one, other in pairs))


def linked(regions: Mapping[str, str], pairs: Iterable[Pair], matrix: RegionMatrix) -> Graph:
    """Links between these pairs alone, their round trips from a matrix."""
    return Graph(regions, tuple(_link(one, other, regions, matrix, None) for one, other in pairs))


def _link(one: str, other: str, regions: Mapping[str, str], matrix: RegionMatrix, rate_bps: int | None) -> Link:
    return link(one, other, matrix.rtt_us(regions[one], regions[other]), rate_bps)
