"""Runs that failed once, shrunk: each is played first of all simulations, and must keep every promise now.

To add one: `gossamer sim shrink TAPE --out tests/regressions/NAME.toml`, and say in its story what was wrong.
"""

from pathlib import Path

import pytest

from sim.scenario.reading import read
from tests.play_samples import breaches

FOLDER = Path(__file__).parent.parent / "regressions"
FILES = sorted(FOLDER.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_was_mended_stays_mended(path: Path) -> None:
    scenario = read(path)

    for seed in range(scenario.seeds):
        assert breaches(path, seed) == (), f"gossamer sim run {path} --seed {seed}"


def test_there_are_regressions() -> None:
    assert FILES
