"""What the real engine cannot do, said before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


def _cannot(what: str) -> SimError:
    return SimError(f"the real engine cannot {what}; play it with --engine heap")


def check(scenario: Scenario, steps: Sequence[Step], without: Iterable[str]) -> None:
    """Raise `SimError` that names the first thing that real processes cannot do here."""
    if "real" not in scenario.engines:
        raise _cannot(f"play {scenario.title!r}, whose engines are {', '.join(scenario.engines)}")
    for name in without:
        if name in NOT_HERE:
            raise _cannot(f"turn off {name}, which is the simulated disk's")
    _check_setting(scenario)
    for step in steps:
        if isinstance(step, Event):
            _check_event(step)
        elif step.copies > 1 and step.regions > 1 and step.copies != step.regions:
            raise _cannot("publish with copies and regions at once, which the SDK does not offer")


def _check_setting(scenario: Scenario) -> None:
    """What stands around the play: topology, clients, settings."""
    topology = scenario.topology
    if sum(group.count for group in topology.node) > NODES_MAX:
        raise _cannot(f"run more than {NODES_MAX} nodes")
    if topology.links != "full":
        raise _cannot("keep nodes from linking with one another (links)")
    if scenario.core != "all":
        raise _cannot(f"choose a core (core = {scenario.core!r})")
    for shape in (topology.shape, *(link.shape for link in topology.link)):
        if shape not in EVEN:
            raise _cannot(f"draw delays of the shape {shape}")
    for group in scenario.client:
        if group.uplink != "beside":
            raise _cannot(f"give clients the uplink {group.uplink}")
        for each in group.subscribe:
            _check_since(each.since)
    for name in scenario.config:
        if name not in SETTINGS:
            raise _cannot(f"set {name}, which daemons do not offer")
    if any(group.profile for group in topology.node):
        raise _cannot("give a node a profile of its own")


def _check_since(since: str | int) -> None:
    if isinstance(since, int):
        raise _cannot(f"begin a subscription {say_us(since)} ago")


def _check_event(event: Event) -> None:
    if event.verb not in VERBS:
        raise _cannot(event.verb)
    if event.subscribe is not None:
        _check_since(event.subscribe.since)
    if isinstance(event.what, LinkChange):
        for name in event.what.model_fields_set - set(LINKS):
            if name != "shape" or event.what.shape not in EVEN:
                raise _cannot(f"link {name}")


def settings_of(scenario: Scenario) -> dict[str, str]:
    """The environment of every node."""
    return {SETTINGS[name]: str(value) for name, value in scenario.config.items()}


def durability_of(copies: int, regions: int) -> str:
    """A level as the SDK takes it."""
    if regions > 1:
        return f"regions:{regions}"
    return f"copies:{copies}" if copies > 1 else "local"
