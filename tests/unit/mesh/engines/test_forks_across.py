"""A batch on both sides of an end: with what proved that, whoever holds it proves a lower one, which all can come to.

Ana sealed 1, then 2..3 and 4; or 1..2 and 3. The batches 3 and 4 contradict each other, and so do 2..3 and 3.
"""

from mesh.effects import ForkFound, Loaded, Send
from mesh.engines.forks import ACCUSED_MAX
from mesh.frames import Want
from mesh.log.batch import Batch
from tests.engine_samples import TO_BEN, at
from tests.fork_samples import checked, forks, found, held, load, proof
from tests.samples import Writer


def cut_otherwise() -> tuple[list[Batch], Batch]:
    """1, 2..3 and 4 of one history, and 3 of the other."""
    ours, theirs = Writer(), Writer()
    ours.write()
    ours.write(2, payload=b"one")
    ours.write(payload=b"one")
    theirs.write(2, payload=b"other")
    theirs.write(payload=b"other")
    return ours.batches, theirs.batches[1]


def test_what_lies_across_an_end_that_was_found_here_is_read_and_makes_a_lower_one() -> None:
    (first, across, after), other = cut_otherwise()
    one = forks(holdings=held(first, across, after))

    outcomes = one.on_conflict(TO_BEN, other, at())

    reach = Send((TO_BEN,), Want(((first.log, 1, 2),)))
    assert outcomes == [*found(first.log, 2), *load(4, first.log, (1, 1), (2, 4)), reach], "4 names another before it"
    further = Send((TO_BEN,), Want(((first.log, 1, 1),)))
    assert one.on_loaded(Loaded(4, (first, across, after)), at(1)) == [ForkFound(first.log, 1), further]
    assert one.proofs == {first.log: proof(across, other)}
    assert one.holdings.forked == {first.log: 1}
    checked(one)


def test_what_lies_across_an_end_that_was_told_is_read_too() -> None:
    (first, across, after), other = cut_otherwise()
    one = forks(holdings=held(first, across, after))

    outcomes = one.on_forked(TO_BEN, proof(other, after), at())

    assert outcomes == [*found(first.log, 2), *load(4, first.log, (1, 1), (2, 4))]
    one.on_loaded(Loaded(4, (first, across, after)), at(1))
    assert one.proofs == {first.log: proof(across, other)}
    checked(one)


def test_what_waits_for_the_disk_makes_a_lower_end_at_once() -> None:
    (first, across, after), other = cut_otherwise()
    one = forks(holdings=held(first, pending=(across,)))

    one.on_forked(TO_BEN, proof(other, after), at())

    assert one.holdings.forked == {first.log: 1}
    checked(one)


def test_where_nothing_can_lie_across_nothing_is_read() -> None:
    (first, across, after), other = cut_otherwise()
    for stored in ((first,), (first, after)):
        one = forks(holdings=held(*stored))
        assert one.on_forked(TO_BEN, proof(other, after), at()) == found(first.log, 2), stored
    one = forks(holdings=held(first, across, after))
    assert one.on_forked(TO_BEN, proof(other, across), at()) == found(first.log, 1), (
        "a batch that is in memory begins there"
    )
    checked(one)


def test_who_looks_for_much_already_looks_across_later() -> None:
    (first, across, after), other = cut_otherwise()
    one = forks(holdings=held(first, across, after))
    for number in range(ACCUSED_MAX):
        one.accused[1_000 + number] = TO_BEN, other

    assert one.on_forked(TO_BEN, proof(other, after), at()) == found(first.log, 2)
    assert one.across == {first.log: TO_BEN}
    assert one.on_loaded(Loaded(1_000), at(1)) == load(4, first.log, (1, 1), (2, 4))
    assert (len(one.accused), one.across) == (ACCUSED_MAX, {})
    one.check_all()
