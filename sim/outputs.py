"""Files that a person asked for: a tape, a report, a verdict. One that cannot be written is the same error for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from sim.errors import OutputError


def are_one(one: Path, other: Path) -> bool:
    """Whether two names are those of one file, which is there or will be; what is no file, such as a terminal, takes both."""
    if one.exists() and other.exists():
        return one.is_file() and one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)  # `Path.resolve` raises where links go in a circle


def put(path: Path, content: str | bytes) -> None:
    """Write a file. Raises `OutputError`."""
    try:
        path.write_bytes(content.encode("utf-8", "replace") if isinstance(content, str) else content)
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def writing(path: Path) -> Iterator[TextIOWrapper]:
    """A text file that is written piece by piece. Raises `OutputError`, also for what fails while it is written."""
    try:
        with path.open("w", encoding="utf-8", errors="replace") as file:
            yield file
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> OutputError:
    """What is told of a file that the system will not have written."""
    return OutputError(str(path), 0, error.strerror or str(error), "a file that can be written")


def _is_held(path: Path) -> bool:
    """Whether it is a pipe that this process was given open: opening it again waits for nobody."""
    named = path.absolute()
    return path.is_fifo() and (str(named) in ("/dev/stdout", "/dev/stderr") or str(named.parent) == "/dev/fd")


def check_writable(path: Path, *, whole: bool = False) -> None:
    """Raise `OutputError` for a file that surely cannot be written, before somebody has waited for it.

    Beside files there may be `/dev/null`, terminals, and pipes that somebody has opened for us, as `/dev/stdout` and a
    shell's `>(…)` are: a pipe of another would be waited for until there is a reader. With `whole` only files will do.
    """
    try:
        path.stat()
    except FileNotFoundError:
        pass  # it will be made, or its folder is missing
    except OSError as error:  # such as links that go in a circle, or a name that is too long
        raise unwritable(path, error) from error
    if path.is_dir():
        raise OutputError(str(path), 0, "it is a folder", "a file that can be written")
    if path.exists() and not path.is_file() and (whole or not (path.is_char_device() or _is_held(path))):
        raise OutputError(str(path), 0, "it is no file", "a file, or none yet")
    if not path.parent.is_dir():
        raise OutputError(str(path), 0, f"there is no folder {path.parent}", "a file in a folder that is there")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OutputError(str(path), 0, "it may not be written", "a file that can be written")
