"""A node's clocks: offset, drift, jumps and freezes of the wall clock, drift of the monotonic one.

The world has one true time. A node's monotonic clock runs at a rate that is wrong by `drift_ppm` and never goes back;
its wall clock follows that rate, is ahead by `offset_ms`, and may stand still.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesh.types import Now
from sim.units import MILLION

WALL_MS = 1_700_000_000_000
"""When every world begins (14 November 2023)."""


@dataclass(slots=True)
class Clock:
    """What one machine takes the time to be. Times in monotonic µs and wall ms."""

    offset_ms: int = 0
    drift_ppm: int = 0
    since_us: int = 0
    """When the drift last changed, in true time."""
    base_us: int = 0
    """What the monotonic clock showed then."""
    frozen_ms: int | None = None

    def mono_us(self, true_us: int) -> int:
        """What the monotonic clock shows."""
        if not self.drift_ppm:
            return self.base_us + true_us - self.since_us
        return self.base_us + (true_us - self.since_us) * (MILLION + self.drift_ppm) // MILLION

    def true_us(self, mono_us: int) -> int:
        """When the monotonic clock will show this, rounded up."""
        if not self.drift_ppm:
            return self.since_us + mono_us - self.base_us
        return self.since_us - (-(mono_us - self.base_us) * MILLION // (MILLION + self.drift_ppm))

    def wall_ms(self, true_us: int) -> int:
        """What the wall clock shows."""
        if self.frozen_ms is not None:
            return self.frozen_ms
        return WALL_MS + self.mono_us(true_us) // 1_000 + self.offset_ms

    def now(self, true_us: int) -> Now:
        """What both show."""
        mono_us = self.mono_us(true_us) if self.drift_ppm else self.base_us + true_us - self.since_us
        if self.frozen_ms is not None:
            return Now(mono_us, self.frozen_ms)
        return Now(mono_us, WALL_MS + mono_us // 1_000 + self.offset_ms)

    def drift(self, ppm: int, true_us: int) -> None:
        """Run faster or slower from now on."""
        self.base_us, self.since_us, self.drift_ppm = self.mono_us(true_us), true_us, ppm

    def freeze(self, true_us: int) -> None:
        """The wall clock stands still."""
        self.frozen_ms = self.wall_ms(true_us)

    def thaw(self) -> None:
        """It runs again, and leaps to where it would be."""
        self.frozen_ms = None
