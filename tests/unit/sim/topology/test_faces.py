"""The faces of a report: JSON, text, and a picture."""

import io
import json
from xml.etree import ElementTree as ET

from rich.console import Console

from sim.topology import Graph, analyse, svg
from sim.topology.graph import link
from sim.topology.text import render

HOSTILE = '<script>&"'
BRIDGED = Graph({"ana": "eu", "ben": "us", HOSTILE: "ap"}, (link("ana", "ben", 90_000), link("ben", HOSTILE, 1_500)))
SPACE = "{http://www.w3.org/2000/svg}"


def text_of(graph: Graph) -> str:
    console = Console(file=io.StringIO(), width=120)
    render(analyse(graph), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_report_is_json_and_says_what_splits() -> None:
    found = json.loads(json.dumps(analyse(BRIDGED).to_json()))

    assert (found["connected"], found["cut_nodes"]) == (True, ["ben"])
    assert [loss["what"] for loss in found["losses"] if loss["splits"] and loss["kind"] == "node"] == [["ben"]]
    assert found["span"]["bound_us"] == 2 * (1_000_000 + 2 * 300_000 + 2 * 90_000) + 3 * 90_000


def test_the_text_names_cuts_bounds_and_levels() -> None:
    text = text_of(BRIDGED)

    assert "Cut nodes: ben." in text and "3.83 s where links outlived the cut, 18.83 s where they did not" in text
    assert "regions:3" in text and HOSTILE in text


def test_the_text_says_of_a_level_that_it_stays_somewhere_and_not_that_everybody_can_still_be_told() -> None:
    names = ("ana", "ben", "cy", "dan")
    links = tuple(link(one, other, 1_000) for index, one in enumerate(names) for other in names[index + 1 :])

    lines = text_of(Graph(dict(zip(names, names, strict=True)), links)).splitlines()

    said = {cells[1].strip(): cells[-2].strip() for line in lines if len(cells := line.split("│")) == 7}
    assert said["copies:3"] == "still reached somewhere" and said["copies:4"] == "not always reached"


def test_the_text_says_what_a_backlog_adds_where_a_link_has_a_rate() -> None:
    regions, links = (
        {"ana": "eu", "ben": "us", "cy": "us"},
        (link("ana", "ben", 1_000, 4_000_000), link("ben", "cy", 1_000)),
    )

    assert "and 4.00 s more for each MB that has gathered on a side, at half of 4Mbit/s" in text_of(
        Graph(regions, links)
    )
    assert analyse(Graph(regions, links)).to_json()["narrowest_bps"] == 4_000_000
    assert "0.09 s more for each MB that has gathered on a side, at 1 MiB a round trip" in text_of(BRIDGED)
    far = Graph(regions, (link("ana", "ben", 4_000_000, 4_000_000_000), link("ben", "cy", 1_000)))
    assert "and 3.81 s more for each MB that has gathered on a side, at 1 MiB a round trip" in text_of(far)
    assert "MB" not in text_of(Graph(regions, (link("ana", "ben", 1_000), link("ben", "cy", 1_000))))


def test_the_text_counts_one_as_one() -> None:
    text = text_of(Graph({"ana": "eu", "ben": "eu"}, (link("ana", "ben", 1_000),)))

    assert "2 nodes in 1 region, 1 link\n" in text and "1 hop, 1 ms round trip" in text and "1 node in one part" in text


def test_the_text_of_a_mesh_in_parts_says_so() -> None:
    text = text_of(Graph({"ana": "eu", "ben": "us"}, ()))

    assert "It is in 2 parts: ana | ben" in text and "nodes that cannot reach one another" in text
    assert "Of a mesh in parts no distances are told, no fewest losses and no pairs of links" in text


def test_the_text_names_links_that_never_come_up() -> None:
    text = text_of(Graph({"ana": "eu", "ben": "us"}, (link("ana", "ben", 5_000_000),)))

    assert "they hardly ever come up, if at all: ana – ben" in text and "It is in 2 parts" in text


def test_the_text_names_links_whose_dials_may_fail() -> None:
    nodes = [f"n{number}" for number in range(8)]
    some = [link("n0", other, 3_000_000, failures=count) for count, other in enumerate(nodes[1:])]

    text = " ".join(text_of(Graph(dict.fromkeys(nodes, "eu"), tuple(some))).split())

    assert (
        "A greeting may come too late, so that a dial fails, at most in a row: n0 – n2 (1 time), n0 – n3 (2 times), "
        "n0 – n4 (3 times), n0 – n5 (4 times), n0 – n6 (5 times), … " in text
    )


def test_the_text_names_links_that_may_fall_silent() -> None:
    nodes = [f"n{number}" for number in range(8)]
    some = [link("n0", other, 1_000, silence_us=count * 1_000_000) for count, other in enumerate(nodes[1:])]

    text = " ".join(text_of(Graph(dict.fromkeys(nodes, "eu"), tuple(some))).split())

    assert (
        "Links silent for 3 s (links.silent-ms) or more at times, and dialled anew then: n0 – n3 (3.00 s), n0 – n4 (4.00 s), "
        "n0 – n5 (5.00 s), n0 – n6 (6.00 s), n0 – n7 (7.00 s). No time is promised over them" in text
    )
    assert "Links silent" not in text_of(Graph(dict.fromkeys(nodes, "eu"), tuple(some[:2])))


def test_the_text_of_a_large_mesh_says_how_much_it_leaves_out() -> None:
    names = [f"n{number:02}" for number in range(12)]
    links = tuple(link(one, other, 1_000) for index, one in enumerate(names) for other in names[index + 1 :])

    assert "59 more losses are in --json" in text_of(Graph(dict.fromkeys(names, "eu"), links))


def test_the_picture_is_one_drawing_with_every_node_and_link_and_marks_what_splits() -> None:
    root = ET.fromstring(svg(BRIDGED, analyse(BRIDGED)))

    circles = root.findall(f"{SPACE}circle")
    assert (len(circles), len(root.findall(f"{SPACE}line"))) == (3, 2)
    assert [circle[0].text for circle in circles if circle.get("stroke")] == ["ben in us: its loss splits the mesh"]
    assert [label.text for label in root.findall(f"{SPACE}text")] == [HOSTILE, "ana", "ben"]
