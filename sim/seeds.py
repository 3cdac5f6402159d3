"""Seeds as people write them (`0..999`, `3,5,8`), and the share of them that a shard takes; walked, never listed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

SEED_MAX = (1 << 63) - 1
SEEDS_MAX = 10_000_000
"""What one sweep is asked for at most: two cores play so many of a swarm in about a month."""

_PART = re.compile(r"(\d{1,19})(?:\.\.(\d{1,19}))?", re.ASCII)
_SHARD = re.compile(r"(\d{1,7})/(\d{1,7})", re.ASCII)


@dataclass(frozen=True)
class Seeds(Collection[int]):
    """Ranges that have no seed in common, in order; of them every `of`-th, from the `which`-th on."""

    ranges: tuple[range, ...]
    which: int = 1
    of: int = 1

    def __len__(self) -> int:
        """How many."""
        return len(range(self.which - 1, sum(map(len, self.ranges)), self.of))

    def __iter__(self) -> Iterator[int]:
        """Each, in order."""
        before = 0
        for each in self.ranges:
            yield from each[(self.which - 1 - before) % self.of :: self.of]
            before += len(each)

    def __contains__(self, seed: object) -> bool:
        """Whether a seed is one of them."""
        before = 0
        for each in self.ranges:
            if isinstance(seed, int) and seed in each:
                return (before + each.index(seed) - self.which + 1) % self.of == 0
            before += len(each)
        return False

    @property
    def shard(self) -> str:
        """The share."""
        return f"{self.which}/{self.of}"

    def __str__(self) -> str:
        """The ranges as a person writes them, whatever the share."""
        return ",".join(f"{each[0]}..{each[-1]}" if len(each) > 1 else str(each[0]) for each in self.ranges)


def seeds_of(text: str, shard: str = "1/1") -> Seeds:
    """Seeds such as "0..999" or "3,5,8", of them the share of a shard such as "2/4". Raises `ValueError`."""
    ranges = []
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first or last > SEED_MAX:
            raise ValueError(f"{part!r} is no range of seeds")
        ranges.append(range(first, last + 1))
    seeds = Seeds(_joined(ranges))
    if sum(each.stop - each.start for each in seeds.ranges) > SEEDS_MAX:  # `len` takes no more than a machine word
        raise ValueError(f"{text} is more than the {SEEDS_MAX:,} seeds that one sweep takes")
    share = _SHARD.fullmatch(shard)
    if share is None or not 1 <= int(share[1]) <= int(share[2]):
        raise ValueError(f"{shard!r} is no shard: 1/4 is the first of four")
    shared = Seeds(seeds.ranges, int(share[1]), int(share[2]))
    if not len(shared):
        raise ValueError(f"shard {shard} of the {len(seeds):,} seeds {text} is empty")
    return shared


def seeds_among(seeds: Collection[int]) -> Seeds:
    """Seeds in whatever form they come."""
    if isinstance(seeds, Seeds):
        return seeds
    if isinstance(seeds, range) and seeds.step == 1:
        return Seeds((seeds,) if seeds else ())
    return listed(sorted(set(seeds)))


def together(many: Iterable[Seeds]) -> Seeds:
    """All seeds of several, whatever their shares."""
    return Seeds(_joined(each for seeds in many for each in seeds.ranges))


def listed(seeds: Iterable[int]) -> Seeds:
    """Single seeds, in order, as ranges."""
    ranges: list[range] = []
    for seed in seeds:
        if ranges and seed == ranges[-1].stop:
            ranges[-1] = range(ranges[-1].start, seed + 1)
        else:
            ranges.append(range(seed, seed + 1))
    return Seeds(tuple(ranges))


def _joined(ranges: Iterable[range]) -> tuple[range, ...]:
    """The same seeds, each once and in order."""
    joined: list[range] = []
    for each in sorted(ranges, key=lambda each: each.start):
        if joined and each.start <= joined[-1].stop:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, each.stop))
        else:
            joined.append(each)
    return tuple(joined)
