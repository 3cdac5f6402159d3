"""The play: what happens on the stage, in which order, and what is noted of it.

Calm; eu is cut off while both sides go on publishing; a subscriber moves from eu to ap with its cursor; us is cut off,
too, and killed a second later, restarted on what its disk kept; everything heals; ap's gateway is no longer heard for
half a second and then drops its clients, who retry elsewhere; the end, when everyone has everything, or time is up.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

from sim.demo.books import Books, Name
from sim.demo.cast import PATTERN, Publisher, Subscriber
from sim.demo.judge import CONVERGE_S, Facts, Verdict, judge
from sim.demo.plan import ISOLATED_S, RATE_PER_S, SWALLOWED_S, Plan
from sim.demo.screen import LinkView, NodeView, Screen, SubscriberView, View
from sim.demo.stage import REGIONS, WEATHER, Stage

POLL_S = 0.1
STATUS_EVERY_S = 0.3
HISTORY_S = 10.0
CUT, KILLED, SWALLOWED = "eu", "us", "ap"
PUBLISHER_ELSEWHERE = {"eu": (), "us": (), "ap": ("eu",)}
"""us's clients wait for it to come back; ap's go to eu, half of the world away, which has not heard their last names."""
SUBSCRIBERS = {
    "sub-eu": ("eu", ()),
    "sub-us": ("us", ()),
    "sub-ap": ("ap", ("us",)),
    "roamer": ("eu", ()),
}


@dataclass
class Play:
    """One performance."""

    stage: Stage
    plan: Plan
    screen: Screen
    faults: bool = True
    books: Books = field(default_factory=Books)
    facts: Facts = field(default_factory=Facts)
    phase: str = "starting three nodes"

    def __post_init__(self) -> None:
        """Cast the roles."""
        self._loop = asyncio.get_running_loop()
        self._began: float | None = None
        self.facts = Facts(
            faults=self.faults, cut_region=CUT, killed_region=KILLED, swallowed_region=SWALLOWED, mover="roamer"
        )
        self.publishers = [Publisher(r, PUBLISHER_ELSEWHERE[r], RATE_PER_S, self.books, self.now) for r in REGIONS]
        self.subscribers = {
            name: Subscriber(name, region, elsewhere, self.books.diary(name), self.now)
            for name, (region, elsewhere) in SUBSCRIBERS.items()
        }
        self._reading: dict[str, asyncio.Task[None]] = {}

    def now(self) -> float:
        """Seconds since the first publish."""
        return 0.0 if self._began is None else self._loop.time() - self._began

    def _say(self, event: str, text: str, **about: Any) -> None:
        self.screen.say(self.now(), event, text, about)

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(at_s - self.now(), 0))

    # --- the whole ---------------------------------------------------------------------------------------------------

    async def run(self) -> Verdict:
        """Perform, and judge. Raises what breaks it; whoever calls closes the stage."""
        self._say("starting", "three nodes start, in eu, us and ap")
        await self.stage.open()
        self._say("started", "they are linked, each behind proxies", nodes={r: self._pid(r) for r in REGIONS})
        async with asyncio.TaskGroup() as group:
            showing = group.create_task(self._show())
            standing = [self._begin(group, name) for name in self.subscribers]
            await asyncio.gather(*(event.wait() for event in standing))
            curtain = asyncio.Event()
            publishing = [group.create_task(p.run(self.stage, curtain)) for p in self.publishers]
            self._began = self._loop.time()
            curtain.set()
            self._phase("calm", f"calm: {len(publishing)} publishers, {len(standing)} subscribers of {PATTERN}")
            if self.faults:
                await self._cut(group)
                await self._swallow()
            await self._until(self.plan.end_s)
            if not self.faults:
                self.books.heal(self.now())
            for publisher in self.publishers:
                publisher.stop()
            self._phase("settling", "publishers stop; everyone is to end with everything")
            await self._settle(publishing)
            for task in (showing, *self._reading.values()):
                task.cancel()
        return judge(self.books, self.facts)

    def _phase(self, event: str, text: str, **about: Any) -> None:
        self.phase = text
        self._say(event, text, **about)

    def _pid(self, region: str) -> int:
        return self.stage.nodes[region].pid

    def _begin(self, group: asyncio.TaskGroup, name: str) -> asyncio.Event:
        standing = asyncio.Event()
        self._reading[name] = group.create_task(self.subscribers[name].run(self.stage, standing))
        return standing

    # --- episodes ----------------------------------------------------------------------------------------------------

    async def _cut(self, group: asyncio.TaskGroup) -> None:
        """Cut eu off; meanwhile a subscriber moves, and us is killed; then heal."""
        plan, facts = self.plan, self.facts
        await self._until(plan.cut_s)
        facts.cut_s = self.now()
        for link in self.stage.links_of(CUT):
            link.cut()
        self._phase("cut", f"{CUT} is cut off; both sides go on publishing")
        await self._until(plan.move_s)
        await self._move(group)
        await self._until(plan.isolate_s)
        await self._kill()
        await self._until(plan.heal_s)
        facts.lag_cut = self.books.lags(self.now())
        self.books.heal(self.now())
        facts.healed_s = self.now()
        for link in self.stage.links_of(CUT):
            link.heal()
        behind = max(facts.lag_cut.values())
        self._phase("heal", f"the cut heals; subscribers are up to {behind:,} messages behind", lag=facts.lag_cut)

    async def _move(self, group: asyncio.TaskGroup) -> None:
        """The roamer leaves eu and goes on at ap, from its cursor: ahead of ap in eu's log, behind in others."""
        roamer = self.subscribers[self.facts.mover]
        task = self._reading[roamer.name]
        task.cancel()
        await asyncio.wait([task])
        roamer.move(SWALLOWED, "us")
        self._begin(group, roamer.name)
        cursor = roamer.cursor or ""
        self._say("move", f"{roamer.name} moves from {CUT} to {SWALLOWED} with its cursor", cursor=cursor)

    async def _kill(self) -> None:
        """Cut us off, let it acknowledge for a second what nobody else can have, kill it, and start it again."""
        facts, stage = self.facts, self.stage
        before = await stage.ask(KILLED)
        facts.isolated_s = self.now()
        links = stage.links_of(KILLED)
        for link in links:
            link.cut()
        self._say("isolate", f"{KILLED} is cut off, too")
        await asyncio.sleep(ISOLATED_S)
        facts.killed_s = self.now()
        pid = self._pid(KILLED)
        facts.kill_status = await stage.kill(KILLED)
        alone = sum(
            entry.acknowledged_via == KILLED and (entry.acknowledged_s or 0) >= facts.isolated_s
            for entry in self.books.entries.values()
        )
        text = f"{KILLED} gets SIGKILL; {alone} messages acknowledged in its last second, alone"
        self._say("kill", text, pid=pid, acknowledged=alone)
        for link in links:
            if CUT not in (link.one, link.other):
                link.heal()
        await stage.restart(KILLED)
        facts.pids = pid, self._pid(KILLED)
        facts.epochs = str(before.get("epoch", "")), ""
        self._say("restart", f"{KILLED} runs again on what its disk kept", pid=facts.pids[1])

    async def _swallow(self) -> None:
        """Keep from ap's clients what its node says, then drop them: nobody knows what was accepted."""
        facts = self.facts
        await self._until(self.plan.swallow_s)
        gateway = self.stage.gateways[SWALLOWED]
        facts.swallowed_s = self.now()
        gateway.swallow()
        self._phase("swallow", f"receipts of {SWALLOWED} are swallowed for {SWALLOWED_S} s")
        await asyncio.sleep(SWALLOWED_S)
        facts.dropped_s = self.now()
        clients = gateway.drop_clients()
        swallowed = gateway.counts.swallowed
        text = f"{SWALLOWED}'s gateway drops its {clients} clients; they retry at another node"
        self._phase("drop", text, clients=clients, swallowed_bytes=swallowed)

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _settle(self, publishing: list[asyncio.Task[None]]) -> None:
        """Wait until every publish has its receipt and everyone has everything, as long as the contract allows."""
        facts = self.facts
        until_s = max(self.now(), facts.healed_s) + CONVERGE_S
        await asyncio.wait(publishing, timeout=CONVERGE_S)
        while self.now() < until_s:
            if self.books.complete:
                facts.digests = await self._everywhere("digest")
                if len(set(facts.digests.values())) == 1:
                    break
            await asyncio.sleep(STATUS_EVERY_S if self.books.complete else POLL_S)
        facts.digests = facts.digests if self.books.complete else await self._everywhere("digest")
        facts.lag_after = {name: len(diary.missing) for name, diary in self.books.diaries.items()}
        facts.packets_dropped = self.stage.mesh.counts.cut
        if self.faults:
            facts.epochs = facts.epochs[0], str((await self.stage.ask(KILLED)).get("epoch", ""))
        if not self.books.complete:
            self._say("incomplete", "time is up, and messages are missing: which nodes hold them?")
            facts.held = frozenset().union(*await asyncio.gather(*(self._held(region) for region in REGIONS)))

    async def _everywhere(self, key: str) -> dict[str, str]:
        answers = await asyncio.gather(*(self.stage.ask(region) for region in REGIONS))
        return {region: str(about.get(key, "")) for region, about in zip(REGIONS, answers, strict=True)}

    async def _held(self, region: str) -> set[Name]:
        """The names that a node's history shows."""
        from nodes.sdk import Message, connect

        held: set[Name] = set()
        with contextlib.suppress(TimeoutError):
            gateway = f"ws://{self.stage.gateways[region].target}"
            async with asyncio.timeout(HISTORY_S), connect(gateway, timeout=None) as client:
                async for item in client.history(PATTERN, limit=None, since="all"):
                    if isinstance(item, Message):
                        held.add(item.name)
        return held

    # --- what is shown -----------------------------------------------------------------------------------------------

    async def _show(self) -> None:
        while True:
            self.screen.show(self.view())
            await asyncio.sleep(POLL_S)

    def view(self) -> View:
        """The stage as it is now."""
        books, stage, now_s = self.books, self.stage, self.now()
        lags = books.lags(now_s)
        subscribers = [
            SubscriberView(name, self.subscribers[name].via, len(d.seen), len(d.lines) - len(d.seen), lags[name])
            for name, d in books.diaries.items()
        ]
        nodes = [
            NodeView(region, node.ready.get("node", "")[:8], node.pid, region not in stage.restarting)
            for region, node in stage.nodes.items()
        ]
        links = []
        for (one, other), weather in WEATHER.items():
            link = stage.mesh.link(one, other)
            counts = link.counts
            links.append(LinkView(one, other, weather.delay_us // 1_000, link.is_cut, counts.passed, counts.dropped))
        return View(now_s, self.phase, nodes, links, len(books.entries), books.acknowledged, subscribers)
