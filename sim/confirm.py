"""Confirms what `sim.topology` predicts: losses and durability levels are played, and the graph must be right about them.

A loss that splits a mesh must keep messages from crossing for as long as it lasts; one that does not must not; and after
it heals, the mesh must converge within the bound that was predicted. A level is played at its narrowest: as many nodes as it
asks for are cut off from all others, so that an acknowledged message stands there and nowhere else; then as many disks or
regions are lost as it should survive, and the message must reach everyone from what is left.

How long all of that takes is reckoned with the topology's longest round trip: links have to stand before anything is lost, a
message has to be where it must be before disks are lost, and it has time to cross, as the bound of what is left has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mesh.types import US_PER_MS
from sim.heap import Play
from sim.scenario.building import config_of
from sim.scenario.quantities import DELAY_MAX_US
from sim.scenario.reading import from_tables
from sim.topology import Graph, Report
from sim.topology.analysis import say
from sim.topology.report import Kind, Level, Loss
from sim.units import MILLION

SETTLE_S = 2
STANDS_TRIPS = 4
"""When links stand: a handshake takes one round trip and a half, greetings one, what is said first another ..."""
LOSS_S = 3
"""... and so long after that a loss begins."""
SAID_S, CROSSES_S = 5, 15
"""When the message is published after that begins, and how long it has at the least to cross what is left."""
TOLD_S, WIPED_S, LEFT_S = 1, 9, 10
"""The same where a level is played: then disks are lost, and so long after that the others are linked again ..."""
TOLD_TRIPS = 4
"""... but not before the message was pushed, or announced and asked for, and a receipt has come back."""
PAIRS_MAX = 50
"""Of pairs of links that split a mesh so many are played: a ring of 60 nodes has 1,770."""
PROBE = "probe/1"
PROBE_TTL_MS = 3_600_000
"""What is published lives longer than any play of it, or as long as nodes let it, whatever lives briefly by default."""


@dataclass(frozen=True, slots=True)
class LossVerdict:
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
        when = f"{self.converged_us / 1e6:.2f} s" if self.converged_us >= 0 else "never"
        return (
            f"{self.what}, seed {self.seed}: predicted {predicted} and {self.bound_us / 1e6:.2f} s; "
            f"seen {seen}, {when}, {self.broken or 'kept'}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "is_true": self.is_true}


@dataclass(frozen=True, slots=True)
class LevelVerdict:
    """One durability level with one seed: which disks were lost, and whether the message outlived them."""

    what: str
    seed: int
    holders: tuple[str, ...]
    """The only nodes that could have the message when disks were lost ..."""
    lost: tuple[str, ...]
    """... and those of them whose disks were."""
    wiped: int
    """How many really were: none is wiped that has the last good copy."""
    copies: int
    regions: int
    """What the publisher was told before."""
    arrived: bool
    """Whether everyone was shown the message in the end."""
    is_enough: bool
    """Whether that is the level."""
    broken: list[str]

    @property
    def is_true(self) -> bool:
        """Whether it survived what was predicted."""
        return self.is_enough and self.arrived and not self.broken and self.wiped == len(self.lost)

    def line(self) -> str:
        """In a line."""
        told = f"acknowledged at copies {self.copies}, regions {self.regions}"
        lost = f"{self.wiped} of {len(self.lost)} disks lost ({', '.join(self.lost) or 'none'})"
        seen = "arrived everywhere" if self.arrived else "did not arrive everywhere"
        return f"{self.what}, seed {self.seed}: {told}; {lost}; it {seen}, {self.broken or 'kept'}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "is_true": self.is_true}


Verdict = LossVerdict | LevelVerdict


def predicted(report: Report) -> list[Loss | Level]:
    """What is played: single losses of nodes, links and regions, pairs of links that split, and levels that can be reached."""
    single = [loss for loss in report.losses if loss.kind is not Kind.LINKS and loss.parts]
    pairs = report.pairs
    some = [pairs[index * len(pairs) // PAIRS_MAX] for index in range(PAIRS_MAX)] if len(pairs) > PAIRS_MAX else pairs
    return [*single, *some, *(level for level in report.levels if level.reachable)]


def not_played(report: Report) -> str:
    """What of the predictions is not, in words; empty if all are."""
    count, played = report.pair_count, min(len(report.pairs), PAIRS_MAX)
    return f"{count - played:,} of {count:,} pairs of links were not played" if count > played else ""


def confirm(
    graph: Graph,
    report: Report,
    seeds: int,
    name: str = "topology",
    config: Mapping[str, int | bool | str] | None = None,
    profiles: Mapping[str, Mapping[str, int | bool | str]] | None = None,
) -> Iterator[Verdict]:
    """Play each of them with some seeds, and nodes with such settings, some of them with others of their own.

    Raises `ScenarioError` for what cannot be played.
    """
    stage = _Stage(graph, report, name, dict(config or {}), profiles or {})
    for what in predicted(report):
        for seed in range(seeds):
            if isinstance(what, Level):
                yield stage.level(what, seed)
            else:
                yield stage.loss(what, seed)


@dataclass
class _Stage:
    """Plays things on a graph. Its names may hold what a scenario's names may not, as "New York" does."""

    graph: Graph
    report: Report
    name: str
    config: dict[str, int | bool | str]
    profiles: Mapping[str, Mapping[str, int | bool | str]]

    def __post_init__(self) -> None:
        never = {each.pair for each in self.graph.links if say(each.pair) in self.report.never}
        self.standing = self.graph.without(links=never) or self.graph
        self.trip_us = max((each.rtt_us for each in self.standing.links), default=0)
        base = config_of(self.config)
        intakes = [base.intake, *(config_of(each, base).intake for each in self.profiles.values())]
        self.ttl_us = US_PER_MS * min(PROBE_TTL_MS, *(each.ttl_max_ms for each in intakes))
        self.nodes = _plain_names(self.graph.regions)
        self.regions = _plain_names(dict.fromkeys(self.graph.regions.values()))

    def _play(self, title: str, left: list[str], timeline: list[dict[str, Any]], lasts_us: int, seed: int) -> Play:
        """A run in which there is an application at each of the nodes that are left, and a loss lasts so long."""
        links = [
            {
                "between": [self.nodes[end] for end in each.pair],
                "latency": min(each.rtt_us // 2, DELAY_MAX_US),
            }  # more than any node waits for
            | ({"rate": each.rate_bps} if each.rate_bps else {})
            for each in self.graph.links
        ]
        at = {name: self.nodes[name] for name in left}
        for event in timeline:
            if "publish" in event:
                event["publish"]["ttl"] = self.ttl_us
        tables = {
            "title": title,
            "promise": "what the graph predicts",
            "settle": max(SETTLE_S * MILLION, STANDS_TRIPS * self.trip_us),
            "duration": (LOSS_S + 2) * MILLION + lasts_us,
            "config": self.config,
            "topology": {
                "node": [
                    {"name": self.nodes[node], "region": self.regions[region], "profile": self.profiles.get(node, {})}
                    for node, region in self.graph.regions.items()
                ],
                "links": [[self.nodes[end] for end in each.pair] for each in self.graph.links],
                "link": links,
            },
            "client": [{"name": f"at-{node}", "at": node, "gateways": node, "subscribe": [{}]} for node in at.values()],
            "timeline": timeline,
        }
        return Play(from_tables(tables, self.name), seed)

    def loss(self, loss: Loss, seed: int) -> LossVerdict:
        """Lose something while a message is published, and see whom it reaches until it is back."""
        left = [name for part in loss.parts for name in part]
        span = self.report.span if loss.splits else loss.span
        lasts_us = SAID_S * MILLION + max(CROSSES_S * MILLION, span.bound_us or 0)
        if loss.kind is Kind.NODE:
            events: list[dict[str, Any]] = [{"crash": [self.nodes[node] for node in loss.what]}]
        elif loss.kind is Kind.REGION:
            events = [{"crash": [f"@{self.regions[region]}" for region in loss.what]}]
        else:
            lost = [each.pair for each in self.graph.links if say(each.pair) in loss.what]
            events = [{"partition": [[self.nodes[end]] for end in pair]} for pair in lost]
        timeline = [
            *({"at": LOSS_S * MILLION, "for": lasts_us, **event} for event in events),
            {
                "at": (LOSS_S + SAID_S) * MILLION,
                "publish": {"client": f"at-{self.nodes[left[0]]}", "channel": PROBE},
            },
        ]
        what = " and ".join(loss.what)
        play = self._play(f"loss of {what}", left, timeline, lasts_us, seed)
        outcome = play.run()
        crossed = _shown_everywhere(play, play.scenario.settle + LOSS_S * MILLION + lasts_us)
        converged_us, bound_us = outcome.figures.converged_us, self.report.span.redial_bound_us or 0
        return LossVerdict(what, seed, loss.splits, crossed, converged_us, bound_us, outcome.broken)

    def level(self, level: Level, seed: int) -> LevelVerdict:
        """Publish where the level can just be reached, lose all that it should survive, and see what comes of it."""
        kind, _, count = level.name.partition(":")
        copies, regions = (int(count), 1) if kind == "copies" else (1, int(count or 1))
        first = level.at[seed % len(level.at)]
        holders = self._holders(first, copies, regions)
        if kind == "regions":
            met = list(dict.fromkeys(self.graph.regions[node] for node in holders))
            lost = [node for node in holders if self.graph.regions[node] != met[-1 - seed % len(met)]]
        else:
            lost = [node for node in holders if node != holders[-1 - seed % len(holders)]]
        others = [node for node in self.graph.nodes if node not in holders]
        cut = [[self.nodes[node] for node in holders], [self.nodes[node] for node in others]]
        begin = LOSS_S * MILLION
        wiped_us = TOLD_S * MILLION + max(WIPED_S * MILLION, TOLD_TRIPS * self.trip_us)
        lasts_us = wiped_us + LEFT_S * MILLION
        wipe = {"wipe": [self.nodes[node] for node in lost]} if lost else {"crash": [self.nodes[first]]}
        timeline: list[dict[str, Any]] = [
            *([{"at": begin, "for": lasts_us, "partition": cut}] if others else []),
            {
                "at": begin + TOLD_S * MILLION,
                "publish": {
                    "client": f"at-{self.nodes[first]}",
                    "channel": PROBE,
                    "copies": copies,
                    "regions": regions,
                },
            },
            {"at": begin + wiped_us, "for": MILLION, **wipe},
        ]
        play = self._play(f"what {level.name} survives", list(self.graph.nodes), timeline, lasts_us, seed)
        outcome = play.run()
        told = next((entry.level for entry in play.watch.ledger.values() if entry.channel == PROBE), (0, 0))
        return LevelVerdict(
            level.name, seed, tuple(holders), tuple(lost), play.world.coverage.get("disk/wiped", 0), *told,
            _shown_everywhere(play), told >= (copies, 1) and told[1] >= regions, outcome.broken,
        )  # fmt: skip

    def _holders(self, first: str, copies: int, regions: int) -> list[str]:
        """A node and as many of those that it is linked with as make so many copies, in so many regions."""
        found = [first]
        for other, _ in self.standing.near()[first]:
            if len(found) < copies or (
                len({self.graph.regions[node] for node in found}) < regions
                and self.graph.regions[other] not in {self.graph.regions[node] for node in found}
            ):
                found.append(other)
        return found


def _plain_names(names: Mapping[str, object]) -> dict[str, str]:
    """Names that a scenario takes, each from its own: what it does not take becomes a dash, and equal ones are numbered."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "node"
        again = 1
        while (plain if again == 1 else f"{plain}-{again}") in found.values():
            again += 1
        found[name] = plain if again == 1 else f"{plain}-{again}"
    return found


def _shown_everywhere(play: Play, until_us: int | None = None) -> bool:
    """Whether the probe was shown to every application, before a moment where one is given."""
    names = [name for name, entry in play.watch.ledger.items() if entry.channel == PROBE]
    if not names:
        return False
    seen = [diary.seen.get(names[0]) for app in play.apps.values() for diary in app.diaries.values()]
    return all(at_us is not None and (until_us is None or at_us < until_us) for at_us in seen)
