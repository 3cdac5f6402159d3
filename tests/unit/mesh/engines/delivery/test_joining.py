"""Deliveries that stand side by side, as one: as many as fit, and nothing out of its order."""

import pytest

from mesh.effects import Load, Outcome, Ranges
from mesh.engines.delivery.joining import in_few
from mesh.operations import GapReason
from tests.delivery_samples import BENS, LOG, gap, messages, of, written
from tests.samples import record

FIRST, SECOND, THIRD = (of(batch)[0] for batch in written(3))
SIZE = len(FIRST.raw)
LOAD = Load(2, Ranges(LOG, ((4, 9),)), 1)


def few(*outcomes: Outcome, most: int = 10, size: int = 100_000) -> list[Outcome]:
    return in_few(outcomes, most, size)


def test_what_stands_side_by_side_is_one_delivery_and_marks_move_with_their_records() -> None:
    told = (
        messages(1, 1),
        messages(2, 3, FIRST, SECOND, conflicts=(1,)),
        messages(4, 8, THIRD, positions=(7,), late=(0,), conflicts=(0,)),
        messages(9, 9),
    )

    assert few(*told) == [
        messages(1, 9, FIRST, SECOND, THIRD, positions=(2, 3, 7), late=(2,), conflicts=(1, 2)),
    ]


@pytest.mark.parametrize(
    "between",
    [gap(2, 2, GapReason.EXPIRED), LOAD, messages(3, 3, SECOND), messages(2, 2, SECOND, log=BENS)],
    ids=["a gap", "a read", "a place left out", "another log"],
)
def test_nothing_is_joined_over_what_stands_between(between: Outcome) -> None:
    told = [messages(1, 1, FIRST), between, messages(9, 9, THIRD)]

    assert few(*told) == told
    assert few(*told[:2]) == told[:2]
    assert few() == []


def test_a_gap_comes_before_what_stands_behind_it() -> None:
    lost = gap(2, 2, GapReason.EXPIRED)

    assert few(messages(1, 1, FIRST), lost, messages(2, 2), messages(3, 3, THIRD)) == [
        messages(1, 1, FIRST),
        lost,
        messages(2, 3, THIRD, positions=(3,)),
    ]


def test_a_delivery_holds_so_many_records() -> None:
    told = [messages(1, 1, FIRST), messages(2, 2, SECOND), messages(3, 3, THIRD), messages(4, 4)]

    assert few(*told, most=3) == [messages(1, 4, FIRST, SECOND, THIRD)]
    assert few(*told, most=2) == [messages(1, 2, FIRST, SECOND), messages(3, 4, THIRD)]


def test_and_so_many_bytes_unless_one_has_more() -> None:
    told = [messages(1, 1, FIRST), messages(2, 2, SECOND), messages(3, 3, THIRD), messages(4, 4)]

    assert few(*told, size=2 * SIZE) == [messages(1, 2, FIRST, SECOND), messages(3, 4, THIRD)]
    assert few(*told, size=1) == [*told[:2], messages(3, 4, THIRD)]  # what concerns nobody takes no room


def test_headers_are_bytes_too() -> None:
    heavy = [record(each, b"", headers={"about": "x" * 400}) for each in (1, 2, 3)]
    told = [messages(at, at, each) for at, each in enumerate(heavy, 1)]

    assert few(*told, size=1_000) == [messages(1, 2, *heavy[:2]), told[2]]
