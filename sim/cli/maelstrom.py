"""`gossamer sim maelstrom`: a node of ours in Maelstrom's bench, or in our small one."""

from __future__ import annotations

import click


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option(
    "--test",
    "tests",
    is_flag=True,
    help="Play the bench as well: our own, on this machine; see docs/howto/maelstrom.md.",
)
@click.pass_context
def maelstrom(ctx: click.Context, tests: bool) -> None:
    """Speak Maelstrom's protocol on stdin and stdout: one node that takes its broadcast workload."""
    if tests:
        from sim.maelstrom.__main__ import test

        raise SystemExit(test(ctx.args))
    if ctx.args:
        raise click.UsageError(f"No such option here: {ctx.args[0]}. Options of the bench go after --test.")
    from sim.maelstrom import main

    main()
