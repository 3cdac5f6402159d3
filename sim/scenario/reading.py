"""From files to scenarios: TOML or Python, with includes. Whatever is wrong names the file, the line and what was expected."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from functools import partial
from inspect import iscoroutine
from pathlib import Path
from traceback import extract_tb
from types import CodeType
from typing import Any

from pydantic import ValidationError

from sim.errors import ScenarioError
from sim.plain import SHOWN_MAX, cut, listed, short
from sim.regions import PRESETS
from sim.scenario.beside import importable
from sim.scenario.building import config_of
from sim.scenario.cast import Cast, CastError
from sim.scenario.meant import nearest
from sim.scenario.model import FORMAT, Scenario, expected_at, keys_at
from sim.scenario.quantities import IN_WORDS, Part
from sim.scenario.sense import check
from sim.scenario.texts import unwritable
from sim.toml import Place, line_of, missing, nearest_line, parse, read_text

INCLUDES_MAX = 64
"""Files that one scenario is made of ..."""
INCLUDE_DEPTH_MAX = 16
"""... and how deep they include each other."""
TYPES = {
    "dict_type": "a table",
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
}
"""What is expected, by the kind of the error that the validation finds."""
SHIPPED = Path(__file__).resolve().parent.parent / "scenarios"
"""Where the scenarios lie that come with the product."""
EXPECTED = "a scenario file"
FILE_OR_NAME = "a file, or a name that `gossamer sim list` prints"
_ADDED = re.compile(r"[\[(]|^(int|bool|str|constrained-int)$")


class Source:
    """One file: its path, its tables, and where they stand."""

    def __init__(self, path: Path, tables: dict[str, Any], lines: dict[Place, int] | None) -> None:
        """What a file says, and in which lines: None where that is not known, as of what a Python file makes."""
        self.path, self.tables = path, tables
        self.lines: dict[Place, int] = lines or {}
        self._has_lines = lines is not None

    def nearest(self, place: Place) -> int:
        """The line of a path of keys or of what is next to it; 0 where none is known."""
        return nearest_line(self.lines, place) if self._has_lines else 0

    def depth_of(self, place: Place) -> int:
        """How much of a path of keys is in this file."""
        below: Any = self.tables
        for depth, key in enumerate(place):
            if not isinstance(below, dict) or key not in below:
                return depth
            below = below[key]
        return len(place)


def find(name: str) -> Path:
    """The file that a person means: a path, or the name of a scenario that ships. Raises `ScenarioError`."""
    if not name:
        raise ScenarioError("''", 0, "no file is called so", FILE_OR_NAME)
    path = Path(name)
    shipped = SHIPPED / f"{name}.toml"
    try:
        does_ship = path.name == name and shipped.exists() and (path.exists() or not path.is_symlink())
        if not missing(path) and not (path.is_dir() and does_ship):
            return path
        if does_ship:
            return shipped
        problem = missing(path)
    except OSError as error:
        raise ScenarioError(name[:SHOWN_MAX], 0, error.strerror or str(error), EXPECTED) from error
    is_near = path.suffix == ".toml" and (SHIPPED / path.name).exists()
    raise ScenarioError(
        name, 0, problem, f"a file, or the name of one that ships: {path.stem}" if is_near else FILE_OR_NAME
    )


def read(path: Path, engine: str = "") -> Scenario:
    """Read a scenario, for an engine that it has to name if one is given. Raises `ScenarioError`."""
    return read_with_files(path, engine)[0]


def read_with_files(path: Path, engine: str = "") -> tuple[Scenario, list[Path]]:
    """The same, and all files that it is made of: itself, what it includes, what it imports. Raises `ScenarioError`."""
    imported: list[Path] = []
    if path.suffix != ".py":
        source = _read_toml(path)
    else:
        made, imported = _made_by(path)
        if isinstance(made, Scenario):
            return _as_made(made, path, engine), [path, *imported]
        _written(made, str(path))
        source = Source(path, made, None)
    tables, sources = _Files().merged(source, ())
    try:
        scenario = _of(tables, IN_WORDS)
        _check(scenario)
    except ValidationError as error:
        raise _placed(sources, *_first(error)) from error
    except CastError as error:
        raise _placed(sources, error.loc, error.problem, error.expected) from error
    if scenario.format_ != FORMAT:
        raise _placed(sources, ("format",), f"format {scenario.format_} is not known here", f"format = {FORMAT}")
    if engine:
        _engine(scenario, engine, partial(_placed, sources, ("engines",)))
    return scenario, [*(each.path for each in sources), *imported]


def placed(path: Path, place: tuple[str | int, ...], problem: str, expected: str) -> ScenarioError:
    """An error about what a scenario's file says there, with its line, or that of the file of its which says it."""
    sources = [] if path.suffix == ".py" else _Files().merged(_read_toml(path), ())[1]
    if not sources or not place:
        return ScenarioError(str(path), 0, f"{_dotted(place)}: {problem}" if place else problem, expected)
    return _placed(sources, place, problem, expected)


