"""Files that cannot be written: for every flag the same error, before anything is played, and exit status 2."""

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from gossamer.command import command
from mesh.codes import Code
from sim.errors import OutputError
from sim.outputs import check_writable, put, writing

FLAGS = [
    ("run", "--save"), ("run", "--report"), ("sweep", "--journal"), ("sweep", "--junit"), ("sweep", "--report"),
    ("topology", "--svg"), ("shrink", "--save"), ("shrink", "--out"), ("replay", "--report"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "flag"), FLAGS)
def test_a_file_in_a_folder_that_is_not_there_is_told_before_anything_is_played(
    verb: str, flag: str, tmp_path: Path
) -> None:
    tape = tmp_path / "x.tape"
    tape.write_text("")
    what = str(tape) if verb == "replay" else "halves"
    path = tmp_path / "none" / "out"

    told = CliRunner().invoke(command, ["sim", verb, what, flag, str(path)])

    assert (told.exit_code, told.stdout) == (2, "")
    assert told.stderr == (
        f"gossamer sim: {Code.OUTPUT_UNWRITABLE} {path}: there is no folder {path.parent}; "
        "expected a file in a folder that is there\n"
    )


@pytest.mark.parametrize(("verb", "flag"), FLAGS)
def test_a_link_into_a_folder_that_is_not_there_is_told_before_anything_is_played(
    verb: str, flag: str, tmp_path: Path
) -> None:
    tape, path = tmp_path / "x.tape", tmp_path / "out"
    tape.write_text("")
    path.symlink_to(tmp_path / "none" / "out")

    told = CliRunner().invoke(command, ["sim", verb, str(tape) if verb == "replay" else "halves", flag, str(path)])

    assert (told.exit_code, told.stdout) == (2, "")
    assert told.stderr == (
        f"gossamer sim: {Code.OUTPUT_UNWRITABLE} {path}: there is no folder {(tmp_path / 'none').resolve()}; "
        "expected a file in a folder that is there\n"
    )


@pytest.mark.parametrize(("verb", "flag"), FLAGS)
def test_a_folder_is_no_file(verb: str, flag: str, tmp_path: Path) -> None:
    told = CliRunner().invoke(command, ["sim", verb, __file__, flag, str(tmp_path)])

    assert told.exit_code == 2
    assert "is a directory" in told.stderr


@pytest.mark.parametrize(("verb", "flag"), FLAGS)
def test_links_that_go_in_a_circle_lead_to_no_file(verb: str, flag: str, tmp_path: Path) -> None:
    tape, one, other = tmp_path / "x.tape", tmp_path / "one", tmp_path / "other"
    tape.write_text("")
    one.symlink_to(other)
    other.symlink_to(one)

    told = CliRunner().invoke(command, ["sim", verb, str(tape) if verb == "replay" else "halves", flag, str(one)])

    assert (told.exit_code, told.stdout) == (2, "")
    assert told.stderr == (
        f"gossamer sim: {Code.OUTPUT_UNWRITABLE} {one}: Too many levels of symbolic links; "
        "expected a file that can be written\n"
    )


@pytest.mark.parametrize(
    "words", [("run", "halves", "--save"), ("sweep", "halves", "--seeds", "0", "--jobs", "1", "--no-gates", "--junit")]
)
def test_a_disk_that_is_full_is_told_with_what_was_expected(words: tuple[str, ...]) -> None:
    told = CliRunner().invoke(command, ["sim", *words, "/dev/full"])

    assert told.exit_code == 2
    assert told.stderr == (
        f"gossamer sim: {Code.OUTPUT_UNWRITABLE} /dev/full: No space left on device; "
        "expected a file that can be written\n"
    )


@pytest.mark.parametrize(("verb", "flag"), FLAGS)
def test_a_pipe_that_nobody_may_ever_read_is_no_file(verb: str, flag: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    told = CliRunner().invoke(command, ["sim", verb, __file__, flag, str(pipe)])

    assert told.exit_code == 2
    assert told.stderr == (
        f"gossamer sim: {Code.OUTPUT_UNWRITABLE} {pipe}: it is no file; expected a file, or none yet\n"
    )


@pytest.mark.parametrize(
    "words", [("replay",), ("shrink",), ("shrink", "--seed", "1"), ("sweep", "halves", "--merge")], ids=" ".join
)
def test_a_pipe_is_neither_a_tape_nor_a_journal_that_is_read(words: tuple[str, ...], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    told = CliRunner().invoke(command, ["sim", *words, str(pipe)])

    assert told.exit_code == 2
    assert f"{pipe}: it is no file; expected" in told.stderr


def test_devices_and_pipes_that_were_opened_for_us_are_written_to_but_no_journal_is_kept_there(
    tmp_path: Path,
) -> None:
    reads, writes = os.pipe()
    given = Path("/dev/fd", str(writes))
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))

    check_writable(Path("/dev/null"))
    check_writable(given)
    for path in (Path("/dev/null"), given):
        with pytest.raises(OutputError, match="it is no file; expected a file, or none yet"):
            check_writable(path, whole=True)
    with pytest.raises(OutputError, match="it is no file; expected a file, or none yet"):
        check_writable(tmp_path / "socket")
    os.close(reads)
    os.close(writes)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "printed", "linked", "/dev/stderr"])
