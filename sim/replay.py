"""Artefacts: a run that can be replayed exactly, in one file.

It holds the scenario with the round trips between its regions, the seed, the steps, every draw, and what came of them. A
replay is strict: it makes the same draws or raises `TapeError`, and its trace must be the recorded one. A tape means
something only to the code that made it, so a file names the version and a fingerprint of the sources of `mesh` and `sim`,
and any other is refused.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from mesh.codes import Code
from sim.errors import ScenarioError, TapeError
from sim.heap import Play
from sim.outcome import Outcome
from sim.outputs import put
from sim.safeguards import SAFEGUARDS, off
from sim.scenario.building import config_of, with_round_trips
from sim.scenario.cast import Cast, CastError
from sim.scenario.events import Event
from sim.scenario.model import Scenario
from sim.scenario.plan import PUBLISHED_BYTES_MAX, STEPS_MAX, Say, Step
from sim.scenario.quantities import MESSAGE_BYTES_MAX
from sim.scenario.reading import from_tables
from sim.tape import Tape
from sim.worded import expected, problem

FORMAT = 2
"""2: the round trips of a matrix stand in the scenario."""
PLANNED = "play/plan"
"""Streams that the plan was drawn from: its steps stand in the file instead."""
TAPE_BYTES_MAX = 256 << 20
"""Unpacked: hours of a large mesh."""
GZIP = b"\x1f\x8b"
NUMBER_MAX = (1 << 63) - 1
DRAW_MAX = (1 << 64) - 1
SHOWN_MAX, WORDS_MAX = 60, 300
EXPECTED = "expected a file that `sim run --save` or `sim shrink --save` wrote"
WHOLE = "a tape as `sim run --save` or `sim shrink --save` wrote it, with nothing left out"
SAY_FIELDS = ("at", "client", "channel", "size", "copies", "regions", "ttl", "number")


Number = Annotated[int, Field(ge=0, le=NUMBER_MAX)]
Count = Annotated[int, Field(ge=1, le=NUMBER_MAX)]
Draw = Annotated[int, Field(ge=0, le=DRAW_MAX)]
_SAY: TypeAdapter[tuple[int, str, str, int, int, int, int, int]] = TypeAdapter(
    tuple[Number, str, str, Annotated[int, Field(ge=0, le=MESSAGE_BYTES_MAX)], Count, Count, Number, Number]
)


class _Said(BaseModel):
    """A tape as it stands in a file; what its scenario and its steps mean is looked at afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=lambda name: name.replace("_", "-"))

    gossamer_tape: int
    version: str
    sources: str
    seed: Number
    broken: list[str]
    without: list[str]
    stop_at: str
    trace: str
    scenario: dict[str, Any]
    steps: Annotated[list[Any], Field(max_length=STEPS_MAX)]
    draws: dict[str, list[Draw]]
    check: str


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
    """What has just been played, on a tape that records, as an artefact."""
    assert play.tape.recording, "there is nothing on its tape"
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
        "scenario": with_round_trips(artefact.scenario).model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "steps": [_step(step) for step in artefact.steps],
        "draws": artefact.draws,
    }
    packed = json.dumps({**plain, "check": _check_of(plain)}, separators=(",", ":")).encode()
    put(path, gzip.compress(packed, mtime=0) if path.suffix == ".gz" else packed)


def _check_of(plain: dict[str, Any]) -> str:
    """A sum of all that a tape says beside it: BLAKE2b-64 in hex, of JSON with sorted keys."""
    said = {name: each for name, each in plain.items() if name != "check"}
    return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=8).hexdigest()


def _step(step: Step) -> Any:
    if isinstance(step, Say):
        return [getattr(step, name) for name in SAY_FIELDS]
    return step.model_dump(mode="json", by_alias=True, exclude_none=True)


def load(path: Path) -> Artefact:
    """Read a file. Raises `TapeError` for what is none, and for one that another version recorded."""
    try:
        plain = from_json(_unpacked(path))
    except (ValueError, MemoryError) as error:
        raise TapeError(f"{path}: no tape: {error}; {EXPECTED}") from error
    if not isinstance(plain, dict) or "gossamer-tape" not in plain:
        raise TapeError(f"{path}: no tape; {EXPECTED}")
    _check_version(path, plain)
    try:
        said = _Said.model_validate(plain)
        artefact = _artefact(said)
    except ValidationError as error:
        raise _damaged(path, *_first(error)) from error
    except CastError as error:
        raise _damaged(path, _dotted(error.loc), error.problem, error.expected) from error
    except ScenarioError as error:
        raise _damaged(path, "scenario", error.problem, error.expected) from error
    if said.check != _check_of(plain):
        raise TapeError(
            f"{path}: the tape was changed after it was written, and its run with it; expected what `check` says. "
            "To play something else, change a scenario file and `gossamer sim run` it"
        )
    return artefact


