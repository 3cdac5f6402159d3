"""*Isolated*: what is wrong with somebody hurts that one, and hardly anybody else.

The same run is played once more without its faults, and the clients of both are compared, over the time in which
something was wrong. Of the clients that no fault names, those at other nodes (*far*) may see the 99th percentile of
their delays and of their waits for a first receipt move by less than 20 %, those that share a node with a client that a
fault names (*near*) by less than a factor of two (docs/concepts/contract.md). What a client that is hurt itself
publishes counts for nobody: it comes late because of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from typing import Any

from sim.checkers import SKEW_US, Watch
from sim.diary import Diary, Ledger, name_of
from sim.figures import percentile
from sim.scenario.cast import Cast
from sim.scenario.events import WISHES, Event
from sim.scenario.plan import Step
from sim.stage import say_event
from sim.units import MILLION, say_measured

FAR_PER_CENT = 120
NEAR_PER_CENT = 200
GRAIN_US = 1_000
"""What a percentile moves by though nothing is wrong: other draws of a node's service time, and of a path's delay."""
SAMPLES_MIN = 100
"""Of fewer, a 99th percentile is the slowest one, which says nothing."""
ALIKE_US = 2 * SKEW_US + 15 * MILLION
"""Clocks that are wrong by times that differ no more may be taken for two that agree: words take a while, too."""
HEARD_US = 120 * MILLION
"""What a clock showed is remembered no longer, once it is right: links are given up before, or carry what it shows now."""
CLIENT_VERBS = ("drop-client", "offline", "move-client", "kill-client", "stop-reading")


@dataclass(frozen=True, slots=True)
class Hurt:
    """Whom the faults of a run name: their nodes, and their clients."""

    nodes: frozenset[str]
    clients: frozenset[str]


def without_faults(steps: Iterable[Step]) -> list[Step]:
    """What clients do of their own accord."""
    return [step for step in steps if not _is_fault(step)]


def _is_fault(step: Step) -> bool:
    return isinstance(step, Event) and step.verb not in WISHES


def hurt_by(cast: Cast, steps: Iterable[Step]) -> Hurt:
    """Whom faults name. A fault between nodes, such as a partition, names all of them."""
    nodes: set[str] = set()
    clients: set[str] = set()
    for step in steps:
        if not isinstance(step, Event) or step.verb in WISHES:
            continue
        what = step.what
        if step.verb in CLIENT_VERBS:
            clients.update(cast.clients_of(what.client if step.verb == "move-client" else what))
        elif step.verb != "hostile-client":  # who is none of ours hurts none of ours
            nodes.update(cast.nodes_of(_nodes_in(what)))
    return Hurt(frozenset(nodes), frozenset(clients))


@dataclass(frozen=True, slots=True)
class Wrong:
    """A clock that is wrong for a time (µs), and between which bounds (µs) it is ahead then."""

    node: str
    from_us: int
    until_us: int
    low_us: int
    high_us: int

    def is_like(self, other: Wrong) -> bool:
        """Whether somebody who hears of both may take them for two that agree."""
        met = self.from_us < other.until_us + HEARD_US and other.from_us < self.until_us + HEARD_US
        near = self.low_us < other.high_us + ALIKE_US and other.low_us < self.high_us + ALIKE_US
        return self.node != other.node and met and near

    @property
    def is_ahead(self) -> bool:
        """Whether it may drag others along."""
        return self.high_us > SKEW_US // 2

    @property
    def is_far(self) -> bool:
        """Whether it may be farther from the time than a right clock."""
        return max(-self.low_us, self.high_us) > SKEW_US

    def over(self, other: Wrong) -> Wrong:
        """Both, from the first on until the end of the last."""
        return Wrong(
            self.node,
            min(self.from_us, other.from_us),
            max(self.until_us, other.until_us),
            min(self.low_us, other.low_us),
            max(self.high_us, other.high_us),
        )


def _wrong(cast: Cast, steps: Iterable[Step], until_us: int) -> list[Wrong]:
    """When clocks are wrong, and at most by how much.

    Of faults that overlap on one node each lasts until the last of them ends. A clock that drifted stays where it came to; one
    that stands still falls back. Who stands still itself remembers for as long what it heard before.
    """
    steps = list(steps)
    lasting: dict[str, list[Wrong]] = {}
    drifted: dict[str, list[int]] = {}
    for step in steps:
        if not isinstance(step, Event) or step.verb != "clock":
            continue
        what, lasts_us = step.what, until_us - step.at if step.for_ is None else step.for_
        low_us = what.offset - (lasts_us if what.freeze else 0)
        for node in cast.nodes_of(what.nodes):
            lasting.setdefault(node, []).append(Wrong(node, step.at, step.at + lasts_us, low_us, what.offset))
            drifted.setdefault(node, []).append(lasts_us * what.drift_ppm // MILLION)
    found: list[Wrong] = []
    for node, faults in lasting.items():
        ahead_us, behind_us = (sum(us for us in drifted[node] if us * sign > 0) for sign in (1, -1))
        if ahead_us or behind_us:
            every = reduce(Wrong.over, faults)
            low_us, high_us = min(0, every.low_us) + behind_us, max(0, every.high_us) + ahead_us
            found.append(replace(every, until_us=until_us, low_us=low_us, high_us=high_us))
        else:
            found += _joined(faults)
    stood_us = sum(
        until_us - step.at if step.for_ is None else step.for_
        for step in steps
        if isinstance(step, Event) and step.verb == "pause"
    )
    return [replace(each, until_us=each.until_us + stood_us) for each in found]


def _joined(faults: list[Wrong]) -> list[Wrong]:
    """What overlaps on one node, as one."""
    met: list[Wrong] = []
    for fault in sorted(faults, key=lambda each: each.from_us):
        overlaps = met and fault.from_us <= met[-1].until_us
        met.append(met.pop().over(fault) if overlaps else fault)
    return met


def right_clocks(cast: Cast, steps: Iterable[Step], until_us: int) -> list[str]:
    """The nodes that no wrong clock may drag along (lesson 21): whose own is right, where no two others go wrong alike.

    Who hears of hardly anybody else may be outvoted by two that agree, and cannot know better.
    """
    wrong = _wrong(cast, steps, until_us)
    if any(one.is_like(other) for one, other in combinations([each for each in wrong if each.is_ahead], 2)):
        return []
    return [name for name in cast.nodes if name not in {each.node for each in wrong}]


def any_wrong_alike(cast: Cast, steps: Iterable[Step], until_us: int) -> bool:
    """Whether clocks of two nodes or more may be wrong at once, and agree."""
    pairs = combinations(_wrong(cast, steps, until_us), 2)
    return any(one.is_like(other) and (one.is_far or other.is_far) for one, other in pairs)


def steady_clocks(cast: Cast, steps: Sequence[Step], until_us: int) -> set[str]:
    """The same without bad hosts, which stamp as they like: nothing that these stamp is far ahead of the time."""
    hosts = [step.what.node for step in steps if isinstance(step, Event) and step.verb == "hostile"]
    return set(right_clocks(cast, steps, until_us)) - set(cast.nodes_of(hosts))


def _nodes_in(what: Any) -> tuple[str, ...]:
    """All patterns of nodes that a fault's object holds, however deep."""
    if isinstance(what, str):
        return (what,)
    if isinstance(what, tuple):
        return tuple(name for part in what for name in _nodes_in(part))
    named = [getattr(what, name) for name in ("node", "nodes", "between", "from_", "to") if hasattr(what, name)]
    return tuple(name for part in named for name in _nodes_in(part))


