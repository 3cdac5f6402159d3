"""What a run on real processes must have seen, and what it must not: of what is seen there at all."""

import pytest

from sim.checkers import Watch
from sim.outcome import Outcome
from sim.real.judge import _bounds
from sim.scenario.model import Guarantees
from sim.scenario.reading import SHIPPED, read


@pytest.mark.parametrize(
    ("bounds", "told", "looked"),
    [
        ({"see": ["gap/lost", "fault/crash"]}, ["fault/crash never happened, so this run proves nothing"], 2),
        ({"never": ["gap/lost", "fault/crash"]}, ["gap/lost must never happen, and did (2)"], 2),
        ({"see": ["frame/Push"], "never": ["refused/GSM-2112"]}, [], None),
    ],
)
def test_what_is_to_be_seen_and_what_is_not(bounds: dict[str, list[str]], told: list[str], looked: int | None) -> None:
    scenario = read(SHIPPED / "halves.toml")
    guarantees = Guarantees.model_validate(bounds)
    outcome = Outcome(scenario.model_copy(update={"guarantees": guarantees}), 0)
    outcome.coverage = {"gap/lost": 2, "refused/GSM-2112": 1}
    watch = Watch()

    _bounds(outcome, watch, [])

    assert [breach.about for breach in watch.breaches] == told
    assert watch.evaluated.get("bounds") == looked
