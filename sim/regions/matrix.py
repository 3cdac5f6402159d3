"""A region matrix: the round trip between any two regions, in whole microseconds.

A round trip has no direction. Where a file gives both directions of a pair the longer counts, so that bounds that follow
from it are on the safe side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mesh.errors import require

INSIDE_US = 1_000
"""A round trip within a region, where a file does not say. Guess: what zones of one region are apart at most."""
ROUND_TRIP_US_MAX = 3_600_000_000
"""An hour: longer is a slip of the pen."""

Pair = tuple[str, str]
"""Two regions, the lesser name first."""


def pair(one: str, other: str) -> Pair:
    """The name of a pair, whichever way round it is asked for."""
    return (one, other) if one <= other else (other, one)


@dataclass(frozen=True)
class RegionMatrix:
    """Round trips between regions. `about` says where the figures are from."""

    names: tuple[str, ...]
    round_trips_us: Mapping[Pair, int]
    inside_us: int = INSIDE_US
    about: str = ""

    def __post_init__(self) -> None:
        """Refuse what makes no sense: names twice, pairs that miss, times that cannot be."""
        require(len(set(self.names)) == len(self.names), "a region is named once")
        require(bool(self.names) and all(self.names), "there are regions, and they have names")
        missing = self.missing()
        require(not missing, f"no round trip between {' and '.join(missing[0])}" if missing else "")
        times = (self.inside_us, *self.round_trips_us.values())
        require(all(0 <= us <= ROUND_TRIP_US_MAX for us in times), "a round trip takes from 0 to an hour")

    def missing(self) -> list[Pair]:
        """Pairs of regions without a round trip."""
        names = sorted(self.names)
        pairs = [(one, other) for index, one in enumerate(names) for other in names[index + 1 :]]
        return [each for each in pairs if each not in self.round_trips_us]

    def rtt_us(self, one: str, other: str) -> int:
        """The round trip between two regions, or within one. Raises `KeyError` for a region that is not there."""
        if one == other:
            if one not in self.names:
                raise KeyError(one)
            return self.inside_us
        return self.round_trips_us[pair(one, other)]

    def only(self, names: Iterable[str]) -> RegionMatrix:
        """The matrix of some of the regions, in the order given. Raises `KeyError` for a region that is not there."""
        kept = tuple(names)
        trips = {
            pair(one, other): self.rtt_us(one, other) for index, one in enumerate(kept) for other in kept[index + 1 :]
        }
        for name in kept:
            self.rtt_us(name, name)
        return RegionMatrix(kept, trips, self.inside_us, self.about)
