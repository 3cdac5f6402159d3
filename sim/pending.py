"""What is not finished at the end of a run and breaks no promise: what clients still wait for, and why it does not come.

A node counts the copies of those that it is linked with and its own, so that what is asked for above that is never reached.
It is told in one line for each client, level and reason, however many messages wait.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mesh.log.batch import OVERHEAD_BYTES
from sim.contract import Backlog, counted_by
from sim.diary import say_name
from sim.units import MILLION

if TYPE_CHECKING:
    from mesh.client.outbox import Held
    from sim.diary import Diary, Ledger, Name
    from sim.heap import Play
    from sim.machine import Machine
    from sim.workload import App

NAMES_MAX = 4
"""A line names so many nodes or regions that are counted."""
AWAY = "it cannot reach the core"
CLIENTS_US = 30 * MILLION
"""What clients may take beyond the mesh's convergence: a back-off of 10 s, an attach, and what waited for a missing log."""
STILL_US = 6 * MILLION
"""And beyond that, as long as no more than so much passes without anything that is new: a slow reader has its time ..."""
EACH_US = MILLION
"""... and each thing that is new lengthens it by no more than this: a node that drips is not waited for."""


@dataclass
class Patience:
    """Until when each client is waited for."""

    until_us: int
    """For who hears nothing that is new."""
    _until: dict[str, int] = field(default_factory=dict)
    _heard: dict[str, int] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    def renew(self, heard: Mapping[str, int], now_us: int) -> None:
        """So much came to each of them by now."""
        for who, count in heard.items():
            more = count - self._heard.get(who, 0)
            until_us = self._until.get(who, self.until_us)
            self._heard[who] = count
            self._until[who] = max(until_us, min(until_us + more * EACH_US, now_us + STILL_US))

    def ran_out(self, now_us: int) -> set[str]:
        """Whose time is over, each of them once."""
        over = {who for who, until_us in self._until.items() if until_us <= now_us} - self._asked
        self._asked |= over
        return over

    @property
    def asked(self) -> set[str]:
        """Whose time was over by then."""
        return set(self._asked)

    @property
    def last_us(self) -> int:
        """When nobody is waited for any more."""
        return max(self.until_us, *self._until.values(), 0)


def unsent(play: Play, nodes: Collection[str]) -> Backlog:
    """What clients hold that some nodes have nowhere, where they can be reached: it comes to them.

    What one client brings stands together in a log.
    """
    machines = [play.world.machines[name] for name in nodes]
    found = Backlog()
    for app in play.apps.values():
        if set(nodes).isdisjoint(app.gateways):  # those of now: at the end a client of the core is limited to the core
            continue
        names = [(app.name, app.client.incarnation, sequence) for sequence, _ in app.waiting()]
        brought = [name for name in names if not any(machine.has(name) for machine in machines)]
        sizes = [len(app.ledger[name].payload) + OVERHEAD_BYTES for name in brought]
        found += Backlog(sum(sizes), len(sizes), bool(sizes), max(sizes, default=0))
    return found


class Audience(Protocol):
    """A client, of either engine."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def books(self) -> list[Diary]:
        """What its subscriptions were shown."""


def heard(apps: Iterable[Audience], ledger: Ledger) -> dict[str, int]:
    """How much came to each client: what it was shown, each once, and receipts of the levels that it asked for.

    Where places are followed, those: much that comes may be copies of what it was shown, which its client keeps to itself.
    """
    found = {app.name: sum(diary.heard.count or len(diary.seen) for diary in app.books) for app in apps}
    for name, entry in ledger.items():
        if name[0] in found and entry.reached_us >= 0:
            found[name[0]] += 1
    return found


def reaches(play: Play, app: App) -> bool:
    """Whether a client can reach the core."""
    return bool(set(play.cast.clients[app.name].gateways) & set(play.core))


def receipts(play: Play, app: App) -> Iterator[tuple[int, Held, str]]:
    """Each publish of a client that has not reached its level, and why the core cannot give it that; no words if it could."""
    gateway, is_away = app.client.gateway, not reaches(play, app)
    counted = counted_by(gateway, play.core, play.pairs)
    regions = list(dict.fromkeys(play.cast.nodes[name].region for name in counted))
    who, of = ("the core", "") if len(counted) == len(play.core) else (gateway, " of the core")
    for sequence, held in app.waiting():
        why = ""
        if is_away:
            why = AWAY
        elif held.copies > len(counted):
            why = f"{who} counts {len(counted)}{of} ({_some(counted)})"
        elif held.regions > len(regions):
            why = f"{who} counts {len(regions)}{of} ({_some(regions)})"
        elif play.has_lost((app.name, app.client.incarnation, sequence)):
            why = "only others than the core hold it still"
        elif _takes_nothing(play.world.machines.get(gateway), (app.name, app.client.incarnation, sequence)):
            why = f"{gateway} has begun as many logs as it may in an hour, and takes nothing new"
        yield sequence, held, why


def _takes_nothing(machine: Machine | None, name: Name) -> bool:
    """Whether a node has no log to write in, and may begin none, for each append that failed had cost it one."""
    node = machine.node if machine is not None else None
    if node is None or node.intake.epoch is not None:
        return False
    if len(node.intake.opened_us) < node.intake.config.epochs_per_hour_max:
        return False
    # What lies there beside what was lost in the same run it would seal anew: it does not know which of their names it has.
    runs = node.holdings.names.find(*name)
    return not any(node.holdings.received_of(run.log).covers(run.from_position, run.to_position) for run in runs)


def waits(play: Play, app: App) -> Iterator[str]:
    """What a client waits for in vain without a breach, each level and reason once."""
    found: dict[tuple[str, str], list[int]] = {}
    for sequence, held, why in receipts(play, app):
        if why:
            found.setdefault((_level(held), why), []).append(sequence)
    for (level, why), sequences in found.items():
        first = say_name((app.name, app.client.incarnation, sequences[0]))
        what = first if len(sequences) == 1 else f"{len(sequences):,} messages, the first {first}"
        yield f"{app.name} waits for {level} of {what}: {why}"
    if not reaches(play, app):
        late = sum(not diary.began for diary in app.diaries.values())
        yield from [f"{app.name} waits for the beginning of {late} of its subscriptions: {AWAY}"] if late else []
        yield from [f"{app.name} waits for history: {AWAY}"] if play.stage.readers.waiting(app) else []


def _level(held: Held) -> str:
    asked = ("copies", held.copies), ("regions", held.regions)
    return " ".join(f"{what}:{count}" for what, count in asked if count > 1) or "local"


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMES_MAX]) + (", …" if len(names) > NAMES_MAX else "")
