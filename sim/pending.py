"""What is not finished at the end of a run and breaks no promise: what clients still wait for, and why it does not come.

A node counts the copies of those that it is linked with and its own, so that what is asked for above that is never reached.
It is told in one line for each client, level and reason, however many messages wait.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mesh.log.batch import OVERHEAD_BYTES
from sim.contract import Backlog, counted_by
from sim.diary import say_name
from sim.units import MILLION

if TYPE_CHECKING:
    from mesh.client.outbox import Held
    from sim.diary import Diary, Ledger
    from sim.heap import Play
    from sim.scenario.cast import Cast
    from sim.workload import App

NAMES_MAX = 4
"""A line names so many nodes or regions that are counted."""
AWAY = "it cannot reach the core"
CLIENTS_US = 30 * MILLION
"""What clients may take beyond the mesh's convergence: a back-off of 10 s, an attach, and what waited for a missing log."""


STILL_US = 6 * MILLION
"""And beyond that, as long as no more than so much passes without anything that is new: a slow reader has its time."""


@dataclass
class Patience:
    """Until when clients are waited for."""

    until_us: int
    _heard: int = 0

    def renew(self, heard: int, now_us: int) -> None:
        """So much came to all of them by now."""
        if heard > self._heard:
            self._heard, self.until_us = heard, max(self.until_us, now_us + STILL_US)


def unsent(ledger: Ledger, cast: Cast, nodes: Collection[str]) -> Backlog:
    """What clients have published and no node has acknowledged, where some nodes can be reached: it comes to them.

    What one client brings stands together in a log; what a forger made up is nobody's.
    """
    near = {name for name, client in cast.clients.items() if not set(nodes).isdisjoint(client.gateways)}
    waiting = {
        name: entry
        for name, entry in ledger.items()
        if name[0] in near and entry.first_told_us < 0 and not entry.refused
    }
    size = sum(len(entry.payload) + OVERHEAD_BYTES for entry in waiting.values())
    return Backlog(size, len(waiting), len({name[:2] for name in waiting}))


class Audience(Protocol):
    """A client, of either engine."""

    @property
    def books(self) -> list[Diary]:
        """What its subscriptions were shown."""


def heard(apps: Iterable[Audience], ledger: Ledger) -> int:
    """How much came to clients: what subscriptions were shown, each once, and receipts of the levels that were asked for."""
    shown = sum(len(diary.seen) for app in apps for diary in app.books)
    return shown + sum(entry.reached_us >= 0 for entry in ledger.values())


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
        yield sequence, held, why


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
