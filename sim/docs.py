"""The pages of `docs/reference` on the simulator, as text; `gossamer.docs` writes them beside the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from textwrap import fill
from typing import Any

from sim import toml, units
from sim.catalogue import AWAITED, LESSONS, ROWS
from sim.scenario import model, plan, quantities, reading, sense
from sim.scenario.events import AT_ONCE, VERBS
from sim.scenario.labels import gates
from sim.scenario.model import Scenario, json_schema, tables
from sim.scenario.reading import SHIPPED, read
from sim.units import say_us

SCENARIO_HEAD = """# Scenario files

A scenario is a TOML file. Unknown keys, and most keys that would change nothing where they stand, are
refused with file and line. `include = ["base.toml"]` takes over the tables of
another file: tables are joined key by key, lists are replaced. A file that is not there is looked for among the parts that
ship, so that what is copied from the [catalogue](scenarios.md) plays wherever it lies. The [JSON
Schema](scenario.schema.json), also printed by `gossamer sim schema`, is for editors. What can happen in a `[[timeline]]` is
[on a page of its own](faults.md);
[the tutorial](../howto/simulate-your-topology.md) writes a file from the beginning.

Times are words such as `250ms`, `10s`, `2h`, from the end of `settle`; rates `64kbit/s`; shares `30%`; sizes 512 or
`64KiB`. Names of nodes and clients may be patterns (`eu-*`), or `@eu` for all nodes of a region; one of them or a list.

A Python file will do as well: it has a `scenario`, which is a `sim.scenario.model.Scenario`, a dict of the same tables, or
a function that returns one of these. A dict says what a TOML file says, in the same words: `"duration": "3s"`, and not 3;
its `include` names files beside the Python file. A `Scenario` has times in microseconds and shares in parts per million
where they are no words, and includes nothing. The file may import modules that lie beside it, and what it prints goes to
standard error.
"""
WORDS_HEAD = """
## Words of coverage

What a run is seen to have done, for `see` and `gates`; `promise/` and patterns such as `frame/*`, which mean every one, are
for `gates` alone. `timeline/3` is the third event of a timeline. A word that is not here is refused.

| | |
|---|---|
"""
LIMITS_HEAD = """
## Limits

What is beyond one of them is an error with file and line, before anything is played.

| | at most |
|---|---|
"""
FAULTS_HEAD = """# What can happen

Each `[[timeline]]` has a moment, `at`, and exactly one verb. `for` says when it ends by itself; without it, it lasts until
the core is healed at the end. `[random]` draws from the same verbs and those named in its `faults`.

```toml
[[timeline]]
at = "5s"
for = "12s"
partition = [["eu-*"], ["us-*", "ap"]]
```

What is over as soon as it is done takes no `for`:
"""
WIDTH = 120
"""Of lines of prose."""
DEEDS = """## What a bad host does

`hostile` turns the host of a member. The keys are good, what leaves is not: `garble` flips bits of frames; `tamper` changes
payloads, or the proof of who opened their log, under signatures that stay; `replay` sends old frames again; `withhold`
keeps batches and answers back; `forget` does not send what repairs: vectors, questions for what is missing, and the answers
that there is nothing or no room; `deny` answers that it has nothing; `boast` claims what it has not, in vectors and
receipts, in these also in another member's name; `flood` sends every frame many times; `forge` makes batches in the name of
others, whose keys it does not have; `fork` signs two histories of a log of its own, by one key or by two, and shows one to
each half of its peers; `eclipse` says of everybody that they are at its own address, and that it is at theirs; `crowd`
tells ever new addresses at which nobody is; `bomb` adds small frames that are nested without end, claim gigabytes, or hold
a signed batch that unfolds to them; `copy` writes what others have published into a log of its own, 400 times each;
`past` greets with a version of the protocol that nobody speaks any more, `future` with
a later one, adds to every frame what nobody asked for, and sends frames that nobody knows. Several deeds of one node are
each done to what the one before has left. What a host kept back, and nobody can fetch elsewhere, comes only with a later
comparison by the clock, for the link stands: where the links are few, say `converge-late`.

