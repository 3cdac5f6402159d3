"""What a scenario lacks: the line of the table that it is looked for in."""

from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario.reading import read


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
