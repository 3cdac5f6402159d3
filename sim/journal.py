"""Journals: what each seed of a sweep came to, a line of JSON for each, written as it comes.

The first line is the *heading*: all that decides what a seed comes to. That is the scenario with what it includes, in
its canonical form; the round trips that its matrix holds; what was taken away (`--without`); the engine; and the
fingerprint of the sources. A journal of anything else is refused with what differs: its results say nothing of what is
asked now. A line that was torn, because the power failed while it was written, is cut off, and its seed is played again.
Each sweep that writes on a journal also notes which seeds it was *asked* for, all shards of them, so that who merges
the journals of shards knows what is missing. Whatever else is no line of a journal is refused with its place: a file is
never taken for what it is not.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import blake2b
from importlib.metadata import version
from io import FileIO
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, from_json

from mesh.codes import Code
from sim.differences import differences, short
from sim.errors import JournalError, OutputError
from sim.outputs import unwritable
from sim.replay import fingerprint
from sim.scenario.building import round_trips_of
from sim.scenario.labels import LOOKED_AT
from sim.scenario.model import Scenario
from sim.seeds import Seeds, seeds_of
from sim.worded import expected, problem

FORMAT = 2
KEY = "gossamer-journal"
LINE_BYTES_MAX = 16 << 20
"""No result is so long: a witness has a few lines."""
NUMBER_MAX = (1 << 63) - 1
TEXT_MAX = 100_000
DIFFERENCES_MAX = 3
RESULT = "the result of a seed, as a sweep writes it"
ADDED = "constrained-int", "[key]"
"""What the validation adds to a place, and no line has."""
OF_SCENARIO = "scenario", "round-trips"
"""What a heading has of a scenario: of another one nearly all of it differs."""

Number = Annotated[int, Field(ge=0, le=NUMBER_MAX)]
Seconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=TEXT_MAX)]
Figure = (
    Annotated[int, Field(ge=-1, le=NUMBER_MAX)] | Annotated[float, Field(ge=-1, le=NUMBER_MAX, allow_inf_nan=False)]
)


def _known(promise: str) -> str:
    if promise not in LOOKED_AT:
        raise PydanticCustomError("no_promise", "no promise is called so")
    return promise


Promise = Annotated[Text, AfterValidator(_known)]


@dataclass
class Result:
    """What one seed came to, small enough to be sent and kept."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    seed: Number
    broken: list[Promise]
    about: Text = ""
    witness: list[Text] = field(default_factory=list)
    trace: Text = ""
    events: Number = 0
    simulated_us: Number = 0
    seconds: Seconds = 0.0
    coverage: dict[Text, Number] = field(default_factory=dict)
    evaluated: dict[Text, Number] = field(default_factory=dict)
    figures: dict[Text, Figure] = field(default_factory=dict)


_RESULT = TypeAdapter(Result)