def groups_of(cast: Cast, steps: list[Step]) -> dict[str, frozenset[str]]:
    """The clients that no fault names, by how far they are from one that is named."""
    hurt = hurt_by(cast, steps)
    bad = {node for step in steps if isinstance(step, Event) and step.verb == "hostile-client"
           for node in cast.nodes_of(step.what.gateways)}  # fmt: skip
    shared = bad | {cast.clients[name].gateways[0] for name in hurt.clients}
    well = {
        name: person.gateways[0]
        for name, person in cast.clients.items()
        if name not in hurt.clients and person.gateways[0] not in hurt.nodes
    }
    return {
        "far": frozenset(name for name, home in well.items() if home not in shared),
        "near": frozenset(name for name, home in well.items() if home in shared),
    }


@dataclass(frozen=True, slots=True)
class Books:
    """What a run wrote down."""

    ledger: Ledger
    diaries: list[Diary]
    from_us: int
    until_us: int
    """What was published from then until then counts."""

    def delays(self, clients: frozenset[str], speakers: frozenset[str]) -> list[int]:
        """How long what was published by some took to be shown to others, sorted."""
        found: list[int] = []
        for diary in self.diaries:
            if diary.owner in clients:
                for shown in diary.shown:
                    name = name_of(shown.record)
                    entry = self.ledger.get(name)
                    if name[0] in speakers and entry is not None and self.from_us <= entry.at_us < self.until_us:
                        found.append(shown.at_us - entry.at_us)
        return sorted(found)

    def waits(self, clients: frozenset[str]) -> list[int]:
        """How long those who published waited for a first receipt, sorted."""
        counted = (entry for name, entry in self.ledger.items() if name[0] in clients and entry.first_told_us >= 0)
        return sorted(e.first_told_us - e.at_us for e in counted if self.from_us <= e.at_us < self.until_us)


def hold(watch: Watch, cast: Cast, steps: list[Step], books: Books, calm: Books) -> None:
    """Hold a run against the same without its faults; a client that moved too far is a breach of *isolated*."""
    faults = [step for step in steps if _is_fault(step)]
    if not faults:
        return
    groups = groups_of(cast, steps)
    for group, per_cent in (("far", FAR_PER_CENT), ("near", NEAR_PER_CENT)):
        clients = groups[group]
        if not clients:
            continue
        speakers = groups["far"] | groups["near"]
        for what, found, usual in (
            ("delays", books.delays(clients, speakers), calm.delays(clients, speakers)),
            ("waits for a receipt", books.waits(clients), calm.waits(clients)),
        ):
            watch.look("isolated")
            if min(len(found), len(usual)) < SAMPLES_MIN:
                text = f"fewer than {SAMPLES_MIN} {what} of {group} clients while something was wrong"
                about = f"{text}, so nothing is known of what it does to them"
                watch.broken("isolated", about, kind=f"few {what} of {group}")
                continue
            moved_us, still_us = percentile(found, 99), percentile(usual, 99)
            if moved_us > still_us * per_cent // 100 + GRAIN_US:
                watch.broken(
                    "isolated",
                    f"p99 of {what} of {group} clients is {say_measured(moved_us)}, "
                    f"and {say_measured(still_us)} without the faults",
                    *(say_event(step) for step in faults[:4] if isinstance(step, Event)),
                    kind=f"{what} of {group}",
                )
    if not any(groups.values()):
        about = "the faults name everybody, so that nobody is left whom they could spare"
        watch.broken("isolated", about, kind="nobody spared")
