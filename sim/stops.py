"""What is done as a whole: whoever stops us waits until it is. `sim.cli.stopping` hears them, and asks here first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_under_way: list[bool] = []
"""One for each `undisturbed` that was entered and not left: whether somebody has asked us to stop since."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Do something short as a whole. Who asks us to stop in the meantime is heard at its end: it raises `KeyboardInterrupt`."""
    _under_way.append(False)
    try:
        yield
    finally:
        was_asked = _under_way.pop()
        if was_asked:
            stop()


def stop() -> None:
    """Raise `KeyboardInterrupt`, or remember that it is to be raised once nothing is under way that is done as a whole."""
    if not _under_way:
        raise KeyboardInterrupt
    _under_way[-1] = True
