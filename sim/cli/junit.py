"""JUnit XML, which continuous integration reads: a test case for each seed that broke something, and for each gate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from sim.sweep import Tally

NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that no XML document may hold, however escaped."""


def write_junit(tally: Tally, shut: list[str], path: Path) -> None:
    """Write what a sweep came to."""
    failures = len(tally.failed) + len(shut)
    suite = ET.Element(
        "testsuite",
        name=_plain(tally.scenario.title),
        tests=str(tally.seeds + len(shut)),
        failures=str(failures),
        time=f"{tally.busy_s:.3f}",
    )
    for result in tally.failed:
        case = ET.SubElement(
            suite, "testcase", name=f"seed {result.seed}", classname="sweep", time=f"{result.seconds:.3f}"
        )
        failure = ET.SubElement(case, "failure", message=_plain(f"{', '.join(result.broken)}: {result.about}"))
        failure.text = _plain("\n".join(result.witness))
    for gate in shut:
        case = ET.SubElement(suite, "testcase", name=_plain(gate), classname="gates")
        ET.SubElement(case, "failure", message="gate shut")
    ET.SubElement(
        suite, "testcase", name=f"{tally.seeds - len(tally.failed)} seeds kept every promise", classname="sweep"
    )
    ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def _plain(text: str) -> str:
    return NO_XML.sub("?", text)
