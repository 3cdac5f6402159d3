"""Printed words that find no taker: no promise is broken by that, so it must not end with the status that says so."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sim.cli.common import MISUSED, say
from sim.outputs import unwritable

HUNG_UP = 128 + 13
"""As a shell counts a program that SIGPIPE has ended: whoever read us has read enough."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def taken() -> Iterator[None]:
    """End without a word where whoever read us has gone, and with an error where what is printed finds no room.

    Whatever else the system refuses, such as a folder for a time, is no broken promise either. Where standard output is
    closed, nothing is begun: a verdict that nobody is told is none.
    """
    if sys.stdout is None:
        say("gossamer sim: there is no standard output: it is closed", err=True)
        raise SystemExit(MISUSED)
    try:
        yield
    except OSError as error:
        _print_no_more()
        if isinstance(error, BrokenPipeError):
            raise SystemExit(HUNG_UP) from None
        if (
            error.filename is None and error.errno in NO_ROOM
        ):  # files that are asked for have names, and their own error
            told = unwritable(Path("standard output"), error)
            line = f"{told.code} {told}"
        else:
            line = f"{error.strerror or error}{f': {error.filename}' if error.filename else _of_what()}"
        with suppress(OSError):  # it may have been standard error that found no room
            say(f"gossamer sim: {line}", err=True)
        raise SystemExit(MISUSED) from error


def _of_what() -> str:
    """Of what the system speaks without its name: of the folder that we are in, where it is there no more."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return ": the folder in which this was called is gone"
    return ""


def _print_no_more() -> None:
    """What is left in the buffer goes nowhere: else the interpreter's last flush fails, and decides the exit status."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
