"""The only randomness of the core: keyed BLAKE2b in counter mode, seeded once by the host.

The same seed gives the same draws in every process and under every `PYTHONHASHSEED`. `fork` derives an independent
stream by label, so that one more draw here disturbs nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class Rng:
    """A deterministic stream of random bytes and what is drawn from them."""

    __slots__ = ("_counter", "_key")

    def __init__(self, seed: bytes) -> None:
        """Start a stream; any seed of at least one byte will do, 32 for secrets."""
        self._key = blake2b(seed, digest_size=32).digest()
        self._counter = 0

    def fork(self, label: str) -> Rng:
        """Derive an independent stream. The same label gives the same stream."""
        return Rng(self._key + label.encode())

    def mix(self, entropy: bytes) -> None:
        """Let all that is drawn from now on depend on this, too: it makes nothing more guessable, whatever it is."""
        self._key = blake2b(entropy, key=self._key, digest_size=32).digest()

    def bytes(self, size: int) -> bytes:
        """Draw `size` (1–64) bytes."""
        self._counter += 1
        return blake2b(self._counter.to_bytes(8, "big"), key=self._key, digest_size=size).digest()

    def below(self, bound: int) -> int:
        """Draw an integer in `[0, bound)`. The bias is under 2^-64 for bounds below 2^64."""
        assert bound > 0
        return int.from_bytes(self.bytes(16), "big") % bound

    def between(self, low: int, high: int) -> int:
        """Draw an integer in `[low, high]`."""
        return low + self.below(high - low + 1)

    def choice(self, options: Sequence[T]) -> T:
        """Draw one of a sequence. Never pass a set: its order is not ours."""
        return options[self.below(len(options))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """Return the options in a drawn order (Fisher–Yates)."""
        items = list(options)
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items
