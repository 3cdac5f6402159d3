"""Files that cannot be written: for every flag the same error, before anything is played, and exit status 2."""

import os
import socket
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


def test_what_the_system_will_not_have_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Is a directory; expected a file that can be written"):
        put(tmp_path, "x")
    with pytest.raises(OutputError, match="Is a directory; expected a file that can be written"), writing(tmp_path):
        pass
    with pytest.raises(OutputError, match="it is a folder"):
        check_writable(tmp_path)
    check_writable(tmp_path / "new")
    assert not (tmp_path / "new").exists()
