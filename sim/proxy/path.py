"""What happens to datagrams between two ends: pure, so that it can be tested without a socket or a clock.

A `Path` is one direction. A datagram is lost, or it arrives after the delay and some jitter, but never before one
that was sent earlier: jitter drawn for each datagram alone would re-order all of them, which no real path does, and
QUIC would take it for loss. A cut acts at delivery, too: what is under way when it begins does not arrive.

Every draw comes from the path's own seeded stream, so that one more datagram here changes nothing elsewhere. Times
are monotonic microseconds, losses are per million: what a good wide-area path loses is well below one in a thousand.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mesh.errors import require
from mesh.rng import Rng
from mesh.types import US_PER_S

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Weather:
    """What a path is like."""

    delay_us: int = 0
    """One way."""
    jitter_us: int = 0
    """Up to so much more, drawn evenly for each datagram."""
    loss_per_million: int = 0
    bytes_per_s: int = 0
    """What the bottleneck carries; 0: no limit."""
    queue_us: int = 200_000
    """What would wait longer than this for the bottleneck is dropped (tail drop)."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(self.delay_us >= 0 and self.jitter_us >= 0, "delay_us and jitter_us: at least 0")
        require(0 <= self.loss_per_million <= MILLION, "loss_per_million: 0 to 1000000")
        require(self.bytes_per_s >= 0 and self.queue_us >= 0, "bytes_per_s and queue_us: at least 0")


@dataclass(slots=True)
class Counts:
    """What became of datagrams."""

    passed: int = 0
    lost: int = 0
    """By chance."""
    cut: int = 0
    """Sent into a cut, or under way when it began."""
    overflowed: int = 0
    """Too many waited for the bottleneck."""

    @property
    def dropped(self) -> int:
        """All that did not arrive."""
        return self.lost + self.cut + self.overflowed


@dataclass
class Path:
    """One direction of a link."""

    weather: Weather
    rng: Rng
    counts: Counts = field(default_factory=Counts)
    is_cut: bool = False
    _under_way: deque[tuple[int, bytes]] = field(default_factory=deque)
    _last_us: int = 0
    _free_us: int = 0
    """When the bottleneck is free again."""

    def send(self, datagram: bytes, now_us: int) -> None:
        """Take a datagram in; `due` gives it back when it arrives, if it does."""
        weather = self.weather
        if self.is_cut:
            self.counts.cut += 1
            return
        if weather.loss_per_million and self.rng.below(MILLION) < weather.loss_per_million:
            self.counts.lost += 1
            return
        at_us = now_us
        if weather.bytes_per_s:
            at_us = max(now_us, self._free_us)
            if at_us - now_us > weather.queue_us:
                self.counts.overflowed += 1
                return
            at_us = self._free_us = at_us + len(datagram) * US_PER_S // weather.bytes_per_s
        at_us += weather.delay_us
        if weather.jitter_us:
            at_us += self.rng.between(0, weather.jitter_us)
        self._last_us = max(self._last_us, at_us)
        self._under_way.append((self._last_us, datagram))

    @property
    def next_us(self) -> int | None:
        """When the next datagram arrives."""
        return self._under_way[0][0] if self._under_way else None

    def due(self, now_us: int) -> list[bytes]:
        """Take what has arrived by now, in the order in which it was sent."""
        arrived: list[bytes] = []
        while self._under_way and self._under_way[0][0] <= now_us:
            arrived.append(self._under_way.popleft()[1])
        self.counts.passed += len(arrived)
        return arrived

    def cut(self) -> None:
        """Let nothing through any more, nor what is under way."""
        self.is_cut = True
        self.counts.cut += len(self._under_way)
        self._under_way.clear()

    def heal(self) -> None:
        """Let datagrams through again."""
        self.is_cut = False


@dataclass(frozen=True)
class Link:
    """Both directions between two ends, named `one` and `other`."""

    one: str
    other: str
    there: Path
    """From `one` to `other`."""
    back: Path

    def path(self, source: str) -> Path:
        """The direction that begins at an end."""
        return self.there if source == self.one else self.back

    def cut(self, source: str | None = None) -> None:
        """Cut both directions, or only what `source` sends."""
        for path in (self.there, self.back) if source is None else (self.path(source),):
            path.cut()

    def heal(self, source: str | None = None) -> None:
        """Heal both directions, or only what `source` sends."""
        for path in (self.there, self.back) if source is None else (self.path(source),):
            path.heal()

    @property
    def is_cut(self) -> bool:
        """Whether either direction is cut."""
        return self.there.is_cut or self.back.is_cut

    @property
    def counts(self) -> Counts:
        """What became of the datagrams of both directions."""
        one, other = self.there.counts, self.back.counts
        return Counts(
            one.passed + other.passed,
            one.lost + other.lost,
            one.cut + other.cut,
            one.overflowed + other.overflowed,
        )
