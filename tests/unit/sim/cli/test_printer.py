"""What tables need of a terminal."""

import pytest

from sim.cli.printer import WIDTH_MIN, Printer


@pytest.mark.parametrize(("columns", "width"), [("20", WIDTH_MIN), ("1", WIDTH_MIN), ("132", 132)])
def test_tables_are_not_narrower_than_what_can_be_read(
    columns: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    assert Printer().width == width
