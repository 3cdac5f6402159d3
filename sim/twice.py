"""One seed, played twice: the two runs must not differ in anything, and where they do, the first difference is told.

A world notes all that happens, in pieces that its trace is the hash of: each tick with its time, node and events, then
what the node sent and told. The first run's notes are kept, the second's are held against them as they come. So the
first difference is found even if a third run would not show it again.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from itertools import zip_longest

from mesh.errors import DecodeError
from mesh.wire.frames import decode_frame
from mesh.wire.operations import decode_node
from sim.differences import differences
from sim.heap import Play
from sim.labels import EVENT
from sim.outcome import Outcome
from sim.scenario.model import Scenario

KEPT_BYTES_MAX = 64 << 20
"""Notes of the first run; what comes later is compared by its hash alone."""

_KIND = b"|".join(sorted(EVENT.values(), reverse=True))
_TICK = re.compile(rb"(\d+) (\S+) (\d+)((?:%s)+)" % _KIND)


@dataclass(frozen=True)
class Parting:
    """The first difference: a sentence, and the lines that prove it."""

    about: str
    witness: tuple[str, ...] = ()


@dataclass
class First:
    """The notes of a run, as many as there is room for."""

    notes: list[bytes] = field(default_factory=list)
    size: int = 0
    is_whole: bool = True

    def __call__(self, notes: list[bytes]) -> None:
        """Keep them."""
        self.size += sum(map(len, notes))
        self.is_whole = self.is_whole and self.size <= KEPT_BYTES_MAX
        if self.is_whole:
            self.notes += notes


@dataclass
class Second:
    """The notes of a run beside those of the first, up to where they part."""

    first: First
    at: int = 0
    tick: bytes = b""
    """The last tick that both had."""
    found: Parting | None = None

    def __call__(self, notes: list[bytes]) -> None:
        """Compare them."""
        if self.found is not None or self.at >= len(self.first.notes):
            self.found = self.found or self._after_the_first(notes)
            return
        theirs = self.first.notes[self.at : self.at + len(notes)]
        for one, other in zip_longest(theirs, notes):
            if one != other:
                if one is not None or self.first.is_whole:
                    self.found = self._parting(one, other)
                return
            if _TICK.fullmatch(other):
                self.tick = other
            self.at += 1

    def _after_the_first(self, notes: list[bytes]) -> Parting | None:
        return self._parting(None, notes[0]) if notes and self.first.is_whole else None

    def end(self) -> Parting | None:
        """The second run is over, and the first may have gone on."""
        if self.found is None and self.at < len(self.first.notes):
            self.found = self._parting(self.first.notes[self.at], None)
        return self.found

    def _parting(self, one: bytes | None, other: bytes | None) -> Parting:
        ours, theirs = (b"" if each is None else each for each in (one, other))
        same = next((at for at, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
        both = one is not None and other is not None and _kind(one) == _kind(other)
        since = f", which differ from byte {min(len(ours), len(theirs)) if same is None else same} on" if both else ""
        ticks = [_TICK.fullmatch(each) for each in (ours, theirs)]
        place = next((found for found in ticks if found), None) or _TICK.fullmatch(self.tick)
        where = f"at {int(place[1]) / 1e6:.6f} s on {place[2].decode()}" if place else "at the beginning"
        about = f"{where}, after {self.at:,} equal notes: {say(one)} the first time, {say(other)} the second{since}"
        before = (f"both: {say(self.tick)}",) if self.tick else ()
        return Parting(about, (*before, f"the first time: {say(one)}", f"the second time: {say(other)}"))


def _kind(note: bytes) -> str:
    return "" if _TICK.fullmatch(note) else say(note).partition(" ")[0]


def say(note: bytes | None) -> str:
    """A note of a world's trace in words."""
    if note is None:
        return "nothing any more"
    tick = _TICK.fullmatch(note)
    if tick:
        events = ", ".join(name.decode() for name in re.findall(_KIND, tick[4]))
        return f"{tick[2].decode()} ticks at {int(tick[1]) / 1e6:.6f} s with {events}"
    for decode in (decode_frame, decode_node):
        try:
            found = decode(note)
        except DecodeError:
            continue
        if found is not None:
            return f"{type(found).__name__} ({len(note)} bytes)"
    return note.decode("ascii", "backslashreplace")[:40]


def play_twice(scenario: Scenario, seed: int) -> tuple[Outcome, Outcome, Parting | None]:
    """Both outcomes, and where they part, if they do."""
    plays = Play(scenario, seed), Play(scenario, seed)
    plays[0].world.listener = first = First()
    plays[1].world.listener = second = Second(first)
    one, other = (play.run() for play in plays)
    parting = second.end()
    if parting is not None:
        ended = [
            f"{which} time it broke “{breach.promise}”: {breach.about}"
            for which, outcome in (("the first", one), ("the second", other))
            for breach in outcome.breaches[:1]
        ]
        return one, other, Parting(parting.about, (*parting.witness, *ended))
    if one.trace != other.trace:
        where = f"later than the first {len(first.notes):,} notes, which are equal"
        return one, other, Parting(f"{where}: the trace is {one.trace} the first time, {other.trace} the second")
    found = list(differences(_told(one), _told(other), "the first time", "the second"))
    return one, other, Parting(f"the traces are equal, and {found[0]}", tuple(found[:5])) if found else None


def _told(outcome: Outcome) -> dict[str, object]:
    """What else a run says of itself."""
    return {
        "broken": outcome.broken,
        "coverage": outcome.coverage,
        "evaluated": outcome.evaluated,
        "figures": asdict(outcome.figures),
        "events": outcome.events,
    }
