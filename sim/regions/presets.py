"""Presets: regions of large clouds, from public tables. Each file names its source and date in its first lines."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from sim.errors import SimError
from sim.regions.files import matrix_from_csv, matrix_from_table, read_matrix
from sim.regions.matrix import Pair, RegionMatrix

PRESETS = ("aws", "azure", "gcp")


@cache
def preset(name: str) -> RegionMatrix:
    """The matrix of a cloud. Raises `SimError` for one that does not ship."""
    if name not in PRESETS:
        raise SimError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    file = files("sim.regions") / "clouds" / f"{name}.csv"
    return matrix_from_csv(file.read_text(encoding="utf-8"), f"{name}.csv")


def named_matrix(named: str | Mapping[str, Mapping[str, int]]) -> RegionMatrix:
    """A preset, the matrix in a file of that name, or that of round trips in µs. Raises `SimError`."""
    if isinstance(named, str):
        return preset(named) if named in PRESETS else read_matrix(Path(named))
    return matrix_from_table(
        {"rtt": {one: {other: f"{us}us" for other, us in trips.items()} for one, trips in named.items()}}, {}, "matrix"
    )


def load_matrix(named: str | Mapping[str, Mapping[str, int]]) -> dict[Pair, int]:
    """The same as plain round trips in µs, each pair once, the lesser name first."""
    return dict(named_matrix(named).round_trips_us)
