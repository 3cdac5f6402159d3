"""Scenarios in Python: a dict is held to what a TOML file is held to; what the file does besides disturbs nothing."""

import json
import re
import sys
from gc import collect
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner

from sim.cli import sim
from sim.errors import ScenarioError
from sim.scenario.model import Scenario
from sim.scenario.reading import SHIPPED, from_tables, read, read_with_files
from sim.scenario.texts import unwritable
from tests.unit.sim.scenario.test_reading import written

NODES = '{"node": [{"name": "ana"}]}'
BASE = 'duration = "4s"\nstory = "below"\n[topology]\nlatency = "7ms"\nnode = [{ name = "ana" }]\n'
MAKES = "a Scenario, a dict of its tables, or a function that makes one"
PLAIN = "what TOML can say: text in UTF-8, lists and tables"
TIME = 'a time such as "250ms", "10s" or "5m"'


def python(folder: Path, text: str) -> Path:
    return written(folder, dedent(text), "s.py")


def refused(path: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(path)
    return str(caught.value)


# --- words ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ('"duration": 3', f"duration: 3; expected {TIME}"),
        ('"random": {"longest": 3}', f"random.longest: 3; expected {TIME}"),
        ('"client": [{"name": "app", "subscribe": [{"since": 3}]}]', f"client.0.subscribe.0.since: 3; expected {TIME}"),
        ('"topology": {"node": [{"name": "ana"}], "loss": 5}', 'topology.loss: 5; expected a share such as "30%"'),
        (
            '"topology": {"node": [{"name": "ana"}], "rate": 5}',
            'topology.rate: 5; expected a rate such as "64kbit/s" or "10Mbit/s"',
        ),
    ],
)
@pytest.mark.parametrize("form", ["scenario = {}", "def scenario():\n    return {}"], ids=["dict", "function"])
def test_a_dict_has_units_as_a_file_has(tmp_path: Path, says: str, said: str, form: str) -> None:
    tables = f'{{"title": "t", "promise": "p", "topology": {NODES}, {says}}}'
    path = python(tmp_path, form.format(tables))

    assert refused(path) == f"{path}: {said}"


def test_a_scenario_that_is_made_may_have_microseconds(tmp_path: Path) -> None:
    tables = f'{{"title": "t", "promise": "p", "topology": {NODES}, "duration": 9_000_000}}'
    path = python(tmp_path, f"from sim.scenario.model import Scenario\nscenario = Scenario.model_validate({tables})")

    assert read(path).duration == 9_000_000


# --- includes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("include", ['["parts/base.toml"]', '("parts/base.toml",)'])
def test_a_dict_takes_over_what_it_includes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, include: str) -> None:
    (tmp_path / "parts").mkdir()
    base = written(tmp_path / "parts", BASE, "base.toml")
    path = python(
        tmp_path,
        f"""
        scenario = {{"title": "t", "promise": "p", "story": "above", "include": {include},
                    "topology": {{"local-latency": "1ms"}}}}
        """,
    )
    monkeypatch.chdir("/")

    scenario, files = read_with_files(path)

    assert (scenario.duration, scenario.story, scenario.include) == (4_000_000, "above", ())
    assert (scenario.topology.latency, scenario.topology.local_latency) == (7_000, 1_000)
    assert files == [path, base]


def test_a_dict_includes_parts_that_ship(tmp_path: Path) -> None:
    path = python(tmp_path, 'scenario = {"title": "t", "promise": "p", "include": ["parts/three-regions.toml"]}')

    assert len(read(path).topology.node) > 1


def test_what_an_include_of_a_dict_says_wrongly_stands_where_it_says_it(tmp_path: Path) -> None:
    base = written(tmp_path, BASE.replace('"7ms"', "7"), "base.toml")
    path = python(tmp_path, 'scenario = {"title": "t", "promise": "p", "include": ["base.toml"]}')

    assert refused(path) == f"{base}:4: topology.latency: 7; expected {TIME}"


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ('["none.toml"]', "include 'none.toml': there is no such file; expected a file beside this one"),
        ('"none.toml"', 'include is no list of names; expected include = ["base.toml"]'),
        ("7", 'include is no list of names; expected include = ["base.toml"]'),
    ],
)
def test_an_include_of_a_dict_that_is_none_is_told(tmp_path: Path, include: str, said: str) -> None:
    path = python(tmp_path, f'scenario = {{"title": "t", "promise": "p", "topology": {NODES}, "include": {include}}}')

    assert refused(path) == f"{path}: {said}"


def test_an_include_of_a_scenario_that_is_made_is_refused(tmp_path: Path) -> None:
    tables = f'{{"title": "t", "promise": "p", "topology": {NODES}, "include": ["base.toml"]}}'
    path = python(tmp_path, f"from sim.scenario.model import Scenario\nscenario = Scenario.model_validate({tables})")

    assert refused(path) == (
        f"{path}: include: ['base.toml'] would change nothing: what is made already takes nothing over; "
        "expected `include` in a TOML file, or in a dict of tables of a Python file"
    )