def _read_toml(path: Path) -> Source:
    """What a file in TOML says by itself. Raises `ScenarioError`."""
    return Source(path, *parse(read_text(path, EXPECTED), str(path)))


def _of(tables: dict[str, Any], context: dict[str, bool] | None = None) -> Scenario:
    """A scenario of a file's tables, whose keys are those of the schema: the names of our own fields are none of them."""
    return Scenario.model_validate(tables, by_alias=True, by_name=False, context=context)


def _engine(scenario: Scenario, engine: str, told: Callable[[str, str], ScenarioError]) -> None:
    """Raise what is told where a scenario does not name the engine that it is to be played on."""
    if engine not in scenario.engines:
        other = scenario.engines[0]
        problem = f"the {engine} engine is none of those that it names: {', '.join(scenario.engines)}"
        raise told(problem, f"{engine!r} among them, or `gossamer sim run` with --engine {other}")


def _check(scenario: Scenario) -> None:
    """Everybody exists, nodes take their settings, and the whole makes sense. Raises `CastError`."""
    cast = Cast(scenario)
    for loc, settings in _settings(scenario):
        twice = _said_twice(settings)
        if twice:
            raise CastError((*loc, twice), "another key says the same", "each setting once, written with hyphens")
        try:
            config_of(settings)
        except ScenarioError as error:
            alone = _wrong_alone(settings)
            problem = error.problem.removeprefix(f"{alone[0]} = ") if alone else error.problem
            raise CastError((*loc, *alone), problem, error.expected) from error
    check(cast)


def _wrong_alone(settings: Mapping[str, int | bool | str]) -> list[str]:
    """The first setting that makes no sense whatever the others are, if there is one."""
    for name, value in settings.items():
        try:
            config_of({name: value})
        except ScenarioError:
            return [name]
    return []


def _said_twice(settings: Mapping[str, int | bool | str]) -> str:
    """The second spelling of a setting that is there already; empty where there is none."""
    seen: set[str] = set()
    for name in settings:
        if name.replace("_", "-") in seen:
            return name
        seen.add(name.replace("_", "-"))
    return ""


def _settings(scenario: Scenario) -> list[tuple[tuple[str | int, ...], Mapping[str, int | bool | str]]]:
    """All settings of nodes, and where they stand."""
    groups = [(("topology", "node", at, "profile"), group.profile) for at, group in enumerate(scenario.topology.node)]
    return [(("config",), scenario.config), *groups]


