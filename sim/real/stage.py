"""The real stage: does to processes, proxies and clients what the steps of a plan say, and takes it back.

The verbs mean and count what they do on the heap's stage (`sim.stage`), and the network's conditions are put together
by the same `sim.network`; what comes out is made the weather of the proxies. A step never waits: processes follow
(`Machine.keep`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mesh.operations import SlowPolicy
from sim.conditions import End, Holds, condition_of
from sim.deeds import Deed
from sim.network import Condition, Network, Path
from sim.proxy import UdpProxy, Weather
from sim.real.apps import App
from sim.real.machines import Machine
from sim.scenario.cast import Cast
from sim.scenario.events import Event
from sim.scenario.plan import Say, Step, payload_of
from sim.stage import say_event
from sim.units import MILLION

Spawn = Callable[[Coroutine[Any, Any, None]], object]
CLIENT_VERBS = ("drop-client", "offline", "move-client", "kill-client", "stop-reading")
"""Whether a client notices is the machine's affair: these count when they are done."""
QUEUE_US = 200_000
QUEUE_PACKETS = 16
PACKET_BITS = 1_452 * 8
"""A slow bottleneck queues so many packets at least, as a modem's does: below that no QUIC connection begins."""


def weather_of(path: Path) -> Weather:
    """What a proxy does for a path as it is now, but for cuts."""
    delay = path.delay
    jitter_us = 0 if delay.shape == "constant" else delay.spread_us
    rate = path.rate_bps
    queue_us = max(QUEUE_US, QUEUE_PACKETS * PACKET_BITS * MILLION // rate) if rate else QUEUE_US
    return Weather(delay.base_us + path.extra_us, jitter_us, path.loss_ppm, rate // 8, queue_us)


def set_path(proxy: UdpProxy, path: Path) -> None:
    """Make a path of the proxy what it is to be."""
    link = proxy.link(path.source, path.target)
    way = link.path(path.source)
    way.weather = weather_of(path)
    if path.cuts and not way.is_cut:
        link.cut(path.source)
    elif not path.cuts and way.is_cut:
        link.heal(path.source)


class RealStage:
    """Machines, proxies, applications, and all that is being done to them."""

    def __init__(
        self,
        cast: Cast,
        network: Network,
        proxy: UdpProxy,
        machines: dict[str, Machine],
        apps: dict[str, App],
        now_us: Callable[[], int],
        spawn: Spawn,
    ) -> None:
        """Nothing is done yet; `spawn` runs what takes longer than a moment."""
        self.cast, self.network, self.proxy = cast, network, proxy
        self.machines, self.apps = machines, apps
        self.now_us, self.spawn = now_us, spawn
        self.story: list[str] = []
        self.coverage: dict[str, int] = {}
        self.under_way: dict[int, tuple[Event, End]] = {}
        self._number = 0
        self.holds = Holds()
        self._alarms: list[asyncio.TimerHandle] = []

    def cover(self, what: str) -> None:
        """Count that something happened."""
        self.coverage[what] = self.coverage.get(what, 0) + 1

    def say(self, line: str) -> None:
        """Note what happens."""
        self.story.append(f"{self.now_us() / 1e6:9.3f} {line}")

    # --- steps -------------------------------------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        """Do one step now."""
        if isinstance(step, Say):
            self._say(step)
            return
        act: Callable[[Deed, Any], End | None] = getattr(self, f"_do_{step.verb.replace('-', '_')}")
        deed = Deed(step, partial(self.cover, f"fault/{step.verb}"))
        if step.verb in ("publish", "subscribe"):
            act(deed, step.what)
            return
        self.say(say_event(step))
        if step.verb in CLIENT_VERBS:
            deed.happened()
        end = act(deed, step.what)
        if end is not None:
            self._number += 1
            self.under_way[self._number] = step, end
            if step.for_ is not None:
                self._later(step.for_, self._over, self._number)

    def _over(self, number: int) -> None:
        found = self.under_way.pop(number, None)
        if found is not None:
            event, end = found
            self.say(f"end of {say_event(event)}")
            end()

    def heal(self) -> None:
        """End everything that is under way, in the order in which it began."""
        self.close()
        for number in sorted(self.under_way):
            self._over(number)

    def close(self) -> None:
        """Nothing that was put off happens any more."""
        for alarm in self._alarms:
            alarm.cancel()
        self._alarms.clear()

    def _later(self, delay_us: int, act: Callable[..., None], *arguments: Any) -> None:
        self._alarms.append(asyncio.get_running_loop().call_later(delay_us / MILLION, act, *arguments))

    def _say(self, say: Say) -> None:
        payload = payload_of(say.number, say.size)
        self.apps[say.client].publish(say.channel, payload, say.copies, say.regions, say.ttl // 1_000)

    def _machines(self, names: Any) -> list[Machine]:
        return [self.machines[name] for name in self.cast.nodes_of(names)]

    def _clients(self, names: Any) -> list[App]:
        return [self.apps[name] for name in self.cast.clients_of(names)]

    # --- the network -------------------------------------------------------------------------------------------------

    def _impose(self, condition: Condition) -> None:
        for path in self.network.impose(condition, self.now_us()):
            set_path(self.proxy, path)

    def _lift(self, condition: Condition) -> None:
        for path in self.network.lift(condition, self.now_us()):
            set_path(self.proxy, path)

    def _begin(self, deed: Deed, condition: Condition) -> None:
        if not deed.has_happened:
            deed.happened(really=self.network.would_feel(condition))
        self._impose(condition)

    def _lie_on_paths(self, deed: Deed, what: Any) -> End:
        condition = condition_of(self.cast, deed.event.verb, what)
        self._begin(deed, condition)
        return partial(self._lift, condition)

    _do_partition = _do_one_way = _do_isolate = _do_ring = _do_link = _lie_on_paths

    def _do_flap(self, deed: Deed, what: Any) -> End:
        condition = condition_of(self.cast, "flap", what)
        going = [True]

        def turn(act: Callable[[Condition], None]) -> None:
            if going:
                act(condition)

        for round_ in range(what.times):
            at_us = round_ * (what.up + what.down)
            self._later(at_us, turn, partial(self._begin, deed))
            self._later(at_us + what.down, turn, self._lift)

        def end() -> None:
            going.clear()
            self._lift(condition)

        return end

    # --- nodes -------------------------------------------------------------------------------------------------------

    def _do_crash(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_down: bool) -> None:
            if is_down:
                deed.happened(really=machine.is_wanted)
                machine.kill()
            else:
                machine.start()

        return self.holds.begin("down", self._machines(what), turn)

    def _again(self, deed: Deed, machine: Machine) -> None:
        if not self.holds.lies_on("down", machine.name):
            deed.happened()
            machine.again()

    def _do_restart(self, deed: Deed, what: Any) -> None:
        for machine in self._machines(what):
            self._again(deed, machine)

    def _do_crash_loop(self, deed: Deed, what: Any) -> End:
        (machine,) = self._machines([what.node])
        going = [True]

        def again() -> None:
            if going:
                self._again(deed, machine)

        for round_ in range(what.times):
            self._later(round_ * what.every, again)
        return going.clear

    def _do_pause(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_paused: bool) -> None:
            deed.happened(really=is_paused and machine.is_wanted and self.holds.is_first("pause", machine.name))
            machine.pause(is_paused=is_paused)

        return self.holds.begin("pause", self._machines(what), turn)

    def _do_drain(self, deed: Deed, what: Any) -> End:
        def turn(machine: Machine, is_down: bool) -> None:
            if is_down:
                deed.happened(really=machine.is_wanted)
                machine.drain()
            else:
                machine.start()

        return self.holds.begin("down", self._machines(what), turn)

    # --- disks -------------------------------------------------------------------------------------------------------

    def _ill(self, deed: Deed, names: Any, says: str = "") -> End:
        """Something is wrong with disks; a node feels it if it is there while that begins, or as it ends."""
        fault = deed.event.verb

        def turn(machine: Machine, is_ill: bool) -> None:
            is_new = not is_ill or self.holds.is_first(fault, machine.name)
            deed.happened(really=is_new and (machine.is_wanted if is_ill else machine.is_up))
            machine.ill(fault, says if is_ill else None)

        return self.holds.begin(fault, self._machines(names), turn)

    def _do_full_disk(self, deed: Deed, what: Any) -> End:
        return self._ill(deed, what)

    def _do_io_error(self, deed: Deed, what: Any) -> End:
        return self._ill(deed, what)

    def _do_slow_disk(self, deed: Deed, what: Any) -> End:
        return self._ill(deed, what.nodes, str(what.by))

    # --- clients -----------------------------------------------------------------------------------------------------

    def _do_drop_client(self, _: Deed, what: Any) -> None:
        for app in self._clients(what):
            app.drop()

    def _do_offline(self, _: Deed, what: Any) -> End:
        apps = self._clients(what)
        for app in apps:
            app.offline(is_offline=True)

        def end() -> None:
            for app in apps:
                app.offline(is_offline=False)

        return end

    def _do_move_client(self, _: Deed, what: Any) -> None:
        to = self.cast.nodes_of(what.to)
        for app in self._clients(what.client):
            app.move(to)

    def _do_kill_client(self, _: Deed, what: Any) -> None:
        for app in self._clients(what):
            self.spawn(app.kill())

    def _do_stop_reading(self, _: Deed, what: Any) -> End:
        apps = self._clients(what)
        for app in apps:
            app.read(reads=False)

        def end() -> None:
            for app in apps:
                app.read(reads=True)

        return end

    def _do_subscribe(self, _: Deed, what: Any) -> None:
        for app in self._clients(what.client):
            app.subscribe(what.to, what.since, SlowPolicy(what.policy))

    def _do_publish(self, _: Deed, what: Any) -> None:
        for name in self.cast.clients_of(what.client):
            for _number in range(what.count):
                self._number += 1
                number = MILLION + self._number
                self._say(Say(0, name, what.channel, what.bytes_, what.copies, what.regions, what.ttl, number))
