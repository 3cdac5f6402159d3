"""Each story in `stories/` is told again and must come out as it was written down; `pytest --update` writes it anew."""

from pathlib import Path

import pytest

from sim.story import Story, tell

STORIES = sorted(Path(__file__).parent.glob("stories/*.txt"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story_goes_as_it_was_told(path: Path, update_transcripts: bool) -> None:
    written = path.read_text(encoding="utf-8")

    told = tell(written)

    if update_transcripts:
        path.write_text(told, encoding="utf-8")
    assert told == written or update_transcripts, f"{path.name} goes otherwise now; look at it, then pytest --update"


def test_there_are_stories() -> None:
    assert len(STORIES) >= 10


def test_story_refuses_what_is_no_command() -> None:
    with pytest.raises(ValueError, match="does not know 'sing'"):
        Story().say("sing ana")
