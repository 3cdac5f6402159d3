"""Presets: they load, name their source, and are on this planet."""

import pytest

from sim.errors import SimError
from sim.regions import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_its_source_and_has_every_pair(name: str) -> None:
    matrix = preset(name)

    assert "Source: " in matrix.about and "https://" in matrix.about
    assert len(matrix.names) == 12 and matrix.missing() == []


@pytest.mark.parametrize("name", PRESETS)
def test_round_trips_of_a_preset_are_those_of_a_planet(name: str) -> None:
    trips = preset(name).round_trips_us

    assert all(5_000 < us < 420_000 for us in trips.values()), trips


def test_figures_are_those_of_the_sources() -> None:
    assert preset("azure").rtt_us("westeurope", "eastus") == 84_000
    assert preset("aws").rtt_us("us-east-1", "eu-west-1") == 69_622
    assert preset("google").rtt_us("us-central1", "europe-west1") == 109_031


def test_a_cloud_that_does_not_ship_is_refused() -> None:
    with pytest.raises(SimError, match="there are aws, azure, google"):
        preset("cumulus")
