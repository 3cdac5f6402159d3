"""By when digests are equal: the contract's bound, or a tighter one; a looser one has a name of its own."""

import pytest

from sim.heap import Play
from sim.scenario.model import Guarantees
from sim.scenario.reading import SHIPPED, read


@pytest.mark.parametrize(
    ("said", "bound_us"),
    [
        ({}, 9_000_000),
        ({"converge": "5s"}, 5_000_000),
        ({"converge": "10s"}, 9_000_000),
        ({"converge-late": "45s"}, 45_000_000),
    ],
)
def test_a_scenario_can_ask_for_more_than_the_contract_and_for_less_only_by_another_name(
    said: dict[str, str], bound_us: int
) -> None:
    assert Guarantees.model_validate(said).converge_within(9_000_000) == bound_us


def test_what_must_never_happen_breaks_the_run_in_which_it_does() -> None:
    scenario = read(SHIPPED / "halves.toml")
    bounds = scenario.guarantees.model_copy(update={"never": ("fault/partition", "refused/GSM-2111")})

    outcome = Play(scenario.model_copy(update={"guarantees": bounds}), 0).run()

    (breach,) = outcome.breaches
    assert (breach.promise, breach.kind) == ("bounds", "never fault/partition")
    assert breach.about == "fault/partition must never happen, and did (1)"
