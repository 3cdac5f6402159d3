"""The analysis: which losses split a mesh, how far apart its nodes are, and by when it converges.

The bound is the contract's: *redial + 3 round trips + diameter × (1 s + 2 graft time-outs + 2 round trips) + backlog ÷ half the
bottleneck's bandwidth*, with the times of the node's own configuration, the diameter in hops, and the longest round trip of any
link, what varies and what is lost included. The second is `alive_ms` where that is more. A link carries no more than what a
node is sure to grant its peer in a round trip. What the contract counts beside, requests beside the first, depends on how many
messages are missing: here all can be asked for at once.
It holds for every pair of nodes that can reach one another. A link on which hardly a greeting comes in the time that nodes wait
for it is told, and counts for nothing. One whose round trip may be longer, for it varies or
loses what it carries, is dialled again, and each dial of those that may fail in a row takes its time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from typing import Any

from mesh.config import NodeConfig
from mesh.engines.links.core import LinkConfig, reserve_of
from mesh.log.batch import BODY_BYTES_MAX, OVERHEAD_BYTES
from mesh.types import US_PER_MS, US_PER_S
from sim.regions.matrix import Pair
from sim.topology.distances import Distances, Near
from sim.topology.durability import levels
from sim.topology.graph import Graph, Link
from sim.topology.report import Kind, Loss, Report, Span

MB = 1_000_000
PAIRS_TOLD_MAX = 1_000
"""Of pairs of links so many are told: a ring of a thousand nodes has half a million, each with all nodes in two parts."""
SETTLE_MS = 1_000
"""The second that the contract allows for each hop beside grafts and round trips; `alive_ms` where that is more."""


DIAL_TRIPS = 3
"""A dial takes so many round trips: two of a handshake, and one with both greetings. Who is silent is dialled beside its link,
so that they count where links outlive a cut, too."""


def counted_on(links: LinkConfig) -> int:
    """So many bytes of a backlog are under way to a peer in each round trip, whatever their batches.

    Of the credit a part is left to what is new, and what is read has to find room for the largest batch. What the peer has
    stored it tells in steps: so much less is counted on, or half, for a peer that has no room left is told of a step.
    """
    ahead = links.credit_ahead_bytes
    room = ahead - reserve_of(ahead) - BODY_BYTES_MAX - OVERHEAD_BYTES
    return max(room - links.credit_step_bytes, room // 2)


def crosses_us(config: NodeConfig, size: int, rate_bps: int | None, window_us: int) -> int:
    """How long so much takes over links: by half of the lowest rate, or by what is sure of the longest round trip."""
    narrow_us = -(-2 * size * 8 * US_PER_S // rate_bps) if rate_bps else 0
    return max(narrow_us, size * window_us // counted_on(config.links))


def converges_us(
    config: NodeConfig, far: bool, hops: int, longest_us: int, failures: int = 0, redial_ms: int = 0
) -> tuple[int, int]:
    """The bound but for a backlog, where links outlived a cut, and how much more it is where they are dialled anew.

    So many dials may fail. Nodes that know each other wait `redial_ms` or, if that is more, as long as their settings say, or
    until they know that they have to dial: the other may have died silently.
    """
    known_ms = config.addresses.backoff_known_far_ms if far else config.addresses.backoff_known_ms
    graft_ms = config.dissemination.graft_ms if far else config.dissemination.graft_near_ms
    settle_ms = max(SETTLE_MS, config.links.alive_ms)
    redial_ms = max(redial_ms, known_ms, config.links.silent_ms)
    dial_us = DIAL_TRIPS * longest_us
    bound_us = dial_us + hops * ((settle_ms + 2 * graft_ms) * US_PER_MS + 2 * longest_us)
    failed_us = (redial_ms + config.links.greeting_timeout_ms) * US_PER_MS + dial_us
    return bound_us, redial_ms * US_PER_MS + failures * failed_us


def unheard_us(links: LinkConfig, link: Link) -> int:
    """How long a node may hear nothing of a neighbor that lives."""
    return links.alive_ms * US_PER_MS + link.silence_us


def slowest(configs: Sequence[NodeConfig]) -> NodeConfig:
    """Of each setting that the bound counts that of the node which is slowest by it."""
    last = configs[-1]
    least = min((each.links for each in configs), key=counted_on)

    def most(of: Callable[[NodeConfig], int]) -> int:
        return max(map(of, configs))

    return replace(
        last,
        links=replace(
            least,
            greeting_timeout_ms=most(lambda each: each.links.greeting_timeout_ms),
            alive_ms=most(lambda each: each.links.alive_ms),
            silent_ms=most(lambda each: each.links.silent_ms),
            dead_ms=most(lambda each: each.links.dead_ms),
        ),
        dissemination=replace(
            last.dissemination,
            graft_ms=most(lambda each: each.dissemination.graft_ms),
            graft_near_ms=most(lambda each: each.dissemination.graft_near_ms),
        ),
        addresses=replace(
            last.addresses,
            backoff_known_ms=most(lambda each: each.addresses.backoff_known_ms),
            backoff_known_far_ms=most(lambda each: each.addresses.backoff_known_far_ms),
        ),
    )


@dataclass(frozen=True, slots=True)
class Question:
    """What the bounds are reckoned with. `backlog_bytes`: what has gathered on one side when the cut heals."""

    config: NodeConfig
    backlog_bytes: int = 0
    silent_ms: int = 0
    """After how long the first of the nodes dials anew whom it does not hear; 0: as `config` says."""


Told = Callable[[int, int], None]
"""Hears how many losses were looked at, and of how many."""


def analyse(graph: Graph, question: Question | None = None, told: Told | None = None) -> Report:
    """Find out all that a report says."""
    question = question or Question(NodeConfig())
    limits = question.config.links
    within_us, silent_us = limits.greeting_timeout_ms * US_PER_MS, (question.silent_ms or limits.silent_ms) * US_PER_MS
    never = sorted(each.pair for each in graph.links if not each.comes_up(within_us))
    graph = graph.faster_than(within_us)
    survey = _Survey(graph, question)
    names = sorted(set(graph.regions.values()))
    wanted: list[tuple[Kind, str, Collection[str], tuple[Pair, ...]]] = [
        *((Kind.NODE, node, (node,), ()) for node in graph.nodes),
        *((Kind.LINK, say(each.pair), (), (each.pair,)) for each in sorted(graph.links)),
        *((Kind.REGION, name, graph.nodes_of(name), ()) for name in names),
    ]
    losses: list[Loss] = []
    for kind, what, nodes, links in wanted:
        losses.append(survey.lose(kind, what, nodes, links))
        if told is not None:
            told(len(losses), len(wanted))
    parts = survey.parts
    least_nodes, least_links = _least(graph) if len(parts) == 1 else (None, None)
    two, count = _two_links(graph) if least_links is not None and len(least_links) <= 2 else ([], 0)
    cuts = [loss for loss in losses if len(loss.parts) > len(parts)]
    return Report(
        nodes=len(graph.regions),
        links=len(graph.links),
        regions=tuple(names),
        parts=parts,
        span=survey.span(),
        cut_nodes=tuple(loss.what[0] for loss in cuts if loss.kind is Kind.NODE),
        cut_links=tuple(loss.what[0] for loss in cuts if loss.kind is Kind.LINK),
        losses=(*losses, *two),
        pair_count=count,
        least_nodes=least_nodes,
        least_links=least_links,
        levels=tuple(levels(graph, losses)),
        never=tuple(map(say, never)),
        failing=tuple((say(each.pair), each.failures) for each in sorted(graph.links) if each.failures),
        silent=tuple(
            (say(each.pair), us) for each in sorted(graph.links) if (us := unheard_us(limits, each)) >= silent_us
        ),
        silent_us=silent_us,
        narrowest_bps=min((each.rate_bps for each in graph.links if each.rate_bps), default=None),
        sure_bytes=counted_on(question.config.links),
        us_per_mb=survey.backlog_us(MB),
    )


def say(pair: Pair) -> str:
    """A link as it is written, each by another text."""
    return " – ".join(
        json.dumps(name, ensure_ascii=False) if " – " in name or name[:1] == '"' else name for name in pair
    )


class _Survey:
    """A mesh about which many losses are asked: what they have in common is found out once."""

    def __init__(self, graph: Graph, question: Question) -> None:
        import networkx as nx

        self.graph, self.question = graph, question
        self.parts = tuple(graph.parts())
        net = graph.networkx()
        self._bridges = _bridges(net)
        self._joints = set(nx.articulation_points(net))
        self._numbers = {node: number for number, node in enumerate(graph.nodes)}
        self._slowest = sorted(graph.links, key=lambda each: -each.longest_us)
        self._stalling = sorted(graph.links, key=lambda each: -each.window_us)
        self._failing = sorted(graph.links, key=lambda each: -(each.failures or 0))
        self._narrowest = sorted(
            (each for each in graph.links if each.rate_bps is not None), key=lambda each: each.rate_bps or 0
        )
        if len(self.parts) == 1:
            near: tuple[Near, Near] = [[] for _ in self._numbers], [[] for _ in self._numbers]
            for each in graph.links:
                one, other = self._ends(each.pair)
                for lengths, length in zip(near, (1, each.rtt_us), strict=True):
                    lengths[one].append((other, length))
                    lengths[other].append((one, length))
            self._hops, self._trips = map(Distances, near)

    def _ends(self, pair: Pair) -> tuple[int, int]:
        return self._numbers[pair[0]], self._numbers[pair[1]]

    def lose(self, kind: Kind, what: str, nodes: Collection[str], links: Collection[Pair]) -> Loss:
        """What is left without these."""
        lost = set(nodes)
        if len(lost) == len(self._numbers):
            return Loss(kind, (what,), ())
        if len(lost) + len(links) == 1 and not (lost & self._joints or self._bridges.intersection(links)):
            kept = (tuple(node for node in part if node not in lost) for part in self.parts)
            parts = tuple(sorted((part for part in kept if part), key=lambda part: (-len(part), part)))
        else:
            left = self.graph.without(lost, links)
            assert left is not None, "some nodes are left"
            parts = tuple(left.parts())
        if len(parts) > 1:
            return Loss(kind, (what,), parts)
        if len(self.parts) > 1:  # what was apart is lost: the rest is another mesh
            left = self.graph.without(lost, links)
            assert left is not None, "some nodes are left"
            return Loss(kind, (what,), parts, span(left, self.question))
        return Loss(kind, (what,), parts, self.span(lost, links))

    def span(self, nodes: Collection[str] = (), links: Collection[Pair] = ()) -> Span:
        """How far apart the nodes are without these, where what is left is in one part."""
        if len(self.parts) > 1:
            return Span()
        if len(self._numbers) - len(nodes) == 1:
            return Span(0, 0, 0, 0)
        numbers, ends = {self._numbers[node] for node in nodes}, [self._ends(pair) for pair in links]
        hops, round_trip_us = self._hops.farthest(numbers, ends), self._trips.farthest(numbers, ends)

        def left(some: list[Link]) -> Iterator[Link]:
            return (e for e in some if e.pair not in links and e.one not in nodes and e.other not in nodes)

        regions, config = self.graph.regions, self.question.config
        far = any(regions[each.one] != regions[each.other] for each in left(self._slowest))
        failures = next(left(self._failing)).failures or 0
        bound_us, redial_us = converges_us(config, far, hops, next(left(self._slowest)).longest_us, failures)
        late_us = self.backlog_us(self.question.backlog_bytes, left)
        return Span(hops, round_trip_us, bound_us + late_us, bound_us + redial_us + late_us)

    def backlog_us(self, size: int, left: Callable[[list[Link]], Iterator[Link]] = iter) -> int:
        """How long what has gathered takes over the links that are left, by the slowest of them."""
        narrowest, stalling = next(left(self._narrowest), None), next(left(self._stalling), None)
        rate_bps = narrowest.rate_bps if narrowest is not None else None
        return crosses_us(self.question.config, size, rate_bps, stalling.window_us if stalling is not None else 0)


def _two_links(graph: Graph) -> tuple[list[Loss], int]:
    """Pairs of links that split the mesh, though neither does alone: `PAIRS_TOLD_MAX`, spread evenly, and how many there are.

    Whatever is a bridge once a link is gone splits with that link, and any two of these together (the relation is an
    equivalence: Even and Tarjan 1975), so that one look tells of all of them.
    """
    import networkx as nx

    net = graph.networkx()
    alone = _bridges(net)
    seen: set[Pair] = set()
    together: list[list[Pair]] = []
    for each in sorted(graph.links):
        if each.pair not in alone and each.pair not in seen:
            net.remove_edge(*each.pair)
            together.append(sorted({each.pair, *(_bridges(net) - alone)}))
            net.add_edge(*each.pair)
            seen.update(together[-1])
    assert nx.is_connected(net)
    count = sum(len(some) * (len(some) - 1) // 2 for some in together)
    pairs = (pair for some in together for pair in combinations(some, 2))
    told = sorted(islice(pairs, 0, None, -(-count // PAIRS_TOLD_MAX)) if count > PAIRS_TOLD_MAX else pairs)
    return [_lose_links(graph, pair) for pair in told], count


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
    names = graph.nodes
    net = nx.relabel_nodes(graph.networkx(), {name: number for number, name in enumerate(names)})  # no order of hashes
    full = len(graph.links) == count * (count - 1) // 2
    least_nodes = None if full else tuple(names[number] for number in sorted(nx.minimum_node_cut(net)))
    pairs = sorted((names[min(pair)], names[max(pair)]) for pair in nx.minimum_edge_cut(net))
    return least_nodes, tuple(say(pair) for pair in pairs)


def span(graph: Graph, question: Question) -> Span:
    """How far apart the nodes of a mesh in one part are, and its bounds."""
    return _Survey(graph, question).span()
