"""Where what `gossamer sim` prints goes: a reader that has gone and a disk that is full are no broken promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesh.codes import Code

pytestmark = pytest.mark.live
GOSSAMER = str(Path(sys.executable).parent / "gossamer")
VERBS = [
    ("run", "halves"),
    ("run", "halves", "--json"),
    ("list",),
    ("topology", "halves"),
    ("--help",),
    ("run", "--help"),
]


def _unread() -> int:
    """The end of a pipe that nobody will ever read."""
    reads, writes = os.pipe()
    os.close(reads)
    return writes


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_whoever_reads_us_may_go_and_hears_no_word_of_it(verb: tuple[str, ...], unbuffered: str) -> None:
    pipe = _unread()

    told = subprocess.run(
        [GOSSAMER, "sim", *verb],
        stdout=pipe,
        stderr=subprocess.PIPE,
        text=True,
        timeout=55,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )

    os.close(pipe)
    assert (told.returncode, told.stderr) == (141, "")


@pytest.mark.parametrize("verb", [("run", "none"), ("run", "--speed"), ("halve",)], ids=" ".join)
def test_an_error_that_nobody_reads_is_no_broken_promise(verb: tuple[str, ...]) -> None:
    pipe = _unread()

    told = subprocess.run([GOSSAMER, "sim", *verb], stdout=pipe, stderr=pipe, timeout=55, check=False)

    os.close(pipe)
    assert told.returncode == 141


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_without_room_is_an_error_with_a_code(verb: tuple[str, ...], unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(
            [GOSSAMER, "sim", *verb],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=55,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )

    assert told.returncode == 2
    assert told.stderr == (
        f"gossamer sim: {Code.OUTPUT_UNWRITABLE} standard output: No space left on device; "
        "expected a file that can be written\n"
    )


@pytest.mark.parametrize("verb", [*VERBS, ("halve",)], ids=" ".join)
def test_an_output_that_is_closed_is_an_error_not_a_verdict(verb: tuple[str, ...]) -> None:
    """As a shell's `>&-` has it."""
    script = 'exec "$@" >&-'
    told = subprocess.run(
        ["sh", "-c", script, "sh", GOSSAMER, "sim", *verb],
        stderr=subprocess.PIPE,
        text=True,
        timeout=55,
        check=False,
    )

    assert (told.returncode, told.stderr) == (2, "gossamer sim: there is no standard output: it is closed\n")


def test_a_pipeline_reads_what_it_wants() -> None:
    """As a shell has it: the first line, and what the command itself ended with."""
    script = f"set -o pipefail; {GOSSAMER} sim list | head -1"
    told = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=55, check=False)

    assert told.returncode in (0, 141)  # it may all fit into the pipe
    assert (told.stdout.count("\n"), told.stderr) == (1, "")


def test_a_report_goes_through_a_pipe_that_was_opened_for_it() -> None:
    told = subprocess.run(
        [GOSSAMER, "sim", "run", "halves", "--report", "/dev/stderr"],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )

    assert told.returncode == 0
    assert told.stderr.startswith("<!doctype html>")
