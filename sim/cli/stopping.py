"""Ctrl-C and SIGTERM: heard once. What ends then ends in good order, and says what is kept; whoever presses it again changes nothing."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sim import stops
from sim.outputs import written

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

STOPPING = (signal.SIGINT, signal.SIGTERM)
KEPT = {
    "run": "",
    "sweep": "what the journal holds is kept",
    "replay": "the tape is as it was",
    "shrink": "what was given is as it was",
    "topology": "",
    "safeguards": "what stands above was found",
    "maelstrom": "all nodes have ended, and there are no figures",
}
"""What is left of each verb that takes its time, whenever it is stopped; the files that it writes are named beside that."""
WRITING = ("run", "replay", "shrink", "topology")
"""Those that write a file or two at their end, or none if they are stopped before."""

AGAIN_S = 0.05
"""What fell into a callback, which raises nothing, is raised again so much later."""
_heard: list[int] = []
"""The signal that was heard."""


def stopped() -> int:
    """The exit status of whoever was stopped: 130 by Ctrl-C, 143 by SIGTERM."""
    return 128 + (_heard[0] if _heard else signal.SIGINT)


def kept(verb: str) -> str:
    """What a verb leaves that was stopped: it may have been at its end, and have written what it was asked for."""
    whole = [str(path) for path, is_whole in written.items() if is_whole]
    parts = [str(path) for path, is_whole in written.items() if not is_whole]
    said = [KEPT.get(verb, "nothing was done")]
    if whole:
        said.append(f"{' and '.join(whole)} {'were' if len(whole) > 1 else 'was'} written")
    elif verb in WRITING:
        said.append("no file was written")
    if parts:
        said.append(f"{' and '.join(parts)} may hold a part of what was to be written")
    return ", and ".join(each for each in said if each)


@contextmanager
def heard_once() -> Iterator[None]:
    """The first Ctrl-C or SIGTERM is a `KeyboardInterrupt`; the next are ignored: none interrupts what ends in good order.

    Where Ctrl-C is ignored already (a shell's `&`), it stays so. Where it comes while Python runs a callback of something that is
    gone (`weakref.finalize`), its exception would be printed and forgotten, and the next be ignored: it is raised again.
    What is done as a whole (`sim.stops.undisturbed`) is done first.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    heeded = [number for number in STOPPING if before[number] is not signal.SIG_IGN]
    _heard.clear()
    written.clear()

    def stop(number: int, _: object) -> None:
        for each in heeded:
            signal.signal(each, signal.SIG_IGN)
        _heard.append(number)
        stops.stop()

    alarms: list[Any] = []

    def again(*_: object) -> None:
        stops.stop()

    def on_unraisable(what: UnraisableHookArgs) -> None:
        if isinstance(what.exc_value, KeyboardInterrupt):
            alarms.append(signal.signal(signal.SIGALRM, again))
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            hook(what)

    hook, sys.unraisablehook = sys.unraisablehook, on_unraisable
    for number in heeded:
        signal.signal(number, stop)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        if alarms:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarms[0])
        for number in heeded:
            if signal.getsignal(number) is stop:  # else it was heard, here or by whoever took over, and is ignored now
                signal.signal(number, before[number])
