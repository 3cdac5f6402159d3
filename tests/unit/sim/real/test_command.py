"""`gossamer sim run --engine real`, where it is refused before anything starts."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import sim


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["halves", "--save", "tape.json"], "a run on real processes"),
        (["bit-rot"], "the real engine cannot play 'Bits flip on one disk', whose engines are heap"),
        (["halves", "--without", "intervals-with-rows"], "the real engine cannot turn off intervals-with-rows"),
    ],
)
def test_what_real_processes_cannot_do_is_status_2_and_leaves_nothing(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(sim, ["run", *arguments, "--engine", "real"])

    assert done.exit_code == 2
    assert said in done.output
    assert list(tmp_path.iterdir()) == []
