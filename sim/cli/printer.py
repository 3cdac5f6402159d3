"""Standard output for tables. It tells when nobody reads it any more, as all that is printed does (`sim.cli.streams`)."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console

WIDTH_MIN = 64
"""Tables are as wide as the terminal, and not narrower than this: cells of three characters say nothing, a line that wraps does."""


class Printer(Console):
    """A console that leaves it to others what a reader that has gone means."""

    def __init__(self) -> None:
        """Write to standard output."""
        super().__init__()
        self.width = max(self.width, WIDTH_MIN)

    def on_broken_pipe(self) -> NoReturn:
        """Raise what was raised; of itself it would end the process, with the status of a broken promise."""
        raise BrokenPipeError
