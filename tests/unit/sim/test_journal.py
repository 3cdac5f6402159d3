"""Journals of sweeps: tied to all that decides a result, whole after a power cut, and never taken for what they are not."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gossamer.command import command
from mesh.codes import Code
from sim.errors import JournalError, OutputError
from sim.journal import LINE_BYTES_MAX, Journal, Subject
from sim.scenario.reading import read
from sim.seeds import seeds_of
from sim.sweep import sweep
from tests.sweep_samples import Here, scenario


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.jsonl"
    sweep(scenario(), range(3), Here(), journal=path)
    return path


def seeds_in(path: Path, subject: Subject | None = None) -> list[int]:
    return [result.seed for _, result in Journal(path, subject or Subject(scenario())).results()]


# --- whose it is ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (Subject(scenario(duration="3s")), "scenario.duration is 2s there and 3s here"),
        (Subject(scenario(crypto="ed25519")), "scenario.crypto is sim there and ed25519 here"),
        (Subject(scenario(workload=[{"rate": 6}])), "scenario.workload.0.rate is 5.0 there and 6.0 here"),
        (Subject(scenario(guarantees={"p99": "1s"})), "scenario.guarantees.p99 is not said there and 1s here"),
        (Subject(scenario(), ("repair",)), 'without is [] there and ["repair"] here'),
    ],
)
def test_the_journal_of_something_else_is_refused_with_what_differs(
    journal: Path, subject: Subject, words: str
) -> None:
    with pytest.raises(JournalError) as refused:
        seeds_in(journal, subject)

    assert refused.value.code == Code.JOURNAL_FOREIGN
    assert f"{journal}:1: this is the journal of another sweep: " in str(refused.value)
    assert words in str(refused.value)


def test_the_journal_of_another_scenario_is_refused_by_its_title_and_not_by_all_its_keys(journal: Path) -> None:
    other = scenario(title="Another", duration="3s", crypto="ed25519", workload=[{"rate": 6}, {"rate": 7}])

    for subject, more in (
        (Subject(other), ""),
        (Subject(other, ("repair",)), '; without is [] there and ["repair"] here'),
    ):
        with pytest.raises(JournalError) as refused:
            seeds_in(journal, subject)

        assert refused.value.code == Code.JOURNAL_FOREIGN
        assert str(refused.value) == (
            f"{journal}:1: this is the journal of another scenario: it is of 'Two nodes', and this is 'Another'{more}; "
            "expected the journal of what is swept now: give another file, or remove this one"
        )


@pytest.mark.parametrize("said", [{}, {"scenario": 7}, {"scenario": {"title": 7}}, {"scenario": {"title": [7]}}])
def test_a_heading_that_says_no_title_is_refused(journal: Path, said: dict[str, Any]) -> None:
    journal.write_text(json.dumps({"gossamer-journal": 2, **said}) + "\n")

    with pytest.raises(JournalError, match="this is the journal of another s") as refused:
        seeds_in(journal)

    assert refused.value.code == Code.JOURNAL_FOREIGN


@pytest.mark.parametrize("key", ["version", "sources", "engine", "gossamer-journal"])
def test_a_journal_of_other_sources_is_refused(journal: Path, key: str) -> None:
    heading, *lines = journal.read_text().splitlines()
    journal.write_text("\n".join([json.dumps({**json.loads(heading), key: "x"}), *lines, ""]))

    with pytest.raises(JournalError, match=f"{key} is x there and"):
        seeds_in(journal)


def test_shards_are_of_one_sweep_wherever_their_matrix_lies(tmp_path: Path) -> None:
    headings = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        matrix = tmp_path / place / "rtt.csv"
        matrix.write_text("region,eu,us\neu,,90\nus,90,\n")
        apart = {"node": [{"name": "ana"}, {"name": "ben", "region": "us"}], "matrix": str(matrix)}
        subject = Subject(scenario(topology=apart))
        headings.append(subject.heading)

    assert headings[0] == headings[1]
    assert headings[0]["round-trips"] == {"eu us": 90_000}


def test_a_matrix_that_was_edited_is_another_sweep(tmp_path: Path) -> None:
    matrix, journal = tmp_path / "rtt.csv", tmp_path / "sweep.jsonl"
    matrix.write_text("region,eu,us\neu,,90\nus,90,\n")
    apart = {"node": [{"name": "ana"}, {"name": "ben", "region": "us"}], "matrix": str(matrix)}
    sweep(scenario(topology=apart), range(1), Here(), journal=journal)

    matrix.write_text("region,eu,us\neu,,120\nus,120,\n")

    with pytest.raises(JournalError, match=r"round-trips\.eu us is 90000 there and 120000 here"):
        seeds_in(journal, Subject(scenario(topology=apart)))


def test_what_is_included_decides_and_how_it_is_written_does_not(tmp_path: Path) -> None:
    base, upper, journal = tmp_path / "base.toml", tmp_path / "upper.toml", tmp_path / "sweep.jsonl"
    plain = 'title = "t"\npromise = "p"\n[topology]\nnode = [{ name = "ana" }, { name = "ben" }]\n'
    base.write_text(f'duration = "1s"\n{plain}')
    upper.write_text('include = ["base.toml"]\n')
    sweep(read(upper), range(1), Here(), journal=journal)

    base.write_text(f'duration = "1000ms"\n# the same\n{plain}')
    assert seeds_in(journal, Subject(read(upper))) == [0]
    base.write_text(f'duration = "2s"\n{plain}')
    with pytest.raises(JournalError, match=r"scenario\.duration is 1s there and 2s here"):
        seeds_in(journal, Subject(read(upper)))


def test_a_sweep_refuses_it_with_2_and_leaves_it_alone(tmp_path: Path) -> None:
    file, journal = tmp_path / "mine.toml", tmp_path / "j.jsonl"
    plain = 'title = "t"\npromise = "p"\n[topology]\nnode = [{ name = "ana" }, { name = "ben" }]\n'
    file.write_text(f'duration = "1s"\n{plain}')
    words = ["sim", "sweep", str(file), "--seeds", "0", "--jobs", "1", "--no-gates", "--journal", str(journal)]
    first = CliRunner().invoke(command, words)
    kept = journal.read_bytes()

    file.write_text(f'duration = "2s"\n{plain}')
    edited = CliRunner().invoke(command, words)
    file.write_text(f'duration = "1s"\n{plain}')
    without = CliRunner().invoke(command, [*words, "--without", "repair"])

    assert [each.exit_code for each in (first, edited, without)] == [0, 2, 2]
    assert edited.stderr.startswith("gossamer sim: GSM-6102 ")
    assert journal.read_bytes() == kept


# --- torn ----------------------------------------------------------------------------------------------------------------


def test_a_torn_line_costs_its_own_seed_and_no_other(journal: Path) -> None:
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][: len(lines[-1]) // 2])

    again = Here()
    sweep(scenario(), range(5), again, journal=journal)

    assert again.seeds == [2, 3, 4]
    assert seeds_in(journal) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "torn",
    [lambda whole: whole[:40], lambda _: bytes(4_096), lambda _: b"", lambda whole: whole.splitlines()[0]],
    ids=["half a heading", "a hole", "nothing", "no end of line"],
)
def test_a_torn_heading_is_written_again(journal: Path, torn: Callable[[bytes], bytes]) -> None:
    journal.write_bytes(torn(journal.read_bytes()))

    sweep(scenario(), range(2), Here(), journal=journal)

    assert seeds_in(journal) == [0, 1]


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    for content in (b"a letter to a friend", b"a letter\nto a friend\n", b"[]\n", b"\xff\xfe\n"):
        path = tmp_path / "letter"
        path.write_bytes(content)

        with pytest.raises(JournalError, match="letter:1: this is no journal; expected a file that"):
            sweep(scenario(), range(2), Here(), journal=path)
        assert path.read_bytes() == content


# --- damaged -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"broken": 5}, "broken: 5; … (a list)"),
        ({"broken": ["once", 5]}, "broken.1: 5; … (a text)"),
        ({"broken": ["once", "nonsense"]}, "broken.1: 'nonsense'; … (no promise is called so)"),
        ({"coverage": {"frame/Push": "many"}}, "coverage.frame/Push: 'many'; … (a whole number)"),
        ({"coverage": ["frame/Push"]}, 'coverage: ["frame/Push"]; … (an object)'),
        ({"evaluated": {"once": -1}}, "evaluated.once: -1; … (at least 0)"),
        ({"seed": "1"}, "seed: '1'; … (a whole number)"),
        ({"seed": True}, "seed: true"),
        ({"seed": 1 << 80}, "seed: 12089"),
        ({"seconds": 1e300}, "seconds: 1e+300; … (at most 1,000,000,000,000)"),
        ({"figures": {"p99_us": "x"}}, "figures.p99_us: 'x'; … (a whole number)"),
        ({"luck": 1}, "luck: 1; … (no such key)"),
        ({"witness": None}, "witness: not said"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(journal: Path, changed: dict[str, Any], words: str) -> None:
    lines = journal.read_text().splitlines()
    lines[3] = json.dumps({**json.loads(lines[3]), **changed})
    journal.write_text("\n".join([*lines, ""]))

    with pytest.raises(JournalError) as refused:
        seeds_in(journal)

    assert refused.value.code == Code.JOURNAL_INVALID
    assert str(refused.value).startswith(f"{journal}:4: ")
    assert "; expected the result of a seed, as a sweep writes it" in str(refused.value)
    assert words in str(refused.value).replace("expected the result of a seed, as a sweep writes it", "…")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"seed": 7, "bro{"seed": 8, "broken": []}', "no JSON: "),
        (b"[" * 100_000, "no JSON: recursion limit exceeded"),
        (b'{"seed": %s}' % (b"[" * 100_000), "no JSON: recursion limit exceeded"),
        (b'{"seed": 1, "broken": [], "events": %s}' % (b"9" * 6_000), "no JSON: "),
        (b'{"seed": 1, "broken": [], "seconds": NaN}', "seconds: NaN"),
        (b'{"seed": 1}', "broken: it is missing; expected the result of a seed, as a sweep writes it"),
        (b'{"asked": 5, "shard": "1/1"}', "asked: 5; expected the result of a seed, as a sweep writes it (a text)"),
        (b"7", "the line: 7; expected the result of a seed, as a sweep writes it (an object)"),
        (b"", "no JSON: "),
        (b" " * (LINE_BYTES_MAX + 1), "the line is too long; expected at most"),
    ],
    ids=["glued", "deep", "deep inside", "huge", "nan", "missing", "asked", "number", "empty", "long"],
)
def test_a_line_that_is_no_result_is_named(journal: Path, line: bytes, words: str) -> None:
    with journal.open("ab") as kept:
        kept.write(line + b"\n")

    with pytest.raises(JournalError) as refused:
        seeds_in(journal)

    assert str(refused.value).startswith(f"{journal}:6: ")
    assert words in str(refused.value)


def test_a_journal_that_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="it is no file; expected a journal"):
        sweep(scenario(), range(1), Here(), journal=tmp_path)
    with pytest.raises(OutputError, match="No such file or directory; expected a file that can be written") as refused:
        sweep(scenario(), range(1), Here(), journal=tmp_path / "none" / "j.jsonl")

    assert refused.value.code == Code.OUTPUT_UNWRITABLE


def test_two_sweeps_do_not_write_on_one_journal(journal: Path) -> None:
    first, second = (Journal(journal, Subject(scenario())) for _ in range(2))
    list(first.results())
    list(second.results())

    with first.open(seeds_of("0..9")), pytest.raises(JournalError, match="another sweep writes on it"):
        second.open(seeds_of("0..9"))
    with pytest.raises(JournalError, match="another sweep writes on it"):
        second.open(seeds_of("0..9"))  # it has grown meanwhile
    list(second.results())
    second.open(seeds_of("0..9")).close()
    assert seeds_in(journal) == [0, 1, 2]


def test_a_disk_that_fills_up_within_a_line_is_told_and_costs_that_seed_alone(journal: Path) -> None:
    room = journal.stat().st_size + 3_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OutputError) as refused:
            sweep(scenario(), range(9), Here(), journal=journal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    kept = seeds_in(journal)

    again = sweep(scenario(), range(9), Here(), journal=journal)

    assert (refused.value.code, journal.stat().st_size > room) == (Code.OUTPUT_UNWRITABLE, True)
    assert kept[:3] == [0, 1, 2] and kept == list(range(len(kept))) and len(kept) < 9
    assert (again.seeds, seeds_in(journal)) == (9, list(range(9)))


def test_a_journal_that_is_deleted_under_a_sweep_is_told(journal: Path) -> None:
    book = Journal(journal, Subject(scenario()))
    (_, result), *_ = book.results()
    with book.open(seeds_of("0..9")) as kept:
        book.write(kept, result)
        journal.unlink()

        with pytest.raises(OutputError, match="it was deleted while a sweep wrote on it; expected a file that stays"):
            book.write(kept, result)