def _made_by(path: Path) -> tuple[Scenario | dict[str, Any], list[Path]]:
    """What a Python file has as `scenario`: a `Scenario` or a dict of its tables, or what its function returns.

    With the files that it imports. Raises `ScenarioError`.
    """
    read_text(path, EXPECTED)
    module: dict[str, Any] = {}
    found: Any = None
    try:
        with (
            importable(path.parent) as imported,
            redirect_stdout(sys.stderr),
        ):  # `--json` is one document: what we print is ours alone
            module = runpy.run_path(str(path))
            found = module.get("scenario")
            made = found() if callable(found) and not isinstance(found, Scenario) else found
            if iscoroutine(made):
                made.close()  # else Python says that nobody awaited it, beside what we say
    except SyntaxError as error:
        if error.filename != str(path):  # of another, which it imports
            raise _raised(path, error) from error
        raise ScenarioError(str(path), error.lineno or 0, f"no Python: {error.msg}", "a Python file") from error
    except (Exception, SystemExit) as error:
        raise _raised(path, error, getattr(found, "__code__", None)) from error
    if isinstance(made, Scenario | dict):
        return made, imported
    expected = "a Scenario, a dict of its tables, or a function that makes one"
    if "scenario" not in module:
        raise ScenarioError(str(path), 0, "it defines no `scenario`", f"`scenario`: {expected}")
    what = "an async function" if iscoroutine(made) else short(made)
    does = "makes" if callable(found) and not iscoroutine(made) else "is"
    code = getattr(found, "__code__", None)
    raise ScenarioError(str(path), code.co_firstlineno if code else 0, f"`scenario` {does} {what}", expected)


def _as_made(made: Scenario, path: Path, engine: str) -> Scenario:
    """A `Scenario` that a Python file made, its matrix named from where we are. Raises `ScenarioError`.

    Whatever way it was made, with `model_construct` or `model_copy`, it is one that can be.
    """
    said = _said_of(made)
    _written(said, str(path))
    try:
        made = Scenario.model_validate(said, by_name=True)
    except ValidationError as error:
        loc, problem, expected = _first(error)
        raise ScenarioError(str(path), 0, f"{_dotted(loc)}: {problem}", expected) from error
    matrix = made.topology.matrix
    if isinstance(matrix, str) and matrix not in PRESETS:
        topology = made.topology.model_copy(update={"matrix": str(path.parent / matrix)})
        made = made.model_copy(update={"topology": topology})
    scenario = _cast(made, str(path))
    if engine:
        _engine(scenario, engine, lambda problem, expected: ScenarioError(str(path), 0, problem, expected))
    return scenario


def _written(tables: Any, name: str) -> None:
    """Raise `ScenarioError` where tables that a Python file made hold what no file could say."""
    found = unwritable(tables)
    if found is not None:
        loc, problem = found
        where = f"{_dotted(loc)}: " if loc else ""
        raise ScenarioError(name, 0, f"{where}{problem}", "what TOML can say: text in UTF-8, lists and tables")


def _said_of(value: Any) -> Any:
    """The tables of what is made already, with what was set in it, so that it can be held to the schema."""
    if isinstance(value, Part):
        return {name: _said_of(getattr(value, name, None)) for name in value.model_fields_set}
    if isinstance(value, list | tuple):
        return [_said_of(each) for each in value]
    return value


def _raised(path: Path, error: BaseException, function: CodeType | None = None) -> ScenarioError:
    """What a Python file raised, at its own line; a function that wants arguments raises nothing in a line of its own."""
    lines = [function.co_firstlineno] if function is not None else []
    lines += [frame.lineno or 0 for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, ValidationError):
        loc, problem, _ = _first(error)
        said = f"{_dotted(loc)}: {problem}"
    else:
        said = short(str(error))[1:-1]
    problem = f"{type(error).__name__}: {said}" if said else type(error).__name__
    expected = "a Python file that makes a scenario and raises nothing"
    return ScenarioError(str(path), lines[-1] if lines else 0, problem, expected)


def from_tables(tables: dict[str, Any], name: str = "scenario") -> Scenario:
    """A scenario from the tables of a file that there is not. Raises `ScenarioError`."""
    _written(tables, name)
    try:
        return _cast(_of(tables), name)
    except ValidationError as error:
        loc, problem, expected = _first(error)
        raise ScenarioError(name, 0, f"{_dotted(loc)}: {problem}", expected) from error


