"""An interval set is a set of integers; whatever is done to it, a Python set beside it has the same members."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mesh.clocks.vector import IntervalSet

TOP = 40
runs = st.tuples(st.integers(1, TOP), st.integers(1, TOP)).map(lambda ends: (min(ends), max(ends)))
run_lists = st.lists(runs, max_size=12)


def numbers(of: list[tuple[int, int]]) -> set[int]:
    return {number for first, last in of for number in range(first, last + 1)}


def as_runs(members: set[int]) -> list[tuple[int, int]]:
    """The maximal runs of a set of integers, ascending."""
    found: list[tuple[int, int]] = []
    for number in sorted(members):
        if found and found[-1][1] + 1 == number:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


class IntervalSets(RuleBasedStateMachine):
    """Add and remove runs, and ask everything that can be asked."""

    def __init__(self) -> None:
        super().__init__()
        self.real = IntervalSet()
        self.model: set[int] = set()

    @rule(run=runs)
    def add(self, run: tuple[int, int]) -> None:
        self.real.add(*run)
        self.model |= numbers([run])

    @rule(run=runs)
    def remove(self, run: tuple[int, int]) -> None:
        self.real.remove(*run)
        self.model -= numbers([run])

    @rule(others=run_lists)
    def update(self, others: list[tuple[int, int]]) -> None:
        self.real.update(IntervalSet(others))
        self.model |= numbers(others)

    @rule(run=runs)
    def ask(self, run: tuple[int, int]) -> None:
        wanted = numbers([run])
        assert self.real.covers(*run) == (wanted <= self.model)
        assert self.real.touches(*run) == bool(wanted & self.model)
        behind = [number for number in range(run[0], max(self.model, default=0) + 2) if number not in self.model]
        assert self.real.reach(run[0]) == (behind[0] - 1 if run[0] in self.model else run[0])
        if self.model:
            assert (self.real.edge(last=False)[0], self.real.edge(last=True)[1]) == (min(self.model), max(self.model))
        assert self.real.missing(*run) == as_runs(wanted - self.model)
        assert self.real.within(*run) == as_runs(wanted & self.model)

    @invariant()
    def same(self) -> None:
        self.real.check()
        assert list(self.real) == as_runs(self.model)
        assert self.real.count == len(self.model)
        assert self.real.last == max(self.model, default=0)
        assert self.real.frontier == min(set(range(1, TOP + 2)) - self.model) - 1
        assert len(self.real) == len(as_runs(self.model))
        assert bool(self.real) == bool(self.model)
        assert [n for n in range(TOP + 2) if n in self.real] == sorted(self.model)


TestIntervalSets = IntervalSets.TestCase


@given(run_lists, run_lists)
def test_minus_is_the_difference_of_the_sets_and_changes_neither(
    one: list[tuple[int, int]], two: list[tuple[int, int]]
) -> None:
    a, b = IntervalSet(one), IntervalSet(two)

    rest = a.minus(b)
    assert a.beyond(b) == next(iter(rest), None)

    rest.check()
    assert list(rest) == as_runs(numbers(one) - numbers(two))
    assert (a, b) == (IntervalSet(one), IntervalSet(two))


@given(run_lists)
def test_a_copy_is_equal_and_lives_its_own_life(given_runs: list[tuple[int, int]]) -> None:
    original = IntervalSet(given_runs)

    twin = original.copy()
    assert twin == original
    twin.add(TOP + 5, TOP + 6)

    assert list(original) == as_runs(numbers(given_runs))
    assert twin != original
