"""Gates: what the seeds of a sweep have to come to, each at least once, or the sweep proves nothing.

Every fault that a scenario names must have been done to somebody who felt it, those of its timeline each for itself;
every promise that it states must have been looked at; and what it lists as `gates` or wants to `see` must have happened.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim.checkers import PROMISES
from sim.deeds import labels_of
from sim.figures import bounds_of
from sim.scenario.labels import meant_by
from sim.scenario.model import Scenario
from sim.stage import say_event
from sim.units import say_us

CONDITIONAL = ("stays dead", "isolated")
"""Promises that a scenario states only by lifetimes, and by asking for them."""


def gates_of(scenario: Scenario) -> dict[str, str]:
    """All that a sweep of a scenario has to see, and what it means where it was not seen."""
    gates = {f"promise/{name}": f"{name} was never looked at" for name in _stated(scenario)}
    for label, event in labels_of(scenario.timeline):
        gates[label] = f"{say_event(event)}, at {say_us(event.at)}, never did anything"
    if scenario.random is not None:
        gates |= {f"fault/{fault}": "a fault of the scenario was never done" for fault in scenario.random.faults}
    for label in scenario.gates:
        gates |= dict.fromkeys(meant_by(label) or (label,), "it never happened in any of these seeds")
    return gates | dict.fromkeys(scenario.guarantees.see, "the scenario says that it must happen")


def _stated(scenario: Scenario) -> Iterator[str]:
    """The promises: the contract, and what the scenario promises beyond it."""
    yield from (promise for promise in PROMISES if promise not in CONDITIONAL)
    yield "quiet"
    published = [event.publish for event in scenario.timeline if event.publish is not None]
    lives = [ttl for ttl in (*(w.ttl for w in scenario.workload), *(each.ttl for each in published)) if ttl]
    if lives and min(lives) <= scenario.duration:  # else nothing dies while it is played
        yield "stays dead"
    if scenario.guarantees.isolated:
        yield "isolated"
    if bounds_of(scenario.guarantees) or scenario.guarantees.see or scenario.guarantees.never:
        yield "bounds"
