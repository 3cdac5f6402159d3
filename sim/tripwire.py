"""Tripwires: whoever reads a clock, draws true randomness or starts a thread inside a simulation is told so, loudly.

A run must be a function of its seed. The linter bans these calls in the core; this catches what it cannot see: a
library's. Only the thread that simulates is watched, so that a progress bar beside it may tick.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

WATCHED = (
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "monotonic"),
    ("time", "monotonic_ns"),
    ("time", "perf_counter"),
    ("time", "sleep"),
    ("random", "random"),
    ("random", "randint"),
    ("random", "choice"),
    ("os", "urandom"),
    ("secrets", "token_bytes"),
    ("uuid", "uuid1"),
    ("uuid", "uuid4"),
    ("threading", "Thread.start"),
)


class TripwireError(AssertionError):
    """A simulation touched the world."""


@contextmanager
def tripwires() -> Iterator[None]:
    """Watch the present thread for as long as this lasts."""
    watched = get_ident()
    undo: list[tuple[Any, str, Any]] = []

    def wire(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def tripped(*args: Any, **kwargs: Any) -> Any:
            if get_ident() == watched:
                raise TripwireError(f"{name} was called inside a simulation: its result would differ at the next run")
            return original(*args, **kwargs)

        return tripped

    for module_name, path in WATCHED:
        owner: Any = importlib.import_module(module_name)
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        original = getattr(owner, name)
        undo.append((owner, name, original))
        setattr(owner, name, wire(f"{module_name}.{path}", original))
    try:
        yield
    finally:
        for owner, name, original in undo:
            setattr(owner, name, original)
