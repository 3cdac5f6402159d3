"""The stage: does to a world what the steps of a plan say, and takes it back when its time is over.

`fault/VERB` of the coverage table, and `timeline/N` for what the scenario's own timeline says, count what happened, and
not what was tried: a kill of a dead node changes nothing, nor does a cut where no way is.

Every verb of `sim.scenario.events` has a method here. Each returns what ends it, or None where it is over at once. Two
faults of a kind on one node overlap: the node is well again when the last of them ends. `heal` ends all that are left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from mesh.effects import AddressFound
from mesh.operations import SlowPolicy
from mesh.types import NodeId
from sim.atlas import Atlas
from sim.checkers import Watch
from sim.conditions import End, Holds, around, condition_of
from sim.deeds import Deed, Labels
from sim.disk import ROOM_BYTES, Disk, Image
from sim.hostile import Hostiles
from sim.network import Condition
from sim.reader import Readers
from sim.scenario.cast import Cast
from sim.scenario.events import WISHES, Event
from sim.scenario.plan import Say, Step, payload_of
from sim.units import MILLION, say_us
from sim.workload import App
from sim.world import Machine, World

LASTS = -1
"""Stands where something has not ended, and never did if it is still so at the end."""


@dataclass(slots=True)
class Band:
    """Something that was done to the world, from when to when; `verb` is its kind, `what` says it in a line."""

    begin_us: int
    verb: str
    what: str
    end_us: int = LASTS


class Stage:
    """A world, its applications, and all that is being done to them."""

    def __init__(self, world: World, cast: Cast, apps: dict[str, App], watch: Watch) -> None:
        """Nothing is done yet."""
        self.world, self.cast, self.apps = world, cast, apps
        self.atlas = Atlas(world, watch.ledger)
        self.hostiles = Hostiles(world, watch.ledger)
        self.rng = world.rng.fork("stage")
        world.on_fsync_failed = self._down
        self.story: list[str] = []
        """What was done, with its time."""
        self.bands: list[Band] = []
        """The same, for those who draw it."""
        self.under_way: dict[int, tuple[Band, End]] = {}
        self.readers = Readers(world, watch, self.under_way)
        self.last_us = 0
        """When the last fault ended, or a momentary one happened."""
        self.on_change: Callable[[], None] = lambda: None
        """Hears when a fault has begun or ended."""
        self._number = 0
        self.holds = Holds()
        self._images: dict[tuple[str, str], Image] = {}
        self._labels = Labels(cast.scenario.timeline)

    # --- steps -------------------------------------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        """Do one step now."""
        if isinstance(step, Say):
            self.say(step)
            return
        verb = step.verb
        act: Callable[[Deed, Any], End | None] = getattr(self, f"_do_{verb.replace('-', '_')}")
        self.world.note(verb.encode())
        deed = Deed(step, partial(self._count, verb, self._labels.of(step)))
        if verb in WISHES:
            act(deed, step.what)
            return
        band = Band(self.world.now_us, verb, say_event(step))
        self.bands.append(band)
        self.story.append(f"{self.world.now_us / 1e6:9.3f} {band.what}")
        end = act(deed, step.what)
        self.last_us = self.world.now_us
        if end is None:
            band.end_us = band.begin_us
        else:
            self._number += 1
            self.under_way[self._number] = band, end
            if step.for_ is not None:
                self.world.after(step.for_, self._over, self._number)
        self.on_change()

    def _count(self, verb: str, label: str) -> None:
        self.world.cover(f"fault/{verb}")
        if label:
            self.world.cover(label)

    def _over(self, number: int) -> None:
        found = self.under_way.pop(number, None)
        if found is not None:
            band, end = found
            self.story.append(f"{self.world.now_us / 1e6:9.3f} end of {band.what}")
            self.last_us = band.end_us = self.world.now_us
            end()
            self.on_change()

    def heal(self) -> None:
        """End everything that is under way, in the order in which it began."""
        for number in sorted(self.under_way):
            self._over(number)

    def say(self, say: Say) -> None:
        """A client publishes, if its outbox has room and no message of this number is too large for it."""
        app = self.apps[say.client]
        app.publish(
            say.channel,
            payload_of(say.number, say.size),
            copies=say.copies,
            regions=say.regions,
            ttl_ms=say.ttl // 1_000,
        )

    def _machines(self, names: Any) -> list[Machine]:
        return [self.world.machines[name] for name in self.cast.nodes_of(names)]

    def _clients(self, names: Any) -> list[App]:
        return [self.apps[name] for name in self.cast.clients_of(names)]

    # --- the network -------------------------------------------------------------------------------------------------

    def _impose(self, deed: Deed, condition: Condition) -> End:
        if not deed.has_happened:
            deed.happened(really=self.world.network.would_feel(condition))
        self.world.impose(condition)
        return partial(self.world.lift, condition)

    def _lie_on_paths(self, deed: Deed, what: Any) -> End:
        return self._impose(deed, condition_of(self.cast, deed.event.verb, what))

    _do_partition = _do_clog = _do_one_way = _do_isolate = _do_ring = _do_link = _lie_on_paths

    def _later(self, delay_us: int, going: list[bool], act: Callable[..., object], *arguments: Any) -> None:
        """Do something later, if what it belongs to has not ended before."""

        def do() -> None:
            if going:
                act(*arguments)
                self.last_us = self.world.now_us

        self.world.after(delay_us, do)

    def _do_swizzle(self, deed: Deed, what: Any) -> End:
        span_us = max(2, deed.event.for_ or 5 * MILLION)
        going = [True]
        conditions = []
        for name in self.rng.shuffled(self.cast.nodes_of(what)):
            condition = Condition(around(self.cast, name), clog=True)
            conditions.append(condition)
            self._later(self.rng.below(span_us // 2), going, self._impose, deed, condition)
            self._later(span_us // 2 + self.rng.below(span_us // 2), going, self.world.lift, condition)
        return partial(self._stop, going, conditions)

    def _stop(self, going: list[bool], conditions: list[Condition]) -> None:
        going.clear()
        for condition in conditions:
            self.world.lift(condition)

    def _do_flap(self, deed: Deed, what: Any) -> End:
        condition = condition_of(self.cast, "flap", what)
        going = [True]
        for round_ in range(what.times):
            at_us = round_ * (what.up + what.down)
            self._later(at_us, going, self._impose, deed, condition)
            self._later(at_us + what.down, going, self.world.lift, condition)
        return partial(self._stop, going, [condition])

    def _do_misdiscover(self, deed: Deed, what: Any) -> None:
        (who,), (at,) = self._machines([what.who]), self._machines([what.at])
        for machine in self._machines(what.nodes):
            deed.happened(really=machine.node is not None)
            self.world.hear(machine, AddressFound(NodeId(who.node_id), at.address, "mdns"))

    def _do_rebind(self, deed: Deed, what: Any) -> None:
        for machine in self._machines(what):
            deed.happened(really=bool(machine.links))
            for link in list(machine.links):
                self.world.links.close(machine, link, "rebound", silent=True)

    # --- nodes -------------------------------------------------------------------------------------------------------

    def _down(self, machine: Machine) -> None:
        if machine.node is not None:
            self.atlas.before_power_cut(machine)
            self.world.crash(machine, silent=self.rng.below(2) == 1)

    def _up(self, machine: Machine) -> None:
        if self.holds.lies_on("down", machine.name):
            return
        if machine.draining:  # else it stops yet, for it may not even have heard that
            self._down(machine)
        if machine.node is None:
            self.world.start(machine)

    def _do_crash(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_down: bool) -> None:
            if is_down:
                deed.happened(really=machine.node is not None)
                self._down(machine)
            else:
                self._up(machine)

        return self.holds.begin("down", self._machines(what), turn)

    def _do_restart(self, deed: Deed, what: Any) -> None:
        for machine in self._machines(what):
            self._again(deed, machine)

    def _again(self, deed: Deed, machine: Machine) -> None:
        if machine.node is not None:
            deed.happened()
            self._down(machine)
            self._up(machine)

    def _do_crash_loop(self, deed: Deed, what: Any) -> End:
        (machine,) = self._machines([what.node])
        going = [True]
        for round_ in range(what.times):
            self._later(round_ * what.every, going, self._again, deed, machine)
        return going.clear

    def _do_pause(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_paused: bool) -> None:
            if is_paused:
                deed.happened(really=machine.node is not None and not machine.paused)
                self.world.pause(machine)
            else:
                self.world.resume(machine)

        return self.holds.begin("pause", self._machines(what), turn)

    def _ill(
        self, deed: Deed, kind: str, names: Any, turn: Callable[[Machine, bool], object], *, is_felt: bool = True
    ) -> End:
        """Something is wrong with machines that a node only feels if it runs while that begins, or as it ends."""

        def both(machine: Machine, is_ill: bool) -> None:
            is_new = not is_ill or self.holds.is_first(kind, machine.name)
            is_running = machine.node is not None and machine.node.started
            deed.happened(really=is_felt and is_new and is_running)
            turn(machine, is_ill)

        return self.holds.begin(kind, self._machines(names), both)

    def _do_slow_cpu(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_slow: bool) -> None:
            machine.slowness = what.factor if is_slow else 1

        return self._ill(deed, "cpu", what.nodes, turn)

    def _do_drain(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_down: bool) -> None:
            if is_down and machine.node is not None:
                deed.happened(really=self.holds.is_first("down", machine.name))
                self.world.drain(machine)
            elif not is_down:
                self._up(machine)

        return self.holds.begin("down", self._machines(what), turn)

    # --- disks and clocks --------------------------------------------------------------------------------------------

    def _do_full_disk(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_full: bool) -> None:
            self.world.space(machine, 0 if is_full else ROOM_BYTES)

        return self._ill(deed, "full", what, turn)

    def _do_slow_disk(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_slow: bool) -> None:
            machine.slow_disk_us = what.by if is_slow else 0

        return self._ill(deed, "slow-disk", what.nodes, turn, is_felt=what.by > 0)

    def _do_io_error(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_failing: bool) -> None:
            machine.disk.failing = is_failing

        return self._ill(deed, "io-error", what, turn)

    def _do_fsync_fails(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_failing: bool) -> None:
            machine.disk.fsync_fails = is_failing
            if not is_failing:
                self._up(machine)

        return self._ill(deed, "fsync", what, turn)

    def _do_fsync_lies(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_lying: bool) -> None:
            if is_lying:
                machine.disk.lie()
            else:
                self._again(deed, machine)
                machine.disk.kept = None
                machine.lost_us = machine.replaced_us = self.world.now_us

        return self._ill(deed, "lying", what, turn)

    def _do_bit_rot(self, deed: Deed, what: Any) -> None:
        for machine in self._machines(what.nodes):
            for log, first in self.rng.shuffled(self.atlas.spare_rows(machine))[: what.rows]:
                self.atlas.before_damage(machine, log, first)
                machine.disk.corrupt(log, first)
                machine.lost_us = self.world.now_us
                deed.happened()
                self.world.cover("disk/flipped")

    def _do_misdirect(self, deed: Deed, what: Any) -> None:
        for machine in self._machines(what):
            rows = self.atlas.spare_rows(machine)
            if len(rows) > 1:
                (log, first), (other_log, other_first) = self.rng.shuffled(rows)[:2]
                self.atlas.before_damage(machine, log, first)
                machine.disk.misdirect(log, first, other_log, other_first)
                machine.lost_us = self.world.now_us
                deed.happened()
                self.world.cover("disk/misdirected")

    def _do_snapshot(self, deed: Deed, what: Any) -> None:
        (machine,) = self._machines([what.node])
        deed.happened()
        self._images[what.node, what.name] = machine.disk.image.copy()

    def _do_restore(self, deed: Deed, what: Any) -> None:
        (machine,) = self._machines([what.node])
        image = self._images.get((what.node, what.name))
        if image is not None:
            self._replace(deed, machine, image, "disk/restored")

    def _replace(self, deed: Deed, machine: Machine, image: Image, what: str) -> None:
        """Another image takes the place of a disk's, unless the last good copy of something would go with it."""
        if not self.atlas.may_replace(machine, image):
            self.world.cover("atlas/refused")
            return
        deed.happened()
        self._down(machine)
        machine.disk.restore(image)
        machine.lost_us = machine.replaced_us = self.world.now_us
        self.world.cover(what)
        self._up(machine)

    def _do_wipe(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_down: bool) -> None:
            if not is_down:
                self._up(machine)
            elif self.atlas.may_replace(machine, Image()):
                deed.happened()
                self._down(machine)
                machine.disk = Disk()
                machine.lost_us = machine.replaced_us = self.world.now_us
                self.world.cover("disk/wiped")
            else:
                self.world.cover("atlas/refused")

        return self.holds.begin("down", self._machines(what), turn)

    def _do_scrub(self, deed: Deed, what: Any) -> None:
        for machine in self._machines(what):
            deed.happened(really=machine.node is not None)
            self.world.scrub(machine)

    def _do_clock(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_wrong: bool) -> None:
            now_us, clock = self.world.now_us, machine.clock
            was_right = machine.is_right(now_us)
            clock.offset_ms = what.offset // 1_000 if is_wrong else 0
            clock.drift(what.drift_ppm if is_wrong else 0, now_us)
            if what.freeze and is_wrong:
                clock.freeze(now_us)
            else:
                clock.thaw()
            machine.on_turned(now_us, was_right=was_right)

        is_felt = bool(what.offset // 1_000 or what.drift_ppm or what.freeze)
        return self._ill(deed, "clock", what.nodes, turn, is_felt=is_felt)

    # --- clients -----------------------------------------------------------------------------------------------------

    def _do_drop_client(self, deed: Deed, what: Any) -> None:
        for app in self._clients(what):
            deed.happened(really=app.session is not None)
            app.drop()

    def _do_offline(self, deed: Deed, what: Any) -> End:
        apps = self._clients(what)
        for app in apps:
            deed.happened(really=not app.offline)
            app.offline = True
            app.drop()

        def end() -> None:
            for app in apps:
                app.offline = False

        return end

    def _do_move_client(self, deed: Deed, what: Any) -> None:
        to = self.cast.nodes_of(what.to)
        for app in self._clients(what.client):
            gateways = [*to, *(gateway for gateway in app.gateways if gateway not in to)]
            deed.happened(really=app.session is not None or app.gateways != gateways)
            app.move(*gateways)

    def _do_kill_client(self, deed: Deed, what: Any) -> None:
        for app in self._clients(what):
            deed.happened()
            app.kill()

    def _do_give_up(self, deed: Deed, what: Any) -> None:
        for app in self._clients(what):
            deed.happened(really=app.give_up())

    def _do_stop_reading(self, deed: Deed, what: Any) -> End:
        apps = self._clients(what)
        for app in apps:
            deed.happened(really=app.reads)
            app.reads = False

        def end() -> None:
            for app in apps:
                app.take_all()

        return end

    def _do_subscribe(self, deed: Deed, what: Any) -> None:
        deed.happened()
        for app in self._clients(what.client):
            app.subscribe_from(what.since, what.to, SlowPolicy(what.policy))

    def _do_unsubscribe(self, deed: Deed, what: Any) -> None:
        for app in self._clients(what.client):
            deed.happened(really=app.unsubscribe(what.to))

    def _do_read_history(self, deed: Deed, what: Any) -> None:
        for app in self._clients(what.client):
            deed.happened(really=self.readers.begin(app, what))

    def _do_publish(self, deed: Deed, what: Any) -> None:
        deed.happened()
        for name in self.cast.clients_of(what.client):
            for _number in range(what.count):
                self._number += 1
                self.say(
                    Say(
                        0,
                        name,
                        what.channel,
                        what.bytes_,
                        what.copies,
                        what.regions,
                        what.ttl,
                        1_000_000 + self._number,
                    )
                )

    # --- those who have gone bad -------------------------------------------------------------------------------------

    def _do_hostile(self, deed: Deed, what: Any) -> End:
        return self.hostiles.turn(what.node, what.does, what.share, deed.happened)

    def _do_hostile_client(self, deed: Deed, what: Any) -> None:
        for machine in self._machines(what.gateways):
            deed.happened(really=self.hostiles.client(machine, what.does, what.times))


def say_event(event: Event) -> str:
    """An event in a line, as its file has it."""
    said = event.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    what = said[event.verb]
    words = (
        " ".join(f"{key}={_plain(value)}" for key, value in what.items()) if isinstance(what, dict) else _plain(what)
    )
    lasts = f" for {say_us(event.for_)}" if event.for_ is not None else ""
    return f"{event.verb} {words}{lasts}"


def _plain(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(each, list) for each in value):
        return " | ".join(" ".join(map(str, side)) for side in value)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
