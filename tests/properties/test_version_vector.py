"""Version vectors are sets of records: merging is a union, comparing is inclusion, exactly, holes included."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.clocks.vector import IntervalSet, Order, VersionVector
from mesh.types import LogId
from tests.samples import ANA, BEN, CY

LOGS = [LogId(ANA, 1), LogId(ANA, 2), LogId(BEN, 1), LogId(CY, 9)]
Records = set[tuple[LogId, int]]
records = st.sets(st.tuples(st.sampled_from(LOGS), st.integers(1, 6)), max_size=14)


def vector_of(members: Records) -> VersionVector:
    return VersionVector((log, IntervalSet([(number, number)])) for log, number in sorted(members))


def members_of(vector: VersionVector) -> Records:
    vector.check()
    return {(log, n) for log, runs in vector.items() for first, last in runs for n in range(first, last + 1)}


def merged(*vectors: VersionVector) -> VersionVector:
    result = VersionVector()
    for vector in vectors:
        result.merge(vector)
    return result


@given(records, records, records)
def test_merge_is_a_union_commutative_associative_and_idempotent(a: Records, b: Records, c: Records) -> None:
    x, y, z = vector_of(a), vector_of(b), vector_of(c)

    assert members_of(merged(x, y, z)) == a | b | c
    assert merged(x, y) == merged(y, x)
    assert merged(merged(x, y), z) == merged(x, merged(y, z))
    assert merged(x, x) == x == vector_of(a)


@given(records, records)
def test_difference_leaves_what_the_other_does_not_have(a: Records, b: Records) -> None:
    x, y = vector_of(a), vector_of(b)

    assert members_of(x.difference(y)) == a - b
    assert (members_of(x), members_of(y)) == (a, b)


def expected(a: Records, b: Records) -> Order:
    if a == b:
        return Order.EQUAL
    if a < b:
        return Order.BEFORE
    return Order.AFTER if a > b else Order.CONCURRENT


@given(records, records, records)
def test_compare_is_the_partial_order_of_inclusion(a: Records, b: Records, c: Records) -> None:
    mirror = {Order.BEFORE: Order.AFTER, Order.AFTER: Order.BEFORE}
    x, y, z = vector_of(a), vector_of(b), vector_of(c)

    order = x.compare(y)

    assert order is expected(a, b)
    assert y.compare(x) is mirror.get(order, order)
    if x.compare(y) is Order.BEFORE and y.compare(z) is Order.BEFORE:
        assert x.compare(z) is Order.BEFORE


@given(records, st.sampled_from(LOGS), st.integers(1, 6), st.integers(1, 6))
def test_adding_and_removing_a_range_is_adding_and_removing_its_records(
    a: Records, log: LogId, one: int, two: int
) -> None:
    first, last = sorted((one, two))
    range_of = {(log, n) for n in range(first, last + 1)}
    more, less = vector_of(a), vector_of(a)

    more.add(log, first, last)
    less.remove(log, first, last)

    assert members_of(more) == a | range_of
    assert members_of(less) == a - range_of
    assert more.covers(log, first, last)
    assert vector_of(a).covers(log, first, last) == (range_of <= a)


@given(records, records, st.sampled_from(LOGS))
def test_replacing_and_forgetting_concern_one_log_alone(a: Records, b: Records, log: LogId) -> None:
    told = vector_of(b).get(log)
    replaced, forgotten = vector_of(a), vector_of(a)

    replaced.replace(log, told)
    forgotten.forget(log)

    others = {(other, n) for other, n in a if other != log}
    assert members_of(replaced) == others | {(other, n) for other, n in b if other == log}
    assert members_of(forgotten) == others


@given(records)
def test_a_vector_counts_names_and_sorts_what_it_holds(a: Records) -> None:
    vector = vector_of(a)

    logs = sorted({log for log, _ in a})
    assert (vector.count, len(vector), bool(vector)) == (len(a), len(logs), bool(a))
    assert vector.logs() == [log for log, _ in vector.items()] == logs
    assert [log in vector for log in LOGS] == [log in logs for log in LOGS]


@given(records, st.sampled_from(LOGS))
def test_a_copy_lives_its_own_life(a: Records, log: LogId) -> None:
    original = vector_of(a)
    given_set = IntervalSet([(7, 7)])

    twin = original.copy()
    twin.add(log, 9, 9)
    other = vector_of(a)
    other.replace(log, given_set)
    given_set.add(8, 8)

    assert members_of(original) == a
    assert (log, 8) not in members_of(other)
