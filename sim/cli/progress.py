"""A bar for what takes long: on a terminal's error output, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(words: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """What it gives is told how much is done, and of how much."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None  # noqa: ARG005  # nobody looks
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(words, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
