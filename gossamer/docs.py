"""All pages of `docs/reference` that come from the code: `make docs` writes them, a test sees that they are current."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from pathlib import Path

import click

from gossamer.command import VERBS, command
from nodes.docs import NOTE
from nodes.docs import PAGES as NODE_PAGES
from nodes.settings import keys
from sim.docs import PAGES as SIM_PAGES
from sim.docs import schema_text

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
HEAD = """# The command line

`gossamer VERB --help` says the same. Exit status: 0 done, 1 failed, 2 called wrongly, 3 timed out; of `gossamer sim` 1 is
a broken promise, and 141 says that whoever read what is printed has gone. What went wrong is one
line on standard error, with a [code](errors.md) and what to do about it. `--json` prints one JSON object a line.

Every flag has an environment variable; a flag is stronger. Several values are parted by commas there. The settings of
a node have [variables and a file](config.md) as well.
"""


def cli_page() -> str:
    """Every verb: what it does, what it takes, its flags and their environment variables."""
    context = click.Context(command, info_name="gossamer", auto_envvar_prefix="GOSSAMER")
    parts = [NOTE, HEAD]
    for name, verb in VERBS.items():
        if verb.is_built():
            found = command.get_command(context, name)
            assert found is not None
            parts += _verb(found, name, context)
    return "\n".join(parts)


def _verb(found: click.Command, name: str, above: click.Context) -> list[str]:
    """A verb, and those below it."""
    context = click.Context(found, info_name=name, parent=above)
    if isinstance(found, click.Group):
        return [part for each, verb in found.commands.items() for part in _verb(verb, each, context)]
    paragraphs = cleandoc(found.help or "").split("\n\n")
    parts = [
        f"## {context.command_path}\n",
        f"`{context.command_path} {' '.join(found.collect_usage_pieces(context))}`\n",
    ]
    for paragraph in paragraphs:
        shown = paragraph.removeprefix("\b\n")
        parts.append(f"```sh\n{shown}\n```\n" if shown != paragraph else shown.replace("\n", " ").strip() + "\n")
    rows = [_row(option) for option in found.params if isinstance(option, click.Option)]
    return [*parts, "| flag | | in the environment |\n|---|---|---|", *rows, ""]


def _row(option: click.Option) -> str:
    flags = ", ".join(f"`{flag}`" for flag in sorted(option.opts, key=len, reverse=True))
    takes = "" if option.is_flag else f" {option.metavar or option.type.name.upper().removesuffix(' RANGE')}"
    if isinstance(option.type, click.Choice):
        takes = " " + " \\| ".join(option.type.choices)
    named = {key.path.rpartition(".")[2]: key.environment for key in keys().values() if key.path.startswith("node.")}
    variable = option.envvar or named[max(option.opts, key=len).removeprefix("--")]
    return f"| {flags}{takes} | {option.help} | `{variable}` |".replace("|…", "\\|…").replace("T|CURSOR", "T\\|CURSOR")


def _noted(page: Callable[[], str]) -> Callable[[], str]:
    return lambda: f"{NOTE}\n{page()}"


PAGES = {
    **NODE_PAGES,
    "cli.md": cli_page,
    "scenario.schema.json": schema_text,
    **{name: _noted(page) for name, page in SIM_PAGES.items()},
}


def main() -> None:
    """Write all pages."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