def is_tape(path: Path) -> bool:
    """Whether a file is none but a tape can be, by its first bytes: a scenario begins otherwise. `load` says more."""
    begun = _begun(path) if path.is_file() else b""
    return begun == GZIP or begun.startswith(b"{")


def _begun(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(GZIP))


def _unpacked(path: Path) -> bytes:
    """What a file holds. Raises `TapeError`, also for one that would unpack to more than anybody recorded."""
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise TapeError(f"{path}: it is no file; {EXPECTED}")
    try:
        with gzip.open(path) if _begun(path) == GZIP else path.open("rb") as file:
            packed = file.read(TAPE_BYTES_MAX + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TapeError(f"{path}: no tape: {error}; {EXPECTED}") from error
    except OSError as error:
        raise TapeError(f"{path}: {error.strerror or error}; {EXPECTED}") from error
    if len(packed) > TAPE_BYTES_MAX:
        raise TapeError(f"{path}: the tape is too large; expected at most {TAPE_BYTES_MAX >> 20} MiB")
    return packed


def _artefact(said: _Said) -> Artefact:
    """What a tape says, once all of it makes sense. Raises `ValidationError`, `CastError` or `ScenarioError`."""
    scenario = from_tables(said.scenario)
    config_of(scenario.config)
    for group in scenario.topology.node:
        config_of(group.profile)
    unknown = [name for name in said.without if name not in SAFEGUARDS]
    if unknown:
        raise CastError(("without",), f"{unknown[0]!r} is no safeguard", "one of `gossamer sim safeguards --list`")
    cast = Cast(scenario)
    steps = [_step_of(cast, ("steps", index), step) for index, step in enumerate(said.steps)]
    size = sum(_published_bytes(cast, step) for step in steps)
    if size > PUBLISHED_BYTES_MAX:
        raise CastError(("steps",), f"they publish {size:,} bytes", f"at most {PUBLISHED_BYTES_MAX:,}")
    return Artefact(scenario, said.seed, steps, said.draws, said.trace, said.broken, tuple(said.without), said.stop_at)


def _step_of(cast: Cast, place: tuple[str | int, ...], step: Any) -> Step:
    """A step, if everybody in it exists."""
    if isinstance(step, dict):
        try:
            event = Event.model_validate(step)
        except ValidationError as error:
            where, *told = _first(error)
            raise CastError((*place, where) if where else place, *told) from error
        cast.check_event(event, place)
        return event
    try:
        say = Say(*_SAY.validate_python(step))
    except ValidationError as error:
        raise CastError(place, _short(step), f"an event, or {', '.join(SAY_FIELDS)} of a message") from error
    if say.client not in cast.clients:
        raise CastError(place, f"no client is called {say.client!r}", "one of the scenario's clients")
    if say.copies > len(cast.nodes):
        raise CastError(place, f"copies = {say.copies}", f"at most the {len(cast.nodes)} nodes that there are")
    return say


def _published_bytes(cast: Cast, step: Step) -> int:
    if isinstance(step, Say):
        return step.size
    if step.publish is None:
        return 0
    return step.publish.bytes_ * step.publish.count * len(cast.clients_of(step.publish.client))


def _damaged(path: Path, place: str, found: str, wanted: str) -> TapeError:
    said = f"{place}: {found}" if place else found
    return TapeError(f"{path}: the tape is damaged: {said[:WORDS_MAX]}; expected {wanted[:WORDS_MAX]}")


def _first(error: ValidationError) -> tuple[str, str, str]:
    """Where something is wrong, what, and what was expected."""
    first = error.errors(include_url=False)[0]
    return _dotted(first["loc"]), problem(first, _short(first["input"])), expected(first) or WHOLE


def _dotted(place: tuple[str | int, ...]) -> str:
    return ".".join(str(part)[:SHOWN_MAX] for part in place)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= SHOWN_MAX else f"{said[: SHOWN_MAX - 1]}…"


def _check_version(path: Path, plain: dict[str, Any]) -> None:
    form = plain["gossamer-tape"]
    if not isinstance(form, int) or isinstance(form, bool):  # no version has such, though it may read as ours
        raise _damaged(path, "gossamer-tape", _short(form), "a whole number")
    ours = (FORMAT, version("gossamer"), fingerprint())
    theirs = (plain.get("gossamer-tape"), plain.get("version"), plain.get("sources"))
    if ours != theirs:
        made, here = (f"gossamer {each[1]} (tape {each[0]}, sources {each[2]})" for each in (theirs, ours))
        raise TapeError(
            f"{path}: recorded by {made}, and this is {here}: a tape replays only with the code that made it. "
            "Check that version out, or play the scenario and its seed again with `gossamer sim run`",
            Code.TAPE_FOREIGN,
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
