"""`gossamer sim`: run, sweep, replay, shrink, topology, list, maelstrom; one module for each that is more than a line.

Exit status: 0 all promises kept, 1 one was broken or a gate stayed shut, 2 called wrongly, or a file makes no sense, or
journals that were merged lack seeds, or what is printed or written finds no room, or standard output is closed, 130 stopped
by Ctrl-C, 141 whoever read what is printed has gone, 143 stopped by SIGTERM.
"""

from __future__ import annotations

from typing import Any

import click

from sim.cli.again import replay, shrink
from sim.cli.catalogue import list_scenarios, safeguards, schema
from sim.cli.maelstrom import maelstrom
from sim.cli.run import run
from sim.cli.stopping import heard_once, kept, stopped
from sim.cli.streams import taken
from sim.cli.sweep import sweep
from sim.cli.topology import topology


class SimGroup(click.Group):
    """Verbs whose errors about files are one line and exit status 2."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read what stands before the verb, such as `--help`."""
        with taken():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        with taken():
            return self._run(ctx)

    def _run(self, ctx: click.Context) -> Any:
        from sim.errors import SimError
        from sim.plain import plain

        try:
            with heard_once():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(plain(f"gossamer sim: stopped; {kept(ctx.invoked_subcommand or '')}."), err=True)
            raise SystemExit(stopped()) from None
        except SimError as error:
            code = f"{error.code} " if error.code else ""
            click.echo(plain(f"gossamer sim: {code}{error}"), err=True)
            raise SystemExit(2) from error


@click.group(cls=SimGroup)
def sim() -> None:
    """Run scenarios in the simulator: partitions, latency, crashes and worse, on the real node's code."""


for verb in (run, sweep, replay, shrink, topology, list_scenarios, maelstrom, schema, safeguards):
    sim.add_command(verb)