def _cast(scenario: Scenario, name: str) -> Scenario:
    if scenario.include:
        problem = (
            f"include: {short(list(scenario.include))} would change nothing: what is made already takes nothing over"
        )
        raise ScenarioError(name, 0, problem, "`include` in a TOML file, or in a dict of tables of a Python file")
    try:
        _check(scenario)
    except CastError as error:
        where = f"{_dotted(error.loc)}: " if error.loc else ""
        raise ScenarioError(name, 0, f"{where}{error.problem}", error.expected) from error
    if scenario.format_ != FORMAT:
        raise ScenarioError(name, 0, f"format {scenario.format_} is not known here", f"format = {FORMAT}")
    return scenario


class _Files:
    """The files of a scenario, each of which is read once."""

    def __init__(self) -> None:
        """None yet."""
        self._read: dict[Path, tuple[dict[str, Any], list[Source]]] = {}
        self._begun = 0

    def merged(self, source: Source, above: tuple[Path, ...]) -> tuple[dict[str, Any], list[Source]]:
        """A file's tables over those that it includes; and the files, those first that count where several say something.

        Raises `ScenarioError`.
        """
        above = (*above, source.path.resolve())
        merged: dict[str, Any] = {}
        sources: list[Source] = []
        for index, name in enumerate(_included(source)):
            tables, below = self._of(source, index, name, above)
            merged = _over(tables, merged)
            sources = [*below, *(each for each in sources if each not in below)]
        merged = _over(_beside(source.tables, source.path), merged)
        merged.pop("include", None)
        return merged, [source, *sources]

    def _of(
        self, source: Source, index: int, name: str, above: tuple[Path, ...]
    ) -> tuple[dict[str, Any], list[Source]]:
        """The same of a file that another includes, which is where an error is if it cannot be read at all."""
        line = line_of(source.lines, ("include", index))
        try:
            path = source.path.parent / name
            if not path.exists() and (SHIPPED / name).is_file():
                path = SHIPPED / name
            if missing(path):
                raise _no_include(source, line, name, missing(path))
            resolved = path.resolve()
            if not path.is_file():
                raise _no_include(source, line, name, "it is no file")
        except (OSError, ValueError, RuntimeError) as error:
            raise _no_include(source, line, name, getattr(error, "strerror", None) or str(error)) from error
        if resolved in above:
            chain = " -> ".join(each.name for each in (*above[above.index(resolved) :], resolved))
            raise ScenarioError(
                str(source.path), line, f"includes go in a circle: {chain}", "files that do not include themselves"
            )
        if resolved not in self._read:
            self._begun += 1
            if self._begun >= INCLUDES_MAX or len(above) > INCLUDE_DEPTH_MAX:
                raise ScenarioError(
                    str(source.path),
                    line,
                    "too many includes",
                    f"at most {INCLUDES_MAX} files in all, {INCLUDE_DEPTH_MAX} deep",
                )
            self._read[resolved] = self.merged(_read_toml(path), above)
        return self._read[resolved]


def _included(source: Source) -> Sequence[str]:
    names = source.tables.get("include", [])
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        line = line_of(source.lines, ("include",))
        raise ScenarioError(str(source.path), line, "include is no list of names", 'include = ["base.toml"]')
    return names


def _no_include(source: Source, line: int, name: str, why: str) -> ScenarioError:
    return ScenarioError(str(source.path), line, f"include {short(name)}: {why}", "a file beside this one")


def _beside(tables: dict[str, Any], path: Path) -> dict[str, Any]:
    """The same tables, their region matrix named from where we are, not from where the file lies."""
    topology = tables.get("topology")
    matrix = topology.get("matrix") if isinstance(topology, dict) else None
    if not isinstance(matrix, str) or matrix in PRESETS:
        return tables
    return {**tables, "topology": {**tables["topology"], "matrix": str(path.parent / matrix)}}


