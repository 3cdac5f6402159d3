"""The invariants are assertions: a Python that leaves those out holds none of them, and would call all of them kept."""

from __future__ import annotations

import sys

from sim.errors import SimError


def demand_assertions() -> None:
    """Raises `SimError` where Python leaves assertions out."""
    if sys.flags.optimize:
        problem = "this Python leaves out assertions (-O, PYTHONOPTIMIZE), and every invariant is one"
        raise SimError(f"{problem}; expected one that keeps them: unset PYTHONOPTIMIZE, and give it no -O")
