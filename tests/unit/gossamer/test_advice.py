"""What is advised beside a code can be done: its commands and settings are there, and nothing that nobody can do yet."""

import re

import click
import pytest

from gossamer.command import command
from mesh.codes import EXPLANATIONS, Code
from nodes.settings import keys


def words_of(code: Code) -> list[str]:
    """What stands in backticks in an explanation."""
    return [word for part in EXPLANATIONS[code] for word in re.findall(r"`([^`]+)`", part)]


def is_command(words: list[str]) -> bool:
    """Whether the words are one of ours, options left out."""
    here: click.Command | None = command
    for word in words:
        if not isinstance(here, click.Group):
            break
        here = here.get_command(click.Context(here), word)
    return here is not None


@pytest.mark.parametrize("code", Code)
def test_commands_and_settings_that_are_advised_are_there(code: Code) -> None:
    for word in words_of(code):
        if word.startswith("gossamer "):
            assert is_command(word.split()[1:]), word
        elif re.fullmatch(r"[a-z_]+\.[a-z_]+", word):
            assert word in keys(), word


@pytest.mark.parametrize("code", Code)
def test_nobody_is_told_to_revoke_a_member_as_long_as_nothing_can(code: Code) -> None:
    assert "revoke" not in EXPLANATIONS[code][2]
