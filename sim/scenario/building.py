"""From a scenario's settings to the node's config, and from its topology to who is linked with whom and how far apart."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from mesh.config import NodeConfig
from mesh.config import sim as sim_config
from mesh.errors import ConfigError
from mesh.types import US_PER_MS
from sim.errors import ScenarioError
from sim.network import Delay, Network
from sim.plain import short
from sim.regions import load_matrix, named_matrix
from sim.scenario.cast import Cast
from sim.scenario.meant import expected_setting
from sim.scenario.model import Scenario
from sim.tape import Stream

Pair = tuple[str, str]


def config_of(settings: Mapping[str, int | bool | str], base: NodeConfig | None = None) -> NodeConfig:
    """A node's config with settings such as `links.alive-ms`. Raises `ScenarioError` for one that there is not."""
    config: Any = base or sim_config()
    parts: dict[str, dict[str, int | bool | str]] = {}
    for name, value in settings.items():
        engine, _, key = name.replace("-", "_").rpartition(".")
        part = getattr(config, engine, None) if engine else config
        if part is None or not hasattr(part, key):
            raise ScenarioError("scenario", 0, f"no node has a setting {short(name)}", expected_setting(name, config))
        known = getattr(part, key)
        if type(value) is not type(known):
            kind = {bool: "true or false", int: "a whole number", str: "a text"}.get(
                type(known), "nothing: it is not set here"
            )
            raise ScenarioError("scenario", 0, f"{name} = {short(value)}", kind)
        parts.setdefault(engine, {})[key] = value
    for engine, values in parts.items():
        try:
            changed = dataclasses.replace(getattr(config, engine) if engine else config, **values)
            config = dataclasses.replace(config, **{engine: changed}) if engine else changed
        except (ConfigError, TypeError) as error:
            said = ", ".join(f"{engine}.{key} = {short(value)}".replace("_", "-") for key, value in values.items())
            raise ScenarioError("scenario", 0, f"{said}: {error}", "values that make sense together") from error
    made: NodeConfig = config
    return made


def linked(cast: Cast, rng: Stream) -> list[Pair]:
    """Who is linked with whom; the second of each pair dials the first."""
    names, topology = list(cast.nodes), cast.scenario.topology
    links = topology.links
    if isinstance(links, tuple):
        return [(a, b) for a, b in links]
    size = len(names)
    match links:
        case "full":
            return [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        case "ring":
            return sorted(
                {(names[min(i, (i + 1) % size)], names[max(i, (i + 1) % size)]) for i in range(size) if size > 1}
            )
        case "line":
            return list(itertools.pairwise(names))
        case "star":
            return [(names[0], other) for other in names[1:]]
        case "grid":
            side = max(1, int(size**0.5))
            right = [(names[i], names[i + 1]) for i in range(size - 1) if (i + 1) % side]
            return right + [(names[i], names[i + side]) for i in range(size - side)]
        case "sparse":
            return _sparse(names, rng)
        case _:
            return _random(names, topology.degree, rng)


def _sparse(names: list[str], rng: Stream) -> list[Pair]:
    """A drawn tree: a star, a line, or anything between; and as often as not one link more, which closes a ring."""
    names = rng.shuffled(names)
    found = [(names[rng.below(i)], name) for i, name in enumerate(names) if i]
    others = [pair for pair in itertools.combinations(names, 2) if pair not in found and pair[::-1] not in found]
    return [*found, rng.choice(others)] if others and rng.below(2) else found


def _random(names: list[str], degree: int, rng: Stream) -> list[Pair]:
    """A ring, so that it is connected, and drawn links until each node has `degree`, as nearly as it goes."""
    size = len(names)
    degree = min(degree, size - 1)
    found = {(min(i, (i + 1) % size), max(i, (i + 1) % size)) for i in range(size) if size > 1}
    count = [sum(i in pair for pair in found) for i in range(size)]
    for _ in range(20 * size * degree):
        open_ = [i for i in range(size) if count[i] < degree]
        if len(open_) < 2:
            break
        a, b = sorted(rng.shuffled(open_)[:2])
        if (a, b) not in found:
            found.add((a, b))
            count[a] += 1
            count[b] += 1
    return [(names[a], names[b]) for a, b in sorted(found)]


def with_round_trips(scenario: Scenario) -> Scenario:
    """The same, whatever becomes of the file that holds its matrix: the round trips of its regions stand in it."""
    if scenario.topology.matrix is None:
        return scenario
    regions = Cast(scenario).regions
    trips = named_matrix(scenario.topology.matrix).only(regions)
    table = {
        one: {other: trips.rtt_us(one, other) for other in regions[index + 1 :]} for index, one in enumerate(regions)
    }
    topology = scenario.topology.model_copy(update={"matrix": table})
    return scenario.model_copy(update={"topology": topology})


def round_trips_of(scenario: Scenario) -> Mapping[Pair, int]:
    """Round-trips between regions in µs, from the matrix that the scenario names."""
    return {} if scenario.topology.matrix is None else load_matrix(scenario.topology.matrix)


def greeting_waits_us(cast: Cast) -> dict[str, int]:
    """How long each node of a scenario waits for the greeting of another."""
    base = config_of(cast.scenario.config)
    groups = cast.scenario.topology.node
    waits_us = {id(each): US_PER_MS * config_of(each.profile, base).links.greeting_timeout_ms for each in groups}
    return {name: waits_us[id(member.group)] for name, member in cast.nodes.items()}


def network_of(cast: Cast, round_trips: Mapping[Pair, int], pairs: list[Pair]) -> Network:
    """The paths between nodes. `round_trips`: µs between regions, from a matrix; what is not there is `latency`."""
    topology = cast.scenario.topology
    far = Delay.of(topology.latency, topology.jitter, topology.shape, topology.measured)
    network = Network(far, topology.loss, topology.rate or 0)
    members = list(cast.nodes.values())
    for i, one in enumerate(members):
        for other in members[i + 1 :]:
            delay_us = topology.latency
            if one.region == other.region:
                delay_us = topology.local_latency
            else:
                round_trip_us = round_trips.get((one.region, other.region)) or round_trips.get(
                    (other.region, one.region)
                )
                delay_us = round_trip_us // 2 if round_trip_us else delay_us
            jitter_us = min(topology.jitter, delay_us // 4)
            shape = "uniform" if topology.measured else topology.shape
            is_measured = topology.measured and one.region != other.region
            network.delays[one.name, other.name] = far if is_measured else Delay(delay_us, jitter_us, shape)
    for link in topology.link:
        sides = [cast.nodes_of(side) for side in link.between]
        for a in sides[0]:
            for b in sides[1]:
                known = network.delays.get((a, b)) or network.delays.get((b, a)) or network.delay
                base_us = known.base_us if link.latency is None else link.latency
                delay = Delay.of(base_us, link.jitter, link.shape, link.measured)
                network.delays[a, b] = network.delays[b, a] = delay
                if link.rate is not None:
                    network.rates[a, b] = network.rates[b, a] = link.rate
    joined = {frozenset(pair) for pair in pairs}
    network.closed = {(a, b) for a in cast.nodes for b in cast.nodes if a != b and frozenset((a, b)) not in joined}
    return network
