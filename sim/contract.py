"""What the contract promises for a topology, in figures: how soon it converges, and what each durability level survives."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from mesh.clocks.vector import VersionVector
from mesh.config import NodeConfig
from mesh.engines.serving import RANGES_MAX
from sim.greeting import failures, waited_us
from sim.scenario.building import greeting_waits_us
from sim.scenario.cast import Cast
from sim.topology.analysis import converges_us, crosses_us, slowest
from sim.topology.durability import levels
from sim.topology.played import graph_between
from sim.topology.report import Level
from sim.units import MILLION, say_rate

if TYPE_CHECKING:
    from mesh.engines.repair import RepairConfig
    from mesh.types import LogId
    from sim.disk import Row
    from sim.machine import Machine
    from sim.network import Network
    from sim.scenario.model import Scenario
    from sim.world import World

    Place = tuple[LogId, int]
    """Where a row lies: its log, and its first position."""

US_PER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one node has to fetch once it can: bytes as they lie on disk, positions of logs, and in how many ranges they lie."""

    size: int = 0
    positions: int = 0
    ranges: int = 0
    largest: int = 0
    """Bytes of the largest that is passed on as a whole: over several hops each waits for it once more."""

    def __add__(self, other: Backlog) -> Backlog:
        """Both of them, one after the other."""
        sums = self.size + other.size, self.positions + other.positions, self.ranges + other.ranges
        return Backlog(*sums, max(self.largest, other.largest))

    def __or__(self, other: Backlog) -> Backlog:
        """Of each count the greater."""
        return Backlog(*map(max, astuple(self), astuple(other)))


