"""Names of thousands of characters: an error shows how they begin."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.regions import read_matrix
from sim.scenario.reading import read
from sim.topology import read_graph
from tests.unit.sim.scenario.test_idle import refusal
from tests.unit.sim.scenario.test_reading import GOOD, PARTITION, TITLE

LONG = "n" * 5_000
TOLD_MAX = 1_000
"""Characters of an error, the name of its file left out."""
NODES = '[nodes]\nana = "eu"\nben = "us"\n'


def is_short(error: ScenarioError) -> bool:
    """Whether an error shows how a long name begins, and not all of it."""
    told = f"{error.problem}; expected {error.expected}"
    return "n" * 70 in told and "…" in told and len(told) <= TOLD_MAX


def refused(read_it: Callable[[Path], object], path: Path, text: str) -> ScenarioError:
    """What is said of a file that cannot be read."""
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        read_it(path)
    return caught.value


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (PARTITION, f'crash = "{LONG}"'),
        (PARTITION, f'drop-client = "{LONG}"'),
        (PARTITION, f'snapshot = {{ node = "{LONG}*" }}'),
        (PARTITION, f'{LONG} = "ana"'),
        (PARTITION, f'restore = {{ node = "ana", name = "{LONG}" }}'),
        (TITLE, f'{TITLE}\ncore = ["{LONG}"]'),
        (TITLE, f'{TITLE}\nsabotage = ["{LONG}"]'),
        (TITLE, f'{TITLE}\ngates = ["{LONG}"]'),
        (TITLE, f'{TITLE}\nguarantees.see = ["{LONG}"]'),
        (TITLE, f'{TITLE}\nconfig."{LONG}" = 3'),
        (TITLE, f'{TITLE}\nrandom.faults = ["{LONG}"]'),
        (TITLE, f"{TITLE}\n{LONG} = 3"),
        ("[topology]", f'[topology]\nlinks = [["ana", "{LONG}"]]'),
    ],
    ids=lambda part: part[:25],
)
def test_a_long_name_in_a_scenario_is_shortened(tmp_path: Path, was: str, becomes: str) -> None:
    text = GOOD.replace(was, becomes).replace('for = "2s"\n', "")
    assert LONG in text

    assert is_short(refusal(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", f"{LONG} = 3\n{NODES}"),
        ("a.toml", f"[nodes]\n{LONG} = 3\n"),
        ("a.toml", f'preset = "aws"\n[nodes]\nana = "{LONG}"\n'),
        ("a.toml", f'{NODES}[[link]]\nbetween = ["ana", "{LONG}"]\n'),
        ("a.toml", f'{NODES}{LONG} = "eu"\n[[link]]\nbetween = ["ana", "cy"]\n'),
        ("a.toml", f'{NODES}[[link]]\nbetween = ["ana", "ben"]\n{LONG} = 3\n'),
        ("a.csv", f"from,to,rtt\neu,us,9\n{LONG},us,9\n"),
        ("a.csv", f"from,to,rtt\neu,{LONG},9\neu,{LONG},8\n"),
        ("a.csv", f"region,eu,us\n{LONG},,9\n"),
        ("a.gml", f'graph [ node [ id 0 label "{LONG}" region [ a 1 ] ] ]'),
        ("a.gml", f'graph [ node [ id 0 label "{LONG}" ] node [ id 1 label "b" ] edge [ source 0 target 1 ] ]'),
        ("a.gml", f'graph [ node [ id 0 label "{LONG}" ] edge [ source 0 target 0 rtt 9 ] ]'),
    ],
)
def test_a_long_name_in_a_topology_is_shortened(tmp_path: Path, name: str, text: str) -> None:
    assert is_short(refused(read_graph, tmp_path / name, text))


@pytest.mark.parametrize("text", [f"{LONG} = 3\n", f"rtt.{LONG} = 3\n"])
def test_a_long_name_in_a_matrix_is_shortened(tmp_path: Path, text: str) -> None:
    assert is_short(refused(read_matrix, tmp_path / "a.toml", text))


def test_a_name_that_is_not_long_is_shown_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(GOOD.replace(PARTITION, f'crash = "{LONG[:78]}"'))

    with pytest.raises(ScenarioError, match=f"no node is called '{LONG[:78]}'; expected"):
        read(path)
