"""The real engine: plays a scenario with one seed on real processes, and says what came of it.

As on the heap: first *safety*, the plan's steps as their time comes; then *liveness*, everything that is wrong ends and all
must be finished within the bound of the contract. The seed decides the plan and the proxies' draws; when what arrives is
the machine's affair, so that a run cannot be replayed, and has no tape.

Checked: all promises of the contract that the heap checks (*converges* by the digests that nodes tell, *honest about
gaps* by the names on their disks once they have ended), but neither *quiet* nor invariants. Of a scenario's own
guarantees those about time (median, p99, slowest, acknowledge_p99, unavailable, converge), with slack for a machine that
does other things, too; and what it must have `see`n of faults, gaps and refusals. The counts of frames, copies and dials
are the heap's alone.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mesh.config import NodeConfig
from mesh.errors import HostError
from mesh.log.batch import OVERHEAD_BYTES
from mesh.operations import SlowPolicy
from mesh.rng import Rng
from sim.assertions import demand_assertions
from sim.checkers import Watch
from sim.contract import Backlog, budget, convergence_us
from sim.errors import SimError
from sim.greeting import coming_up
from sim.outcome import Outcome
from sim.pending import CLIENTS_US, STILL_US, Patience, heard
from sim.proxy import TcpProxy
from sim.proxy.child import launcher
from sim.proxy.nodes import ProxiedNodes, leave
from sim.real.apps import App
from sim.real.judge import Stores, judge, slack_us, unfinished
from sim.real.limits import check, settings_of
from sim.real.machines import Machine
from sim.real.stage import RealStage, weather_of
from sim.safeguards import off
from sim.scenario.building import greeting_waits_us, linked, network_of, round_trips_of
from sim.scenario.cast import Cast
from sim.scenario.model import Scenario
from sim.scenario.plan import Step, plan
from sim.tape import Tape
from sim.units import MILLION

LOOK_S = 0.25
BEGIN_S = 15.0
STOPPING = (signal.SIGINT, signal.SIGTERM)


class StoppedError(Exception):
    """A signal ended a run, whose processes have ended, too."""

    def __init__(self, number: signal.Signals) -> None:
        """Keep the signal."""
        self.number = number
        super().__init__(number.name)


def play_real(scenario: Scenario, seed: int, without: tuple[str, ...] = ()) -> Outcome:
    """Play a scenario with a seed on real processes. Raises `SimError` for what they cannot do, or will not start."""
    demand_assertions()
    cast = Cast(scenario)
    root = Tape().stream(b"play/%d" % seed, "play")
    pairs = linked(cast, root.fork("topology"))
    steps = plan(scenario, cast, root.fork("plan"))
    check(scenario, steps, without)
    try:
        with off(*without), tempfile.TemporaryDirectory(prefix="gossamer-real-", ignore_cleanup_errors=True) as folder:
            return asyncio.run(_Play(cast, seed, pairs, steps, Path(folder), without).run())
    except StoppedError as stopped:
        if stopped.number is signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + stopped.number) from None
    except BaseExceptionGroup as group:
        raise _first(group) from group
    except HostError as error:
        raise SimError(f"the real engine cannot go on: {error}") from error


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first: what it dragged with it does not matter."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return SimError(f"the real engine cannot go on: {first}") if isinstance(first, HostError) else first


@contextmanager
def _heeding() -> Iterator[list[signal.Signals]]:
    """The first Ctrl-C or SIGTERM cancels the task that runs this; from then on both are ignored, until the process ends."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    stopped: list[signal.Signals] = []

    def stop(number: int, _: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        stopped.append(signal.Signals(number))
        loop.call_soon_threadsafe(task.cancel)

    is_main = threading.current_thread() is threading.main_thread()
    heard = [number for number in STOPPING if is_main and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield stopped
    finally:
        for number, handler in before.items() if not stopped else ():
            signal.signal(number, handler)


class _Play:
    """One run. Whatever ends it, the processes have ended and the folder is gone when `run` returns."""

    def __init__(
        self,
        cast: Cast,
        seed: int,
        pairs: list[tuple[str, str]],
        steps: list[Step],
        folder: Path,
        without: tuple[str, ...],
    ) -> None:
        self.cast, self.scenario, self.steps = cast, cast.scenario, steps
        self.network = network_of(cast, round_trips_of(cast.scenario), pairs)
        self.pairs, self.folder = coming_up(self.network, pairs, greeting_waits_us(cast)), folder
        levels = budget(cast, self.network, pairs)
        self.outcome = Outcome(cast.scenario, seed, engine="real", steps=steps, budget=levels)
        names = list(cast.nodes)
        for name in names:
            (folder / f"{name}.faults").mkdir()
        self.nodes = ProxiedNodes(
            folder,
            {name: member.region for name, member in cast.nodes.items()},
            {(a, b): weather_of(self.network.path(a, b)) for i, a in enumerate(names) for b in names[i + 1 :]},
            Rng(b"real/%d" % seed),
            lambda name: launcher(without, folder / f"{name}.faults"),
            settings_of(cast.scenario),
        )
        self.watch = Watch(self.now_us)
        self.apps: dict[str, App] = {}
        self.machines: dict[str, Machine] = {}
        self.stage: RealStage | None = None
        self._proxies: list[TcpProxy] = []
        self._waits: list[str] = []
        self._origin_s: float | None = None

    def now_us(self) -> int:
        """Microseconds of the run, as the heap counts them: what is planned begins after `settle`."""
        if self._origin_s is None:
            return 0
        return int((asyncio.get_running_loop().time() - self._origin_s) * MILLION)

    async def run(self) -> Outcome:
        """Play, judge, and leave nothing behind. Ctrl-C and SIGTERM end it in good order, however often they come."""
        with _heeding() as stopped:
            return await self._to_the_end(stopped)

    async def _to_the_end(self, stopped: list[signal.Signals]) -> Outcome:
        stores = Stores(self.folder, list(self.cast.nodes))
        played = False
        try:
            await self._perform()
            played = True
        except asyncio.CancelledError:
            if not stopped:
                raise
        finally:
            hung = await leave(self.nodes, gently=played, look=stores.read if played else lambda: None)
        if stopped:
            raise StoppedError(stopped[0])
        outcome, stage = self.outcome, self.stage
        assert stage is not None
        outcome.story, outcome.coverage = stage.story, stage.coverage
        outcome.coverage["node/killed"] = sum(machine.kills for machine in self.machines.values())
        outcome.story += [f"{name} did not end in good order" for name in hung]
        outcome.simulated_us = self.now_us()
        judge(outcome, self.watch, self.apps, stores, self._waits)
        return outcome

    async def _perform(self) -> None:
        """Everything between the first process and the last client."""
        try:
            async with asyncio.TaskGroup() as group:
                stage, keeping = await self._open(group)
                await self._safety(stage)
                await self._liveness(stage)
                for task in keeping:
                    task.cancel()
        finally:
            if self.stage is not None:
                self.stage.close()
            for app in self.apps.values():
                await app.close()
            for proxy in self._proxies:
                await proxy.close()

    # --- phases ------------------------------------------------------------------------------------------------------

    async def _open(self, group: asyncio.TaskGroup) -> tuple[RealStage, list[asyncio.Task[None]]]:
        await self.nodes.open()
        for name, node in self.nodes.nodes.items():
            self.machines[name] = Machine(node, self.folder / f"{name}.faults")

        def spawn(work: Coroutine[Any, Any, None]) -> object:
            return group.create_task(work)

        scene = self.cast, self.network, self.nodes.mesh, self.machines, self.apps
        self.stage = stage = RealStage(*scene, self.now_us, spawn)
        for name in self.cast.clients:
            self.apps[name] = await self._app(name, stage)
            await self.apps[name].open()
        await self._until(lambda: not any(app.waits() for app in self.apps.values()), BEGIN_S)
        self._origin_s = asyncio.get_running_loop().time() - self.scenario.settle / MILLION
        return stage, [group.create_task(machine.keep()) for machine in self.machines.values()]

    async def _app(self, name: str, stage: RealStage) -> App:
        person = self.cast.clients[name]
        proxies = {}
        for gateway in person.gateways:
            proxies[gateway] = await TcpProxy.open(self.nodes.gateways[gateway].target)
        self._proxies += proxies.values()
        ttl_us = int(self.scenario.config.get("intake.ttl-default-ms", 0)) * 1_000
        app = App(name, proxies, self.watch, stage.cover, person.group.credit, ttl_us)
        for each in person.group.subscribe:
            for patterns in each.of(name):
                app.subscribe(patterns, each.since, SlowPolicy(each.policy))
        return app

    async def _until(self, done: Callable[[], bool], within_s: float) -> bool:
        deadline_s = asyncio.get_running_loop().time() + within_s
        while not done():
            if asyncio.get_running_loop().time() > deadline_s:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    async def _sleep_to(self, at_us: int) -> None:
        await asyncio.sleep(max(0, at_us - self.now_us()) / MILLION)

    async def _safety(self, stage: RealStage) -> None:
        settle = self.scenario.settle
        for step in self.steps:
            await self._sleep_to(settle + step.at)
            stage.do(step)
        await self._sleep_to(settle + self.scenario.duration)

    async def _liveness(self, stage: RealStage) -> None:
        figures, names = self.outcome.figures, list(self.cast.nodes)
        stage.heal()
        healed_us = self.now_us()
        stage.say(f"healed for good: {' '.join(names)}")
        ledger = self.watch.ledger.values()
        # None lacks more than all that was published.
        published = Backlog(sum(len(entry.payload) + OVERHEAD_BYTES for entry in ledger), len(ledger), len(ledger))
        bound_us = convergence_us(self.cast, self.network, self.pairs, names, [NodeConfig()], published)
        figures.bound_us = self.scenario.guarantees.converge_within(bound_us)
        converge_by_us = healed_us + slack_us(figures.bound_us)
        while figures.converged_us < 0 and self.now_us() < converge_by_us:
            if await self._are_equal():
                figures.converged_us = self.now_us() - healed_us
            else:
                await asyncio.sleep(LOOK_S)
        if figures.converged_us >= 0:
            await self._finish()
        self._waits = unfinished(self.watch, self.apps)
        for machine in self.machines.values():
            if machine.has_ended:
                self.watch.broken("available", f"{machine.name} ended by itself: {machine.last_words}")

    async def _finish(self) -> None:
        """Nodes are equal: let clients take what is owed to them, until nothing moves any more."""
        patience = Patience(self.now_us() + CLIENTS_US)
        newest, still_since_us = -1, self.now_us()
        while unfinished(self.watch, self.apps) and self.now_us() < patience.last_us:
            news = sum(app.news for app in self.apps.values())
            patience.renew(heard(self.apps.values(), self.watch.ledger), self.now_us())
            if news != newest or not all(app.client.is_attached for app in self.apps.values()):
                newest, still_since_us = news, self.now_us()
            if self.now_us() - still_since_us > STILL_US:
                break
            await asyncio.sleep(LOOK_S)

    async def _are_equal(self) -> bool:
        """Whether all nodes run, are linked, and tell the same digest."""
        if not all(machine.is_up for machine in self.machines.values()):
            return False
        found = await asyncio.gather(*(self.nodes.ask(name) for name in self.machines))
        return all(found) and len({about["digest"] for about in found}) == 1