@dataclass
class Asked:
    """A line that is no result: which seeds a sweep was asked for, and which share of them."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    asked: Text
    shard: Text

    @property
    def seeds(self) -> Seeds:
        """Them. Raises `ValueError`."""
        return seeds_of(self.asked, self.shard)


_ASKED = TypeAdapter(Asked)


@dataclass(frozen=True)
class Subject:
    """All that decides what a seed comes to."""

    scenario: Scenario
    without: tuple[str, ...] = ()

    @cached_property
    def heading(self) -> dict[str, Any]:
        """It as plain values, the same for whatever says the same."""
        trips = {f"{a} {b}": us for (a, b), us in sorted(round_trips_of(self.scenario).items())}
        # The matrix is a file that may lie elsewhere on another machine; what stands in it is among the round trips.
        left_out: Any = {"include": True, "topology": {"matrix"}}
        return {
            KEY: FORMAT,
            "version": version("gossamer"),
            "sources": fingerprint(),
            "engine": "heap",
            "without": sorted(set(self.without)),
            "round-trips": trips,
            "scenario": self.scenario.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=left_out),
        }


class Journal:
    """A file of results of one subject. `results` reads it; `open` makes it fit to be written on."""

    def __init__(self, path: Path, subject: Subject) -> None:
        """Nothing is read yet."""
        self.path, self.subject = path, subject
        self.asked: list[Seeds] = []
        """What it was asked for, once it has been read."""
        self._whole_bytes = 0
        """Where the last line ends that was written to its end ..."""
        self._read_bytes = 0
        """... and where the file ended."""

    @property
    def _heading(self) -> bytes:
        return json.dumps(self.subject.heading).encode() + b"\n"

    def results(self) -> Iterator[tuple[int, Result]]:
        """What it holds, each with its line; nothing where there is no file yet. Raises `JournalError`."""
        self._whole_bytes = self._read_bytes = 0
        self.asked.clear()
        if not self.path.exists():
            return
        if not self.path.is_file():  # a pipe would be waited for
            raise JournalError(
                str(self.path), 0, "it is no file", "a journal that `gossamer sim sweep --journal` wrote"
            )
        try:
            with self.path.open("rb") as lines:
                if self._check_heading(lines):
                    yield from self._read(lines)
                self._read_bytes = lines.tell()
        except OSError as error:
            raise JournalError(
                str(self.path), 0, error.strerror or str(error), "a journal that `gossamer sim sweep --journal` wrote"
            ) from error

    def _check_heading(self, lines: BinaryIO) -> bool:
        """Whether it is a journal of our subject, and not one that has only been begun. Raises `JournalError`."""
        line = lines.readline(LINE_BYTES_MAX)
        if not line.endswith(b"\n") and (self._heading.startswith(line) or not line.strip(b"\0")):
            return False
        try:
            heading = from_json(line)
        except ValueError:
            heading = None
        if not isinstance(heading, dict) or KEY not in heading:
            raise JournalError(
                str(self.path), 1, "this is no journal", "a file that `gossamer sim sweep --journal` wrote, or none"
            )
        found = _foreign(heading, self.subject.heading)
        if found:
            raise JournalError(
                str(self.path),
                1,
                found,
                "the journal of what is swept now: give another file, or remove this one",
                Code.JOURNAL_FOREIGN,
            )
        self._whole_bytes = len(line)
        return True

    def _read(self, lines: BinaryIO) -> Iterator[tuple[int, Result]]:
        number = 1
        while line := lines.readline(LINE_BYTES_MAX):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) < LINE_BYTES_MAX:
                    return  # it was torn while it was written
                raise JournalError(str(self.path), number, "the line is too long", f"at most {LINE_BYTES_MAX} bytes")
            result = None
            try:
                if line.startswith(b'{"asked"'):
                    self.asked.append(_ASKED.validate_json(line).seeds)
                else:
                    result = _RESULT.validate_json(line)
            except ValidationError as error:
                raise JournalError(str(self.path), number, *_said(error)) from error
            except ValueError as error:
                raise JournalError(
                    str(self.path), number, str(error), "the seeds that a sweep was asked for"
                ) from error
            self._whole_bytes += len(line)
            if result is not None:
                yield number, result

    def open(self, seeds: Seeds) -> FileIO:
        """Cut off what was torn, write what it is of and what it is asked for, and go on behind it. After `results`.

        Raises `OutputError`.
        """
        asked = json.dumps(asdict(Asked(str(seeds), seeds.shard))).encode() + b"\n"
        try:
            kept = self.path.open("ab", buffering=0)  # nothing is left to be written when it is closed
            self._take(kept)
            kept.truncate(self._whole_bytes)
            _append(kept, (b"" if self._whole_bytes else self._heading) + (b"" if seeds in self.asked else asked))
        except OSError as error:
            raise unwritable(self.path, error) from error
        return kept

    def _take(self, kept: FileIO) -> None:
        """Nobody else may write on it, nor have written since it was read. Raises `JournalError`."""
        try:
            fcntl.flock(kept, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.fstat(kept.fileno()).st_size == self._read_bytes
        except BlockingIOError:
            is_ours = False
        if not is_ours:
            kept.close()
            raise JournalError(str(self.path), 0, "another sweep writes on it", "a file for each sweep")

    def write(self, kept: FileIO, result: Result) -> None:
        """Add a result. Raises `OutputError`."""
        try:
            _append(kept, json.dumps(asdict(result)).encode() + b"\n")
            is_there = os.fstat(kept.fileno()).st_nlink > 0
        except OSError as error:
            raise unwritable(self.path, error) from error
        if not is_there:  # what is written on it is nowhere
            raise OutputError(str(self.path), 0, "it was deleted while a sweep wrote on it", "a file that stays")


def _foreign(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """What a heading says otherwise than ours, if anything; of another scenario its title says more than all of its keys."""
    there, here = (
        said.get("title") if isinstance(said := each.get("scenario"), dict) else None for each in (theirs, ours)
    )
    parts: list[str] = []
    is_other = there is not None and there != here
    if is_other:
        parts = [f"it is of {short(there)!r}, and this is {short(here)!r}"]
        theirs, ours = ({key: said for key, said in each.items() if key not in OF_SCENARIO} for each in (theirs, ours))
    found = list(differences(theirs, ours))
    if not parts and not found:
        return ""
    more = f", and {len(found) - DIFFERENCES_MAX} more" if len(found) > DIFFERENCES_MAX else ""
    what = "scenario" if is_other else "sweep"
    return f"this is the journal of another {what}: {'; '.join([*parts, *found[:DIFFERENCES_MAX]])}{more}"


def _append(kept: FileIO, written: bytes) -> None:
    """Write all of it; a disk may take a part, and refuse the rest."""
    while written:
        written = written[kept.write(written) :]


class Gathered:
    """The results of several journals, each seed once. Two that differ for one seed are refused: that must never be."""

    def __init__(self) -> None:
        """None yet."""
        self._found: dict[int, tuple[bytes, Journal, int]] = {}

    def __contains__(self, seed: int) -> bool:
        """Whether a seed has been found."""
        return seed in self._found

    def of(self, journal: Journal, wanted: Callable[[int], bool]) -> Iterator[Result]:
        """What a journal holds of what is wanted, and none before it held. Raises `JournalError`."""
        for line, result in journal.results():
            if not wanted(result.seed):
                continue
            digest = _digest(result)
            before, where, at = self._found.setdefault(result.seed, (digest, journal, line))
            if (where, at) == (journal, line):
                yield result
            elif before != digest:
                raise _two_ways(result, journal, line, where, at)


def _digest(result: Result) -> bytes:
    """Of all that a seed decides: not of how long it took."""
    said = {key: value for key, value in asdict(result).items() if key != "seconds"}
    return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=8).digest()


def _two_ways(result: Result, journal: Journal, line: int, where: Journal, at: int) -> JournalError:
    before = next(found for number, found in Journal(where.path, where.subject).results() if number == at)
    theirs, ours = asdict(before), asdict(result)
    theirs["seconds"] = ours["seconds"]
    found = list(differences(theirs, ours))[:DIFFERENCES_MAX]
    return JournalError(
        str(journal.path),
        line,
        f"seed {result.seed} came to something else in {where.path}:{at}: {'; '.join(found)}",
        "equal results of equal seeds: if neither file was changed, the simulation is not deterministic",
        Code.SEED_TWO_WAYS,
    )


def _said(error: ValidationError) -> tuple[str, str]:
    """What is wrong with a line, and what was expected."""
    first = error.errors(include_url=False)[0]
    place = ".".join(short(part) for part in first["loc"] if part not in ADDED)
    if first["type"] == "json_invalid":
        message = first["msg"].removeprefix("Invalid JSON: ")
        return f"no JSON: {message}", RESULT
    shown, words = short(first["input"]), expected(first)
    found = problem(first, f"{shown!r}" if isinstance(first["input"], str) else shown)
    return f"{place or 'the line'}: {found}", f"{RESULT} ({words})" if words else RESULT
