"""JUnit XML, which continuous integration reads: a test case for each seed, and for each gate that was asked for.

The attributes are those that Jenkins' and GitLab's readers know. A failure holds what proves it and the command that
plays the seed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from sim.outputs import writing

if TYPE_CHECKING:
    from pathlib import Path

    from sim.sweep import Tally

NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML document may hold, however escaped."""


@dataclass(frozen=True, slots=True)
class Case:
    """A test case; `kind` is `failure` or `error` where it did not pass."""

    group: str
    name: str
    seconds: float = 0.0
    kind: str = ""
    type_: str = ""
    message: str = ""
    text: str = ""


def write_junit(tally: Tally, path: Path, command: str, *, gates: bool) -> None:
    """Write what a sweep came to; `command` and ` --seed N` play one seed again. Raises `OutputError`."""
    title = tally.scenario.title
    errors = list(_not_whole(tally))
    shut = {line.partition(": ")[0] for line in tally.shut()} if gates else set()
    failures = len(tally.failed) + len(shut)
    count = tally.seeds + len(errors) + (len(tally.gates()) if gates else 0)
    totals = {
        "name": title,
        "tests": str(count),
        "failures": str(failures),
        "errors": str(len(errors)),
        "time": f"{tally.busy_s:.3f}",
    }
    with writing(path) as file:
        xml = XMLGenerator(file, "utf-8", short_empty_elements=True)
        xml.startDocument()
        _begin(xml, "testsuites", totals)
        _begin(xml, "testsuite", {**totals, "skipped": "0"})
        for case in _played(tally, command):
            _write(xml, case)
        for case in errors:
            _write(xml, case)
        for label, meaning in tally.gates().items() if gates else ():
            kind = ("failure", "gate shut", meaning, f"{label}: {meaning}") if label in shut else ()
            _write(xml, Case(f"{title}: gates", label, 0.0, *kind))
        for element in ("testsuite", "testsuites"):
            xml.endElement(element)
        xml.endDocument()


def _played(tally: Tally, command: str) -> Iterator[Case]:
    failed = {result.seed: result for result in tally.failed}
    for seed, seconds in sorted(zip(tally.played, tally.took_s, strict=True)):
        result = failed.get(seed)
        case = tally.scenario.title, f"seed {seed}", seconds
        if result is None:
            yield Case(*case)
            continue
        broken = ", ".join(result.broken)
        again = f"again: {command} --seed {seed}"
        text = "\n".join([f"{broken}: {result.about}", *(f"    {line}" for line in result.witness), again])
        yield Case(*case, "failure", result.broken[0], f"{broken}: {result.about}", text)


def _not_whole(tally: Tally) -> Iterator[Case]:
    """What keeps a sweep from being whole."""
    title = tally.scenario.title
    if tally.interrupted:
        what = f"interrupted after {tally.seeds} of {tally.asked} seeds"
        yield Case(title, "the sweep came to its end", 0.0, "error", "interrupted", what, what)
    elif tally.missing:
        what = f"{len(tally.missing)} seeds that were asked for are in none of the journals: {tally.missing}"
        yield Case(title, "every seed that was asked for", 0.0, "error", "missing", what, what)


def _write(xml: XMLGenerator, case: Case) -> None:
    _begin(xml, "testcase", {"classname": case.group, "name": case.name, "time": f"{case.seconds:.3f}"})
    if case.kind:
        _begin(xml, case.kind, {"type": case.type_, "message": case.message})
        xml.characters(_plain(case.text))
        xml.endElement(case.kind)
    xml.endElement("testcase")


def _begin(xml: XMLGenerator, element: str, attributes: dict[str, str]) -> None:
    if element in ("testsuites", "testsuite", "testcase"):
        xml.ignorableWhitespace("\n")
    xml.startElement(element, AttributesImpl({name: _plain(value) for name, value in attributes.items()}))


def _plain(text: str) -> str:
    return NO_XML.sub("?", text)
