"""Journals that are merged: each seed counts once, what is missing is told, and one seed has one result."""

import json
from contextlib import chdir
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gossamer.command import command
from mesh.codes import Code
from sim.errors import JournalError
from sim.seeds import seeds_of
from sim.sweep import merge, sweep
from tests.report_samples import Page
from tests.sweep_samples import Here, scenario


@pytest.fixture(scope="module")
def swept_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two journals, made once."""
    made = tmp_path_factory.mktemp("shards")
    for number in (1, 2):
        sweep(scenario(), seeds_of("0..7", f"{number}/2"), Here(), journal=made / f"{number}.jsonl")
    return made


@pytest.fixture
def shards(swept_shards: Path, tmp_path: Path) -> list[Path]:
    return [copy(swept_shards / name, tmp_path / name) for name in ("1.jsonl", "2.jsonl")]


def changed(path: Path, line: int, **fields: Any) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = json.dumps({**json.loads(lines[line - 1]), **fields})
    path.write_text("\n".join([*lines, ""]))


def test_shards_come_to_what_one_sweep_comes_to(shards: list[Path]) -> None:
    merged, whole = merge(scenario(), shards), sweep(scenario(), range(8), Here())

    assert (merged.seeds, str(merged.missing)) == (8, "")
    assert (merged.coverage, merged.evaluated, merged.events) == (whole.coverage, whole.evaluated, whole.events)


@pytest.mark.parametrize(
    ("given", "asked", "counted", "missing"),
    [
        ([0], None, 4, "1,3,5,7"),
        ([1], None, 4, "0,2,4,6"),
        ([0, 1], "0..9", 8, "8..9"),
        ([0, 1], "0..3", 4, ""),
        ([0], "2,4", 2, ""),
        ([0, 0, 1, 0], None, 8, ""),
    ],
)
def test_what_was_asked_for_and_is_not_there_is_missing(
    shards: list[Path], given: list[int], asked: str | None, counted: int, missing: str
) -> None:
    tally = merge(scenario(), [shards[each] for each in given], None if asked is None else seeds_of(asked))

    assert (tally.seeds, str(tally.missing)) == (counted, missing)
    assert sorted(tally.played) == sorted(set(tally.played))


def test_a_journal_that_was_interrupted_lacks_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    sweep(scenario(), range(4), Here(), journal=path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]) + lines[4][:50])

    assert str(merge(scenario(), [path]).missing) == "2..3"


@pytest.mark.parametrize("lines", [0, 1])
def test_a_journal_that_names_no_seeds_is_refused_unless_somebody_else_names_them(
    shards: list[Path], lines: int
) -> None:
    kept = shards[0].read_bytes().splitlines(keepends=True)[:lines]
    shards[0].write_bytes(b"".join(kept))

    with pytest.raises(JournalError, match="it does not say which seeds its sweep was asked for"):
        merge(scenario(), shards)

    assert str(merge(scenario(), shards, seeds_of("0..7")).missing) == "0,2,4,6"


def test_shards_that_overlap_count_once(shards: list[Path], tmp_path: Path) -> None:
    overlapping = tmp_path / "3.jsonl"
    sweep(scenario(), seeds_of("4..11"), Here(), journal=overlapping)

    tally = merge(scenario(), [*shards, overlapping])

    assert (tally.seeds, str(tally.missing)) == (12, "")


def test_equal_results_may_have_taken_unequal_times(shards: list[Path], tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    sweep(scenario(), seeds_of("0..7", "1/2"), Here(), journal=again)
    changed(again, 3, seconds=17.5)

    assert merge(scenario(), [*shards, again]).seeds == 8


def test_two_results_for_one_seed_are_a_failure_of_determinism(shards: list[Path], tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    sweep(scenario(), seeds_of("0..7", "1/2"), Here(), journal=again)
    changed(again, 4, trace="another")

    with pytest.raises(JournalError) as refused:
        merge(scenario(), [*shards, again])

    assert refused.value.code == Code.SEED_TWO_WAYS
    assert str(refused.value).startswith(f"{again}:4: seed 2 came to something else in {shards[0]}:4: trace is ")
    assert "the simulation is not deterministic" in str(refused.value)


def test_one_journal_that_says_two_things_of_a_seed_is_refused_by_a_sweep_too(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    sweep(scenario(), range(2), Here(), journal=path)
    with path.open("a") as kept:
        kept.write(path.read_text().splitlines()[2] + "\n")
    changed(path, 5, events=1)

    with pytest.raises(JournalError, match=r"j\.jsonl:5: seed 0 came to something else in .*:3: events is \d+ there"):
        sweep(scenario(), range(2), Here(), journal=path)


@pytest.mark.parametrize(
    "line", ['{"asked": "9..1", "shard": "1/1"}', '{"asked": 5, "shard": "1/1"}', '{"asked": "1", "shard": "x"}']
)
def test_what_was_asked_for_is_checked_as_well(shards: list[Path], line: str) -> None:
    with shards[0].open("a") as kept:
        kept.write(line + "\n")

    with pytest.raises(JournalError, match=r"1\.jsonl:7: "):
        merge(scenario(), shards)


# --- the command ---------------------------------------------------------------------------------------------------------

FILE = 'title = "t"\npromise = "p"\nduration = "1s"\n[topology]\nnode = [{ name = "ana" }, { name = "ben" }]\n'


@pytest.fixture(scope="module")
def swept_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file and the journals of its two shards, made once."""
    made = tmp_path_factory.mktemp("swept")
    with chdir(made):
        Path("mine.toml").write_text(FILE)
        for number in (1, 2):
            done = said("--seeds", "0..3", "--shard", f"{number}/2", "--jobs", "1", "--journal", f"{number}")
            assert done.exit_code == 0
    return made


@pytest.fixture
def swept(swept_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copytree(swept_folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*words: str) -> Result:
    return CliRunner().invoke(command, ["sim", "sweep", "mine.toml", "--no-gates", *words])


@pytest.mark.usefixtures("swept")
def test_a_merge_that_lacks_seeds_says_so_and_ends_with_2() -> None:
    whole, half = said("--merge", "1", "--merge", "2"), said("--merge", "1", "--report", "out.html")
    more, plain = (
        said("--merge", "1", "--merge", "2", "--seeds", "0..5"),
        json.loads(said("--merge", "1", "--json").stdout),
    )

    assert [each.exit_code for each in (whole, half, more)] == [0, 2, 2]
    assert "missing" not in whole.stdout
    assert "missing: 2 of 4 seeds that were asked for: 1,3" in half.stdout
    assert "missing: 2 of 6 seeds that were asked for: 4..5" in more.stdout
    assert (plain["kept"], plain["missing"], plain["missing_count"]) == (False, "1,3", 2)
    assert "2 of 4 seeds are missing." in Page(Path("out.html").read_text()).rows("")


@pytest.mark.usefixtures("swept")
@pytest.mark.parametrize("flags", [("--journal", "j"), ("--cluster", "tcp://h:1"), ("--shard", "1/2")])
def test_a_merge_plays_nothing(flags: tuple[str, str]) -> None:
    told = said("--merge", "1", *flags)

    assert told.exit_code == 2
    assert "--merge plays nothing" in told.stderr