def _near(names: list[str], pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Who is linked with whom among some nodes."""
    near: dict[str, list[str]] = {name: [] for name in names}
    for a, b in pairs:
        if a in near and b in near:
            near[a].append(b)
            near[b].append(a)
    return near


def counted_by(node: str, names: list[str], pairs: list[tuple[str, str]]) -> list[str]:
    """Whose copies a node of these counts in a receipt: its own, and those of whom it is linked with. Of another node, all."""
    return [node, *_near(names, pairs)[node]] if node in names else names


def parts(names: list[str], pairs: list[tuple[str, str]]) -> list[list[str]]:
    """Some nodes by who can reach whom, in their order."""
    near = _near(names, pairs)
    found: list[list[str]] = []
    for start in names:
        if not any(start in part for part in found):
            part = [start]
            for name in part:  # which grows meanwhile
                part += [other for other in near[name] if other not in part]
            found.append([name for name in names if name in part])
    return found


def hops(names: list[str], pairs: list[tuple[str, str]]) -> int:
    """The diameter of the graph that links make among some nodes, in hops; 0 for one node."""
    near = _near(names, pairs)
    farthest = 0
    for start in names:
        distance = {start: 0}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for there in near[here]:
                if there not in distance:
                    distance[there] = distance[here] + 1
                    queue.append(there)
        farthest = max(farthest, *distance.values())
    return farthest


def convergence_us(
    cast: Cast,
    network: Network,
    pairs: list[tuple[str, str]],
    core: list[str],
    configs: Sequence[NodeConfig],
    backlog: Backlog = Backlog(),
    redial_ms: int = 0,
) -> int:
    """The bound of *converges* (docs/concepts/contract.md), for nodes that have to dial one another again.

    Of each setting that of the node counts which is slowest by it; of waits before a dial the longest, `redial_ms` included.
    """
    linked = [(a, b) for a, b in pairs if a in core and b in core]
    config = slowest(configs)
    regions = {cast.nodes[name].region for name in core}
    far = len(regions) > 1
    waits_us = greeting_waits_us(cast)
    fail = max((failures(network, a, b, waited_us(waits_us, a, b)) for a, b in linked), default=0)
    round_trip_us = max((network.longest_us(a, b) for a, b in linked), default=0)
    window_us = max((network.window_us(a, b) for a, b in linked), default=0)
    rate_bps = min((rate for rate in (network.path(a, b).rate_bps for a, b in linked) if rate), default=None)
    far_apart = hops(core, linked)
    bound_us, redial_us = converges_us(config, far, far_apart, round_trip_us, fail, redial_ms)
    size = backlog.size + max(0, far_apart - 1) * backlog.largest
    turns_us = max(_in_turns_us(backlog, each.repair, window_us) for each in configs)
    return bound_us + redial_us + turns_us + crosses_us(config, size, rate_bps, window_us)


def _in_turns_us(backlog: Backlog, repair: RepairConfig, round_trip_us: int) -> int:
    """How much longer it takes to ask for what cannot be asked for at once, and again for what a peer was too busy for."""
    requests = _more(backlog.positions, repair.want_positions_max) + _more(backlog.ranges, RANGES_MAX)
    refusals = _more(backlog.ranges, repair.ranges_waiting_max)
    return requests * round_trip_us + refusals * (round_trip_us + repair.stall_ms * US_PER_MS)


def _more(count: int, at_once: int) -> int:
    """How many times more than once it takes."""
    return max(0, count - 1) // at_once


def backlog_of(world: World, names: list[str]) -> Backlog:
    """The most that one of some nodes has to fetch: what others of them have on disk, with its body, and it has not."""
    held = [_sound(world.machines[name].disk.image.rows) for name in names]
    rows = _whole(held)
    most = Backlog()
    for each in held:
        most |= _count({place: row for place, row in rows.items() if place not in each})
    return most


def stored_since(world: World, names: list[str], before: VersionVector) -> Backlog:
    """What some nodes have on disk that they had not before: it takes its part of what links carry."""
    rows = _whole([_sound(world.machines[name].disk.image.rows) for name in names])
    return _count({(log, first): row for (log, first), row in rows.items() if not before.covers(log, first, first)})


def _whole(held: Iterable[dict[Place, Row]]) -> dict[Place, Row]:
    """What some disks have with its body, each row once."""
    return {place: row for each in held for place, row in each.items() if not row.stripped}


def _count(rows: Mapping[Place, Row]) -> Backlog:
    vector = VersionVector()
    for (log, first), row in rows.items():
        vector.add(log, first, row.last)
    sets = [runs for _, runs in vector.items()]
    sizes = [len(row.packed) for row in rows.values()]
    return Backlog(sum(sizes), sum(runs.count for runs in sets), sum(map(len, sets)), max(sizes, default=0))


def _sound(image: dict[LogId, dict[int, Row]]) -> dict[Place, Row]:
    """The rows of a disk that it can give: what is damaged has to come again."""
    return {(log, first): row for log, rows in image.items() for first, row in rows.items() if not row.damaged}


def held_to_us(cast: Cast, world: World, pairs: list[tuple[str, str]], names: list[str], backlog: Backlog) -> int:
    """Within how long nodes have to have the same by the contract, as their network stands."""
    configs = [world.machines[name].config for name in names]
    linked = [(world.machines[a], world.machines[b]) for a, b in pairs if a in names and b in names]
    redial_ms = max((max(_strangers_ms(world, *two), _unheard_ms(*two)) for two in linked), default=0)
    unanswered_ms = max((_unanswered_ms(*two) for two in linked), default=0)
    return convergence_us(cast, world.network, pairs, names, configs, backlog, redial_ms) + unanswered_ms * US_PER_MS


def _unanswered_ms(one: Machine, other: Machine) -> int:
    """How long a node may wait until it compares with the other again, a member that may have kept something back; else 0.

    What it was asked for is waited for as long as a session may stand still, and half as long again until the next; of what it
    did not announce nobody knows before the next.
    """
    waits = [0]
    for here, there in ((one, other), (other, one)):
        partners = here.node.repair.partners if here.node is not None and here.node.started else {}
        for link, pipe in here.links.items():
            if there.keeps_waiting and pipe.target is there and link in partners:
                stall_ms = here.config.repair.stall_ms
                waits.append(max(partners[link].interval_ms, stall_ms) * 3 // 2 + stall_ms)
    return max(waits)


def _unheard_ms(one: Machine, other: Machine) -> int:
    """How long a node waits for the first word over a link to the other, which may have died before it said one; else 0."""
    waits = [0]
    for here, there in ((one, other), (other, one)):
        links = here.node.links.links if here.node is not None and here.node.started else {}
        for link, pipe in here.links.items():  # one that came up while its node stood still is not told to it yet
            is_unheard = not links[link].carried if link in links else pipe.target_link not in there.links
            if pipe.target is there and is_unheard:
                waits.append(here.config.links.greeting_timeout_ms)
    return max(waits)


def _strangers_ms(world: World, one: Machine, other: Machine) -> int:
    """How long two nodes may wait before one dials the other, if neither remembers that they were linked; else 0."""
    waits = []
    for here, there in ((one, other), (other, one)):
        if here.node is None or not here.node.started:
            if there.address in here.config.seeds:
                return 0  # it begins anew, and dials at once
            continue  # it waits to be dialled
        if any(pipe.target is there for pipe in here.links.values()):
            return 0
        place = here.node.links.book.places.get(there.address)
        if place is not None:
            if place.known_until_us > here.clock.mono_us(world.now_us):
                return 0
            config = here.config.addresses
            waits.append(min(config.backoff_max_ms, config.backoff_first_ms << min(place.failures + 1, 20)))
    return min(waits, default=0)


def bound_us(
    scenario: Scenario, cast: Cast, world: World, pairs: list[tuple[str, str]], names: list[str], backlog: Backlog
) -> int:
    """Within how long nodes have to have the same, by the contract or by the scenario's own bound."""
    return scenario.guarantees.converge_within(held_to_us(cast, world, pairs, names, backlog))


def in_vain(world: World, pairs: list[tuple[str, str]], names: list[str]) -> str:
    """What a judge adds where these nodes have a link over which no time is promised: nothing where there is none.

    It may fall silent again and again, or has more than half of its rate to carry all the time.
    """
    among = [(a, b) for a, b in pairs if a in names and b in names]
    silent = [_silent(world, a, b) for a, b in among]
    full = [_full(world, *way) for a, b in among for way in ((a, b), (b, a))]
    worst = (max(some, key=lambda each: each[0], default=(0, "")) for some in (silent, full))
    return next((told for _, told in worst if told), "")


def _silent(world: World, one: str, other: str) -> tuple[int, str]:
    """By how much longer two nodes may hear nothing of each other than they allow, and that in words; or nothing."""
    links = [world.machines[name].config.links for name in (one, other)]
    unheard_us = max(each.alive_ms for each in links) * US_PER_MS + world.network.silence_us(one, other)
    silent_us = min(each.silent_ms for each in links) * US_PER_MS
    if unheard_us < silent_us:
        return 0, ""
    who = f"{one} and {other} may hear nothing of each other for {unheard_us / MILLION:.2f} s, and dial anew after "
    told = f"; {who}{silent_us / MILLION:g} s each time (links.silent-ms): no time is promised over such a link"
    return unheard_us - silent_us + 1, told


def _full(world: World, source: str, target: str) -> tuple[int, str]:
    """How much of its rate what a link has carried came to until now, in per cent, and that in words; or nothing."""
    path = world.network.path(source, target)
    share = (
        path.sent_bytes * 8 * MILLION * 100 // (path.rate_bps * world.now_us) if path.rate_bps and world.now_us else 0
    )
    if share <= 50:
        return 0, ""
    told = f"; {source} has sent {target} {share} % of what {say_rate(path.rate_bps)} carry: beyond half no time is promised"
    return share, told


def budget(cast: Cast, network: Network, pairs: list[tuple[str, str]]) -> dict[str, str]:
    """For each durability level, in words, the losses of disks or regions that it survives here, and where it can be told.

    What `gossamer sim topology` says of them; of a network before anything lies upon its paths.
    """
    within_us = min(greeting_waits_us(cast).values())
    found = levels(graph_between(cast, network, pairs).faster_than(within_us), [])
    return {level.name: _survives(level, len(cast.nodes), len(cast.regions)) for level in found}


def _survives(level: Level, nodes: int, regions: int) -> str:
    """What a level survives, in words."""
    at = level.told_at(nodes)
    if not level.reachable:
        return f"can be told {at}"
    survives = "the accepting node's disk has to survive"
    if level.name.startswith("copies:"):
        survives = f"any {level.disks_survived} of {nodes} disks may be lost"
    elif level.name.startswith("regions:"):
        survives = f"any {level.regions_survived} of {regions} regions may be lost"
    return survives if len(level.at) == nodes else f"{survives}; can be told at {at}"
