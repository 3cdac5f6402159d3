"""Where Python leaves assertions out nothing is played: no invariant would be held, and all would be called kept."""

import os
import subprocess
import sys

import pytest

COMMAND = "import sys; from gossamer.command import main; sys.argv[0] = 'gossamer'; main()"
PLAYED = """
from sim.heap import play
from sim.scenario.reading import find, read
play(read(find("halves")), 0)
"""
SAID = (
    "this Python leaves out assertions (-O, PYTHONOPTIMIZE), and every invariant is one; "
    "expected one that keeps them: unset PYTHONOPTIMIZE, and give it no -O\n"
)


def python(*arguments: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, check=False, timeout=55, env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("run", "halves"),
        ("run", "crash-loop", "--engine", "real"),
        ("sweep", "halves", "--seeds", "0", "--jobs", "1", "--no-gates"),
        ("shrink", "halves", "--seed", "0"),
        ("safeguards", "--name", "one-history"),
    ],
    ids=" ".join,
)
def test_the_command_plays_nothing_and_says_what_to_do(words: tuple[str, ...]) -> None:
    assert python("-c", COMMAND, "sim", *words, PYTHONOPTIMIZE="1") == (2, "", f"gossamer sim: {SAID}")


def test_who_plays_from_python_is_told_too() -> None:
    status, _, said = python("-O", "-c", PLAYED)

    assert status == 1
    assert said.endswith(f"sim.errors.SimError: {SAID}")
