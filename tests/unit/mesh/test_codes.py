"""The registry of errors: every code once, in its thousand, and explained."""

import re

from mesh.codes import EXPLANATIONS, Code


def test_every_code_is_explained_and_nothing_else_is() -> None:
    assert list(EXPLANATIONS) == list(Code)


def test_codes_are_written_alike_and_given_once() -> None:
    assert all(re.fullmatch(r"GSM-[1-6]\d{3}", code) for code in Code)
    assert len({code.value for code in Code}) == len(Code.__members__)


def test_each_explanation_says_what_why_and_what_to_do() -> None:
    for code, explanation in EXPLANATIONS.items():
        assert all(explanation), code
        assert len({*explanation}) == len(explanation), code
        assert not explanation[0].endswith("."), code
        assert all(part.endswith((".", ")")) for part in explanation[1:]), code
