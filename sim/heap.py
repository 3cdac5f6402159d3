"""The heap engine: plays a scenario with one seed, and says what came of it.

First *safety*: the plan's steps are done as their time comes. Then *liveness*: everything that is still wrong ends for a
connected core; the others stay dead or cut off for ever; and the core must finish everything within the bound of the
contract, or the outcome says what is pending and why. Healing everybody alike would hide what only works with everybody.
Others that are cut off together are well among themselves, and converge within their own bound, or a storm between them
could go on unseen. Then *quiet*: a converged mesh says nothing but heartbeats.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePath as Path
from traceback import extract_tb

from mesh.client import ClientConfig
from mesh.crypto import Suite
from mesh.errors import MeshError
from mesh.operations import SlowPolicy
from mesh.types import LogId, NodeId
from sim import proof
from sim.apart import Apart
from sim.assertions import demand_assertions
from sim.calm import LOOK_US, Calm, difference
from sim.checkers import SAME_US, Watch, places_in
from sim.contract import backlog_of, bound_us, budget, in_vain, parts
from sim.diary import DROPS, Diary, Matching, Name, say_name
from sim.figures import judge, measure
from sim.greeting import coming_up
from sim.historian import Historian
from sim.isolation import Books, any_wrong_alike, hold, steady_clocks, without_faults
from sim.labels import of_history
from sim.limits import Limits
from sim.links import IDLE_US
from sim.memory import take_apart, uncollected
from sim.network import Condition, Delay
from sim.outcome import Outcome
from sim.pending import CLIENTS_US, Patience, heard, reaches, receipts, unsent, waits
from sim.quiet import judge_quiet
from sim.recorder import Recorder
from sim.scenario.building import config_of, greeting_waits_us, linked, network_of, round_trips_of
from sim.scenario.cast import Cast
from sim.scenario.events import Event
from sim.scenario.model import Guarantees, Scenario
from sim.scenario.plan import Step, plan
from sim.stage import Band, Stage
from sim.tape import Tape
from sim.telling import newest_unseen, owed_of
from sim.tripwire import TripwireError, tripwires
from sim.undated import Undated
from sim.units import MILLION, say_seconds
from sim.workload import App
from sim.world import SUITE, World

CLOCKS_LIE = "clock", "hostile"
"""After these somebody may doubt what the time is: a bad host says what it likes of its own."""
ONWARDS_US = 600 * MILLION
"""A clock that drifts goes on for about so long while what is left to do is done."""
PAGE_US = 10 * MILLION
"""A page of history comes within so long; a reading may go on for longer, page after page."""
COLLECT_EVENTS = 500_000
UPLINKS = {
    "beside": Delay(500, 0),
    "fibre": Delay(5_000, 2_000),
    "4g": Delay(35_000, 30_000, "exponential"),
    "cafe": Delay(25_000, 60_000, "pareto"),
    "tunnel": Delay(50_000, 80_000, "exponential"),
    "sleeping-phone": Delay(40_000, 40_000, "exponential"),
}
"""One way between a client and its gateway. Guesses; a field measurement would be better."""


@dataclass
class Play:
    """One run. `play` is the short way; a recorder, a tape or other steps may be given before `run`."""

    scenario: Scenario
    seed: int
    tape: Tape = field(default_factory=partial(Tape, recording=False))
    """Give one that records where it is to be saved (`sim.replay.record`)."""
    steps: list[Step] | None = None
    """Instead of those that the scenario and the seed would give."""
    stop_at: str = ""
    """Stop when this promise was seen to be broken (for shrinking)."""
    recorded: bool = False
    is_twin: bool = False
    """Wanted is what clients see alone, to compare with: the end, once they have it, is left out."""
    _collected: int = 0
    _patient: set[str] = field(default_factory=set)
    """Who has time left when another's ran out, which is told; it is asked for nothing."""
    outside: set[Name] = field(default_factory=set)
    """Messages that only nodes outside the core hold."""

    def __post_init__(self) -> None:
        """Build the world; time stands at zero. Raises `SimError` where no invariant would be held."""
        demand_assertions()
        self.cast = cast = Cast(self.scenario)
        root = self.tape.stream(b"play/%d" % self.seed, "play")
        dialled = linked(cast, root.fork("topology"))
        network = network_of(cast, round_trips_of(self.scenario), dialled)
        self.pairs = coming_up(network, dialled, greeting_waits_us(cast))
        self.world = world = World(self.seed, network, tape=self.tape, suite=suite_of(self.scenario))
        weakref.finalize(self, take_apart, world).atexit = False  # else it lives until somebody looks for cycles
        world.links.idle_us = max(IDLE_US, self._alive_us())
        self.recorder = Recorder(world) if self.recorded else None
        self.watch = Watch(lambda: world.now_us)
        base = config_of(self.scenario.config)
        self.config = replace(
            base, addresses=replace(base.addresses, learns_addresses=self.scenario.topology.links == "full")
        )
        for name, member in cast.nodes.items():
            seeds = tuple(a for a, b in dialled if b == name)
            world.add(name, member.region, seeds, config_of(member.group.profile, self.config))
        self.ttls_us = {
            NodeId(each.node_id): each.config.intake.ttl_default_ms * 1_000 for each in world.machines.values()
        }
        self.apps: dict[str, App] = {}
        self.stage = Stage(world, cast, self.apps, self.watch)
        self.stage.atlas.is_on = self.scenario.atlas
        for client in cast.clients.values():
            self._attach(client.name)
        if self.steps is None:
            self.steps = plan(self.scenario, cast, root.fork("plan"))
        if not any(isinstance(step, Event) and step.verb in CLOCKS_LIE for step in self.steps):
            self.watch.skew_us = SAME_US
        until_us, machines = self.scenario.duration + ONWARDS_US, world.machines
        self.watch.steady = {world.machines[name].node_id for name in steady_clocks(cast, self.steps, until_us)}
        self.watch.doubts_since_us = lambda name, at_us: (
            machines[name].doubts_since_us(at_us) if name in machines else -1
        )
        self.watch.came_us = partial(_came_us, world)
        for step in self.steps:
            world.at(self.scenario.settle + step.at, self.stage.do, step)
        self.core: list[str] = []
        bound_us_of = partial(bound_us, self.scenario, cast, world, self.pairs)
        self.calm = Calm(world, self.watch, self.stage.under_way, self.stage.story, self.pairs, bound_us_of)
        self.stage.on_change = self.calm.on_change
        self.limits = Limits(world, self.watch, self.stage.story)
        if any_wrong_alike(cast, self.steps, until_us):
            self.undated = Undated(world, self.watch)
        self.historian = Historian(world, self.watch, root.fork("historian"))
        world.at(self.scenario.settle + self.scenario.duration // 2, self.historian.remember)

    def _attach(self, name: str) -> None:
        person = self.cast.clients[name]
        group = person.group
        app = App(self.world, name, list(person.gateways), ClientConfig(credit_messages=group.credit))
        app.watch, app.uplink = self.watch, UPLINKS[group.uplink]
        app.ttls_us = self.ttls_us
        self.apps[name] = app
        for each in group.subscribe:
            for patterns in each.of(name):
                app.subscribe_from(each.since, patterns, SlowPolicy(each.policy))

    def _alive_us(self) -> int:
        """When a link is idle: a real one says something at least as often as its nodes say `Alive`, three times over."""
        return 3_000 * config_of(self.scenario.config).links.alive_ms

    # --- phases ------------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Play it to its end."""
        scenario, world = self.scenario, self.world
        levels = budget(self.cast, world.network, self.pairs)
        outcome = Outcome(scenario, self.seed, steps=self.steps or [], budget=levels)
        with tripwires(), uncollected():
            try:
                if self._run_to(scenario.settle + scenario.duration):
                    measure(self, outcome.figures)
                else:
                    self._live(outcome)
                world.check_all()
            except (AssertionError, MeshError, LookupError, ValueError, TypeError, AttributeError) as error:
                if isinstance(error, TripwireError):
                    raise
                self._crashed(error, outcome)
        if self.scenario.guarantees.isolated and self.watch.evaluated.get("converges"):  # it came to its end
            self._hold_isolated()
        self.watch.look_at_the_dead()
        outcome.breaches, outcome.unlisted = self.watch.breaches, self.watch.breaches.unlisted
        outcome.evaluated = self.watch.evaluated | of_history(self.stage.readers.watch.evaluated)
        outcome.coverage = world.coverage
        outcome.story = self.stage.story
        outcome.trace, outcome.events, outcome.ticks = world.trace, world.events, world.ticks
        outcome.simulated_us = world.now_us
        return outcome

    def _hold_isolated(self) -> None:
        """Play the same without its faults, and compare what clients saw."""
        bands = self.stage.bands
        begin_us = min((band.begin_us for band in bands), default=0)
        end_us = max((band.end_us if band.end_us >= 0 else self.world.now_us for band in bands), default=0)
        steps = self.steps or []
        bare = self.scenario.model_copy(update={"guarantees": Guarantees(), "timeline": (), "random": None})
        calm = Play(bare, self.seed, steps=without_faults(steps), is_twin=True)
        calm.run()
        books, still = (
            Books(play.watch.ledger, [d for app in play.apps.values() for d in app.books], begin_us, end_us)
            for play in (self, calm)
        )
        hold(self.watch, self.cast, steps, books, still)

    def _crashed(self, error: Exception, outcome: Outcome) -> None:
        """Our own code gave up: an invariant does not hold, and the run ends here, with the figures that it has come to."""
        frames = [
            f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
            for frame in extract_tb(error.__traceback__)[-4:]
        ]
        what = f"{type(error).__name__}: {error}" if str(error) else f"{type(error).__name__} in {frames[-1]}"
        line = f"{self.world.now_us / 1e6:.6f} s: {what[:200]}"
        self.watch.broken("invariants", what[:300], line, *frames, kind=type(error).__name__)
        measure(self, outcome.figures)

    def _run_to(self, until_us: int) -> bool:
        """Let time pass; True if what we were to stop at has happened."""
        world = self.world
        while world.now_us < until_us:
            world.run_to(min(until_us, world.now_us + MILLION))
            if world.events - self._collected > COLLECT_EVENTS:
                self._collected = world.events
                gc.collect()
            if self.stop_at and any(breach.promise == self.stop_at for breach in self.watch.breaches):
                return True
        return False

    def _live(self, outcome: Outcome) -> None:
        world, figures = self.world, outcome.figures
        self._heal()
        healed_us = world.now_us + world.links.held_up_us(self.core)
        figures.bound_us = self.within_us(self.core)
        others = Apart(world, self.watch, self.pairs)
        others.begin(self._cut_off_together(), self.within_us)
        patience, equal_us = Patience(healed_us + figures.bound_us + CLIENTS_US), -1
        while world.now_us < patience.last_us:
            world.run_to(world.now_us + LOOK_US)
            others.look()
            if figures.converged_us < 0 and world.converged(self.core):
                self.calm.finish()
                equal_us = world.now_us
                since_heal = max(world.now_us - healed_us, 0), figures.bound_us
                of_calm = self.calm.took_us, self.calm.bound_us
                figures.converged_us, figures.bound_us = max(since_heal, of_calm, key=lambda us: (us[0] > us[1], us[0]))
            if figures.converged_us >= 0:
                if not self.is_unfinished:
                    break
                patience.renew(heard(self._members(), self.watch.ledger), world.now_us)
                late = patience.ran_out(world.now_us)
                if late and not late.isdisjoint(self._behind(PAGE_US)):
                    self._patient = set(self._behind()) - patience.asked
                    break
        self.watch.look("converges")
        self._judge(outcome)
        well = others.judge(self.stage.story)
        if self.is_twin:
            return
        if figures.converged_us >= 0:
            self.historian.judge(self.core, self._is_owed, equal_us)
        judge_quiet(self, outcome, well)
        measure(self, figures)
        judge(self.scenario.guarantees, outcome, self)

    def _heal(self) -> None:
        """All faults end for the core; the rest is left dead or cut off."""
        world, stage = self.world, self.stage
        self.core = self._choose_core()
        is_calm = not stage.under_way and all(world.machines[name].node is not None for name in self.cast.nodes)
        stage.heal()
        for name, machine in world.machines.items():
            if name in self.core:
                if machine.node is None:
                    world.start(machine)
                world.scrub(machine)
            elif stage.rng.below(2) and machine.node is not None:
                stage.story.append(f"{world.now_us / 1e6:9.3f} {name} is dead for ever")
                stage.atlas.before_power_cut(machine)
                world.crash(machine, silent=True)
            else:
                stage.story.append(f"{world.now_us / 1e6:9.3f} {name} is cut off for ever")
                stage.bands.append(Band(world.now_us, "isolate", f"{name} is cut off for ever"))
                around = frozenset(pair for other in self.core for pair in ((name, other), (other, name)))
                world.impose(Condition(around, cut=True))
        stage.story.append(f"{world.now_us / 1e6:9.3f} healed for good: {' '.join(self.core)}")
        if not is_calm or len(self.core) < len(self.cast.nodes):
            self.calm.on_change(self.core)
        for app in self.apps.values():
            app.take_all()
            allowed = [gateway for gateway in self.cast.clients[app.name].gateways if gateway in self.core]
            if allowed and app.session is not None and app.client.gateway in allowed:
                app.limit_to(allowed)
            elif allowed:
                app.move(*allowed)

    def within_us(self, names: list[str]) -> int:
        """Within how long some nodes have to have the same, by what they lack and what clients still bring.

        By the contract, or by the scenario's own bound.
        """
        backlog = backlog_of(self.world, names) + unsent(self, names)
        return bound_us(self.scenario, self.cast, self.world, self.pairs, names, backlog)

    def _choose_core(self) -> list[str]:
        wish, names = self.scenario.core, list(self.cast.nodes)
        if wish != "random":  # where links are drawn, some of those that join it may never come up
            return max(parts(names if isinstance(wish, str) else self.cast.nodes_of(wish), self.pairs), key=len)
        rng = self.stage.rng
        size = max(1, (len(names) + 1) // 2) + rng.below(len(names) // 2 + 1)
        core = [rng.choice(names)]
        near: dict[str, set[str]] = {name: set() for name in names}
        for a, b in self.pairs:
            near[a].add(b)
            near[b].add(a)
        while len(core) < size:
            edge = sorted({other for name in core for other in near[name]} - set(core))
            if not edge:
                break
            core.append(rng.choice(edge))
        return [name for name in names if name in core]

    # --- what the core owes ------------------------------------------------------------------------------------------

    def _members(self) -> list[App]:
        """The clients that can reach the core, and whose time is over where somebody's was before the others had all."""
        return [app for app in self.apps.values() if reaches(self, app) and app.name not in self._patient]

    def _is_reachable(self, name: Name) -> bool:
        """Whether the core can be asked for a message: it holds it, or nobody else does either."""

        def holds(machine_name: str) -> bool:
            return self.world.machines[machine_name].has(name)

        return any(map(holds, self.core)) or not any(holds(n) for n in self.cast.nodes if n not in self.core)

    def _is_owed(self, name: Name) -> bool:
        if len(self.core) == len(self.cast.nodes) or self._is_reachable(name):
            return True
        self.outside.add(name)
        return False

    def _is_owed_to(self, diary: Diary, name: Name) -> bool:
        """The same for one subscription: a node that begins alone has nobody who could tell it that its clock is wrong."""
        if not self._is_owed(name):
            return False
        return not diary.misjudged or not any(
            gap.log == log and gap.first <= last and first <= gap.last
            for log, first, last in places_in(self.world)(name)
            for gap in diary.misjudged
        )

    def has_lost(self, name: Name) -> bool:
        """Whether a disk of the core lost it once its publisher had been told of it: if only others hold it, it stays away."""
        told_us = self.watch.ledger[name].first_told_us
        has_lost = any(self.world.machines[node].lost_us >= told_us >= 0 for node in self.core)
        return has_lost and not self._is_owed(name)

    @property
    def is_unfinished(self) -> bool:
        """Whether clients of the core still wait for what they could have."""
        return next(self._behind(), None) is not None

    def _behind(self, patience_us: int = 0) -> Iterator[str]:
        """Who of them does, once for each thing; for a page of history that was asked for so long ago."""
        yield from (who for who, _, _ in self._unserved(patience_us))
        for diary, matching in self._whole():
            if diary.policy not in DROPS and any(self._unseen(diary, matching)):
                yield diary.owner
            if self._newest_unseen(diary, matching):
                yield diary.owner
            # a gap is told once nobody who can be reached can fill it, and not before
            scratch = Watch(self.watch.now_us, self.watch.ledger)
            scratch.honest_about_gaps(diary, places_in(self.world, self.core), self._is_owed, matching)
            if scratch.breaches:
                yield diary.owner

    def _unserved(self, patience_us: int = 0) -> list[tuple[str, str, Callable[[], list[str]]]]:
        """Receipts, beginnings and pages that the core could give and clients wait for: who, what, and what proves it."""
        waiting: list[tuple[str, str, Callable[[], list[str]]]] = []
        for app in self._members():
            for sequence, _, why in receipts(self, app):
                if not why:
                    line = f"{app.name} waits for the receipt of {sequence}"
                    waiting.append((app.name, line, partial(proof.of_receipt, app, sequence, self.watch)))
            late = [diary for diary in app.diaries.values() if not diary.began]
            line = f"{app.name} has not begun"
            waiting += [(app.name, line, partial(proof.of_beginning, app, diary)) for diary in late]
            pages = self.stage.readers.waiting(app, self.world.now_us - patience_us)
            line = f"{app.name} waits for history"
            waiting += [(app.name, line, partial(proof.of_page, app, past)) for past in pages]
        return waiting

    def _whole(self) -> list[tuple[Diary, Matching]]:
        """The diaries of the core's clients, but for those that began from a cursor, and what may be owed to each."""
        everybodys = [diary for app in self._members() for diary in app.diaries.values()]
        diaries = [diary for diary in everybodys if diary.whole or diary.from_now or diary.since_ms is not None]
        matched = self.watch.matcher.of(self.watch.ledger, diaries)
        owed = partial(owed_of, self.watch, self.world)
        return [(diary, owed(diary, matching)) for diary, matching in zip(diaries, matched, strict=True)]

    def _unseen(self, diary: Diary, matching: Matching) -> Iterator[bool]:
        """True once for each message that a diary was owed and not shown."""
        now_us = self.world.now_us
        return (
            True
            for name, entry in matching
            if entry.is_acknowledged and name not in diary.seen and not entry.is_excused
            and not (entry.expires_us and now_us + self.watch.skew_us > entry.expires_us) and self._is_owed_to(diary, name)
        )  # fmt: skip

    def _newest_unseen(self, diary: Diary, matching: Matching) -> Matching:
        """The newest messages, where a diary lets others be dropped, that it was not shown and could have been."""
        if diary.policy not in DROPS:
            return []
        room = self.cast.clients[diary.owner].group.credit // 4  # what it grants at once
        kept = min(machine.config.delivery.backlog_max for machine in self.world.machines.values())
        room_bytes = self.apps[diary.owner].config.credit_bytes // 4
        unseen = newest_unseen(self.watch, diary, matching, max(1, min(room, kept)), room_bytes)
        return [(name, entry) for name, entry in unseen if self._is_owed_to(diary, name)]

    def _judge(self, outcome: Outcome) -> None:
        watch, figures = self.watch, outcome.figures
        core = " ".join(self.core)
        watch.look("available", len(self._members()))
        is_late = figures.converged_us < 0 or figures.converged_us > figures.bound_us
        if is_late and not watch.undated:
            after = "never" if figures.converged_us < 0 else f"only after {figures.converged_us / 1e6:.2f} s"
            what = f"{core} had equal digests {after}; the bound is {say_seconds(figures.bound_us)}"
            what += in_vain(self.world, self.pairs, self.core)
            watch.broken("converges", what, *self.stage.story[-4:], *difference(self.world, self.core))
        for _, line, prove in self._unserved(PAGE_US):
            what = f"{line}, though the core has been well for {CLIENTS_US // MILLION} s and more"
            watch.broken("available", what, *prove())
        for diary, matching in self._whole():
            if diary.policy not in DROPS:
                watch.nothing_lost(diary, partial(self._is_owed_to, diary), matching)
            for name, entry in self._newest_unseen(diary, matching):
                watch.never_shown(diary, name, entry, f"the newest of {entry.channel}")
            watch.honest_about_gaps(diary, places_in(self.world, self.core), self._is_owed, matching)
        outcome.pending = [line for app in self.apps.values() for line in waits(self, app)]
        outcome.pending += [
            f"{who} still gets what it waits for, and another's time is over" for who in sorted(self._patient)
        ]
        outcome.pending += [f"{say_name(name)} lies only outside the core" for name in sorted(self.outside)]
        figures.excused = sum(entry.is_excused for entry in watch.ledger.values())

    def _cut_off_together(self) -> list[list[str]]:
        """The nodes outside the core that run, by who can reach whom, where there is anybody to reach."""
        machines = self.world.machines
        left = [name for name in self.cast.nodes if name not in self.core and machines[name].node is not None]
        return [part for part in parts(left, self.pairs) if len(part) > 1]


def _came_us(world: World, log: LogId, position: int) -> int:
    """Since when a place of a log lies on a disk, the first that has it; -1: on none."""
    rows = (machine.disk.row_at(log, position) for machine in world.machines.values())
    return min((row.since_us for row in rows if row is not None), default=-1)


def suite_of(scenario: Scenario) -> Suite:
    """The cheap suite, or the real one."""
    if scenario.crypto == "sim":
        return SUITE
    from mesh.io.keys import Ed25519Suite  # noqa: PLC0415  # only those who ask for it pay for it

    return Ed25519Suite()


def play(scenario: Scenario, seed: int) -> Outcome:
    """Play a scenario with a seed."""
    return Play(scenario, seed).run()
