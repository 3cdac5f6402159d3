"""The real engine, before it starts a process."""

from itertools import combinations
from pathlib import Path

from sim.real.engine import _Play
from sim.scenario.cast import Cast
from sim.scenario.reading import from_tables


def test_links_that_count_for_nothing_are_none_on_the_real_engine_either(tmp_path: Path) -> None:
    far = {"between": ["a", "b"], "latency": "6s"}
    nodes = [{"name": name, "region": "eu"} for name in "abc"]
    cast = Cast(from_tables({"title": "t", "promise": "p", "topology": {"node": nodes, "link": [far]}}))

    play = _Play(cast, 1, list(combinations("abc", 2)), [], tmp_path, ())

    assert play.pairs == [("a", "c"), ("b", "c")]