def test_what_a_dict_includes_is_not_written_over(tmp_path: Path) -> None:
    base = written(tmp_path, BASE, "base.toml")
    path = python(tmp_path, 'scenario = {"title": "t", "promise": "p", "include": ["base.toml"]}')

    done = CliRunner().invoke(sim, ["run", str(path), "--report", str(base)])

    assert (done.exit_code, base.read_text()) == (2, BASE)
    assert f"--report {base} would overwrite {base}, which is read" in done.output


@pytest.mark.parametrize("flags", [["run", "--save"], ["run", "--report"], ["sweep", "--seeds", "0", "--junit"]])
@pytest.mark.parametrize("made", ["helper.TABLES", "Scenario.model_validate(helper.TABLES)"], ids=["dict", "made"])
@pytest.mark.parametrize("is_found_anyhow", [False, True])
def test_a_module_that_it_imports_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], made: str, *, is_found_anyhow: bool
) -> None:
    tables = f'TABLES = {{"title": "t", "promise": "p", "duration": 1_000_000, "topology": {NODES}}}\n'
    helper = written(
        tmp_path, tables.replace("1_000_000", '"1s"' if made == "helper.TABLES" else "1_000_000"), "helper.py"
    )
    before = helper.read_text()
    path = python(tmp_path, f"import helper\nfrom sim.scenario.model import Scenario\nscenario = {made}")
    if is_found_anyhow:
        monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "helper", raising=False)

    done = CliRunner().invoke(sim, [flags[0], str(path), *flags[1:], str(helper)])

    sys.modules.pop("helper", None)
    assert (done.exit_code, helper.read_text()) == (2, before)
    assert f"{flags[-1]} {helper} would overwrite {helper}, which is read" in done.output


def test_the_engine_that_a_dict_does_not_name_is_told(tmp_path: Path) -> None:
    path = python(tmp_path, f'scenario = {{"title": "t", "promise": "p", "topology": {NODES}, "engines": ["real"]}}')

    with pytest.raises(ScenarioError, match="the heap engine is none of those that it names: real"):
        read(path, "heap")
    assert isinstance(read(path, "real"), Scenario)


# --- what it does besides ------------------------------------------------------------------------------------------------


def test_what_it_prints_goes_to_standard_error(tmp_path: Path) -> None:
    path = python(
        tmp_path,
        f"""
        print("one")
        def scenario():
            print("two")
            return {{"title": "t", "promise": "p", "duration": "1s", "topology": {NODES}}}
        """,
    )

    done = CliRunner().invoke(sim, ["topology", str(path), "--json"])

    assert (done.exit_code, done.stderr) == (0, "one\ntwo\n")
    assert json.loads(done.stdout)["nodes"] == 1


IMPORTS = """
    from layout import TITLE
    def scenario():
        from shapes.small import NODES
        return {"title": TITLE, "promise": "p", "topology": NODES}
    """


def folder_with_modules(folder: Path, title: str) -> Path:
    (folder / "shapes").mkdir(parents=True)
    written(folder, f"TITLE = {title!r}", "layout.py")
    written(folder / "shapes", "", "__init__.py")
    written(folder / "shapes", f"NODES = {NODES}", "small.py")
    return python(folder, IMPORTS)


def test_it_imports_what_lies_beside_it_and_not_what_lies_beside_another(tmp_path: Path) -> None:
    one, other = folder_with_modules(tmp_path / "one", "one"), folder_with_modules(tmp_path / "other", "other")
    path, modules = list(sys.path), set(sys.modules)

    assert [read(each).title for each in (one, other, one)] == ["one", "other", "one"]

    assert sys.path == path
    assert not {"layout", "shapes", "shapes.small"} & (set(sys.modules) - modules)


def test_what_a_file_that_fails_imported_does_not_stay(tmp_path: Path) -> None:
    folder_with_modules(tmp_path, "one")
    path, before = python(tmp_path, "import layout\nlayout.NONE"), list(sys.path)

    assert f"{path}:2: AttributeError: module 'layout' has no attribute 'NONE'" in refused(path)
    assert (sys.path, "layout" in sys.modules) == (before, False)


def test_modules_of_a_folder_that_is_on_the_path_anyhow_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder_with_modules(tmp_path, "one")
    monkeypatch.syspath_prepend(tmp_path)

    read(path)

    stayed = [sys.modules.pop(name, None) for name in ("layout", "shapes", "shapes.small")]
    assert None not in stayed


# --- what cannot be shown, or was never held to the schema -----------------------------------------------------------------

