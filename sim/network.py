"""What lies between nodes: paths with delay, loss, rate and weather, and the conditions that faults impose on them.

A `Path` is one direction between two nodes. Above it lie links, which are ordered streams as QUIC gives them: a lost or
damaged packet costs a retransmission and delays what follows, a duplicate costs bytes, a re-ordered one delays. What
stands still (`cut`, `clog`, a packet larger than `mtu_bytes`) holds the stream until it passes again or the connection
is given up.

A `Condition` is imposed on some paths for a while and lifted again; several may lie on one path, and lifting one lifts
no other. Times are whole microseconds, shares parts per million.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from mesh.log.batch import BODY_BYTES_MAX
from sim.units import MILLION

if TYPE_CHECKING:
    from sim.tape import Stream

RETRANSMIT_US = 50_000
"""What a lost packet costs beyond a round trip."""
PACKET_BYTES = 1_200
"""What a packet of a QUIC connection carries at least; a frame crosses in so many."""
LARGEST_PACKETS = 1 + BODY_BYTES_MAX // PACKET_BYTES
"""What a frame as large as any comes to."""
ROUNDS_MAX = 100
"""A probe passes then, whatever is lost."""
RARE_PPM = 1_000
"""What takes longer than is said of a round trip: one in a thousand."""
QUEUE_US = 200_000
"""What would wait longer than this for a bottleneck is dropped there, and sent again."""
REORDER_US = 20_000
BURST_STEP_US = 10_000
"""The weather of a bursty path is drawn once for so long."""
STEPS = 1_024

# Quantiles in millionths, rounded, so that the last bit of a machine's mathematics does not matter.
_MIDDLES = [(i + 0.5) / STEPS for i in range(STEPS)]
QUANTILES: dict[str, tuple[int, ...]] = {
    "uniform": tuple(round(MILLION * u) for u in _MIDDLES),
    "exponential": tuple(round(-MILLION * math.log(1 - u)) for u in _MIDDLES),
    "log-normal": tuple(round(MILLION * math.exp(NormalDist().inv_cdf(u))) for u in _MIDDLES),
    "pareto": tuple(round(MILLION * ((1 - u) ** -0.5 - 1)) for u in _MIDDLES),
}
"""Shapes of the part of a delay that varies, in units of its spread: log-normal with sigma 1 (the spread is its
median), Pareto (Lomax) with shape 2."""


@lru_cache(maxsize=1_024)
def delays_us(base_us: int, spread_us: int, shape: str) -> array[int]:
    """The delays that a base and a spread of a shape come to, each as likely as another; each frame draws one of these 8 kB."""
    return array("q", [base_us + spread_us * share // MILLION for share in QUANTILES[shape]])


@dataclass(frozen=True, slots=True)
class Delay:
    """A one-way delay: a base, and a part that varies with a shape. `constant` does not vary."""

    base_us: int = 20_000
    spread_us: int = 0
    shape: str = "uniform"
    measured_us: tuple[int, ...] = ()
    """For the shape `empirical`: what was measured, sorted; the base is not added."""

    @classmethod
    def of(cls, base_us: int, spread_us: int, shape: str, measured_us: Iterable[int] = ()) -> Delay:
        """The same from what a file says. What is reckoned with one number takes the longest that was measured."""
        measured = tuple(sorted(measured_us))
        return cls(measured[-1], 0, shape, measured) if measured else cls(base_us, spread_us, shape)

    @property
    def draws(self) -> Sequence[int]:
        """The delays that it comes to, each as likely as another; none where it does not vary, or was measured."""
        if self.measured_us or not self.spread_us or self.shape == "constant":
            return ()
        return delays_us(self.base_us, self.spread_us, self.shape)

    @property
    def possible(self) -> Sequence[int]:
        """All delays that it comes to, the shortest first."""
        return self.measured_us or self.draws or (self.base_us,)

    def draw(self, rng: Stream) -> int:
        """One delay."""
        if self.measured_us:
            return self.measured_us[rng.below(len(self.measured_us))]
        draws = self.draws
        return draws[rng.below(STEPS)] if draws else self.base_us


@dataclass(frozen=True, slots=True)
class Burst:
    """Losses in bursts (Gilbert 1960, Elliott 1963): a good and a bad state, changed by chance each 10 ms."""

    begin_ppm: int
    end_ppm: int
    loss_ppm: int = MILLION
    """What is lost in the bad state."""


@dataclass(frozen=True)
class Condition:
    """What a fault does to directed pairs of nodes. What is 0 or None leaves that side of a path alone."""

    pairs: frozenset[tuple[str, str]]
    cut: bool = False
    """Nothing arrives, and what was under way is lost (and sent again afterwards)."""
    clog: bool = False
    """Nothing arrives, and what was under way waits."""
    delay: Delay | None = None
    extra_us: int = 0
    loss_ppm: int = 0
    burst: Burst | None = None
    duplicate_ppm: int = 0
    reorder_ppm: int = 0
    corrupt_ppm: int = 0
    rate_bps: int = 0
    mtu_bytes: int = 0


class _Path:
    """What each frame looks at, together in memory: the slots of a base come first, and those of a class by their names."""

    __slots__ = ("clear", "draws", "sent_bytes")


@dataclass(slots=True)
class Path(_Path):
    """One direction between two nodes, as it is now: what was built, and the conditions upon it."""

    source: str
    target: str
    delay: Delay
    loss_ppm: int = 0
    rate_bps: int = 0
    cuts: int = 0
    clogs: int = 0
    since_us: int = 0
    """Since when nothing passes, where nothing does."""
    extra_us: int = 0
    burst: Burst | None = None
    duplicate_ppm: int = 0
    reorder_ppm: int = 0
    mtu_bytes: int = 0
    plain: bool = True
    """It only delays ..."""
    clear: bool = True
    """... and lets pass what is sent ..."""
    draws: Sequence[int] = ()
    """... by one of these, each as likely as another; none where its delay varies in another way, or not at all."""
    sent_bytes: int = 0
    """Bytes of frames that left over it."""
    free_us: int = 0
    """When its bottleneck has sent what it took."""
    is_bad: bool = False
    weather_us: int = 0

    @property
    def stands(self) -> bool:
        """Whether nothing passes."""
        return self.cuts > 0 or self.clogs > 0

    def crossing_us(self, size: int, now_us: int, rng: Stream) -> int:
        """How long a frame of `size` bytes takes that is sent now."""
        delay_us = self.delay.draw(rng)
        if self.plain:
            return delay_us
        delay_us += self.extra_us
        if self.rate_bps:
            start_us = max(now_us, self.free_us)
            self.free_us = start_us + size * 8 * MILLION // self.rate_bps
            waited_us = self.free_us - now_us
            delay_us += waited_us + (2 * delay_us + RETRANSMIT_US if start_us - now_us > QUEUE_US else 0)
        again_us, rounds = 2 * self.delay.base_us + RETRANSMIT_US, 0
        for _ in range(1 + size // PACKET_BYTES):  # what a round lost of a frame is sent again together (RFC 9002)
            repeats = 0
            while repeats < ROUNDS_MAX and self._loses(now_us + delay_us + repeats * again_us, rng):
                repeats += 1
            rounds = max(rounds, repeats)
        delay_us += rounds * again_us
        if rng.chance(self.reorder_ppm):
            delay_us += rng.below(REORDER_US)
        return delay_us

    def _loses(self, now_us: int, rng: Stream) -> bool:
        if self.burst is not None:
            while self.weather_us < now_us:
                self.weather_us = max(self.weather_us, now_us - MILLION) + BURST_STEP_US
                turn = self.burst.end_ppm if self.is_bad else self.burst.begin_ppm
                self.is_bad ^= rng.chance(turn)
            if self.is_bad and rng.chance(self.burst.loss_ppm):
                return True
        return rng.chance(self.loss_ppm)


@dataclass
class Network:
    """The paths between named nodes. What is not said of a pair is `delay`, `loss_ppm` and `rate_bps`."""

    delay: Delay = field(default_factory=lambda: Delay(20_000, 2_000))
    loss_ppm: int = 0
    rate_bps: int = 0
    delays: dict[tuple[str, str], Delay] = field(default_factory=dict)
    """For some pairs, in both directions unless both are named."""
    rates: dict[tuple[str, str], int] = field(default_factory=dict)
    """For some directed pairs, where they differ from `rate_bps`."""
    conditions: list[Condition] = field(default_factory=list)
    closed: set[tuple[str, str]] = field(default_factory=set)
    """Directed pairs between which nobody ever dials: there is no way."""
    paths: dict[tuple[str, str], Path] = field(default_factory=dict)

    @classmethod
    def even(cls, delay_us: int = 20_000, jitter_us: int = 2_000, loss_ppm: int = 0) -> Network:
        """The same between any two: a one-way delay, and up to so much more."""
        return cls(Delay(delay_us, jitter_us), loss_ppm)

    def path(self, source: str, target: str) -> Path:
        """One direction between two nodes."""
        path = self.paths.get((source, target))
        if path is None:
            delay = self.delays.get((source, target)) or self.delays.get((target, source)) or self.delay
            path = self.paths[source, target] = Path(source, target, delay)
            self._apply(path, 0)
        return path

    def _apply(self, path: Path, now_us: int) -> None:
        pair = path.source, path.target
        stood = path.stands
        upon = [condition for condition in self.conditions if pair in condition.pairs]
        path.delay = self.delays.get(pair) or self.delays.get((pair[1], pair[0])) or self.delay
        path.cuts = sum(condition.cut for condition in upon)
        path.clogs = sum(condition.clog for condition in upon)
        path.loss_ppm, path.rate_bps = self.loss_ppm, self.rates.get(pair, self.rate_bps)
        path.extra_us = path.duplicate_ppm = path.reorder_ppm = path.mtu_bytes = 0
        path.burst = None
        for condition in upon:
            path.delay = condition.delay or path.delay
            path.extra_us += condition.extra_us
            path.loss_ppm = min(MILLION, path.loss_ppm + condition.loss_ppm + condition.corrupt_ppm)
            path.burst = condition.burst or path.burst
            path.duplicate_ppm = max(path.duplicate_ppm, condition.duplicate_ppm)
            path.reorder_ppm = max(path.reorder_ppm, condition.reorder_ppm)
            path.rate_bps = min(filter(None, (path.rate_bps, condition.rate_bps)), default=0)
            path.mtu_bytes = min(filter(None, (path.mtu_bytes, condition.mtu_bytes)), default=0)
        path.plain = not (
            path.extra_us or path.loss_ppm or path.burst or path.reorder_ppm or path.duplicate_ppm
            or path.rate_bps or path.mtu_bytes
        )  # fmt: skip
        path.clear = path.plain and not path.stands
        path.draws = path.delay.draws
        if path.stands and not stood:
            path.since_us = now_us

    def would_feel(self, condition: Condition) -> bool:
        """Whether a condition would change any path that somebody may use."""
        kept = self.conditions
        for source, target in sorted(condition.pairs - self.closed):
            before, after = Path(source, target, self.delay), Path(source, target, self.delay)
            self._apply(before, 0)
            self.conditions = [*kept, condition]
            self._apply(after, 0)
            self.conditions = kept
            for path in (before, after):  # what stands already does not stand more
                path.cuts, path.clogs = min(1, path.cuts), min(1, path.clogs)
            if before != after:
                return True
        return False

    def impose(self, condition: Condition, now_us: int) -> list[Path]:
        """A condition begins; the paths that it lies on are returned."""
        self.conditions.append(condition)
        return self._touch(condition.pairs, now_us)

    def lift(self, condition: Condition, now_us: int) -> list[Path]:
        """It ends, if it was not lifted before; the paths that it lay on are returned."""
        kept = [each for each in self.conditions if each is not condition]
        if len(kept) == len(self.conditions):
            return []
        self.conditions = kept
        return self._touch(condition.pairs, now_us)

    def _touch(self, pairs: Iterable[tuple[str, str]], now_us: int) -> list[Path]:
        paths = [self.path(*pair) for pair in sorted(pairs)]
        for path in paths:
            self._apply(path, now_us)
        return paths

    def passes(self, one: str, other: str) -> bool:
        """Whether two nodes can reach each other, both ways."""
        return not self.path(one, other).stands and not self.path(other, one).stands

    def round_trip_us(self, one: str, other: str) -> int:
        """A round trip between two nodes, without what varies."""
        return self.path(one, other).delay.base_us + self.path(other, one).delay.base_us

    def longest_us(self, one: str, other: str) -> int:
        """The longest that a round trip between two nodes takes: a stream waits for its slowest frame, and for what is lost."""
        return self._slowest_us(one, other) + self._again_us(one, other, 1)

    def window_us(self, one: str, other: str) -> int:
        """The same of a frame as large as any, of which each packet has to come."""
        return self._slowest_us(one, other) + self._again_us(one, other, LARGEST_PACKETS)

    def silence_us(self, one: str, other: str) -> int:
        """So much longer than one of two nodes says nothing, the other may hear nothing: a large frame has to come first."""
        ways = self.path(one, other).delay.possible, self.path(other, one).delay.possible
        return max(way[-1] - way[0] for way in ways) + self._again_us(one, other, LARGEST_PACKETS)

    def _slowest_us(self, one: str, other: str) -> int:
        return self.path(one, other).delay.possible[-1] + self.path(other, one).delay.possible[-1]

    def _again_us(self, one: str, other: str, packets: int) -> int:
        """How long what is lost of so many packets holds up what follows."""
        loss_ppm = max(self.path(one, other).loss_ppm, self.path(other, one).loss_ppm)
        rounds, left_ppm = 0, packets * MILLION if loss_ppm else 0
        while left_ppm > RARE_PPM and rounds < ROUNDS_MAX:
            left_ppm = left_ppm * loss_ppm // MILLION
            rounds += 1
        return max(0, rounds - 1) * (self.round_trip_us(one, other) + RETRANSMIT_US)
