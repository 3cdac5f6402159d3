"""What a scenario lacks, and the line of the table that it is looked for in; files that are not there."""

from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario.reading import find, read


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "title: it is missing"),
        ('\n# a comment\ntitle = "a"\n', 1, "promise: it is missing"),
        ('title = ""\npromise = "b"\n', 1, "title: ''; expected a text with something in it"),
        ('title = "a"\npromise = " "\n', 2, "promise: ' '; expected a text with something in it"),
        ('title = "a"\npromise = "b"\n', 1, "topology: it is missing"),
        ('title = "a"\npromise = "b"\n\n[topology]\n', 4, "topology.node: it is missing"),
        ('title = "a"\npromise = "b"\ntopology.latency = "1ms"\n', 3, "topology.node: it is missing"),
        (
            'title = "a"\npromise = "b"\n\n[[topology.link]]\nbetween = ["a", "b"]\n\n[[topology.link]]\n',
            4,
            "topology.node: it is missing",
        ),
        ('title = "a"\npromise = "b"\ntopology = { node = [{ region = "eu" }] }\n', 3, "topology.node.0.name"),
    ],
)
def test_what_is_missing_is_told_where_it_would_stand(text: str, line: int, said: str, tmp_path: Path) -> None:
    """A table may have no line of its own: then it is the first of what is in it."""
    path = tmp_path / "a.toml"
    path.write_text(text)

    with pytest.raises(ScenarioError) as caught:
        read(path)

    assert str(caught.value).startswith(f"{path}:{line}: {said}"), caught.value


VERBS = "partition, clog, one-way, isolate, ring, swizzle, flap, link, … (docs/reference/faults.md)"
DEEDS = "garble, tamper, replay, withhold, forget, deny, boast, flood, …"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ('crash = "a"', 'timeline.0.at: it is missing; expected a time such as "250ms", "10s" or "5m"'),
        ('at = "1s"', f"timeline.0: an event without a verb; expected exactly one of {VERBS}"),
        (
            'at = "1s", crash = "a", pause = "a"',
            f"timeline.0: an event with crash and pause; expected exactly one of {VERBS}",
        ),
        ('at = "1s", slow-cpu = {}', "timeline.0.slow-cpu.nodes: it is missing; expected a text or a list of texts"),
        ('at = "1s", crash-loop = {}', "timeline.0.crash-loop.node: it is missing; expected a text"),
        ('at = "1s", flap = {}', "timeline.0.flap.between: it is missing; expected a list of 2"),
        (
            'at = "1s", hostile = { node = "a" }',
            f"timeline.0.hostile.does: it is missing; expected one of {DEEDS}",
        ),
    ],
)
def test_of_what_is_missing_it_is_told_what_belongs_there(event: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        f'title = "a"\npromise = "b"\ntopology = {{ node = [{{ name = "a" }}] }}\ntimeline = [{{ {event} }}]'
    )

    with pytest.raises(ScenarioError) as caught:
        read(path)

    assert str(caught.value) == f"{path}:4: {said}"


def test_where_tables_belong_they_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('title = "a"\npromise = "b"\n[topology]\n')

    with pytest.raises(ScenarioError, match=r"topology\.node: it is missing; expected a list of tables$"):
        read(path)


def test_a_path_to_nothing_is_not_the_name_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("halves").symlink_to("nowhere")
    with pytest.raises(ScenarioError, match=r"^halves: there is no such file"):
        find("halves")
    for other in ("halves.toml", "elsewhere/halves.toml"):
        with pytest.raises(
            ScenarioError, match=r"there is no such file; expected a file, or the name of one that ships: halves$"
        ):
            find(other)
    with pytest.raises(ScenarioError, match=r"a name that `gossamer sim list` prints$"):
        find("parts/three-regions")
