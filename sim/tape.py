"""Randomness that can be replayed: streams forked by label, and a tape of all that was drawn from them.

One root seed; each part of a world (the scheduler of a node, each link, each disk, the workload, the faults) forks a
stream by its label, so that one more draw here disturbs nothing there. Every bounded draw is recorded. A *strict*
replay takes the draws from the tape and raises `TapeError` where the run asks for more or for something else; a *lenient*
one takes 0 beyond a stream's end, and 0 always means that nothing happens: no loss, no jitter, the shortest wait.
That is what shrinking shortens. Keys and names come as `bytes`, which are no choices and stand on no tape.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass, field
from hashlib import blake2b

from mesh.rng import Rng
from sim.errors import TapeError
from sim.units import MILLION

BLOCK_BYTES = 64
"""Draws of 64 bits, eight to a block of BLAKE2b. The bias for bounds below 2^40 is under 2^-24."""
AHEAD = 4
"""So many blocks are hashed at once: the state of the hash, which takes more room than they, is seldom looked at."""


@dataclass
class Tape:
    """All bounded draws of a run, by the label of their stream, in order."""

    draws: dict[str, list[int]] = field(default_factory=dict)
    given: dict[str, list[int]] | None = None
    """What is replayed; None where the draws are made."""
    strict: bool = True
    recording: bool = True
    """Off for runs whose tape nobody keeps, as of most: a draw is then kept nowhere."""

    def stream(self, seed: bytes, label: str) -> Stream:
        """Begin a stream. A label that is begun again gets a number."""
        name, again = label, 1
        while name in self.draws:
            again += 1
            name = f"{label}#{again}"
        drawn = self.draws[name] = []
        if self.given is not None:
            return Replayed(seed, name, self, drawn)
        return (Recorded if self.recording else Stream)(seed, name, self, drawn)

    @property
    def length(self) -> int:
        """How many draws it holds."""
        return sum(len(draws) for draws in self.draws.values())

    def check_used(self) -> None:
        """After a strict replay: everything on the tape was asked for. Raises `TapeError`."""
        for label, given in (self.given or {}).items():
            used = len(self.draws.get(label, ()))
            if used != len(given):
                raise TapeError(f"the tape has {len(given)} draws for {label}, and this run made {used}")


def _begun(key: bytes) -> blake2b:
    """The hash of a counter's block under a key, the first byte of nine taken in: so is the key, once for all."""
    return blake2b(b"\0", key=key, digest_size=BLOCK_BYTES)


class Stream(Rng):
    """Draws from a seed."""

    __slots__ = ("_block", "_blocks", "_drawn", "_keyed", "_tape", "label")

    def __init__(self, seed: bytes, label: str, tape: Tape, drawn: list[int]) -> None:
        """Begin a stream; `Tape.stream` does."""
        super().__init__(seed)
        self.label = label
        self._tape = tape
        self._drawn = drawn
        self._block = array("Q")
        self._keyed = _begun(self._key)
        """What the hash of each block begins with."""
        self._blocks = 0
        """Counted apart from `bytes`, so that keys do not depend on how many draws were made before them."""

    def fork(self, label: str) -> Stream:
        """An independent stream under this one."""
        return self._tape.stream(self._key + label.encode(), f"{self.label}/{label}")

    def mix(self, entropy: bytes) -> None:
        """See `Rng.mix`; what has been hashed ahead is drawn first."""
        super().mix(entropy)
        self._keyed = _begun(self._key)

    def below(self, bound: int) -> int:
        """Draw an integer in `[0, bound)`."""
        return (self._block or self._filled()).pop() % bound

    def _filled(self) -> array[int]:
        blocks = []
        for number in range(self._blocks + AHEAD, self._blocks, -1):  # the first last, for what is last is drawn first
            state = self._keyed.copy()
            state.update(number.to_bytes(8, "big"))
            blocks.append(state.digest())
        self._blocks += AHEAD
        self._block = block = array("Q", b"".join(blocks))  # less to touch than a list of numbers that lie anywhere
        if sys.byteorder == "little":
            block.byteswap()
        return block

    def chance(self, ppm: int) -> bool:
        """Whether something happens that happens so many times in a million; a draw of 0 says that it does not."""
        return ppm > 0 and self.below(MILLION) >= MILLION - ppm


class Recorded(Stream):
    """Draws from a seed, kept on the tape."""

    __slots__ = ()

    def below(self, bound: int) -> int:
        """Draw an integer in `[0, bound)`."""
        value = super().below(bound)
        self._drawn.append(value)
        return value


class Replayed(Stream):
    """Draws from a tape."""

    __slots__ = ()

    def below(self, bound: int) -> int:
        """The next draw of the tape; see the module for what is done at its end."""
        assert bound > 0
        assert self._tape.given is not None
        given = self._tape.given.get(self.label, [])
        at = len(self._drawn)
        if at < len(given):
            value = given[at]
            if value >= bound and self._tape.strict:
                raise TapeError(f"draw {at} of {self.label} is {value} on the tape, and must be below {bound}")
            value %= bound
        elif self._tape.strict:
            raise TapeError(f"the tape ends after {at} draws of {self.label}, and this run asks for more")
        else:
            value = 0
        self._drawn.append(value)
        return value
