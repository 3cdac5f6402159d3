import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gossamer.command import command
from mesh.codes import Code
from sim.errors import TapeError
from sim.heap import Play
from sim.outcome import Outcome
from sim.replay import Artefact, load, record, replay, save
from sim.safeguards import off
from sim.scenario.model import Scenario
from sim.scenario.plan import STEPS_MAX
from sim.scenario.reading import find, read
from sim.tape import Tape

WITHOUT = ("cursor",)


@pytest.fixture(scope="module")
def swarm() -> Scenario:
    return read(find("swarm")).model_copy(update={"duration": 8_000_000})


@pytest.fixture(scope="module")
def played(swarm: Scenario) -> tuple[Play, Outcome]:
    with off(*WITHOUT):
        play = Play(swarm, 1, Tape())
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
    plain = tmp_path / "plain.gz"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    for named in (path.rename(tmp_path / "run.tape"), plain):
        assert load(named).steps == artefact.steps  # whatever its name says


def test_a_tape_of_another_version_is_refused_with_its_version(tape: Path) -> None:
    with pytest.raises(TapeError, match=r"recorded by gossamer 0\.0\.9 \(tape 2, .* this is gossamer 0\.1\.0"):
        load(changed(tape, version="0.0.9"))
    with pytest.raises(TapeError, match="sources 0123"):
        load(changed(tape, version="0.1.0", sources="0123"))
    with pytest.raises(TapeError, match=r"\(tape 1, .* this is gossamer 0\.1\.0 \(tape 2, ") as refused:
        load(changed(tape, **{"gossamer-tape": 1}))
    assert refused.value.code == Code.TAPE_FOREIGN


SAY = [1_000_000, "app-1", "room/1", 16, 1, 1, 0, 7]
DEEP = json.loads("[" * 150 + "]" * 150)
DAMAGES: list[tuple[str, object, str]] = [
    ("scenario", {}, "scenario: "),
    ("scenario", None, "scenario: None; expected an object"),
    ("scenario", "swarm", "scenario: 'swarm'"),
    ("scenario", {"title": DEEP}, "scenario: title: "),
    ("scenario", {"title": "t", "promise": "p", "topology": {"node": []}}, "scenario: topology.node: "),
    ("steps", 7, "steps: 7; expected a list"),
    ("steps", ["crash"], "steps.0: 'crash'"),
    ("steps", [SAY, [1]], "steps.1: [1]; expected an event, or at, client, channel, size"),
    ("steps", [DEEP], "steps.0: [["),
    ("steps", [{"at": "1s"}], "steps.0: an event without a verb; expected exactly one of partition, "),
    ("steps", [{"at": "1s", "crash": ["nobody"]}], "steps.0.crash: no node is called 'nobody'; expected one of"),
    ("steps", [{"crash": ["ana"]}], "steps.0.at: it is missing; expected a tape as `sim run --save` or `sim shrink"),
    ("steps", [{"at": "soon", "crash": ["ana"]}], "steps.0.at: 'soon'; expected a time such as"),
    ("steps", [{"at": "1s", "luck": 7}], "steps.0.luck: 7; expected no such key"),
    ("steps", [["1s", *SAY[1:]]], "steps.0: ['1s', "),
    ("steps", [[-1, *SAY[1:]]], "steps.0: [-1, "),
    ("steps", [[*SAY[:3], 1 << 40, *SAY[4:]]], "steps.0: "),
    ("steps", [[0, "nobody", *SAY[2:]]], "steps.0: no client is called 'nobody'"),
    ("steps", [[*SAY[:4], 99, *SAY[5:]]], "steps.0: copies = 99; expected at most the 5 nodes"),
    ("steps", [[*SAY[:3], 1_000_000, *SAY[4:]]] * 1_100, "steps: they publish 1,100,000,000 bytes; expected at most"),
    (
        "steps",
        [{"at": "1s", "publish": {"client": "app-1", "channel": "room/1", "bytes": "1000KiB", "count": 100_000}}],
        "steps: they publish",
    ),
    ("draws", {"a": ["x"]}, "draws.a.0: 'x'; expected a whole number"),
    ("draws", {"a": [-1]}, "draws.a.0: -1; expected at least 0"),
    ("draws", {"a": [1 << 70]}, "draws.a.0: 1180591620717411303424; expected at most 18,446,744,073,709,551,615"),
    ("draws", {"a": [1.5]}, "draws.a.0: 1.5; expected a whole number"),
    ("draws", [], "draws: []; expected an object"),
    ("seed", "x", "seed: 'x'; expected a whole number"),
    ("seed", -1, "seed: -1"),
    ("broken", "once", "broken: 'once'; expected a list"),
    ("without", ["luck"], "without: 'luck' is no safeguard"),
    ("stop-at", 5, "stop-at: 5; expected a text"),
    ("trace", DEEP, "trace: [["),
    ("luck", 5, "luck: 5; expected no such key"),
    ("gossamer-tape", "2", "gossamer-tape: '2'; expected a whole number"),
    ("gossamer-tape", 2.0, "gossamer-tape: 2.0; expected a whole number"),
    ("gossamer-tape", True, "gossamer-tape: True; expected a whole number"),
    ("gossamer-tape", DEEP, "gossamer-tape: [["),
]


