"""Presets: they load, name their source, and are on this planet."""

from pathlib import Path

import pytest

from sim.errors import SimError
from sim.regions import PRESETS, load_matrix, named_matrix, preset


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
    assert preset("gcp").rtt_us("us-central1", "europe-west1") == 109_031


def test_a_cloud_that_does_not_ship_is_refused() -> None:
    with pytest.raises(SimError, match="there are aws, azure, gcp"):
        preset("cumulus")


def test_a_name_is_a_preset_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "aws.csv"
    path.write_text("from,to,rtt\nus,eu,90\n", encoding="utf-8")

    assert named_matrix("aws") is preset("aws")
    assert load_matrix(str(path)) == {("eu", "us"): 90_000}
    assert load_matrix("gcp") == preset("gcp").round_trips_us
