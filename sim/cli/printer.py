"""Standard output for tables. It tells when nobody reads it any more, as all that is printed does (`sim.cli.streams`)."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console


class Printer(Console):
    """A console that leaves it to others what a reader that has gone means."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise what was raised; of itself it would end the process, with the status of a broken promise."""
        raise BrokenPipeError