@pytest.mark.parametrize(("field", "value", "words"), DAMAGES)
@pytest.mark.parametrize("verb", ["replay", "shrink"])
def test_a_damaged_tape_is_refused_with_its_place(tape: Path, field: str, value: object, words: str, verb: str) -> None:
    told = CliRunner().invoke(command, ["sim", verb, str(changed(tape, **{field: value}))])

    assert (told.exit_code, type(told.exception)) == (2, SystemExit)
    assert told.stderr.startswith(f"gossamer sim: {Code.TAPE_INVALID} {tape}: the tape is damaged: {words}")
    assert "; expected " in told.stderr
    assert len(told.stderr) < 1_000


@pytest.mark.parametrize("field", ["scenario", "steps", "seed", "trace", "stop-at", "check"])
def test_a_tape_that_lacks_something_is_refused(tape: Path, field: str) -> None:
    plain = json.loads(tape.read_text())
    del plain[field]
    tape.write_text(json.dumps(plain))

    with pytest.raises(TapeError, match=f"the tape is damaged: {field}: it is missing; expected a tape as `sim run"):
        load(tape)


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": 2},
        {"broken": []},
        {"stop-at": "loss"},
        {"trace": "0" * 32},
        {"scenario": {"title": "Another", "promise": "None."}},
        {"draws": {"world/1/links": [7]}},
        {"check": "0" * 16},
    ],
)
def test_a_tape_that_was_changed_after_it_was_written_is_refused(tape: Path, fields: dict[str, object]) -> None:
    plain = json.loads(tape.read_text())
    told = {"scenario": {**plain["scenario"], **fields["scenario"]}} if "scenario" in fields else fields  # type: ignore[dict-item]

    with pytest.raises(TapeError, match=r"run\.tape: the tape was changed after it was written.*`gossamer sim run` it"):
        load(changed(tape, **told))


def test_a_tape_of_too_many_steps_is_refused(tape: Path) -> None:
    text = json.dumps({**json.loads(tape.read_text()), "steps": []})
    tape.write_text(text.replace('"steps": []', '"steps": [%s1]' % ("1," * STEPS_MAX)))

    with pytest.raises(TapeError, match=r"the tape is damaged: steps: \[1, 1.*; expected .*at most 2,000,000 items"):
        load(tape)


def test_a_tape_that_unpacks_to_more_than_anybody_recorded_is_refused(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "run.tape.gz"
    packed.write_bytes(gzip.compress(bytes(2_000_000)))
    monkeypatch.setattr("sim.replay.TAPE_BYTES_MAX", 1_000_000)

    with pytest.raises(TapeError, match="the tape is too large; expected at most"):
        load(packed)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"{}" * 1_000, mtime=0)[:-12], gzip.compress(b"{}", mtime=0)[:10] + b"\xff" * 20, b""],
)
def test_a_packed_tape_that_is_damaged_is_refused(tmp_path: Path, content: bytes) -> None:
    packed = tmp_path / "run.tape.gz"
    packed.write_bytes(content)

    with pytest.raises(TapeError, match="no tape"):
        load(packed)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"gossamer-tape": ' + b"9" * 9_999 + b"}"]
)
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
