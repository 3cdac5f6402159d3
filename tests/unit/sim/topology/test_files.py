"""Topologies in files: TOML, GML, a region matrix; errors name file, line and what was expected."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import sim
from sim.errors import ScenarioError
from sim.regions import preset
from sim.topology import Graph, Link, read_graph
from sim.topology.files import NODES_MAX

NODES = '[nodes]\nana = "eu-west-1"\nben = "us-east-1"\n'
LISTED = f'preset = "aws"\n{NODES}[[link]]\nbetween = ["ben", "ana"]\nrate = "100Mbit/s"\n'
AB = ' node [ id 0 label "a" ]\n node [ id 1 label "b" ]\n'
EDGE = 'edge [ source 0 target 1 rtt "9ms" ]'
BACK = EDGE.replace("0 target 1", "1 target 0")
REGIONS = {"ana": "eu-west-1", "ben": "us-east-1"}


def read(tmp_path: Path, name: str, text: str) -> Graph:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_graph(path)


def test_links_that_are_listed_take_their_round_trip_from_the_preset(tmp_path: Path) -> None:
    assert read(tmp_path, "a.toml", LISTED) == Graph(REGIONS, (Link("ana", "ben", 69_622, 100_000_000),))


def test_a_link_may_name_its_round_trip(tmp_path: Path) -> None:
    text = f'{NODES}[[link]]\nbetween = ["ana", "ben"]\nrtt = "5ms"\n'

    assert read(tmp_path, "a.toml", text) == Graph(REGIONS, (Link("ana", "ben", 5_000),))


def test_all_nodes_may_be_linked_to_all(tmp_path: Path) -> None:
    text = f'links = "all"\n{NODES}[rtt]\neu-west-1 = {{ us-east-1 = 70 }}\n'

    assert read(tmp_path, "a.toml", text) == Graph(REGIONS, (Link("ana", "ben", 70_000),))


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "from,to,rtt\neu,us,90\n"), ("a.TOML", "[rtt]\neu = { us = 90 }\n")]
)
def test_a_region_matrix_is_a_mesh_of_one_node_a_region(tmp_path: Path, name: str, text: str) -> None:
    assert read(tmp_path, name, text) == Graph({"eu": "eu", "us": "us"}, (Link("eu", "us", 90_000),))


def test_the_command_takes_a_matrix_and_a_preset_for_what_they_are(tmp_path: Path) -> None:
    for name, text in (
        ("a.csv", "from,to,rtt\neu,us,90\n"),
        ("a.TOML", "rtt.eu.us = 90\n"),
        ("b.toml", "preset = 'gcp'\n"),
    ):
        (tmp_path / name).write_text(text)

        found = CliRunner().invoke(sim, ["topology", str(tmp_path / name), "--json"])

        assert found.exit_code == 0, found.output
        assert json.loads(found.stdout)["nodes"] == len(preset("gcp").names if name == "b.toml" else ("eu", "us"))


def test_the_command_takes_a_file_that_includes_a_scenario_for_one(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('include = ["halves.toml"]\ntitle = "H"\n')

    found = CliRunner().invoke(sim, ["topology", str(tmp_path / "a.toml"), "--json"])

    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["nodes"] == 3


def test_a_graph_in_gml_has_regions_and_rates(tmp_path: Path) -> None:
    text = """graph [
  node [ id 0 label "ana" region "eu" ]
  node [ id 1 label "ben" ]
  edge [ source 1 target 0 rtt 90 rate "1Mbit/s" ]
]"""

    assert read(tmp_path, "a.gml", text) == Graph({"ana": "eu", "ben": "ben"}, (Link("ana", "ben", 90_000, 1_000_000),))


@pytest.mark.parametrize(
    ("there", "back", "rate_bps"),
    [
        ("rtt 90", "rtt 10", None),
        ("rtt 10", 'rtt 90 rate "1Mbit/s"', 1_000_000),
        ('rtt 90 rate "1Mbit/s"', 'rtt 10 rate "2Mbit/s"', 1_000_000),
    ],
)
@pytest.mark.parametrize("kind", ["", "multigraph 1 "])
def test_of_two_directions_in_gml_the_worse_counts(
    tmp_path: Path, there: str, back: str, rate_bps: int | None, kind: str
) -> None:
    text = f"graph [ directed 1 {kind}{AB} edge [ source 0 target 1 {there} ] edge [ source 1 target 0 {back} ] ]"

    found = read(tmp_path, "a.gml", text)

    assert found == Graph({"a": "a", "b": "b"}, (Link("a", "b", 90_000, rate_bps),))


@pytest.mark.parametrize(
    ("name", "text", "line", "problem"),
    [
        ("a.toml", "", 0, "no nodes"),
        ("a.toml", "[nodes]\n", 1, "no nodes"),
        ("a.toml", "[nodes]\nana = 3\n", 2, "ana: a region that is 3"),
        ("a.toml", f'{NODES}cy = ""\n', 4, "cy: a region that is ''"),
        ("a.toml", f"about = 3\n{NODES}", 1, "about: 3"),
        ("a.toml", "about = 3\n[rtt]\neu = { us = 90 }\n", 1, "about: 3"),
        ("a.toml", f'preset = "aws"\n{NODES}[rtt]\neu = {{ us = 90 }}\n', 5, "rtt beside preset"),
        ("a.toml", f'preset = "aws"\ninside = "1ms"\n{NODES}', 2, "inside beside preset"),
        ("a.toml", f'inside = "1ms"\n{NODES}', 1, "inside without rtt"),
        ("a.toml", f'links = "all"\n{LISTED}', 6, "link beside links"),
        ("a.toml", f"shape = 3\n{NODES}", 1, "an unknown key 'shape'"),
        ("a.toml", f'links = "all"\n{NODES}', 1, "links without round trips"),
        ("a.toml", f'links = "some"\n{NODES}', 1, "'some'"),
        ("a.toml", f'preset = "cumulus"\n{NODES}', 1, "no preset 'cumulus'"),
        ("a.toml", f'preset = "azure"\n{NODES}', 3, "no round trips of 'eu-west-1'"),
        ("a.toml", f"link = 3\n{NODES}", 1, "link is no list"),
        ("a.toml", f"link = [3]\n{NODES}", 1, "a link is no table"),
        ("a.toml", f'{NODES}[[link]]\nbetween = ["ana"]\n', 5, "a link without two ends"),
        ("a.toml", f'{NODES}[[link]]\nbetween = ["ana", "ana"]\n', 5, "a link without two ends"),
        ("a.toml", f'{NODES}[[link]]\nbetween = [["ana"], ["ben"]]\n', 5, "no node ['ana']"),
        ("a.toml", "a = " + "[" * 50_000, 1, "brackets within brackets"),
        ("a.toml", "[nodes]\n" + "".join(f"n{n} = 'eu'\n" for n in range(NODES_MAX + 1)), 0, "1,001 nodes"),
        ("a.gml", "graph [\n node [ id 0 label [ a 1 ] ]\n]", 0, "no graph: unhashable"),
        ("a.gml", "graph [\n" + " a [\n" * 3_000 + "]" * 3_001, 101, "it is nested too deep"),
        ("a.gml", 'graph [\n node [ id 0 label "a" region [ b 1 ] ]\n]', 2, "a: a region that is {'b': 1}"),
        ("a.gml", "graph [\n" * 50_000, 101, "it is nested too deep"),
        ("a.gml", "# mine\ngraph 3\n", 2, "no graph: graph 3"),
        ("a.gml", f"graph [\n{AB} edge 7\n]", 4, "no graph: edge 7"),
        ("a.toml", f'{NODES}[[link]]\nbetween = ["ana", "dan"]\n', 5, "no node 'dan'"),
        ("a.toml", f'{NODES}[[link]]\nbetween = ["ana", "ben"]\n', 4, "a link without a round trip"),
        ("a.toml", f'{NODES}[[link]]\nbetween = ["ana", "ben"]\nrtt = "soon"\n', 6, "'soon' is not a time"),
        ("a.toml", f'{NODES}[[link]]\nbetween = [\n"ana",\n"dan"]\n', 7, "no node 'dan'"),
        ("a.toml", f'{NODES}[[link]]\nrtt = "5ms"\n', 4, "a link without two ends"),
        ("a.toml", f'{LISTED}[[link]]\nbetween = ["ana", "ben"]\n\nrtt = "-210ms"\n', 11, "'-210ms' is negative"),
        ("a.toml", f'{NODES}[[link]]\nbetween = ["ana", "ben"]\nrtt = 5\n"foo" = 1\n', 7, "an unknown key 'foo'"),
        ("a.toml", f'link = [{{ between = ["ana", "ben"], rtt = 0.5, foo = 1 }}]\n{NODES}', 1, "an unknown key 'foo'"),
        ("a.toml", f"{LISTED}speed = 3\n", 8, "an unknown key 'speed' of a link"),
        ("a.toml", LISTED.replace("100Mbit/s", "fast"), 7, "'fast' is not a rate"),
        ("a.toml", f'{LISTED}[[link]]\nbetween = ["ana", "ben"]\n', 8, "a second link between ana and ben"),
        ("a.gml", f"graph [\n{AB} edge [ source 0 target 9 ]\n]", 4, "edge #0 has undefined target 9"),
        ("a.gml", f"graph [\n{AB} {EDGE}\n edge [\n  source 7\n  target 0 ]\n]", 5, "edge #1 has undefined source 7"),
        ("a.gml", f"graph [\n{AB} {EDGE}\n edge [ source 1 target 0 ]\n]", 5, "edge #1 (1--0) is duplicated"),
        ("a.gml", f"graph [\n{AB} edge [ target 1 ]\n]", 4, "edge #0 has no 'source' attribute"),
        ("a.gml", f'graph [\n{AB} node [ id 2 label "a" ]\n]', 4, "node label 'a' is duplicated"),
        ("a.gml", f'graph [\n{AB} node [\n id 1\n label "c" ]\n]', 4, "node id 1 is duplicated"),
        ("a.gml", f"graph [\n{AB} node [ id 2 ]\n]", 4, "node #2 has no 'label' attribute"),
        ("a.gml", f'graph [\n{AB} edge [ source 0 target 0 rtt "9ms" ]\n]', 4, "a link of a to itself"),
        ("a.gml", f"graph [\n multigraph 1\n{AB} {EDGE}\n {EDGE}\n]", 6, "a second link between a and b"),
        ("a.gml", f"graph [\n multigraph 1\n{AB} {EDGE}\n {BACK}\n]", 6, "a second link between a and b"),
        ("a.gml", f"graph [\n multigraph 1 directed 1\n{AB} {BACK}\n {EDGE}\n {BACK}\n]", 7, "a second link between a"),
        ("a.gml", f"graph [\n multigraph 1 directed 1\n{AB} {EDGE}\n {BACK}\n {EDGE}\n]", 7, "a second link between a"),
        ("a.gml", f"graph [\n directed 1\n{AB} {EDGE}\n edge [ source 1 target 0 ]\n]", 6, "b and a has no rtt"),
        ("a.gml", f"graph [\n directed 1\n{AB} edge [ source 0 target 0 rtt 9 ]\n]", 5, "a link of a to itself"),
        (
            "a.gml",
            'graph [\n node [ id 0 label "a" ]\n node [ id 1 label "b" ]\n edge [ source 0 target 1 ]\n]',
            4,
            "no rtt",
        ),
        ("a.gml", 'graph [\n node [ id 0 label "&lt;x" region [ b 1 ] ]\n]', 2, "<x: a region that is {'b': 1}"),
        ("a.gml", 'graph [\n node [ id 0 label "x[1]" region [ b 1 ] ]\n]', 2, "x[1]: a region that is {'b': 1}"),
        (
            "a.gml",
            f'graph [\n{AB} node [ id 2 label "&#60;c" ]\n edge [ source 0 target 2 ]\n]',
            5,
            "and <c has no rtt",
        ),
        (
            "a.gml",
            f'graph [\n{AB} node [ id 2 label "&lt;" ] node [ id 3\n label "&#60;" ]\n]',
            4,
            "label '<' is duplicated",
        ),
        (
            "a.gml",
            f"graph [\n{AB}" + "".join(f' node [ id {n} label "o\'" ]\n' for n in (2, 3)) + "]",
            5,
            "is duplicated",
        ),
        ("a.txt", "", 0, "the name ends in '.txt'"),
    ],
)
def test_an_error_names_the_file_the_line_and_what_was_expected(
    tmp_path: Path, name: str, text: str, line: int, problem: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(tmp_path, name, text)

    error = caught.value
    assert (error.path, error.line) == (str(tmp_path / name), line), error
    assert problem in error.problem and error.expected


def test_the_command_confirms_no_loss_of_what_is_in_parts_already(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(NODES)

    found = CliRunner().invoke(sim, ["topology", str(tmp_path / "two.toml"), "--confirm"])

    assert (found.exit_code, "It is in parts already" in found.stderr) == (2, True)


def test_of_links_that_never_come_up_nothing_is_confirmed_and_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text('[nodes]\na = "eu"\nb = "us"\n[[link]]\nbetween = ["a", "b"]\nrtt = "5s"\n')

    found = CliRunner().invoke(sim, ["topology", str(tmp_path / "slow.toml"), "--confirm"])

    assert found.exit_code == 2
    assert "Links that hardly ever come up, if at all, being too slow for a greeting: a – b." in found.stderr
