"""`gossamer config`: check, show or describe the settings of a node."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from mesh.errors import HostError
from nodes.cli.common import MISUSED, fail, line
from nodes.settings import gather, json_schema, keys

FILE = click.option("--config", "-c", "path", type=click.Path(path_type=Path), help="Settings file (TOML).")


@click.group()
def config() -> None:
    """Check, show or describe a node's settings: file < GOSSAMER_… environment < flags."""


@config.command()
@FILE
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def check(path: Path | None, as_json: bool) -> None:
    """Check a settings file and the environment; nothing is started. Exit 2 if something is wrong with them."""
    _gather(path)
    checked = str(path) if path is not None else "the environment"
    click.echo(line({"checked": checked, "good": True}) if as_json else f"{checked}: good")


@config.command()
@FILE
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def show(path: Path | None, as_json: bool) -> None:
    """Show every setting as a node would take it, and where it comes from."""
    _, origins = _gather(path)
    section = ""
    for name, origin in origins.items():
        if as_json:
            value = list(origin.value) if isinstance(origin.value, tuple) else origin.value
            click.echo(line({"key": name, "value": value, "source": origin.source}))
            continue
        head, _, key = name.partition(".")
        if head != section:
            click.echo(f"{'' if not section else chr(10)}[{head}]")
            section = head
        written = f"{key} = {toml_value(origin.value)}"
        click.echo(f"{written:<44} # {origin.source}")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON Schema, for editors, in one line.")
def schema(as_json: bool) -> None:
    """Describe every setting: what it takes, its default, its environment variable."""
    if as_json:
        click.echo(line(json_schema()))
        return
    for key in keys().values():
        click.echo(f"{key.path} = {toml_value(key.default)}   ({key.kind_text}; {key.environment})\n    {key.about}")


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, tuple):
        return "[" + ", ".join(json.dumps(item, ensure_ascii=False) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _gather(path: Path | None) -> Any:
    try:
        return gather(path, os.environ, {})
    except HostError as error:
        fail(error.code, str(error), status=MISUSED)
