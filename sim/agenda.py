"""What happens when in a world, as its heap has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Due = tuple[int, int, Callable[[Any, Any], None], Any, Any]
"""The time, a number that tells equal times apart, what is called, and with which two arguments."""


def call(action: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """For what has not two arguments, as nearly everything has: a call that unpacks them costs more than one that does not."""
    action(*arguments)
