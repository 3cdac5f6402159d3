"""The command `gossamer`: one table of verbs, each loaded when it is called.

The table says where a verb lives and what it does in one line, so that `gossamer --help`, suggestions and shell
completion import nothing but click. Verbs come from `nodes.cli` and from `sim`, which know nothing of each other; this
module is where they meet. Every flag of a verb has an environment twin, named as people write it: `gossamer pub --rate`
reads `GOSSAMER_PUB_RATE`, `gossamer mesh invite --region` reads `GOSSAMER_MESH_INVITE_REGION`.

Exit status: 0 done, 1 failed, 2 called wrongly, 3 timed out, 130 stopped by Ctrl-C, 141 nobody reads any more.
"""

import atexit
import gc
import os
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


HUNG_UP = 128 + 13
"""As a shell counts a program that SIGPIPE has ended."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of the command: where it lives (`module:attribute`), and what it does in one line."""

    home: str
    summary: str

    @property
    def module(self) -> str:
        """The module that has to be imported for this verb, and for no other."""
        return self.home.partition(":")[0]

    def is_built(self) -> bool:
        """Whether the verb's module is there. Looks at files and imports nothing."""
        package, *rest = self.module.split(".")
        spec = find_spec(package)
        folders = spec.submodule_search_locations if spec else None
        places = [Path(folder, *rest) for folder in folders or ()]
        return any(place.with_suffix(".py").exists() or (place / "__init__.py").exists() for place in places)

    def load(self) -> click.Command:
        """Import the verb. Raises ClickException when it is not built yet."""
        if not self.is_built():
            raise click.ClickException(f"This verb is planned: this version has no {self.module} yet.")
        command = getattr(import_module(self.module), self.home.partition(":")[2])
        assert isinstance(command, click.Command), f"{self.home} is no click command"
        return command


VERBS: Mapping[str, Verb] = {
    "dev": Verb("nodes.cli.dev:dev", "Run a whole mesh on this machine, to try things out."),
    "node": Verb("nodes.cli.node:node", "Run one node."),
    "mesh": Verb("nodes.cli.mesh:mesh", "Found a mesh, and invite nodes to it."),
    "pub": Verb("nodes.cli.pub:pub", "Publish to a channel."),
    "sub": Verb("nodes.cli.sub:sub", "Print what arrives on channels."),
    "history": Verb("nodes.cli.history:history", "Print what a channel holds."),
    "status": Verb("nodes.cli.status:status", "Say how a node and its mesh are."),
    "doctor": Verb("nodes.cli.doctor:doctor", "Find what is wrong with machine, config or mesh, and what to do."),
    "explain": Verb("nodes.cli.explain:explain", "Explain an error code: cause, remedy, page."),
    "config": Verb("nodes.cli.config:config", "Check, show or describe the configuration."),
    "demo": Verb("sim.demo:demo", "Watch a mesh in three regions be cut and heal."),
    "sim": Verb("sim.cli:sim", "Run scenarios in the simulator."),
}
"""In the order in which a newcomer needs them, which is the order that `--help` prints."""


class LazyGroup(click.Group):
    """A click group that knows its verbs by a table and imports one only to run it."""

    def __init__(self, *args: Any, verbs: Mapping[str, Verb], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the verbs in the order of the table."""
        del ctx
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb, if there is one of this name, and name the environment twins of its flags."""
        verb = self.verbs.get(cmd_name)
        if verb is None:
            return None
        command = verb.load()
        if ctx.auto_envvar_prefix is not None:
            name_twins(command, f"{ctx.auto_envvar_prefix}_{cmd_name.upper()}")
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read what stands before the verb. Ctrl-C is 130 here, too."""
        try:
            return super().make_context(*args, **kwargs)
        except KeyboardInterrupt:
            raise _stopped() from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb. Ctrl-C that nobody else heard, as while a verb is imported, is 130 as of every program."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _stopped() from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that the arguments begin with; suggest one when there is none."""
        if args and not args[0].startswith("-") and args[0] not in self.verbs and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=self.verbs, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table, and say which of them are only planned."""
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(
                [
                    (name, verb.summary if verb.is_built() else f"{verb.summary} (planned)")
                    for name, verb in self.verbs.items()
                ]
            )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete a verb from the table; the flags come from click."""
        from click.shell_completion import CompletionItem

        verbs = [
            CompletionItem(name, help=verb.summary) for name, verb in self.verbs.items() if name.startswith(incomplete)
        ]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)


def _stopped() -> SystemExit:
    click.echo("gossamer: stopped.", err=True)
    return SystemExit(130)


def name_twins(command: click.Command, prefix: str) -> None:
    """Give each flag the variable that its long name says; click alone would take the name of the parameter behind it.

    Several values of a flag are parted by commas there. Flags that say `allow_from_autoenv=False` are left alone: they are
    settings, which read their own variables.
    """
    for option in command.params:
        if isinstance(option, click.Option) and option.allow_from_autoenv and option.envvar is None:
            name = max(option.opts, key=len).removeprefix("--").replace("-", "_").upper()
            option.envvar = f"{prefix}_{name}"
            option.allow_from_autoenv = False
            if option.multiple:
                option.type = copy(option.type)  # click shares one type of texts between all flags
                option.type.envvar_list_splitter = ","  # type: ignore[misc]  # click has one for a class
    if isinstance(command, click.Group):
        for name, verb in command.commands.items():
            name_twins(verb, f"{prefix}_{name.upper().replace('-', '_')}")


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"gossamer {version('gossamer')}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    context_settings={"auto_envvar_prefix": "GOSSAMER", "help_option_names": ["-h", "--help"]},
    epilog="Every flag can be set in the environment: `pub --rate` is GOSSAMER_PUB_RATE.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Say which version it is.",
)
def command() -> None:
    """Messages between regions, without a central data centre."""
    for name in ("COLUMNS", "LINES"):
        if set(os.environ.get(name, "")) == {"0"}:
            del os.environ[name]  # rich would take it at its word, and print nothing; as 0 it says that nobody knows


def main() -> NoReturn:
    """Run the command and end the process with its exit status."""
    atexit.register(gc.freeze)  # what ends need not be looked through for garbage first: a fifth of `sim run halves`
    try:
        command(prog_name="gossamer")
    except KeyboardInterrupt:  # before anything was read
        raise _stopped() from None
    except BrokenPipeError:  # click had something to say of a verb, and nobody hears it any more
        os._exit(HUNG_UP)  # what is left in the buffers goes nowhere
    except OSError as error:  # an output that cannot be written
        from nodes.cli.common import out_of_order

        out_of_order(error)
    raise AssertionError("click ends the process")
