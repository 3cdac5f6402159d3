import json
from pathlib import Path

import pytest

from sim.errors import TapeError
from sim.heap import Play
from sim.outcome import Outcome
from sim.replay import Artefact, load, record, replay, save
from sim.safeguards import off
from sim.scenario.model import Scenario
from sim.scenario.reading import find, read

WITHOUT = ("cursor",)


@pytest.fixture(scope="module")
def swarm() -> Scenario:
    return read(find("swarm")).model_copy(update={"duration": 8_000_000})


@pytest.fixture(scope="module")
def played(swarm: Scenario) -> tuple[Play, Outcome]:
    with off(*WITHOUT):
        play = Play(swarm, 1)
        return play, play.run()


@pytest.fixture
def tape(played: tuple[Play, Outcome], tmp_path: Path) -> Path:
    path = tmp_path / "run.tape"
    save(record(*played, WITHOUT), path)
    return path


def changed(path: Path, **fields: object) -> Path:
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, **fields}))
    return path


def test_a_tape_replays_to_the_same_trace_and_the_same_breaches(played: tuple[Play, Outcome], tape: Path) -> None:
    _, again = replay(load(tape))

    assert (again.trace, again.breaches, again.figures) == (played[1].trace, played[1].breaches, played[1].figures)


def test_a_recorded_replay_goes_the_same_way(played: tuple[Play, Outcome], tape: Path) -> None:
    play, again = replay(load(tape), recorded=True)

    assert again.trace == played[1].trace
    assert play.recorder is not None and play.recorder.crossings


def test_a_packed_tape_is_the_same(played: tuple[Play, Outcome], tmp_path: Path) -> None:
    path = tmp_path / "run.tape.gz"
    save(record(*played, WITHOUT), path)

    artefact = load(path)

    assert (artefact.seed, artefact.without, artefact.steps) == (1, WITHOUT, played[1].steps)


def test_a_tape_of_another_version_is_refused_with_its_version(tape: Path) -> None:
    with pytest.raises(TapeError, match=r"recorded by gossamer 0\.0\.9 \(tape 1, .* this is gossamer 0\.1\.0"):
        load(changed(tape, version="0.0.9"))
    with pytest.raises(TapeError, match="sources 0123"):
        load(changed(tape, version="0.1.0", sources="0123"))
    with pytest.raises(TapeError, match="tape 2"):
        load(changed(tape, **{"gossamer-tape": 2}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scenario", {}),
        ("steps", [[1]]),
        ("draws", {"a": ["x"]}),
        ("seed", "x"),
        ("draws", []),
        ("steps", [{"at": "1s"}]),
    ],
)
def test_a_damaged_tape_is_refused(tape: Path, field: str, value: object) -> None:
    with pytest.raises(TapeError, match="damaged"):
        load(changed(tape, **{field: value}))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_what_is_no_tape_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tape"
    path.write_bytes(content)

    with pytest.raises(TapeError, match="no tape"):
        load(path)


def test_a_tape_that_goes_otherwise_is_never_taken_for_the_run(tape: Path) -> None:
    artefact = load(tape)
    longest = max(artefact.draws, key=lambda label: len(artefact.draws[label]))
    artefact.draws[longest] = artefact.draws[longest][:-1]

    with pytest.raises(TapeError, match=f"the tape ends after .* {longest}"):
        replay(artefact)
    with pytest.raises(TapeError, match="its trace differs"):
        replay(Artefact(**{**vars(load(tape)), "trace": "0"}))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="No such file"):
        load(tmp_path / "gone.tape")
