"""Links that are too slow for anything: where none ever comes up nothing is played, and no delay is longer than an hour."""

from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario.reading import read
from tests.unit.sim.scenario.test_reading import written

HEAD = 'title = "T"\npromise = "p"\nduration = "4s"\n'
NODES = '[[topology.node]]\nname = "ana"\n[[topology.node]]\nname = "ben"\n'
APART = f'{NODES}region = "us"\n'
LINK = '[[topology.link]]\nbetween = ["ana", "ben"]\n'
EVENT = '[[timeline]]\nat = "1s"\nlink = { between = ["ana", "ben"], '
VARIES = "what varies and is lost holds nearly every greeting up"
TAKES_12S = "the fastest takes '12s' there and back"
CY = '[[topology.node]]\nname = "cy"\n'
FEWER = "less than links.greeting-timeout-ms, 5s, of one link at least"

NONE_TO_BEN = f"no links that ever come up lead from 'ana' to 'ben': {TAKES_12S}; expected {FEWER}"


def never(us: str) -> str:
    return f"no link ever comes up: the fastest takes '{us}' there and back; expected {FEWER}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'topology.local-latency = "6s"\n{NODES}', f"4: topology.local-latency: {never('12s')}"),
        (f'topology.local-latency = "2500ms"\n{NODES}', f"4: topology.local-latency: {never('5s')}"),
        (f'topology.latency = "1h"\n{APART}', f"4: topology.latency: {never('2h')}"),
        (f'topology.latency = "3s"\ntopology.links = "sparse"\n{APART}', f"4: topology.latency: {never('6s')}"),
        (
            f'topology.shape = "empirical"\ntopology.measured = ["9s", "3s"]\n{APART}',
            f"5: topology.measured: {never('6s')}",
        ),
        (f'topology.matrix = {{ eu = {{ us = "5s" }}, us = {{}} }}\n{APART}', f"4: topology.matrix: {never('5s')}"),
        (f'{NODES}{LINK}latency = "4s"\n', f"10: topology.link.0.latency: {never('8s')}"),
        (
            f'{NODES}{LINK}shape = "empirical"\nmeasured = ["4s"]\n',
            f"11: topology.link.0.measured: {never('8s')}",
        ),
        (f'topology.local-latency = "3s"\n{NODES}{LINK}jitter = "1s"\n', f"4: topology.local-latency: {never('6s')}"),
        (f'topology.rate = "1 kbit/s"\n{NODES}', f"4: topology.rate: {never('8001ms')}"),
        (f'{NODES}{LINK}rate = "1 kbit/s"\n', f"10: topology.link.0.rate: {never('8001ms')}"),
        (
            f'topology.local-latency = "2400ms"\n{NODES}{LINK}jitter = "1h"\n',
            f"11: topology.link.0.jitter: no link ever comes up: {VARIES}; expected {FEWER}",
        ),
        (
            f'topology.latency = "2400ms"\ntopology.jitter = "600ms"\ntopology.shape = "exponential"\n{APART}',
            f"5: topology.jitter: no link ever comes up: {VARIES}; expected {FEWER}",
        ),
        (
            f'topology.local-latency = "6s"\n{NODES}profile = {{ "links.greeting-timeout-ms" = 13000 }}\n',
            f"4: topology.local-latency: {never('12s')}",
        ),
        (
            f'topology.local-latency = "6s"\n{NODES}{EVENT}latency = "1ms" }}\n',
            f"4: topology.local-latency: {never('12s')}",
        ),
        (f'topology.local-latency = "2499999us"\n{NODES}', f"4: topology.local-latency: {never('4999998us')}"),
        (f'topology.latency = "6s"\ncore = "random"\n{APART}{CY}', f"4: topology.latency: {NONE_TO_BEN}"),
        (f'topology.latency = "6s"\ntopology.links = "sparse"\n{APART}{CY}', f"4: topology.latency: {NONE_TO_BEN}"),
        (f'topology.loss = "99.9%"\n{NODES}', f"4: topology.loss: no link ever comes up: {VARIES}; expected {FEWER}"),
        (f'topology.latency = "6s"\n{APART}{CY}', f"4: topology.latency: {NONE_TO_BEN}"),
    ],
    ids=[
        *("local", "just", "between", "drawn", "measured", "matrix", "link", "link-measured", "link-jitter"),
        *("rate", "link-rate", "varies", "varies-all", "one-is-patient", "made-fast-for-a-while", "no-time-to-answer"),
        *("core-is-drawn", "links-are-drawn", "loses", "core-in-parts"),
    ],
)
def test_a_topology_of_which_no_link_ever_comes_up_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, HEAD + text)

    with pytest.raises(ScenarioError) as caught:
        read(path)

    assert str(caught.value) == f"{path}:{said}"


@pytest.mark.parametrize(
    "text",
    [
        f'topology.local-latency = "2498ms"\n{NODES}',
        f'core = ["ana", "cy"]\ntopology.latency = "6s"\n{APART}\n[[topology.node]]\nname = "cy"\n',
        f'core = "random"\ntopology.latency = "2s"\n{APART}{CY}',
        f'topology.rate = "2 kbit/s"\n{NODES}',
        f'topology.loss = "40%"\n{NODES}',
        f'topology.latency = "6s"\n{APART}{LINK}latency = "1ms"\n',
        f'topology.shape = "empirical"\ntopology.measured = ["9s", "2s"]\n{APART}',
        f'topology.local-latency = "6s"\nconfig = {{ "links.greeting-timeout-ms" = 13000 }}\n{NODES}',
        'topology.local-latency = "6s"\n[[topology.node]]\nname = "ana"\n',
    ],
    ids=[
        "just",
        "core-is-fast",
        "core-is-drawn",
        "slow",
        "loses",
        "one-is-made-fast",
        "at-best",
        "patient",
        "alone",
    ],
)
def test_one_that_may_come_up_is_enough(tmp_path: Path, text: str) -> None:
    assert read(written(tmp_path, HEAD + text)).duration == 4_000_000


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        (f'topology.latency = "1d"\n{NODES}', 4, "topology.latency"),
        (f'topology.local-latency = "1d"\n{NODES}', 4, "topology.local-latency"),
        (f'topology.jitter = "1d"\n{NODES}', 4, "topology.jitter"),
        (f'{NODES}{LINK}latency = "1d"\n', 10, "topology.link.0.latency"),
        (f'{NODES}{LINK}jitter = "1d"\n', 10, "topology.link.0.jitter"),
        (f'{NODES}{EVENT}latency = "1d" }}\n', 10, "timeline.0.link.latency"),
        (f'{NODES}{EVENT}extra = "1d" }}\n', 10, "timeline.0.link.extra"),
        (f'{NODES}{EVENT}shape = "empirical", measured = ["1d"] }}\n', 10, "timeline.0.link.measured.0"),
    ],
)
def test_no_delay_is_longer_than_an_hour(tmp_path: Path, text: str, line: int, key: str) -> None:
    path = written(tmp_path, HEAD + text)

    with pytest.raises(ScenarioError) as caught:
        read(path)

    assert str(caught.value) == f"{path}:{line}: {key}: '1d'; expected at most 1h"
