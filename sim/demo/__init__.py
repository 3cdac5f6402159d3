"""`gossamer demo`: a mesh in three regions on this machine, cut and healed before your eyes, and judged.

Three real nodes, every link between them and every gateway behind a proxy of ours (`stage`); publishers that keep a
ledger of their receipts and subscribers that write diaries (`cast`, `books`); faults by a timetable (`plan`, `play`);
and a judge that reads nothing but the books (`judge`). Exit status: 0 the contract was kept and enough happened for
that to mean something, 1 it was not, 128 + the signal's number if it was stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sim.demo.plan import SECONDS_DEFAULT, SECONDS_LEAST, SECONDS_MOST

if TYPE_CHECKING:
    from sim.demo.screen import Screen

SABOTAGES = ("fsync", "dedupe", "repair")


@click.command()
@click.option(
    "--seconds",
    type=click.IntRange(SECONDS_LEAST, SECONDS_MOST),
    default=SECONDS_DEFAULT,
    help=f"How long it may take in all. [{SECONDS_DEFAULT}]",
)
@click.option("--no-faults", is_flag=True, help="Cut, kill and swallow nothing.")
@click.option(
    "--sabotage",
    type=click.Choice(SABOTAGES),
    help="Turn one safeguard off, to see the demo fail: it ends with status 1 and names the broken promise.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def demo(seconds: int, no_faults: bool, sabotage: str | None, as_json: bool) -> None:
    """Watch a mesh in three regions be cut and heal, and see whether it keeps its promises."""
    import signal

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the theatre listens: nothing is there to clean up
    from sim.demo.theatre import run

    raise SystemExit(run(seconds, lambda: _screen(as_json=as_json), faults=not no_faults, sabotage=sabotage or ""))


def _screen(*, as_json: bool) -> Screen:
    """A screen for whoever watches."""
    import sys

    from sim.demo.screen import JsonScreen, PlainScreen

    if as_json:
        return JsonScreen()
    if not sys.stdout.isatty():
        return PlainScreen()
    from sim.demo.live import LiveScreen

    return LiveScreen()
