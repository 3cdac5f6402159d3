"""What clocks of neighbors show, for the tests of the guard."""

from mesh.clocks.hybrid import ClockGuard
from mesh.types import Now
from tests.samples import ANA, BEN, CY

WALL = 1_800_000_000_000
US = 1_000


def now(mono_ms: int, wall_ms: int) -> Now:
    return Now(mono_ms * US, wall_ms)


def told(guard: ClockGuard, at: Now, *wall_ms: int) -> None:
    """Ana, Ben and Cy, as many as there are times, say what their clocks show."""
    for peer, shown in zip((ANA, BEN, CY), wall_ms, strict=False):
        guard.observe(peer, shown, at)