def _over(upper: dict[str, Any], lower: dict[str, Any]) -> dict[str, Any]:
    """Tables over tables: what the upper says counts; tables are joined key by key, lists are replaced."""
    joined = dict(lower)
    for key, value in upper.items():
        below = joined.get(key)
        joined[key] = _over(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return joined


def _placed(sources: list[Source], loc: tuple[str | int, ...], problem: str, expected: str) -> ScenarioError:
    """An error where it stands: of several files, in the one that counts."""
    keys = loc[: next((index for index, part in enumerate(loc) if isinstance(part, int)), len(loc))]
    source = max(sources, key=lambda each: each.depth_of(keys))  # the first of equals
    where = f"{_dotted(loc)}: " if loc else ""
    return ScenarioError(str(source.path), source.nearest(loc), f"{where}{problem}", expected)


def _dotted(place: tuple[str | int, ...]) -> str:
    return ".".join(cut(str(part)) for part in place)


def _first(error: ValidationError) -> tuple[Place, str, str]:
    """Where something is wrong, what, and what was expected. Of what may be one thing or another, the other says more."""
    errors = error.errors(include_url=False)
    first, table = errors[0], _plain(errors[0]["loc"][:-1])
    if first["type"] in ("missing", "extra_forbidden"):  # what is missing may stand there under a name that is misspelt
        unknown = (each for each in errors if each["type"] == "extra_forbidden" and _plain(each["loc"][:-1]) == table)
        told = next(unknown, first)
        return (told["loc"], *_said(told))
    field = _plain(first["loc"])
    told = next(
        (each for each in errors if each["type"] != "literal_error" and _plain(each["loc"]) == field), errors[0]
    )
    if told["type"] == "string_type" and isinstance(
        told["input"], dict
    ):  # it was meant to be the table, and is that wrong
        told = next((each for each in errors if each is not told and _plain(each["loc"])[: len(field)] == field), told)
    return (_plain(told["loc"]), *_said(told))


def _plain(loc: Place) -> Place:
    """A place without what the validation adds to it where a value may be of several kinds."""
    return tuple(part for part in loc if isinstance(part, int) or not _ADDED.search(part))


def _said(error: Any) -> tuple[str, str]:
    """What is wrong, and what was expected, from what the validation says."""
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    match error["type"]:
        case "extra_forbidden":
            hyphened = str(error["loc"][-1]).rstrip("_").replace("_", "-")
            keys = keys_at(_plain(error["loc"][:-1]))
            near = nearest(hyphened, keys)
            meant = f"{near!r}, or another key of the schema" if near else listed(keys) or "a key of the schema"
            return "nobody knows this key", f"{meant} (gossamer sim schema, docs/reference/scenario.md)"
        case "missing":
            return "it is missing", expected_at(_plain(error["loc"]))
        case "tuple_type":
            return short(error["input"]), "a list"
        case "model_type":
            return short(error["input"]), f"a table of {_keys_of(error['ctx']['class_name'])}"
        case kind if kind in TYPES:
            return short(error["input"]), TYPES[kind]
        case _ if error["input"] != error["input"]:
            return short(error["input"]), "a number"
        case "too_short":
            return short(error["input"] or []), f"at least {error['ctx']['min_length']}"
        case "value_error":
            problem, _, expected = message.partition("; expected " if "; expected " in message else " is not ")
            return (problem, expected) if expected else (message, "a value that makes sense")
        case _:
            return short(error["input"]), message.removeprefix("Input should be ")[0].lower() + message.removeprefix(
                "Input should be "
            )[1:]


def _keys_of(name: str) -> str:
    """The keys of a table of the model, as files write them."""
    model = next(each for each in Part.__subclasses__() if each.__name__ == name)
    named = [field.alias or key for key, field in model.model_fields.items()]
    return listed(named)
