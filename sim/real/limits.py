"""What the real engine cannot do, said before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from sim.errors import SimError
from sim.proxy.child import NOT_HERE
from sim.scenario.events import Event, LinkChange
from sim.scenario.model import Scenario
from sim.scenario.plan import Step
from sim.units import say_us

VERBS = (
    "partition", "one-way", "isolate", "ring", "flap", "link",
    "crash", "restart", "crash-loop", "pause", "drain", "full-disk", "slow-disk", "io-error",
    "drop-client", "offline", "move-client", "kill-client", "stop-reading", "subscribe", "publish",
)  # fmt: skip
"""What it can do."""
LINKS = ("between", "latency", "jitter", "extra", "loss", "rate")
"""What it can do to a link: a proxy draws delays evenly, and loses each datagram by itself."""
SETTINGS = {
    "intake.ttl-default-ms": "GOSSAMER_NODE_RETENTION_MS",
    "intake.disk-reserve-bytes": "GOSSAMER_NODE_DISK_RESERVE_BYTES",
    "sessions.sessions-max": "GOSSAMER_GATEWAY_SESSIONS_MAX",
}
"""Settings of the simulated node that a daemon has, too, and the variables that set them."""
NODES_MAX = 16
"""Processes that one machine is asked to run."""
EVEN = ("uniform", "constant")


class LimitError(SimError):
    """What a scenario asks for and real processes cannot do; the file and the line are known to who has read it."""

    expected = "what real processes can do (docs/internals/testing.md), or --engine heap"

    def __init__(self, what: str, *place: str | int) -> None:
        """Keep the keys that lead to it; none where no file asks for it."""
        self.problem, self.place = f"the real engine cannot {what}", place
        super().__init__(f"{self.problem}; play it with --engine heap")


def check(scenario: Scenario, steps: Sequence[Step], without: Iterable[str]) -> None:
    """Raise `LimitError` that names the first thing that real processes cannot do here."""
    if "real" not in scenario.engines:
        raise LimitError(f"play {scenario.title!r}, whose engines are {', '.join(scenario.engines)}", "engines")
    for name in without:
        if name in NOT_HERE:
            raise LimitError(f"turn off {name}, which is the simulated disk's")
    _check_topology(scenario)
    _check_clients(scenario)
    _check_settings(scenario)
    for index, event in enumerate(scenario.timeline):
        _check_event(event, "timeline", index)
    for index, work in enumerate(scenario.workload):
        for level in product(work.copies, work.regions):
            _check_level(*level, "workload", index)
    for step in steps:
        if isinstance(step, Event):
            _check_event(step, "random", "faults")


def _check_topology(scenario: Scenario) -> None:
    topology = scenario.topology
    if sum(group.count for group in topology.node) > NODES_MAX:
        raise LimitError(f"run more than {NODES_MAX} nodes", "topology", "node")
    if topology.links != "full":
        raise LimitError("keep nodes from linking with one another", "topology", "links")
    if scenario.core != "all":
        raise LimitError(f"choose a core (core = {scenario.core!r})", "core")
    if topology.shape not in EVEN:
        raise LimitError(f"draw delays of the shape {topology.shape}", "topology", "shape")
    for index, link in enumerate(topology.link):
        if link.shape not in EVEN:
            raise LimitError(f"draw delays of the shape {link.shape}", "topology", "link", index, "shape")


def _check_clients(scenario: Scenario) -> None:
    for index, group in enumerate(scenario.client):
        if group.uplink != "beside":
            raise LimitError(f"give clients the uplink {group.uplink}", "client", index, "uplink")
        if group.history:
            raise LimitError("read the past again and again", "client", index, "history")
        for number, each in enumerate(group.subscribe):
            _check_since(each.since, "client", index, "subscribe", number, "since")


def _check_settings(scenario: Scenario) -> None:
    for name in scenario.config:
        if name not in SETTINGS:
            raise LimitError(f"set {name}, which daemons do not offer", "config", name)
    for index, group in enumerate(scenario.topology.node):
        if group.profile:
            raise LimitError("give a node a profile of its own", "topology", "node", index, "profile")


def _check_since(since: str | int, *place: str | int) -> None:
    if isinstance(since, int):
        raise LimitError(f"begin a subscription {say_us(since)} ago", *place)


def _check_level(copies: int, regions: int, *place: str | int) -> None:
    if copies > 1 and regions > 1 and copies != regions:
        what = f"ask for {copies} copies and {regions} regions at once, which the SDK does not offer"
        raise LimitError(what, *place, "copies")


def _check_event(event: Event, *place: str | int) -> None:
    verb = event.verb
    if verb not in VERBS:
        raise LimitError(f"play the verb {verb}", *place, *((verb,) if place[0] == "timeline" else ()))
    if event.subscribe is not None:
        _check_since(event.subscribe.since, *place, verb, "since")
    if event.publish is not None:
        _check_level(event.publish.copies, event.publish.regions, *place, verb)
    if isinstance(event.what, LinkChange):
        for name in sorted(event.what.model_fields_set - set(LINKS)):
            if name != "shape" or event.what.shape not in EVEN:
                raise LimitError(f"change {name} of a link", *place, verb, name)


def settings_of(scenario: Scenario) -> dict[str, str]:
    """The environment of every node."""
    return {SETTINGS[name]: str(value) for name, value in scenario.config.items()}


def durability_of(copies: int, regions: int) -> str:
    """A level as the SDK takes it."""
    if regions > 1:
        return f"regions:{regions}"
    return f"copies:{copies}" if copies > 1 else "local"
