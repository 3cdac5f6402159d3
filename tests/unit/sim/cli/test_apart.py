"""What is written is never one of the files that are read; what is asked for is what it says that it is."""

import json
import os
from contextlib import chdir
from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner

from gossamer.command import command
from sim.cli import sim
from sim.cli.sweep import PROFILES
from sim.replay import load
from sim.scenario.reading import SHIPPED, read
from sim.seeds import SEED_MAX

PART = '[[topology.node]]\nname = "ana"\n[[topology.node]]\nname = "ben"\nregion = "us"\n'
FILE = """
include = ["part.toml"]
title = "t"
promise = "p"
duration = "1s"
topology.matrix = "rtt.csv"
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files to play, a tape and a journal: made once, for they take seconds."""
    made = tmp_path_factory.mktemp("played")
    (made / "part.toml").write_text(PART)
    (made / "s.toml").write_text(FILE)
    (made / "rtt.csv").write_text("region,eu,us\neu,,90\nus,90,\n")
    (made / "bounded.toml").write_text(FILE + 'guarantees.see = ["fault/crash"]\n')
    with chdir(made):
        called("run", "bounded.toml", "--save", "x.tape")
        called("sweep", "s.toml", "--seeds", "0..1", "--jobs", "1", "--no-gates", "--journal", "x.jsonl")
    return made


@pytest.fixture
def folder(played: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copytree(played, tmp_path, dirs_exist_ok=True)
    (tmp_path / "linked.tape").hardlink_to(tmp_path / "x.tape")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(sim, arguments)
    return done.exit_code, done.output


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


READ = "would overwrite"
TWICE = "are one file"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run s.toml --save s.toml", READ),
        ("run s.toml --save ./part.toml", READ),
        ("run s.toml --report rtt.csv", READ),
        ("run s.toml --save a --report a", TWICE),
        ("run s.toml --save a --report ./a", TWICE),
        ("sweep s.toml --seeds 0 --junit s.toml", READ),
        ("sweep s.toml --seeds 0 --journal x.jsonl --junit x.jsonl", TWICE),
        ("sweep s.toml --seeds 0 --journal a --report a", TWICE),
        ("sweep s.toml --merge x.jsonl --junit x.jsonl", READ),
        ("sweep s.toml --merge x.jsonl --report x.jsonl", READ),
        ("replay x.tape --report x.tape", READ),
        ("replay x.tape --report linked.tape", READ),
        ("shrink x.tape --out x.tape", READ),
        ("shrink x.tape --save linked.tape", READ),
        ("shrink x.tape --save a --out a", TWICE),
        ("shrink bounded.toml --seed 0 --out bounded.toml", READ),
        ("topology s.toml --svg s.toml", READ),
        ("topology rtt.csv --svg rtt.csv", READ),
    ],
)
def test_a_file_is_not_written_over_another_that_was_named(words: str, said: str, folder: Path) -> None:
    before = contents(folder)

    status, told = called(*words.split())

    assert (status, said in told) == (2, True), told
    assert contents(folder) == before


def test_what_is_no_file_takes_two_outputs(folder: Path) -> None:
    assert called("run", "s.toml", "--save", os.devnull, "--report", os.devnull)[0] == 0


def test_a_seed_that_no_tape_can_hold_is_refused_before_anything_is_played(folder: Path) -> None:
    most = str(SEED_MAX)

    assert called("run", "bounded.toml", "--seed", most, "--save", "most.tape")[0] == 1
    assert load(Path("most.tape")).seed == SEED_MAX
    assert called("replay", "most.tape")[0] == 1
    for words in ("run s.toml --save y.tape --seed", "shrink s.toml --seed"):
        status, told = called(*words.split(), str(SEED_MAX + 1))
        assert (status, "0<=x<=9223372036854775807" in told) == (2, True), told
    assert not Path("y.tape").exists()


def test_a_profile_is_one(folder: Path) -> None:
    status, told = called("sweep", "--profile", "halves", "--seeds", "0")

    assert (status, "'halves' is no profile, but a story: give it without --profile" in told) == (2, True)
    assert called("sweep", "--profile", "s.toml", "--seeds", "0")[0] == 2