def test_no_journal_is_kept_where_others_write(name: str, tmp_path: Path) -> None:
    """What is printed would be written over its beginning."""
    (tmp_path / "printed").touch()
    (tmp_path / "linked").symlink_to("/dev/stdout")
    words = ["sim", "sweep", "halves", "--seeds", "0", "--jobs", "1", "--no-gates", "--journal", name]
    script = "from gossamer.command import main; main()"

    with (tmp_path / "printed").open("w") as file, (tmp_path / "complained").open("w") as complained:
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            cwd=tmp_path,
            stdout=file,
            stderr=complained,
            timeout=55,
            check=False,
        )

    assert (done.returncode, (tmp_path / "printed").read_text()) == (2, "")
    assert (tmp_path / "complained").read_text() == (
        f"gossamer sim: {Code.OUTPUT_UNWRITABLE} {name}: it is no file of its own: others write to it; "
        "expected another file, or none yet\n"
    )


def test_a_journal_beside_a_standard_output_that_is_closed_is_one(tmp_path: Path) -> None:
    (tmp_path / "j").touch()
    script = "from pathlib import Path; from sim.outputs import check_writable; check_writable(Path('j'), whole=True)"

    words = ["sh", "-c", f'exec "{sys.executable}" -c "{script}" >&-']
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False, timeout=55)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_report_of_a_sweep_is_written_though_its_junit_cannot_be(tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    words = [
        "sweep",
        "halves",
        "--seeds",
        "0",
        "--jobs",
        "1",
        "--no-gates",
        "--junit",
        "/dev/full",
        "--report",
        str(out),
    ]

    told = CliRunner().invoke(command, ["sim", *words])

    assert told.exit_code == 2
    assert told.stdout.startswith("Two halves")
    assert told.stderr.endswith("/dev/full: No space left on device; expected a file that can be written\n")
    assert out.read_text().startswith("<!doctype html>")


def test_what_the_system_will_not_have_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Is a directory; expected a file that can be written"):
        put(tmp_path, "x")
    with pytest.raises(OutputError, match="Is a directory; expected a file that can be written"), writing(tmp_path):
        pass
    with pytest.raises(OutputError, match="it is a folder"):
        check_writable(tmp_path)
    check_writable(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may become longer, as on a disk that is full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def put_by_pieces(path: Path, content: str) -> None:
    """Write as JUnit is written."""
    with writing(path) as file:
        for piece in content.splitlines(keepends=True):
            file.write(piece)


def names_in(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("write", [put, put_by_pieces])
def test_what_was_there_stays_whole_where_there_is_no_room_for_what_is_new(
    write: Callable[[Path, str], None], tmp_path: Path
) -> None:
    path = tmp_path / "out"
    path.write_text("old")

    with room_for(100_000), pytest.raises(OutputError, match="File too large; expected a file that can be written"):
        write(path, "a line\n" * 30_000)

    assert (path.read_text(), names_in(tmp_path)) == ("old", ["out"])


def test_a_link_goes_on_being_one_and_a_file_keeps_its_mode(tmp_path: Path) -> None:
    target, link, nowhere = tmp_path / "there" / "out", tmp_path / "link", tmp_path / "nowhere"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    nowhere.symlink_to(tmp_path / "there" / "other")

    put(link, "new")
    put(nowhere, b"first")

    assert (link.readlink(), target.read_text(), target.stat().st_mode & 0o777) == (target, "new", 0o640)
    assert (nowhere.is_symlink(), names_in(target.parent)) == (True, ["other", "out"])
    assert (tmp_path / "there" / "other").read_bytes() == b"first"


def test_a_file_that_we_were_given_open_is_written_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "printed"
    script = "from pathlib import Path; from sim.outputs import put; put(Path('/dev/stdout'), 'all'); print(' of it')"

    with path.open("a") as file:
        subprocess.run([sys.executable, "-c", script], stdout=file, check=True, timeout=55)

    assert path.read_text() == "all of it\n"


@pytest.mark.parametrize("flags", [("--save",), ("--report",), ("--save", "--json")], ids=" ".join)
def test_a_run_that_cannot_be_written_down_tells_its_verdict_first(flags: tuple[str, ...]) -> None:
    flag, *others = flags
    words = ["sim", "run", "halves", "--without", "repair", *others]

    told = CliRunner().invoke(command, [*words, flag, "/dev/full"])

    assert told.exit_code == 2
    assert told.stdout == CliRunner().invoke(command, words).stdout
    assert "No space left on device" in told.stderr


def test_what_is_shrunk_or_replayed_is_told_before_the_file_that_cannot_be_written(tmp_path: Path) -> None:
    tape = tmp_path / "run.tape"
    words = ["sim", "run", "halves", "--without", "repair", "--save", str(tape)]
    assert CliRunner().invoke(command, words).exit_code == 1

    replayed = CliRunner().invoke(command, ["sim", "replay", str(tape), "--report", "/dev/full"])
    shrunk = CliRunner().invoke(command, ["sim", "shrink", str(tape), "--runs", "40", "--out", "/dev/full"])

    assert [replayed.exit_code, shrunk.exit_code] == [2, 2]
    assert "broken: nothing lost" in replayed.stdout
    assert "again:   gossamer sim replay" in replayed.stdout
    assert shrunk.stdout.startswith("# Shrunk from")
    assert "Shrunk from" in shrunk.stderr
    for told in (replayed, shrunk):
        assert told.stderr.endswith("/dev/full: No space left on device; expected a file that can be written\n")


def test_a_folder_that_is_gone_is_told_as_that(tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom gossamer.command import main\nos.rmdir(os.getcwd())\n"
        "sys.argv = ['gossamer', 'sim', 'run', 'halves', '--save', 'x.tape']\nmain()"
    )

    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=55,
    )  # fmt: skip

    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "gossamer sim: No such file or directory: the folder in which this was called is gone\n"
