"""What a person may have meant by a word that nobody knows: the nearest of those that there are, or the first of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from difflib import get_close_matches

from mesh.config import NodeConfig
from sim.plain import listed

NEAR = 0.78
"""So alike (`difflib`) is a word to what was meant by it."""


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word that is most like another; empty where none is near."""
    return next(iter(get_close_matches(word, known, 1, NEAR)), "")


def expected_setting(name: str, config: NodeConfig) -> str:
    """What was expected in place of a setting that no node has: the one that it is near to, else those of its engine."""
    engines: dict[str, list[str]] = {"": []}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, bool | int | str):
            engines[""].append(_hyphened(field.name))
        elif dataclasses.is_dataclass(value):
            inner = dataclasses.fields(value)
            engines[field.name] = [_hyphened(f"{field.name}.{each.name}") for each in inner]
    known = [each for names in engines.values() for each in names]
    engine, _, key = _hyphened(name).rpartition(".")
    near = nearest(_hyphened(name), known)
    alike = [near] if near else [each for each in known if each.rpartition(".")[2] == key]
    if alike:
        return f"{' or '.join(map(repr, alike))}, or another setting"
    if engine and engine in engines:
        return f"a setting of {engine}: {listed(engines[engine])}"
    return f"engine.setting, as `links.alive-ms`; the engines are {', '.join(filter(None, engines))}"


def _hyphened(name: str) -> str:
    return name.replace("_", "-")
