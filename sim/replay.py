"""Artefacts: a run that can be replayed exactly, in one file.

It holds the scenario, the seed, the steps, every draw, and what came of them. A replay is strict: it makes the same draws
or raises `TapeError`, and its trace must be the recorded one. A tape means something only to the code that made it, so a
file names the version and a fingerprint of the sources of `mesh` and `sim`, and any other is refused.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.errors import TapeError
from sim.heap import Play
from sim.outcome import Outcome
from sim.outputs import put
from sim.safeguards import SAFEGUARDS, off
from sim.scenario.events import Event
from sim.scenario.model import Scenario
from sim.scenario.plan import Say, Step
from sim.tape import Tape

FORMAT = 1
PLANNED = "play/plan"
"""Streams that the plan was drawn from: its steps stand in the file instead."""
SAY_FIELDS = ("at", "client", "channel", "size", "copies", "regions", "ttl", "number")


@dataclass
class Artefact:
    """A recorded run."""

    scenario: Scenario
    seed: int
    steps: list[Step]
    draws: dict[str, list[int]]
    trace: str
    broken: list[str]
    without: tuple[str, ...] = ()
    """The safeguards that were off."""
    stop_at: str = ""

    def play(self, *, recorded: bool = False) -> Play:
        """The run again, not begun yet."""
        tape = Tape(given=self.draws, strict=True)
        return Play(self.scenario, self.seed, tape, self.steps, self.stop_at, recorded)


def fingerprint() -> str:
    """What the sources are that decide how a run goes: BLAKE2b-64 of all of them, in hex."""
    return _fingerprint()


@cache
def _fingerprint() -> str:
    state = blake2b(digest_size=8)
    for package in ("mesh", "sim"):
        for name, source in sorted(_sources(files(package), package)):
            state.update(name.encode())
            state.update(source)
    return state.hexdigest()


def _sources(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in folder.iterdir():
        name = f"{path}/{each.name}"
        if each.is_dir():
            found += _sources(each, name)
        elif each.name.endswith(".py"):
            found.append((name, each.read_bytes()))
    return found


def record(play: Play, outcome: Outcome, without: Sequence[str] = ()) -> Artefact:
    """What has just been played, as an artefact."""
    draws = {label: each for label, each in play.tape.draws.items() if not label.startswith(PLANNED)}
    return Artefact(
        play.scenario,
        play.seed,
        outcome.steps,
        draws,
        outcome.trace,
        outcome.broken,
        tuple(without),
        play.stop_at,
    )


def save(artefact: Artefact, path: Path) -> None:
    """Write a file; gzip where its name ends in `.gz`. Raises `OutputError`."""
    plain = {
        "gossamer-tape": FORMAT,
        "version": version("gossamer"),
        "sources": fingerprint(),
        "seed": artefact.seed,
        "broken": artefact.broken,
        "without": list(artefact.without),
        "stop-at": artefact.stop_at,
        "trace": artefact.trace,
        "scenario": artefact.scenario.model_dump(mode="json", by_alias=True, exclude_none=True),
        "steps": [_step(step) for step in artefact.steps],
        "draws": artefact.draws,
    }
    packed = json.dumps(plain, separators=(",", ":")).encode()
    put(path, gzip.compress(packed, mtime=0) if path.suffix == ".gz" else packed)


def _step(step: Step) -> Any:
    if isinstance(step, Say):
        return [getattr(step, name) for name in SAY_FIELDS]
    return step.model_dump(mode="json", by_alias=True, exclude_none=True)


def load(path: Path) -> Artefact:
    """Read a file. Raises `TapeError` for what is none, and for one that another version recorded."""
    try:
        packed = path.read_bytes()
        plain = json.loads(gzip.decompress(packed) if path.suffix == ".gz" else packed)
    except OSError as error:
        raise TapeError(f"{path}: {error.strerror or error}; expected a file that `sim run --save` wrote") from error
    except (ValueError, EOFError) as error:
        raise TapeError(f"{path}: no tape: {error}; expected a file that `sim run --save` wrote") from error
    if not isinstance(plain, dict) or "gossamer-tape" not in plain:
        raise TapeError(f"{path}: no tape; expected a file that `sim run --save` or `sim shrink` wrote")
    _check_version(path, plain)
    try:
        return Artefact(
            Scenario.model_validate(plain["scenario"]),
            int(plain["seed"]),
            [Say(*step) if isinstance(step, list) else Event.model_validate(step) for step in plain["steps"]],
            {str(label): [int(draw) for draw in draws] for label, draws in plain["draws"].items()},
            str(plain["trace"]),
            [str(promise) for promise in plain["broken"]],
            tuple(str(name) for name in plain["without"] if name in SAFEGUARDS),
            str(plain["stop-at"]),
        )
    except (ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise TapeError(f"{path}: the tape is damaged: {error}".splitlines()[0]) from error


def _check_version(path: Path, plain: dict[str, Any]) -> None:
    ours = (FORMAT, version("gossamer"), fingerprint())
    theirs = (plain.get("gossamer-tape"), plain.get("version"), plain.get("sources"))
    if ours != theirs:
        made, here = (f"gossamer {each[1]} (tape {each[0]}, sources {each[2]})" for each in (theirs, ours))
        raise TapeError(
            f"{path}: recorded by {made}, and this is {here}: a tape replays only with the code that made it. "
            "Check that version out, or play the scenario and its seed again with `gossamer sim run`"
        )


def replay(artefact: Artefact, *, recorded: bool = False) -> tuple[Play, Outcome]:
    """Play an artefact again, strictly. Raises `TapeError` where it goes otherwise."""
    with off(*artefact.without):
        play = artefact.play(recorded=recorded)
        outcome = play.run()
    if outcome.trace != artefact.trace:
        raise TapeError("the run went otherwise than the tape says: its trace differs")
    play.tape.check_used()
    return play, outcome
