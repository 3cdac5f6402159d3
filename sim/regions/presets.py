"""Presets: regions of large clouds, from public tables. Each file names its source and date in its first lines."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sim.errors import SimError
from sim.regions.files import matrix_from_csv
from sim.regions.matrix import RegionMatrix

PRESETS = ("aws", "azure", "google")


@cache
def preset(name: str) -> RegionMatrix:
    """The matrix of a cloud. Raises `SimError` for one that does not ship."""
    if name not in PRESETS:
        raise SimError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    file = files("sim.regions") / "clouds" / f"{name}.csv"
    return matrix_from_csv(file.read_text(encoding="utf-8"), f"{name}.csv")
