"""Ctrl-C is heard once, wherever it falls; what is said then is so."""

import gc
import json
import signal
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gossamer.command import command
from sim.cli.stopping import STOPPING, heard_once, kept, stopped
from sim.journal import Journal
from sim.outputs import writing
from sim.sweep import Result as Played
from sim.sweep import Tally, merge, sweep
from tests.report_samples import Page
from tests.sweep_samples import Here, scenario


class Gone:
    """Something with a callback at its end."""


def test_ctrl_c_that_falls_into_a_callback_is_heard_all_the_same() -> None:
    """Its exception is forgotten there, and the next Ctrl-C is ignored already."""
    hook = sys.unraisablehook
    before = {number: signal.getsignal(number) for number in (*STOPPING, signal.SIGALRM)}
    left_s, _ = signal.setitimer(signal.ITIMER_REAL, 0)  # a time-out of whoever runs this
    signal.signal(signal.SIGINT, signal.default_int_handler)
    was_heard = False
    try:
        with heard_once():
            gone = Gone()
            weakref.finalize(gone, signal.raise_signal, signal.SIGINT)
            del gone
            gc.collect()
            signal.raise_signal(signal.SIGINT)
            end_s = time.monotonic() + 20
            while time.monotonic() < end_s:
                time.sleep(0.01)
    except KeyboardInterrupt:
        was_heard = True
    finally:
        for number, handler in before.items():  # whoever is started from here on is to hear them
            signal.signal(number, handler)
        signal.setitimer(signal.ITIMER_REAL, left_s)

    assert was_heard
    assert stopped() == 128 + signal.SIGINT
    assert sys.unraisablehook is hook


def test_what_else_no_callback_can_raise_is_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    with heard_once():
        gone = Gone()
        weakref.finalize(gone, int, "no number")
        del gone
        gc.collect()

    (what,) = told
    assert isinstance(getattr(what, "exc_value", None), ValueError)


@pytest.fixture
def hearing() -> Iterator[None]:
    """Ctrl-C is heard, and will be by whoever comes next: what has heard it ignores it from there on."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ctrl_c(*_: object, **__: object) -> None:
    """What comes instead of what was to be done next."""
    signal.raise_signal(signal.SIGINT)


def stopped_in(folder: Path, *words: str) -> str:
    """What is said of a call that Ctrl-C ended; nothing lies beside what was asked for."""
    told: Result = CliRunner().invoke(command, ["sim", *words])
    assert told.exit_code == 130, told.output
    assert not list(folder.glob(".gossamer-*"))
    return told.stderr.splitlines()[-1]


@pytest.mark.usefixtures("hearing")
@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("sim.heap.Play.run", "no file was written"),
        ("sim.replay.record", "no file was written"),
        ("sim.report.write_report", "x.tape was written"),
        ("sim.outcome.Outcome.to_json", "x.tape and x.html were written"),
    ],
)
def test_a_run_that_is_stopped_names_the_files_that_it_has_written(
    at: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(at, ctrl_c)

    told = stopped_in(tmp_path, "run", "silence", "--save", "x.tape", "--report", "x.html", "--json")

    assert told == f"gossamer sim: stopped; {said}."
    assert {each.name for each in tmp_path.iterdir()} == {"x.tape", "x.html"} & set(said.split())


@pytest.mark.usefixtures("hearing")
@pytest.mark.parametrize(
    ("at", "said"),
    [("sim.scenario.writing.write", "no file was written"), ("sim.cli.again._save", "small.toml was written")],
)
def test_a_shrinker_that_is_stopped_names_the_files_that_it_has_written(
    at: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = tmp_path / "broken.tape"
    CliRunner().invoke(command, ["sim", "run", "halves", "--without", "repair", "--save", str(tape)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(at, ctrl_c)

    told = stopped_in(tmp_path, "shrink", "broken.tape", "--runs", "3", "--out", "small.toml", "--save", "small.tape")

    assert told == f"gossamer sim: stopped; what was given is as it was, and {said}."
    assert {each.name for each in tmp_path.iterdir()} - {"broken.tape"} == {"small.toml"} & set(said.split())


@pytest.mark.usefixtures("hearing")
@pytest.mark.parametrize("comes_before", [True, False])
def test_a_file_that_is_being_put_in_its_place_is_there_before_ctrl_c_is_heard(
    comes_before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, path = Path.replace, tmp_path / "x.tape"

    def replace(one: Path, other: Path) -> None:
        if comes_before:
            ctrl_c()
        put(one, other)
        if not comes_before:
            ctrl_c()

    monkeypatch.setattr(Path, "replace", replace)

    told = stopped_in(tmp_path, "run", "silence", "--save", str(path))

    assert told == f"gossamer sim: stopped; {path} was written."
    assert path.read_text().endswith("}")


@pytest.mark.usefixtures("hearing")
def test_what_is_written_where_it_is_may_be_there_in_part() -> None:
    with pytest.raises(KeyboardInterrupt), heard_once(), writing(Path("/dev/null")):
        ctrl_c()

    assert kept("replay") == (
        "the tape is as it was, and no file was written, and /dev/null may hold a part of what was to be written"
    )


@pytest.mark.usefixtures("hearing")
@pytest.mark.parametrize("number", STOPPING)
def test_an_interrupted_sweep_is_not_kept_whoever_is_asked(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Tally.add

    def add_three(tally: Tally, result: Played) -> None:
        add(tally, result)
        if tally.seeds == 3:
            signal.raise_signal(number)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Tally, "add", add_three)
    monkeypatch.setattr("sim.sweep.pool", lambda _: nullcontext(Here()))
    words = ["sim", "sweep", "silence", "--seeds", "0..30", "--junit", "out.xml", "--report", "out.html"]

    in_json, in_text = [], []
    for flags, told in ((["--json"], in_json), ([], in_text)):
        for each, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
            signal.signal(each, handler)
        said = CliRunner().invoke(command, [*words, *flags])
        assert said.exit_code == 128 + number, said.output
        told.append(said.stdout)

    plain = json.loads(in_json[0])
    assert (plain["seeds"], plain["kept"], plain["interrupted"], plain["missing"]) == (3, False, True, "3..30")
    assert "  interrupted after 3 of 31 seeds; with --journal FILE it could go on\n" in in_text[0]
    assert "missing" not in in_text[0]
    assert "○ not whole | The sweep was interrupted after 3 of 31 seeds." in Page(Path("out.html").read_text()).rows("")
    assert 'errors="1"' in Path("out.xml").read_text()
    assert 'message="interrupted after 3 of 31 seeds"' in Path("out.xml").read_text()


@pytest.mark.usefixtures("hearing")
def test_a_seed_counts_and_is_kept_or_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, path = Journal.write, tmp_path / "j.jsonl"

    def torn(*arguments: Any) -> None:
        ctrl_c()
        write(*arguments)

    monkeypatch.setattr(Journal, "write", torn)

    with heard_once():
        tally = sweep(scenario(), range(4), Here(), journal=path)

    assert (tally.seeds, str(tally.missing)) == (1, "1..3")
    assert str(merge(scenario(), [path]).missing) == "1..3"
