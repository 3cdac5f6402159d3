"""`gossamer history`: print what channels hold."""

from __future__ import annotations

import sys

import click

from nodes.cli.common import gateway_flags, run, standard


@click.command()
@click.argument("patterns", nargs=-1, required=True)
@click.option("--limit", "-n", type=click.IntRange(1), default=100, help="At most so many messages. [100]")
@click.option("--all", "everything", is_flag=True, help="Without limit.")
@click.option("--since", metavar="T", help='From when: "1h", "all", a date and time. [all]')
@click.option("--until", metavar="T", help="Until when.")
@click.option("--oldest", is_flag=True, help="The oldest first, and of these the first LIMIT.")
@click.option("--format", "-f", "form", type=click.Choice(["text", "json", "raw"]), help="As `gossamer sub`. [text]")
@gateway_flags
def history(
    patterns: tuple[str, ...],
    limit: int,
    everything: bool,
    since: str | None,
    until: str | None,
    oldest: bool,
    form: str | None,
    gateways: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print the newest messages of channels that match PATTERNs, the oldest of them first, in one order.

    The order is the same on every node that has the same messages, and gaps are told as `gossamer sub` tells them,
    as early as they may belong: raw output ends before the first, and nothing that may come after it is written.

    \b
    gossamer history 'room/#' --since 1h
    gossamer history room/1 --all --oldest --format raw > FILE
    """
    form = "json" if as_json else form or "text"
    standard(sys.stdout, "output")
    run(_print(patterns, None if everything else limit, since, until, gateways, form, oldest=oldest))


async def _print(
    patterns: tuple[str, ...],
    limit: int | None,
    since: str | None,
    until: str | None,
    gateways: tuple[str, ...],
    form: str,
    *,
    oldest: bool,
) -> None:
    from nodes.cli.sub import FORMATS, gap_shown
    from nodes.sdk.client import connect
    from nodes.sdk.messages import Gap, Message
    from nodes.sdk.pages import turned_round

    out = sys.stdout.buffer

    def show(item: Message | Gap) -> bytes:
        return FORMATS[form](item) if isinstance(item, Message) else gap_shown(item, form)

    async with connect(*gateways) as session:
        found = session.history(*patterns, limit=limit, since=since, until=until, backwards=not oldest)
        if oldest:
            async for item in found:
                out.write(show(item))
        else:
            for item in turned_round([item async for item in found]):
                out.write(show(item))
    out.flush()