`hostile-client` brings a client: `bad-fields` sends requests with impossible values; `flood` asks without end;
`skip-attach` publishes without having attached; `huge` publishes what is above any limit; `silent` opens connections and
says nothing on them; `repeat` publishes one message, and the same again and again, 1,024 times at once, for more copies than
there are nodes.
"""
CATALOGUE_HEAD = """# The catalogue

Situations that break meshes, and the files that ship for them. `gossamer sim run NAME` plays one, and each is a file to copy
(`sim/scenarios/`). A file passes on the engines that it names; *sabotage* is the safeguard without which it must fail, which
the project's own tests see to. What awaits a feature has no file, and none is pretended. Files play within seconds: where a
situation speaks of hours, of ten thousand clients or of a million messages, its file has fewer, and says how many.
"""


def scenario_page() -> str:
    """Every table and key of a scenario file."""
    made = tables()
    ordered = {"Scenario": made, **{name: made["$defs"][name] for name in _order(made)}}
    return SCENARIO_HEAD + "".join(_table(name, table) for name, table in ordered.items()) + _words() + _limits()


def _words() -> str:
    """All labels of coverage, by their kind; codes have a page of their own."""
    kinds: dict[str, list[str]] = {}
    for label in gates():
        kind, _, name = label.partition("/")
        kinds.setdefault(kind, []).append(name)
    lines = [WORDS_HEAD]
    for kind, names in sorted(kinds.items()):
        codes = all(name.startswith("GSM-") for name in names)
        said = "a [code](errors.md)" if codes else ", ".join(f"`{name}`" for name in names)
        lines.append(f"| `{kind}/` | {said} |\n")
    return "".join(lines)


def _limits() -> str:
    """What is refused before anything is played, with the numbers of the code."""
    rows = {
        "a file": f"{toml.FILE_BYTES_MAX >> 20} MiB",
        "brackets within brackets, and the parts of a key": f"{toml.DEPTH_MAX}, {toml.KEY_PARTS_MAX}",
        "a number": f"{toml.DIGITS_MAX} characters",
        "included files": f"{reading.INCLUDES_MAX}, {reading.INCLUDE_DEPTH_MAX} deep",
        "nodes, clients": f"{model.NODES_MAX:,}, {model.CLIENTS_MAX:,}",
        "any time, and how wrong a clock may be": say_us(units.TIME_MAX_US),
        "`duration`": say_us(model.DURATION_MAX_US),
        "steps of a run: events, faults and messages": f"{plan.STEPS_MAX:,}",
        "drawn faults of a run": f"{sense.FAULTS_MAX:,}",
        "readings of the past in a run": f"{sense.PAST_MAX:,}",
        "requests of clients gone bad in a run": f"{sense.BOTHERS_MAX:,}",
        "a message": f"{quantities.MESSAGE_BYTES_MAX:,} bytes",
        "all messages of a run": f"{plan.PUBLISHED_BYTES_MAX:,} bytes",
    }
    return LIMITS_HEAD + "".join(f"| {what} | {most} |\n" for what, most in rows.items())


def faults_page() -> str:
    """Every verb of a timeline, and the tables that verbs take."""
    made = tables()
    event = made["$defs"]["Event"]["properties"]
    at_once = ", ".join(f"`{verb}`" for verb in VERBS if verb in AT_ONCE)
    lines = [
        FAULTS_HEAD,
        fill(at_once, WIDTH, break_on_hyphens=False),
        ".\n\n| verb | takes | what happens |\n|---|---|---|\n",
    ]
    lines += [f"| `{verb}` | {_takes(event[verb])} | {_one_line(event[verb])} |\n" for verb in VERBS]
    parts = [name for name in made["$defs"] if name not in _order(made) and name != "Event"]
    return "".join([*lines, "\n", DEEDS, *(_table(name, made["$defs"][name]) for name in sorted(parts))])


def schema_text() -> str:
    """The JSON Schema, for editors."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def catalogue_page() -> str:
    """All situations and lessons: the files that show them, or what they await."""
    files = {path.stem: read(path) for path in sorted(SHIPPED.glob("*.toml"))}
    lines = [
        CATALOGUE_HEAD,
        "\n## Situations\n\n| | situation | shown by | promise | engines | sabotage |\n|---|---|---|---|---|---|\n",
    ]
    for number, words in ROWS.items():
        shown = [(name, each) for name, each in files.items() if each.number == number]
        lines += [f"| {number} | {words} | {_file(name)} | {_kept(each)} |\n" for name, each in shown]
        if not shown:
            lines.append(f"| {number} | {words} | *awaits* | {AWAITED[number]} | | |\n")
    lines.append("\n## Profiles\n\nDrawn faults instead of a story, for sweeps.\n\n| profile | promise |\n|---|---|\n")
    lines += [f"| {_file(name)} | {each.promise} |\n" for name, each in files.items() if each.number is None]
    lines.append("\n## Lessons\n\nWhat other systems paid for, and what would catch it here.\n\n")
    lines.append("| | lesson | files | and |\n|---|---|---|---|\n")
    for number, (words, beside) in LESSONS.items():
        found = ", ".join(_file(name) for name, each in files.items() if number in each.lessons)
        lines.append(f"| {number} | {words} | {found or '–'} | {beside} |\n")
    return "".join(lines)


