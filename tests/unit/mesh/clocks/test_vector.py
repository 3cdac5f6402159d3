"""Interval sets and version vectors: the corners that a random test might miss."""

import pytest

from mesh.clocks.vector import IntervalSet, Order, VersionVector, once
from mesh.types import LogId
from tests.samples import ANA, BEN

LOG, OTHER = LogId(ANA, 1), LogId(BEN, 1)


def test_runs_that_touch_are_joined_and_runs_with_one_between_them_are_not() -> None:
    runs = IntervalSet([(1, 2), (6, 7), (4, 4)])

    assert list(runs) == [(1, 2), (4, 4), (6, 7)]
    runs.add(3, 3)

    assert list(runs) == [(1, 4), (6, 7)]


def test_one_removal_may_take_whole_runs_and_the_ends_of_others() -> None:
    runs = IntervalSet([(1, 3), (5, 5), (7, 9)])

    runs.remove(3, 7)

    assert list(runs) == [(1, 2), (8, 9)]


def test_removing_what_is_not_there_changes_nothing() -> None:
    runs = IntervalSet([(1, 2), (8, 9)])

    runs.remove(3, 7)

    assert list(runs) == [(1, 2), (8, 9)]


@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 1), (-1, 3)])
def test_a_run_that_is_none_trips_an_assertion(first: int, last: int) -> None:
    with pytest.raises(AssertionError):
        IntervalSet().add(first, last)
    with pytest.raises(AssertionError):
        IntervalSet().remove(first, last)


def test_nothing_is_missing_of_a_range_that_ends_before_it_begins() -> None:
    assert IntervalSet([(1, 3)]).missing(4, 3) == []
    assert IntervalSet([(1, 9)]).missing(3, 2) == []


def test_nothing_lies_within_a_range_that_ends_where_a_run_does_and_begins_behind_it() -> None:
    assert IntervalSet([(1, 9)]).within(10, 9) == []


@pytest.mark.parametrize(
    ("first", "last", "missing", "within"),
    [
        (1, 12, [(1, 2), (5, 6), (10, 12)], [(3, 4), (7, 9)]),
        (3, 4, [], [(3, 4)]),
        (2, 5, [(2, 2), (5, 5)], [(3, 4)]),
        (4, 7, [(5, 6)], [(4, 4), (7, 7)]),
        (5, 6, [(5, 6)], []),
        (1, 2, [(1, 2)], []),
        (8, 8, [], [(8, 8)]),
        (9, 10, [(10, 10)], [(9, 9)]),
        (6, 7, [(6, 6)], [(7, 7)]),
        (10, 12, [(10, 12)], []),
    ],
)
def test_a_range_falls_apart_into_what_is_missing_and_what_is_there(
    first: int, last: int, missing: list[tuple[int, int]], within: list[tuple[int, int]]
) -> None:
    runs = IntervalSet([(3, 4), (7, 9)])

    assert runs.missing(first, last) == missing
    assert runs.within(first, last) == within
    assert runs.touches(first, last) == bool(within)
    assert runs.covers(first, last) == (not missing)


def test_the_frontier_ends_at_the_first_hole_and_is_zero_where_the_first_is_missing() -> None:
    assert IntervalSet().frontier == 0
    assert IntervalSet([(2, 9)]).frontier == 0
    assert IntervalSet([(1, 4), (6, 9)]).frontier == 4


def test_iterating_is_safe_while_the_set_changes() -> None:
    runs = IntervalSet([(1, 1), (3, 3), (5, 5)])

    for first, last in runs:
        runs.remove(first, last)

    assert list(runs) == []


def test_sets_and_vectors_are_mutable_and_so_cannot_be_hashed() -> None:
    for thing in (IntervalSet(), VersionVector()):
        with pytest.raises(TypeError):
            hash(thing)


def test_sets_and_vectors_equal_only_their_like_and_show_what_they_hold() -> None:
    runs = IntervalSet([(1, 2)])
    vector = VersionVector([(LOG, runs)])

    assert runs != [(1, 2)]
    assert vector != {LOG: runs}
    assert repr(runs) == "IntervalSet([(1, 2)])"
    assert repr(vector) == f"VersionVector([({LOG!r}, IntervalSet([(1, 2)]))])"


