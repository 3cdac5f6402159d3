"""Region matrices: what they answer, and what they refuse."""

import pytest

from mesh.errors import ConfigError
from sim.regions import RegionMatrix
from sim.regions.matrix import ROUND_TRIP_US_MAX, pair

THREE = RegionMatrix(("eu", "us", "ap"), {("eu", "us"): 90_000, ("ap", "eu"): 150_000, ("ap", "us"): 110_000}, 500)


def test_a_round_trip_has_no_direction() -> None:
    assert THREE.rtt_us("eu", "us") == THREE.rtt_us("us", "eu") == 90_000
    assert pair("us", "eu") == pair("eu", "us") == ("eu", "us")


def test_a_round_trip_within_a_region_is_the_same_in_all() -> None:
    assert THREE.rtt_us("eu", "eu") == THREE.rtt_us("ap", "ap") == 500


@pytest.mark.parametrize("pair_", [("eu", "mars"), ("mars", "mars")])
def test_a_region_that_is_not_there_has_no_round_trip(pair_: tuple[str, str]) -> None:
    with pytest.raises(KeyError):
        THREE.rtt_us(*pair_)


def test_a_part_of_a_matrix_keeps_its_round_trips_and_its_origin() -> None:
    part = RegionMatrix(THREE.names, THREE.round_trips_us, 500, "by hand").only(["us", "ap"])

    assert part == RegionMatrix(("us", "ap"), {("ap", "us"): 110_000}, 500, "by hand")


def test_a_part_with_a_region_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError):
        THREE.only(["mars"])


@pytest.mark.parametrize(
    ("names", "trips", "complaint"),
    [
        ((), {}, "there are regions"),
        (("",), {}, "they have names"),
        (("eu", "eu"), {}, "a region is named once"),
        (("eu", "us"), {}, "no round trip between eu and us"),
        (("eu", "us"), {("eu", "us"): -1}, "from 0 to an hour"),
        (("eu", "us"), {("eu", "us"): ROUND_TRIP_US_MAX + 1}, "from 0 to an hour"),
    ],
)
def test_what_makes_no_sense_is_refused(
    names: tuple[str, ...], trips: dict[tuple[str, str], int], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        RegionMatrix(names, trips)
