"""Words of a page: what is too long is cut where names differ least."""

import pytest

from sim.report.words import shorten


@pytest.mark.parametrize(
    ("name", "most", "expected"),
    [
        ("ana", 14, "ana"),
        ("gateway-east-1", 14, "gateway-east-1"),
        ("gateway-north-1", 14, "gateway…orth-1"),
        ("gateway-north-1", 13, "gatewa…orth-1"),
    ],
)
def test_long_name_loses_its_middle(name: str, most: int, expected: str) -> None:
    assert shorten(name, most) == expected
    assert len(expected) <= most
