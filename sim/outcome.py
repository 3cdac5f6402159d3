"""What came of a run: broken promises, figures, and what happened, in a form that can be kept and sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sim.checkers import Breach
from sim.scenario.model import Scenario
from sim.scenario.plan import Step

COUNTED = frozenset(
    {
        "frames_per_message",
        "copies_per_message",
        "repeats",
        "idle_frames",
        "dials",
        "logs",
        "repair_sessions",
        "connects",
        "asks_per_message",
        "rows",
        "names",
        "wide_bytes",
        "excused",
    }
)
"""Figures that only the heap engine has: nodes are not looked into where they are processes."""

PENDING_MAX = 100
"""So many lines of what is pending are kept; those of clients come first."""


LISTED_MAX = 20
"""Breaches in JSON; more where more promises than that were broken."""


@dataclass
class Figures:
    """Measures of one run. Times are microseconds; -1 stands where there was nothing to measure."""

    messages: int = 0
    acknowledged: int = 0
    deliveries: int = 0
    late: int = 0
    gaps: int = 0
    median_us: int = -1
    p99_us: int = -1
    slowest_us: int = -1
    acknowledge_p99_us: int = -1
    """From publish to its first receipt, which is that of the accepting node."""
    reach_p99_us: int = -1
    """From publish to the receipt of the level that was asked for, of those that it was told."""
    unavailable_us: int = -1
    """The longest that a publisher waited for its first receipt."""
    frames_per_message: float = 0.0
    copies_per_message: float = 0.0
    repeats: float = 0.0
    """Batches that came where they were already, for each that a node had to get."""
    idle_frames: float = 0.0
    """A second and node, in the quiet at the end."""
    dials: int = 0
    logs: int = 0
    """At the end, at the node that knows most."""
    repair_sessions: int = 0
    """That nodes began, all together."""
    connects: int = 0
    """That clients began to gateways, all together."""
    asks_per_message: float = 0.0
    """How often clients asked to publish, for each message."""
    rows: int = 0
    """Batches with their bodies, on the disk that holds most at the end."""
    names: int = 0
    """Lives of publishers, at the node that knows most at the end."""
    wide_bytes: int = 0
    """Between regions."""
    converged_us: int = -1
    """After the last fault."""
    bound_us: int = -1
    """What the contract allows for it."""
    excused: int = 0
    """Messages whose disks were lost beyond what their level survives, or of which nobody knows when they die."""


@dataclass
class Outcome:
    """One run of a scenario with one seed."""

    scenario: Scenario
    seed: int
    engine: str = "heap"
    breaches: list[Breach] = field(default_factory=list)
    unlisted: int = 0
    """Breaches beside these, of kinds that are among them."""
    figures: Figures = field(default_factory=Figures)
    coverage: dict[str, int] = field(default_factory=dict)
    """How often each thing happened."""
    evaluated: dict[str, int] = field(default_factory=dict)
    """How often each promise was looked at."""
    pending: list[str] = field(default_factory=list)
    """What clients still wait for and what the core could not finish, and why that is no breach."""
    story: list[str] = field(default_factory=list)
    """What was done to the world, with its time."""
    steps: list[Step] = field(default_factory=list)
    """All that was planned, drawn faults and publishes included."""
    trace: str = ""
    events: int = 0
    ticks: int = 0
    simulated_us: int = 0
    budget: dict[str, str] = field(default_factory=dict)
    """For each durability level, how many losses it survives in this topology."""

    @property
    def is_kept(self) -> bool:
        """Whether every promise was kept."""
        return not self.breaches

    @property
    def broken(self) -> list[str]:
        """The promises that were broken, each once, in order."""
        return list(dict.fromkeys(breach.promise for breach in self.breaches))

    def to_json(self) -> dict[str, Any]:
        """Plain values; without scenario and steps, which are files of their own. None: this engine does not measure it."""
        is_counted, figures = self.engine == "heap", asdict(self.figures)
        if not is_counted:
            figures |= dict.fromkeys(COUNTED)
        return {
            "title": self.scenario.title,
            "seed": self.seed,
            "engine": self.engine,
            "kept": self.is_kept,
            "broken": self.broken,
            "breach_count": len(self.breaches) + self.unlisted,
            "breaches": [asdict(breach) for breach in foremost(self.breaches, LISTED_MAX)],
            "figures": figures,
            "coverage": dict(sorted(self.coverage.items())),
            "evaluated": dict(sorted(self.evaluated.items())),
            "pending": self.pending[:PENDING_MAX],
            "story": self.story[:1_000],
            "trace": self.trace if is_counted else None,
            "events": self.events if is_counted else None,
            "ticks": self.ticks if is_counted else None,
            "simulated_us": self.simulated_us,
            "budget": self.budget,
        }


def foremost(breaches: Sequence[Breach], most: int) -> list[Breach]:
    """The first breach of each promise, however many, and after them the next in order, up to `most` in all."""
    first: dict[str, Breach] = {}
    for breach in breaches:
        first.setdefault(breach.promise, breach)
    shown = list(first.values())
    rest = (breach for breach in breaches if breach is not first[breach.promise])
    return [*shown, *(breach for breach, _ in zip(rest, range(most - len(shown)), strict=False))]


def say_more(outcome: Outcome, shown: int) -> str:
    """How many breaches there are beside those that are shown; nothing where there are none."""
    more = len(outcome.breaches) + outcome.unlisted - shown
    return f"… and {more:,} more" if more > 0 else ""