@pytest.mark.parametrize("name", ["nope", "halves"])
def test_who_asks_for_no_profile_is_told_which_there_are(name: str) -> None:
    status, told = called("sweep", "--profile", name, "--seeds", "0")

    assert (status, PROFILES in " ".join(told.split())) == (2, True), told


def test_the_help_names_all_profiles_that_ship() -> None:
    profiles = {path.stem for path in SHIPPED.glob("*.toml") if read(path).number is None}

    _, told = called("sweep", "--help")
    named = " ".join(told.split()).partition("instead of a scenario: ")[2].partition(".")[0]

    assert set(named.split(", ")) == profiles


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--merge", "x.jsonl", "--jobs", "2"), "--merge plays nothing"),
        (("--cluster", "tcp://nobody:1", "--jobs", "2"), "it goes without --jobs"),
    ],
)
def test_jobs_are_refused_where_they_would_change_nothing(
    flags: tuple[str, ...], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.sweep.cluster", None)
    words = ("sweep", "s.toml", "--seeds", "0..1", "--no-gates")

    status, told = called(*words, *flags)

    assert (status, said in " ".join(told.split())) == (2, True), told
    merged = CliRunner().invoke(command, ["sim", *words, "--merge", "x.jsonl"], env={"GOSSAMER_SIM_SWEEP_JOBS": "2"})
    assert merged.exit_code == 0, "who has it in the environment means the sweeps that play"


@pytest.mark.parametrize("verb", ["run", "sweep", "topology", "shrink"])
def test_no_name_is_no_file(verb: str) -> None:
    status, told = called(verb, "")

    assert (status, told) == (
        2, "gossamer sim: '': no file is called so; expected a file, or a name that `gossamer sim list` prints\n"
    )  # fmt: skip


@pytest.mark.parametrize("flags", [(), ("--seed", "1")])
def test_a_tape_that_is_not_there_is_no_scenario_without_a_seed(flags: tuple[str, ...]) -> None:
    status, told = called("shrink", "nosuch.tape", *flags)

    assert (status, told) == (
        2, "gossamer sim: nosuch.tape: there is no such file; expected a file, or a name that `gossamer sim list` prints\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--list --name repair", "--name would change nothing"),
        ("--list --name nobody", "--name would change nothing"),
        ("--list --markdown", "--markdown would change nothing"),
        ("--json --markdown --name repair", "--json and --markdown are two forms of one answer"),
        ("--list --json --markdown", "--markdown would change nothing"),
    ],
)
def test_flags_of_safeguards_that_would_change_nothing_are_refused_before_a_hunt(
    words: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hunted: list[object] = []
    monkeypatch.setattr("sim.hunt.hunt", hunted.append)

    status, told = called("safeguards", *words.split())

    assert (status, said in " ".join(told.split()), hunted) == (2, True, []), told


@pytest.mark.parametrize("by", ["flags", "flag", "environment"])
def test_several_safeguards_are_turned_off(by: str, folder: Path) -> None:
    flags = {"flags": ["--without", "repair", "--without", "cursor"], "flag": ["--without", "repair,cursor"]}
    twin = {"GOSSAMER_SIM_RUN_WITHOUT": "repair,cursor"} if by == "environment" else {}
    tape = folder / "off.tape"

    told = CliRunner().invoke(command, ["sim", "run", "s.toml", "--save", str(tape), *flags.get(by, [])], env=twin)

    assert (told.exit_code, load(tape).without) == (0, ("repair", "cursor"))


def test_a_sweep_that_is_asked_for_no_gates_tells_of_none(folder: Path) -> None:
    words = ("sweep", "s.toml", "--merge", "x.jsonl", "--json")

    asked, not_asked = called(*words), called(*words, "--no-gates")

    assert (asked[0], not_asked[0]) == (1, 0)
    assert json.loads(asked[1])["gates_shut"]
    assert json.loads(not_asked[1])["gates_shut"] == []
