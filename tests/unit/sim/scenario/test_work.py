"""Work that does not end soon is refused before any of it is drawn: with file, line, and how much there may be."""

from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario.reading import read
from sim.scenario.sense import BOTHERS_MAX, PAST_MAX
from tests.unit.sim.scenario.test_reading import GOOD, PARTITION, written

BAD = 'hostile-client = {{ gateways = "{}", does = "{}", times = {} }}'


def told(folder: Path, was: str, becomes: str) -> str:
    path = written(folder, GOOD.replace('for = "2s"\n', "").replace(was, becomes))
    with pytest.raises(ScenarioError) as caught:
        read(path)
    return str(caught.value).removeprefix(f"{path}:")


@pytest.mark.parametrize(
    ("gateways", "does", "times", "cost"),
    [
        ("ana", "repeat", 10_000, "10,240,000"),
        ("*", "repeat", 245, "501,760"),
        ("ana", "flood", 10_000, "600,000"),
        ("*", "huge", 6_251, "500,080"),
    ],
)
def test_what_clients_gone_bad_cost_is_bounded(tmp_path: Path, gateways: str, does: str, times: int, cost: str) -> None:
    said = told(tmp_path, PARTITION, BAD.format(gateways, does, times))

    problem = f"that costs nodes as much as {cost} requests; expected at most {BOTHERS_MAX:,} in all"
    assert said == f"24: timeline.0.hostile-client.times: {problem}"


def test_all_clients_gone_bad_count_together(tmp_path: Path) -> None:
    half = BAD.format("ana", "repeat", 245)
    more = '\n\n[[timeline]]\nat = "2s"\n'

    read(written(tmp_path, GOOD.replace('for = "2s"\n', "").replace(PARTITION, half)))
    said = told(tmp_path, PARTITION, more.join([half, half]))

    assert said.startswith("28: timeline.1.hostile-client.times: that costs nodes as much as 501,760 requests")


def test_readings_of_the_past_are_bounded(tmp_path: Path) -> None:
    history = 'count = 2\nhistory = [\n  {{ every = "2ms" }},\n  {{ every = "{}" }},\n]'
    expected = f"expected at most {PAST_MAX:,} in all"

    read(written(tmp_path, GOOD.replace("count = 2", 'count = 2\nhistory = [{ every = "2ms" }]')))
    said = told(tmp_path, "count = 2", history.format("12us"))

    assert said == f"19: client.0.history.1.every: that comes to about 5,030,000 readings; {expected}"


def test_readings_by_verbs_count_too(tmp_path: Path) -> None:
    both = GOOD.replace("count = 2", 'count = 2\nhistory = [{ every = "2ms" }]')
    path = written(tmp_path, both.replace('for = "2s"\n', "").replace(PARTITION, 'read-history = { client = "*" }'))

    with pytest.raises(ScenarioError, match=r":25: timeline.0.read-history.client: that comes to about 30,002 read"):
        read(path)
