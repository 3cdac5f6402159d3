"""By when digests are equal: the contract's bound, or a tighter one; a looser one has a name of its own."""

import pytest

from sim.scenario.model import Guarantees


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
