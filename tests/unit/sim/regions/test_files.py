"""Region matrices in files: four forms of one matrix, and errors that name file, line and what was expected."""

from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.regions import RegionMatrix, read_matrix

THREE = {("eu", "us"): 90_000, ("ap", "eu"): 150_000, ("ap", "us"): 110_500}

WHOLE = "region,eu,us,ap\neu,0.5,90,150\nus,90,,110.5\nap,150,110.5,\n"
HALF = "# measured at home\n# in June\n\nregion,eu,us,ap\neu,0.5,90ms,150ms\nus,,,110500us\nap\n"
PAIRS = "from,to,rtt\neu,eu,500us\neu,us,90\nus, eu ,89.2\neu,ap,150\nus,ap,110.5\n"
TOML = 'inside = "500us"\n[rtt]\neu = { us = 90, ap = "150ms" }\nus = { ap = 110.5 }\n'
GML = """graph [
  comment "measured at home"
  node [ id 0 label "eu" ]
  node [ id 1 label "us" ]
  node [ id 2 label "ap" ]
  edge [ source 0 target 1 rtt 90 ]
  edge [ source 0 target 2 rtt "150ms" ]
  edge [ source 1 target 2 rtt 110.5 ]
]
"""
TWO = """graph [
 {}
 node [ id 0 label "a" ]
 node [ id 1 label "b" ]
 edge [ source 0 target 1 rtt 90 ]
 edge [ source {} target {} rtt 80 ]
]"""


def read(tmp_path: Path, name: str, text: str) -> RegionMatrix:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_matrix(path)


@pytest.mark.parametrize(
    ("name", "text", "inside_us", "about"),
    [
        ("whole.csv", WHOLE, 500, ""),
        ("half.csv", HALF, 500, "measured at home in June"),
        ("pairs.CSV", PAIRS, 500, ""),
        ("three.toml", TOML, 500, ""),
        ("three.gml", GML, 1_000, "measured at home"),
    ],
)
def test_one_matrix_in_every_form(tmp_path: Path, name: str, text: str, inside_us: int, about: str) -> None:
    found = read(tmp_path, name, text)

    assert (sorted(found.names), found.round_trips_us) == (["ap", "eu", "us"], THREE)
    assert (found.inside_us, found.about) == (inside_us, about)


def test_of_two_directions_the_longer_counts(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "region,eu,us\neu,,90\nus,93,\n").rtt_us("eu", "us") == 93_000


@pytest.mark.parametrize("text", ["region,eu,us\neu,3,90\nus,,2\n", "from,to,rtt\neu,eu,3\nus,eu,90\nus,us,2\n"])
def test_of_round_trips_within_regions_the_longest_counts_for_all(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, "a.csv", text).inside_us == 3_000


def test_a_region_alone_needs_no_round_trip(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "region,eu\neu,2\n").inside_us == 2_000


@pytest.mark.parametrize(
    ("name", "text", "line", "problem"),
    [
        ("a.csv", "", 0, "no regions"),
        ("a.csv", "# nothing\n", 0, "no regions"),
        ("a.csv", "region\n", 1, "nothing stands below this line"),
        ("a.csv", "# pairs\n\neu,us,90ms", 3, "nothing stands below this line"),
        ("a.csv", "region,eu,us\neu,,fast\n", 2, "'fast' is not a time"),
        ("a.csv", "region,eu,us\neu,,-3\n", 2, "is negative"),
        ("a.csv", "region,eu,us\neu,,90 parsecs\n", 2, "is not a time"),
        ("a.csv", "region,eu,us\neu,,2h\n", 0, "from 0 to an hour"),
        ("a.csv", "# a\nregion,eu,us\n\nmars,,3\n", 4, "'mars' is not in line 2"),
        ("a.csv", "region,eu,eu\neu,,3\n", 1, "a region twice"),
        ("a.csv", "region,eu,\neu,,3\n", 1, "a region without a name"),
        ("a.csv", "region,eu,us\neu,,3,4\n", 2, "3 values"),
        ("a.csv", "region,eu,us,ap\neu,,90,150\n", 1, "no round trip between us and ap"),
        ("a.csv", 'region,eu\neu,"3\n', 2, "unexpected end of data"),
        ("a.csv", "from,to,rtt\neu,us\n", 2, "2 cells"),
        ("a.csv", "from,to,rtt\neu,us,90,5\n", 2, "4 cells"),
        (
            "a.csv",
            "from,to,rtt\neu,us,90\n\n eu,us ,95\n",
            4,
            "a second round trip from eu to us, after that of line 2",
        ),
        ("a.csv", "from,to,rtt\neu,us,90\nus,us,3\nus,us,4\n", 4, "from us to us, after that of line 3"),
        ("a.csv", "region,eu,us\neu,,90\neu,,95\n", 3, "from eu to us, after that of line 2"),
        ("a.csv", "from,to,rtt\neu,us,90\nus,ap,110\n", 3, "no round trip between eu and ap"),
        ("a.toml", "rtt = 3\n", 1, "no table rtt"),
        ("a.toml", "", 0, "no table rtt"),
        ("a.toml", "[rtt]\neu = 90\n", 2, "'eu' is no table"),
        ("a.toml", "[rtt]\neu = { us = true }\n", 2, "True is not a time"),
        ("a.toml", "[rtt]\neu = { us = nan }\n", 2, "is not a time"),
        ("a.toml", "[rtt]\neu = { us = 90 }\n[loss]\n", 3, "an unknown key 'loss'"),
        ("a.toml", "[rtt]\neu = {\n", 2, ""),
        ("a.toml", "about = 3\n[rtt]\neu = { us = 90 }\n", 1, "about: 3"),
        ("a.gml", "", 0, ""),
        ("a.gml", "graph [\n node [ id 0 label ? ]\n]\n", 2, "cannot tokenize"),
        (
            "a.gml",
            'graph [\n node [ id 0 label "a" ]\n node [ id 1 label "b" ]\n edge [ source 0 target 1 ]\n]',
            4,
            "no rtt",
        ),
        ("a.gml", TWO.format("multigraph 1", 0, 1), 6, "a second round trip from a to b, after that of line 5"),
        ("a.gml", TWO.format("multigraph 1", 1, 0), 6, "a second round trip from a to b, after that of line 5"),
        (
            "a.gml",
            TWO.format("multigraph 1 directed 1", 0, 1),
            6,
            "a second round trip from a to b, after that of line 5",
        ),
        ("a.xls", "", 0, "the name ends in '.xls'"),
        ("a", "", 0, "the name ends in 'nothing'"),
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


@pytest.mark.parametrize("kind", ["directed 1", "directed 1 multigraph 1"])
def test_both_directions_of_a_directed_graph_are_read(tmp_path: Path, kind: str) -> None:
    found = read(tmp_path, "a.gml", TWO.format(kind, 1, 0))
    assert (found.names, found.round_trips_us) == (("a", "b"), {("a", "b"): 90_000})


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"region,\xff\n")

    with pytest.raises(ScenarioError, match="there is no such file"):
        read_matrix(tmp_path / "a.csv")
    with pytest.raises(ScenarioError, match="not UTF-8 at byte 7"):
        read_matrix(tmp_path / "b.csv")
