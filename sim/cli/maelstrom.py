"""`gossamer sim maelstrom`: a node of ours in Maelstrom's bench, or in our small one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import click
from click.core import ParameterSource

from mesh.errors import ConfigError
from sim.cli.common import BROKEN
from sim.maelstrom.trial import NODES_MAX, Trial

TOLD = {
    "nodes": f"Processes, at most {NODES_MAX}.",
    "rate": "Operations a second, half of them broadcasts, half reads.",
    "seconds": "How long they go on.",
    "latency_ms": "What a message between nodes takes.",
    "partitions": "Cuts, spread over that time.",
    "cut_s": "How long each lasts.",
    "settle_s": "Between the last operation and the final reads.",
    "seed": "What draws operations and cuts.",
}


def _of_the_bench(function: Callable[..., None]) -> Callable[..., None]:
    """An option for each field of a trial."""
    for name, value in reversed(asdict(Trial()).items()):
        option = click.option(
            f"--{name.replace('_', '-')}", type=int, default=value, show_default=True, help=TOLD[name]
        )
        function = option(function)
    return function


@click.command()
@click.option(
    "--test",
    "tests",
    is_flag=True,
    help="Play the bench as well: our own, on this machine; the others are its options.",
)
@_of_the_bench
@click.pass_context
def maelstrom(ctx: click.Context, /, tests: bool, **asked: int) -> None:
    """Speak Maelstrom's protocol on stdin and stdout: one node that takes its broadcast workload.

    With --test run a trial and print its figures: a table on stderr, JSON on stdout. What was lost, doubled or invented ends with 1.
    """
    if tests:
        _test(**asked)
        return
    given = [name for name in asked if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        raise click.UsageError(f"--{given[0].replace('_', '-')} is an option of the bench: say --test, too.")
    from sim.maelstrom.process import main

    main()


def _test(**asked: int) -> None:
    try:
        trial = Trial(**asked)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    from sim.maelstrom.runner import Bench

    found = Bench(trial, tell=_say).run()
    _say(found.table())
    click.echo(json.dumps(asdict(found), indent=2))
    if not found.kept:
        raise SystemExit(BROKEN)


def _say(text: str) -> None:
    click.echo(text, err=True)