MADE = "from sim.scenario.model import Group, Scenario, Topology\n"
WHOLE = f"{MADE}made = Scenario(title='t', promise='p', topology=Topology(node=(Group(name='ana'),)))\n"
NODES_ARE = "a table of name, region, count, profile"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"""
            class Shy:
                def __repr__(self): raise RuntimeError("no")
            scenario = {{"title": Shy(), "promise": "p", "topology": {NODES}}}
            """,
            "title: a value of the type Shy that cannot be shown; expected a text",
        ),
        (
            """
            deep = []
            for _ in range(100_000): deep = [deep]
            scenario = {"title": "t", "promise": "p", "topology": {"node": deep}}
            """,
            f"topology.node.0: a value of the type list that cannot be shown; expected {NODES_ARE}",
        ),
        (
            f"{MADE}scenario = Scenario.model_construct(title='t', promise='p', topology=None)",
            "topology: None; expected a table of node, link, latency, local-latency, jitter, shape, measured, loss, …",
        ),
        (
            f"{MADE}scenario = Scenario.model_construct(title='t', promise='p')",
            "topology: it is missing; expected a table of node, link, latency, local-latency, jitter, shape, measured, loss, …",
        ),
        (
            f"""{WHOLE}bad = made.topology.model_copy(update={{'node': (None,)}})
scenario = made.model_copy(update={{'topology': bad}})""",
            f"topology.node.0: None; expected {NODES_ARE}",
        ),
        (f"{WHOLE}scenario = made.model_copy(update={{'duration': 'long'}})", f"duration: 'long'; expected {TIME}"),
    ],
    ids=["shy", "deep", "none", "missing", "within", "copied"],
)
def test_what_no_file_could_say_is_told_as_what_it_is(tmp_path: Path, text: str, said: str) -> None:
    path = python(tmp_path, text)

    assert refused(path) == f"{path}: {said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f'scenario = {{"title": "t\\ud800", "promise": "p", "topology": {NODES}}}',
            "title: 't\\ud800' holds half of a character",
        ),
        (f'scenario = {{"title": b"t", "promise": "p", "topology": {NODES}}}', "title: b't' is no text"),
        (f'scenario = {{b"title": "t", "promise": "p", "topology": {NODES}}}', "of its keys b'title' is no text"),
        (
            'scenario = {"topology": {"node": [{"name": "a\\udfff"}]}}',
            "topology.node.0.name: 'a\\udfff' holds half of a character",
        ),
        ('scenario = {"topology": {"matrix": b"m.csv"}}', "topology.matrix: b'm.csv' is no text"),
        ('scenario = {"config": {"\\udc00": 1}}', "config: of its keys '\\udc00' holds half of a character"),
        (
            f"{WHOLE}scenario = made.model_copy(update={{'title': 't\\ud800'}})",
            "title: 't\\ud800' holds half of a character",
        ),
        (
            'scenario = {"client": [{"name": "app", "subscribe": [{"to": {"a"}}]}]}',
            "client.0.subscribe.0.to: {'a'} is no list",
        ),
        ('scenario = {"title": memoryview(b"t")}', "title: <memory at 0x0> is no text"),
        ('scenario = {"include": (each for each in "a")}', "include: <generator object <genexpr> at 0x0> is no list"),
    ],
    ids=["half", "bytes", "key", "deep", "matrix", "setting", "made", "set", "view", "generator"],
)
def test_text_that_no_file_could_hold_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = python(tmp_path, text)

    assert re.sub("0x[0-9a-f]+", "0x0", refused(path)) == f"{path}: {said}; expected {PLAIN}"


def test_half_a_character_is_refused_in_tables_and_a_whole_one_is_not() -> None:
    tables: dict[str, Any] = {
        "title": "t\U0001f600é",
        "promise": "p",
        "topology": {"node": [{"name": "ana"}, {"name": "ben"}]},
    }
    within: dict[str, Any] = {}
    tables["within"] = within

    assert unwritable(tables) is None
    within["within"] = within
    within["again"] = tables
    assert unwritable(tables) is None  # which the schema refuses
    deep: list[Any] = []
    for _ in range(99):
        deep = [deep, deep]
    assert unwritable({"deep": deep}) is None
    with pytest.raises(ScenarioError, match=r"^journal: title: .* holds half of a character"):
        from_tables({**tables, "title": "\udc00"}, "journal")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_what_is_made_already_is_the_same_once_it_was_held_to_the_schema(path: Path, tmp_path: Path) -> None:
    made = python(
        tmp_path,
        f"from pathlib import Path\nfrom sim.scenario.reading import read\nscenario = read(Path({str(path)!r}))",
    )

    assert read(made) == read(path)


def test_an_async_function_makes_no_scenario_and_nobody_is_warned(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = python(tmp_path, "async def scenario():\n    return {}")

    said = refused(path)
    collect()

    assert said == f"{path}:1: `scenario` is an async function; expected {MAKES}"
    assert recwarn.list == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", f": it defines no `scenario`; expected `scenario`: {MAKES}"),
        ("scenario = 3", f": `scenario` is 3; expected {MAKES}"),
        ("scenario = None", f": `scenario` is None; expected {MAKES}"),
        ("scenario = 'a' * 99", f": `scenario` is '{'a' * 78}…; expected {MAKES}"),
        ("x = 1\ndef scenario():\n    pass", f":2: `scenario` makes None; expected {MAKES}"),
        ("class scenario:\n    def __repr__(self): return 'mine'", f": `scenario` makes mine; expected {MAKES}"),
    ],
)
def test_what_is_no_scenario_is_told_as_what_it_is(tmp_path: Path, text: str, said: str) -> None:
    path = python(tmp_path, text)

    assert refused(path) == f"{path}{said}"
