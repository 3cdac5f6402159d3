"""What a run on real processes was worth: the contract's promises by the same watch as on the heap, and bounds with slack."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from mesh.io.keys import STORE, load_identity
from mesh.io.store import Store
from mesh.log.names import NameRun
from sim.checkers import SKEW_US, Watch
from sim.diary import DROPS, Diary, Matching, Name
from sim.figures import bounds_of, measure_books
from sim.outcome import Outcome
from sim.proof import of_time
from sim.real.apps import App
from sim.units import MILLION, say_measured, say_seconds, say_us

SLACK_US = 1_500_000
SLACK_TIMES = 2
"""A machine that does other things, too: a bound on time is held as twice itself and a second and a half."""
SEEN_HERE = ("fault/", "gap/", "rejected/")
"""What of `see` this engine counts."""
UNSEEN_MAX = 10


def slack_us(bound_us: int) -> int:
    """A bound on time as it is held here."""
    return SLACK_TIMES * bound_us + SLACK_US


class Stores:
    """Which names the nodes' disks hold, once their processes have ended."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        """Nothing was read yet."""
        self._folder = folder
        self._names = names
        self._runs: list[NameRun] = []

    def read(self) -> None:
        """Read what is there."""
        for name in self._names:
            folder = self._folder / name
            store = Store(folder / STORE, load_identity(folder, time.time_ns() // MILLION).mesh)
            self._runs += store.recovered.names
            store.close(clean=False)

    def places(self, name: Name) -> list[tuple[object, int, int]]:
        """Where a message is: the log, and the first and last position that it may be at."""
        return [
            (run.log, run.from_position, run.to_position)
            for run in self._runs
            if (run.publisher, run.incarnation) == name[:2] and run.first <= name[2] <= run.last
        ]


def unfinished(watch: Watch, apps: Mapping[str, App]) -> list[str]:
    """What clients still wait for."""
    waiting: list[str] = []
    for app in apps.values():
        waiting += app.waits()
    whole = [d for app in apps.values() for d in app.diaries if d.whole and d.policy not in DROPS]
    for diary, matching in zip(whole, watch.matcher.of(watch.ledger, whole), strict=True):
        waiting += _unseen(watch, diary, matching)
    return waiting


def _unseen(watch: Watch, diary: Diary, matching: Matching) -> list[str]:
    now_us = watch.now_us()
    return [
        f"{diary.who} was not shown {name}"
        for name, entry in matching
        if entry.is_acknowledged and name not in diary.seen
        and not (entry.expires_us and now_us + SKEW_US > entry.expires_us)
    ][:UNSEEN_MAX]  # fmt: skip


def judge(outcome: Outcome, watch: Watch, apps: Mapping[str, App], stores: Stores, waits: list[str]) -> None:
    """Hold the contract and the scenario's bounds against what was written down. `waits`: what was still unfinished."""
    figures = outcome.figures
    diaries = [diary for app in apps.values() for diary in app.diaries]
    watch.look("converges")
    if figures.converged_us < 0 or figures.converged_us > slack_us(figures.bound_us):
        after = "never" if figures.converged_us < 0 else f"only after {figures.converged_us / 1e6:.2f} s"
        what = f"all nodes had equal digests {after}; the bound is {say_seconds(figures.bound_us)}"
        watch.broken("converges", what, *outcome.story[-4:])
    watch.look("available")
    for line in waits:
        if "receipt" in line or "begun" in line:
            watch.broken("available", f"{line}, though all has been well for longer than the contract allows")
    whole = [diary for diary in diaries if diary.whole]
    for diary, matching in zip(whole, watch.matcher.of(watch.ledger, whole), strict=True):
        if diary.policy not in DROPS:
            watch.nothing_lost(diary, matching=matching)
        watch.honest_about_gaps(diary, stores.places, matching=matching)
    measure_books(figures, watch.ledger, diaries)
    _bounds(outcome, watch, diaries)
    watch.look_at_the_dead()
    outcome.breaches, outcome.unlisted, outcome.evaluated = watch.breaches, watch.breaches.unlisted, watch.evaluated


def _bounds(outcome: Outcome, watch: Watch, diaries: list[Diary]) -> None:
    """The scenario's own bounds on time, and what it must have seen."""
    guarantees = outcome.scenario.guarantees
    for name, bound in bounds_of(guarantees).items():
        if not name.endswith("_us"):
            continue
        found, most = getattr(outcome.figures, name), slack_us(int(bound))
        watch.look("bounds")
        if found > most or found == -1:
            said = f"{name.removesuffix('_us').replace('_', ' ')} is {say_measured(found)}, and must be at most {say_us(most)}"
            watch.broken("bounds", f"{said} ({say_us(int(bound))} with slack)", *of_time(name, watch, diaries))
    for label in guarantees.see:
        if label.startswith(SEEN_HERE):
            watch.look("bounds")
            if not outcome.coverage.get(label):
                watch.broken("bounds", f"{label} never happened, so this run proves nothing")
    for label in guarantees.never:
        if label.startswith(SEEN_HERE):
            watch.look("bounds")
            times = outcome.coverage.get(label)
            if times:
                watch.broken("bounds", f"{label} must never happen, and did ({times:,})")
