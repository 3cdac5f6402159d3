"""Files that a person asked for: a tape, a report, a verdict. One that cannot be written is the same error for all of them.

What was written is remembered, for who is stopped and has to say what there is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from sim.errors import OutputError
from sim.stops import undisturbed

written: dict[Path, bool] = {}
"""What has been written, each with whether it is whole: what is written where it is may be there in part."""


def are_one(one: Path, other: Path) -> bool:
    """Whether two names are those of one file, which is there or will be; what is no file, such as a terminal, takes both."""
    if one.exists() and other.exists():
        return one.is_file() and one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)  # `Path.resolve` raises where links go in a circle


def put(path: Path, content: str | bytes) -> None:
    """Write a file, whole or not at all. Raises `OutputError`."""
    try:
        with _open(path) as file:
            file.write(content.encode("utf-8", "replace") if isinstance(content, str) else content)
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def writing(path: Path) -> Iterator[TextIOWrapper]:
    """A text file that is written piece by piece. Raises `OutputError`, also for what fails while it is written."""
    try:
        with _open(path) as raw, TextIOWrapper(raw, encoding="utf-8", errors="replace") as file:
            yield file
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write: beside the one that is there, until all is written, so that a full disk destroys nothing.

    A link goes on being one. What no other file can take the place of is written where it is: a device, a pipe, a file
    that this process was given open, and one in a folder that takes no second.
    """
    target, known = Path(os.path.realpath(path)), _known(path)
    if known is not None:
        if not stat.S_ISREG(known.st_mode) or _is_given(path) or not os.access(target.parent, os.W_OK):
            written[path] = False
            with path.open("wb") as file:  # which may be waited for as long as a reader wants
                yield file
            written[path] = True
            return
        path.open("ab").close()  # whoever may not write to it may not replace it
    with undisturbed(), TemporaryDirectory(prefix=".gossamer-", dir=target.parent) as folder:
        beside = Path(folder, "new")
        with beside.open("wb") as file:
            if known is not None:
                _be_like(file.fileno(), known)
            yield file
        beside.replace(target)
        written[path] = True


def _known(path: Path) -> os.stat_result | None:
    """What is there. Raises `OSError` where that cannot be told, as of links that go in a circle."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_given(path: Path) -> bool:
    """Whether the name means what this process was given open, be it a file, whose other half would be lost."""
    named = str(path.absolute())
    return named in ("/dev/stdout", "/dev/stderr") or named.startswith(("/dev/fd/", "/proc/"))


def _is_printed_to(path: Path) -> bool:
    """Whether standard output or error goes to that very file, by whatever name."""
    try:
        known = path.stat()
    except FileNotFoundError:
        return False
    for number in (1, 2):
        with suppress(OSError):  # it is closed
            if os.path.samestat(known, os.fstat(number)):
                return True
    return False


def _be_like(number: int, known: os.stat_result) -> None:
    """Give a new file the owner of the old one, where we may, and its mode."""
    with suppress(PermissionError):
        os.fchown(number, known.st_uid, known.st_gid)
    os.fchmod(number, stat.S_IMODE(known.st_mode))


def unwritable(path: Path, error: OSError) -> OutputError:
    """What is told of a file that the system will not have written."""
    return OutputError(str(path), 0, error.strerror or str(error), "a file that can be written")


def check_writable(path: Path, *, whole: bool = False) -> None:
    """Raise `OutputError` for a file that surely cannot be written, before somebody has waited for it.

    Beside files there may be `/dev/null`, terminals, and pipes that somebody has opened for us, as `/dev/stdout` and a
    shell's `>(…)` are: a pipe of another would be waited for until there is a reader. With `whole` only files will do, and
    none that this process was given open, or prints to: what is printed would be written over it.
    """
    try:
        path.stat()
    except FileNotFoundError:
        pass  # it will be made, or its folder is missing
    except OSError as error:  # such as links that go in a circle, or a name that is too long
        raise unwritable(path, error) from error
    if path.is_dir():
        raise OutputError(str(path), 0, "it is a folder", "a file that can be written")
    takes = path.is_file() or (not whole and (path.is_char_device() or (path.is_fifo() and _is_given(path))))
    if path.exists() and not takes:
        raise OutputError(str(path), 0, "it is no file", "a file, or none yet")
    if whole and (_is_given(path) or _is_printed_to(path)):
        raise OutputError(str(path), 0, "it is no file of its own: others write to it", "another file, or none yet")
    folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    if not folder.is_dir():
        raise OutputError(str(path), 0, f"there is no folder {folder}", "a file in a folder that is there")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise OutputError(str(path), 0, "it may not be written", "a file that can be written")
