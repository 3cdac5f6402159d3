"""Whether a link comes up, and how often a dial may fail first: reckoned, and drawn from the same paths."""

import pytest

from sim.greeting import FAILURES_MAX, HELLO_BYTES, coming_up, failures, least_us
from sim.network import RETRANSMIT_US, Delay, Network
from sim.tape import Tape
from sim.units import MILLION

WAITS_US = 5 * MILLION


def far(one_way_us: int, spread_us: int = 0, shape: str = "uniform", loss_ppm: int = 0, rate_bps: int = 0) -> Network:
    return Network(Delay(one_way_us, spread_us, shape), loss_ppm, rate_bps)


@pytest.mark.parametrize(
    ("network", "most"),
    [
        (far(50_000, 20_000, loss_ppm=10_000), 0),
        (far(50_000, 60_000, "pareto"), 0),
        (far(2_499_499), 0),
        (far(2_499_500), FAILURES_MAX),
        (far(1_500_000, loss_ppm=10_000), 3),
        (far(1_500_000, loss_ppm=50_000), 5),
        (far(400_000, loss_ppm=50_000), 1),
        (far(400_000, loss_ppm=40_000), 0),
        (far(700_000, loss_ppm=9_900), 1),
        (far(400_000, loss_ppm=100_000), 1),
        (far(2_000_000, 1_000_000), 20),
        (far(2_400_000, 3_600_000_000), FAILURES_MAX),
        (far(100_000, rate_bps=2_000), 0),
        (far(100_000, rate_bps=1_600), FAILURES_MAX),
        (Network(Delay.of(0, 0, "empirical", [100_000, 9 * MILLION])), 48),
        (Network(Delay.of(0, 0, "empirical", [2_500_000, 9 * MILLION])), FAILURES_MAX),
    ],
    ids=[
        *("usual", "long-tail", "just", "too-far", "loses", "loses-more", "near-loses", "near-loses-less"),
        *("a-little", "near-loses-more"),
        *("varies", "wild", "narrow", "too-narrow", "measured", "never-as-measured"),
    ],
)
def test_so_many_dials_may_fail_in_a_row(network: Network, most: int) -> None:
    assert failures(network, "a", "b", WAITS_US) == failures(network, "b", "a", WAITS_US) == most
    waits = {"a": WAITS_US, "b": WAITS_US}
    assert coming_up(network, [("a", "b")], waits) == ([("a", "b")] if most < FAILURES_MAX else [])


def test_a_greeting_takes_a_round_trip_and_its_bytes() -> None:
    network = far(100_000, 50_000, rate_bps=8_000)
    network.rates["b", "a"] = 16_000

    assert least_us(network, "a", "b") == 200_000 + HELLO_BYTES * 1_000 + HELLO_BYTES * 500


@pytest.mark.parametrize(
    "network",
    [far(1_500_000, loss_ppm=50_000), far(2_000_000, 1_000_000), far(2_200_000, 100_000, loss_ppm=20_000)],
    ids=["loses", "varies", "both"],
)
def test_as_many_greetings_come_too_late_as_are_reckoned_with(network: Network) -> None:
    there, back, rng = network.path("a", "b"), network.path("b", "a"), Tape().stream(b"greetings", "test")
    count = 4_000

    late = sum(
        there.crossing_us(HELLO_BYTES, 0, rng) + back.crossing_us(HELLO_BYTES, 0, rng) >= WAITS_US for _ in range(count)
    )

    # most^n is one in a million where n dials fail; between these shares lies what n failures stand for
    most = failures(network, "a", "b", WAITS_US)
    assert 1e-6 ** (1 / most) / 1.5 < late / count < 1e-6 ** (1 / (most + 1)) * 1.2


def test_what_is_lost_makes_a_round_trip_longer_by_rounds() -> None:
    """Where 5 % are lost, a packet is sent up to three times and one of a frame up to five, but for one time in a thousand."""
    for loss_ppm, rounds, of_a_frame in ((0, 0, 0), (500, 0, 1), (10_000, 1, 2), (50_000, 2, 4), (MILLION, 99, 99)):
        network = far(100_000, loss_ppm=loss_ppm)
        again_us = 200_000 + RETRANSMIT_US

        assert network.longest_us("a", "b") == 200_000 + rounds * again_us
        assert network.window_us("a", "b") == 200_000 + of_a_frame * again_us


def test_what_a_round_lost_of_a_frame_comes_again_together() -> None:
    """It waits for the packet of it that was lost most often, and not for one after the other."""
    path, rng = far(100_000, loss_ppm=50_000).path("a", "b"), Tape().stream(b"frames", "test")

    took = [path.crossing_us(1_000_000, 0, rng) for _ in range(200)]

    again_us = 200_000 + RETRANSMIT_US
    assert {(us - 100_000) % again_us for us in took} == {0}
    assert 1 == min(took) // again_us < max(took) // again_us <= 5
