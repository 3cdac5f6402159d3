"""The only randomness of the core: the same seed, the same draws, in every process."""

import pytest

from mesh.rng import Rng


def test_the_same_seed_draws_the_same_and_these_very_bytes() -> None:
    assert Rng(b"seed").bytes(8) == Rng(b"seed").bytes(8) == bytes.fromhex("69c898e46e707895")
    assert Rng(b"seed").bytes(8) != Rng(b"need").bytes(8)


def test_draws_differ_from_one_another() -> None:
    rng = Rng(b"seed")

    assert len({rng.bytes(8) for _ in range(100)}) == 100


def test_a_fork_has_its_own_stream_which_no_draw_elsewhere_disturbs() -> None:
    rng, drawn = Rng(b"seed"), Rng(b"seed")
    drawn.bytes(8)

    assert rng.fork("a").bytes(8) == drawn.fork("a").bytes(8)
    assert len({rng.fork("a").bytes(8), rng.fork("b").bytes(8), Rng(b"seed").bytes(8)}) == 3


def test_what_is_mixed_in_changes_all_that_follows_and_nothing_before() -> None:
    rng, same, other, none = (Rng(b"seed") for _ in range(4))
    assert rng.bytes(8) == same.bytes(8) == other.bytes(8) == none.bytes(8)

    for one, entropy in ((rng, b"a"), (same, b"a"), (other, b"b")):
        one.mix(entropy)

    assert rng.bytes(8) == same.bytes(8)
    assert len({one.bytes(8) for one in (rng, other, none)}) == 3


def test_numbers_stay_within_their_bounds_and_reach_them() -> None:
    rng = Rng(b"seed")

    assert {rng.below(3) for _ in range(100)} == {0, 1, 2}
    assert {rng.between(-1, 1) for _ in range(100)} == {-1, 0, 1}
    assert rng.below(1) == 0
    assert rng.between(4, 4) == 4


def test_there_is_no_number_below_zero() -> None:
    with pytest.raises(AssertionError):
        Rng(b"seed").below(0)


def test_a_choice_is_one_of_the_options() -> None:
    rng = Rng(b"seed")

    assert {rng.choice("abc") for _ in range(100)} == {"a", "b", "c"}


def test_a_shuffle_keeps_all_changes_nothing_and_comes_in_every_order() -> None:
    rng = Rng(b"seed")
    options = [1, 2, 3]

    orders = {tuple(rng.shuffled(options)) for _ in range(200)}

    assert options == [1, 2, 3]
    assert len(orders) == 6
    assert all(sorted(order) == options for order in orders)
    assert rng.shuffled([]) == []
