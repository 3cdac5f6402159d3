"""The theatre: from the curtain to an empty stage, whatever happens in between.

However the play ends (a verdict, a node that does not start, Ctrl-C or SIGTERM at any moment), the nodes have ended,
the sockets are closed and the folder is gone before this returns. Should this process be killed, each node is told by
the system that its parent is gone, and drains.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from mesh.errors import HostError
from mesh.rng import Rng
from nodes.sdk import GossamerError
from sim.demo import sabotage as sabotages
from sim.demo.judge import Verdict
from sim.demo.plan import plan
from sim.demo.play import Play
from sim.demo.screen import Screen
from sim.demo.stage import Stage
from sim.proxy.nodes import leave

FAILED = 1
STOPPED = 128
"""The exit status of whoever was stopped by a signal is this and the signal's number."""


def run(seconds: int, make_screen: Callable[[], Screen], *, faults: bool, sabotage: str) -> int:
    """Perform the demo and return its exit status."""
    try:
        import uvloop  # where it exists
    except ImportError:
        return asyncio.run(_run(seconds, make_screen, faults=faults, sabotage=sabotage))
    return uvloop.run(_run(seconds, make_screen, faults=faults, sabotage=sabotage))


async def _run(seconds: int, make_screen: Callable[[], Screen], *, faults: bool, sabotage: str) -> int:
    loop = asyncio.get_running_loop()
    stopped: list[signal.Signals] = []
    play = asyncio.current_task()
    assert play is not None

    def stop(number: signal.Signals) -> None:
        if not stopped:  # a second Ctrl-C finds the end already under way, and the end is bounded
            stopped.append(number)
            play.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    screen = make_screen()
    began = loop.time()
    try:
        if sabotage:
            screen.say(0, "sabotage", f"sabotage: {sabotages.ABOUT[sabotage]}", {"sabotage": sabotage})
        with sabotages.in_clients(sabotage):
            verdict = await _perform(seconds, screen, faults=faults, sabotage=sabotage)
        screen.end(verdict, loop.time() - began)
    except (asyncio.CancelledError, Exception) as error:
        screen.close()
        if stopped:
            name = stopped[0].name
            text = f"the demo was stopped by {name}; its nodes have ended and its folder is gone"
        elif isinstance(error, (HostError, GossamerError)):
            text = f"the demo cannot go on: {error}"
        elif isinstance(error, BrokenPipeError):  # who read us has enough; the interpreter's last flush goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        else:
            raise
        click.echo(f"gossamer: {text}.", err=True)
        return STOPPED + stopped[0] if stopped else FAILED
    finally:
        screen.close()
    return 0 if verdict.passed else FAILED


async def _perform(seconds: int, screen: Screen, *, faults: bool, sabotage: str) -> Verdict:
    """Open the stage, play, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="gossamer-demo-"))
    stage = Stage(folder, Rng(secrets.token_bytes(32)), sabotage)
    gently = False
    try:
        verdict = await Play(stage, plan(seconds), screen, faults).run()
        gently = True
    except BaseExceptionGroup as group:
        raise _first(group) from group
    finally:
        hung = await leave(stage, gently=gently)
    if hung:
        screen.say(0, "hung", f"did not end in good order: {', '.join(hung)}", {})
    return verdict


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first: what it dragged with it does not matter."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