def _file(name: str) -> str:
    return f"[`{name}`](../../sim/scenarios/{name}.toml)"


def _kept(scenario: Scenario) -> str:
    return f"{scenario.promise} | {', '.join(scenario.engines)} | {', '.join(scenario.sabotage) or '–'}"


def _order(made: dict[str, Any]) -> list[str]:
    """The tables of a file, each where it is first asked for; not those of its timeline."""
    found: list[str] = []

    def walk(table: Any) -> None:
        for name in _asked(table):
            if name != "Event" and name not in found:
                found.append(name)
                walk(made["$defs"][name])

    walk(made["properties"])
    return found


def _asked(value: Any) -> Iterator[str]:
    """The names of the tables to which a part of a schema refers."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for each in value.values():
            yield from _asked(each)
    elif isinstance(value, list):
        for each in value:
            yield from _asked(each)


def _table(name: str, table: dict[str, Any]) -> str:
    required = table.get("required", ())
    lines = [f"\n## {name}\n\n{_one_line(table)}\n\n| key | takes | default | |\n|---|---|---|---|\n"]
    for key, field in table["properties"].items():
        default = "required" if key in required else _default(field)
        lines.append(f"| `{key}` | {_takes(field)} | {default} | {_one_line(field)} |\n")
    return "".join(lines)


def _one_line(field: dict[str, Any]) -> str:
    return " ".join(str(field.get("description", "")).split())


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return "" if default in (None, {}, []) or isinstance(default, dict) else f"`{json.dumps(default)}`"


def _takes(field: dict[str, Any]) -> str:
    """What a key takes, in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return "[an event](faults.md)" if name == "Event" else f"[{name}](#{name.lower()})"
    if "enum" in field or "const" in field:
        return " \\| ".join(f"`{each}`" for each in field.get("enum", [field.get("const")]))
    if "anyOf" in field:
        kinds = [_takes(each) for each in field["anyOf"] if each.get("type") != "null"]
        if kinds[-2:] == ["text", "a list of text"]:
            kinds[-2:] = ["names"]
        return " or ".join(kinds)
    if field.get("type") == "array":
        parts = field.get("prefixItems")
        return f"[{', '.join(map(_takes, parts))}]" if parts else f"a list of {_takes(field['items'])}"
    if field.get("examples"):
        return "such as " + ", ".join(f"`{each}`" for each in field["examples"])
    words = {
        "integer": "an integer",
        "number": "a number",
        "boolean": "true or false",
        "string": "text",
        "object": "a table",
    }
    return words[field["type"]]


PAGES: dict[str, Callable[[], str]] = {
    "scenario.md": scenario_page,
    "faults.md": faults_page,
    "scenarios.md": catalogue_page,
}
