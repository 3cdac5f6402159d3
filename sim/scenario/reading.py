"""From files to scenarios: TOML with includes, or Python. Whatever is wrong names the file, the line and what was expected."""

from __future__ import annotations

import re
import runpy
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.errors import ScenarioError
from sim.scenario.building import config_of
from sim.scenario.cast import Cast, CastError
from sim.scenario.lines import Place, line_of, lines_of
from sim.scenario.model import FORMAT, Scenario

FILE_BYTES_MAX = 16 << 20
SHIPPED = Path(__file__).resolve().parent.parent / "scenarios"
"""Where the scenarios lie that come with the product."""


class Source:
    """One file: its path, its tables, and where they stand."""

    def __init__(self, path: Path) -> None:
        """Read it. Raises `ScenarioError`."""
        self.path = path
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise ScenarioError(str(path), 0, "the file is too large", f"at most {FILE_BYTES_MAX} bytes")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ScenarioError(str(path), 0, error.strerror or str(error), "a scenario file") from error
        except UnicodeDecodeError as error:
            raise ScenarioError(str(path), 0, "the file is not UTF-8", "a TOML file in UTF-8") from error
        try:
            self.tables: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"at line (\d+)", str(error))
            line = int(found[1]) if found else text.count("\n") + 1
            raise ScenarioError(str(path), line, f"no TOML: {error}", "what https://toml.io describes") from error
        self.lines: dict[Place, int] = lines_of(text)


def find(name: str) -> Path:
    """The file that a person means: a path, or the name of a scenario that ships. Raises `ScenarioError`."""
    path = Path(name)
    if path.exists():
        return path
    shipped = SHIPPED / f"{name.removesuffix('.toml')}.toml"
    if shipped.exists():
        return shipped
    raise ScenarioError(name, 0, "there is no such file", "a file, or a name that `gossamer sim list` prints")


def read(path: Path) -> Scenario:
    """Read a scenario. Raises `ScenarioError`."""
    if path.suffix == ".py":
        return _read_python(path)
    sources: list[Source] = []
    tables = _merged(path, (), sources)
    try:
        scenario = Scenario.model_validate(tables)
        Cast(scenario)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _placed(sources, first["loc"], *_said(first)) from error
    except CastError as error:
        raise _placed(sources, error.loc, error.problem, error.expected) from error
    for loc, settings in _settings(scenario):
        try:
            config_of(settings)
        except ScenarioError as error:
            raise _placed(sources, loc, error.problem, error.expected) from error
    if scenario.format_ != FORMAT:
        raise _placed(sources, ("format",), f"format {scenario.format_} is not known here", f"format = {FORMAT}")
    return scenario


def _settings(scenario: Scenario) -> list[tuple[tuple[str | int, ...], Mapping[str, int | bool | str]]]:
    """All settings of nodes, and where they stand."""
    groups = [(("topology", "node", at, "profile"), group.profile) for at, group in enumerate(scenario.topology.node)]
    return [(("config",), scenario.config), *groups]


def _read_python(path: Path) -> Scenario:
    """A Python file that has a `scenario`: a `Scenario`, a dict of its tables, or a function that returns one."""
    try:
        found = runpy.run_path(str(path)).get("scenario")
    except OSError as error:
        raise ScenarioError(str(path), 0, error.strerror or str(error), "a scenario file") from error
    except SyntaxError as error:
        raise ScenarioError(str(path), error.lineno or 0, f"no Python: {error.msg}", "a Python file") from error
    made = found() if callable(found) and not isinstance(found, Scenario) else found
    if isinstance(made, dict):
        return from_tables(made, str(path))
    if not isinstance(made, Scenario):
        raise ScenarioError(
            str(path), 0, "it defines no `scenario`", "`scenario`, a Scenario or a function that makes one"
        )
    return _cast(made, str(path))


def from_tables(tables: dict[str, Any], name: str = "scenario") -> Scenario:
    """A scenario from the tables of a file that there is not. Raises `ScenarioError`."""
    try:
        return _cast(Scenario.model_validate(tables), name)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where, (problem, expected) = ".".join(str(part) for part in first["loc"]), _said(first)
        raise ScenarioError(name, 0, f"{where}: {problem}", expected) from error


def _cast(scenario: Scenario, name: str) -> Scenario:
    try:
        Cast(scenario)
    except CastError as error:
        raise ScenarioError(name, 0, error.problem, error.expected) from error
    return scenario


def _merged(path: Path, above: tuple[Path, ...], sources: list[Source]) -> dict[str, Any]:
    """A file's tables over those that it includes."""
    resolved = path.resolve()
    if resolved in above:
        chain = " -> ".join(each.name for each in (*above[above.index(resolved) :], resolved))
        source = next(each for each in sources if each.path.resolve() == above[-1])
        line = source.lines.get(("include",), 0)
        raise ScenarioError(
            str(source.path), line, f"includes go in a circle: {chain}", "files that do not include themselves"
        )
    source = Source(path)
    sources.append(source)
    names = source.tables.get("include", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        line = source.lines.get(("include",), 0)
        raise ScenarioError(str(path), line, "include is no list of names", 'include = ["base.toml"]')
    merged: dict[str, Any] = {}
    for name in names:
        merged = _over(_merged(path.parent / name, (*above, resolved), sources), merged)
    merged = _over(source.tables, merged)
    merged.pop("include", None)
    return merged


def _over(upper: dict[str, Any], lower: dict[str, Any]) -> dict[str, Any]:
    """Tables over tables: what the upper says counts; tables are joined key by key, lists are replaced."""
    joined = dict(lower)
    for key, value in upper.items():
        below = joined.get(key)
        joined[key] = _over(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return joined


def _placed(sources: list[Source], loc: tuple[str | int, ...], problem: str, expected: str) -> ScenarioError:
    """An error at the first file that has the place, or at the first of all."""
    place = tuple(str(part).replace("_", "-").rstrip("-") if isinstance(part, str) else part for part in loc)
    for source in sources:
        line = line_of(source.lines, place)
        if line:
            return ScenarioError(str(source.path), line, f"{_dotted(place)}: {problem}", expected)
    return ScenarioError(str(sources[0].path), 0, f"{_dotted(place)}: {problem}", expected)


def _dotted(place: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in place)


def _said(error: Any) -> tuple[str, str]:
    """What is wrong, and what was expected, from what the validation says."""
    message = str(error["msg"]).removeprefix("Value error, ")
    match error["type"]:
        case "extra_forbidden":
            return "nobody knows this key", "a key of the schema (gossamer sim schema, docs/reference/scenario.md)"
        case "missing":
            return "it is missing", "a value"
        case "value_error":
            problem, _, expected = message.partition(" is not ")
            return (problem, expected) if expected else (message, "a value that makes sense")
        case _:
            return f"{error['input']!r}", message[0].lower() + message[1:]
