"""Files whose rule no safeguard of the table stands for: with the rule broken, the file breaks, too."""

from collections.abc import Callable
from typing import Any

import pytest

from mesh.engines.links import AddressBook
from sim.heap import Play
from sim.scenario.reading import SHIPPED, read


def _believes_the_last_word(_: AddressBook, place: Any, node: Any) -> bool:
    if node != place.node:
        place.node, place.answered, place.linked_us = node, True, -1
    return False


def _dials_at_once(_: AddressBook, place: Any, now: Any) -> None:
    place.failures += 1
    place.due_us = now.mono_us + 1


BROKEN: dict[str, tuple[type, str, Callable[..., Any]]] = {
    "eclipse": (AddressBook, "_is_news", _believes_the_last_word),
    "flapping": (AddressBook, "_back_off", _dials_at_once),
}
"""By file: whose rule is broken, and by what."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_notices_that_its_rule_is_broken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = read(SHIPPED / f"{name}.toml")
    owner, method, broken = BROKEN[name]
    monkeypatch.setattr(owner, method, broken)

    plays = (Play(scenario, seed).run() for seed in range(scenario.seeds))
    found = next((played for played in plays if played.breaches), None)

    assert found is not None, f"{name} does not notice that {owner.__name__}.{method} is broken"
