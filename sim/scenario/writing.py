"""From a scenario back to the file that says the same: for what was shrunk."""

from __future__ import annotations

import json
import re
from typing import Any

from sim.plain import plain, quoted
from sim.scenario.model import Scenario

TOML_LONG = "\\U%08x"
BARE = re.compile(r"[A-Za-z0-9_-]+")
"""A key without quotes."""
FIRST = ("format", "title", "promise", "story", "number")


def write(scenario: Scenario, remark: str = "") -> str:
    """The TOML text of a scenario; what says the same as its default is left out."""
    tables = scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
    tables = {"format": scenario.format_, **tables}
    lines = [f"# {plain(line)}".rstrip() for line in remark.splitlines()]
    order = [*(key for key in FIRST if key in tables), *(key for key in tables if key not in FIRST)]
    flat = [key for key in order if not _is_table(tables[key])]
    lines += [f"{_key(key)} = {_value(tables[key])}" for key in flat]
    for key in order:
        if key not in flat:
            lines += _table((key,), tables[key])
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)
    )


def _table(path: tuple[str, ...], value: Any) -> list[str]:
    lines: list[str] = []
    dotted = ".".join(_key(part) for part in path)
    for each in value if isinstance(value, list) else [value]:
        lines += ["", f"[[{dotted}]]" if isinstance(value, list) else f"[{dotted}]"]
        deep = path != ("topology",)  # only the topology's tables are large enough to stand by themselves
        inner = [key for key in each if not deep and _is_table(each[key])]
        lines += [f"{_key(key)} = {_value(each[key])}" for key in each if key not in inner]
        for key in inner:
            lines += _table((*path, key), each[key])
    return lines


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else quoted(json.dumps(key, ensure_ascii=False), TOML_LONG)


def _value(value: Any) -> str:
    match value:
        case dict():
            return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(_value(each) for each in value) + "]"
        case bool():
            return "true" if value else "false"
        case _:
            return quoted(json.dumps(value, ensure_ascii=False), TOML_LONG)
