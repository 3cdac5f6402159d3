"""The catalogue: every situation has a file or says what it awaits, every lesson says what would catch it."""

import re
from pathlib import Path
from typing import get_args

from sim.catalogue import AWAITED, LESSONS, ROWS
from sim.docs import catalogue_page, faults_page, scenario_page
from sim.scenario.building import config_of
from sim.scenario.events import VERBS, ClientDeed, HostileDeed
from sim.scenario.model import Scenario, json_schema
from sim.scenario.reading import SHIPPED, read

FILES = {path.stem: read(path) for path in sorted(SHIPPED.glob("*.toml"))}
TUTORIAL = Path(__file__).parents[3] / "docs" / "howto" / "simulate-your-topology.md"


def test_every_situation_has_a_file_or_says_what_it_awaits() -> None:
    shown = {scenario.number for scenario in FILES.values()} - {None}

    assert list(ROWS) == list(range(1, 63))
    assert shown | set(AWAITED) == set(ROWS)
    assert shown & set(AWAITED) == set()


def test_every_lesson_names_a_file_or_what_else_would_catch_it() -> None:
    taught = {lesson for scenario in FILES.values() for lesson in scenario.lessons}

    assert list(LESSONS) == list(range(1, 25))
    assert taught <= set(LESSONS)
    assert [number for number, (_, beside) in LESSONS.items() if beside == "–" and number not in taught] == []


def test_the_catalogue_has_every_file_once_with_its_promise() -> None:
    page = catalogue_page().partition("## Lessons")[0]

    for name, scenario in FILES.items():
        assert page.count(f"| [`{name}`](") == 1
        assert scenario.promise in page


def test_every_verb_and_key_has_a_row() -> None:
    faults, tables = faults_page(), scenario_page()

    assert [verb for verb in VERBS if f"| `{verb}` |" not in faults] == []
    assert [key for key in json_schema()["properties"] if f"| `{key}` |" not in tables] == []
    assert re.findall(r"\|  \|$", faults.partition("## What")[0], re.MULTILINE) == []


def test_every_guarantee_and_every_deed_is_described() -> None:
    guarantees = json_schema()["$defs"]["Guarantees"]["properties"]
    deeds = faults_page().partition("## What a bad host does")[2].partition("\n## ")[0]

    assert [key for key, field in guarantees.items() if not field.get("description")] == []
    assert [deed for deed in (*get_args(HostileDeed), *get_args(ClientDeed)) if f"`{deed}`" not in deeds] == []


def test_defaults_in_the_schema_are_written_as_files_write_them() -> None:
    made = json_schema()

    assert made["properties"]["duration"]["default"] == "30s"
    assert made["$defs"]["Topology"]["properties"]["loss"]["default"] == "0%"
    assert isinstance(Scenario.model_fields["duration"].default, int)


def test_the_file_of_the_tutorial_is_a_scenario(tmp_path: Path) -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    path = tmp_path / "shop.toml"
    path.write_text("".join(blocks), encoding="utf-8")

    scenario = read(path)

    assert len({group.region for group in scenario.topology.node}) == 3
    assert [event.verb for event in scenario.timeline] == ["partition", "crash"]


def test_settings_that_the_reference_gives_as_examples_are_settings_of_a_node() -> None:
    examples = re.findall(r'`"([\w.-]+)" = (\d+)`', scenario_page())

    assert len(examples) == 2
    for name, value in examples:
        config_of({name: int(value)})
