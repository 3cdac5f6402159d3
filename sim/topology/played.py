"""The topology of a scenario, as the heap engine plays it with a seed: so that a sweep can confirm what is predicted here."""

from __future__ import annotations

from collections.abc import Iterable

from sim.greeting import failures, waited_us
from sim.network import Network
from sim.regions.matrix import Pair
from sim.regions.presets import load_matrix
from sim.scenario.building import config_of, greeting_waits_us, linked, network_of
from sim.scenario.cast import Cast
from sim.scenario.model import Scenario
from sim.tape import Tape
from sim.topology.analysis import Question, slowest
from sim.topology.graph import Graph, Link, link


def graph_of(scenario: Scenario, seed: int = 1) -> Graph:
    """Nodes and links of a scenario; a link's rate is the lesser of both ways.

    The seed matters only where links are drawn (`links = "random"` or `"sparse"`). Raises `CastError`, `ScenarioError`.
    """
    cast = Cast(scenario)
    matrix = scenario.topology.matrix
    pairs = linked(cast, Tape().stream(b"play/%d" % seed, "play").fork("topology"))
    return graph_between(cast, network_of(cast, load_matrix(matrix) if matrix is not None else {}, pairs), pairs)


def graph_between(cast: Cast, network: Network, pairs: Iterable[Pair]) -> Graph:
    """The same of nodes that stand already, before anything lies upon their paths."""
    links: dict[Pair, Link] = {}
    waits_us = greeting_waits_us(cast)
    for one, other in pairs:
        rates = [network.path(*way).rate_bps for way in ((one, other), (other, one))]
        rtt_us, longest_us = network.round_trip_us(one, other), network.longest_us(one, other)
        again_us = network.window_us(one, other) - longest_us
        rate_bps = min((rate for rate in rates if rate), default=None)
        within_us, silence_us = waited_us(waits_us, one, other), network.silence_us(one, other)
        fail = failures(network, one, other, within_us)
        made = link(one, other, rtt_us, rate_bps, longest_us - rtt_us, again_us, fail, silence_us)
        links[made.pair] = made
    return Graph({name: member.region for name, member in cast.nodes.items()}, tuple(links.values()))


def question_of(scenario: Scenario, backlog_bytes: int = 0) -> Question:
    """The bounds are those of the scenario's own settings of nodes: of each the slowest."""
    base = config_of(scenario.config)
    configs = [config_of(group.profile, base) for group in scenario.topology.node]
    return Question(slowest(configs), backlog_bytes, min(each.links.silent_ms for each in configs))
