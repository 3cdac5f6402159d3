"""Confirms what `sim.topology` predicts of losses: each is played, and what the graph says must come true in the world.

A loss that splits a mesh must keep messages from crossing for as long as it lasts; one that does not must not; and after
it heals, the mesh must converge within the bound that was predicted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sim.heap import Play
from sim.scenario.building import linked, network_of
from sim.scenario.cast import Cast
from sim.scenario.model import Scenario
from sim.scenario.reading import from_tables
from sim.tape import Tape
from sim.topology import Graph, Report
from sim.topology.graph import link
from sim.topology.report import Kind, Loss
from sim.units import MILLION

LOSS_S, LASTS_S = 3, 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """One loss with one seed: what was predicted, and what was seen."""

    what: str
    seed: int
    splits: bool
    crossed: bool
    """Whether a message that was published during the loss reached every node that was left, before the heal."""
    converged_us: int
    bound_us: int
    broken: list[str]

    @property
    def is_true(self) -> bool:
        """Whether the prediction came true."""
        return self.crossed != self.splits and not self.broken and 0 <= self.converged_us <= self.bound_us

    def line(self) -> str:
        """In a line."""
        predicted = "a split" if self.splits else "no split"
        seen = "all reached" if self.crossed else "not all reached"
        return (
            f"{self.what}, seed {self.seed}: predicted {predicted} and {self.bound_us / 1e6:.2f} s; "
            f"seen {seen}, {self.converged_us / 1e6:.2f} s, {self.broken or 'kept'}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "is_true": self.is_true}


def graph_of(scenario: Scenario) -> Graph:
    """The graph of a scenario's nodes and links."""
    from sim.heap import round_trips_of  # noqa: PLC0415  # heap knows the matrices

    cast = Cast(scenario)
    pairs = linked(cast, Tape().stream(b"play/0", "play").fork("topology"))
    network = network_of(cast, round_trips_of(scenario), pairs)
    links = [link(a, b, network.round_trip_us(a, b), network.path(a, b).rate_bps or None) for a, b in pairs]
    return Graph({name: member.region for name, member in cast.nodes.items()}, tuple(links))


def predicted(report: Report) -> list[Loss]:
    """The losses that can be played: every single one of a node, a link or a region."""
    return [loss for loss in report.losses if loss.kind is not Kind.LINKS and loss.parts]


def confirm(graph: Graph, report: Report, seeds: int, name: str = "topology") -> Iterator[Verdict]:
    """Play each of them with some seeds. Raises `ScenarioError` for names that no node has."""
    return (_play(graph, report, loss, seed, name) for loss in predicted(report) for seed in range(seeds))


def _play(graph: Graph, report: Report, loss: Loss, seed: int, name: str) -> Verdict:
    left = [name for part in loss.parts for name in part]
    publisher = left[0]
    if loss.kind is Kind.NODE:
        event: dict[str, Any] = {"crash": list(loss.what)}
    elif loss.kind is Kind.REGION:
        event = {"crash": [f"@{region}" for region in loss.what]}
    else:
        one, other = next(each.pair for each in graph.links if " – ".join(each.pair) == loss.what[0])
        event = {"partition": [[one], [other]]}
    tables: dict[str, Any] = {
        "title": f"loss of {' '.join(loss.what)}",
        "promise": "what the graph predicts",
        "duration": (LOSS_S + LASTS_S + 2) * MILLION,
        "topology": {
            "node": [{"name": node, "region": region} for node, region in graph.regions.items()],
            "links": [each.pair for each in graph.links],
            "link": [{"between": list(each.pair), "latency": each.rtt_us // 2} for each in graph.links],
        },
        "client": [{"name": f"at-{node}", "at": node, "gateways": node, "subscribe": [{}]} for node in left],
        "timeline": [
            {"at": LOSS_S * MILLION, "for": LASTS_S * MILLION, **event},
            {"at": (LOSS_S + 5) * MILLION, "publish": {"client": f"at-{publisher}", "channel": "probe/1"}},
        ],
    }
    play = Play(from_tables(tables, name), seed)
    outcome = play.run()
    healed_us = play.scenario.settle + (LOSS_S + LASTS_S) * MILLION
    names = [name for name, entry in play.watch.ledger.items() if entry.channel == "probe/1"]
    crossed = bool(names) and all(
        diary.seen.get(names[0], healed_us) < healed_us for app in play.apps.values() for diary in app.diaries.values()
    )
    bound_us = report.span.redial_bound_us or 0
    return Verdict(
        " ".join(loss.what), seed, loss.splits, crossed, outcome.figures.converged_us, bound_us, outcome.broken
    )
