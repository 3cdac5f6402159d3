"""The mutation table: each safeguard turned off, the first seed that notices, and the smallest run that proves it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sim.errors import SimError
from sim.heap import Play
from sim.safeguards import Safeguard, off
from sim.scenario.reading import find, read
from sim.shrink import Shrinker

MISFITS = frozenset({"TypeError", "AttributeError", "NameError"})
"""What a patch raises that no longer fits what it patches: it would be found at once, and prove nothing."""
EVENTS_MAX = 12
"""A proof that nobody can read proves little."""


@dataclass(frozen=True, slots=True)
class Trophy:
    """What came of hunting for one safeguard."""

    name: str
    about: str
    profile: str
    within: int
    """It has to be found within so many seeds ..."""
    seed: int = -1
    """... and was found with this one, the first being 0; -1: it was not."""
    promise: str = ""
    steps: int = 0
    """Of the run that found it."""
    events: int = 0
    """Of the smallest run that still shows it ..."""
    nodes: int = 0
    draws: int = 0
    """... and the draws in it that matter."""
    runs: int = 0
    proof: str = ""
    fails_with_it: str = ""
    """What breaks in that run with the safeguard on: then it proves nothing."""

    @property
    def is_proof(self) -> bool:
        """Whether it was found, and shrunk to what a person can read, which breaks without the safeguard alone."""
        return self.seed >= 0 and 0 < self.events <= EVENTS_MAX and not self.fails_with_it

    def line(self) -> str:
        """In a line."""
        if self.seed < 0:
            return f"{self.name:26} NOT FOUND within {self.within} seeds of {self.profile}"
        if self.fails_with_it:
            return f"{self.name:26} seed {self.seed} PROVES NOTHING: with it on, too, breaks {self.fails_with_it}"
        return (
            f"{self.name:26} {self.promise}: seed {self.seed} of {self.within} ({self.profile}), "
            f"{self.steps} steps -> {self.events} events on {self.nodes} nodes, {self.runs} runs"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "is_proof": self.is_proof}


def hunt(safeguard: Safeguard) -> Trophy:
    """Play seeds without a safeguard until a promise is seen to be broken, and shrink that run."""
    scenario = read(find(safeguard.profile))
    known = (safeguard.name, safeguard.about, safeguard.profile, safeguard.seeds)
    for seed in range(safeguard.seeds):
        with off(safeguard.name):
            outcome = Play(scenario, seed).run()
        misfits = [breach.about for breach in outcome.breaches if breach.kind in MISFITS]
        if misfits:
            raise SimError(f"the switch of {safeguard.name} does not fit the code any more: {misfits[0]}")
        broken = [promise for promise in outcome.broken if promise in safeguard.breaks]
        if not broken:
            continue
        small = Shrinker(scenario, seed, broken[0], (safeguard.name,)).run(outcome.steps)
        if small is None:
            return Trophy(*known, seed, broken[0], len(outcome.steps))
        proof, with_it = small.breach.about, Play(small.scenario, seed).run()
        fails = with_it.breaches[0].about if with_it.breaches else ""
        nodes, draws = len(small.scenario.topology.node), sum(map(len, small.tape.values()))
        return Trophy(*known, seed, broken[0], small.before, small.events, nodes, draws, small.runs, proof, fails)
    return Trophy(*known)


def table(trophies: list[Trophy]) -> str:
    """The table in Markdown."""
    lines = [
        "| safeguard | without it | promise broken | profile | first seed (of) | steps | events | nodes | draws |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in trophies:
        found = f"{each.seed} ({each.within})" if each.seed >= 0 else f"none ({each.within})"
        lines.append(
            f"| `{each.name}` | {each.about} | {each.promise or '–'} | `{each.profile}` | {found} | {each.steps} | "
            f"{each.events} | {each.nodes} | {each.draws} |"
        )
    return "\n".join(lines)
