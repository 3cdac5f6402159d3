"""Shrinking: from a failing run to the fewest steps, nodes and clients that still break the same promise.

The steps of a run are a list, so they can be left out by delta debugging (Zeller and Hildebrandt 2002): halves, quarters,
eighths. Then nodes and clients that nobody needs go, which makes every run shorter, then single steps, then times become
shorter. What is left is a scenario with a timeline and nothing drawn; at last its tape is shortened, taking 0 (nothing
happens) beyond its end: most need nothing of it, and that is asked first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sim.checkers import Breach
from sim.heap import Play
from sim.outcome import Outcome
from sim.regions import PRESETS
from sim.safeguards import off
from sim.scenario.building import with_round_trips
from sim.scenario.cast import Cast, CastError
from sim.scenario.events import Event
from sim.scenario.model import Group, Scenario
from sim.scenario.plan import Say, Step
from sim.scenario.sense import greetings
from sim.tape import Tape
from sim.units import MILLION

CASTS_MAX = 3
COARSE = 8
RUNS_MAX = 600
"""What shrinking plays at most."""
TAPE_RUNS_MAX = 40
TAPE_SHARE = 8
"""Looking for the draws that matter has an eighth of all runs to itself, so many at most."""


@dataclass
class Shrunk:
    """What is left: a scenario that says everything, its seed, its tape, and the promise that it breaks."""

    scenario: Scenario
    seed: int
    promise: str
    outcome: Outcome
    tape: dict[str, list[int]]
    """The draws that matter; beyond them, nothing happens."""
    runs: int
    before: int
    """So many steps there were."""

    @property
    def breach(self) -> Breach:
        """How it breaks that promise."""
        return next(breach for breach in self.outcome.breaches if breach.promise == self.promise)

    @property
    def events(self) -> int:
        """How many events are left."""
        return len(self.scenario.timeline)


@dataclass
class Shrinker:
    """Looks for a smaller run that fails the same way. `told` hears of each success."""

    scenario: Scenario
    seed: int
    promise: str
    without: Sequence[str] = ()
    runs_max: int = RUNS_MAX
    told: Callable[[str], None] = lambda _: None
    runs: int = 0
    best: Outcome | None = field(default=None)
    """The smallest run that failed; None if not even the first one did."""
    kinds: set[str] = field(default_factory=set)
    """What of the promise the first run broke: nothing else counts, such as a bound that nothing was measured for."""
    _is_plain: bool = False
    """Whether nothing is drawn any more, so that what is left has to make sense as a file."""
    _reserved: int = 0
    """So many runs are left for what has still to be done."""
    _draws: dict[str, list[int]] = field(default_factory=dict)
    """Those of `best`."""

    def _fails(self, scenario: Scenario, steps: Sequence[Step], tape: Tape | None = None) -> bool:
        """Whether a smaller run breaks the same promise."""
        if self.runs + self._reserved >= self.runs_max or (self._is_plain and _restores_nothing(steps)):
            return False
        if not _greets(scenario):
            return False
        self.runs += 1
        tape = tape or Tape()
        try:
            with off(*self.without):
                outcome = Play(scenario, self.seed, tape, list(steps), self.promise).run()
        except CastError:
            return False
        kinds = {breach.kind for breach in outcome.breaches if breach.promise == self.promise}
        if not kinds or (self.kinds and not kinds & self.kinds):
            return False
        self.kinds = self.kinds or kinds
        self.best, self._draws = outcome, tape.draws
        return True

    def run(self, steps: Sequence[Step]) -> Shrunk | None:
        """Shrink; None if the run that was given does not fail, or if `best` could not be written as a file.

        Where all runs have been played, it is the smallest that was found until then.
        """
        scenario, kept = self.scenario, list(steps)
        if not self._fails(scenario, kept):
            return None
        before, for_tape = len(kept), min(TAPE_RUNS_MAX, self.runs_max // TAPE_SHARE)
        self._reserved = for_tape + 2
        scenario, kept = self._shorter(scenario, kept)
        kept = self._fewer(scenario, kept, max(1, len(kept) // COARSE))
        scenario, self._is_plain, self._reserved = _plain(scenario), True, for_tape + 1
        smaller: list[Step] = [*with_images([step.as_event() if isinstance(step, Say) else step for step in kept])]
        if not self._fails(scenario, smaller):
            return None  # too few runs; or it needs what a timeline cannot say: nothing known does
        for _ in range(CASTS_MAX):
            cast = scenario
            scenario, smaller = self._smaller_cast(scenario, [step for step in smaller if isinstance(step, Event)])
            smaller = self._fewer(scenario, smaller)
            if scenario is cast:
                break
        smaller = self._milder(scenario, smaller)
        scenario, smaller = self._shorter(scenario, smaller)
        scenario = scenario.model_copy(update={"timeline": tuple(smaller)})
        self._reserved = for_tape
        if not self._fails(scenario, smaller):
            return None
        outcome = self.best  # as the scenario plays it, and not with the draws that do not matter left out
        self._reserved = 0
        tape = self._tape(scenario, smaller)
        assert outcome is not None
        return Shrunk(scenario, self.seed, self.promise, outcome, tape, self.runs, before)

    # --- fewer steps -------------------------------------------------------------------------------------------------

    def _fewer(self, scenario: Scenario, items: list[Step], least: int = 1) -> list[Step]:
        """Leave out what is not needed: large pieces first, down to the `least`; single ones until no more can go."""
        size = max(1, len(items) // 2)
        while items:
            at, gone = 0, False
            while at < len(items):
                fewer = items[:at] + items[at + size :]
                if self._fails(scenario, fewer):
                    items, gone = fewer, True
                    self.told(f"{len(items)} left")
                else:
                    at += size
            if size <= least and (least > 1 or not gone):
                break
            size = max(least, size // 2)
        return items

    def _shorter(self, scenario: Scenario, steps: list[Step]) -> tuple[Scenario, list[Step]]:
        """End the safety phase as early as possible."""
        while scenario.duration > MILLION:
            duration = max(MILLION, scenario.duration // 2)
            shorter = scenario.model_copy(update={"duration": duration})
            fewer = [step for step in steps if step.at < duration]
            if not self._fails(shorter, fewer):
                break
            scenario, steps = shorter, fewer
            self.told(f"{duration / MILLION:g} s are enough")
        return scenario, steps

    # --- fewer nodes and clients -------------------------------------------------------------------------------------

    def _smaller_cast(self, scenario: Scenario, events: list[Event]) -> tuple[Scenario, list[Step]]:
        smaller: list[Event] = events
        for client in list(scenario.client):
            rest = tuple(each for each in scenario.client if each.name != client.name)
            less = scenario.model_copy(update={"client": rest})
            fewer = [event for event in smaller if _is_castable(less, event)]
            if rest and self._fails(less, fewer):
                scenario, smaller = less, fewer
                self.told(f"without {client.name}")
        for node in [group.name for group in scenario.topology.node]:
            less_, fewer = _without_node(scenario, smaller, node)
            if less_ is not None and self._fails(less_, fewer):
                scenario, smaller = less_, fewer
                self.told(f"without {node}")
        return scenario, list(smaller)

    def _milder(self, scenario: Scenario, steps: list[Step]) -> list[Step]:
        """Let faults end at once if that does it, and publish single messages."""
        for index, step in enumerate(steps):
            if isinstance(step, Event) and step.for_ is not None:
                mild = step.model_copy(update={"for_": None})
                if self._fails(scenario, [*steps[:index], mild, *steps[index + 1 :]]):
                    steps = [*steps[:index], mild, *steps[index + 1 :]]
        return steps

    # --- a shorter tape ----------------------------------------------------------------------------------------------

    def _tape(self, scenario: Scenario, steps: list[Step]) -> dict[str, list[int]]:
        """The streams, and of each the beginning, without which it does not fail."""
        draws, drawn = self._draws, sum(map(len, self._draws.values()))
        if self._fails(scenario, steps, Tape(given={}, strict=False)):
            draws = {}
        for label in sorted(draws, key=lambda label: -len(draws[label])):
            without = {key: value for key, value in draws.items() if key != label}
            if self._fails(scenario, steps, Tape(given=without, strict=False)):
                draws = without
        self.told(f"{sum(map(len, draws.values()))} draws left of {drawn}")
        return draws


def _plain(scenario: Scenario) -> Scenario:
    """The same without anything drawn, each node and client by its own name, and nothing in another file."""
    cast = Cast(scenario)
    nodes = tuple(
        Group(name=member.name, region=member.region, profile=member.group.profile) for member in cast.nodes.values()
    )
    clients = tuple(
        person.group.model_copy(update={"name": person.name, "count": 1, "at": (person.gateways[0],), "history": ()})
        for person in cast.clients.values()
    )
    topology = scenario.topology.model_copy(update={"node": nodes})
    if isinstance(scenario.topology.matrix, str) and scenario.topology.matrix not in PRESETS:
        topology = topology.model_copy(update={"matrix": with_round_trips(scenario).topology.matrix})
    return scenario.model_copy(
        update={"topology": topology, "client": clients, "workload": (), "random": None, "include": (), "number": None}
    )


def with_images(events: Sequence[Event]) -> list[Event]:
    """Without the restores of images that nobody took before, which do nothing, and which no file may have."""
    taken: set[tuple[str, str]] = set()
    kept = []
    for event in events:
        if event.snapshot is not None:
            taken.add((event.snapshot.node, event.snapshot.name))
        if event.restore is None or (event.restore.node, event.restore.name) in taken:
            kept.append(event)
    return kept


def _restores_nothing(steps: Sequence[Step]) -> bool:
    events = [step for step in steps if isinstance(step, Event)]
    return len(with_images(events)) < len(events)


def _greets(scenario: Scenario) -> bool:
    """Whether links come up that join the core, as in every file: in what is left, too."""
    try:
        greetings(Cast(scenario))
    except CastError:
        return False
    return True


def _is_castable(scenario: Scenario, event: Event) -> bool:
    try:
        Cast(scenario).check_event(event, ())
    except CastError:
        return False
    return True


def _without_node(scenario: Scenario, events: list[Event], node: str) -> tuple[Scenario | None, list[Event]]:
    """The scenario without a node, its clients at the others; None where that makes no sense."""
    groups = tuple(group for group in scenario.topology.node if group.name != node)
    if not groups or len(groups) == len(scenario.topology.node):
        return None, events
    topology = scenario.topology.model_copy(update={"node": groups})
    names = {group.name for group in groups}
    clients = []
    for client in scenario.client:
        at = tuple(name for name in client.at or () if name in names)
        gateways = tuple(name for name in client.gateways or () if name in names)
        clients.append(client.model_copy(update={"at": at or None, "gateways": gateways or None}))
    core = scenario.core
    if not isinstance(core, str):
        core = tuple(name for name in core if name in names) or "all"
    less = scenario.model_copy(update={"topology": topology, "client": tuple(clients), "core": core})
    fewer = [event for event in (_less(event, node) for event in events) if event is not None]
    try:
        Cast(less)
    except CastError:
        return None, events
    return less, [event for event in fewer if _is_castable(less, event)]


def _less(event: Event, node: str) -> Event | None:
    """An event without a node that is not there any more; None if it was about nothing else."""
    what = event.what
    if isinstance(what, tuple) and what and isinstance(what[0], tuple):
        sides = tuple(tuple(name for name in side if name != node) for side in what)
        return event.model_copy(update={event.verb.replace("-", "_"): sides}) if all(sides) else None
    if isinstance(what, tuple):
        names = tuple(name for name in what if name != node)
        return event.model_copy(update={event.verb.replace("-", "_"): names}) if names else None
    if hasattr(what, "between"):
        sides = tuple(tuple(name for name in side if name != node) for side in what.between)
        changed = what.model_copy(update={"between": sides})
        return event.model_copy(update={event.verb.replace("-", "_"): changed}) if all(sides) else None
    return event
