"""Whether a scenario makes sense as a whole: what neither its schema nor its cast can say.

Everything here would else go by in silence, or would be work without end: a restore of an image that nobody took, a core
that is not connected, a word that nothing in a run is ever called, messages by the million.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from sim.errors import ScenarioError
from sim.greeting import HANDLED_US, coming_up, greeting_us, least_us, waited_us
from sim.labels import SAFEGUARDS
from sim.network import QUANTILES
from sim.plain import listed, short
from sim.regions import PRESETS, named_matrix
from sim.scenario.building import Pair, config_of, greeting_waits_us, linked, network_of, round_trips_of
from sim.scenario.cast import Cast, CastError, Loc
from sim.scenario.events import AT_ONCE, READINGS_MAX, Event
from sim.scenario.labels import happenings, meant_by
from sim.scenario.model import Scenario, Topology, Workload
from sim.scenario.plan import PUBLISHED_BYTES_MAX, STEPS_MAX
from sim.scenario.quantities import PLACE
from sim.tape import Tape
from sim.toml import missing
from sim.units import MILLION, say_us

if TYPE_CHECKING:
    from sim.network import Network

MS_US = 1_000
FAULTS_MAX = 100_000
"""Drawn in one run: one every half a minute for a month."""
PAST_MAX = 30_000
"""Of the past, begun in one run: one in a minute and a half of a month. A short one takes 0.6 ms, a long one many pages."""
BOTHERS_MAX = 500_000
"""Requests of clients gone bad in one run: a quarter of a minute (25 µs each)."""
MORE = 10
"""Beyond what is expected: a tenth, since arrivals are drawn."""
SLACK = 1_000
WIDEST = 1 + max(quantiles[-1] for quantiles in QUANTILES.values()) // MILLION
"""No delay has more than so many of its spreads."""
SURE_LOSS_PPM = MILLION // 10
"""Where less is lost, a greeting comes in time if it does where nothing is."""
LABEL = "a word of coverage (docs/reference/scenario.md)"
PEAKS = {"bursts": 0.95, "flash-crowd": 1.9, "chat-room": 1.2}
"""How many messages an audience publishes for each that its rate says, where that differs."""
COMINGS_US = {"commuters": 15_000_000, "cursor-resuming": 5_000_000}
"""How often each client of an audience goes away, at the most."""


def check(cast: Cast) -> None:
    """Raises `CastError` for the first thing that makes no sense."""
    _words(cast.scenario)
    _links(cast)
    _regions(cast)
    greetings(cast)
    _core(cast)
    _times(cast.scenario)
    _images(cast)
    _copies(cast)
    _lifetimes(cast.scenario)
    _pages(cast.scenario)
    _readings(cast)
    _work(cast)
    _idle(cast.scenario)


def _words(scenario: Scenario) -> None:
    for index, name in enumerate(scenario.sabotage):
        if name not in SAFEGUARDS:
            raise CastError(
                ("sabotage", index), f"no safeguard is called {short(name)}", f"one of {', '.join(SAFEGUARDS)}"
            )
    events = [f"timeline/{number}" for number in range(1, len(scenario.timeline) + 1)]
    for index, label in enumerate(scenario.gates):
        if not meant_by(label) and label not in events:
            raise CastError(("gates", index), f"nothing is ever called {short(label)}", LABEL)
    for key, labels in (("see", scenario.guarantees.see), ("never", scenario.guarantees.never)):
        for index, label in enumerate(labels):
            if label not in happenings() and label not in events:
                raise CastError(("guarantees", key, index), f"nothing is ever called {short(label)}", LABEL)
    for index, label in enumerate(scenario.guarantees.never):
        if label in scenario.guarantees.see:
            raise CastError(
                ("guarantees", "never", index), f"{short(label)} is to be seen, too", "it in one of the two"
            )


def _idle(scenario: Scenario) -> None:
    """No key says what nothing comes of, where its table is as it is."""
    topology, faults = scenario.topology, scenario.random
    if "degree" in topology.model_fields_set and topology.links != "random":
        raise CastError(("topology", "degree"), "it changes nothing", 'links = "random" beside it')
    for index, work in enumerate(scenario.workload):
        place = ("workload", index)
        if "spread" in work.model_fields_set and not any(PLACE in channel for channel in work.channels):
            raise CastError((*place, "spread"), "it changes nothing", f"{PLACE} in one of the channels")
        if work.zipf and len(work.channels) == 1 and (work.spread == 1 or PLACE not in work.channels[0]):
            raise CastError((*place, "zipf"), "it changes nothing", "several channels")
        if work.mortal and not work.ttl:
            raise CastError((*place, "mortal"), "it changes nothing", "a ttl, for which so many of the messages live")
    for index, group in enumerate(scenario.client):
        for number, past in enumerate(group.history):
            if past.every > scenario.duration:  # it is read from a drawn moment within that time on
                lasts = f"at most the duration, {say_us(scenario.duration)}"
                what = f"{say_us(past.every)!r}: it may never be read"
                raise CastError(("client", index, "history", number, "every"), what, lasts)
    for index, event in enumerate(scenario.timeline):
        place = ("timeline", index)
        if event.for_ is not None and event.verb in AT_ONCE:
            raise CastError((*place, "for"), f"{event.verb} is over at once", "no `for` beside this verb")
        if event.link is not None and event.link.latency is None and not event.link.measured:
            for key in ("jitter", "shape"):
                if key in event.link.model_fields_set:
                    raise CastError((*place, "link", key), "it changes nothing", "a latency beside it")
        lacks = _lacks(event)
        if lacks:
            raise CastError((*place, event.verb), "it changes nothing", lacks)
    if faults is not None and faults.deeds and "hostile" not in faults.faults:
        raise CastError(("random", "deeds"), "it changes nothing", "`hostile` among the faults")


def _lacks(event: Event) -> str:
    """What would have to stand in an event that changes nothing as it is; empty where it changes something."""
    what = event.what
    match event.verb:
        case "clock" if not (what.offset // MS_US or what.drift_ppm or what.freeze):
            return "an offset of 1ms at least, a drift-ppm, or freeze = true"
        case "link" if (
            not any(value for key, value in what if key not in ("between", "shape")) and what.latency is None
        ):
            return "a latency, a loss, or whatever else a path can be like"
        case "hostile" if not what.share:
            return "a share of more than 0%"
        case "flap" if not what.up + what.down:
            return "a time for which it is up, or down"
        case _:
            return ""


def _links(cast: Cast) -> None:
    topology = cast.scenario.topology
    for index, spec in enumerate(topology.link):
        one, other = (cast.nodes_of(side) for side in spec.between)
        if len({*one, *other}) < 2:
            raise CastError(("topology", "link", index, "between"), f"a path from {one[0]} to itself", "two nodes")
    if not isinstance(topology.links, tuple):
        return
    seen: set[frozenset[str]] = set()
    for index, pair in enumerate(topology.links):
        place = ("topology", "links", index)
        strangers = [name for name in pair if name not in cast.nodes]
        if strangers:
            raise CastError(place, f"no node is called {short(strangers[0])}", "two names, without patterns")
        if pair[0] == pair[1]:
            raise CastError(place, f"a link of {pair[0]!r} to itself", "two nodes")
        if frozenset(pair) in seen:
            raise CastError(place, f"{pair[0]!r} and {pair[1]!r} are linked twice", "one link between two nodes")
        seen.add(frozenset(pair))


def _regions(cast: Cast) -> None:
    """Every region is in the matrix, if there is one. Raises `ScenarioError` for a matrix that makes no sense itself."""
    matrix = cast.scenario.topology.matrix
    if matrix is None:
        return
    if isinstance(matrix, str):
        if matrix not in PRESETS and not os.path.isfile(matrix):  # noqa: PTH113  # `Path` raises for a name that is too long
            known = f"a file beside the scenario, or one of {', '.join(PRESETS)}"
            raise CastError(("topology", "matrix"), f"{matrix[-80:]!r}: {_no_file(matrix)}", known)
        regions = named_matrix(matrix).names
    else:
        try:
            regions = named_matrix(matrix).names
        except ScenarioError as error:
            raise CastError(("topology", "matrix"), error.problem, error.expected) from error
    said = f"the matrix {matrix!r}" if isinstance(matrix, str) else "the matrix"
    for index, group in enumerate(cast.scenario.topology.node):
        if group.region not in regions:
            place = ("topology", "node", index, "region")
            raise CastError(place, f"{said} has no {group.region!r}", f"one of {listed(list(regions))}")


def greetings(cast: Cast) -> None:
    """Links come up that join the core: nodes wait for each other's greeting, which takes a round trip.

    What an event makes faster ends at the heal. Of drawn links all count, for any may be drawn. Raises `CastError`.
    """
    scenario, topology = cast.scenario, cast.scenario.topology
    if len(cast.nodes) > 1 and topology.loss == MILLION:
        raise CastError(("topology", "loss"), "'100%'", "a network on which something arrives")
    waits_us, trips = greeting_waits_us(cast), round_trips_of(scenario)
    if _is_near(topology, trips, min(waits_us.values())):
        return
    are_drawn = topology.links in ("random", "sparse")  # any may be drawn
    pairs = list(combinations(cast.nodes, 2)) if are_drawn else linked(cast, Tape().stream(b"", "none"))
    network = network_of(cast, trips, pairs)
    up = set(coming_up(network, pairs, waits_us))
    slow = [(least_us(network, *pair), pair) for pair in pairs if pair not in up]
    if not slow:
        return
    us, fastest = min(slow)
    names, problem = list(cast.nodes) if scenario.core == "random" else _core_of(cast), ""
    if not up:
        problem = "no link ever comes up"
    elif apart := _apart(names, up):
        problem = f"no links that ever come up lead from {names[0]!r} to {apart[0]!r}"
    if problem:
        within_us = waited_us(waits_us, *fastest)
        is_varying = us + HANDLED_US < within_us
        why = "what varies and is lost holds nearly every greeting up" if is_varying else "the fastest takes"
        takes = f"{problem}: {why}" + ("" if is_varying else f" {say_us(us)!r} there and back")
        limit = f"less than links.greeting-timeout-ms, {say_us(within_us)}, of one link at least"
        place = _culprit(cast, *fastest) if is_varying else _delay_of(cast, network, *fastest, trips)
        raise CastError(("topology", *place), takes, limit)


def _is_near(topology: Topology, trips: Mapping[Pair, int], waits_us: int) -> bool:
    """Whether all greetings come in time for certain, so that nobody has to look at each link."""
    said = [topology.latency, topology.local_latency, *topology.measured, *(us // 2 for us in trips.values())]
    said += [us for link in topology.link for us in (link.latency or 0, *link.measured)]
    varies_us = WIDEST * max(topology.jitter, *(link.jitter for link in topology.link), 0)
    rate = min((each for each in (topology.rate, *(link.rate for link in topology.link)) if each), default=None)
    return topology.loss < SURE_LOSS_PPM and greeting_us(2 * (max(said) + varies_us), (rate, rate)) < waits_us


def _culprit(cast: Cast, one: str, other: str) -> Loc:
    """Which key of a topology holds greetings up that are near enough: what was measured, what varies, or what is lost."""
    topology = cast.scenario.topology
    link = next(_entries(cast, one, other), None)
    if link is not None and (topology.link[link].measured or topology.link[link].jitter):
        return "link", link, "measured" if topology.link[link].measured else "jitter"
    if link is None and topology.measured and cast.nodes[one].region != cast.nodes[other].region:
        return ("measured",)
    return ("loss",) if topology.loss else ("jitter",)


def _entries(cast: Cast, one: str, other: str) -> Iterator[int]:
    """The entries for links that say something of this one, the last first, which counts."""
    for index, link in reversed([*enumerate(cast.scenario.topology.link)]):
        sides = [cast.nodes_of(side) for side in link.between]
        if any(a in sides[0] and b in sides[1] for a, b in ((one, other), (other, one))):
            yield index


def _delay_of(cast: Cast, network: Network, one: str, other: str, trips: Mapping[Pair, int]) -> Loc:
    """Which key of a topology says how long a link takes."""
    topology, regions = cast.scenario.topology, [cast.nodes[name].region for name in (one, other)]
    is_narrow = least_us(network, one, other) >= 2 * network.round_trip_us(one, other)
    for index in _entries(cast, one, other):
        link = topology.link[index]
        if is_narrow and link.rate is not None:
            return "link", index, "rate"
        if not is_narrow and (link.latency is not None or link.measured):
            return "link", index, "measured" if link.measured else "latency"
    if is_narrow:
        return ("rate",)
    if regions[0] == regions[1]:
        return ("local-latency",)
    if topology.measured:
        return ("measured",)
    return ("matrix",) if trips.get((regions[0], regions[1])) or trips.get((regions[1], regions[0])) else ("latency",)


def _no_file(name: str) -> str:
    try:
        return missing(Path(name)) or "it is no file"
    except (OSError, ValueError):  # no file can have this name
        return "there is no such file"


def _core(cast: Cast) -> None:
    """Those who are healed at the end can reach one another.

    Of drawn links only a ring is there with every seed; of few ones none, but all of them join all nodes together.
    """
    scenario = cast.scenario
    if scenario.core == "random":
        return
    names = _core_of(cast)
    if scenario.topology.links == "full" or (scenario.topology.links == "sparse" and len(names) == len(cast.nodes)):
        return
    if scenario.topology.links == "random":
        order = list(cast.nodes)
        pairs = list(zip(order, order[1:] + order[:1], strict=True))
    else:
        pairs = [] if scenario.topology.links == "sparse" else linked(cast, Tape().stream(b"", "none"))
    apart = _apart(names, pairs)
    if apart:
        place = ("core",) if not isinstance(scenario.core, str) else ("topology", "links")
        raise CastError(place, f"no links lead from {names[0]!r} to {apart[0]!r}", "a core that is connected")


def _core_of(cast: Cast) -> list[str]:
    """Who is healed at the end, if that is not drawn."""
    core = cast.scenario.core
    return list(cast.nodes) if isinstance(core, str) else cast.nodes_of(core)


def _apart(names: list[str], pairs: Iterable[Pair]) -> list[str]:
    """Those of some nodes that the first of them does not reach over links between them."""
    near: dict[str, list[str]] = {name: [] for name in names}
    for one, other in pairs:
        if one in near and other in near:
            near[one].append(other)
            near[other].append(one)
    reached, todo = {names[0]}, [names[0]]
    while todo:
        fresh = [name for name in near[todo.pop()] if name not in reached]
        reached.update(fresh)
        todo += fresh
    return [name for name in names if name not in reached]


def _times(scenario: Scenario) -> None:
    lasts = f"before the end, {say_us(scenario.duration)}"
    for index, event in enumerate(scenario.timeline):
        if event.at >= scenario.duration:
            raise CastError(("timeline", index, "at"), f"{say_us(event.at)!r} is after the end", lasts)
    for index, work in enumerate(scenario.workload):
        if work.from_ >= scenario.duration:
            raise CastError(("workload", index, "from"), f"{say_us(work.from_)!r} is after the end", lasts)
    if scenario.random is not None and scenario.random.from_ >= scenario.duration:
        raise CastError(("random", "from"), f"{say_us(scenario.random.from_)!r} is after the end", lasts)


def _images(cast: Cast) -> None:
    """Each image that is put back was taken before; nodes that verbs of one node name are one."""
    taken: set[tuple[str, str]] = set()
    order = sorted(enumerate(cast.scenario.timeline), key=lambda each: each[1].at)
    for index, event in order:
        if event.verb not in ("snapshot", "restore"):
            continue
        image = (event.what.node, event.what.name)
        if event.verb == "snapshot":
            taken.add(image)
        elif image not in taken:
            place = ("timeline", index, "restore")
            raise CastError(
                place, f"nobody took {short(image[1])} of {image[0]!r} before", "a snapshot at an earlier time"
            )


def _copies(cast: Cast) -> None:
    for index, work in enumerate(cast.scenario.workload):
        for key, asked, there in (
            ("copies", work.copies, len(cast.nodes)),
            ("regions", work.regions, len(cast.regions)),
        ):
            if max(asked) > there:
                raise CastError(
                    ("workload", index, key), f"{key} = {max(asked)}", f"at most the {there} that there are"
                )


def _lifetimes(scenario: Scenario) -> None:
    """Nodes take the times to live that are asked for."""
    most_ms = config_of(scenario.config).intake.ttl_max_ms
    asked: list[tuple[Loc, int]] = [
        (("workload", index, "ttl"), work.ttl) for index, work in enumerate(scenario.workload)
    ]
    asked += [
        (("timeline", index, "publish", "ttl"), event.publish.ttl)
        for index, event in enumerate(scenario.timeline)
        if event.publish is not None
    ]
    for place, ttl_us in asked:
        if ttl_us and not MS_US <= ttl_us <= most_ms * MS_US:
            raise CastError(place, f"{say_us(ttl_us)!r}", f"from 1ms to intake.ttl-max-ms, {say_us(most_ms * MS_US)}")


def _pages(scenario: Scenario) -> None:
    """Nodes show pages as large as are asked for."""
    config = config_of(scenario.config)
    configs = [config_of(group.profile, config) for group in scenario.topology.node]
    most = min(each.sessions.history_page_max for each in configs)
    asked: list[tuple[Loc, int]] = [
        (("client", index, "history", number, "page"), past.page)
        for index, group in enumerate(scenario.client)
        for number, past in enumerate(group.history)
    ]
    asked += [
        (("timeline", index, "read-history", "page"), event.read_history.page)
        for index, event in enumerate(scenario.timeline)
        if event.read_history is not None
    ]
    for place, page in asked:
        if page > most:
            raise CastError(place, f"page = {page}", f"at most sessions.history-page-max, {most}")


def _readings(cast: Cast) -> None:
    """Nobody is to begin more readings at one moment than it may."""
    begun: dict[tuple[int, str], int] = {}
    for index, event in enumerate(cast.scenario.timeline):
        for name in cast.clients_of(event.read_history.client) if event.read_history is not None else ():
            begun[event.at, name] = begun.get((event.at, name), 0) + 1
            if begun[event.at, name] > READINGS_MAX:
                place = ("timeline", index, "read-history")
                raise CastError(place, f"more readings of {name!r} at one moment", f"at most {READINGS_MAX} at a time")


def _work(cast: Cast) -> None:
    """All that will be done and said is bounded, before any of it is drawn."""
    scenario = cast.scenario
    faults = scenario.random
    steps, size = float(len(scenario.timeline)), 0.0
    if faults is not None:
        steps += (scenario.duration - faults.from_) / faults.every
        if steps > FAULTS_MAX:
            raise CastError(
                ("random", "every"), f"that comes to about {int(steps):,} faults", f"at most {FAULTS_MAX:,}"
            )
    steps += _past(cast)
    for index, work in enumerate(scenario.workload):
        clients = len(cast.clients_of(work.clients))
        said = _said_by(work, (scenario.duration if work.until is None else work.until) - work.from_, clients)
        steps += said[1]
        size += said[0] * sum(work.bytes_) / 2
        _bounded(("workload", index, "rate"), steps, size)
    for index, event in enumerate(scenario.timeline):
        if event.publish is not None:
            size += event.publish.count * event.publish.bytes_ * len(cast.clients_of(event.publish.client))
            _bounded(("timeline", index, "publish"), steps, size)
    _bothers(cast)


def _past(cast: Cast) -> float:
    """About how often the past is read by beats, which are steps; by verbs of the timeline, too, it is bounded."""
    scenario = cast.scenario
    said: list[tuple[Loc, float]] = [
        (("client", index, "history", number, "every"), group.count * scenario.duration / past.every)
        for index, group in enumerate(scenario.client)
        for number, past in enumerate(group.history)
    ]
    by_beats = sum(count for _, count in said)
    said += [
        (("timeline", index, "read-history", "client"), len(cast.clients_of(event.read_history.client)))
        for index, event in enumerate(scenario.timeline)
        if event.read_history is not None
    ]
    _at_most(said, PAST_MAX, "that comes to about {:,} readings")
    return by_beats


def _bothers(cast: Cast) -> None:
    said: list[tuple[Loc, float]] = [
        (("timeline", index, "hostile-client", "times"), bad.cost * len(cast.nodes_of(bad.gateways)))
        for index, bad in ((index, event.hostile_client) for index, event in enumerate(cast.scenario.timeline))
        if bad is not None
    ]
    _at_most(said, BOTHERS_MAX, "that costs nodes as much as {:,} requests")


def _at_most(said: Iterable[tuple[Loc, float]], most: int, problem: str) -> None:
    """Raises `CastError` where a sum, place after place, goes beyond what is allowed in all."""
    total = 0.0
    for place, count in said:
        total += count
        if total > most:
            raise CastError(place, problem.format(int(total)), f"at most {most:,} in all")


def _said_by(work: Workload, span_us: int, clients: int) -> tuple[float, float]:
    """About how many messages an audience publishes, and how many steps it takes."""
    messages = work.rate * span_us / MILLION * PEAKS.get(work.audience, 1)
    if work.audience == "sensor-fleet":
        messages = span_us / max(1, int(clients * MILLION / work.rate)) * clients
    goings = clients * span_us / COMINGS_US[work.audience] if work.audience in COMINGS_US else clients
    return messages, messages + goings


def _bounded(place: tuple[str | int, ...], steps: float, size: float) -> None:
    if steps + steps / MORE + SLACK > STEPS_MAX:
        most = f"at most {int(STEPS_MAX * MORE / (MORE + 1)):,} in all"
        raise CastError(place, f"that comes to about {int(steps):,} steps", most)
    if size + size / MORE > PUBLISHED_BYTES_MAX:
        most = f"at most {int(PUBLISHED_BYTES_MAX * MORE / (MORE + 1)):,} in all"
        raise CastError(place, f"that publishes about {int(size):,} bytes", most)
