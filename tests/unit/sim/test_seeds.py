"""Seeds of a sweep: ranges that are walked and not listed, shards, and what is refused."""

import time
import tracemalloc

import pytest
from click.testing import CliRunner

from gossamer.command import command
from sim.seeds import SEEDS_MAX, listed, seeds_of


@pytest.mark.parametrize(
    ("text", "found", "said"),
    [
        ("0..4", [0, 1, 2, 3, 4], "0..4"),
        ("3,5,8..9", [3, 5, 8, 9], "3,5,8..9"),
        ("7", [7], "7"),
        ("8..9, 3,3,4,1..3", [1, 2, 3, 4, 8, 9], "1..4,8..9"),
    ],
)
def test_seeds_are_walked_each_once(text: str, found: list[int], said: str) -> None:
    seeds = seeds_of(text)

    assert (list(seeds), len(seeds), str(seeds)) == (found, len(found), said)
    assert [seed for seed in range(20) if seed in seeds] == found
    assert str(listed(found)) == said


@pytest.mark.parametrize("text", ["0..9", "3,5,8..13,20..22", "0..2", "5"])
@pytest.mark.parametrize("of", [1, 2, 4, 7])
def test_shards_share_all_seeds_among_them(text: str, of: int) -> None:
    everything = list(seeds_of(text))

    for which in range(1, min(of, len(everything)) + 1):  # beyond, a share is empty, and refused
        shard = seeds_of(text, f"{which}/{of}")
        assert list(shard) == everything[which - 1 :: of]
        assert len(shard) == len(everything[which - 1 :: of])
        assert [seed for seed in range(30) if seed in shard] == list(shard)


@pytest.mark.parametrize(
    ("seeds", "shard"),
    [
        ("9..3", "1/1"), ("x", "1/1"), ("-3", "1/1"), ("", "1/1"), ("1,", "1/1"), ("1..", "1/1"), ("1..2..3", "1/1"),
        ("1" * 5_000, "1/1"), (str(1 << 63), "1/1"), ("0..9", "5/4"), ("0..9", "0/4"), ("0..9", "1"), ("0..9", "a/b"),
        ("٣", "1/1"), ("0..9", "١/٤"),
    ],
)  # fmt: skip
def test_what_is_no_range_and_no_shard_is_refused(seeds: str, shard: str) -> None:
    with pytest.raises(ValueError, match=r"is no (range of seeds|shard)"):
        seeds_of(seeds, shard)


def test_the_most_seeds_that_there_may_be_cost_nothing() -> None:
    tracemalloc.start()
    begun = time.perf_counter()
    seeds = seeds_of(f"5..{SEEDS_MAX + 4}", "3/7")
    assert (len(seeds), SEEDS_MAX in seeds, next(iter(seeds))) == (-(-(SEEDS_MAX - 2) // 7), False, 7)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 100_000
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize("text", [f"0..{SEEDS_MAX}", "0..99999999999", "0..9223372036854775807,1"])
def test_more_than_a_sweep_takes_are_refused_with_the_limit(text: str) -> None:
    told = CliRunner().invoke(command, ["sim", "sweep", "halves", "--seeds", text])

    assert told.exit_code == 2
    assert "is more than the 10,000,000 seeds that one sweep takes" in told.stderr


@pytest.mark.parametrize(("seeds", "shard"), [("7", "2/2"), ("0..1", "3/3"), ("3,5,8", "4/9")])
def test_a_share_of_too_few_seeds_is_refused(seeds: str, shard: str) -> None:
    with pytest.raises(ValueError, match=f"shard {shard} of the [123] seeds {seeds} is empty"):
        seeds_of(seeds, shard)
