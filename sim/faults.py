"""Random faults: each step draws one of a table, or none, and says in a line what it did.

Everything heals by itself or is healed by `heal`: the safety phase may do what it likes, the liveness phase begins with
a mesh in which everyone can reach everyone again and every disk has room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mesh.rng import Rng
from sim.workload import App
from sim.world import Machine, World

FULL_US = 3_000_000
"""A full disk has room again after so long."""
SLOW_DISK_US = 200_000
CLOCK_WRONG_MS = 3_600_000


@dataclass
class Faults:
    """Draws faults for a world and its applications. `done` is what happened, in words."""

    world: World
    apps: list[App]
    rng: Rng
    quiet: int = 7
    """How many chances of doing nothing stand beside one of each fault."""
    done: list[str] = field(default_factory=list)

    def step(self) -> None:
        """Do one thing, or nothing."""
        table: list[Callable[[], str]] = [
            self.cut,
            self.mend,
            self.crash,
            self.stop,
            self.start,
            self.fill_disk,
            self.slow_disk,
            self.flip_bit,
            self.leap_clock,
            self.drop_client,
            self.move_client,
            self.kill_client,
            self.stop_reading,
        ]
        index = self.rng.below(len(table) + self.quiet)
        if index < len(table):
            what = table[index]()
            if what:
                self.done.append(f"{self.world.now_us / 1e6:8.3f} {what}")

    def _machine(self) -> Machine:
        return self.world.machines[self.rng.choice(sorted(self.world.machines))]

    def _app(self) -> App:
        return self.rng.choice(self.apps)

    # --- the network -------------------------------------------------------------------------------------------------

    def cut(self) -> str:
        """Cut the mesh in two, anywhere."""
        names = self.rng.shuffled(sorted(self.world.machines))
        at = self.rng.between(1, len(names) - 1)
        self.world.cut(names[:at], names[at:])
        return f"cut {' '.join(sorted(names[:at]))} from {' '.join(sorted(names[at:]))}"

    def mend(self) -> str:
        """Heal all cuts."""
        self.world.heal()
        return "heal"

    # --- nodes -------------------------------------------------------------------------------------------------------

    def crash(self) -> str:
        """Power cut, and back at once."""
        machine = self._machine()
        if machine.node is None:
            return ""
        self.world.restart(machine)
        return f"crash {machine.name}"

    def stop(self) -> str:
        """Power cut, and nobody turns it on again for now; at least one node runs."""
        machine = self._machine()
        if machine.node is None or sum(m.node is not None for m in self.world.machines.values()) < 2:
            return ""
        self.world.crash(machine)
        return f"stop {machine.name}"

    def start(self) -> str:
        """Turn on what is off."""
        off = [machine for _, machine in sorted(self.world.machines.items()) if machine.node is None]
        if not off:
            return ""
        machine = self.rng.choice(off)
        self.world.start(machine)
        return f"start {machine.name}"

    # --- disks and clocks --------------------------------------------------------------------------------------------

    def fill_disk(self) -> str:
        """A disk is full for a while."""
        machine = self._machine()
        free_bytes = machine.disk.free_bytes
        if not free_bytes:
            return ""
        self.world.space(machine, 0)
        self.world.after(FULL_US, lambda: self.world.space(machine, free_bytes))
        return f"full disk {machine.name}"

    def slow_disk(self) -> str:
        """A disk becomes slow, or fast again."""
        machine = self._machine()
        machine.slow_disk_us = 0 if machine.slow_disk_us else SLOW_DISK_US
        return f"{'slow' if machine.slow_disk_us else 'fast'} disk {machine.name}"

    def flip_bit(self) -> str:
        """A bit flips at rest, where at least one other disk has the batch whole."""
        machine = self._machine()
        others = [m.disk for m in self.world.machines.values() if m is not machine]
        whole = sorted(key for key in machine.disk.rows if any(key in disk.rows for disk in others))
        if not whole or machine.disk.flipped:
            return ""
        log, first = self.rng.choice(whole)
        for disk in others:
            if (log, first) in disk.flipped:
                return ""
        machine.disk.corrupt(log, first)
        return f"flipped bit {machine.name} {log.node.hex()[:4]} {first}"

    def leap_clock(self) -> str:
        """A wall clock leaps by an hour, or back to the right time."""
        machine = self._machine()
        right = machine.clock_ms != 0
        machine.clock_ms = 0 if right else self.rng.choice((-CLOCK_WRONG_MS, CLOCK_WRONG_MS))
        return f"clock {machine.name} {machine.clock_ms:+d} ms"

    # --- clients -----------------------------------------------------------------------------------------------------

    def drop_client(self) -> str:
        """A client loses its connection."""
        app = self._app()
        app.drop()
        return f"drop {app.name}"

    def move_client(self) -> str:
        """A client goes to another node."""
        app = self._app()
        names = self.rng.shuffled(sorted(self.world.machines))
        app.move(*names)
        return f"move {app.name} to {names[0]}"

    def kill_client(self) -> str:
        """A client's process ends, and starts again with its cursors."""
        app = self._app()
        app.kill()
        return f"kill {app.name}"

    def stop_reading(self) -> str:
        """A client reads nothing any more, or reads on."""
        app = self._app()
        if app.reads:
            app.reads = False
            return f"{app.name} stops reading"
        app.take_all()
        return f"{app.name} reads on"

    # --- the end of it -----------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Everything is well again: links, nodes, disks, clocks, readers."""
        self.world.heal()
        for _, machine in sorted(self.world.machines.items()):
            machine.slow_disk_us = machine.clock_ms = 0
            if machine.node is None:
                self.world.start(machine)
            self.world.scrub(machine)
        for app in self.apps:
            app.take_all()
