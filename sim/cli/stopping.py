"""Ctrl-C and SIGTERM: heard once. What ends then ends in good order, and says what is kept; whoever presses it again changes nothing."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

STOPPING = (signal.SIGINT, signal.SIGTERM)
KEPT = {
    "run": "a run that was not finished leaves nothing",
    "sweep": "what the journal holds is kept",
    "replay": "the tape is as it was",
    "shrink": "no smaller run was written, and what was given is as it was",
    "topology": "nothing was written but the picture, if it was asked for",
    "safeguards": "what stands above was found",
    "maelstrom": "all nodes have ended, and there are no figures",
}
"""What is left of each verb that takes its time."""


AGAIN_S = 0.05
"""What fell into a callback, which raises nothing, is raised again so much later."""
_heard: list[int] = []
"""The signal that was heard."""


def stopped() -> int:
    """The exit status of whoever was stopped: 130 by Ctrl-C, 143 by SIGTERM."""
    return 128 + (_heard[0] if _heard else signal.SIGINT)


@contextmanager
def heard_once() -> Iterator[None]:
    """The first Ctrl-C or SIGTERM is a `KeyboardInterrupt`; the next are ignored: none interrupts what ends in good order.

    Where Ctrl-C is ignored already (a shell's `&`), it stays so. Where it comes while Python runs a callback of something that is
    gone (`weakref.finalize`), its exception would be printed and forgotten, and the next be ignored: it is raised again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    heeded = [number for number in STOPPING if before[number] is not signal.SIG_IGN]
    _heard.clear()

    def stop(number: int, _: object) -> None:
        for each in heeded:
            signal.signal(each, signal.SIG_IGN)
        _heard.append(number)
        raise KeyboardInterrupt

    alarms: list[Any] = []

    def again(*_: object) -> None:
        raise KeyboardInterrupt

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
