"""JUnit XML of a sweep, as Jenkins' schema (junit-10) and GitLab's reader have it: a case for each seed and each gate."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sim.checkers import PROMISES
from sim.cli.junit import write_junit
from sim.seeds import seeds_of
from sim.sweep import Result, Tally
from tests.sweep_samples import scenario

COMMAND = "gossamer sim run two.toml --without repair"
COUNTS = {"name", "tests", "failures", "errors", "time"}
MAY = {
    "testsuites": COUNTS,
    "testsuite": COUNTS | {"skipped", "timestamp", "hostname", "id", "package"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
}
"""What the schema allows of the elements that we write. GitLab reads name, classname, time, failure, error and their text."""
INSIDE = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}, "testcase": {"failure", "error"}}
SEEN = dict.fromkeys((*PROMISES, "quiet"), 1)


def valid(path: Path) -> ET.Element:
    """The root, once everything in it is what the schema allows, and the totals are those of the cases."""
    root = ET.parse(path).getroot()
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) <= MAY[element.tag], element.tag
        assert {child.tag for child in element} <= INSIDE.get(element.tag, set())
        assert re.fullmatch(r"\d+\.\d{3}", element.get("time", "0.000"))
        if element.tag in ("testsuites", "testsuite"):
            assert set(element.attrib) >= COUNTS
            totals = [int(element.attrib[name]) for name in ("tests", "failures", "errors")]
            assert totals == [len(list(element.iter(tag))) for tag in ("testcase", "failure", "error")]
        if element.tag == "testcase":
            assert element.get("name") and element.get("classname")
    return root


def swept(*results: Result, title: str = "Two nodes") -> Tally:
    made = Tally(scenario(title=title))
    for result in results:
        made.add(result)
    return made


def result(seed: int, *broken: str, seconds: float = 0.25, about: str = "it was shown twice") -> Result:
    witness = ["1.0 s: shown", "2.0 s: shown again"]
    return Result(seed, list(broken), about, witness, seconds=seconds, evaluated=SEEN)


def test_each_seed_is_a_case_with_its_time(tmp_path: Path) -> None:
    path = tmp_path / "out.xml"

    write_junit(swept(result(2), result(0, seconds=1.5), result(1)), path, COMMAND, gates=False)

    cases = [(case.get("classname"), case.get("name"), case.get("time")) for case in valid(path).iter("testcase")]
    assert cases == [
        ("Two nodes", "seed 0", "1.500"), ("Two nodes", "seed 1", "0.250"), ("Two nodes", "seed 2", "0.250")
    ]  # fmt: skip


def test_a_failure_says_what_proves_it_and_how_to_see_it_again(tmp_path: Path) -> None:
    path = tmp_path / "out.xml"

    write_junit(swept(result(0), result(7, "once", "in order")), path, COMMAND, gates=False)

    (failure,) = valid(path).iter("failure")
    assert failure.attrib == {"type": "once", "message": "once, in order: it was shown twice"}
    assert (failure.text or "").splitlines() == [
        "once, in order: it was shown twice",
        "    1.0 s: shown",
        "    2.0 s: shown again",
        "again: gossamer sim run two.toml --without repair --seed 7",
    ]


def test_each_gate_that_was_asked_for_is_a_case(tmp_path: Path) -> None:
    path = tmp_path / "out.xml"
    tally = swept(result(0))
    del tally.evaluated["quiet"]

    write_junit(tally, path, COMMAND, gates=True)

    failed = [case for case in valid(path).iter("testcase") if case.find("failure") is not None]
    assert [(case.get("classname"), case.get("name")) for case in failed] == [("Two nodes: gates", "promise/quiet")]
    assert "promise/once" in [case.get("name") for case in valid(path).iter("testcase")]


@pytest.mark.parametrize(
    ("interrupted", "said"),
    [
        (False, "3 seeds that were asked for are in none of the journals: 1..3"),
        (True, "interrupted after 1 of 4 seeds"),
    ],
)
def test_what_is_missing_or_was_interrupted_is_an_error(tmp_path: Path, interrupted: bool, said: str) -> None:
    path = tmp_path / "out.xml"
    tally = swept(result(0))
    tally.missing, tally.interrupted = seeds_of("1..3"), interrupted

    write_junit(tally, path, COMMAND, gates=False)

    messages = [error.get("message") for error in valid(path).iter("error")]
    assert messages == [said]


@pytest.mark.parametrize("hostile", ["\x00\x1b[31m", "]]>", "<b attr='&'>\n\"", "\ud800\uffff", "🐙"])
def test_hostile_words_leave_it_valid(tmp_path: Path, hostile: str) -> None:
    path = tmp_path / "out.xml"

    write_junit(swept(result(0, hostile, about=hostile), title="x"), path, f"run {hostile}", gates=False)

    (failure,) = valid(path).iter("failure")
    assert len(failure.text or "") > 20