def test_a_check_trips_over_each_broken_invariant() -> None:
    broken: list[tuple[int, int, tuple[list[int], list[int]] | None]] = [
        (0, 1, None),
        (3, 2, None),
        (1, 0, None),
        (1, 2, ([1], [2])),
        (1, 4, ([1, 3], [2, 4])),
        (5, 2, ([5, 1], [6, 2])),
        (1, 6, ([1, 2], [4, 6])),
        (1, 5, ([1, 4], [2, 6])),
        (2, 6, ([1, 4], [2, 6])),
        (1, 6, ([1, 4], [2, 5, 6])),
    ]
    for first, last, lists in broken:
        runs = IntervalSet()
        runs._first, runs.last, runs._runs = first, last, lists
        with pytest.raises(AssertionError):
            runs.check()
    vector = VersionVector()
    vector.sets[LOG] = IntervalSet()
    with pytest.raises(AssertionError):
        vector.check()


def test_a_check_passes_runs_with_one_number_between_them_from_the_first_on() -> None:
    IntervalSet([(1, 1), (3, 3)]).check()
    VersionVector([(LOG, IntervalSet([(1, 1)]))]).check()


def test_a_log_named_twice_is_joined_and_an_empty_one_left_out() -> None:
    vector = VersionVector([(LOG, IntervalSet([(1, 2)])), (OTHER, IntervalSet()), (LOG, IntervalSet([(3, 3)]))])

    assert vector.items() == [(LOG, IntervalSet([(1, 3)]))]


def test_a_log_of_which_nothing_is_left_vanishes() -> None:
    vector = VersionVector([(LOG, IntervalSet([(1, 2)]))])

    vector.remove(LOG, 1, 2)
    vector.remove(OTHER, 1, 2)

    assert vector == VersionVector()
    assert LOG not in vector


def test_replacing_by_nothing_forgets() -> None:
    vector = VersionVector([(LOG, IntervalSet([(1, 2)]))])

    vector.replace(LOG, IntervalSet())

    assert len(vector) == 0


def test_what_is_held_of_an_unknown_log_is_nothing_and_stays_so() -> None:
    vector = VersionVector()

    assert list(vector.get(LOG)) == []
    vector.add(LOG, 1, 1)

    assert list(vector.get(OTHER)) == []


def test_a_merge_does_not_tie_two_vectors_together() -> None:
    one, two = VersionVector(), VersionVector([(LOG, IntervalSet([(1, 1)]))])

    one.merge(two)
    one.add(LOG, 2, 2)

    assert list(two.get(LOG)) == [(1, 1)]


def test_holes_decide_how_vectors_stand() -> None:
    full = VersionVector([(LOG, IntervalSet([(1, 5)]))])
    holed = VersionVector([(LOG, IntervalSet([(1, 2), (4, 5)]))])
    higher = VersionVector([(LOG, IntervalSet([(1, 2), (4, 6)]))])

    assert full.compare(holed) is Order.AFTER
    assert holed.compare(full) is Order.BEFORE
    assert full.compare(higher) is Order.CONCURRENT
    assert full.compare(full.copy()) is Order.EQUAL


def test_many_runs_in_falling_order_cost_no_more_than_sorting_them() -> None:
    """A stranger's cursor may name its runs in any order; joining them one by one would move all the others each time."""
    moved = 0

    class Counting(list[int]):
        def __setitem__(self, key: object, value: object) -> None:
            nonlocal moved
            assert isinstance(key, slice)
            moved += len(self) - key.start
            super().__setitem__(key, value)  # type: ignore[index, assignment]

    class Counted(IntervalSet):
        def __setattr__(self, name: str, value: object) -> None:
            runs = tuple(map(Counting, value)) if isinstance(value, tuple) else value
            super().__setattr__(name, runs)

    runs = Counted((number, number) for number in range(2_000, 0, -2))

    assert (len(runs), moved) == (1_000, 0)


def test_a_log_that_is_named_many_times_in_falling_order_costs_no_more_than_sorting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add = IntervalSet.add

    def add_at_the_end(runs: IntervalSet, first: int, last: int) -> None:
        assert first > runs.last
        add(runs, first, last)

    monkeypatch.setattr(IntervalSet, "add", add_at_the_end)

    vector = VersionVector((LOG, [(number, number)]) for number in range(2_000, 0, -2))

    assert (len(vector), vector.count) == (1, 1_000)


def test_of_ranges_that_overlap_each_position_is_named_once_and_first_where_it_was_named_first() -> None:
    again = ((LOG, 3, 5), (LOG, 1, 7), (OTHER, 4, 4), (LOG, 2, 8), (OTHER, 4, 4))

    assert once(again) == [(LOG, 3, 5), (LOG, 1, 2), (LOG, 6, 7), (OTHER, 4, 4), (LOG, 8, 8)]
    assert (once(()), once(again[:1])) == ((), again[:1])
