"""The analysis: which losses split a mesh, how far apart its nodes are, and by when it converges.

The bound is the contract's: *redial + diameter × (1 s + 2 graft time-outs + 2 round trips) + backlog ÷ half the bottleneck's
bandwidth*, with the times of the node's own configuration, the diameter in hops, and the longest round trip of any link.
It holds for every pair of nodes that can reach one another.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

from mesh.config import NodeConfig
from mesh.types import US_PER_MS, US_PER_S
from sim.regions.matrix import Pair
from sim.topology.durability import levels
from sim.topology.graph import Graph
from sim.topology.report import Kind, Loss, Report, Span


@dataclass(frozen=True, slots=True)
class Question:
    """What the bounds are reckoned with. `backlog_bytes`: what has gathered on one side when the cut heals."""

    config: NodeConfig
    backlog_bytes: int = 0


def analyse(graph: Graph, question: Question | None = None) -> Report:
    """Find out all that a report says."""
    question = question or Question(NodeConfig())
    parts = tuple(graph.parts())
    nodes = [_lose(graph, Kind.NODE, (node,), question, nodes=(node,)) for node in graph.nodes]
    links = [_lose(graph, Kind.LINK, (say(each.pair),), question, links=(each.pair,)) for each in sorted(graph.links)]
    names = sorted(set(graph.regions.values()))
    regions = [_lose(graph, Kind.REGION, (name,), question, nodes=graph.nodes_of(name)) for name in names]
    least_nodes, least_links = _least(graph) if len(parts) == 1 else (None, None)
    two = _two_links(graph) if least_links is not None and len(least_links) <= 2 else []
    losses = (*nodes, *links, *regions, *two)
    return Report(
        nodes=len(graph.regions),
        links=len(graph.links),
        regions=tuple(names),
        parts=parts,
        span=span(graph, question),
        cut_nodes=tuple(loss.what[0] for loss in nodes if len(loss.parts) > len(parts)),
        cut_links=tuple(loss.what[0] for loss in links if len(loss.parts) > len(parts)),
        losses=losses,
        least_nodes=least_nodes,
        least_links=least_links,
        levels=tuple(levels(graph, [*nodes, *links, *regions])),
    )


def say(pair: Pair) -> str:
    """A link as it is written."""
    return f"{pair[0]} – {pair[1]}"


def _lose(
    graph: Graph,
    kind: Kind,
    what: tuple[str, ...],
    question: Question,
    *,
    nodes: tuple[str, ...] | list[str] = (),
    links: tuple[Pair, ...] = (),
) -> Loss:
    left = graph.without(nodes, links)
    if left is None:
        return Loss(kind, what, ())
    return Loss(kind, what, tuple(left.parts()), span(left, question))


def _two_links(graph: Graph) -> list[Loss]:
    """Pairs of links that split the mesh together, though neither does alone: what is a bridge once the other is gone."""
    import networkx as nx

    net = graph.networkx()
    alone = _bridges(net)
    pairs: set[tuple[Pair, Pair]] = set()
    for each in sorted(graph.links):
        if each.pair not in alone:
            net.remove_edge(*each.pair)
            pairs.update((min(each.pair, other), max(each.pair, other)) for other in _bridges(net) - alone)
            net.add_edge(*each.pair)
    assert nx.is_connected(net)
    return [_lose_links(graph, pair) for pair in sorted(pairs)]


def _bridges(net: Any) -> set[Pair]:
    import networkx as nx

    return {(min(edge), max(edge)) for edge in nx.bridges(net)}


def _lose_links(graph: Graph, pairs: tuple[Pair, Pair]) -> Loss:
    left = graph.without(links=pairs)
    assert left is not None, "a mesh has a node"
    return Loss(Kind.LINKS, tuple(say(pair) for pair in pairs), tuple(left.parts()))


def _least(graph: Graph) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """A smallest cut of nodes and one of links, of a mesh in one part."""
    import networkx as nx

    count = len(graph.regions)
    if count == 1:
        return None, None
    net = graph.networkx()
    full = len(graph.links) == count * (count - 1) // 2
    least_nodes = None if full else tuple(sorted(nx.minimum_node_cut(net)))
    pairs = sorted((min(pair), max(pair)) for pair in nx.minimum_edge_cut(net))
    return least_nodes, tuple(say(pair) for pair in pairs)


def span(graph: Graph, question: Question) -> Span:
    """How far apart the nodes of a mesh in one part are, and its bounds."""
    if len(graph.parts()) > 1:
        return Span()
    if len(graph.regions) == 1:
        return Span(0, 0, 0, 0)
    near = graph.near()
    hops = max(_farthest(near, node, hops=True) for node in near)
    round_trip_us = max(_farthest(near, node, hops=False) for node in near)
    config = question.config
    between = any(graph.regions[each.one] != graph.regions[each.other] for each in graph.links)
    graft_ms = config.dissemination.graft_ms if between else config.dissemination.graft_near_ms
    redial_ms = config.addresses.backoff_known_far_ms if between else config.addresses.backoff_known_ms
    longest_us = max(each.rtt_us for each in graph.links)
    bound_us = hops * ((config.links.alive_ms + 2 * graft_ms) * US_PER_MS + 2 * longest_us)
    rates = [each.rate_bps for each in graph.links if each.rate_bps is not None]
    if rates:
        bound_us += -(-question.backlog_bytes * 8 * US_PER_S * 2 // min(rates))
    return Span(hops, round_trip_us, bound_us, bound_us + redial_ms * US_PER_MS)


def _farthest(near: dict[str, list[tuple[str, int]]], start: str, *, hops: bool) -> int:
    """How far the node is that is farthest from one (Dijkstra), in hops or in round trips."""
    done: dict[str, int] = {}
    heap = [(0, start)]
    far = 0
    while heap:
        far_here, node = heapq.heappop(heap)
        if node in done:
            continue
        far = done[node] = far_here
        for other, rtt_us in near[node]:
            if other not in done:
                heapq.heappush(heap, (far + (1 if hops else rtt_us), other))
    return far
